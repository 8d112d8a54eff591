"""The knowledge base: what is loaded, what is found, and what is honestly not known."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from telegram.constants import MessageLimit

from bot.knowledge.knowledge import SECTION_KEYS, Knowledge
from bot.knowledge.red_flags import Listening, RedFlagDetector, Signs
from bot.knowledge.search import Index, Phrasing
from bot.knowledge.words import WordRules
from tests.bench.faq_search import answer, cases, score
from tests.bench.samples import LONGEST

TUNED_FLOOR = 0.95
HELD_OUT_FLOOR = 0.86
"""A little below what was measured (0.99 and 0.89), so that a real loss fails and a reworded phrase does not."""


@pytest.fixture(scope="module")
def english() -> Knowledge:
    return Knowledge.load()


def test_what_does_not_exist_is_none(english: Knowledge) -> None:
    assert english.topic("gout") is None
    assert english.question("gout") is None
    with pytest.raises(KeyError):
        english.topics[0].section("gout")


def test_every_question_is_found_by_slug_in_its_group(english: Knowledge) -> None:
    for group in english.groups:
        for question in group.questions:
            assert question.group == group.slug
            assert english.question(question.slug) is question
    assert len(english.questions) == sum(len(group.questions) for group in english.groups)


def test_nothing_of_it_can_be_changed_by_accident(english: Knowledge) -> None:
    for field in dataclasses.fields(english.topics[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(english.topics[0], field.name, "something else")


def test_every_phrasing_and_name_finds_its_own_entry(english: Knowledge) -> None:
    for question in english.questions:
        for text in (question.question, *question.phrasings):
            match = english.search(text)
            assert match is not None, text
            assert match.entry is question, text
            assert match.kind == "question"
    for topic in english.topics:
        for text in (topic.title, *topic.names):
            match = english.search(text)
            assert match is not None, text
            assert match.entry is topic, text
            assert match.kind == "topic"


@pytest.mark.parametrize("key", SECTION_KEYS)
def test_question_about_a_topics_part_names_that_part(english: Knowledge, key: str) -> None:
    asked = {
        "what": "what is a meningioma",
        "symptoms": "symptoms of meningioma",
        "causes": "what causes meningioma",
        "diagnosis": "how is meningioma diagnosed",
        "treatment": "how is meningioma treated",
        "help": "when to seek help for meningioma",
        "questions": "questions to ask about meningioma",
    }
    match = english.search(asked[key])
    assert match is not None
    assert (match.entry.slug, match.section) == ("meningioma", key)


@pytest.mark.parametrize(
    "slug", ["brain-tumours", "glioma", "meningioma", "pituitary-tumour", "acute-myeloid-leukaemia"]
)
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("What is {}?", "what"),
        ("what are the symptoms of {}", "symptoms"),
        ("Who is at risk for {}?", "causes"),
        ("how to diagnose {}", "diagnosis"),
        ("What are the treatments for {}?", "treatment"),
    ],
)
def test_every_illness_can_be_asked_about_part_by_part(english: Knowledge, slug: str, asked: str, key: str) -> None:
    topic = english.topic(slug)
    assert topic is not None
    match = english.search(asked.format(topic.names[0]))
    assert match is not None
    assert (match.entry.slug, match.section) == (slug, key)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("brain tumour symptoms", "brain tumor symptoms"),
        ("what is leukaemia", "what is leukemia"),
        ("meningioma", "menengioma"),
        ("what is a biopsy", "what is a biospy"),
        ("what is a glioma", "What are GLIOMAS???"),
        ("can't you read my picture", "can’t you read my pictures"),
        ("what do the colours mean", "what do the colors mean"),
    ],
)
def test_spelling_typos_and_plurals_lead_to_the_same_answer(english: Knowledge, one: str, other: str) -> None:
    assert answer(english, one) is not None
    assert answer(english, other) == answer(english, one)


def test_illness_named_all_is_distinguished_from_word_all(english: Knowledge) -> None:
    assert answer(english, "how is ALL treated") == "acute-lymphoblastic-leukaemia"
    assert answer(english, "how do I delete all my data") == "delete-everything"
    assert answer(english, "HOW DO I DELETE ALL MY DATA") == "delete-everything"


def test_a_known_number_does_not_hide_an_unknown_word() -> None:
    rules = WordRules({}, [], {}, [], [], {}, [], [], {})
    index = Index(rules, [Phrasing("question/delete/", "delete scan 1"), Phrasing("question/show/", "show scan")])
    assert index.search("delete qwertzuiop scan 1") == index.search("qwertzuiop delete scan 1")


def test_entry_is_backed_where_no_other_fits_better() -> None:
    rules = WordRules({}, [], {}, [], [], {}, ["of", "it"], [], {})
    prices = [Phrasing("question/free/", f"{thing} price") for thing in ("scan", "picture", "report", "bot")]
    others = [Phrasing("question/therapy/", f"therapy {number}") for number in range(9)]
    index = Index(rules, [*prices, Phrasing("question/therapy/", "price of it"), *others])
    asked = {text: index.search(text)[0] for text in ("price of it", "scan price", "therapy 5")}
    assert [hit.key for hit in asked.values()] == ["question/therapy/", "question/free/", "question/therapy/"]
    assert [hit.backed for hit in asked.values()] == [False, True, True]


def test_greeting_does_not_hide_the_question_after_it(english: Knowledge) -> None:
    assert answer(english, "hello") == "hello"
    assert answer(english, "Hello! Can you read a CT?") == "can-you-read-ct"


def test_suggestions_are_the_best_first_and_each_only_once(english: Knowledge) -> None:
    found = english.suggest("my uncle was told he has a glioma and we wonder about trips to Spain", 3)
    assert found[0].entry.slug == "glioma"
    assert len(found) <= 3
    assert len({match.entry.slug for match in found}) == len(found)
    assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
    assert english.suggest("", 3) == ()


def test_search_meets_its_accuracy_floor_on_tuned_messages(english: Knowledge) -> None:
    figures = score(english, held_out=False)
    assert figures.total >= 150
    assert figures.accuracy >= TUNED_FLOOR


def test_search_meets_its_accuracy_floor_on_unseen_messages(english: Knowledge) -> None:
    figures = score(english, held_out=True)
    assert figures.total >= 150
    assert figures.accuracy >= HELD_OUT_FLOOR
    assert figures.off_topic >= 0.85


def test_every_expected_answer_of_the_list_exists(english: Knowledge) -> None:
    wanted = {slug for case in cases() for slug in case.accepted}
    assert wanted == {slug for slug in wanted if english.topic(slug) or english.question(slug)}


@pytest.mark.parametrize("text", LONGEST.values(), ids=LONGEST)
def test_the_longest_message_is_answered_whatever_it_holds(english: Knowledge, text: str) -> None:
    assert len(text) <= MessageLimit.MAX_TEXT_LENGTH
    assert all(0 < match.score <= 1 for match in english.suggest(text, 3))
    assert english.red_flag(text) is None


def test_no_message_whatever_breaks_the_search(english: Knowledge) -> None:
    random = np.random.default_rng(7)
    letters = "abc tumour'’ß\u0301ﬁ中ا🧠\ud83e\n\t.?!{}[]()<>&%$/\\\"\x00İ٣²" + "glioma I my seizure "
    for _ in range(400):
        text = "".join(letters[place] for place in random.integers(len(letters), size=random.integers(60)))
        for match in english.suggest(text, 3):
            assert 0 < match.score <= 1
        found = english.search(text)
        assert found is None or 0 < found.score <= 1
        english.red_flag(text)


HINDI = WordRules(
    capitals={}, rewrites=(), contractions={"क्यूँ": "क्यों"}, spelling=(), endings=(("(?<=..)यां$", "ी"),),
    synonyms={"दौरा": ("मिर्गी", "दौरे")}, small=("क्या है मुझे",), subjects=("दौरा",), sections={},
)  # fmt: skip


def test_vowel_signs_are_part_of_their_words() -> None:
    assert HINDI.fold("मस्तिष्क ट्यूमर") == HINDI.fold("मस्‍तिष्क  ट्यूमर,")
    assert len(HINDI.fold("मुझे मिर्गी का दौरा पड़ा")) == 5
    assert HINDI.fold("मिर्गी") == HINDI.fold("दौरे") == HINDI.fold("दौरा")


def test_a_danda_ends_a_sentence() -> None:
    assert len(HINDI.sentences("दौरा पड़ा। अब क्या करूँ?", 10, 100)) == 2


def test_accents_in_a_languages_words_do_not_matter() -> None:
    words = replace(HINDI, contractions={"tév": "televisión"}, synonyms={"niño": ("bebé",)}, endings=())
    assert words.fold("TEV") == words.fold("televisión")
    assert words.fold("bebe") == words.fold("BEBÉ") == words.fold("nino")


LISTENING = Listening((), (), (), (), denials=(), before=(), asking=("क्या होता है",), denials_after=("नहीं",))


@pytest.mark.parametrize(
    ("said", "flag"),
    [("उसे दौरा पड़ा", "seizure"), ("दौरा क्या होता है", None), ("उसे दौरा नहीं पड़ा", None), ("सिर", None)],
)
def test_a_language_may_ask_and_deny_behind_the_sign(said: str, flag: str | None) -> None:
    detector = RedFlagDetector(HINDI, LISTENING, [Signs("seizure", ("दौरा",), always=False, aside=())], known=())
    assert detector.hear(said) == flag
