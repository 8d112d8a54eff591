"""Analyses on other machines: jobs go to Dask workers that ``tumorscan worker`` has started, and come back as bytes.

The queue is here, so that who waits for whom is the same as with workers of this machine; Dask is given what it can do
at once. What is with it when the way there breaks comes back into the queue.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from distributed import Client, KilledWorker
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.scheduler import Scheduler

from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.registry import check_models
from inference.workers.cluster_worker import (
    AWAY,
    CONNECT,
    DIED,
    PREFIX,
    Once,
    cannot_reach,
    do,
    give_up,
    kind_of,
    tame_dask,
)
from inference.workers.dask_messages import limit_messages
from inference.workers.executor import WorkerDiedError
from inference.workers.job_queue import QueuedJob
from inference.workers.queued import TIMEOUT, QueuedExecutor
from inference.workers.supervisor import conclude
from inference.workers.wire import FrameError, decode

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at who works for the scheduler; each also asks whether it still answers."""
SILENCE: Final = 60.0
"""Seconds beyond a job's limit until its worker is taken for lost though the scheduler does not say so: jobs of other
bots may be before it there."""
CLOSE_TIMEOUT, END_TIMEOUT = 5.0, 5.0
"""As of ``LocalExecutor``."""
GOOD_BYE: Final = 2.0
"""Seconds for a last word to a scheduler that may be gone."""
_log = logging.getLogger(__name__)


class ClusterExecutor(QueuedExecutor):
    """Workers of other machines, of a Dask scheduler at ``address`` (``tcp://`` or ``tls://``, host and port).

    Those are used that have the same version, models and backend; others are named in the log, once. A scheduler that
    does not answer is waited for, and jobs wait meanwhile. A job whose machine is lost is done once more.
    """

    def __init__(
        self,
        address: str,
        *,
        models_dir: Path = MODELS_DIR,
        backend: BackendName = "litert",
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(timeout)
        self._address, self._models_dir, self._backend = address, models_dir, backend
        self._kind = ""
        self._say = Once(_log)
        self._workers: dict[str, int] = {}
        """What each that is like this bot can do at once."""
        self._refused: set[str] = set()
        self._lost = 0
        self._client: Client | None = None
        """While its scheduler answers."""
        self._tasks: set[asyncio.Task[bool]] = set()
        self._started: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run_loop, name="cluster", daemon=True)

    @property
    def places(self) -> int:
        """How many jobs can be done at once."""
        return sum(self._workers.values())

    @property
    def restarts(self) -> int:
        """How many workers have left."""
        return self._lost

    async def start(self) -> None:
        """Return when a worker is there that is like this bot, however long that takes. Raises ModelError."""
        check_models(self._models_dir)
        self._kind = kind_of(self._models_dir, self._backend)
        tame_dask()
        limit_messages()
        self._queue.open()
        self._thread.start()
        await asyncio.wrap_future(self._started)

    async def close(self) -> None:
        """Let running jobs finish for a few seconds. See ``Executor.close``."""
        if not self._queue.is_open:
            return
        self._queue.close()
        try:
            if not await asyncio.to_thread(self._queue.wait_until_quiet, CLOSE_TIMEOUT):
                _log.warning("jobs were still running after %.0f s and were given up", CLOSE_TIMEOUT)
        finally:
            if self._loop and self._serving:
                with suppress(RuntimeError):  # it is over already
                    self._loop.call_soon_threadsafe(self._serving.cancel)
            self._started.cancel()
        await asyncio.to_thread(self._thread.join, END_TIMEOUT)
        if not self._thread.is_alive():
            self._queue.jobs_wait.close()

    def _run_loop(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        """Keep in touch with the scheduler until cancelled."""
        self._loop, self._serving = asyncio.get_running_loop(), asyncio.current_task()
        while self._queue.is_open:
            try:
                await self._be_client()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
                self._workers.clear()
                self._say.problem(f"EXECUTOR: {cannot_reach(self._address, error)}; photos wait until it does")
            await asyncio.sleep(LOOK_EVERY)

    async def _be_client(self) -> None:
        client = Client(
            self._address, asynchronous=True, set_as_default=False, timeout=CONNECT, name="tumorscan",
            deserializers=["dask", "msgpack"],
        )  # fmt: skip
        try:
            await client
            await client.run_on_scheduler(retry_once)
            await self._work(client)
        finally:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(GOOD_BYE):
                    await client.close()

    async def _work(self, client: Client) -> None:
        """Hand out jobs as long as the scheduler answers. Raises OSError, TimeoutError when it does not."""
        self._client = client
        try:
            while True:
                async with asyncio.timeout(CONNECT):
                    known = await client.scheduler.identity(n_workers=-1)
                self._look_at(known["workers"])
                self._fill()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self._client = None  # what comes back into the queue now is for the next one
            asyncio.get_running_loop().remove_reader(self._queue.jobs_wait)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fill(self) -> None:
        """Give Dask as many jobs as it can do at once, and listen for more while it could do more."""
        loop, client = asyncio.get_running_loop(), self._client
        if client is None:
            return
        loop.remove_reader(self._queue.jobs_wait)
        while len(self._tasks) < self.places:
            held = _Held(loop)
            job = self._queue.take(held)
            if job is None:
                loop.add_reader(self._queue.jobs_wait, self._fill)
                return
            held.task = loop.create_task(self._have_done(client, job), context=job.context.copy())
            self._tasks.add(held.task)
            held.task.add_done_callback(partial(self._done, job, time.monotonic()), context=job.context.copy())

    def _done(self, job: QueuedJob, began: float, task: asyncio.Task[bool]) -> None:
        """Deliver what came of a job; without an answer it comes back into the queue, before others.

        Not in the task itself: one that is cancelled before its first step never runs, and its job would be lost.
        """
        seconds = time.monotonic() - began
        _log.debug("%s took %.3f s", job.job.name, seconds)
        self._queue.finish(job)
        was_deadly = not task.cancelled() and task.result()
        self._queue.time.charge(job.client, seconds, failed=was_deadly or job.ran_out_of_time)
        job.deliver()
        self._queue.put(job, first=True)
        self._tasks.discard(task)
        self._fill()

    def _look_at(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        alike = {at: int(one["resources"][self._kind]) for at, one in known.items() if self._kind in one["resources"]}
        self._lost += len(self._workers.keys() - alike.keys())
        self._workers = alike
        for at in known.keys() - alike.keys() - self._refused:
            theirs = next((name for name in known[at]["resources"] if name.startswith(PREFIX)), None)
            what = f"has {theirs}" if theirs else "was not started by 'tumorscan worker'"
            _log.error(
                "EXECUTOR: the worker %s is not used: it %s, and this bot has %s: give both the same version, "
                "MODELS_DIR and MODEL_BACKEND", at, what, self._kind,
            )  # fmt: skip
        self._refused = set(known.keys() - alike.keys())
        if not alike:
            self._say.problem(
                f"EXECUTOR: nobody works for the scheduler {self._address}: start 'tumorscan worker {self._address}'; "
                "photos wait until then"
            )
            return
        self._say.well(f"{self._address} has workers: {len(alike)}; jobs at once: {self.places}")
        if not self._started.done():
            self._started.set_result(None)

    async def _have_done(self, client: Client, job: QueuedJob) -> bool:
        """Have a job done and note its answer, if there is one; whether it may be what ended a worker."""
        try:
            return note_answer(job, await self._ask(client, job))
        except KilledWorker:
            job.conclude(error=WorkerDiedError())
            return True
        except TimeoutError as error:
            return self._count_failure(job, error)
        except (FutureCancelledError, ClosedClientError, OSError):
            # The way to the scheduler broke, which says nothing of the job; the next look will tell.
            await asyncio.sleep(LOOK_EVERY)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not come again and again
            return self._count_failure(job, error)

    def _count_failure(self, job: QueuedJob, error: Exception) -> bool:
        _log.error("EXECUTOR: a worker of %s gave no answer that makes sense (%s)", self._address, type(error).__name__)
        if job.is_given_up(taken_up=True):
            job.conclude(error=WorkerDiedError())
        return True

    async def _ask(self, client: Client, job: QueuedJob) -> object:
        job_id = f"job-{uuid4().hex}"
        frame = b"".join(job.frame)
        future = client.submit(do, job_id, frame, key=job_id, pure=False, resources={self._kind: 1})
        try:
            async with asyncio.timeout(job.limit + SILENCE):
                return await future.result()
        except (asyncio.CancelledError, TimeoutError):
            if self._client is not None:  # else nobody is there to be told
                with suppress(OSError, TimeoutError, ClosedClientError, FutureCancelledError):
                    async with asyncio.timeout(GOOD_BYE):
                        await client.run(give_up, job_id, on_error="ignore")
            raise
        finally:
            future.release()


class _Held:
    """What has taken a job from the queue: a task of the cluster's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.task: asyncio.Task[bool] | None = None

    def end(self) -> None:
        """Have it given up. For any thread."""
        with suppress(RuntimeError):  # the loop is over, and all its tasks with it
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


def note_answer(job: QueuedJob, answer: object) -> bool:
    """Note what a worker says came of a job, if it says that; whether its process died over it.

    Raises FrameError or ValidationError when it makes no sense.
    """
    if not isinstance(answer, bytes):
        raise FrameError("no frame")
    kind, value = decode(answer)
    if kind == DIED:
        job.conclude(error=WorkerDiedError())
    elif kind != AWAY:
        conclude(job, kind, value)
    return kind == DIED


def retry_once(dask_scheduler: Scheduler) -> None:
    """Have a scheduler give up a job over which two workers were lost; by itself it would sacrifice four."""
    dask_scheduler.allowed_failures = 1
