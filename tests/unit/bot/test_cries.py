"""A cry for help is heard in nine languages, whatever language a chat is set to."""

import pytest

from bot.knowledge import cries
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import Folder
from tests.bench.cries import is_heard, sentences

RECALL, FALSE_ALARMS = 0.98, 0.03


@pytest.fixture(scope="module")
def english() -> Knowledge:
    return Knowledge.load(Folder.read("en"))


def test_at_least_98_of_100_cries_are_heard(english: Knowledge) -> None:
    texts = [text for language in sentences("raised").values() for text in language]
    missed = [text for text in texts if not is_heard(text, english)]
    assert len(texts) >= 400
    assert len(missed) <= (1 - RECALL) * len(texts), missed


def test_everyday_sentences_hardly_ever_raise_an_alarm(english: Knowledge) -> None:
    texts = [text for language in sentences("quiet").values() for text in language]
    alarms = [text for text in texts if is_heard(text, english)]
    assert len(alarms) < FALSE_ALARMS * len(texts), alarms


@pytest.mark.parametrize("code", cries.languages())
def test_each_language_hears_and_answers_in_its_own_words(code: str) -> None:
    heard = [
        flag for text in sentences("raised")[code] if (flag := cries.hear(text)) and flag.slug.endswith(f"-{code}")
    ]
    assert {flag.slug for flag in heard} == {f"self_harm-{code}", f"emergency-{code}"}
    for flag in heard:
        assert flag.title
        assert "112" in flag.text
        assert "192" in flag.text or code != "pt"


def test_self_harm_is_heard_in_questions_and_comes_first() -> None:
    flag = cries.hear("why is it that my son had a seizure and i want to end it")
    assert flag is not None
    assert flag.slug == "self_harm-en"
    assert flag.always


def test_a_plain_question_about_an_emergency_is_no_cry() -> None:
    assert cries.hear("what is a seizure and what happens when someone passed out") is None


def test_a_denied_sign_is_no_cry() -> None:
    assert cries.hear("hoy el niño está bien, sin convulsiones") is None


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "🧠" * 4000, "no " * 2000, "a" * 5000, "‮ojalá‬"])
def test_odd_texts_are_heard_without_harm(text: str) -> None:
    assert cries.hear(text) is None


@pytest.mark.parametrize(
    "text", ["qué es una convulsión", "nunca tuve una convulsión", "unterschied zwischen ohnmacht und krampfanfall"]
)
def test_question_or_denial_in_either_language_is_no_cry(text: str) -> None:
    assert cries.hear(text) is None


def test_sign_that_ends_sentence_is_none_before_other_words() -> None:
    heard = cries.hear("ich kann nicht mehr")
    assert heard is not None
    assert heard.slug == "self_harm-de"
    assert cries.hear("ich kann das bild nicht mehr sehen") is None
