"""The one thread that writes to a SQLite file: what waits together is committed together."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
Work = Callable[[Connection], T]
"""Asks and changes through a connection, and returns what came of it. It may be undone and run anew."""

MOST_TOGETHER = 64
"""Pieces of work in one transaction; who comes next waits for all of them."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    answer: "asyncio.Future[Any]"
    durable: bool = False
    apart: bool = False
    """Not inside a transaction: for the few commands that SQLite takes nowhere else."""
    context: Context = field(default_factory=copy_context)
    """Of the one who asks, so that what is logged in the writer's thread shows for whom."""


_Outcome = tuple[_Job, Any, Exception | None]


class OwnConnection:
    """One connection of one thread, opened when it is first needed and again after one that went bad."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def get(self) -> Connection:
        """The connection, outside any transaction. Raises DBAPIError when it can't be opened."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    @contextmanager
    def kept_sound(self) -> Iterator[None]:
        """Undo what the body leaves when it fails; a connection that can't be brought back to its beginning is closed.

        A commit that fails half-way is such a case: the driver may still be inside the transaction.
        """
        try:
            yield
        except BaseException:
            connection = self._connection
            if connection is not None and not _undone(connection):
                with suppress(DBAPIError):
                    connection.invalidate()  # closes what is below without another word to it
                self.close()
            raise

    def close(self) -> None:
        """Close it, if it is open; whoever needs it again gets another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()


def _undone(connection: Connection) -> bool:
    transaction = connection.get_transaction()
    if transaction is None:
        return True
    if not transaction.is_active:
        return False
    try:
        transaction.rollback()
    except DBAPIError:
        return False
    return True


class Writer:
    """Runs work in the order in which it is given, in as few transactions as there can be, until it is closed.

    Each piece succeeds or fails as if it were alone. Its thread opens one connection of ``engine`` when work comes,
    after ``before`` is set, and closes it at the end. The connection is the thread's own: in a pool it could be taken
    away between two transactions, and the thread would wait for one that nobody gives back.
    """

    def __init__(self, engine: Engine, before: threading.Event) -> None:
        self._engine = engine
        self._before = before
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        """None is the end."""
        self._thread: threading.Thread | None = None

    async def do(self, work: Work[T], *, durable: bool = False, apart: bool = False) -> T:
        """Run a piece of work and commit it; ``durable``: after the return no power cut undoes it.

        Raises what the work raises, and DBAPIError or sqlite3.Error. Cancelled before its turn came, it is left out.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, answer, durable, apart))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work_off, name="writer", daemon=True)
            self._thread.start()
        return await answer

    def close(self) -> None:
        """Block until what was given is finished and the connection closed. No more work may come."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _work_off(self) -> None:
        self._before.wait()
        connection = OwnConnection(self._engine)
        try:
            for group in _groups(self._jobs):
                _tell(self._carry_out(group, connection))
        finally:
            connection.close()

    def _carry_out(self, group: Sequence[_Job], connection: OwnConnection) -> list[_Outcome]:
        try:
            return self._commit(group, connection)
        except _NotBegunError as failure:
            return [(job, None, failure.reason) for job in group]
        except Exception as error:  # noqa: BLE001 - told to whoever gave the work
            if len(group) == 1:
                return [(group[0], None, error)]
        # Somebody's failure has undone what the others did: each once more, for itself.
        return [outcome for job in group for outcome in self._carry_out([job], connection)]

    def _commit(self, group: Sequence[_Job], own: OwnConnection) -> list[_Outcome]:
        connection = _begun(own.get)
        with own.kept_sound():
            if group[0].apart:
                return [(group[0], group[0].work(connection), None)]
            _begun(lambda: _begin(connection, durable=any(job.durable for job in group)))
            wanted = [job for job in group if not job.answer.cancelled()]
            outcomes: list[_Outcome] = [(job, job.context.run(job.work, connection), None) for job in wanted]
            connection.commit()
            return outcomes


class _NotBegunError(Exception):
    """There is no transaction to be had, for nobody of the group."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _begun(begin: Callable[[], T]) -> T:
    try:
        return begin()
    except Exception as error:
        raise _NotBegunError(error) from error


def _begin(connection: Connection, *, durable: bool) -> None:
    if connection.info.get("durable") is not durable:  # it can't be said inside a transaction
        raw: Any = connection.connection.driver_connection
        raw.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.info["durable"] = durable
    connection.begin()


def _groups(jobs: "SimpleQueue[_Job | None]") -> Iterator[list[_Job]]:
    """All that waits and may share a transaction, again and again until the end."""
    group: list[_Job] = []
    while True:
        try:
            job = jobs.get_nowait() if group else jobs.get()
        except Empty:
            yield group
            group = []
            continue
        if group and (job is None or job.apart or len(group) == MOST_TOGETHER):
            yield group
            group = []
        if job is None:
            return
        group.append(job)
        if job.apart:
            yield group
            group = []


def _tell(outcomes: Sequence[_Outcome]) -> None:
    if not outcomes:
        return
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        outcomes[0][0].answer.get_loop().call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[_Outcome]) -> None:
    for job, result, error in outcomes:
        if job.answer.done():
            continue
        if error is None:
            job.answer.set_result(result)
        else:
            job.answer.set_exception(error)
