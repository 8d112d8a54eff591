"""One honest number: caption, "What now?", bars, history, questions, report and model card say the same of a model."""

import re
from dataclasses import replace

import pytest

from bot.chat.facts import filled, span_words
from bot.chat.languages import Language, load_language
from bot.handlers.history import page_text
from bot.scan.messages import picture_caption
from bot.scan.report_data import report_data
from bot.scan.what_now import what_now_page
from inference.card import MODELS_DIR, ModelCard
from inference.registry import Entry, check_models
from inference.track_record import Rate, training_pictures, verdict_rates
from storage.records import Pictures, Scan, ScanPage
from tests.unit.bot.scans import a_scan, shown

_, MODELS = check_models()
ORGANS = list(MODELS)


@pytest.fixture(scope="module")
def english() -> Language:
    return load_language("en", MODELS)


def card_rows(folder: str) -> dict[float, str]:
    """Lower edge of a score bin -> what the model card's page tells of it: "too few", or "96 of 100 (93 to 98)"."""
    text = (MODELS_DIR / folder / "MODEL_CARD.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d.]+) to [\d.]+ \| \d+ \| \d+ \| ([^|]+) \|$", text, re.MULTILINE)
    return {float(low): said.strip() for low, said in rows}


def scored(card: ModelCard, score: float, verdict: str) -> Scan:
    """A scan whose probability of any finding is ``score``."""
    ill = [c.name for c in card.classes if c.tumor]
    well = [c.name for c in card.classes if not c.tumor]
    probabilities = dict.fromkeys(well, (1 - score) / len(well)) | dict.fromkeys(ill, score / len(ill))
    return a_scan(
        organ=card.organ, verdict=verdict, label=ill[0], probabilities=probabilities,
        prediction_set=card.class_names, model_name=card.name, model_version=card.version,
        model_sha256=next(iter(card.sha256.values())),
    )  # fmt: skip


def numbers(said: str) -> list[str]:
    """Every "96 of 100 ... (93 to 98)" about scores, as the model card writes it."""
    found = re.findall(r"(about|more than|less than) (\d+) of 100 scored like this had it \((\d+) to (\d+)\)", said)
    edge = {"more than": "100", "less than": "0"}
    return [f"{edge.get(how, share)} of 100 ({low} to {high})" for how, share, low, high in found]


@pytest.mark.parametrize("organ", ORGANS)
def test_caption_what_now_and_report_tell_model_cards_number(organ: str, english: Language) -> None:
    entry = MODELS[organ]
    rows = card_rows(entry.folder.name)
    assert len(rows) == len(entry.card.reliability) > 0
    for scores in entry.card.reliability:
        scan = scored(entry.card, (scores.low + scores.high) / 2, "tumor_signs")
        wanted = [] if rows[scores.low] == "too few" else [rows[scores.low]]
        for said in (
            shown(picture_caption(scan, english.texts, [entry])),
            shown(what_now_page(scan, english.texts, english.knowledge, [entry])),
            report_data(scan, Pictures(b"", b""), english, [entry]).explanation,
        ):
            assert numbers(said) == wanted, said


@pytest.mark.parametrize("organ", ORGANS)
def test_history_and_bars_hold_no_other_number(organ: str, english: Language) -> None:
    entry = MODELS[organ]
    scan = scored(entry.card, 0.9, "tumor_signs")
    assert "of 100" not in page_text(ScanPage((scan,), 1, 1, 1), english.texts)
    for bar in report_data(scan, Pictures(b"", b""), english, [entry]).bars:
        assert f"{round(100 * bar.probability)}%" == bar.chance


@pytest.mark.parametrize("organ", ORGANS)
def test_question_how_accurate_is_answered_with_cards_figures(organ: str, english: Language) -> None:
    asked = english.knowledge.search("how accurate are you")
    assert asked is not None
    answer = filled(asked.entry.answer, english.texts)  # type: ignore[union-attr]
    scan = scored(MODELS[organ].card, 0.5, "not_sure")
    page = shown(what_now_page(scan, english.texts, english.knowledge, [MODELS[organ]]))
    for with_finding in (True, False):
        row = verdict_rates(MODELS[organ].card, with_finding=with_finding)
        assert row is not None
        for rate in (row.signs, row.no_signs):
            share = "<1" if 0 < rate.share < 0.005 else str(round(100 * rate.share))
            said = f"{share} ({round(100 * rate.low)} to {round(100 * rate.high)})"
            assert said in answer
            assert said in page
    for organ_name in (english.texts.organs[name].name for name in ORGANS):
        assert organ_name[:1].upper() + organ_name[1:] + ". Of 100" in answer


def everything(language: Language) -> dict[str, str]:
    """Every text of the knowledge, filled in."""
    texts = {question.slug: question.answer for question in language.knowledge.questions}
    texts |= {f"{t.slug}/{part.key}": part.text for t in language.knowledge.topics for part in t.sections}
    return {name: filled(text, language.texts) for name, text in texts.items()}


def test_training_facts_in_texts_are_the_cards(english: Language) -> None:
    known = training_pictures(MODELS["blood_smear"].card)
    counts = f"{known.pictures:,} pictures, {known.with_finding:,} of them with leukaemia"
    told = [name for name, text in everything(english).items() if "learned from" in text and "leukaemia" in text]
    assert len(told) >= 4
    for name, text in everything(english).items():
        assert "{" not in text, name
        assert not re.search(r"learned from (?:pictures of )?(?:ALL|AML|one kind)\b|ALL pictures only", text), name
        if name in ("all-vs-aml", "leukaemia/what", "how-the-bot-reads/causes", "no-leukaemia-signs/causes"):
            assert counts in text, name


def test_another_card_changes_what_the_texts_say(english: Language) -> None:
    entry = MODELS["blood_smear"]
    rows = [dict(entry.card.trained_on[0], pictures=7, kind="cml"), *entry.card.trained_on[1:]]
    other = {**MODELS, "blood_smear": replace(entry, card=entry.card.model_copy(update={"trained_on": rows}))}
    before, after = everything(english), everything(load_language("en", other))
    changed = {name for name in before if before[name] != after[name]}
    assert {"all-vs-aml", "leukaemia/what", "how-the-bot-reads/causes", "no-leukaemia-signs/causes"} <= changed
    assert "CML: 7" in after["all-vs-aml"]


def test_not_sure_is_explained_in_the_same_words_everywhere(english: Language) -> None:
    why = english.texts.plain("brief.not_sure")
    smear = scored(MODELS["blood_smear"].card, 0.5, "not_sure")
    assert why in shown(picture_caption(smear, english.texts, ()))
    scan = scored(MODELS["brain_mri"].card, 0.5, "not_sure")
    assert why.split(",")[0] in shown(picture_caption(scan, english.texts, ()))
    assert why in report_data(scan, Pictures(b"", b""), english, ()).explanation
    for name in ("why-not-sure", "result-meaning", "how-the-bot-reads/diagnosis"):
        assert why in everything(english)[name]


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "0"), (0.0036, "<1"), (0.006, "1"), (0.994, "99"), (0.997, ">99"), (1.0, "100")]
)
def test_what_happened_is_never_told_as_none_or_all(share: float, said: str, english: Language) -> None:
    assert span_words(Rate(share, 0.0, 1.0), english.texts) == f"{said} (0 to 100)"


def test_a_model_without_figures_is_said_to_have_none(english: Language) -> None:
    bare: Entry = replace(MODELS["brain_mri"], card=MODELS["brain_mri"].card.model_copy(update={"figures": {}}))
    texts = load_language("en", {"brain_mri": bare}).texts
    assert filled("{records}", texts) == texts.plain("facts.unknown")


def test_a_sign_stands_before_its_number_in_arabic_too() -> None:
    assert span_words(Rate(0.0036, 0.0, 0.01), load_language("ar").texts).lstrip("\u200f").startswith("\u200e<1 ")
