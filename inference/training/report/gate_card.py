"""The gate's own part of its model card: what it does with kinds, hospitals and laboratories that it has not seen."""

from typing import Any

SIGNALS = ("classifier", "distance", "as_shipped")


def lines(found: dict[str, Any] | None) -> list[str]:
    """The figures of the folds as a part of the model card."""
    if not found:
        return []
    text = [
        "## Kinds, hospitals and laboratories left out",
        "",
        "What short trainings at half the side, which have not seen these, do with them: the classifier alone, the "
        "distance to the nearer organ alone, and both weighed together as shipped, each at the point that refuses as "
        "many slices and smears of val.",
        "",
        "| kind of other picture | pictures | let in: classifier | distance | as shipped | AUROC: classifier "
        "| distance | as shipped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in sorted(found["others_let_in"].items()):
        cells = [row[name] for name in SIGNALS] + [row[f"{name}_auroc"] for name in SIGNALS]
        text.append(f"| {kind} | {row['pictures']} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    text.append(_mean(found["others_let_in"]) + " | | | |")
    text += ["", "| source or look of scans | pictures | refused: classifier | distance | as shipped |"]
    text += ["|---|---|---|---|---|"]
    for source, row in sorted(found["scans_refused"].items()):
        text.append(f"| {source} | {row['pictures']} | " + " | ".join(f"{row[name]:.3f}" for name in SIGNALS) + " |")
    text.append(_mean(found["scans_refused"]) + " |")
    text += [
        "",
        "By fold: all scans that it left out against all other pictures that it left out, and what it has seen:",
        "",
    ]
    text += [
        "| fold | AUROC: classifier | distance | as shipped | other pictures of val let in: classifier | distance "
        "| as shipped | scans of val refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for fold, row in found["folds"].items():
        cells = [row[f"{name}_{what}"] for what in ("auroc", "known") for name in SIGNALS]
        cells.append(row["scans_of_val_refused"])
        text.append(f"| {fold} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    return [*text, ""]


def drawn(found: dict[str, Any] | None) -> list[str]:
    """The figures of the kinds that only a test draws."""
    if not found:
        return []
    text = [
        "## Kinds that no training drew",
        "",
        f"{found['pictures_of_each']} pictures of each, drawn by code as a test alone (`folds gate --drawn`), shown to "
        "the shipped gate; AUROC against the scans of val.",
        "",
        "| kind | let in | AUROC |",
        "|---|---|---|",
    ]
    text += [f"| {kind} | {row['let_in']:.3f} | {row['auroc']:.3f} |" for kind, row in sorted(found["kinds"].items())]
    return [*text, f"| **all** | {found['let_in']:.3f} | {found['auroc']:.3f} |", ""]


def _mean(rows: dict[str, Any]) -> str:
    shares = [sum(row[name] for row in rows.values()) / len(rows) for name in SIGNALS]
    pictures = sum(row["pictures"] for row in rows.values())
    return f"| **mean of these** | {pictures} | " + " | ".join(f"{share:.3f}" for share in shares)
