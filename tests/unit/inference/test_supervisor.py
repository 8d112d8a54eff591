"""Whatever happens to a worker, every job gets an answer, first come, first served, and closing never hangs."""

import asyncio
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inference.card import MODELS_DIR
from inference.workers import local, supervisor
from inference.workers.executor import AnalysisTimeoutError, JobFailedError, NotRunningError, WorkerDiedError
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.probe_jobs import (
    answer_with_a_pickle,
    answer_with_something_else,
    fail_with_a_timeout,
    hang,
    keep,
    parent_id,
    process_id,
    size,
    sleep_a_little,
    spin_deaf,
    tell_and_wait,
    use,
    wait_for,
    when,
)
from tests.unit.inference.test_executor import LONG, is_running, local_executor

SHORT = 5.0
"""A limit for jobs, in seconds, that none of those that are to be answered comes near to, also on a busy machine."""


def named_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def workers_of(executor: LocalExecutor) -> list[int]:
    """The process ids of all workers, when every slot is taken."""
    async with asyncio.timeout(LONG):
        while True:
            ready = [slot.worker.process_id for slot in executor._slots if slot.worker and slot.worker.is_ready]
            if len(ready) == executor.workers:
                return ready
            await asyncio.sleep(0.02)


@pytest.fixture
async def two() -> AsyncIterator[LocalExecutor]:
    async with local_executor(2) as running:
        yield running


async def test_killing_idle_workers_repeatedly_costs_no_answer(two: LocalExecutor) -> None:
    killed = set()
    for _ in range(20):
        idle = await two.run(process_id)
        os.kill(idle, signal.SIGKILL)
        killed.add(idle)
        async with asyncio.timeout(LONG):
            answers = await asyncio.gather(*(two.run(process_id) for _ in range(3)))
        assert killed.isdisjoint(answers)
    assert len(killed) == 20


@pytest.mark.parametrize("how_many", [1, 2])
async def test_stopped_idle_workers_are_replaced_and_jobs_answered(how_many: int) -> None:
    async with local_executor(2, timeout=SHORT) as executor:
        stopped = (await workers_of(executor))[:how_many]
        for worker in stopped:
            os.kill(worker, signal.SIGSTOP)
        async with asyncio.timeout(LONG):
            # More than a pipe holds: the thread that writes to a stopped worker blocks.
            assert await asyncio.gather(*(executor.run(size, bytes(1 << 20)) for _ in range(6))) == [1 << 20] * 6
        assert set(stopped).isdisjoint(await workers_of(executor))
        assert not [worker for worker in stopped if is_running(worker)]


async def test_a_late_worker_that_is_hidden_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_PROCESSES", tmp_path)  # as ProtectProc=invisible leaves it
    monkeypatch.setattr(supervisor, "TAKE_UP", 0.5)
    async with local_executor(1) as executor:
        (worker,) = await workers_of(executor)
        os.kill(worker, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.8, os.kill, worker, signal.SIGCONT)
        assert await executor.run(process_id) == worker


async def test_a_worker_that_keeps_much_memory_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with local_executor(1) as executor:
        first = await executor.run(keep, 30)
        assert await executor.run(keep, 30) == first  # the answer comes all the same
        assert await executor.run(process_id) != first
        assert executor.restarts == 0
    assert "a worker ended" not in caplog.text


async def test_a_peak_that_was_given_back_replaces_no_worker() -> None:
    async with local_executor(1) as executor:
        assert await executor.run(use, 200) == await executor.run(process_id)


async def test_a_stopped_worker_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "CLOSE_TIMEOUT", 10 * LONG)  # what a job that runs would get
    monkeypatch.setattr(local, "END_TIMEOUT", LONG)
    executor = local_executor(2)
    await executor.start()
    workers = await workers_of(executor)
    os.kill(workers[0], signal.SIGSTOP)
    async with asyncio.timeout(2 * LONG):
        await executor.close()
    assert not [worker for worker in workers if is_running(worker)]


async def test_jobs_running_at_close_get_time_before_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "CLOSE_TIMEOUT", 1.0)
    executor = local_executor(2)
    await executor.start()
    told = [named_pipe(tmp_path / name) for name in ("told", "told_too")]
    go = named_pipe(tmp_path / "go")
    finishing = asyncio.ensure_future(executor.run(wait_for, told[0], go))
    endless = asyncio.ensure_future(executor.run(hang, told[1], timeout=LONG))
    waiting = asyncio.ensure_future(executor.run(process_id))
    for pipe in told:
        await asyncio.to_thread(pipe.read_text)
    closing = asyncio.ensure_future(executor.close())
    with pytest.raises(NotRunningError):
        await waiting
    go.write_text("go")
    assert await finishing
    with pytest.raises(NotRunningError):
        await endless
    await closing
    assert "still running after 1 s" in caplog.text


async def test_job_of_killed_worker_reruns_while_others_continue(two: LocalExecutor, tmp_path: Path) -> None:
    told = named_pipe(tmp_path / "told")
    job = asyncio.ensure_future(two.run(tell_and_wait, told, timeout=LONG))
    first = int(await asyncio.to_thread(told.read_text))
    os.kill(first, signal.SIGKILL)
    assert await two.run(process_id) != first
    assert int(await asyncio.to_thread(told.read_text)) != first
    assert await job == "done"


async def test_job_with_two_killed_workers_is_given_up(two: LocalExecutor, tmp_path: Path) -> None:
    told = named_pipe(tmp_path / "told")
    job = asyncio.ensure_future(two.run(tell_and_wait, told, timeout=LONG))
    for _ in range(2):
        os.kill(int(await asyncio.to_thread(told.read_text)), signal.SIGKILL)
        told.with_suffix(".first").unlink()
    with pytest.raises(WorkerDiedError):
        await job
    assert await two.run(process_id)


async def test_job_of_a_stopped_worker_times_out(two: LocalExecutor, tmp_path: Path) -> None:
    told = named_pipe(tmp_path / "told")
    job = asyncio.ensure_future(two.run(tell_and_wait, told, timeout=SHORT))
    os.kill(int(await asyncio.to_thread(told.read_text)), signal.SIGSTOP)
    with pytest.raises(AnalysisTimeoutError):
        await job
    assert await asyncio.gather(*(two.run(size, bytes(number)) for number in range(4))) == [0, 1, 2, 3]


async def test_unresponsive_job_is_ended_and_its_seat_reused() -> None:
    async with local_executor(1) as executor:
        before = await executor.run(process_id)
        with pytest.raises(AnalysisTimeoutError):
            await executor.run(spin_deaf, timeout=1.0)
        assert await executor.run(process_id) != before
        assert not is_running(before)


async def test_jobs_own_timeout_is_not_taken_for_ours(two: LocalExecutor) -> None:
    with pytest.raises(JobFailedError, match="TimeoutError"):
        await two.run(fail_with_a_timeout)


async def test_fifty_jobs_on_two_seats_keep_arrival_order(two: LocalExecutor) -> None:
    answers = await asyncio.gather(*(two.run(when, number) for number in range(50)))
    assert [number for number, _, _ in answers] == list(range(50))
    for worker in {process for _, process, _ in answers}:
        times = [moment for _, process, moment in answers if process == worker]
        assert times == sorted(times)


async def test_jobs_time_limit_excludes_waiting_for_a_seat() -> None:
    async with local_executor(1, timeout=SHORT) as executor:
        began = time.monotonic()
        await asyncio.gather(*(executor.run(sleep_a_little) for _ in range(8)))
        assert time.monotonic() - began > SHORT


async def test_job_that_lost_its_worker_precedes_waiting_ones(tmp_path: Path) -> None:
    async with local_executor(1) as executor:
        told = named_pipe(tmp_path / "told")
        order: list[str] = []
        job = asyncio.ensure_future(executor.run(tell_and_wait, told, timeout=LONG))
        job.add_done_callback(lambda _: order.append("first"))
        victim = int(await asyncio.to_thread(told.read_text))
        later = asyncio.ensure_future(executor.run(process_id))
        later.add_done_callback(lambda _: order.append("later"))
        await asyncio.sleep(0)  # until it stands in line
        os.kill(victim, signal.SIGKILL)
        await asyncio.to_thread(told.read_text)
        await asyncio.gather(job, later)
        assert order == ["first", "later"]


async def test_waiting_count_excludes_cancelled_jobs(tmp_path: Path) -> None:
    async with local_executor(1) as executor:
        told, go = named_pipe(tmp_path / "told"), named_pipe(tmp_path / "go")
        before = await executor.run(process_id)
        running = asyncio.ensure_future(executor.run(wait_for, told, go))
        await asyncio.to_thread(told.read_text)
        assert executor.waiting == 0
        jobs = [asyncio.ensure_future(executor.run(when, number)) for number in range(20)]
        await asyncio.sleep(0)
        assert executor.waiting == 20
        for job in jobs[::2]:
            job.cancel()
        await asyncio.wait(jobs[::2])
        assert executor.waiting == 10
        await asyncio.to_thread(go.write_text, "go")
        assert [(await job)[0] for job in jobs[1::2]] == list(range(1, 20, 2))
        assert await running == await executor.run(process_id) == before
        assert executor.waiting == 0


@pytest.mark.parametrize("turns_of_the_loop", range(4))
async def test_job_cancelled_at_its_turn_passes_worker_on(turns_of_the_loop: int) -> None:
    async with local_executor(1) as executor:
        before = asyncio.ensure_future(executor.run(process_id))
        unlucky = asyncio.ensure_future(executor.run(hang, None, timeout=LONG))
        after = asyncio.ensure_future(executor.run(process_id))
        await asyncio.wait([before])
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        unlucky.cancel()
        async with asyncio.timeout(LONG):
            assert await after
        assert unlucky.cancelled()
        assert executor.waiting == 0


async def test_jobs_are_answered_after_fork_server_is_killed() -> None:
    executor = local_executor(2)
    await executor.start()
    before = await workers_of(executor)
    watches = [os.pidfd_open(worker) for worker in before]
    os.kill(await executor.run(parent_id), signal.SIGKILL)
    async with asyncio.timeout(LONG):
        assert await asyncio.gather(*(executor.run(size, bytes(n)) for n in range(8))) == list(range(8))
    assert await workers_of(executor) == before, "workers don't need it any more"
    os.kill(before[0], signal.SIGKILL)
    async with asyncio.timeout(LONG):
        assert await asyncio.gather(*(executor.run(size, bytes(n)) for n in range(8))) == list(range(8))
    await executor.close()
    for watch in watches:  # nobody is left to say that they are gone
        ended, _, _ = await asyncio.to_thread(select.select, [watch], [], [], LONG)
        os.close(watch)
        assert ended


async def until(executor: LocalExecutor, *, answered: bool) -> None:
    """Ask again and again until a job is answered, or given up."""
    async with asyncio.timeout(LONG):
        while True:
            try:
                await executor.analyse(pictures.brain())
                found = True
            except WorkerDiedError:
                found = False
            if found is answered:
                return
            await asyncio.sleep(0.05)


async def test_jobs_are_given_up_while_workers_cannot_start(tmp_path: Path) -> None:
    models, away = tmp_path / "models", tmp_path / "away"
    shutil.copytree(MODELS_DIR, models)
    async with local_executor(1, models_dir=models) as executor:
        shutil.move(models, away)
        os.kill(await executor.run(process_id), signal.SIGKILL)
        await until(executor, answered=False)
        with pytest.raises(WorkerDiedError):
            await executor.run(process_id)
        shutil.move(away, models)
        await until(executor, answered=True)


@pytest.mark.parametrize("how_many", [1, 2])
async def test_workers_killed_while_they_start_are_replaced(how_many: int) -> None:
    executor = local_executor(2)
    starting = asyncio.ensure_future(executor.start())
    async with asyncio.timeout(LONG):
        # Nobody tells of this moment, so it is looked for.
        while len(workers := [slot.worker for slot in executor._slots if slot.worker]) < how_many:  # noqa: ASYNC110
            await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(executor.run(process_id)) for _ in range(10)]
        await asyncio.sleep(0)
        for worker in workers[:how_many]:
            assert not worker.is_ready
            os.kill(worker.process_id, signal.SIGKILL)
        await starting
        assert {worker.process_id for worker in workers[:how_many]}.isdisjoint(await asyncio.gather(*waiting))
    await executor.close()


async def test_a_pickle_from_a_worker_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    marker = tmp_path / "was read"
    async with local_executor(1) as executor:
        with pytest.raises(WorkerDiedError):
            await executor.run(answer_with_a_pickle, str(marker))
        assert "made no sense" in caplog.text
        assert await executor.run(process_id)
    assert not marker.exists()


async def test_answer_outside_its_schema_ends_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    async with local_executor(1) as executor:
        with pytest.raises(WorkerDiedError):
            await executor.run(answer_with_something_else)
        assert "made no sense" in caplog.text
        assert await executor.run(process_id)


async def test_executors_leave_no_threads_and_no_descriptors() -> None:
    async with local_executor(1) as executor:  # the fork server is there from now on
        await executor.run(process_id)
    before, threads = descriptors(), threading.active_count()
    async with local_executor(2) as executor:
        idle = await executor.run(process_id)
        os.kill(idle, signal.SIGKILL)
        await executor.run(process_id)
    assert descriptors() <= before
    assert threading.active_count() <= threads + 1  # asyncio's own, for close()


async def test_killing_all_idle_workers_blames_no_job(two: LocalExecutor) -> None:
    for _ in range(10):
        os.kill(await two.run(process_id), signal.SIGKILL)  # at once, on whichever seats there are


def test_executor_works_across_different_event_loops() -> None:
    executor = local_executor(1)

    async def crowd() -> list[int]:
        return await asyncio.gather(*(executor.run(size, bytes(number)) for number in range(5)))

    asyncio.run(executor.start())
    try:
        assert asyncio.run(crowd()) == asyncio.run(crowd()) == list(range(5))
    finally:
        asyncio.run(executor.close())
