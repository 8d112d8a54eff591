"""The brain slices: what each set's rows mean, which places are left out, and how much each picture counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from inference.training.data.example import CT_AMONG_MRI, KNOWN_FROM_TRAINING, LEFT_OUT, DataError, Example, read_index
from inference.training.recipes import (
    BRAIN,
    GLIOMA,
    MENINGIOMA,
    NO_TUMOR,
    OTHER_FINDING,
    PITUITARY,
    TUMOR_OTHER,
)

UNREMARKABLE: Final = frozenset({"", "no", "healthy", "slice without lesion"})
"""What the column ``finding`` says where nothing was found in the slice."""
CHOSEN_ON: Final = frozenset({"TCGA site FG", "TCGA site EZ"})
"""Hospitals (column ``origin``) of which no picture is trained on: what is chosen is chosen on them and on val."""
SOURCE_BOOST: Final = {
    (NO_TUMOR, "btp"): 1.7,
    (NO_TUMOR, "vs_seg_t1c"): 2.0,
    (NO_TUMOR, "ptbp_children"): 0.5,
    (NO_TUMOR, "ad_nondemented"): 0.7,
    (NO_TUMOR, "stripped_misc"): 0.7,
    (NO_TUMOR, "dcm_qa"): 0.4,
    (NO_TUMOR, "sartaj"): 1.7,
    (NO_TUMOR, "br35h"): 2.0,
    (NO_TUMOR, "aanlib"): 1.5,
    (NO_TUMOR, "ixi_mini"): 1.5,
    (NO_TUMOR, "ixi_t2_small"): 1.5,
    (NO_TUMOR, "single_subjects"): 1.3,
    (GLIOMA, "btp"): 1.7,
    (GLIOMA, "tcga_lgg"): 2.5,
    (NO_TUMOR, "tcga_lgg"): 2.0,
    (GLIOMA, "medpix_vqa"): 2.0,
    (MENINGIOMA, "medpix_vqa"): 2.0,
    (PITUITARY, "medpix_vqa"): 1.5,
    (TUMOR_OTHER, "mets_t2"): 0.6,
    (OTHER_FINDING, "fullhead_stroke"): 0.5,
}
"""Contrast-enhanced slices without tumour are few and matter much; so do healthy ones of the web, which look like
nothing else, and tumours of the archive's many hospitals. The children were all warped to one template."""
SEQUENCE_BOOST: Final = {
    (GLIOMA, "tcga_lgg", "T1"): 2.2,
    (GLIOMA, "tcga_lgg", "T1c"): 1.5,
    (NO_TUMOR, "tcga_lgg", "T1"): 1.5,
    (NO_TUMOR, "tcga_lgg", "T1c"): 1.5,
}
"""Within a source: low-grade gliomas in T1 are what is missed most."""
HEALTHY_VOLUMES: Final = {
    "niivue_demo": ("t1_3d", "t2", "pd", "template", "lowres_template", "t1_wholehead", "stripped_template"),
    "sag_anon": ("t1_sagittal_child",),
    "dcm_qa": ("epi_lowres",),
}
"""Volumes of volunteers among the odd slices, by source and presentation; the others there have no tumour label."""
PLANES: Final = ("axial", "coronal", "sagittal")


def brain_mri_examples(root: Path) -> list[Example]:
    """Every labelled slice of ``brain``, and of ``brain_more`` and ``odd_brain`` where they are. Raises DataError."""
    examples = _slices(root / "brain") + _slices(root / "brain_more") + _odd(root / "odd_brain")
    return weighted([e for e in examples if e.path.name not in CT_AMONG_MRI or e.path.parent.parent.name != "brain"])


def _slices(folder: Path) -> list[Example]:
    if folder.name != "brain" and not folder.exists():
        return []
    needed = ("file", "mask", "label", "source", "part", "group", "sequence")
    examples = []
    for number, row in enumerate(read_index(folder / "index.csv", needed), start=2):
        if row["group"] in KNOWN_FROM_TRAINING:
            continue
        label = label_of(row)
        if label not in BRAIN.class_names:
            raise DataError(f"{folder / 'index.csv'}, row {number}: {row['file']} has the unknown label {label!r}")
        left_out = row.get("origin") in CHOSEN_ON
        with_lesion = label not in (NO_TUMOR, OTHER_FINDING)
        examples.append(
            Example(
                path=folder / row["file"],
                label=label,
                part=LEFT_OUT if left_out else row["part"],
                source=row["source"],
                group=f"{row['source']}:{row['group']}",
                mask=folder / row["mask"] if row["mask"] and with_lesion else None,
                detail=row["sequence"],
                plane=row.get("plane", ""),
                finding=row.get("finding", ""),
                row=number,
                boxes=_boxes(row.get("box") or "", f"{folder / 'index.csv'}, row {number}: {row['file']}"),
            )
        )
    return examples


def label_of(row: dict[str, str]) -> str:
    """The class of a row: a slice without tumour but with a finding of another kind is neither healthy nor a tumour."""
    if row["label"] != NO_TUMOR:
        return row["label"]
    if row["source"] == "ms_ljubljana":
        # People with multiple sclerosis: its spots are bright on T2 and FLAIR and hardly seen on T1.
        return OTHER_FINDING if row["sequence"] in ("T2", "FLAIR") else NO_TUMOR
    return NO_TUMOR if row.get("finding", "") in UNREMARKABLE else OTHER_FINDING


def _boxes(text: str, where: str) -> tuple[tuple[int, int, int, int], ...]:
    try:
        boxes = [tuple(round(float(n)) for n in part.split()) for part in text.split(";") if part.strip()]
        return tuple((left, top, right, bottom) for left, top, right, bottom in boxes)
    except ValueError:
        raise DataError(f"{where} has the box {text!r}, which is not four numbers") from None


def _odd(folder: Path) -> list[Example]:
    if not folder.exists():
        return []
    rows = read_index(folder / "index.csv", ("file", "source", "presentation", "group"))
    examples = []
    for number, row in enumerate(rows, start=2):
        shown = row["presentation"]
        plane = next((p for p in PLANES if f"_{p}" in shown), "axial")
        if shown.replace(f"_{plane}", "") not in HEALTHY_VOLUMES.get(row["source"], ()) and shown not in (
            HEALTHY_VOLUMES.get(row["source"], ())
        ):
            continue
        examples.append(
            Example(
                folder / row["file"], NO_TUMOR, "train", row["source"], f"odd:{row['group']}", plane=plane, row=number
            )
        )
    return examples


def weighted(examples: Sequence[Example]) -> list[Example]:
    """Weights within a class: a source by the square root of its size, a group within it by the root of its own."""
    groups = Counter((e.part, e.label, e.source, e.group) for e in examples)
    raw = [
        groups[e.part, e.label, e.source, e.group] ** -0.5 * SEQUENCE_BOOST.get((e.label, e.source, e.detail), 1.0)
        for e in examples
    ]
    keys = [(e.part, e.label, e.source) for e in examples]
    sizes = Counter(keys)
    totals = dict.fromkeys(sizes, 0.0)
    for key, weight in zip(keys, raw, strict=True):
        totals[key] += weight
    return [
        replace(e, weight=SOURCE_BOOST.get((e.label, e.source), 1.0) * sizes[key] ** 0.5 * weight / totals[key])
        for e, key, weight in zip(examples, keys, raw, strict=True)
    ]
