"""Who sends what is slow waits for themselves, and not the others for them."""

import asyncio
import os
import time
from collections.abc import Hashable
from pathlib import Path

import pytest

from inference.workers import fairness
from inference.workers.executor import AnalysisTimeoutError
from inference.workers.fairness import FIRST_PAUSE, FORGIVEN_AFTER, HALF_LIFE, LONGEST_PAUSE, WorkerTime
from inference.workers.local import LocalExecutor
from tests.clock import HandClock
from tests.probe_jobs import hang, process_id, sleep_a_little, wait_for
from tests.unit.inference.test_executor import LONG, local_executor

ANNA, BORIS = 1, 2


async def test_what_was_used_is_forgotten_by_halves() -> None:
    clock = HandClock()
    time = WorkerTime(clock.now)
    time.charge(ANNA, 8.0)
    await clock.advance(HALF_LIFE)
    assert time.used(ANNA) == pytest.approx(4.0)
    time.charge(ANNA, 1.0)
    assert time.used(ANNA) == pytest.approx(5.0)
    assert time.used(BORIS) == time.used(None) == 0.0


async def test_each_failure_in_a_row_doubles_the_pause() -> None:
    clock = HandClock()
    time = WorkerTime(clock.now)
    pauses = []
    for _ in range(8):
        time.charge(ANNA, 3.0, failed=True)
        pauses.append(time.pause(ANNA))
        await clock.advance(time.pause(ANNA))
        assert time.pause(ANNA) == 0.0
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    await clock.advance(2 * FORGIVEN_AFTER)
    time.charge(ANNA, 3.0, failed=True)
    assert time.pause(ANNA) == FIRST_PAUSE


async def test_what_nobody_remembers_is_not_kept() -> None:
    clock = HandClock()
    time = WorkerTime(clock.now)
    for client in range(2000):
        time.charge(client, 1.0)
        await clock.advance(1.0)
    assert len(time._accounts) < 1100


async def test_waiting_sender_who_used_least_comes_first(tmp_path: Path) -> None:
    async with local_executor(1) as executor:
        await executor.run(sleep_a_little, client=ANNA)
        told, go = tmp_path / "told", tmp_path / "go"
        os.mkfifo(told)
        os.mkfifo(go)
        running = asyncio.ensure_future(executor.run(wait_for, told, go))
        await asyncio.to_thread(told.read_text)
        order: list[int] = []
        jobs = []
        for client in (ANNA, ANNA, BORIS):
            job = asyncio.ensure_future(executor.run(process_id, client=client))
            job.add_done_callback(lambda _, client=client: order.append(client))  # type: ignore[misc]
            jobs.append(job)
        await asyncio.sleep(0)
        await asyncio.to_thread(go.write_text, "go")
        await asyncio.gather(running, *jobs)
        assert order == [BORIS, ANNA, ANNA]


async def test_after_an_overlong_job_only_its_sender_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "FIRST_PAUSE", LONG)
    async with local_executor(1) as executor:
        with pytest.raises(AnalysisTimeoutError):
            await executor.run(hang, None, timeout=1.0, client=ANNA)
        waiting = asyncio.ensure_future(executor.run(process_id, client=ANNA))
        assert await executor.run(process_id, client=BORIS)
        assert not waiting.done()
        waiting.cancel()


async def test_timeout_is_noted_before_its_sender_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with local_executor(1) as executor:
        time_used, charge = executor._time, executor._time.charge

        def charge_late(client: Hashable | None, seconds: float, *, failed: bool = False) -> None:
            time.sleep(0.2)
            charge(client, seconds, failed=failed)

        monkeypatch.setattr(time_used, "charge", charge_late)
        with pytest.raises(AnalysisTimeoutError):
            await executor.run(hang, None, timeout=1.0, client=ANNA)
        assert time_used.has_failed(ANNA)


async def test_senders_of_overlong_jobs_leave_a_worker_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "FIRST_PAUSE", 0.01)
    async with local_executor(2, timeout=LONG) as executor:
        for client in (ANNA, BORIS):
            with pytest.raises(AnalysisTimeoutError):
                await executor.run(hang, None, timeout=1.0, client=client)
        # With the limit that any picture has: a longer one alone would make them wait for each other.
        await others_find_a_worker(executor, tmp_path, LONG)


async def test_long_jobs_of_many_people_leave_a_worker_free(tmp_path: Path) -> None:
    async with local_executor(2, timeout=LONG) as executor:
        # As a container has, which nobody has sent too long before.
        await others_find_a_worker(executor, tmp_path, LONG + 1)


async def others_find_a_worker(executor: LocalExecutor, folder: Path, limit: float) -> None:
    """While two people have jobs that last until their limit."""
    told = folder / "told"
    os.mkfifo(told)
    slow = [asyncio.ensure_future(executor.run(hang, told, timeout=limit, client=client)) for client in (ANNA, BORIS)]
    assert await asyncio.to_thread(told.read_text) == "running"
    async with asyncio.timeout(LONG):  # where nothing holds the second one back, it has the other worker by then
        while executor.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [await executor.run(process_id, client=3) for _ in range(3)]
    assert not any(job.done() for job in slow)
    for job in slow:
        job.cancel()
