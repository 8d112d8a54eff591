"""A person's scans as a table for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC
from typing import Final

from bot.chat.texts import Texts
from bot.scan import wording
from storage.records import Scan

COLUMNS: Final = (
    "number", "id", "name", "received_utc", "kind_of_picture", "result", "looks_most_like", "model", "version",
    "received_as", "width", "height",
)  # fmt: skip
_FORMULA: Final = re.compile(r"""(^|[;|\t\r\n])(?=[ "']*[=+\-@＝＋－＠])|^(?=[\t\r\n])""")
"""Where a cell may begin as a formula does: also behind a semicolon, at which a spreadsheet of Germany, Russia or Spain
ends a cell, and with the wide signs of an East Asian keyboard."""


def as_table(scans: Iterable[Scan], texts: Texts) -> bytes:
    """CSV in UTF-8 with a byte-order mark, or Excel takes it for the code page of its country; the oldest first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for scan in sorted(scans, key=lambda scan: scan.number):
        writer.writerow(
            (
                scan.number,
                scan.public_id,
                not_a_formula(scan.patient_label or ""),
                f"{scan.created_at.astimezone(UTC):%Y-%m-%d %H:%M}",
                wording.organ_words(scan.organ, texts),
                wording.result_words(scan, texts),
                wording.label_words(scan.organ, scan.label, texts),
                scan.model_name,
                scan.model_version,
                scan.received_as,
                scan.width,
                scan.height,
            )
        )
    return text.getvalue().encode("utf-8-sig", "replace")


def not_a_formula(text: str) -> str:
    """Keep a spreadsheet from taking what somebody typed for a formula."""
    return _FORMULA.sub(r"\1'", text)
