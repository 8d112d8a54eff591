"""What the stand-in is told at its start: its limits, its switches and its clock."""

import time
from dataclasses import dataclass, field

from bot.sandbox.faults import Faults

MEGABYTE = 1024 * 1024
# Telegram counts these in binary megabytes, while ``telegram.constants`` rounds them down to decimal ones.
DOWNLOAD_BYTES = 20 * MEGABYTE
UPLOAD_BYTES = 50 * MEGABYTE
PHOTO_BYTES = 10 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits that are Telegram's own and undocumented, and the bounds that keep the sandbox's memory small.

    Documented limits (lengths, sizes, counts) are not here: they come from ``telegram.constants``.
    """

    flood_limit: bool = False
    """Answer 429 as Telegram does when a chat gets more than one message a second for longer than a burst."""
    flood_burst: int = 8
    """Messages that one chat may get at once before ``flood_limit`` bites."""
    flood_total: int = 30
    """Messages a second to all chats together."""
    callback_seconds: float = 15
    """How long a pressed button may wait for its answer."""
    link_seconds: float = 3600
    """How long a link from getFile works."""
    delete_seconds: float = 48 * 3600
    update_seconds: float = 24 * 3600
    """How long an update waits for the bot."""
    webhook_first_pause: float = 1.0
    """Seconds before a refused delivery is tried again; doubled each time, up to ``webhook_longest_pause``."""
    webhook_longest_pause: float = 60.0
    webhook_timeout: float = 60.0
    person_upload_bytes: int = 64 * MEGABYTE
    """The largest file that a test person may send; Telegram's own limit is 2 GB."""
    stored_bytes: int = 512 * MEGABYTE
    """All files together; the oldest are forgotten first, and asking for one of those is answered as expired."""
    stored_messages: int = 5000
    """Messages kept for each chat."""
    stored_updates: int = 10_000
    stored_events: int = 20_000
    people: int = 1000
    faults: Faults = field(default_factory=Faults)
    """What goes wrong from the start on; nothing unless it is asked for."""


class Clock:
    """Wall-clock time that a test may move forward, so that nobody waits 48 hours for a rule to apply."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move forward; going back would make the past happen twice.

        Raises ValueError for a negative step.
        """
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self._ahead += seconds
