"""What is counted and timed while the bot works; nothing, unless somebody is to see it. No value tells of a person."""

import logging
import time
from collections.abc import Awaitable
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Phase(StrEnum):
    """The stretches of a scan's journey that are timed."""

    WAITING = "waiting"
    """For one of the slots for reading."""
    FETCHING = "fetching"
    READING = "reading"
    """In the workers, with the wait for one."""
    KEEPING = "keeping"
    DRAWING = "drawing"
    """The PDF, in a worker."""
    SENDING_PICTURE = "sending_picture"
    SENDING_REPORT = "sending_report"
    WHOLE = "whole"
    """From the turn of a picture to its last answer."""


class UpdateKind(StrEnum):
    """What an update brings."""

    PICTURE = "picture"
    TEXT = "text"
    PRESS = "press"
    OTHER = "other"
    UNREADABLE = "unreadable"


class Ending(StrEnum):
    """How the handling of an update ended."""

    DONE = "done"
    REFUSED = "refused"
    """With an error that is final: one sentence told the person."""
    AGAIN = "again"
    """It failed and is tried again."""
    DEAD_LETTER = "dead_letter"


class Metrics:
    """Where the parts of the bot tell what happens. This one keeps nothing: for a bot without a status port."""

    def update_came(self, kind: UpdateKind) -> None:
        """An update that was not known is kept."""

    def update_ended(self, ending: Ending, seconds: float) -> None:
        """An update was handled for so long."""

    def scan_kept(self, organ: str, verdict: str) -> None:
        """A picture was read, and its scan kept."""

    def refused(self, reason: str) -> None:
        """A picture was refused; ``reason`` is a key of ``interface.toml``, without what stands before its dot."""

    def send_repeated(self, cause: str) -> None:
        """A request to Telegram has to be made once more: ``failure`` or ``limit``."""

    def fetched(self, *, answered: bool) -> None:
        """Telegram was asked for updates (or the webhook's server was looked at), and answered or not."""

    def phase_took(self, phase: Phase, seconds: float) -> None:
        """A phase of a scan is over."""

    async def timed(self, phase: Phase, work: Awaitable[T]) -> T:
        """Do the work of a phase; one that fails counts too."""
        began = time.monotonic()
        try:
            return await work
        finally:
            seconds = time.monotonic() - began
            _log.debug("%s took %.3f s", phase, seconds)
            self.phase_took(phase, seconds)
