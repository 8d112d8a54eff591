"""Updates as they come: read one by one, so that one that the library can't read holds up none of the others."""

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Bot, Message, MessageEntity, Update

from storage.inbox import ReceivedUpdate

Raw = Mapping[str, Any]
"""An update as Telegram writes it in JSON."""
LONGEST_TRACEBACK = 20_000
_IDS = range(-(2**63), 2**63)
"""What a database takes for an id."""


@dataclass(frozen=True, slots=True)
class UnparsableUpdate:
    """An update of a form that this version does not know."""

    raw: Raw
    error: Exception

    @property
    def update_id(self) -> int:
        """Its number."""
        return int(self.raw["update_id"])

    @property
    def chat_id(self) -> int | None:
        """Whose it is, as far as that can be seen."""
        for content in self.raw.values():
            for part in (content, content.get("message")) if isinstance(content, Mapping) else ():
                chat = part.get("chat") if isinstance(part, Mapping) else None
                if isinstance(chat, Mapping) and is_id(chat.get("id")):
                    return int(chat["id"])
        return None


def is_id(value: object) -> bool:
    """Whether this is a number that can be an id."""
    return isinstance(value, int) and not isinstance(value, bool) and value in _IDS


def read(raw: Raw, bot: Bot) -> Update | UnparsableUpdate:
    """The update. Raises KeyError for what has no number, and so is none."""
    _ = raw["update_id"]
    try:
        update = Update.de_json(dict(raw), bot)
        _check(update)
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over
        return UnparsableUpdate(raw, error)
    return update


def _check(update: Update) -> None:
    """Raise what is wrong with an update that the library took: it looks neither at ranges nor at types."""
    for whose in (update.effective_chat, update.effective_user):
        if whose is not None and not is_id(whose.id):
            raise ValueError("the id of a chat or person is out of range")
    message = message_of(update)
    said = (message.text, message.caption, message.media_group_id) if message is not None else ()
    if not all(isinstance(words, str | None) for words in said):
        raise TypeError("the words of a message, or what its album is called, are no text")
    # The inbox keeps an update as JSON. One that can't be written so must not cost those that came with it.
    update.to_json()


def message_of(update: Update) -> Message | None:
    """What somebody has written, or has changed of what they wrote."""
    return update.message or update.edited_message


def brings_picture(update: Update) -> bool:
    """Whether it has a photo or a file to be read."""
    message = message_of(update)
    return message is not None and (bool(message.photo) or message.document is not None)


def command_of(message: Message | None) -> str:
    """The command that a message begins with, in small letters and without its slash; "" where it is none of ours.

    As the library's handlers read it, by what Telegram has marked: words that only look like a command, typed as code
    for one, go to other handlers than the command's.
    """
    if message is None or not message.text or not message.entities:
        return ""
    first = message.entities[0]
    if first.type != MessageEntity.BOT_COMMAND or first.offset:
        return ""
    command, _, addressed = message.text[1 : first.length].lower().partition("@")
    return command if addressed in ("", str(message.get_bot().username).lower()) else ""


def as_received(update: Update | UnparsableUpdate, *, is_merged: bool = False) -> ReceivedUpdate:
    """The update as the inbox keeps it; one that can't be read is kept for the operator."""
    if is_merged:
        return ReceivedUpdate(update.update_id, None, "", is_merged=True)
    if isinstance(update, UnparsableUpdate):
        return ReceivedUpdate(update.update_id, update.chat_id, json.dumps(update.raw), traceback_of(update.error))
    chat = update.effective_chat
    return ReceivedUpdate(update.update_id, chat.id if chat else None, update.to_json())


def traceback_of(error: Exception) -> str:
    """The end of the traceback; its last line may hold a person's words."""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
