"""A study's whole way through the workers: its slices judged in all of them, the answer put together here."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from inference.analysis import Analysis
from inference.card import ModelCard
from inference.study.case import Case, close
from inference.study.study import SliceFinding, Study
from inference.study.worker_jobs import analyse_slices
from inference.workers.executor import Executor

OPEN_TIMEOUT: Final = 60.0
"""Seconds for unpacking and decoding; a single picture has a third of that."""
AT_ONCE: Final = 4
"""Slices that a worker judges before it looks whether somebody else waits."""


def is_container(data: bytes) -> bool:
    """Whether bytes begin as an archive, a volume or a PDF, whose opening may take longer than a picture's."""
    return data.startswith((b"PK", b"\x1f\x8b", b"%PDF-", b"NRRD", b"ObjectType", b"\x5c\x01", b"\0\0\x01\x5c")) or (
        data[257:262] == b"ustar"
    )


async def analyse_study(
    executor: Executor,
    study: Study,
    cards: Mapping[str, ModelCard],
    hint: str | None = None,
    *,
    at_once: int = 2,
    progress: Callable[[int, int], None] | None = None,
    client: int | None = None,
) -> Case:
    """Judge every slice in the pool and give the answer; ``progress`` is told how many of how many are done.

    No more than ``at_once`` jobs are under way, so that pictures of others come in between. Raises PictureError when
    too few slices are taken for an organ, and what the executor raises.
    """
    slices = study.slices
    starts = iter(range(0, len(slices), AT_ONCE))
    findings: dict[int, list[SliceFinding]] = {}

    async def work() -> None:
        for start in starts:
            findings[start] = await executor.run(
                analyse_slices, list(slices[start : start + AT_ONCE]), hint, client=client
            )
            if progress is not None:
                progress(sum(map(len, findings.values())), len(slices))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # the first fault ended the others
    return close(study, [one for start in sorted(findings) for one in findings[start]], cards)


def as_analysis(case: Case, overlay: bytes, heatmap: bytes | None = None) -> Analysis:
    """Give a case the form of one picture's analysis: its most telling slice is the one that is shown."""
    answer, best = case.answer, case.best.finding
    return Analysis(
        organ=answer.organ,
        verdict=answer.verdict,
        reason=answer.reason,
        label=answer.label,
        confidence=answer.confidence,
        probabilities=answer.probabilities,
        prediction_set=answer.prediction_set,
        withheld={},
        gate=best.gate,
        model=best.model,
        picture_sha256=case.sha256,
        width=best.width,
        height=best.height,
        shown=best.shown,
        overlay=overlay,
        heatmap=heatmap,
        edges=case.series[case.best.series].edges,
    )
