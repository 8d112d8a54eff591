"""Writes pictures with what the doctor found, of those who agreed to it, as ``inference.training`` reads them."""

import csv
import hashlib
import hmac
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bot.errors import StartError
from inference.card import ModelCard
from storage import Database
from storage.errors import UnknownScanError
from storage.outcomes import NOTHING, SharedScan
from storage.vault import KEY_BYTES

COLUMNS = ("file", "label", "group", "source")
INDEX = "index.csv"


async def export(
    database: Database, cards: Mapping[str, ModelCard], folder: Path, key: bytes | None = None
) -> list[str]:
    """Write ``folder/ORGAN/CLASS/*.jpg`` and ``folder/ORGAN/index.csv``; returns lines that tell what was written.

    The folder is complete or not there: it gets its name only at the end. ``group`` is the same for all pictures of a
    person, so that no person is trained on and tested with. It is made with ``key`` and the same in each export with
    that key; without one a fresh key is used and kept nowhere, so that another export calls people otherwise.
    Raises StartError when the folder exists or can't be written.
    """
    shared = await database.outcomes.shared()
    names = _Names(key or secrets.token_bytes(KEY_BYTES))
    labelled = ((scan, label) for scan in shared if (label := _label(scan, cards)) is not None)
    try:
        with _whole(folder) as partial:
            written = await _write(
                database, sorted(labelled, key=lambda one: names.place(one[0].scan_id)), names, partial
            )
    except OSError as error:
        raise StartError(f"{folder} cannot be written ({error.strerror}): choose another place") from error
    left_out = len(shared) - sum(written.values())
    return [
        *_told(written, folder),
        *([_LEFT_OUT.format(count=left_out)] if left_out else []),
        *([_NO_KEY] if written and key is None else []),
    ]


_NO_KEY = (
    "Neither DATA_KEY nor REPORT_KEY is set: the next export calls people otherwise, and training puts them into other "
    "parts. Make a key with 'tumorscan key'."
)
_LEFT_OUT = "Left out: {count} (studies, whose slice with the finding nobody knows, and what no class stands for)."


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name at the end unless nothing was written. Raises StartError, OSError."""
    if folder.exists():
        raise StartError(f"{folder} exists already: name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:  # readable for this user alone
        partial = Path(place, folder.name)
        yield partial
        if partial.exists():
            partial.rename(folder)


async def _write(
    database: Database, labelled: Iterable[tuple[SharedScan, str]], names: "_Names", folder: Path
) -> Counter[tuple[str, str]]:
    written = Counter[tuple[str, str]]()
    rows: dict[str, list[tuple[str, str, str, str]]] = {}
    for scan, label in labelled:
        try:
            picture = (await database.scans.pictures(scan.scan_id)).original
        except UnknownScanError:  # deleted in this very moment
            continue
        group = names.group(scan.person_id)
        written[scan.organ, label] += 1
        name = f"{label}/{group}_{written[scan.organ, label]:05}.jpg"
        _write_picture(folder / scan.organ / name, picture)
        rows.setdefault(scan.organ, []).append((name, label, group, "outcomes"))
    for organ, lines in rows.items():
        _write_index(folder / organ / INDEX, lines)
    return written


def _write_picture(path: Path, picture: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(picture)
    path.chmod(0o600)


def _write_index(path: Path, lines: Iterable[tuple[str, str, str, str]]) -> None:
    with path.open("x", newline="", encoding="utf-8") as file:
        path.chmod(0o600)
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(lines)


def _label(scan: SharedScan, cards: Mapping[str, ModelCard]) -> str | None:
    """The class that a picture shows; None when no class stands for what was found, or the slice is not known."""
    card = cards.get(scan.organ)
    if card is None or scan.is_study:
        return None
    if scan.found == NOTHING:
        healthy = [c.name for c in card.classes if c.role == "clear"]
        return healthy[0] if len(healthy) == 1 else None
    return scan.found if scan.found in card.class_names else None


class _Names:
    """What stands in an export for numbers of rows, which could be counted out from a hash without a key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def group(self, person_id: int) -> str:
        """The same name for the same person in every export with this key, so that parts stay what they are."""
        return "p" + self._digits("person", person_id)[:16]

    def place(self, scan_id: int) -> str:
        """What scans are sorted by: in the order in which they came they would tell who was here first."""
        return self._digits("scan", scan_id)

    def _digits(self, kind: str, number: int) -> str:
        return hmac.new(self._key, f"{kind} {number}".encode(), hashlib.sha256).hexdigest()


def _told(written: Mapping[tuple[str, str], int], folder: Path) -> list[str]:
    if not written:
        return ["Nobody has agreed yet to a picture being handed on that could be: nothing was written."]
    lines = [f"{folder / organ / label}: {count}" for (organ, label), count in sorted(written.items())]
    organs = sorted({organ for organ, _ in written})
    train = "Train with: python -m inference.training train {} --data {}"
    return [*lines, *(train.format(organ, folder / organ) for organ in organs)]
