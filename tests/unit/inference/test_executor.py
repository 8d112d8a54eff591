"""Workers are fast, limited, replaced when they die, and gone when their work is."""

import asyncio
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.scan import worker_jobs
from inference.analysis import PictureError, Reason, Verdict
from inference.card import MODELS_DIR, ModelError
from inference.workers import supervisor
from inference.workers.executor import AnalysisTimeoutError, JobFailedError, NotRunningError, WorkerDiedError
from inference.workers.fork_server import ForkServer
from inference.workers.local import MEMORY, LocalExecutor
from inference.workers.worker import NICE
from tests import pictures
from tests.bench.steps import WORDS
from tests.probe_jobs import (
    MODULES,
    die,
    die_once,
    eat,
    environment,
    fail,
    hang,
    limits,
    nice,
    parent_id,
    process_id,
    wait_for,
    write_to_standard_error,
)

PROJECT = Path(__file__).parents[3]
LONG = 120.0


def blocked_signals(process: int) -> set[int]:
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), 16)
    return {number for number in range(1, 65) if mask & 1 << (number - 1)}


def environment_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def local_executor(workers: int, **settings: Any) -> LocalExecutor:
    """An executor that also knows the jobs of the bot and those of the tests."""
    return LocalExecutor(
        workers, jobs=(*worker_jobs.MODULES, *MODULES), scratch=Path(tempfile.gettempdir()), **settings
    )


@pytest.fixture
async def executor() -> AsyncIterator[LocalExecutor]:
    async with local_executor(1) as running:
        yield running


async def test_a_picture_is_read_in_a_worker(executor: LocalExecutor) -> None:
    analysis = await executor.analyse(pictures.brain())
    assert analysis.organ == "brain_mri"
    assert analysis.overlay is not None
    assert await executor.run(process_id) != os.getpid()
    composite = await executor.run(worker_jobs.compose, analysis.shown, analysis.overlay, WORDS, [])
    assert composite.startswith(b"\xff\xd8")


async def test_a_worker_stands_back_for_those_who_type(executor: LocalExecutor) -> None:
    assert await executor.run(nice) == min(19, os.nice(0) + NICE)


async def test_the_hint_goes_along(executor: LocalExecutor) -> None:
    assert (await executor.analyse(pictures.cat(), "brain_mri")).organ == "brain_mri"


async def test_all_workers_are_used() -> None:
    async with local_executor(2) as executor:
        answers = await asyncio.gather(*(executor.analyse(pictures.brain(seed=seed)) for seed in range(6)))
        assert {analysis.verdict for analysis in answers} <= set(Verdict)
        jobs = [executor.run(process_id) for _ in range(40)]
        assert len(set(await asyncio.gather(*jobs))) == 2


async def test_job_fault_is_named_without_quoting_the_file(executor: LocalExecutor) -> None:
    with pytest.raises(JobFailedError, match="LookupError") as caught:
        await executor.run(fail)
    assert "hostile" not in str(caught.value)
    assert "probe_jobs.py" in str(caught.value)


async def test_what_is_wrong_with_a_picture_is_raised_here(executor: LocalExecutor) -> None:
    with pytest.raises(PictureError) as caught:
        await executor.analyse(pictures.huge_png())
    assert caught.value.reason is Reason.TOO_MANY_PIXELS


async def test_overlong_job_is_ended_and_the_next_runs(executor: LocalExecutor) -> None:
    with pytest.raises(AnalysisTimeoutError, match="too long"):
        await executor.run(hang, None, timeout=1.0)
    assert (await executor.analyse(pictures.brain())).organ == "brain_mri"


async def test_dead_worker_is_replaced_and_its_job_repeated(
    executor: LocalExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await executor.run(die_once, tmp_path / "marker") == "done"
    assert caplog.text.count("a worker ended") == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
async def test_job_killing_its_worker_twice_is_given_up(executor: LocalExecutor, how: signal.Signals) -> None:
    with pytest.raises(WorkerDiedError):
        await executor.run(die, how)
    assert (await executor.analyse(pictures.brain())).organ == "brain_mri"


async def test_a_worker_killed_while_idle_is_replaced(executor: LocalExecutor) -> None:
    before = await executor.run(process_id)
    watch = os.pidfd_open(before)
    os.kill(before, signal.SIGKILL)
    await asyncio.to_thread(select.select, [watch], [], [], LONG)
    os.close(watch)
    assert await executor.run(process_id) != before


async def test_a_job_cannot_take_more_memory_than_its_share(executor: LocalExecutor) -> None:
    with pytest.raises(JobFailedError, match="MemoryError"):
        await executor.run(eat, 4)


async def test_workers_are_limited_and_compute_on_one_thread(executor: LocalExecutor) -> None:
    found = await executor.run(limits)
    assert found["RLIMIT_AS"] == MEMORY["litert"]
    assert found["RLIMIT_CORE"] == 0
    assert 0 < found["RLIMIT_CPU"] < 120
    known = await executor.run(environment)
    assert {known[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"1"}


async def test_starting_leaves_the_environment_of_this_process_alone() -> None:
    before = dict(os.environ)
    async with local_executor(1):
        assert dict(os.environ) == before


async def test_worker_does_not_see_the_bots_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "SECRET")
    monkeypatch.setenv("DATABASE_URL", "SECRET too")
    monkeypatch.setenv("TF_VAR_password", "SECRET of Terraform")
    fork_server = ForkServer()
    monkeypatch.setattr(supervisor, "FORK_SERVER", fork_server)
    async with local_executor(1) as executor:
        python = await executor.run(environment)
        system = environment_of(await executor.run(process_id))
    fork_server.stop()
    assert "SECRET" not in str(python)
    assert b"SECRET" not in system


async def test_what_decoders_print_does_not_reach_the_log(
    executor: LocalExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    await executor.run(write_to_standard_error)
    assert "SECRET" not in capfd.readouterr().err


async def test_ctrl_c_does_not_reach_the_workers(executor: LocalExecutor) -> None:
    worker = await executor.run(process_id)
    os.kill(worker, signal.SIGINT)
    assert await executor.run(process_id) == worker


async def test_workers_ignore_ctrl_c_from_their_first_moment(executor: LocalExecutor) -> None:
    fork_server = await executor.run(parent_id)
    worker = await executor.run(process_id)
    assert signal.SIGINT in blocked_signals(fork_server), "what it has blocked its workers inherit"
    assert signal.SIGINT in blocked_signals(worker)
    assert signal.SIGINT not in blocked_signals(os.getpid())


async def test_cancelling_ends_the_job_and_frees_its_worker(executor: LocalExecutor, tmp_path: Path) -> None:
    pipe = tmp_path / "told"
    os.mkfifo(pipe)
    job = asyncio.ensure_future(executor.run(hang, pipe, timeout=LONG))
    assert await asyncio.to_thread(pipe.read_text) == "running"
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert (await executor.analyse(pictures.brain())).organ == "brain_mri"


async def test_cancelling_jobs_that_wait_costs_no_worker(executor: LocalExecutor, tmp_path: Path) -> None:
    told, go = tmp_path / "told", tmp_path / "go"
    os.mkfifo(told)
    os.mkfifo(go)
    before = await executor.run(process_id)
    jobs = [asyncio.ensure_future(executor.run(wait_for, told, go))]
    jobs += [asyncio.ensure_future(executor.run(process_id)) for _ in range(20)]
    await asyncio.to_thread(told.read_text)
    for waiting in jobs[2:]:
        waiting.cancel()
    await asyncio.gather(*jobs[2:], return_exceptions=True)  # a task hears of it at its next turn
    await asyncio.to_thread(go.write_text, "go")
    assert await asyncio.gather(*jobs[:2]) == [before, before]
    assert await executor.run(process_id) == before


async def test_after_closing_nothing_runs_and_no_process_is_left() -> None:
    executor = local_executor(2)
    await executor.start()
    workers = set(await asyncio.gather(*(executor.run(process_id) for _ in range(20))))
    await executor.close()
    await executor.close()
    with pytest.raises(NotRunningError):
        await executor.analyse(pictures.brain())
    assert not [worker for worker in workers if is_running(worker)]


async def test_missing_models_stop_the_start_with_their_own_error(tmp_path: Path) -> None:
    models = Path(shutil.copytree(MODELS_DIR, tmp_path / "models"))
    (models / "blood_smear" / "model.tflite").unlink()
    with pytest.raises(ModelError, match="blood_smear"):
        await LocalExecutor(1, models_dir=models).start()


async def test_workers_that_cannot_start_are_said_to() -> None:
    with pytest.raises(WorkerDiedError):
        await LocalExecutor(1, memory=32 << 20).start()


ORPHANED = """
import asyncio
from tests.unit.inference.test_executor import local_executor
from tests.probe_jobs import hang, process_id
async def main():
    executor = local_executor(2)
    await executor.start()
    pids = {await executor.run(process_id) for _ in range(20)}
    print(*pids, flush=True)
    await executor.run(hang, None, timeout=60)
if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_workers_leave_when_the_bot_was_killed() -> None:
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANED, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert bot.stdout is not None
    workers = [os.pidfd_open(int(word)) for word in (await bot.stdout.readline()).split()]
    assert workers
    bot.kill()
    await bot.wait()
    for worker in workers:
        ended, _, _ = await asyncio.to_thread(select.select, [worker], [], [], 10)
        os.close(worker)
        assert ended
