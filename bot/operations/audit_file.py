"""The audit log: who did what, when and how it ended, where "who" is a keyed hash that names nobody."""

import hashlib
import hmac
import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

from bot.operations.audit import AuditLog

FILE = "audit.log"
_PLAIN = re.compile(r"[a-z0-9_]{1,40}(: [a-z0-9_]{1,40})?")
"""What was done, and how it ended: words of ours, never of people."""
_log = logging.getLogger(__name__)


class FileAuditLog(AuditLog):
    """One JSON object a line in a file of its own, a new one each day (UTC); those of ``keep_days`` days are kept.

    ``secret`` is the bot's token: with the log alone nobody can find out who somebody is, nor try all ids.
    """

    def __init__(self, folder: Path, secret: str, keep_days: int) -> None:
        """Open it. Raises OSError when that can't be done."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = key_of(secret)
        self._file = _PrivateFile(folder / FILE, when="midnight", utc=True, backupCount=keep_days, encoding="utf-8")

    def note(self, who: int | None, what: str, outcome: str) -> None:
        """Write a line. A full disk holds up nobody: it is said in the log of the program."""
        said = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "who": None if who is None else pseudonym(self._key, who),
            "what": _plain(what),
            "outcome": _plain(outcome),
        }
        self._file.emit(logging.LogRecord("audit", logging.INFO, "", 0, json.dumps(said), None, None))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _plain(words: str) -> str:
    """Words of ours as they are; anything else is not noted, whatever it is."""
    return words if _PLAIN.fullmatch(words) else "other"


class _PrivateFile(TimedRotatingFileHandler):
    """Readable for this user alone."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600))

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        _log.error("AUDIT_DIR: the audit log can't be written")


def key_of(secret: str) -> bytes:
    """The key of the hashes, so that the secret itself is used for nothing else."""
    return hmac.digest(secret.encode(), b"audit log", hashlib.sha256)


def pseudonym(key: bytes, chat_id: int) -> str:
    """Who somebody is called in the log: the same each time, and nothing without the key."""
    return hmac.new(key, str(chat_id).encode(), hashlib.sha256).hexdigest()[:16]


def lines_about(folder: Path, secret: str, chat_id: int) -> Iterator[str]:
    """What is noted of one person, oldest first. Raises OSError."""
    wanted = pseudonym(key_of(secret), chat_id)
    for path in sorted(folder.glob(f"{FILE}*"), key=lambda path: (path.name == FILE, path.name)):
        for line in path.read_text("utf-8").splitlines():
            if json.loads(line)["who"] == wanted:
                yield line
