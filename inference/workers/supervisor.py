"""Slots for worker processes: each holds one worker at a time, gives it jobs, and replaces it when it ends.

A slot is a thread that blocks: on the socket of its worker, or until a job comes. Whatever state a worker is in, it
holds up nobody but its own slot, and is ended by force.
"""

import logging
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from inference.analysis import PictureError, Reason
from inference.backends import BackendName
from inference.decode import budget
from inference.workers.executor import AnalysisTimeoutError, JobFailedError, WorkerDiedError
from inference.workers.fork_server import FORK_SERVER, Forked, ForkServerError
from inference.workers.job_queue import JobQueue, QueuedJob, Signal
from inference.workers.wire import MOST_TEXT, Channel, FrameError, Wait, encode
from inference.workers.worker import DONE, FAILED, FULL, OUT_OF_TIME, READY, REFUSED, TAKEN, WorkerSettings

START_TIMEOUT: Final[Mapping[BackendName, float]] = {"litert": 60.0, "tensorflow": 300.0}
"""Seconds until a worker must have its models open; TensorFlow alone takes many on a busy processor."""
TAKE_UP: Final = 5.0
"""Seconds within which an idle worker must take up the job that it is given, unless it only waits for a processor."""
LOOKS: Final = 6
"""So many times TAKE_UP is the most that any worker has for that."""
GRACE: Final = 0.25
"""Seconds on top of a job's limit, for the way back."""
PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds until the next try when no new worker can be started: after the first failure, the second, and so on."""
LONGEST_ERROR: Final = 8000
"""Letters of what a worker says of a job that failed; they reach the log."""
LONGEST_DETAIL: Final = 200
"""The same of what it says of a picture that it refused: some words of ours."""
FIRST_TRIES: Final = 3
"""How often the first worker of a slot may fail to start until the executor's start has failed."""

_PROCESSES: Final = Path("/proc")

_log = logging.getLogger(__name__)


OUT_OF_TIME_STATUSES: Final = (-budget.OVER_BUDGET, -signal.SIGXCPU)
"""Of workers that the kernel ended because their job took too much processor time."""
_REFUSAL: Final = TypeAdapter(tuple[Reason, str])


class WorkerLostError(Exception):
    """The worker ended, was ended, or never took up its job."""

    def __init__(self, why: str, *, taken_up: bool = False) -> None:
        super().__init__(why)
        self.taken_up = taken_up
        """Whether the job is known to have run when the worker ended, and so may be to blame."""


class _OutOfTimeError(Exception):
    """The job ran longer than its limit."""


class Worker:
    """One worker process seen from its slot's thread; it does one job at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Fork a process. Raises WorkerLostError."""
        try:
            self._process: Forked = FORK_SERVER.fork()
        except ForkServerError as error:
            raise WorkerLostError(str(error)) from None
        self.process_id = self._process.pid
        self.was_wanted_gone = False
        """Whether it was ended by us and not by an accident."""
        self.is_ready = False
        self.is_full = False
        """Whether it says that it holds so much memory that it is better replaced."""
        self._settings = settings
        self._channel = Channel(self._process.connection, MOST_TEXT)
        self._lock = threading.Lock()
        self._closed = False
        self._has_ended = False
        self._status: int | None = None
        self._context = copy_context()
        """That of the job that it does, whose log is to show whose end this was."""

    def make_ready(self) -> None:
        """Wait until it has its models open. Raises WorkerLostError."""
        try:
            wait = self._deadline(START_TIMEOUT[self._settings.backend])
            self._channel.send(encode("settings", self._settings), wait)
            kind, value = self._channel.receive(wait)
        except (OSError, EOFError, FrameError):
            raise WorkerLostError("it ended before it was ready") from None
        except _OutOfTimeError:
            raise WorkerLostError("it was not ready in time") from None
        if kind != READY:
            raise WorkerLostError(str(value)[:500])
        self.is_ready = True
        say_what_is_missing(tuple(value))

    def wait_for(self, called: Signal) -> bool:
        """Block until the signal is given; False when the worker has ended, or spoke without having been asked."""
        poll = select.poll()
        poll.register(self._process.connection, select.POLLIN)
        poll.register(called, select.POLLIN)
        return self._process.connection.fileno() not in {handle for handle, _ in poll.poll()}

    def do(self, job: QueuedJob) -> None:
        """Have a job done and note what came of it. Raises WorkerLostError: without a result it may be repeated."""
        taken_up, self._context = False, job.context.copy()  # one that is entered can't be entered elsewhere
        try:
            wait = self._take_up(job.limit)
            self._channel.send(job.frame, wait)
            self._expect(TAKEN, wait)
            taken_up = True
            conclude(job, *self._answer(self._deadline(job.limit + GRACE)))
        except _OutOfTimeError:
            self.end()
            job.conclude(error=AnalysisTimeoutError())
            raise WorkerLostError("its job ran out of time") from None
        except (OSError, EOFError, MemoryError, FrameError, ValidationError) as error:
            if isinstance(error, FrameError | ValidationError):
                _log.error("a worker's answer made no sense; it is ended")
            elif taken_up and self._exit_status() in OUT_OF_TIME_STATUSES:
                job.conclude(error=AnalysisTimeoutError())
            raise WorkerLostError("it ended", taken_up=taken_up) from None

    def _answer(self, wait: Wait) -> tuple[str, Any]:
        kind, value = self._channel.receive(wait)
        if kind != FULL:
            return kind, value
        self.is_full = True
        return self._channel.receive(wait)

    def _expect(self, wanted: str, wait: Wait) -> None:
        kind, _ = self._channel.receive(wait)
        if kind != wanted:
            raise FrameError(kind)

    def _poll(self, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._process.connection, event)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def _deadline(self, seconds: float) -> Wait:
        end = time.monotonic() + seconds

        def wait(event: int) -> None:
            if not self._poll(event, end - time.monotonic()):
                raise _OutOfTimeError

        return wait

    def _take_up(self, limit: float) -> Wait:
        """Patience with a worker that only waits for a processor, and none with one that stands still.

        On a machine with too much to do a sound worker can be late by several seconds.
        """
        looks = LOOKS

        def wait(event: int) -> None:
            nonlocal looks
            while not self._poll(event, min(TAKE_UP, limit)):
                looks -= 1
                if looks <= 0 or _stands_still(self.process_id):
                    _log.warning("a worker did not take up its job; it is ended")
                    self.end()
                    raise WorkerLostError("did not take up its job")

        return wait

    def was_hurt_by(self, job: QueuedJob, loss: WorkerLostError | None) -> bool:
        """Whether a job is one to be careful with: it ran out of time, or the worker ended over it by itself."""
        return job.ran_out_of_time or (loss is not None and loss.taken_up and not self.was_wanted_gone)

    def _exit_status(self) -> int | None:
        """Wait for the end, once; how it came."""
        if not self._has_ended:
            self._process.kill()  # it is at its end, or has closed its socket and should be
            self._has_ended, self._status = True, self._process.wait()
        return self._status

    def end(self) -> None:
        """End the process by force, whatever it is doing. Its slot notices and looks for another. For any thread."""
        self.was_wanted_gone = True
        self.is_ready = False
        with self._lock:
            if not self._closed:
                self._process.kill()

    def clear(self) -> None:
        """See that it is gone, and tidy up after it."""
        self.is_ready = False
        status = self._exit_status()
        if not self.was_wanted_gone:
            self._context.run(_log.warning, "a worker ended with status %s", status)
        with self._lock:
            self._process.close()
            self._closed = True


class WorkerSlot:
    """A place for one worker; a thread keeps it taken and gives it the jobs of the queue.

    ``failed`` is called, in that thread, when no worker could be started.
    """

    def __init__(self, settings: WorkerSettings, queue: JobQueue, failed: Callable[[], None]) -> None:
        self.started: Future[None] = Future()
        """Done when the first worker is ready; WorkerLostError when it could not be started, and none will."""
        self.empty = False
        """Whether the last two tries to start a worker failed, after the first worker had been ready."""
        self.worker: Worker | None = None
        """The one that has the place now, or is about to."""
        self.restarts = 0
        """How many took the place of one that ended, but for those that were retired, into which nobody need look."""
        self._retired = False
        self._settings = settings
        self._queue = queue
        self._failed = failed
        self._closing = threading.Event()
        # A daemon, so that no state that a process may be in can keep this one from ending.
        self._thread = threading.Thread(target=self._keep_taken, name="worker slot", daemon=True)

    def open(self) -> None:
        """Start the first worker; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the worker by force; no other takes its place. Returns at once."""
        self._closing.set()
        worker = self.worker
        if worker is not None:
            worker.end()

    def join(self, timeout: float) -> bool:
        """Wait until everything is tidy; whether it is, after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _keep_taken(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                self._hold(Worker(self._settings))
                failures = 0
            except WorkerLostError as error:
                failures += 1
                if self._closing.is_set() or self._gave_up(failures, error):
                    break
                self._closing.wait(PAUSES[min(failures, len(PAUSES)) - 1])
        if not self.started.done():
            self.started.set_exception(WorkerLostError("closed"))

    def _gave_up(self, failures: int, error: WorkerLostError) -> bool:
        """Note that no worker could be started; whether none ever will."""
        _log.warning("a worker could not be started: %s", error)
        # A single failure may only have met a fork server that was about to die; and until the start is over jobs wait,
        # because it may yet succeed, and what comes of it is told to the one who started.
        self.empty = failures > 1 and self.started.done()
        self._failed()
        if failures == FIRST_TRIES and not self.started.done():
            self.started.set_exception(error)
        return self.started.done() and self.started.exception() is not None

    def _hold(self, worker: Worker) -> None:
        """Make a worker ready and give it jobs until it ends. Raises WorkerLostError when it could not be made so."""
        self.worker = worker
        try:
            if self._closing.is_set():  # looked at after self.worker is set, as close() does it the other way round
                worker.end()
            worker.make_ready()
            self.empty = False
            self.restarts += self.started.done() and not self._retired
            self._retired = False
            if not self.started.done():
                self.started.set_result(None)
            while worker.wait_for(self._queue.jobs_wait) and self._do_next(worker):
                pass
        finally:
            self.worker = None
            worker.clear()

    def _do_next(self, worker: Worker) -> bool:
        """Have the next job done, if no other worker was quicker; whether the worker is still there."""
        job = self._queue.take(worker)
        if job is None:
            return True
        loss: WorkerLostError | None = None
        began = time.monotonic()
        try:
            job.context.run(worker.do, job)
        except WorkerLostError as error:
            loss = error
        finally:
            job.context.run(_log.debug, "%s took %.3f s", job.job.name, time.monotonic() - began)
            self._queue.finish(job)
            self._queue.time.charge(job.client, time.monotonic() - began, failed=worker.was_hurt_by(job, loss))
            job.deliver()  # after the charge: who asks again at the first word of it must find it noted
        if loss is None:
            # What was half done, or what decoders keep, stays in its memory, and the next large file comes on top.
            self._retired = job.ran_out_of_time or worker.is_full
            if self._retired:
                worker.end()
            return not self._retired
        if job.is_given_up(taken_up=loss.taken_up):
            job.settle(error=WorkerDiedError())
        else:
            self._queue.put(job, first=True)
        return False


def conclude(job: QueuedJob, kind: str, value: Any) -> None:
    """Note what a worker says came of a job. Raises FrameError or ValidationError when that makes no sense."""
    if kind == DONE:
        job.conclude(job.result.validate_python(value))
    elif kind == REFUSED:
        reason, detail = _REFUSAL.validate_python(value)
        job.conclude(error=PictureError(reason, _indented(detail[:LONGEST_DETAIL])))
    elif kind == OUT_OF_TIME:
        job.conclude(error=AnalysisTimeoutError())
    elif kind == FAILED and isinstance(value, str):
        job.conclude(error=JobFailedError(_indented(value[:LONGEST_ERROR])))
    else:
        raise FrameError(kind)


@cache
def say_what_is_missing(missing: tuple[str, ...]) -> None:
    """Tell the operator what this machine can't take from workers."""
    for protection in missing:
        _log.warning("workers keep rights that they don't need; this machine lacks: %s", protection)


def _indented(said: str) -> str:
    """What a worker says of a failure, which may be an attacker's: it can't pass for lines of the log."""
    shown = ("".join(sign if sign.isprintable() else "?" for sign in line) for line in said.splitlines())
    return "\n    ".join(shown)


def _stands_still(process_id: int) -> bool:
    """Whether a process was stopped or has ended, where this system tells.

    With ProtectProc= of systemd it does not, since workers are hidden from each other; that one has ended its socket
    tells, too.
    """
    try:
        state = (_PROCESSES / str(process_id) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in {"T", "t", "Z", "X"}
