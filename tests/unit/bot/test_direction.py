"""Latin words inside texts that run from right to left keep their place."""

import re
import unicodedata
from collections.abc import Iterator

import pytest
from babel import Locale

from bot.chat.direction import LEFT_TO_RIGHT, RIGHT_TO_LEFT, first_at_the_start, held
from bot.chat.languages import Language, load_language
from bot.chat.menu import help_lines
from bot.sandbox.entities import found_in
from reports import bidi


@pytest.fixture(scope="module")
def arabic() -> Language:
    return load_language("ar")


def said(language: Language) -> Iterator[str]:
    """Every text of the chat, of the answers and of the topics."""
    for template in language.texts.templates.values():
        yield from (template,) if isinstance(template, str) else template.values()
    for group in language.knowledge.groups:
        yield from (question.answer for question in group.questions)
    for topic in language.knowledge.topics:
        yield from (section.text for section in topic.sections)


def test_a_command_keeps_its_stroke_in_front(arabic: Language) -> None:
    texts = [text for text in said(arabic) if re.search(r"(?<![<\w/])/[a-z]", text)]
    assert len(texts) > 30
    assert [text for text in texts if re.search(rf"(?<![<\w/{LEFT_TO_RIGHT}])/[a-z]", text)] == []


def test_a_line_begins_with_its_own_direction(arabic: Language) -> None:
    lines = [re.sub(r"<[^>]*>|\{[^}]*\}", "", line) for text in said(arabic) for line in text.split("\n")]
    kinds = [[unicodedata.bidirectional(char) for char in line] for line in lines]
    mixed = [line for line in kinds if "AL" in line]
    assert len(mixed) > 500
    assert {next(kind for kind in line if kind in ("L", "R", "AL")) for line in mixed} <= {"R", "AL"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("يعرض /help كل شيء", f"يعرض {LEFT_TO_RIGHT}/help كل شيء"),
        ("اكتبوا لي هنا: @{username}", f"اكتبوا لي هنا: {LEFT_TO_RIGHT}@{{username}}"),
        ("الفحص 3 · {public_id}", f"الفحص 3 · {LEFT_TO_RIGHT}{{public_id}}"),
        ("PDF مرة أخرى", f"{RIGHT_TO_LEFT}PDF مرة أخرى"),
        ("<b>{name}</b>، {when}: {result}", f"<b>{{name}}{RIGHT_TO_LEFT}</b>، {{when}}: {{result}}"),
        ("{name}\n{when}", "{name}\n{when}"),
        ("{first}، {others}", "{first}، {others}"),
        ("<b>لا</b> https://example.org/a", "<b>لا</b> https://example.org/a"),
    ],
)
def test_only_what_would_move_gets_a_mark(text: str, kept: str) -> None:
    assert held(text) == kept
    assert held(kept) == kept


def test_help_lists_commands_in_the_direction_of_reading(arabic: Language) -> None:
    lines = help_lines(arabic.texts).split("\n")
    assert len(lines) > 10
    assert {line[:3] for line in lines} == {f"{RIGHT_TO_LEFT}{LEFT_TO_RIGHT}/"}
    assert len(found_in("\n".join(lines), [])) >= len(lines)


def test_telegram_finds_a_command_behind_a_mark() -> None:
    (found,) = found_in(held("يعرض /help كل شيء"), [])
    assert found["type"] == "bot_command"


def test_languages_from_left_to_right_get_no_mark() -> None:
    marked = [text for text in said(load_language("de")) if LEFT_TO_RIGHT in text or RIGHT_TO_LEFT in text]
    assert marked == []


def test_forth_is_on_the_left_where_people_read_leftwards() -> None:
    assert first_at_the_start(("back", "forth"), Locale("ar")) == ("forth", "back")
    assert first_at_the_start(("back", "forth"), Locale("hi")) == ("back", "forth")


@pytest.mark.parametrize(("text", "whole"), [("الأمر /verify والرمز", "/verify"), ("هنا: @bot", "@bot")])
def test_the_report_keeps_a_sign_before_its_word(text: str, whole: str) -> None:
    runs = bidi.visual_runs(bidi.levels(text))
    assert whole in [text[start:end] for start, end, level in runs if level % 2 == 0]
