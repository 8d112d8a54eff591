"""The blood smears: split by domain (slide or laboratory), never at random."""

from pathlib import Path

from inference.training.data.example import EXTRA_TEST, Example, read_index, stable_share
from inference.training.recipes import LEUKEMIA, NO_LEUKEMIA

TEST_DOMAINS = ("bccd", "Pre_yellow_sparse")
"""Domains that the shipped model never sees: one tumour-free, one with leukaemia."""
LABORATORIES = ("raabin_txl", "lisc_normal")
"""Sets of ``blood_more`` with white cells to judge, all of them normal."""


def blood_examples(root: Path) -> list[Example]:
    """Blood smears split by domain and field group, never at random.

    ``TEST_DOMAINS`` are the test part, a tenth of the other field groups are val.
    """
    folder = root / "blood"
    rows = read_index(folder / "index.csv", ("file", "label", "subtype", "view", "source", "slide", "field_group"))
    sizes: dict[str, int] = {}
    for row in rows:
        key = f"{row['slide']} {row['label']}"
        sizes[key] = sizes.get(key, 0) + 1
    examples = []
    for row in rows:
        usual = "val" if stable_share(row["field_group"]) < 0.1 else "train"
        examples.append(
            Example(
                path=folder / row["file"],
                label=LEUKEMIA if row["label"] == "malignant" else NO_LEUKEMIA,
                part="test" if row["slide"] in TEST_DOMAINS else usual,
                source=row["source"],
                group=row["field_group"],
                weight=sizes[f"{row['slide']} {row['label']}"] ** -0.5,
                detail=row["slide"],
                slide=row["slide"],
                scale_bar=row["source"] == "mehrad_all",
            )
        )
    return examples


def smear_examples(root: Path) -> list[Example]:
    """``blood_examples`` and, where there is ``blood_more``, the normal white cells of two laboratories more.

    These are ``EXTRA_TEST``: learned from they would only teach that another laboratory means health.
    """
    folder = root / "blood_more"
    if not folder.exists():
        return blood_examples(root)
    rows = read_index(folder / "index.csv", ("file", "source", "slide", "field_group"))
    return blood_examples(root) + [
        Example(
            path=folder / row["file"],
            label=NO_LEUKEMIA,
            part=EXTRA_TEST,
            source=row["source"],
            group=row["field_group"] or row["file"],
            detail=row["slide"],
        )
        for row in rows
        if row["source"] in LABORATORIES
    ]
