"""What every language owes its readers: plain and calm texts, a search that finds, flags that are heard."""

import io
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from telegram.constants import MessageLimit

from bot.chat.languages import Language, load_language
from bot.knowledge.knowledge import SECTION_KEYS
from bot.knowledge.loader import DEFAULT_LANGUAGE, Folder, codes
from bot.knowledge.red_flags import Listening
from bot.knowledge.words import WordRules
from bot.scan.messages import picture_words
from bot.scan.worker_jobs import draw_pair
from reports.typefaces import file_for, has_glyph
from tests.bench.faq_search import MESSAGES, answer, cases, score

OTHERS = [code for code in codes() if code != DEFAULT_LANGUAGE]
LANGUAGES = codes()
QUESTIONS = 60
"""Messages at least by which a language's search is measured, written in it and not translated."""
RIGHT = {"tuned": 0.9, "held_out": 0.75}
LONGEST_MEAN, LONGEST_SENTENCE = 15, 30
"""Words of a sentence: on the average of all texts, and at most."""
_SENTENCE = re.compile(r"[.!?।؟:;]+(?=\s|$)|\n+")
NUMBERS = ("112", "911", "999")


@cache
def spoken(code: str) -> Language:
    return load_language(code)


def word_rules(code: str) -> WordRules:
    folder = Folder.read(code)
    return folder.typed(WordRules, folder.file("words.toml"), "words.toml")


def messages(code: str, name: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((MESSAGES / code / f"{name}.toml").read_text("utf-8"))


def shown(language: Language) -> Iterator[tuple[str, str]]:
    """Each text that people read, with a name for it."""
    for key, template in language.texts.templates.items():
        yield key, re.sub(r"<[^>]+>|/\w+", "", template if isinstance(template, str) else "\n".join(template.values()))
    for topic in language.knowledge.topics:
        yield f"topic {topic.slug} summary", topic.summary
        for section in topic.sections:
            yield f"topic {topic.slug} {section.key}", section.text
    for question in language.knowledge.questions:
        yield f"question {question.slug}", question.answer
    for flag in language.knowledge.red_flags:
        yield f"flag {flag.slug}", flag.text


def sentences(text: str) -> list[list[str]]:
    return [words for part in _SENTENCE.split(text) if (words := part.split())]


@pytest.mark.parametrize("code", OTHERS)
def test_sentences_are_short(code: str) -> None:
    texts = dict(shown(spoken(code)))
    long = {name: words for name, text in texts.items() for words in sentences(text) if len(words) > LONGEST_SENTENCE}
    assert long == {}
    told = [len(words) for text in texts.values() for words in sentences(text)]
    assert sum(told) / len(told) <= LONGEST_MEAN


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_alarms_reassures_or_claims_certainty(code: str) -> None:
    tone = tomllib.loads((MESSAGES / code / "tone.toml").read_text("utf-8"))
    assert all(len(tone[kind]) >= 8 for kind in ("alarming", "reassuring", "certain"))
    pattern = re.compile("|".join(tone["alarming"] + tone["reassuring"] + tone["certain"]), re.IGNORECASE)
    found = {}
    for name, text in shown(spoken(code)):
        for allowed in tone["meant_otherwise"]:
            text = text.replace(allowed, "")
        if match := pattern.search(text):
            found[name] = match[0]
    assert found == {}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_topic_is_whole_and_fits_a_message(code: str) -> None:
    for topic in spoken(code).knowledge.topics:
        assert tuple(section.key for section in topic.sections) == SECTION_KEYS
        whole = sum(len(section.title) + len(section.text) + 4 for section in topic.sections) + len(topic.summary)
        assert whole <= MessageLimit.MAX_TEXT_LENGTH, topic.slug


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_red_flag_names_the_emergency_numbers(code: str) -> None:
    for flag in spoken(code).knowledge.red_flags:
        assert all(number in flag.text for number in NUMBERS), flag.slug


@pytest.mark.parametrize("code", OTHERS)  # English: test_knowledge.py
def test_every_name_and_question_finds_its_own_entry(code: str) -> None:
    knowledge = spoken(code).knowledge
    asked = [(topic.slug, text) for topic in knowledge.topics for text in (topic.title, *topic.names)]
    asked += [(one.slug, text) for one in knowledge.questions for text in (one.question, *one.phrasings)]
    wrong = {text: (slug, found) for slug, text in asked if (found := answer(knowledge, text)) != slug}
    assert wrong == {}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("half", RIGHT)
def test_the_search_answers_messages_of_that_language(code: str, half: str) -> None:
    assert len(list(cases(code))) >= QUESTIONS
    assert score(spoken(code).knowledge, code, held_out=half == "held_out").accuracy >= RIGHT[half]


@pytest.mark.parametrize("code", OTHERS)
def test_red_flags_are_heard_and_plain_questions_pass(code: str) -> None:
    knowledge = spoken(code).knowledge
    lists = messages(code, "red_flags")
    assert set(lists["raised"]) == {flag.slug for flag in knowledge.red_flags}
    raised = [(slug, text) for slug, texts in lists["raised"].items() for text in texts]
    quiet = [text for texts in lists["quiet"].values() for text in texts]
    assert len(raised) >= 40
    assert len(quiet) >= 40
    heard = {text: (flag := knowledge.red_flag(text)) and flag.slug for _, text in raised}
    assert {text: heard[text] for slug, text in raised if heard[text] != slug} == {}
    assert [text for text in quiet if knowledge.red_flag(text)] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_folded_words_aside_are_no_everyday_words(code: str) -> None:
    """A menu ("меню") and "me" ("меня") were one word, and whoever wrote "my arm is numb" was not heard."""
    words = word_rules(code)
    for flag in spoken(code).knowledge.red_flags:
        signs = {word for sign in flag.signs for text in re.split(r"[ +/&]+", sign) for word in words.fold(text)}
        aside = {word for text in flag.aside for word in words.fold(text)}
        assert aside & (words.small_words | signs) == set(), flag.slug


@pytest.mark.parametrize("code", LANGUAGES)
def test_folded_denials_are_no_names_of_people(code: str) -> None:
    """A grandfather ("नाना") was a "no" ("न"), and no fit of his was heard."""
    folder, words = Folder.read(code), word_rules(code)
    listening = folder.typed(Listening, folder.file("red_flags.toml")["listening"], "red_flags.toml")
    denials = {word for text in (*listening.denials, *listening.denials_after) for word in words.fold(text)}
    assert [text for text in listening.experience if denials.issuperset(words.fold(text))] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_all_words_on_picture_are_in_its_one_font(code: str) -> None:
    words = picture_words(spoken(code).texts)
    said = "".join(getattr(words, field.name) for field in fields(words)) + "0123456789:"
    font = file_for(said)
    assert font is None or [char for char in said if not has_glyph(font.stem, char)] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_date_above_a_compared_scan_is_not_cut(code: str) -> None:
    said = spoken(code).texts.moment(datetime(2026, 9, 28, 20, 45, tzinfo=UTC), 345, short=True)
    scan = io.BytesIO()
    Image.new("RGB", (64, 64)).save(scan, "JPEG")
    drawn = [Image.open(io.BytesIO(draw_pair([scan.getvalue()] * 4, [said + tail] * 4))) for tail in ("", "…")]
    assert drawn[0].tobytes() != drawn[1].tobytes(), "so long that what comes after it is cut away"


def test_a_list_is_parted_as_its_language_parts_it() -> None:
    one, other = spoken(DEFAULT_LANGUAGE).texts, spoken("ar").texts
    assert one.listed(["a", "b", "c"]) == "a, b, c"
    assert one.listed(["a"]) == "a"
    assert other.listed(["a", "b", "c"]) == "a، b، c"
    assert other.listed(["a", "b"], "list.semicolon") == "a؛ b"


def test_every_message_list_belongs_to_a_shipped_language() -> None:
    assert {path.name for path in Path(MESSAGES).iterdir()} == set(LANGUAGES)


@pytest.mark.parametrize("code", LANGUAGES)
def test_from_and_to_are_joined_in_one_form(code: str) -> None:
    forms = {
        re.sub(r"\{\w+\}", "", span)
        for template in spoken(code).texts.templates.values()
        for text in ([template] if isinstance(template, str) else template.values())
        for span in re.findall(r"\{(?:low|first)\}.{0,12}?\{(?:high|last)\}", text)
    }
    assert len(forms) == 1
