"""What an error says about the update in work: answered with it, tried again later, or a mistake of ours."""

from enum import Enum

from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter

from bot.errors import MaybeSentError, UserFacingError
from inference.workers.executor import ExecutorError, NotRunningError
from storage.errors import StorageDownError, UnknownPersonError, UnknownScanError

MOST_ATTEMPTS = 3
"""An update whose handler fails so often becomes a dead letter."""


class KilledError(Exception):
    """The process ended during each attempt to handle an update."""

    def __init__(self) -> None:
        super().__init__(f"the process ended during each of {MOST_ATTEMPTS} attempts")


class ErrorClass(Enum):
    """What an error says about the update in work."""

    FINAL = "final"
    """It would end the same way again: the person is told, and that is all."""
    TRANSIENT = "transient"
    """Something is out of order that will be mended: the update waits, and the attempt is not counted."""
    BUG = "bug"
    """A fault of ours that this update brings to light."""


TRANSIENT = (NetworkError, RetryAfter, InvalidToken, StorageDownError, NotRunningError)
"""What will be mended: the network, Telegram's patience, a token that was taken back, the database, the workers."""


def classify(error: BaseException) -> ErrorClass:
    """Read an error that a handler let through."""
    final = (UserFacingError, BadRequest, Forbidden, MaybeSentError, ExecutorError)
    if isinstance(error, (*final, UnknownPersonError, UnknownScanError)):
        return ErrorClass.FINAL
    return ErrorClass.TRANSIENT if isinstance(error, TRANSIENT) else ErrorClass.BUG
