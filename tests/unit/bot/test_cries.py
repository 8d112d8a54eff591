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


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Straße ısı øre łódź", ["strasse", "isi", "ore", "lodz"]),
        ("İMDAT", ["imdat"]),
        ("أحمد إلى آسف ٱلله مئة على", ["احمد", "الي", "اسف", "الله", "مية", "علي"]),
        ("ﬁn (ﬀ) „moi“!", ["fin", "ff", "moi"]),
        ("мой Ёж", ["мои", "еж"]),
        ("काली", ["काली"]),
        ("j'ai d’un", ["j", "ai", "d", "un"]),
    ],
)
def test_words_are_compared_without_case_accents_and_signs(typed: str, folded: list[str]) -> None:
    assert [word for sentence in cries.sentences(typed) for word in sentence] == folded


@pytest.mark.parametrize(
    ("way", "typed", "folded"),
    [("de", "Hände für Größe", ["haende", "fuer", "groesse"]), ("en", "won't don’t", ["wont", "dont"])],
)
def test_german_and_english_are_folded_their_own_way(way: str, typed: str, folded: list[str]) -> None:
    assert cries._sentences(typed, cries._way(way)) == [folded]


def test_german_cry_is_heard_with_umlauts_and_without() -> None:
    for text in ("ich möchte nicht mehr leben", "ich moechte nicht mehr leben"):
        assert cries.hear(text) is not None, text


def test_sentences_end_at_marks_of_every_script() -> None:
    assert cries.sentences("one. two! three? four; five\nsix؟ सात। eight, nine") == [
        *(["one"], ["two"], ["three"], ["four"], ["five"], ["six"]),
        *(["सात"], ["eight", "nine"]),
    ]


def test_no_more_words_are_read_than_agreed() -> None:
    assert sum(map(len, cries.sentences("no. " * 1000))) == cries.MOST_WORDS
    assert sum(map(len, cries.sentences("no " * 1000))) == cries.MOST_WORDS


@pytest.mark.parametrize("without", ["without", "sin", "ohne", "без", "sans", "sem", "بدون"])
def test_without_denies_a_sign_of_any_language(without: str) -> None:
    assert cries.hear("convulsiones") is not None
    assert cries.hear(f"{without} convulsiones") is None
    near, far = (" ".join(["x"] * count) for count in (cries.DENIAL_REACH - 1, cries.DENIAL_REACH))
    assert cries.hear(f"{without} {near} convulsiones") is None
    assert cries.hear(f"{without} {far} convulsiones") is not None


def test_words_of_a_sign_follow_in_order_and_near() -> None:
    near, far = (["x"] * count for count in (cries.MOST_BETWEEN, cries.MOST_BETWEEN + 1))
    assert cries._follows(["a", *near, "b"], 0, (("b",),))
    assert not cries._follows(["a", *far, "b"], 0, (("b",),))
    assert not cries._follows(["b", "a"], 1, (("b",),))
    assert not cries._follows(["a", "b"], 1, (("b",),))
    assert cries._follows(["a", "b", "x", "c"], 0, (("b",), ("c",)))
    assert not cries._follows(["a", "c", "b"], 0, (("b",), ("c",)))


def test_saying_stands_word_after_word() -> None:
    saying = (("dying",), ("of",), ("laugh*", "joy"))
    for text, stands in (("dying of laughter", True), ("dying of joy", True), ("dying of lau", False)):
        assert cries._at(text.split(), 0, saying) is stands
    assert not cries._at(["dying", "of"], 0, saying)
    assert not cries._at(["dying", "of", "much", "laughter"], 0, saying)
    assert cries._at(["so", "dying", "of", "joy", "today"], 1, saying)
    assert cries.is_aside(["i", "am", "dying", "of", "laughter"])
    assert not cries.is_aside(["i", "am", "dying"])


def test_signs_that_begin_with_short_stems_are_found() -> None:
    short, long, whole = (("abc*",),), (("abcdef*", "wordy"),), (("abc",),)
    signs = cries._indexed("", [short, long, whole])
    assert set(signs.beginning_with("abcdefgh")) == {short, long}
    assert set(signs.beginning_with("abc")) == {short, long, whole}
    assert set(signs.beginning_with("wordy")) == {long}
    assert cries._fits("abcd", short[0])
    assert not cries._fits("abx", short[0])


def test_answer_comes_in_first_language_that_has_one() -> None:
    assert cries.answer("emergency", "xx", "de", "es").slug == "emergency-de"
    assert cries.answer("self_harm", "xx").slug == "self_harm-en"
    for code in cries.languages():
        flag = cries.answer("self_harm", code)
        assert flag.always
        assert not cries.answer("emergency", code).always
        assert "\n" not in flag.title
        assert flag.text not in ("", flag.title)
