"""What people read: complete, used, plain, and neither alarming nor reassuring."""

import html
import re
import string
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from babel import Locale

from bot.chat.menu import COMMANDS, bot_commands, help_lines
from bot.chat.texts import Template, TextError, Texts
from inference.analysis import OF_A_PART, OF_UNUSUAL, TURNED, Reason, Verdict
from tests.conftest import PROJECT
from tests.reading import grade

HIGHEST_GRADE = 8.0
LONG_TEXT = 25
"""Words from which a text's own reading grade is measured: below, the formula says little."""
NOT_OUR_WORDS = (
    r"\b(cancer|deadly|fatal|dying|death|terrible|horrible|severe|urgent\w*|emergency|danger\w*|worr\w*|afraid|"
    r"alarm\w*|safe|healthy|don't worry|no need|all clear|certain\w*|definite\w*|guarantee\w*|"
    r"good news|bad news|benign|nothing to)\b"
)
SAMPLES = {
    "name": "Anna", "label": "Anna", "number": 3, "total": 5, "read": 4, "page": 1, "pages": 2, "public_id": "A7K2-Q9",
    "username": "bot", "model": "brain", "version": "1.0", "finding": "a tumour", "chance": "about 93 of 100",
    "names": "glioma (about 40 of 100)", "when": "1 May", "organ": "brain MRI", "result": "I am not sure",
    "topic": "Glioma", "organs": "a brain MRI slice or a blood smear",
    "others": "a brain MRI slice", "last": "a blood smear", "first": "a brain MRI slice",
    "width": 640, "height": 480, "place": 4, "count": 5, "languages": "English, Deutsch",
    "seconds": 30, "low": 93, "high": 98, "why": "More than one answer fits.", "agree": 3, "ill": 10, "kind": "ALL",
    "learned": "20 pictures", "kinds": "ALL: 10", "found": "95 (93 to 97)", "missed": "1 (0 to 2)",
    "unusual": "2 look unusual", "false": "3 (1 to 5)", "clear": "72 (60 to 80)",
    "skipped": 2, "blocked": 1, "failed": 0, "held": 1, "consented": 3,
    "hits": 4, "share": "80%", "here": "80% (49% to 94%)", "card": "95% (93% to 97%)",
    "contact": "Praxis am Markt", "left": 2, "link": "https://t.me/bot?start=abc", "people": 1000, "days": 365,
    "command": "block", "series": "T1 axial", "list": "damaged ones (2)", "folder": "scan-3",
    "example": "05MQ-7N2D-8KJC-4W0R", "day": "29 March 2026", "wrong": "<1%",
}  # fmt: skip

english = Texts.load()


def used_keys() -> set[str]:
    """Every quoted word of the code that is a key, and every key of a family such as ``f"refusal.{reason}"``."""
    keys = english.templates.keys()
    code = hall_code()
    used = {word for word in quoted_words(code) if word in keys}
    for _, family in re.findall(r"f(['\"])([a-z_]+)\.\{", code):
        used |= {key for key in keys if key.startswith(f"{family}.")}
    return used


def hall_code() -> str:
    """All code that speaks to people; the sandbox has no words of its own."""
    files = [path for path in sorted((PROJECT / "bot").rglob("*.py")) if "sandbox" not in path.parts]
    return "\n".join(path.read_text("utf-8") for path in files)


def quoted_words(code: str) -> set[str]:
    """Everything in the code that has the form of a key."""
    found = {word for _, word in re.findall(r"(['\"])([a-z_]+\.[a-z_]+)\1", code)}
    return {word for word in found if not word.endswith(".toml")}


def raw(template: Template) -> str:
    """A text as it stands in the file; plural forms one below the other."""
    return template if isinstance(template, str) else "\n".join(template.values())


def rendered(key: str) -> str:
    """A text as it is read, without markup, bullets, links and commands."""
    text = re.sub(r"<[^>]+>", "", raw(english.templates[key]).format_map(SAMPLES))
    return re.sub(r"[•·]|/\w+|@\w+|^\d\. ", "", text, flags=re.MULTILINE)


def test_every_text_is_used_somewhere() -> None:
    assert set(english.templates) - used_keys() == set()


def test_every_key_in_the_code_has_its_text() -> None:
    sections = {key.split(".")[0] for key in english.templates}
    missing = {key for key in quoted_words(hall_code()) if key.split(".")[0] in sections and key not in english}
    assert missing == set()


def test_every_value_of_the_analysis_has_its_words() -> None:
    keys = {f"verdict.{verdict}" for verdict in Verdict if verdict is not Verdict.NOT_READABLE}
    keys |= {
        f"refusal.{reason}"
        for reason in Reason
        if reason not in {Reason.READ, Reason.UNDECIDED} | OF_A_PART | TURNED | OF_UNUSUAL  # it was read
    }
    keys |= {f"command.{name}" for name in COMMANDS}
    assert {key for key in keys if key not in english} == set()


def test_all_texts_together_read_at_grade_8_or_below() -> None:
    assert grade("\n".join(map(rendered, english.templates))) <= HIGHEST_GRADE


@pytest.mark.parametrize("key", [key for key in english.templates if len(rendered(key).split()) >= LONG_TEXT])
def test_each_long_text_reads_at_grade_8_or_below(key: str) -> None:
    assert grade(rendered(key)) <= HIGHEST_GRADE


@pytest.mark.parametrize("key", list(english.templates))
def test_no_text_alarms_or_reassures(key: str) -> None:
    assert not re.search(NOT_OUR_WORDS, rendered(key), re.IGNORECASE), rendered(key)


@pytest.mark.parametrize("key", list(english.templates))
def test_markup_is_only_what_telegram_knows_and_is_closed(key: str) -> None:
    tags = re.findall(r"<(/?)(\w+)>", raw(english.templates[key]))
    assert {name for _, name in tags} <= {"b", "i", "code"}
    assert [name for slash, name in tags if not slash] == [name for slash, name in tags if slash]
    assert "<" not in re.sub(r"</?\w+>", "", raw(english.templates[key]))


@pytest.mark.parametrize("key", [key for key in english.templates if key.split(".")[0] in {"button", "command", "bot"}])
def test_texts_for_places_without_markup_have_none(key: str) -> None:
    assert not re.search(r"[<>]|&\w+;", raw(english.templates[key]))


def test_values_are_escaped_on_the_way_in() -> None:
    assert english("caption.label", label="<b>&") == "Label: &lt;b&gt;&amp;"


def test_braces_in_a_value_are_not_filled_in_again() -> None:
    assert "{finding}" in english("caption.label", label="{finding}")


def test_a_missing_key_or_value_is_a_clear_mistake() -> None:
    with pytest.raises(TextError, match="no_such"):
        english("no_such.key")
    with pytest.raises(TextError, match="name"):
        english("start.welcome")


@pytest.mark.parametrize(("count", "said"), [(0, "0 scans"), (1, "1 scan for"), (2, "2 scans"), (1234, "1,234 scans")])
def test_a_count_decides_the_plural_form(count: int, said: str) -> None:
    assert said in english("privacy.kept", count=count)


def test_time_is_told_in_utc_and_language_format() -> None:
    there = datetime(2026, 1, 1, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert english.moment(there) == "31 December 2025, 20:45\u00a0UTC"
    assert replace(english, locale=Locale("de")).moment(there) == "31. Dezember 2025, 20:45\u00a0UTC"
    assert replace(english, locale=Locale("es")).moment(there, short=True) == "31 dic 2025\n20:45\u00a0UTC"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "<1%"), (0.004, "<1%"), (0.01, "1%"), (0.505, "50%"), (0.99, "99%"), (0.9949, ">99%"), (1, ">99%")],
)
def test_a_share_never_claims_certainty(share: float, said: str) -> None:
    assert english.percent(share) == said


def test_arabic_keeps_a_sign_before_its_percentage() -> None:
    arabic = replace(english, locale=Locale("ar"))
    assert [arabic.percent(share) for share in (0.001, 0.5, 0.999)] == ["\u200e<1%", "50%", "\u200e>99%"]


def test_menu_and_help_share_commands_within_telegrams_limits() -> None:
    menu = bot_commands(english)
    assert [command.command for command in menu] == list(COMMANDS)
    assert re.findall(r"^/(\w+) - ", help_lines(english), re.MULTILINE) == list(COMMANDS)
    assert all(html.unescape(command.description) == command.description for command in menu)
    assert len(english.plain("bot.description")) <= 512
    assert len(english.plain("bot.short_description")) <= 120
    assert set("".join(COMMANDS)) <= set(string.ascii_lowercase + "_")


def test_readme_lists_exactly_the_menu_commands() -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| /(\w+) \|", readme, re.MULTILINE)) == set(COMMANDS)
