"""Whoever takes over a worker can compute and answer, and nothing else: each tries it from inside a real worker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.workers import confinement, supervisor
from inference.workers.executor import WorkerDiedError
from inference.workers.local import LocalExecutor
from tests import attacks, dicom_files, pictures, probe_jobs
from tests.conftest import PROJECT
from tests.processes import is_running, wait_for_end

HEIC = PROJECT / "tests" / "data" / "smear.heic"

if sys.platform != "linux":
    pytest.skip("Linux alone has Landlock and seccomp", allow_module_level=True)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    running = LocalExecutor(1, jobs=(*attacks.MODULES, *probe_jobs.MODULES))
    asyncio.run(running.start())
    yield running
    asyncio.run(running.close())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("the token")
    return file


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_a_worker_that_was_taken_over_can_not(executor: LocalExecutor, secret: Path, name: str) -> None:
    before = secret.stat()
    assert asyncio.run(executor.run(attacks.attack, name, os.getpid(), secret)) != "it worked"
    assert secret.read_text() == "the token"
    assert secret.stat().st_mode == before.st_mode
    assert secret.stat().st_mtime == before.st_mtime
    assert [entry.name for entry in secret.parent.iterdir()] == [secret.name]


def test_the_attacks_work_where_nothing_is_confined(secret: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks", str(secret)], cwd=PROJECT, capture_output=True, check=True
    )
    failed = {name: outcome for name, outcome in json.loads(done.stdout).items() if outcome != "it worked"}
    assert not failed


async def test_confined_worker_still_reads_all_file_kinds(executor: LocalExecutor) -> None:
    grey = (pictures.brain_array() * 4000).astype("uint16")
    for data in (pictures.brain(), dicom_files.jpeg2000(grey, BitsStored=12, HighBit=11)):
        assert (await executor.analyse(data)).organ == "brain_mri"
    assert (await executor.analyse(HEIC.read_bytes())).width  # its decoder starts threads


async def test_workers_write_to_their_scratch_folder_and_nowhere_else(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with LocalExecutor(1, jobs=attacks.MODULES, scratch=scratch) as executor:
        inside, outside = scratch / "file.txt", tmp_path / "file.txt"
        assert await executor.run(attacks.attack, "make a file", os.getpid(), inside) == "it worked"
        assert await executor.run(attacks.attack, "make a file", os.getpid(), outside) != "it worked"
        assert await executor.run(attacks.attack, "write 300 MB", os.getpid(), inside) != "it worked"
    assert (scratch / "file.big").stat().st_size <= confinement.FILE_SIZE


async def test_nothing_that_a_worker_started_outlives_it() -> None:
    async with LocalExecutor(1, jobs=probe_jobs.MODULES) as executor:
        of_one_that_dies = await executor.run(probe_jobs.leave_a_child)
        with pytest.raises(WorkerDiedError):
            await executor.run(probe_jobs.die, signal.SIGKILL)
        of_one_that_is_ended = await executor.run(probe_jobs.leave_a_child)
    left = (of_one_that_dies, of_one_that_is_ended)
    await asyncio.to_thread(wait_for_end, left, 20.0)
    assert not [pid for pid in left if is_running(pid)]


def test_where_memory_ends_a_worker_ends_before_the_bot(executor: LocalExecutor) -> None:
    worker = Path(f"/proc/{asyncio.run(executor.run(probe_jobs.process_id))}/oom_score_adj")
    own = Path("/proc/self/oom_score_adj")
    assert int(worker.read_text()) > int(own.read_text())


def test_what_a_machine_lacks_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        supervisor.say_what_is_missing(("a sandbox",))
    assert caplog.text.count("this machine lacks: a sandbox") == 1


def test_a_machine_without_landlock_or_seccomp_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_LANDLOCK_CREATE", 100_000)  # a call that no kernel has
    assert "Landlock" in (confinement.close_files([], None) or "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "seccomp" in (confinement.close_kernel() or "")
