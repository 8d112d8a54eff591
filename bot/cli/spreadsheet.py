"""``--csv FILE``: one line a file, as spreadsheets open it."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from bot.cli.files import spelled_out
from bot.errors import StartError
from bot.scan.table import not_a_formula

COLUMNS: Final = (
    "file", "organ", "verdict", "label", "confidence", "probabilities", "slices", "agreeing", "alone", "series",
    "set_aside", "model", "reason",
)  # fmt: skip


class Spreadsheet:
    """Writes each record as it comes, so that a run that is ended leaves what it has read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Open the file. Raises StartError."""
        try:
            # With a byte-order mark, or Excel takes UTF-8 for the code page of its country.
            self._file = self._path.open("w", encoding="utf-8-sig", newline="", errors="replace")
        except OSError as error:
            raise StartError(f"--csv {self._path}: {error.strerror}; name a file that can be written to") from None
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a line for the JSON record of one file. Raises StartError when the disk is full."""
        study: Mapping[str, Any] = record.get("study") or {}
        values = {
            **record,
            "probabilities": _listed(record["probabilities"]),
            "slices": study.get("judged"),
            "agreeing": len(study["agreeing"]) if study else None,
            "alone": study.get("alone"),
            "series": ", ".join(study.get("series", ())),
            "set_aside": _listed(study.get("set_aside", {})),
        }
        try:
            self._writer.writerow([_harmless(values[name]) for name in COLUMNS])
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            raise StartError(f"--csv {self._path}: {error.strerror}") from None


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _harmless(value: object) -> object:
    """Keep a spreadsheet from taking a file's name for a formula."""
    if not isinstance(value, str):
        return value
    return spelled_out(not_a_formula(value))
