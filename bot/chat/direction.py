"""Latin words inside a text that runs from right to left: ``/help`` must not be seen as ``help/``.

Unicode's rules give a sign that stands before Latin letters the direction of what is before it, so the stroke of a
command and the sign of a user's name would land behind them: an invisible mark holds them. Telegram finds the command
all the same, since the mark is no letter. And a line takes its direction from its first letter, so one that begins with
a Latin word or with a value that may be one gets a mark of the other kind before it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from babel import Locale

from bot.knowledge.loader import SOURCES, Folder

T = TypeVar("T")
LEFT_TO_RIGHT, RIGHT_TO_LEFT = "\u200e", "\u200f"
_LATIN = re.compile(r"(?<![\w:/<>\u200e])(?=/[a-z{]|@[a-z{]|\{public_id\}|\{example\})", re.ASCII)
"""A command, a user's name or a scan's id, which may begin with figures."""
_BEGINS_IN_LATIN = re.compile(
    r"^(?=(?:<[^>]*>|[^a-zA-Z{\u0590-\u08ff\u200f\n])*+[a-zA-Z{].*[\u05d0-\u05ff\u0620-\u08ff])", re.MULTILINE
)
"""Where a line begins whose first letter is Latin, or a value, and that has letters of the language behind it."""
_NOT_READ = (SOURCES, "words.toml")
"""What holds addresses and rules instead of texts."""
_ENDS_IN_LATIN = re.compile(
    r"(\{(?:name|label|names|series|organ|topic|found)\})(?!\u200f)(?=(?:<[^>]*>|[^\w{<\n])+(?:\{|\d))"
)
"""A value that may be Latin, with figures or another value behind it: these would be drawn to its other side."""


def in_order(folder: Folder, locale: Locale) -> Folder:
    """A folder whose texts keep their commands in order, or the same one where a language runs from left to right."""
    if locale.text_direction != "rtl":
        return folder
    tables = {name: table if name in _NOT_READ else _held(table) for name, table in folder.tables.items()}
    return replace(folder, tables=tables)


def first_at_the_start(row: Sequence[T], locale: Locale) -> tuple[T, ...]:
    """Buttons of one row, back before forth: Telegram lays them out from the left, so a right-to-left row is turned."""
    return tuple(reversed(row)) if locale.text_direction == "rtl" else tuple(row)


def held(text: str) -> str:
    """A text with marks at its commands, names, ids and values, and before lines that begin in Latin."""
    text = _ENDS_IN_LATIN.sub(rf"\1{RIGHT_TO_LEFT}", text)
    return _LATIN.sub(LEFT_TO_RIGHT, _BEGINS_IN_LATIN.sub(RIGHT_TO_LEFT, text))


def _held(value: Any) -> Any:
    if isinstance(value, str):
        return held(value)
    if isinstance(value, Mapping):
        return {key: _held(part) for key, part in value.items()}
    return [_held(part) for part in value] if isinstance(value, list) else value
