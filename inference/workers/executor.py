"""What the bot asks of whatever runs its jobs, and how that can go wrong. Any machine behind it will do."""

from collections.abc import Coroutine, Hashable
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, TypeVarTuple

from inference.analysis import Analysis
from inference.workers.job_table import Job

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ExecutorError(Exception):
    """A job gave no answer; the text says why, in words for the person who waits."""


class AnalysisTimeoutError(ExecutorError):
    """The job took longer than it may; its worker was ended."""

    def __init__(self) -> None:
        super().__init__("This took too long, so I stopped. Please try another picture.")


class WorkerDiedError(ExecutorError):
    """The worker died twice over the same job: out of memory, or a fault in a decoder."""

    def __init__(self) -> None:
        super().__init__("Something went wrong while I read this picture. Please try another one.")


class NotRunningError(RuntimeError):
    """The executor is not started yet, or closed already. That says nothing about the job: it may be tried later."""

    def __init__(self) -> None:
        super().__init__("the executor is not running")


class JobFailedError(Exception):
    """A job raised something that is no answer: a fault of ours. The text names it and the lines that led there.

    It holds code and never values, so that it may be logged.
    """


class Executor(Protocol):
    """Runs jobs by their names, away from the process that asks; among equals first come, first served.

    ``start`` and ``close`` and the jobs may belong to different event loops. Also an async context manager.
    """

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        ...

    @property
    def restarts(self) -> int:
        """How many workers have taken the place of one that ended, but for those that were retired."""
        ...

    def is_slow(self, client: Hashable) -> bool:
        """Whether a job of this client has lately run out of time, or killed its worker: the next ones wait."""
        ...

    async def start(self) -> None:
        """Return when the first picture would be read at once.

        Raises ModelError when a model is missing or altered, WorkerDiedError when no workers can be had.
        """
        ...

    async def close(self) -> None:
        """Let running jobs finish for a few seconds, then end them; jobs that wait get a NotRunningError.

        Returns within some ten seconds whatever state workers are in. Closing twice does nothing.
        """
        ...

    async def __aenter__(self) -> Self:
        """Start."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        ...

    async def analyse(self, data: bytes, hint: str | None = None) -> Analysis:
        """Read one picture, its bare heat map included. Raises PictureError and all that ``run`` raises."""
        ...

    def run(
        self, job: Job[T, *Ts], *args: *Ts, timeout: float | None = None, client: Hashable | None = None
    ) -> Coroutine[Any, Any, T]:
        """Do a job; ``timeout`` in seconds counts from when a worker takes it up.

        ``client`` is for whom: of jobs that wait, one of the client who has used the workers least of late comes first,
        and after a job that ran out of time the client's next ones wait for a while that grows. Nobody in particular
        has used nothing. A job whose worker died is done once more. Cancelling takes the job out of the queue, or
        ends it. Raises PictureError as the job did; JobFailedError for anything else that it raised;
        AnalysisTimeoutError, WorkerDiedError or NotRunningError when there was no answer.
        """
        ...
