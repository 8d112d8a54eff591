"""The white cells of a smear in words: how many were judged, and how many look unusual by themselves."""

from dataclasses import replace

import pytest

from bot.chat.languages import load_language
from bot.scan import wording
from bot.scan.cell_facts import kept_cells, told_cells
from bot.scan.messages import picture_caption
from bot.scan.report_data import report_data
from inference.analysis import JudgedCell
from storage.records import Pictures
from tests.unit.bot.scans import ALL_VERDICTS, SCANS, SIXTEEN, cells, shown

language = load_language()
english = language.texts


@pytest.mark.parametrize(
    ("unusual", "usual", "words"),
    [
        (6, 8, "14 white cells, 6 look unusual."),
        (1, 1, "2 white cells, 1 looks unusual."),
        (0, 1, "1 white cell, none looks unusual."),
    ],
)
def test_white_cells_are_counted_in_caption_and_report(unusual: int, usual: int, words: str) -> None:
    for verdict in ALL_VERDICTS:
        smear = replace(SCANS["smear"], verdict=verdict, cells=cells(unusual, usual))
        assert words in shown(picture_caption(smear, english, ()))
        assert words in report_data(smear, Pictures(b"", b""), language, ()).explanation


def test_nothing_is_said_of_cells_where_none_were_judged() -> None:
    for scan in SCANS.values():
        assert "white cell" not in shown(picture_caption(scan, english, ()))


@pytest.mark.parametrize("code", ["ar", "de", "es", "hi", "ru"])
def test_cells_are_counted_in_every_language(code: str) -> None:
    texts = load_language(code).texts
    said = {wording.cell_words(replace(SCANS["smear"], cells=cells(n, 3)), texts) for n in range(14)}
    assert len(said) == 14
    assert not any("{" in words for words in said)


def test_cells_come_back_as_they_were_kept() -> None:
    seen = (JudgedCell(0.123456, 0.5, 0.03, 0.5), JudgedCell(1.0, 0.0, 0.05, 0.49))
    scan = replace(SCANS["smear"], cells=kept_cells(seen))
    assert told_cells(scan) == (JudgedCell(0.1235, 0.5, 0.03, 0.5), seen[1])
    assert told_cells(replace(scan, cells=((1, 2),))) == ()  # of another version: nothing rather than nonsense


def test_report_shows_cells_that_counted_with_what_they_mean() -> None:
    smear = replace(SCANS["smear"], cells=SIXTEEN)
    sheet = report_data(smear, Pictures(b"", b""), language, (), b"strip").cells
    assert sheet is not None
    assert sheet.picture == b"strip"
    assert "Blood without leukaemia can hold such cells" in sheet.words
    assert report_data(smear, Pictures(b"", b""), language, ()).cells is None
