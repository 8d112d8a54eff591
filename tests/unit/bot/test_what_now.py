"""What to do after a result: whole, in one message, in every language, and never with a person's other scans."""

import pytest
from telegram.constants import MessageLimit

from bot.chat import pages
from bot.chat.keyboards import Action
from bot.chat.languages import load_language
from bot.knowledge.loader import codes
from bot.scan.what_now import what_now_of, what_now_page
from inference.registry import check_models
from tests.unit.bot.scans import SCANS, a_scan, shown

_, MODELS = check_models()
english = load_language("en", MODELS)
VERDICTS = ("tumor_signs", "no_tumor_signs", "not_sure")


def test_red_flags_come_first_and_certainty_last() -> None:
    text = shown(what_now_page(SCANS["signs"], english.texts, english.knowledge, MODELS.values()))
    places = [text.index(english.texts(f"now.{part}")) for part in ("help", "who", "bring", "ask", "sure")]
    assert places == sorted(places)
    assert "112, 911 or 999" in text
    assert "A score is not your risk" in text


@pytest.mark.parametrize("code", codes())
@pytest.mark.parametrize("organ", MODELS)
def test_it_is_one_message_in_every_language(code: str, organ: str) -> None:
    language = load_language(code, MODELS)
    for verdict in VERDICTS:
        for label in MODELS[organ].card.class_names:
            scan = a_scan(
                organ=organ, verdict=verdict, label=label, model_sha256=next(iter(MODELS[organ].card.sha256.values())),
                probabilities=dict.fromkeys(MODELS[organ].card.class_names, 0.5),
            )  # fmt: skip
            text = shown(what_now_page(scan, language.texts, language.knowledge, [MODELS[organ]]))
            assert len(text) <= MessageLimit.MAX_TEXT_LENGTH
            assert "{" not in text
            assert "112" in text


@pytest.mark.parametrize("code", codes())
@pytest.mark.parametrize("organ", [*MODELS, "no_such_organ"])
def test_unkept_result_is_told_what_to_do(code: str, organ: str) -> None:
    language = load_language(code, MODELS)
    for verdict in VERDICTS:
        text = shown(what_now_of(verdict, organ, language.texts, language.knowledge, MODELS))
        assert len(text) <= MessageLimit.MAX_TEXT_LENGTH
        assert "{" not in text
        assert "112" in text
        assert language.texts(f"who.{verdict}") in text


def test_organ_without_own_words_gets_those_for_all() -> None:
    text = shown(what_now_page(SCANS["another organ"], english.texts, english.knowledge, ()))
    assert english.texts("faq.very_unwell") in text
    assert english.texts("who.tumor_signs") in text


@pytest.mark.parametrize("asked", ["who won the football world cup", "my uncle and gliomas and trips to Spain", ""])
def test_every_unknown_answer_ends_with_emergency_line(asked: str) -> None:
    page = pages.not_known(english.knowledge.suggest(asked, 3), english.texts)
    *_, (text, buttons) = page.messages()
    assert text.endswith("call 112, 911 or 999 first.")
    assert buttons is not None
    assert Action.WHAT_NOW.word not in text
