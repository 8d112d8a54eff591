"""A plain ReportData in, PDF bytes out. Knows nothing of models, chats or databases."""

from importlib import import_module
from typing import TYPE_CHECKING

from reports.data import Bar, ReportData, Source, Words

if TYPE_CHECKING:
    from reports.document import render
    from reports.pen import ReportError

__all__ = ["Bar", "ReportData", "ReportError", "Source", "Words", "render"]
_DRAWING = {"render": "reports.document", "ReportError": "reports.pen"}


def __getattr__(name: str) -> object:
    """Load what draws only for those who draw: the bot itself gathers the data and leaves that to its workers."""
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DRAWING[name]), name)
