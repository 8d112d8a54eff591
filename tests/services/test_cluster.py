"""Analyses on a Dask cluster: machines are lost, differ, fall silent, and no picture is lost, double or let out."""

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.analysis import PictureError, Reason
from inference.card import MODELS_DIR
from inference.workers import cluster as bot_side
from inference.workers.cluster import ClusterExecutor
from inference.workers.executor import AnalysisTimeoutError, JobFailedError, WorkerDiedError
from inference.workers.job_table import read_picture
from inference.workers.queued import QueuedExecutor
from tests import bombs, pictures, probe_jobs
from tests.processes import is_running, workers
from tests.services.cluster import Cluster
from tests.soak.report import as_table
from tests.soak.run import Plan, soak

PICTURE = pictures.brain()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as made:
        yield made


@pytest.fixture
async def executor(cluster: Cluster) -> AsyncIterator[ClusterExecutor]:
    """Not started; closed at the end."""
    made = ClusterExecutor(cluster.address)
    yield made
    await made.close()


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - other processes don't set events
            await asyncio.sleep(0.05)


async def read_many(executor: QueuedExecutor, count: int) -> list[str | None]:
    return [one.organ for one in await asyncio.gather(*(executor.analyse(PICTURE) for _ in range(count)))]


@pytest.mark.timeout(300)
async def test_killed_workers_lose_no_scan_and_double_none(tmp_path: Path) -> None:
    plan = Plan(seconds=12, people=6, scans=16, kill_every=5, kills=2, faults=False, seed=1, cluster=2)
    result = await soak(plan, tmp_path)
    account = result.account
    assert account.scans == plan.scans
    assert result.kills == plan.kills
    assert (account.lost, account.double_rows, account.doubles) == (0, 0, 0), as_table(result)
    assert (account.unanswered, account.out_of_order) == (0, 0), as_table(result)
    assert (result.left_by_itself, result.exit_status, result.leftover_processes) == (0, 0, 0), as_table(result)


async def test_picture_of_a_lost_worker_is_read_by_another(cluster: Cluster, executor: ClusterExecutor) -> None:
    cluster.start_scheduler()
    for _ in range(2):
        cluster.start_worker()
    await executor.start()
    await until(lambda: executor.places == 2)
    reading = asyncio.create_task(read_many(executor, 12))
    await until(lambda: executor.waiting <= 8)
    cluster.workers[0].kill()
    assert await reading == ["brain_mri"] * 12
    await until(lambda: executor.restarts == 1)


async def test_worker_with_other_models_is_refused(
    cluster: Cluster, executor: ClusterExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = tmp_path / "models"
    shutil.copytree(MODELS_DIR, others)
    with (others / "brain_mri" / "card.json").open("a") as card:
        card.write("\n")  # the same card in other bytes, as that of other weights would be
    cluster.start_scheduler()
    cluster.start_worker(MODELS_DIR=str(others))
    starting = asyncio.create_task(executor.start())
    await until(lambda: "is not used" in caplog.text)
    await asyncio.sleep(2 * bot_side.LOOK_EVERY)
    (line,) = (record.getMessage() for record in caplog.records if "is not used" in record.getMessage())
    assert line.startswith("EXECUTOR: the worker tcp://127.0.0.1:")
    assert "MODELS_DIR" in line
    assert not starting.done()
    cluster.start_worker()
    await starting
    assert await read_many(executor, 4) == ["brain_mri"] * 4
    assert executor.places == 1


async def test_pictures_wait_for_a_scheduler_that_is_dead(
    cluster: Cluster, executor: ClusterExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_side, "CONNECT", 1.0)
    starting = asyncio.create_task(executor.start())
    await asyncio.sleep(0.1)
    reading = asyncio.create_task(read_many(executor, 3))
    await until(lambda: "EXECUTOR" in caplog.text)
    await asyncio.sleep(4.0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"EXECUTOR: the scheduler {cluster.address} does not answer: does dask scheduler run there?; photos wait until "
        "it does"
    ]
    cluster.start_scheduler()
    cluster.start_worker()
    await starting
    assert await reading == ["brain_mri"] * 3

    cluster.kill_scheduler()
    reading = asyncio.create_task(read_many(executor, 3))
    await until(lambda: sum("does not answer" in record.getMessage() for record in caplog.records) == 2)
    cluster.start_scheduler()
    assert await reading == ["brain_mri"] * 3


async def test_pictures_wait_for_a_scheduler_that_stands_still(
    cluster: Cluster, executor: ClusterExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_side, "CONNECT", 1.0)
    scheduler = cluster.start_scheduler()
    cluster.start_worker()
    await until(lambda: "working for" in cluster.logged(1))
    await executor.start()
    os.kill(scheduler.pid, signal.SIGSTOP)
    reading = asyncio.create_task(read_many(executor, 3))
    await until(lambda: "EXECUTOR: the scheduler" in caplog.text)
    os.kill(scheduler.pid, signal.SIGCONT)
    assert await reading == ["brain_mri"] * 3


async def test_hostile_picture_has_the_same_limits_there(cluster: Cluster, executor: ClusterExecutor) -> None:
    cluster.start_scheduler()
    worker = cluster.start_worker()
    await executor.start()
    with pytest.raises(PictureError) as refused:
        await executor.analyse(b"no picture")
    assert refused.value.reason is Reason.UNKNOWN_FORMAT
    with pytest.raises(AnalysisTimeoutError):
        await executor.run(read_picture, bombs.progressive_jpeg(85, 7000), None, client="somebody")
    assert executor.is_slow("somebody")
    with pytest.raises(JobFailedError, match="does not know"):  # whatever is asked for, only the table's jobs are done
        await executor.run(probe_jobs.process_id)
    assert await read_many(executor, 2) == ["brain_mri"] * 2
    assert worker.poll() is None


async def test_cancelled_picture_ends_where_it_is_read(cluster: Cluster, executor: ClusterExecutor) -> None:
    cluster.start_scheduler()
    worker = cluster.start_worker()
    await executor.start()
    (reader,) = workers(worker.pid)
    reading = asyncio.create_task(executor.analyse(bombs.progressive_jpeg(85, 7000)))
    await until(lambda: executor.waiting == 0)
    await asyncio.sleep(0.3)
    reading.cancel()
    await until(
        lambda: not is_running(reader), 4.0
    )  # long before it would have been done, and then another takes its place
    assert await read_many(executor, 1) == ["brain_mri"]


def certificates(folder: Path) -> dict[str, str]:
    """An authority, a key and a certificate of it, as Dask's settings name them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tumorscan cluster")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "cluster.pem", folder / "cluster.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    sides = {
        f"{side}__{what}": path
        for side in ("SCHEDULER", "WORKER", "CLIENT")
        for what, path in (("CERT", certificate), ("KEY", private))
    }
    return {
        f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in ({"CA_FILE": certificate} | sides).items()
    }


@pytest.mark.timeout(60)
async def test_with_tls_nobody_joins_without_the_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_side, "CONNECT", 2.0)
    settings = certificates(tmp_path)
    with Cluster(tmp_path, "tls", settings) as cluster:
        cluster.start_scheduler()
        cluster.start_worker()
        await until(lambda: "working for" in cluster.logged(1))
        stranger = ClusterExecutor(cluster.address)
        starting = asyncio.create_task(stranger.start())
        await until(lambda: "are the certificates of Dask's settings" in caplog.text)
        assert not starting.done()
        await stranger.close()
        with suppress(asyncio.CancelledError):
            await starting
        as_dask_has_them = {name[5:].lower().replace("__", "."): value for name, value in settings.items()}
        with dask.config.set(as_dask_has_them):
            async with ClusterExecutor(cluster.address) as friend:
                assert await read_many(friend, 2) == ["brain_mri"] * 2


async def test_picture_that_lost_two_machines_is_abandoned(cluster: Cluster, executor: ClusterExecutor) -> None:
    cluster.start_scheduler()
    cluster.start_worker()
    await executor.start()
    reading = asyncio.create_task(executor.analyse(bombs.progressive_jpeg(85, 7000)))
    await until(lambda: executor.waiting == 0)
    for number in (1, 2):
        await asyncio.sleep(1.0)
        cluster.workers[-1].kill()
        if number == 1:
            cluster.start_worker()
            await until(lambda: "working for" in cluster.logged(2))
    with pytest.raises(WorkerDiedError):
        await reading
    cluster.start_worker()
    assert await read_many(executor, 1) == ["brain_mri"]
