"""The table of jobs: a worker does what stands here and nothing else, asked for by name.

What goes to a worker and what comes back are plain values; a job's annotations are their schema.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar, TypeVarTuple, get_type_hints

from pydantic import TypeAdapter

from inference.analysis import Analysis

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Job(Generic[T, *Ts]):
    """A function that workers know by name; its arguments are positional. Calling it runs it here."""

    def __init__(self, function: Callable[[*Ts], T]) -> None:
        self.name = f"{function.__module__}.{function.__name__}"
        self._function = function

    def __call__(self, *args: *Ts) -> T:
        """Run it here and now."""
        return self._function(*args)

    @cached_property
    def takes(self) -> TypeAdapter[tuple[*Ts]]:
        """The schema of the arguments."""
        hints = get_type_hints(self._function)
        hints.pop("return")
        types: Any = tuple[tuple(hints.values()) or ((),)]  # type: ignore[misc]
        return TypeAdapter(types)

    @cached_property
    def gives(self) -> TypeAdapter[T]:
        """The schema of the result."""
        return TypeAdapter(get_type_hints(self._function)["return"])


TABLE: dict[str, Job[Any, *tuple[Any, ...]]] = {}


def job(function: Callable[[*Ts], T]) -> Job[T, *Ts]:
    """Put a top-level function on the table. It is annotated with plain values: numbers, texts, bytes, dataclasses."""
    made = Job(function)
    TABLE[made.name] = made
    return made


@job
def answer() -> bool:
    """Nothing but an answer: tells that workers do jobs."""
    return True


@job
def read_picture(data: bytes, hint: str | None) -> Analysis:
    """Read one picture with the models of this worker, its bare heat map included. Raises PictureError."""
    return analyse(data, hint, bare_map=True)


def analyse(data: bytes, hint: str | None, *, bare_map: bool) -> Analysis:
    """Read one picture with the models of this worker; for jobs that go on from there. Raises PictureError."""
    from inference.workers.worker import analyser

    return analyser().analyse(data, hint, bare_map=bare_map)
