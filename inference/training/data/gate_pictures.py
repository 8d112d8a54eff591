"""What the gate learns from: every set here, with the kind of each picture and the place that it comes from.

A kind is finer than a class: a CT of the head is one of its own, because it is what looks most like a brain MRI. A
place is what is left out as a whole when the gate is judged: a hospital, an archive, a laboratory.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from inference.analysis import Reason
from inference.card import OTHER
from inference.training.data.blood_smear import blood_examples
from inference.training.data.example import (
    CT_AMONG_MRI,
    KNOWN_FROM_TRAINING,
    DataError,
    Example,
    read_index,
    stable_share,
)
from inference.training.recipes import BLOOD_SMEAR, BRAIN_MRI

RED_CELLS: Final = "red_cells"
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "ct_head": ("ct_head", "ct_animal"),
    "ct_body": ("ct_abdomen", "ct_body", "ct_bone", "ct_chest", "ct_figure", "pet_ct"),
    "mri_spine": ("mri_spine", "mri_neck"),
    "mri_body": ("mri_abdomen", "mri_breast", "mri_body", "mri_chest", "mri_joint"),
    "angiography": ("mr_angiography",),
    "xray": ("xray",),
    "ultrasound": ("ultrasound",),
    "cytology": ("cytology",),
    "histology": ("histology", "microscopy"),
    "drawn_brain": ("brain_",),
    "viewer": ("viewer_screenshot",),
    "screenshot": ("screenshot",),
    "page": ("document", "receipt", "medical_figure"),
    "skin": ("skin",),
    "photo": ("natural_photo", "pet_photo", "face_photo", "meme"),
    "object": ("object_on_black",),
}
"""Kind -> how the names that the sets give it begin; the first that fits counts."""
REASONS: Final = {
    **dict.fromkeys(
        ("ct_head", "ct_body", "mri_spine", "mri_body", "angiography", "xray", "ultrasound"), Reason.OTHER_MEDICAL
    ),
    **dict.fromkeys(("cytology", "histology"), Reason.OTHER_CELLS),
    **dict.fromkeys(("page", "screenshot", "photo", "skin", "drawing"), Reason.PHOTO_OR_PAGE),
    **dict.fromkeys(("viewer", "screen_photo"), Reason.PHOTO_OF_SCREEN),
    RED_CELLS: Reason.NO_WHITE_CELLS,
}
"""What people are told of a refused picture of a kind; of the other kinds only that it is no scan."""
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "web": ("sartaj", "br35h", "navoneel"),
    "archive": ("medpix_vqa", "odd_medpix2"),
    "brats": ("rsna_t1ce", "brats23_flair", "fets_t2", "utsw_t2", "mets_t2", "odd_brainlesion_tutorials"),
    "oasis": ("ad_nondemented", "oasis_trt20_slices"),
    "ixi": ("ixi_mini", "ixi_t2_small"),
    "single": ("single_subjects", "odd_sag_anon", "fullhead_stroke"),
    "templates": ("odd_niivue_demo",),
    "book": ("odd_andys_brain_book", "odd_sdc_bids_smri"),
    "chula": ("chula_rbc", "chula_disease"),
}
"""Places that hold several sources; every other source is one."""
MARKED: Final = ("annotated", "single", "synth_boxes", "synth_text", "synth_inverted")
SEVERAL: Final = ("contact_sheet", "montage")
LEFT_OUT: Final = ("coloured_overlay", "lowres", "screen_photo", "film_photo")
"""Presentations of brain MRI that are neither to be let in nor surely to be refused: nothing is learned from them."""
EXTRA_TEST: Final = "extra_test"


def gate_examples(root: Path) -> list[Example]:
    """Slices, smears and everything else; ``detail`` is the kind, ``source`` the source (of others the kind there).

    Raises DataError for a kind that this table does not know.
    """
    return [*_slices(root), *_odd_slices(root), *_smears(root), *_others(root)]


def place(example: Example) -> str:
    """The place that an example comes from; for anything but scans its kind."""
    if example.label == OTHER and example.detail != RED_CELLS:
        return example.detail
    source = example.source.replace("synth_from_", "")
    return next((name for name, sources in PLACES.items() if source in sources), source)


def kind_of(name: str) -> str:
    """The kind that a set's own name for it stands for. Raises DataError for one that is not in ``KINDS``."""
    for kind, beginnings in KINDS.items():
        if name.startswith(beginnings):
            return kind
    raise DataError(f"{name!r} is no kind that the gate knows: add it to KINDS in data/gate_pictures.py")


def _slices(root: Path) -> list[Example]:
    examples = []
    for name in ("brain", "brain_more"):
        folder = root / name
        if not (folder / "index.csv").exists():
            continue
        for row in read_index(folder / "index.csv", ("file", "source", "part", "group")):
            path = folder / row["file"]
            if row["group"] in KNOWN_FROM_TRAINING or (name == "brain" and path.name in CT_AMONG_MRI):
                continue
            examples.append(Example(path, BRAIN_MRI, row["part"], row["source"], row["group"], detail=BRAIN_MRI))
    return examples


def _odd_slices(root: Path) -> list[Example]:
    examples = []
    for row in _rows(root / "odd_brain", ("file", "source", "presentation", "group")):
        shown = row["presentation"]
        if any(word in shown for word in LEFT_OUT):
            continue
        is_sheet = any(word in shown for word in SEVERAL)
        label, kind = (OTHER, "several") if is_sheet else (BRAIN_MRI, BRAIN_MRI)
        part, source = split(row["group"]), f"odd_{row['source']}"
        examples.append(Example(root / "odd_brain" / row["file"], label, part, source, row["group"], detail=kind))
    return examples


def _smears(root: Path) -> list[Example]:
    # The gate may know the laboratories that the blood smear's model is tested on: it is judged by folds of its own.
    examples = [
        replace(e, label=BLOOD_SMEAR, part=split(e.group) if e.part == "test" else e.part, detail=BLOOD_SMEAR)
        for e in blood_examples(root)
    ]
    for row in _rows(root / "blood_more", ("file", "source", "field_group")):
        group, red = row["field_group"] or row["file"], row["source"].startswith("chula")
        label, kind = (OTHER, RED_CELLS) if red else (BLOOD_SMEAR, BLOOD_SMEAR)
        path = root / "blood_more" / row["file"]
        examples.append(Example(path, label, split(group), row["source"], group, detail=kind))
    return examples


def _others(root: Path) -> list[Example]:
    examples = []
    for name in ("other", "other_more"):
        for row in _rows(root / name, ("file", "kind")):
            if name == "other" and row["file"] in KNOWN_FROM_TRAINING:
                continue
            key = row["file"] if name == "other" else f"more/{row['file']}"
            path, kind = root / name / row["file"], row["kind"]
            examples.append(Example(path, OTHER, split(key), kind, key, detail=kind_of(kind)))
    return examples


def split(group: str) -> str:
    """The part of a group of pictures that has none in its index: 76 of 100 are to be learned from."""
    share = stable_share(group)
    return "val" if share < 0.12 else "test" if share < 0.24 else "train"


def _rows(folder: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    return read_index(folder / "index.csv", columns) if (folder / "index.csv").exists() else []
