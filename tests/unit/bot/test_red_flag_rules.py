"""How far a sign reaches, word by word: what stands between, what denies it, which typos are heard."""

from typing import Any

import pytest

from bot.knowledge.red_flags import (
    ASIDE_REACH,
    FARTHEST,
    LONG_WORD,
    LONGEST_TEXT,
    MOST_BETWEEN,
    MOST_TYPOS,
    MOST_WORDS,
    NEAR_NEGATION,
    NEGATION_REACH,
    SHORTEST_TYPO,
    Listening,
    RedFlagDetector,
    Signs,
)
from bot.knowledge.words import WordRules

WORDS = WordRules(
    capitals={}, rewrites=(), contractions={}, spelling=(), endings=(), synonyms={}, small=("of", "my"), subjects=(),
    sections={},
)  # fmt: skip


def hears(text: str, *signs: str, aside: str = "", known: str = "", always: bool = False, **listening: Any) -> bool:
    """Whether a text raises a flag with these signs."""
    asked: dict[str, Any] = {"fillers": (), "information": (), "supposing": (), "experience": (), "denials": ("no",)}
    listening = {**asked, "before": ("before",), **listening}
    flag = Signs("flag", signs or ("weak arm",), always=always, aside=(aside,) if aside else ())
    return RedFlagDetector(WORDS, Listening(**listening), [flag], known.split()).hear(text) == "flag"


def some(count: int, word: str = "big") -> str:
    return " ".join([word] * count)


def test_only_few_words_of_weight_may_stand_between() -> None:
    assert hears(f"weak {some(MOST_BETWEEN)} arm")
    assert not hears(f"weak {some(MOST_BETWEEN + 1)} arm")
    assert hears(f"weak {some(MOST_BETWEEN + 1, 'of')} arm")


def test_what_belongs_together_stands_near() -> None:
    assert hears(f"weak {some(FARTHEST - 1, 'of')} arm")
    assert not hears(f"weak {some(FARTHEST, 'of')} arm")
    assert not hears("arm weak")


def test_what_follows_directly_has_nothing_between() -> None:
    assert hears("weak arm", "weak+arm")
    assert not hears("weak of arm", "weak+arm")


@pytest.mark.parametrize("text", ["song {} weak arm", "weak arm {} song"])
def test_a_word_about_something_else_cancels_what_is_near(text: str) -> None:
    assert not hears(text.format(some(ASIDE_REACH - 1)), aside="song")
    assert hears(text.format(some(ASIDE_REACH)), aside="song")


def test_a_denial_reaches_some_words() -> None:
    assert not hears(f"no {some(NEGATION_REACH - 1)} weak arm")
    assert hears(f"no {some(NEGATION_REACH)} weak arm")
    assert hears("no weak arm before")
    assert not hears("weak arm nay", denials_after=("nay",))
    assert not hears(f"weak arm {some(NEGATION_REACH - 1)} nay", denials_after=("nay",))
    assert hears(f"weak arm {some(NEGATION_REACH)} nay", denials_after=("nay",))
    assert hears("weak nay", "weak nay", denials_after=("nay",)), "a word of the sign itself denies nothing"
    assert hears("no song weak no", "weak no"), "who says no to two things still says the second"
    assert hears("weak nay song nay", "weak nay", denials_after=("nay",))


def test_flag_always_heard_is_denied_from_near_alone() -> None:
    assert not hears(f"no {some(NEAR_NEGATION - 1)} weak arm", always=True)
    assert hears(f"no {some(NEAR_NEGATION)} weak arm", always=True)


@pytest.mark.parametrize(
    ("typed", "meant", "heard"),
    [
        ("tumro", "tumor", True),
        ("pian", "pain", False),
        ("dumor", "tumor", False),
        ("seizrue", "seizure", True),
        ("siezrue", "seizure", False),
        ("haedahce", "headache", True),
        ("haedahec", "headache", False),
    ],
)
def test_long_words_may_hold_more_typos(typed: str, meant: str, heard: bool) -> None:
    assert {len("tumor"), len("headache")} == {SHORTEST_TYPO, LONG_WORD}
    assert hears(typed, meant) is heard


def test_a_word_that_is_known_is_no_typo() -> None:
    assert hears("a strike", "stroke")
    assert not hears("a strike", "stroke", known="strike")


def test_typos_beyond_a_bound_are_not_looked_for() -> None:
    strange = " ".join(f"abcde{number:02d}" for number in range(MOST_TYPOS))
    assert not hears(f"{strange} tumro", "tumor")
    assert hears(f"{strange[8:]} tumro", "tumor")


def test_the_longest_filler_is_skipped_before_a_question() -> None:
    listening: dict[str, Any] = {"fillers": ("well", "well then"), "information": ("what is",)}
    assert not hears("well then what is weak arm", **listening)
    assert hears("then what is weak arm", **listening)


def test_any_number_of_fillers_is_skipped_before_question() -> None:
    listening: dict[str, Any] = {"fillers": ("well", "so then", "hm"), "information": ("what is",)}
    assert not hears("hm so then well what is weak arm", **listening)
    assert hears("hm so well what is weak arm", **listening)


def test_what_shows_a_question_anywhere_makes_one() -> None:
    assert hears("weak arm kya hota hai")
    assert not hears("weak arm kya hota hai", asking=("kya hota",))
    assert hears("my weak arm kya hota hai", asking=("kya hota",), experience=("my",))
    assert hears("weak arm kya", asking=("kya hota",))


def test_alternatives_of_a_sign_are_each_heard() -> None:
    for text, heard in (("weak arm", True), ("numb leg", True), ("weak numb", False), ("arm leg", False)):
        assert hears(text, "weak/numb arm/leg") is heard, text


def test_a_word_of_a_question_is_no_typo() -> None:
    assert hears("strike", "stroke")
    assert not hears("strike", "stroke", information=("strike",))
    assert not hears("strike", "stroke", asking=("strike out",))


def test_as_much_as_telegram_allows_is_heard() -> None:
    text = f"{some(409, 'xyxyxyxyx')} xyxyxy"
    assert len(text) == LONGEST_TEXT
    assert hears(f"{text[:-2]} z", "z")
    assert not hears(f"{text[:-1]} z", "z")
    assert hears(f"{some(MOST_WORDS - 1)} weak", "weak")
    assert not hears(f"{some(MOST_WORDS)} weak", "weak")
