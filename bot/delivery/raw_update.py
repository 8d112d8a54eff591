"""Updates as they come: read one by one, so that one that the library can't read holds up none of the others."""

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Bot, Update

from storage.inbox import Inbox

Raw = Mapping[str, Any]
"""An update as Telegram writes it in JSON."""
_log = logging.getLogger(__name__)


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
                if isinstance(chat, Mapping) and isinstance(chat.get("id"), int):
                    return int(chat["id"])
        return None


def read(raw: Raw, bot: Bot) -> Update | UnparsableUpdate:
    """The update. Raises KeyError for what has no number, and so is none."""
    _ = raw["update_id"]
    try:
        return Update.de_json(dict(raw), bot)
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over
        return UnparsableUpdate(raw, error)


async def set_aside(unreadable: UnparsableUpdate, rows: Inbox) -> None:
    """Keep it for the operator; then it counts as received. Raises StorageDownError."""
    update_id, error = unreadable.update_id, unreadable.error
    if await rows.put(update_id, unreadable.chat_id, json.dumps(unreadable.raw)):
        await rows.set_aside(update_id, "".join(traceback.format_exception(error)))
        # Only the kind of the error: its words may be a person's.
        _log.error("update %d can't be read by this version and is set aside: %s", update_id, type(error).__name__)
