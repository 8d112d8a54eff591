"""Reports as the shipped languages and models tell them: few pages and small files, in each language, on any paper."""

import io
from dataclasses import replace
from functools import cache

import pytest
from pypdf import PdfReader
from pypdf.generic import Destination

from bot.chat.languages import open_models
from bot.scan.report_data import Paper, paper_for
from inference.card import MODELS_DIR
from reports import render
from tests.goldens import CASES, as_told

MODELS, LANGUAGES = open_models(MODELS_DIR)
KINDS = ("signs-en", "none-de", "unsure-es", "study-en", "smear-ru", "smear-none-hi", "unsure-ar")
"""Of the twelve: every verdict of both organs, and a study."""
PAPERS: tuple[Paper, ...] = ("a4", "letter")


@cache
def printed(code: str, kind: str, paper: Paper) -> bytes:
    """One with a long label."""
    return render(replace(as_told(kind, MODELS, LANGUAGES, code), paper=paper, patient_label="Wolfeschlegel " * 5))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_slice_takes_two_pages_and_a_study_four(code: str, kind: str) -> None:
    is_study = "study" in kind
    for paper in PAPERS:
        pdf = printed(code, kind, paper)
        assert len(PdfReader(io.BytesIO(pdf)).pages) <= (4 if is_study else 2), paper
        assert len(pdf) < (1_500_000 if is_study else 400_000)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_report_has_room_for_notes_on_any_paper(code: str, kind: str) -> None:
    for paper in PAPERS:
        outline = PdfReader(io.BytesIO(printed(code, kind, paper))).outline
        bookmarks = [mark.title for mark in outline if isinstance(mark, Destination)]
        assert LANGUAGES[code].report.notes in bookmarks, paper


@pytest.mark.parametrize("name", CASES)
def test_report_tells_the_figures_of_its_models_card(name: str) -> None:
    told = as_told(name, MODELS, LANGUAGES)
    card = MODELS[CASES[name][1]].card
    ill = card.figures["test"]["verdicts"]["with_tumor"]

    assert len(told.strength) == 4
    assert str(ill["pictures"]) in told.strength[0]
    assert LANGUAGES[told.language].texts.percent(ill["signs"]["value"]) in told.strength[0]


def test_paper_follows_the_setting_then_the_readers_country() -> None:
    english, spanish = (LANGUAGES[code].texts.locale for code in ("en", "es"))

    assert [paper_for(None, english), paper_for(None, english, "US"), paper_for(None, spanish, "MX")] == [
        "a4", "letter", "letter",
    ]  # fmt: skip
    assert paper_for("a4", english, "US") == "a4"
    assert paper_for("letter", spanish) == "letter"
