"""A plain ReportData in, PDF bytes out. Knows nothing of models, chats or databases."""

from reports.data import Bar, ReportData, Source
from reports.pen import ReportError
from reports.render import render

__all__ = ["Bar", "ReportData", "ReportError", "Source", "render"]
