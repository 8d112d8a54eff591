"""Cries in words that no rule lists are heard, and what people send every day is not."""

import tomllib

import pytest

from bot.knowledge import cries, cry_classifier
from bot.knowledge.cries import sentences
from bot.knowledge.cry_classifier import likely
from bot.knowledge.loader import LANGUAGES, codes
from tests.bench.cries import KEPT_APART, half_of
from tests.bench.cries import sentences as listed
from tests.conftest import TESTS
from tests.cry_fitting import told

LISTS = ("questions", "questions_fresh", "questions_third")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("he is blue around the mouth", "emergency"),
        ("hello, my mum slid down the wall and her eyes rolled back", "emergency"),
        ("nobody would miss me if i was gone tomorrow", "self_harm"),
        ("mein Mann liegt auf dem Boden und zuckt", "emergency"),
    ],
)
def test_a_cry_in_words_of_no_rule_is_heard(text: str, kind: str) -> None:
    assert cries.hear(text) is None
    assert likely(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "?", "12 34 56", "asdf qwer zxcv", "Anna MRI T2 2024", "IMG_2041.dcm", "Maria Gonzalez resonancia",
        "мама снимок 3", "माँ का एमआरआई", "صورة أمي", "good morning", "ok thanks", "please help", "i am scared", "脑部",
        "can you help me please", "the bot stopped", "my phone died", "is my scan ok", "<b>x</b>", "\ud800 \u202e a\0b",
    ],
)  # fmt: skip
def test_what_people_send_every_day_is_no_cry(text: str) -> None:
    assert likely(text) is None


def test_a_plain_question_is_no_cry() -> None:
    assert likely("what happens when somebody is on the floor and twitches") is None


def test_few_sentences_of_people_with_nothing_wrong_raise_an_alarm() -> None:
    lists = [tomllib.loads((TESTS / "data" / f"{name}.toml").read_text("utf-8")) for name in LISTS]
    asked = [text for entries in lists for kinds in entries.values() for texts in kinds.values() for text in texts]
    assert len(asked) > 700
    assert sum(likely(text) is not None for text in asked) <= 0.01 * len(asked)


def test_listed_cries_are_heard_and_few_other_sentences() -> None:
    for code in codes():
        lists = tomllib.loads((TESTS / "data" / "languages" / code / "red_flags.toml").read_text("utf-8"))
        urgent = [text for flag in ("emergency", "self-harm", "seizure") for text in lists["raised"][flag]]
        quiet = [text for texts in lists["quiet"].values() for text in texts]
        assert sum(likely(text) is not None for text in urgent) >= 0.8 * len(urgent), code
        assert sum(likely(text) is not None for text in quiet) <= 0.05 * len(quiet), code


def test_greetings_of_other_languages_are_no_cries() -> None:
    greetings = tomllib.loads((LANGUAGES / "greetings.toml").read_text("utf-8"))
    assert [code for code, text in greetings.items() if likely(str(text))] == []


def test_no_cry_that_is_kept_apart_was_learned_from() -> None:
    learned = {one.text for one in told() if one.kind}
    apart = {text for texts in listed("raised").values() for text in texts if half_of(text) == KEPT_APART}
    assert len(apart) > 200
    assert not (learned & apart) - {text for code in codes() for text in cries_of(code)}


def cries_of(code: str) -> list[str]:
    lists = tomllib.loads((TESTS / "data" / "languages" / code / "red_flags.toml").read_text("utf-8"))
    return [text for texts in lists["raised"].values() for text in texts]


def test_weights_of_another_size_are_refused_and_ours_are_small() -> None:
    data = cry_classifier.WEIGHTS.read_bytes()
    assert len(data) < 200_000
    weights = cry_classifier.unpacked(data)
    assert cry_classifier.unpacked(cry_classifier.packed(weights)) == weights
    for wrong in (weights[:1], (*weights, weights[0])):
        with pytest.raises(ValueError, match="another size"):
            cry_classifier.unpacked(cry_classifier.packed(wrong))


def test_a_long_message_of_long_words_is_bounded() -> None:
    words = [word for sentence in sentences("x" * 3000 + " " + "ab " * 4000) for word in sentence]
    assert len(words) <= cries.MOST_WORDS
    assert len(cry_classifier.places(["x" * 3000])) < 5 * cry_classifier.LONGEST_WORD


@pytest.mark.parametrize(
    ("codes_", "slug"), [(("de", "en"), "emergency-de"), (("xx", "ru"), "emergency-ru"), (("xx",), "emergency-en")]
)
def test_an_answer_is_in_the_first_language_that_has_one(codes_: tuple[str, ...], slug: str) -> None:
    assert cries.answer("emergency", *codes_).slug == slug
