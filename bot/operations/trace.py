"""Whose work this is: the id of the update that is handled, for the log; it says nothing of anybody."""

from contextvars import ContextVar

update: ContextVar[int | None] = ContextVar("update", default=None)
"""Set where the handling of an update begins. Threads and workers' slots that work for it run in the same context."""
