"""Scans as tests of words take them, and what a person reads of the words."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from bot.scan.cell_facts import kept_cells
from inference.analysis import JudgedCell
from storage.records import Scan

ALL_VERDICTS = ("tumor_signs", "no_tumor_signs", "not_sure")
"""Of scans that are kept."""
BRAIN = {"glioma": 0.93, "meningioma": 0.04, "pituitary": 0.02, "no_tumor": 0.01}
SMEAR = {"leukemia": 0.3, "no_leukemia": 0.7}


def a_scan(**changes: object) -> Scan:
    scan = Scan(
        id=1, person_id=1, public_id="A7K2-Q9", number=3, source_key="1:a", patient_label=None, organ="brain_mri",
        verdict="tumor_signs", reason="read", label="glioma", confidence=0.93, probabilities=BRAIN,
        prediction_set=("glioma",), gate={}, model_name="brain_mri", model_version="2026.11", model_sha256="a" * 64,
        picture_sha256="b" * 64, received_as="document", width=640, height=480,
        study=None, cells=(), created_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    )  # fmt: skip
    return replace(scan, **changes)  # type: ignore[arg-type]


SCANS = {
    "signs": a_scan(),
    "none": a_scan(verdict="no_tumor_signs", label="no_tumor", probabilities=BRAIN | {"no_tumor": 0.999}),
    "unsure": a_scan(verdict="not_sure", reason="undecided", prediction_set=("no_tumor", "glioma")),
    "smear": a_scan(organ="blood_smear", label="leukemia", probabilities=SMEAR, received_as="photo"),
    "another organ": a_scan(organ="skin", label="naevus", probabilities={"naevus": 0.9, "melanoma": 0.1}),
}


class Reader(HTMLParser):
    """The text that Telegram shows, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs or tag == "a"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(html: str) -> str:
    """What a person reads of Telegram HTML."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader.text


def cells(unusual: int, usual: int) -> tuple[tuple[float, ...], ...]:
    """Kept cells, so many of which look unusual."""
    heats = [0.9] * unusual + [0.1] * usual
    return kept_cells([JudgedCell(0.5, 0.25, 0.0321, heat) for heat in heats])


SIXTEEN = cells(6, 10)
