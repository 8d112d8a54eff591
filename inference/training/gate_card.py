"""The gate's own part of its model card: what it does with kinds, hospitals and laboratories left out."""

from typing import Any


def lines(found: dict[str, Any] | None) -> list[str]:
    """The figures as a part of the model card."""
    if not found:
        return []
    text = [
        "## Kinds, hospitals and laboratories left out",
        "",
        "What short trainings without these pictures do with them. Distance: of the features to the nearer organ's.",
        "",
        "| kind of other picture | pictures | let in: classifier | distance | both | AUROC: classifier "
        "| distance | both |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = ("classifier", "distance", "both")
    for kind, row in sorted(found["others_let_in"].items()):
        cells = [row[name] for name in names] + [row[f"{name}_auroc"] for name in names]
        text.append(f"| {kind} | {row['pictures']} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    text += [
        "",
        "| source or look of scans | pictures | refused: classifier | distance | both |",
        "|---|---|---|---|---|",
    ]
    for source, row in sorted(found["scans_refused"].items()):
        text.append(f"| {source} | {row['pictures']} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")
    return [*text, ""]
