"""What a pressed button says: built and read in this one place, so that nothing odd in it goes further."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit

from bot.chat.languages import Language
from storage import public_id

_SCAN = public_id.PATTERN
_PAGE = r"[1-9][0-9]{0,5}"
_SLUG = r"[a-z0-9][a-z0-9_-]{0,44}"
_VERDICT_OF = r"(?:tumor_signs|no_tumor_signs|not_sure)/[a-z][a-z0-9_]{0,31}"
_LANGUAGE = r"[a-z]{2,3}(?:-[a-z0-9]{2,8})?"
_FOUND = r"-?[a-z][a-z0-9_]{0,31}"
_NUMBER = r"[1-9][0-9]{0,17}"
_NOTHING = ""


class Action(Enum):
    """What a button asks for: its name in ``callback_data`` and the form of its argument."""

    AGREE = ("agree", _NOTHING)
    DECLINE = ("decline", _NOTHING)
    WITHDRAW = ("withdraw", _NOTHING)
    ASK_DELETE_ALL = ("ask-delete-all", _NOTHING)
    DELETE_ALL = ("delete-all", _NOTHING)
    KEEP = ("keep", _NOTHING)
    FORGET = ("forget", _NOTHING)
    REMEMBER = ("remember", _NOTHING)
    EXPORT = ("export", _NOTHING)
    OPEN = ("open", _SCAN)
    PDF = ("pdf", _SCAN)
    DICOM = ("dicom", _SCAN)
    SLICES = ("slices", _SCAN)
    SLICE = ("slice", rf"{_SCAN}/[1-9][0-9]{{0,2}}")
    ABOUT = ("about", _SCAN)
    WHAT_NOW = ("what-now", _SCAN)
    WHAT_NOW_OF = ("what-now-of", _VERDICT_OF)
    MAPS = ("maps", _SCAN)
    NOT_PART = ("not-part", _SCAN)
    ASK_DELETE_SCAN = ("ask-delete", _SCAN)
    DELETE_SCAN = ("delete", _SCAN)
    UNDO_DELETE = ("undo", _SCAN)
    HISTORY = ("history", _PAGE)
    THUMBNAILS = ("thumbnails", _PAGE)
    TABLE = ("table", _NOTHING)
    CLOCK = ("clock", _NOTHING)
    SET_CLOCK = ("set-clock", r"0|-?[1-9][0-9]{1,2}")
    TOPICS = ("topics", _NOTHING)
    TOPIC = ("topic", _SLUG)
    SECTION = ("section", rf"{_SLUG}/[a-z]{{1,12}}")
    GROUPS = ("groups", _NOTHING)
    GROUP = ("group", _SLUG)
    QUESTION = ("question", _SLUG)
    LANGUAGE = ("language", _LANGUAGE)
    WITHDRAW_INVITATION = ("withdraw-invitation", _NUMBER)
    OUTCOME = ("outcome", _SCAN)
    FOUND = ("found", rf"{_SCAN}/{_FOUND}")
    REMOVE_OUTCOME = ("remove-outcome", _SCAN)
    SHARE_OUTCOME = ("share-outcome", _SCAN)
    KEEP_OUTCOME = ("keep-outcome", _SCAN)
    SEND_BROADCAST = ("send-broadcast", _NUMBER)
    DROP_BROADCAST = ("drop-broadcast", _NUMBER)
    STOP_BROADCAST = ("stop-broadcast", _NUMBER)

    def __init__(self, word: str, argument: str) -> None:
        self.word = word
        self.argument = re.compile(argument, re.ASCII)


_BY_WORD = {action.word: action for action in Action}
OF_KNOWLEDGE = frozenset({Action.TOPICS, Action.TOPIC, Action.SECTION, Action.GROUPS, Action.GROUP, Action.QUESTION})
"""What opens a page of knowledge: such a button may stand below an answer in another language than the chat's."""
_CODE = re.compile(_LANGUAGE, re.ASCII)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """One button's meaning, checked: ``argument`` has the form that ``action`` asks for.

    ``language``: the code of the language that a page of knowledge opens in, where that is not the chat's. Whether
    there is such a language, whoever reads it has to ask.
    """

    action: Action
    argument: str = ""
    language: str = ""

    def __post_init__(self) -> None:
        if not self.action.argument.fullmatch(self.argument):
            raise ValueError(f"not an argument of {self.action.word}: {self.argument!r}")
        if self.language and not (self.action in OF_KNOWLEDGE and _CODE.fullmatch(self.language)):
            raise ValueError(f"not a language of {self.action.word}: {self.language!r}")
        if len(self.data.encode()) > InlineKeyboardButtonLimit.MAX_CALLBACK_DATA:
            raise ValueError(f"too long for a button: {self.data!r}")

    @property
    def data(self) -> str:
        """The text that Telegram keeps with the button."""
        said = f"{self.action.word}:{self.argument}" if self.argument else self.action.word
        return f"{said}@{self.language}" if self.language else said


def parse(data: object) -> ButtonPress | None:
    """Read ``callback_data``; None when no button of ours says that."""
    if not isinstance(data, str):
        return None
    said, _, language = data.partition("@")
    word, _, argument = said.partition(":")
    try:
        press = ButtonPress(_BY_WORD[word], argument, language)
    except (KeyError, ValueError):
        return None
    return press if press.data == data else None


def says(action: Action) -> Callable[[object], bool]:
    """A pattern for CallbackQueryHandler: true for buttons with this action."""

    def matches(data: object) -> bool:
        press = parse(data)
        return press is not None and press.action is action

    return matches


def button(words: str, action: Action, argument: str = "") -> InlineKeyboardButton:
    """A button with plain (not HTML) words on it."""
    return InlineKeyboardButton(words, callback_data=ButtonPress(action, argument).data)


def in_language(buttons: InlineKeyboardMarkup, code: str) -> InlineKeyboardMarkup:
    """The same buttons of a page of knowledge; what they open comes in that language, whatever the chat's is."""
    rows = [
        [InlineKeyboardButton(one.text, callback_data=_said_in(str(one.callback_data), code)) for one in row]
        for row in buttons.inline_keyboard
    ]
    return InlineKeyboardMarkup(rows)


def _said_in(data: str, code: str) -> str:
    """As it was where there is no room for the code: such a button opens its page in the chat's language."""
    press = parse(data)
    try:
        return replace(press, language=code).data if press else data
    except ValueError:
        return data


def language_buttons(languages: Mapping[str, Language]) -> InlineKeyboardMarkup:
    """One button for each language, two in a row, with what it calls itself."""
    buttons = [button(language.name, Action.LANGUAGE, code) for code, language in languages.items()]
    return grid(*(tuple(buttons[at : at + 2]) for at in range(0, len(buttons), 2)))


def column(*buttons: InlineKeyboardButton) -> InlineKeyboardMarkup:
    """One button a line."""
    return InlineKeyboardMarkup([[one] for one in buttons])


def grid(*rows: tuple[InlineKeyboardButton, ...]) -> InlineKeyboardMarkup:
    """Rows of buttons; empty rows fall away."""
    return InlineKeyboardMarkup([row for row in rows if row])
