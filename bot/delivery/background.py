"""Work that goes on in the background of other work, and ends with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger(__name__)


@asynccontextmanager
async def running_in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` while the body runs; it is cancelled, and waited for, when the body ends."""
    task = asyncio.create_task(work)
    task.add_done_callback(_say_why_it_failed)
    try:
        yield
    finally:
        task.cancel()
        # Waited for, not awaited: its end must not take the place of what the body raised.
        await asyncio.wait({task})


def _say_why_it_failed(task: asyncio.Task[None]) -> None:
    """At once: the body may run for months, and without a word nobody would miss the work."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("work in the background failed, and stands still until the next start", exc_info=error)
