"""People, scans, pictures and the inbox, kept in one database."""

from storage.database import Database
from storage.errors import StorageError, UnknownPersonError, UnknownScanError
from storage.inbox import Attempt, PendingUpdate, ReceivedUpdate
from storage.records import NewScan, Person, Pictures, Scan, ScanPage

__all__ = [
    "Attempt",
    "Database",
    "NewScan",
    "PendingUpdate",
    "Person",
    "Pictures",
    "ReceivedUpdate",
    "Scan",
    "ScanPage",
    "StorageError",
    "UnknownPersonError",
    "UnknownScanError",
]
