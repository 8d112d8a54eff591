"""``python -m tests.corpus [FOLDER...]``: each file of a collection, read by the bot and by the libraries' own readers.

Without a folder: the test files that pydicom brings along. Listed is what the bot refuses while another reader opens
it, and what it shows in another shape; ends with status 1 when a file that others open was called damaged.
"""

import argparse
import io
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.dicom_signature import looks_like
from inference.decode.imaging import decode
from inference.study.opening import holds_several, open_study

DAMAGED = (Reason.BROKEN, Reason.ARCHIVE_BROKEN, Reason.VOLUME_BROKEN, Reason.FRAMES_MISSING)
_MOST_PIXELS = 60_000_000


def own(data: bytes) -> tuple[str, float | None]:
    """What the bot makes of a file, in a word, and how wide it shows it for its height."""
    try:
        if holds_several(data):
            first = open_study(data).slices[0]
            return "study", first.shape[1] / first.shape[0]
        picture = decode(data, believe_tags=False)
    except PictureError as error:
        return error.reason.value, None
    return "picture", picture.width / picture.height


def others(data: bytes) -> float | None:
    """How wide the libraries' readers show it for its height; None when they can't open it."""
    try:
        if looks_like(data):
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            values = np.asarray(dataset.pixel_array)
            axes = values.shape[1 if int(dataset.get("NumberOfFrames") or 1) > 1 else 0 :]
            return float(axes[1] / axes[0])
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.load()
            return image.width / image.height
    except Exception:  # noqa: BLE001 - whatever it is, they can't open it
        return None


def compare(files: Sequence[Path]) -> Iterator[tuple[Path, str, str]]:
    """File, what the bot makes of it, what is to be looked at: "refused", "shape" or "")."""
    for file in files:
        data = file.read_bytes()
        told, shape = own(data)
        expected = others(data)
        odd = ""
        if expected is not None:
            if shape is None:
                odd = "refused"
            elif abs(shape / expected - 1) > 0.02 and abs(shape * expected - 1) > 0.02:
                odd = "shape"
        yield file, told, odd


def main(folders: Sequence[Path]) -> int:
    """Print what was found."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    counts: Counter[str] = Counter()
    wrong = 0
    for folder in folders:
        files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc"))
        for file, told, odd in compare(files):
            counts[told] += 1
            if odd:
                print(f"{odd:8}{told:22}{file.relative_to(folder)}", flush=True)
            wrong += odd == "refused" and told in [reason.value for reason in DAMAGED]
    print(", ".join(f"{count} {told}" for told, count in counts.most_common()))
    print(f"{sum(counts.values())} files; {wrong} that others open were called damaged")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path(pydicom.__file__).parent / "data" / "test_files"]
    )
    sys.exit(main(parser.parse_args().folders))
