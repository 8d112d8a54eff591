"""The bytes of a file that waits at Telegram."""

import asyncio
import logging

from telegram.constants import FileSizeLimit
from telegram.error import BadRequest, InvalidToken, NetworkError

from bot.chat.context import BotContext
from bot.delivery.backoff import Backoff
from bot.errors import UserFacingError
from bot.scan.incoming import Incoming
from inference.analysis import Reason

_log = logging.getLogger(__name__)
FETCH_PAUSE = 20.0
"""Seconds without a byte of a picture after which a fetch has failed."""
FETCHES, FETCH_AGAIN = 5, Backoff(1.0, 8.0)
"""How often a picture is fetched, each time by a new link, and the pauses between."""


async def fetch(context: BotContext, picture: Incoming) -> bytes:
    """The exact bytes that Telegram has; too large ones are not even asked for. Raises UserFacingError."""
    if (picture.size or 0) > FileSizeLimit.FILESIZE_DOWNLOAD:
        raise UserFacingError(f"refusal.{Reason.TOO_LARGE_FILE}")
    problem = ""
    for attempt in range(FETCHES):
        if attempt:
            await asyncio.sleep(FETCH_AGAIN.pause(attempt - 1))
        try:
            file = await context.bot.get_file(picture.file_id)
        except BadRequest as error:
            if "temporarily" in error.message.lower() and attempt < FETCHES - 1:
                continue  # Telegram's word for a file that it has not at hand just now
            too_big = "too big" in error.message.lower()
            raise UserFacingError(f"refusal.{Reason.TOO_LARGE_FILE if too_big else 'file_gone'}") from error
        try:
            return bytes(await file.download_as_bytearray(read_timeout=FETCH_PAUSE))
        except InvalidToken:  # the library's reading of the 404 that Telegram gives for a link that has run out
            problem = "refusal.file_gone"
        except NetworkError as error:
            _log.info("a picture could not be fetched: %s", type(error.__cause__ or error).__name__)
            problem = "refusal.fetch_failed"
    raise UserFacingError(problem)
