"""What the bot's side of a cluster does without one; for the rest see tests/services/test_cluster.py."""

import asyncio
import shutil
from pathlib import Path

import pytest

from inference.card import MODELS_DIR
from inference.workers.cluster import ClusterExecutor, note_answer
from inference.workers.cluster_worker import AWAY, DIED, kind_of
from inference.workers.executor import WorkerDiedError
from inference.workers.job_queue import QueuedJob
from inference.workers.job_table import answer
from inference.workers.wire import FrameError, encode
from inference.workers.worker import DONE


async def test_job_whose_handing_over_is_cut_short_waits_again() -> None:
    executor = ClusterExecutor("tcp://127.0.0.1:1")
    executor._queue.open()
    executor._workers, executor._client = {"tcp://127.0.0.1:2": 1}, object()
    job = QueuedJob(answer, (), 1.0)
    executor._queue.put(job)
    executor._fill()
    (task,) = executor._tasks
    executor._client = None
    task.cancel()  # before its first step, as when the scheduler is found dead in that moment
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert (executor.waiting, executor._tasks, job.answer.done()) == (1, set(), False)
    executor._queue.close()


def test_answers_are_noted_by_their_kind() -> None:
    job = QueuedJob(answer, (), 1.0)
    assert not note_answer(job, b"".join(encode(AWAY)))
    job.deliver()
    assert not job.answer.done()  # it waits again
    assert note_answer(job, b"".join(encode(DIED)))
    job.deliver()
    assert isinstance(job.answer.exception(), WorkerDiedError)
    for nonsense in (b"", b"\x80\x05.", None, {"done": True}):
        with pytest.raises(FrameError):
            note_answer(job, nonsense)
    with pytest.raises(ValueError, match="valid boolean"):
        note_answer(job, b"".join(encode(DONE, "perhaps")))


def test_other_models_make_another_kind_of_worker(tmp_path: Path) -> None:
    ours = kind_of(MODELS_DIR, "litert")
    assert ours != kind_of(MODELS_DIR, "tensorflow")
    shutil.copytree(MODELS_DIR, tmp_path / "models")
    assert kind_of(tmp_path / "models", "litert") == ours
    with (tmp_path / "models" / "gate" / "card.json").open("a") as card:
        card.write("\n")
    assert kind_of(tmp_path / "models", "litert") != ours
