"""``python -m inference.training.fit.upright``: fits the net that tells how a brain slice lies in its picture.

Nearly every slice of the sets stands upright, so that each is taken for an example of all four turns. Written into the
folder of the brain's model, whose card then names the file. Takes a minute or two of one core; needs NumPy alone.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from tqdm import tqdm

from inference.card import MODELS_DIR, Input, load_card
from inference.gate import upright
from inference.gate.upright import FEATURES, LAID, SIDE, TURNS, UPRIGHT_FILE, UprightNet, measure
from inference.preprocess import MAX_LEVEL, place
from inference.training.data import dataset
from inference.training.data.example import DataError, Example, read_picture
from inference.training.data.gate_pictures import gate_examples
from inference.training.data.gate_pictures import place as place_of
from inference.training.recipes import BRAIN_MRI

Floats = NDArray[np.float32]
ON_THEIR_HEADS: Final = frozenset({"brats23_flair", "utsw_t2", "oasis_trt20_slices", "fullhead_stroke"})
"""Sources whose slices all lie upside down in the sets, by the horns of the ventricles; EXPERIMENTS says what of it."""
EITHER_WAY: Final = frozenset({"br35h", "ad_nondemented"})
"""Sources of which a part lies upside down, with the words on it, and nothing tells which: these measure nothing."""
KEPT: Final = 96
"""Side, in pixels, of the square around a head that varied copies are made of."""
COPIES: Final = 4
"""Varied copies of each slice, beside itself."""
HIDDEN: Final = 96
EPOCHS: Final = 40
BATCH: Final = 128
RATE: Final = 2e-3
DECAY: Final = 3e-4
"""Of the weights, a step, in units of the rate."""
DROPPED: Final = (0.1, 0.3)
"""Share of the features and of the hidden units that each batch does without."""
TEMPERING: Final = 0.4
"""A place counts by this power of its pictures less than they are."""


def slices(root: Path) -> list[Example]:
    """The brain slices of all sets, as the gate splits them."""
    return [example for example in gate_examples(root) if example.label == BRAIN_MRI]


def quarters_of(example: Example) -> int:
    """By how many quarters a slice of the sets is to be turned left to be upright."""
    return 2 if source_of(example) in ON_THEIR_HEADS else 0


def source_of(example: Example) -> str:
    """The source that an example was made from."""
    return example.source.replace("synth_from_", "")


def heads(examples: Sequence[Example]) -> NDArray[np.uint8]:
    """The squares around the heads [N, KEPT, KEPT], 255 for the highest level."""
    spec = Input(side=KEPT, channels=1, normalisation="percentile", crop="head")
    found = np.zeros((len(examples), KEPT, KEPT), np.uint8)
    for square, example in zip(found, tqdm(examples, desc="slices", disable=None), strict=True):
        square[:] = np.rint(place(read_picture(example.path), spec)[0][0, ..., 0] * (255 / MAX_LEVEL))
    return found


def vary(head: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """A square [SIDE, SIDE] in 0..1 as a slice may come: leaning, cut off, mirrored, blurred, lit oddly, inverted."""
    zoom = float(np.exp(rng.normal(0, 0.1)))
    zoom *= rng.uniform(0.6, 1) if rng.random() < 0.25 else rng.uniform(1, 1.5) if rng.random() < 0.15 else 1
    narrow, lean = float(np.exp(rng.normal(0, 0.06))), float(np.deg2rad(rng.normal(0, 9)))
    across, down = KEPT / SIDE * zoom * narrow * (-1 if rng.random() < 0.5 else 1), KEPT / SIDE * zoom / narrow
    matrix = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]]) * (across, down)
    away = rng.normal(0, 4, 2) + (rng.uniform(-14, 14, 2) if rng.random() < 0.2 else 0)
    start = KEPT / 2 + away - matrix @ (SIDE / 2, SIDE / 2)
    image = Image.fromarray(head)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 2.5))))
    around = 0 if rng.random() < 0.85 else int(rng.integers(0, 160))
    numbers = (*matrix[0], start[0], *matrix[1], start[1])
    affine, smooth = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    image = image.transform((SIDE, SIDE), affine, tuple(map(float, numbers)), smooth, fillcolor=around)
    return _lit(np.asarray(np.asarray(image, np.float32) / 255, np.float32), rng)


def _lit(square: Floats, rng: np.random.Generator) -> Floats:
    square = square ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.06:
        square = square.max() - square
    if rng.random() < 0.25:
        ramp = np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)
        square = square * (1 + np.float32(rng.uniform(-1, 1)) * ramp + np.float32(rng.uniform(-1, 1)) * ramp[:, None])
    if rng.random() < 0.15:
        square = square + np.float32(rng.uniform(0, 0.25))
    if rng.random() < 0.3:
        height, width = rng.integers(4, 24, 2)
        top, left = rng.integers(0, SIDE - height), rng.integers(0, SIDE - width)
        square[top : top + height, left : left + width] = rng.choice([0, rng.random()])
    if rng.random() < 0.3:
        square = square + rng.normal(0, rng.uniform(0, 0.08), square.shape).astype(np.float32)
    return np.asarray(np.clip(square * np.float32(MAX_LEVEL), 0, 1), np.float32)


def plain(head: NDArray[np.uint8]) -> Floats:
    """The square [SIDE, SIDE] in 0..1 as it is."""
    image = Image.fromarray(head).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    levels = np.asarray(image, np.float32) * np.float32(MAX_LEVEL / 255)
    return np.asarray(np.minimum(levels, 1), np.float32)


def rows_of(square: Floats) -> Floats:
    """The features of a square as it is and turned left by 1, 2, 3 quarters: [TURNS, FEATURES]."""
    return measure(square)[LAID[:TURNS]]


def fit(rows: NDArray[np.float16], weights: Floats, rng: np.random.Generator) -> UprightNet:
    """Fit to rows [N, TURNS, FEATURES], of which the first of each picture is upright, that count ``weights`` [N].

    The four turns of a picture compete (softmax of their scores); Adam with a decay of the weights of its own.
    """
    centre = rows.mean((0, 1), dtype=np.float32)
    scale = np.ones(FEATURES, np.float32)
    edges = FEATURES - upright.LEVELS**2
    for part in (slice(edges), slice(edges, None)):  # of one unit each
        scale[part] = rows[..., part].std(dtype=np.float32)
    net = [
        rng.normal(0, (2 / FEATURES) ** 0.5, (FEATURES, HIDDEN)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        rng.normal(0, HIDDEN**-0.5, HIDDEN).astype(np.float32),
    ]
    first, second = ([np.zeros_like(array) for array in net] for _ in range(2))
    steps = EPOCHS * len(rows) // BATCH
    for step in tqdm(range(steps), desc="fitting", disable=None):
        chosen = rng.integers(0, len(rows), BATCH)
        batch = (rows[chosen].astype(np.float32) - centre) / scale
        slopes = _slopes(net, batch, weights[chosen], rng)
        rate = np.float32(RATE * 0.5 * (1 + np.cos(np.pi * step / steps)))
        for array, mean, square, slope in zip(net, first, second, slopes, strict=True):
            mean += np.float32(0.1) * (slope - mean)
            square += np.float32(0.01) * (slope * slope - square)
            change = mean / (1 - 0.9 ** (step + 1)) / (np.sqrt(square / (1 - 0.99 ** (step + 1))) + np.float32(1e-8))
            array -= rate * (change + (np.float32(DECAY) * array if array.ndim > 1 else 0))
    return UprightNet(centre, scale, *net)


def _slopes(net: Sequence[Floats], batch: Floats, weights: Floats, rng: np.random.Generator) -> list[Floats]:
    """Of the cross entropy of a batch [B, TURNS, FEATURES] along each array of the net."""
    features_kept = (rng.random(FEATURES) > DROPPED[0]).astype(np.float32) / np.float32(1 - DROPPED[0])
    units_kept = (rng.random((BATCH * TURNS, HIDDEN)) > DROPPED[1]).astype(np.float32) / np.float32(1 - DROPPED[1])
    given = batch.reshape(-1, FEATURES) * features_kept
    hidden = given @ net[0] + net[1]
    used = np.maximum(hidden, 0) * units_kept
    scores = (used @ net[2]).reshape(-1, TURNS)
    powers = np.exp(scores - scores.max(1, keepdims=True))
    wrong = powers / powers.sum(1, keepdims=True)
    wrong[:, 0] -= 1
    wrong = (wrong * weights[:, None] / len(batch)).ravel()
    back = wrong[:, None] * net[2] * units_kept * (hidden > 0)
    return [given.T @ back, back.sum(0), used.T @ wrong]


def copies(squares: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float16]:
    """The features [(1 + COPIES) * N, TURNS, FEATURES] of squares (see ``heads``): first as they are, then varied."""
    rows = np.zeros((len(squares) * (1 + COPIES), TURNS, FEATURES), np.float16)
    for number in tqdm(range(len(rows)), desc="copies", disable=None):
        head = squares[number % len(squares)]
        rows[number] = rows_of(plain(head) if number < len(squares) else vary(head, rng))
    return rows


def counted(examples: Sequence[Example]) -> Floats:
    """How much each of the rows of ``copies`` counts."""
    places = [place_of(example) for example in examples]
    count = Counter(places)
    weights = np.array([count[name] ** -TEMPERING for name in places], np.float32)
    return np.tile(weights / weights.mean(), 1 + COPIES)


def learn(examples: Sequence[Example], squares: NDArray[np.uint8], seed: int = 0) -> UprightNet:
    """Fit to slices and their squares (see ``heads``), each as it is and in varied copies."""
    rng = np.random.default_rng(seed)
    rows = copies(squares, rng)
    return fit(rows, counted(examples), rng)


def write(net: UprightNet, folder: Path) -> None:
    """Write the net into a model's folder and name it in the card."""
    card = load_card(folder)  # before, since it holds the files against their checksums
    arrays = {name: getattr(net, name).astype(np.float16) for name in ("weights", "biases", "output")}
    np.savez(folder / UPRIGHT_FILE, centre=net.centre, scale=net.scale, **arrays)
    digest = hashlib.sha256((folder / UPRIGHT_FILE).read_bytes()).hexdigest()
    named = card.model_copy(update={"sha256": card.sha256 | {UPRIGHT_FILE: digest}})
    text = json.dumps(named.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Fit and write; 2 when the data are missing. ``measure.turned`` says how well it tells."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.fit.upright", description=__doc__)
    parser.add_argument("--data", help="default: TUMORSCAN_DATA, else ../shared/data")
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        examples = [e for e in slices(dataset.data_root(args.data)) if e.part == "train"]
        net = learn(examples, heads(examples), args.seed)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write(net, args.models / BRAIN_MRI)
    return 0


if __name__ == "__main__":
    sys.exit(main())
