"""The end of the program: what asks for it, and how what is in work is finished or put back."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from telegram.ext import Application

from bot.delivery.ordering import PerChatProcessor
from bot.errors import StartError

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST_MOMENT = 1.0
"""Seconds that handlers have to clean up after they were told to give up."""
_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The program was asked to end before it had begun to listen."""


class Shutdown:
    """The wish that the program ends: a signal came, or it can't go on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[None] = self._loop.create_future()
        self._time = 0.0

    def ask(self) -> None:
        """End in good order."""
        if not self._asked.done():
            self._time = self._loop.time()
            self._asked.set_result(None)

    def fail(self, error: StartError) -> None:
        """End in good order, and give the operator this line."""
        if not self._asked.done():
            self._time = self._loop.time()
            self._asked.set_exception(error)
            self._asked.exception()  # read, so that asyncio does not complain where nobody waits

    def left(self, grace: float) -> float:
        """How much is left of these seconds; they run from the moment of the wish."""
        return max(0.0, self._time + grace - self._loop.time()) if self._asked.done() else grace

    async def wait(self) -> None:
        """Wait for the wish. Raises the StartError that it came with."""
        await asyncio.shield(self._asked)

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T:
        """Do a piece of the start; what is asked for meanwhile cuts it short.

        Raises StoppedError, the StartError that the wish came with, and whatever the work raises.
        """
        task = asyncio.create_task(work)
        either: tuple[asyncio.Future[Any], ...] = (task, self._asked)
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled() or (self._asked.done() and task.exception() is not None):
            self._asked.result()
            raise StoppedError
        return task.result()


@contextmanager
def signals_ask(shutdown: Shutdown) -> Iterator[None]:
    """Have SIGINT and SIGTERM ask for the end; the next one ends the process at once, with status 128 + its number."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _leave_at_once)  # heeded even when the loop is stuck
        shutdown.ask()

    for number in SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _leave_at_once(number: int, _frame: FrameType | None) -> None:
    """What is in work stays unfinished in the database; the workers leave with this process."""
    os.write(2, b"second signal: leaving at once\n")
    os._exit(128 + number)


async def drain(application: Application[Any, Any, Any, Any, Any, Any], shutdown: Shutdown, grace: float) -> None:
    """Finish what is in work, up to ``grace`` seconds after the wish, and put back the rest.

    Nothing new may come in any more. The application must have been built with a ``PerChatProcessor``.
    """
    processor = application.update_processor
    if not isinstance(processor, PerChatProcessor):
        raise TypeError("this processor does not know what is in work")
    finished_before, pending = processor.finished, processor.pending
    if pending:
        _log.info("finishing what is in work: %d updates, for up to %.0f s", pending, shutdown.left(grace))
    # The library hands all that it has fetched to the processor and waits for it, however long that takes.
    ending = asyncio.create_task(application.stop())
    await asyncio.wait({ending}, timeout=shutdown.left(grace))
    put_back = processor.cancel_all()
    await asyncio.wait({ending}, timeout=LAST_MOMENT)
    if not ending.done():
        _log.error("a handler does not give up: leaving without it")
        ending.cancel()
    finished = processor.finished - finished_before
    level = logging.WARNING if put_back else logging.INFO
    _log.log(level, "%d updates were finished, %d put back for the next start", finished, put_back)
