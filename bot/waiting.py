"""Pictures that came before their sender agreed: references in memory, nothing of them is fetched."""

from collections import OrderedDict
from dataclasses import dataclass, field

from telegram import Update

MOST_PICTURES = 10
"""Per person: an album holds no more."""
MOST_PEOPLE = 1_000


@dataclass(slots=True)
class WaitingRoom:
    """Updates with pictures, by chat, until their sender says yes or no; the longest waiting chats go first."""

    _updates: OrderedDict[int, list[Update]] = field(default_factory=OrderedDict)

    def add(self, chat_id: int, update: Update) -> int | None:
        """Keep one more; returns how many wait now, or None when this person's places are all taken."""
        updates = self._updates.setdefault(chat_id, [])
        if len(updates) >= MOST_PICTURES:
            return None
        updates.append(update)
        while len(self._updates) > MOST_PEOPLE:
            self._updates.popitem(last=False)
        return len(updates)

    def take(self, chat_id: int) -> list[Update]:
        """Empty this person's places and return what was there, in the order in which it came."""
        return self._updates.pop(chat_id, [])
