"""A small file that asks for much costs its sender an answer, and nobody else more than a moment."""

import asyncio
from collections.abc import Iterator

import pytest

from inference.analysis import PictureError, Reason
from inference.decode import budget
from inference.decode.limits import MAX_FILE_BYTES
from inference.workers.executor import AnalysisTimeoutError
from inference.workers.local import LocalExecutor
from tests import bombs, pictures, study_bombs
from tests.probe_jobs import MODULES, open_within, spent_on, usage

MOST_MEMORY = 400
"""MiB of a worker, or of the process that it forks for a decoder, all in all."""
PATIENCE = 600.0
"""Seconds until the supervisor would end a job: so late that only a budget can have ended one before."""
OVERHEAD = 0.5
"""Processor seconds for the rest of a refusal, and for what the kernel counts late."""


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    running = LocalExecutor(1, jobs=MODULES, timeout=PATIENCE)
    asyncio.run(running.start())
    yield running
    asyncio.run(running.close())


@pytest.mark.parametrize("name", [name for name in bombs.BOMBS if name != "JPEG of 90 scans"])
def test_a_bomb_stays_within_its_budget(executor: LocalExecutor, name: str) -> None:
    data = bombs.BOMBS[name]()
    assert len(data) < MAX_FILE_BYTES

    try:
        ending, own, children, memory = asyncio.run(executor.run(spent_on, data, None))
    except AnalysisTimeoutError:  # the kernel has ended it at LAST_SECONDS
        return
    assert ending != "read"
    assert own < budget.LAST_SECONDS + OVERHEAD
    assert children < budget.LAST_SECONDS + OVERHEAD
    assert memory < MOST_MEMORY


def test_timed_out_bomb_is_not_retried(executor: LocalExecutor) -> None:
    with pytest.raises(AnalysisTimeoutError):  # its second worker would end like the first: WorkerDiedError
        asyncio.run(executor.analyse(bombs.progressive_jpeg(85, 7000)))


@pytest.mark.parametrize("name", ["WebP", "JPEG XL", "DICOM in runs, palette"])
def test_too_many_pixels_for_the_format_are_reported(executor: LocalExecutor, name: str) -> None:
    with pytest.raises(PictureError) as refused:
        asyncio.run(executor.analyse(bombs.BOMBS[name]()))
    assert refused.value.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_cameras_take_is_read_within_the_budget(executor: LocalExecutor, kind: str) -> None:
    options = {"compress_level": 1} if kind == "PNG" else {}
    image = pictures.smear_image(1200, 900).resize((8000, 6000) if kind == "JPEG" else (6000, 4000))
    assert asyncio.run(executor.analyse(pictures.encode(image, kind, **options), "blood_smear")).width > 5000


SECONDS = 1.0
"""Of the budget of a study in these tests: the bot has twenty times as much, which nobody here wants to wait for."""


@pytest.mark.parametrize("name", study_bombs.BOMBS)
def test_a_container_stays_within_its_budget(executor: LocalExecutor, name: str) -> None:
    data = study_bombs.BOMBS[name]()
    assert len(data) < MAX_FILE_BYTES

    try:
        ending, own, children, memory = asyncio.run(executor.run(spent_on, data, SECONDS, timeout=PATIENCE))
    except AnalysisTimeoutError:
        return
    assert ending != "read"
    assert own + children < budget.SECONDS + SECONDS + 2 * OVERHEAD
    assert memory < MOST_MEMORY


@pytest.mark.parametrize("name", study_bombs.blank_headers(0))
def test_white_space_in_a_header_is_gone_through_once(executor: LocalExecutor, name: str) -> None:
    data = study_bombs.zipped({"a": study_bombs.blank_headers()[name], "a.raw": bytes(64)})
    with pytest.raises(PictureError):  # and not the end of the budget
        asyncio.run(executor.run(open_within, data, SECONDS, timeout=120.0))


@pytest.fixture(scope="module")
def ten_slow(executor: LocalExecutor) -> tuple[object, bool]:
    """What comes of ten slow pictures in one file, and whether their worker is still there."""

    async def read() -> tuple[object, bool]:
        before = await executor.run(usage)
        reading = executor.run(open_within, study_bombs.slow_pictures(10), SECONDS, timeout=120.0)
        came: object = (await asyncio.gather(reading, return_exceptions=True))[0]
        return came, (await executor.run(usage))[4] == before[4]

    return asyncio.run(read())


def test_many_slow_pictures_share_one_budget(ten_slow: tuple[object, bool]) -> None:
    assert isinstance(ten_slow[0], AnalysisTimeoutError)


def test_half_done_work_leaves_a_workers_memory(ten_slow: tuple[object, bool]) -> None:
    assert not ten_slow[1]
