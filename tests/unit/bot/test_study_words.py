"""What is said of a study: how many slices agree, what was set aside, and never more than Telegram takes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.chat.languages import load_language
from bot.scan import wording
from bot.scan.messages import picture_caption, picture_words, slice_words
from bot.scan.slice_view import slice_buttons, slice_caption
from bot.scan.study import contact_numbers
from bot.scan.study_facts import StudyFacts
from inference.study.study import SetAside
from storage.records import KeptSlice, Scan

english = load_language().texts
FACTS = StudyFacts("zip", 120, ("T1c axial", "FLAIR coronal"), (40, 41, 42), 41, 2, {"scout": 3, "unreadable": 1})


def a_study(facts: StudyFacts = FACTS, *, label: str | None = None, verdict: str = "tumor_signs") -> Scan:
    return Scan(
        id=1, person_id=1, public_id="A7K2-Q9", number=3, source_key="1:a", patient_label=label, organ="brain_mri",
        verdict=verdict, reason="read", label="glioma", confidence=0.93,
        probabilities={"glioma": 0.93, "meningioma": 0.04, "pituitary": 0.02, "no_tumor": 0.01},
        prediction_set=("glioma",), gate={}, model_name="brain_mri", model_version="2026.11", model_sha256="a" * 64,
        picture_sha256="b" * 64, received_as="document", width=640, height=480, study=facts.to_json(),
        cells=(),
        created_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    )  # fmt: skip


def test_facts_survive_storage() -> None:
    assert StudyFacts.told(a_study()) == FACTS


def test_the_caption_tells_how_many_slices_agree() -> None:
    caption = picture_caption(a_study(label="Ann"), english, ())
    assert "Signs of a tumour found in these slices" in caption
    assert "Slices that point to the same place: 3 of 120 (40 to 42)." in caption
    aside = sum(FACTS.set_aside.values())
    assert f"Set aside: {aside}." in picture_caption(a_study(replace(FACTS, agreeing=())), english, ())
    assert "planning pictures (3)" in wording.set_aside_words(FACTS, english)


def test_a_lone_slice_is_told_without_a_place() -> None:
    facts = StudyFacts("volume", 20, ("",), (), 7, 1, {})
    said = wording.explanation_words(a_study(facts, verdict="not_sure"), english, ())
    assert "Slices that point" not in said
    assert "while their neighbours don't: 1" in said
    assert "No neighbouring slices point" in wording.figure_words(a_study(facts), english)


@pytest.mark.parametrize("verdict", ["tumor_signs", "no_tumor_signs", "not_sure"])
def test_the_longest_caption_is_what_telegram_takes(verdict: str) -> None:
    everything = {reason.value: 1234 for reason in SetAside}
    series = tuple(f"{weighting} {plane}" for weighting in ("T1c", "FLAIR", "T2*") for plane in ("axial", "coronal"))
    facts = StudyFacts("zip", 400, series, tuple(range(100, 140)), 120, 99, everything)
    caption = picture_caption(a_study(facts, label="𝕏" * 64, verdict=verdict), english, ())
    assert len(caption.replace("<b>", "").replace("</b>", "").encode("utf-16-le")) // 2 <= 1100
    assert "A7K2-Q9" in caption


def test_sheet_shows_all_agreeing_slices_and_some_others() -> None:
    numbers = contact_numbers(FACTS)
    assert {40, 41, 42} <= set(numbers)
    assert len(numbers) == 24
    assert min(numbers) < 10
    assert max(numbers) > 110


def test_slices_lead_to_their_neighbours_and_not_beyond() -> None:
    first, last = slice_buttons(a_study(), FACTS, 1, english), slice_buttons(a_study(), FACTS, 120, english)
    assert [b.callback_data for row in first.inline_keyboard for b in row] == ["slice:A7K2-Q9/2", "slice:A7K2-Q9/11"]
    assert [b.callback_data for row in last.inline_keyboard for b in row] == ["slice:A7K2-Q9/119", "slice:A7K2-Q9/110"]


def test_a_slice_says_whether_its_neighbours_agree() -> None:
    def said(verdict: str, *, agrees: bool) -> str:
        one = KeptSlice(41, "T1c axial", verdict, 0.9, agrees, b"", b"")
        return slice_caption(a_study(), FACTS, one, english)

    assert "Slice 41 of 120 · T1c axial" in said("tumor_signs", agrees=True)
    assert "neighbours agree" in said("tumor_signs", agrees=True)
    assert "do not agree" in said("tumor_signs", agrees=False)
    assert "Nothing in this slice" in said("not_sure", agrees=False)


def test_large_slice_of_a_study_has_its_number() -> None:
    words = slice_words(english, 14, 60)
    assert words.sent == "Slice 14 of 60"
    assert replace(words, sent="") == replace(picture_words(english), sent="")
