"""The gate's own part of its model card: what it does with kinds, hospitals and laboratories left out."""

from typing import Any


def lines(found: dict[str, Any] | None) -> list[str]:
    """The figures as a part of the model card."""
    if not found:
        return []
    text = [
        "## Kinds, hospitals and laboratories left out",
        "",
        "What short trainings at half the side, which have not seen these, do with them. The classifier, the distance "
        "of its features to the nearer organ's and the sum of both refuse equally many scans of val; as shipped: the "
        "classifier, and a veto of the distance.",
        "",
        "| kind of other picture | pictures | let in: classifier | distance | sum | as shipped | AUROC: classifier "
        "| distance | sum |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    names = ("classifier", "distance", "both", "as_shipped")
    for kind, row in sorted(found["others_let_in"].items()):
        cells = [row[name] for name in names] + [row[f"{name}_auroc"] for name in names[:3]]
        text.append(f"| {kind} | {row['pictures']} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    text += ["", "| source or look of scans | pictures | refused: classifier | distance | sum | as shipped |"]
    text += ["|---|---|---|---|---|---|"]
    for source, row in sorted(found["scans_refused"].items()):
        text.append(f"| {source} | {row['pictures']} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")
    return [*text, ""]
