"""Several scans on one picture: two side by side, or a page of the history as thumbnails; drawn in a worker."""

from collections.abc import Sequence

from bot.chat.context import BotContext
from bot.scan import wording, worker_jobs
from storage.records import Scan


async def draw_pair(context: BotContext, older: Scan, newer: Scan) -> bytes:
    """JPEG: each scan's picture above its heat map, under its name and its date."""
    kept = [await context.database.scans.pictures(scan.id) for scan in (older, newer)]
    panels = [panel for one in kept for panel in (one.original, one.overlay)]
    lines = [
        line
        for scan in (older, newer)
        for line in (wording.name_of(scan, context.texts), context.moment(scan.created_at, short=True))
    ]
    return await context.services.executor.run(worker_jobs.draw_pair, panels, lines, client=context.person.id)


def pair_caption(context: BotContext, older: Scan, newer: Scan) -> str:
    """HTML: when each was read and with which result, and what two pictures side by side can't tell."""
    entries = [
        context.texts(
            "compare.entry",
            name=wording.name_of(scan, context.texts),
            when=context.moment(scan.created_at),
            result=wording.result_words(scan, context.texts),
        )
        for scan in (older, newer)
    ]
    kinds = [context.texts("compare.kinds")] if older.organ != newer.organ else []
    return "\n\n".join(("\n".join(entries), *kinds, context.texts("compare.limits")))


async def draw_thumbnails(context: BotContext, scans: Sequence[Scan], titles: Sequence[str]) -> bytes:
    """JPEG: the pictures of these scans, small, each under its name."""
    kept = [(await context.database.scans.pictures(scan.id)).original for scan in scans]
    return await context.services.executor.run(
        worker_jobs.draw_thumbnails, kept, list(titles), client=context.person.id
    )
