"""``python -m inference.training.measure.screens``: slices on drawn screens, read as the bot reads them.

Beside each style of screen stands what is told of the same slices when they are sent directly.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inference.analyser import Analyser
from inference.analysis import PictureError, Reason, Verdict
from inference.card import MODELS_DIR
from inference.decode.film_sheet import find_regions, split
from inference.training.data import dataset
from inference.training.data.example import DataError, Example
from inference.training.drawn.screens import STYLES, sheet
from inference.training.predict import open_picture
from inference.training.recipes import RECIPES

SHEETS: Final = ((1, 2), (2, 2), (2, 3), (3, 3), (4, 5), (5, 6))
HEALTHY: Final = "no_tumor"


def sample(
    examples: Sequence[Example], count: int, seed: int, part: str = "val"
) -> tuple[list[Example], list[Example]]:
    """So many tumours and so many slices without one, of one part, drawn at random."""
    rng = np.random.default_rng(seed)
    rows = sorted((e for e in examples if e.part == part), key=lambda e: str(e.path))
    chosen = []
    for healthy in (False, True):
        of_kind = [e for e in rows if (e.label == HEALTHY) == healthy]
        chosen.append([of_kind[i] for i in rng.permutation(len(of_kind))[:count]])
    return chosen[0], chosen[1]


def told(analyser: Analyser, picture: Image.Image) -> tuple[Verdict, bool]:
    """What is told of a picture sent as PNG, and whether a part was cut out."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    try:
        analysis = analyser.analyse(buffer.getvalue(), bare_map=False)
    except PictureError:
        return Verdict.NOT_READABLE, False
    return analysis.verdict, analysis.reason is Reason.READ_PART


def row(
    analyser: Analyser, style: str, tumours: Sequence[NDArray[np.uint8]], healthy: Sequence[NDArray[np.uint8]]
) -> str:
    """One line of the table: shares in percent."""
    rng = np.random.default_rng(7)
    shares = []
    parts = 0
    for pictures in (tumours, healthy):
        verdicts = []
        for rgb in tqdm(pictures, desc=style, disable=None, leave=False):
            verdict, is_part = told(analyser, STYLES[style](rgb, rng) if style in STYLES else Image.fromarray(rgb))
            verdicts.append(verdict)
            parts += is_part
        shares += [
            sum(v is wanted for v in verdicts) / max(1, len(verdicts))
            for wanted in (Verdict.TUMOR_SIGNS, Verdict.NOT_READABLE)
        ]
    shares.append(parts / max(1, len(tumours) + len(healthy)))
    return f"{style:18}" + "".join(f"{100 * share:9.1f}" for share in shares)


def sheet_lines(examples: Sequence[Example], count: int, seed: int) -> list[str]:
    """How many slices alone are taken for a sheet or cut, and in how many drawn sheets every slice is found."""
    rows = sorted((e for e in examples if e.part == "val"), key=lambda e: str(e.path))
    whole = [find_regions(open_picture(e.path)) for e in tqdm(rows, desc="alone", disable=None, leave=False)]
    rng = np.random.default_rng(seed)
    lines = [
        f"of {len(rows)} slices alone {sum(bool(found.panels) for found in whole)} are taken for a sheet, "
        f"of {sum(found.viewport is not None for found in whole)} a part is cut out"
    ]
    for down, across in SHEETS:
        numbers = []
        for _ in range(count):
            chosen = [rows[i] for i in rng.choice(len(rows), down * across, replace=False)]
            drawn = sheet([open_picture(e.path) for e in chosen], across, rng)
            numbers.append(len(split(np.asarray(drawn))))
        told, right = sum(n > 1 for n in numbers), sum(n == down * across for n in numbers)
        lines.append(f"{down} x {across}: {told} of {count} told to be a sheet, in {right} every slice is found")
    return lines


def main(argv: list[str] | None = None) -> int:
    """Print the table; 2 when the data are missing."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.measure.screens", description=__doc__)
    parser.add_argument("--data", help="default: TUMORSCAN_DATA, else ../shared/data")
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--count", type=int, default=40, help="slices with and as many without a tumour (default: 40)")
    parser.add_argument("--styles", nargs="*", choices=tuple(STYLES), default=tuple(STYLES), metavar="STYLE")
    parser.add_argument("--sheets", action="store_true", help="sheets of many slices instead of screens")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        examples = dataset.examples_for(RECIPES["brain_mri"], dataset.data_root(args.data))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.sheets:
        print(*sheet_lines(examples, args.count, args.seed), sep="\n")
        return 0
    tumours, healthy = ([open_picture(e.path) for e in rows] for rows in sample(examples, args.count, args.seed))
    analyser = Analyser.load(args.models)
    print(f"{len(tumours)} tumours, {len(healthy)} without; percent told signs, refused, of each; of all, cut out")
    print(f"{'style':18}" + "".join(f"{name:>9}" for name in ("signs", "refused", "false", "refused", "cut out")))
    for style in ("sent directly", *args.styles):
        print(row(analyser, style, tumours, healthy), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
