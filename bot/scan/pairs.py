"""Several scans on one picture: two side by side, or a page of the history as thumbnails; drawn in a worker."""

from collections.abc import Sequence

from bot.chat.context import BotContext
from bot.scan import worker_jobs
from storage.records import Scan


async def draw_pair(context: BotContext, scans: tuple[Scan, Scan], titles: tuple[tuple[str, str], ...]) -> bytes:
    """JPEG: each scan's picture above its heat map, under its name and its date."""
    kept = [await context.database.scans.pictures(scan.id) for scan in scans]
    panels = [panel for one in kept for panel in (one.original, one.overlay)]
    lines = [line for title in titles for line in title]
    return await context.services.executor.run(worker_jobs.draw_pair, panels, lines, client=context.person.id)


async def draw_thumbnails(context: BotContext, scans: Sequence[Scan], titles: Sequence[str]) -> bytes:
    """JPEG: the pictures of these scans, small, each under its name."""
    kept = [(await context.database.scans.pictures(scan.id)).original for scan in scans]
    return await context.services.executor.run(
        worker_jobs.draw_thumbnails, kept, list(titles), client=context.person.id
    )
