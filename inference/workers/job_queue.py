"""The queue of jobs before the workers, and how a slot that sleeps learns that there is something to do."""

import os
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, Protocol

from inference.workers.executor import AnalysisTimeoutError, NotRunningError
from inference.workers.fairness import WorkerTime
from inference.workers.job_table import Job
from inference.workers.wire import encode

ATTEMPTS: Final = 2
"""How many workers may die over a job until it is given up."""
LOSSES: Final = 6
"""How many may be lost to it in all, with those that ended before they took it up."""


class Taker(Protocol):
    """Who has taken a job."""

    def end(self) -> None:
        """Let go of it at once: nobody wants it any more. For any thread."""


class Signal:
    """Something to wait for with ``select.poll``, beside a socket: a pipe that holds a byte as long as it is given."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._is_given = False

    def fileno(self) -> int:
        """What to poll."""
        return self._reading

    def give(self) -> None:
        """Wake all who wait. Not for several threads at once."""
        if not self._is_given:
            self._is_given = True
            os.write(self._writing, b"!")

    def take_back(self) -> None:
        """Let them wait again. Not for several threads at once."""
        if self._is_given:
            self._is_given = False
            os.read(self._reading, 1)

    def close(self) -> None:
        """Give back both ends; nobody may wait any more."""
        os.close(self._reading)
        os.close(self._writing)


class QueuedJob:
    """A job on its way: what to send, how long it may run, and where its answer goes."""

    def __init__(
        self, job: Job[Any, *tuple[Any, ...]], args: tuple[Any, ...], limit: float, client: Hashable | None = None
    ) -> None:
        self.job = job
        self.limit = limit
        self.client = client
        self.result = job.gives
        """The schema that the answer has to fit."""
        self.frame = encode("job", {"name": job.name, "seconds": limit, "arguments": args})
        self.context = copy_context()
        """That of the one who asks: what is logged about the job in other threads shows what it is for."""
        self.answer: Future[Any] = Future()
        self.worker: Taker | None = None
        """Who has it; changed with the queue's lock held."""
        self._deaths = self._losses = 0
        self._concluded = False
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def was_lost(self) -> bool:
        """Whether it has lost a worker."""
        return self._losses > 0

    def is_given_up(self, *, taken_up: bool) -> bool:
        """Note that it lost a worker, which may be to blame for if it was ``taken_up``; whether that is enough."""
        self._deaths += taken_up
        self._losses += 1
        return self._deaths >= ATTEMPTS or self._losses >= LOSSES

    @property
    def ran_out_of_time(self) -> bool:
        """Whether that is what came of it."""
        return isinstance(self._error, AnalysisTimeoutError)

    def conclude(self, result: Any = None, error: BaseException | None = None) -> None:
        """Note what came of it; nobody hears of it yet."""
        self._concluded, self._result, self._error = True, result, error

    def deliver(self) -> None:
        """Give the answer if there is one, unless nobody waits for it any more."""
        if not self._concluded:
            return
        with suppress(InvalidStateError):
            if self._error is None:
                self.answer.set_result(self._result)
            else:
                self.answer.set_exception(self._error)

    def settle(self, error: BaseException) -> None:
        """Give an error for an answer at once."""
        self.conclude(error=error)
        self.deliver()


class JobQueue:
    """Jobs that wait for a worker. For any thread.

    The next is one of the client who has used the workers least of late; among equals, first come, first served. One
    that lost its worker comes before all others.
    """

    def __init__(self, used: WorkerTime | None = None) -> None:
        self.time = used or WorkerTime()
        self.jobs_wait = Signal()
        """Given as long as there are jobs. Closed by the one who owns the queue."""
        self._changed = threading.Condition()
        self._jobs: deque[QueuedJob] = deque()
        self._open = False
        self._busy = 0

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_open(self) -> bool:
        """Whether jobs are taken."""
        return self._open

    def open(self) -> None:
        """Take jobs from now on."""
        self._open = True

    def put(self, job: QueuedJob, *, first: bool = False) -> None:
        """Queue a job; ``first`` puts it before all others. One that comes after the end gets a NotRunningError.

        One that has its answer, or that nobody wants any more, is left out.
        """
        with self._changed:
            if job.answer.done():
                return
            if self._open:
                self._jobs.insert(0 if first else len(self._jobs), job)
                self.jobs_wait.give()
                return
        job.settle(error=NotRunningError())

    def take(self, worker: Taker) -> QueuedJob | None:
        """The next job, now this worker's, if there is one."""
        with self._changed:
            job = min(self._jobs, key=self._claim, default=None)
            if job is not None:
                self._jobs.remove(job)
            if not self._jobs:
                self.jobs_wait.take_back()
            if job is not None:
                job.worker = worker
                self._busy += 1
            return job

    def _claim(self, job: QueuedJob) -> tuple[bool, float]:
        """What sorts those who wait; ``min`` keeps the order of arrival among equals."""
        return not job.was_lost, self.time.used(job.client)

    def finish(self, job: QueuedJob) -> None:
        """Its worker has done with a job, whatever came of it."""
        with self._changed:
            job.worker = None
            self._busy -= 1
            self._changed.notify_all()

    def drop(self, job: QueuedJob) -> None:
        """Nobody wants a job any more: it leaves the queue, or is ended with its worker."""
        with self._changed:
            job.answer.cancel()
            if job in self._jobs:
                self._jobs.remove(job)
                if not self._jobs:
                    self.jobs_wait.take_back()
            elif job.worker is not None:
                job.worker.end()

    def refuse_all(self, error: Callable[[], Exception]) -> None:
        """Tell all who wait that it is in vain."""
        with self._changed:
            jobs = list(self._jobs)
            self._jobs.clear()
            self.jobs_wait.take_back()
        for job in jobs:
            job.settle(error=error())

    def close(self) -> None:
        """Take no more jobs; those that wait get a NotRunningError."""
        with self._changed:
            self._open = False
        self.refuse_all(NotRunningError)

    def wait_until_quiet(self, timeout: float) -> bool:
        """Block until no job runs; whether that is so, after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)
