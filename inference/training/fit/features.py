"""The gate's features of many pictures, read once and kept: training and every left-out fold use them again.

Besides the pictures of the sets there are varied copies of them (``vary``), drawings and other things made by code,
and photos of screens and films with scans in them.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.card import OTHER, Input
from inference.preprocess import tensor
from inference.training.data.dataset import training_picture
from inference.training.data.example import DataError, Example, stable_share
from inference.training.data.gate_pictures import RED_CELLS, place
from inference.training.data.marks import marked, marks_of, unmarked
from inference.training.data.vary import vary
from inference.training.drawn import flat, outliers
from inference.training.drawn.screen_photos import FRAMED, film_photo, screen_photo
from inference.training.recipes import BLOOD_SMEAR, BRAIN_MRI

Rgb = NDArray[np.uint8]
MOST: Final = 250
"""More pictures of one source than this say nothing new of what its scans look like."""
COPIES: Final = 0.25
"""Share of the training pictures that a varied copy is made of."""
DRAWINGS, OUTLIERS, SCREENS = 100, 320, 60
"""Drawn pictures: of each kind of ``flat``; of ``outliers``; photos of screens and films.

So many at most: where the sets themselves hold few, what is drawn must neither drown them nor take most of the time.
"""
SIDE: Final = 160
OF_A_KIND: Final = 16
"""Pictures of each kind that the net's integers are calibrated by."""
GREY: Final = (
    *(BRAIN_MRI, "ct_head", "ct_body", "mri_spine", "mri_body", "angiography"),
    *("xray", "ultrasound", "object"),
)
"""Kinds that archives send alike, with their letters: each picture of these is learned from with other marks, too."""
PRESENTED: Final = ("marked", "marked again", "unmarked", "bare and marked")
"""The copies of each of them: with the marks of others over it, and without its own."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the backbone says of N pictures: values [N, F], and of each [N] its key, kind, label, place and part."""

    values: NDArray[np.float32]
    keys: NDArray[np.str_]
    kinds: NDArray[np.str_]
    labels: NDArray[np.str_]
    places: NDArray[np.str_]
    parts: NDArray[np.str_]

    def rows(self, chosen: NDArray[np.bool_]) -> "Features":
        """Those of a mask [N]."""
        names = (self.keys, self.kinds, self.labels, self.places, self.parts)
        return Features(self.values[chosen], *(column[chosen] for column in names))


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to read, made when it is asked for."""

    key: str
    kind: str
    label: str
    place: str
    part: str
    make: Callable[[], Rgb]


def chosen(examples: Sequence[Example]) -> list[Example]:
    """What is learned from: at most ``MOST`` training pictures of each source, always the same."""
    count: Counter[str] = Counter()
    kept = []
    for example in sorted(examples, key=lambda e: stable_share(e.path.name + e.source)):
        if example.part == "train" and count[example.source] < MOST:
            count[example.source] += 1
            kept.append(example)
    return kept


def items(examples: Sequence[Example], seed: int = 0) -> Iterator[Item]:
    """Every picture that the gate learns from: of the sets, varied, and made by code."""
    for example in examples:
        yield _item(example, "", partial(training_picture, example))
    for example in examples:
        if stable_share(f"{seed} {example.path}") < COPIES:
            yield _item(example, f" varied {seed}", partial(_varied, example, seed))
    yield from _presented([example for example in examples if example.detail in GREY], seed)
    yield from _made(examples, seed)


def calibration(examples: Sequence[Example], spec: Input) -> NDArray[np.float32]:
    """Pictures [N, side, side, C] that the gate's integers are calibrated by: ``OF_A_KIND`` of each kind, as served.

    ``examples`` are those that are learned from (``chosen``).
    """
    kinds: dict[str, list[Item]] = {}
    for item in items(examples):
        kinds.setdefault(item.kind, []).append(item)
    rows = [item for of_kind in kinds.values() for item in of_kind[:: -(-len(of_kind) // OF_A_KIND)]]
    return np.concatenate([tensor(item.make(), spec) for item in rows])


def _item(example: Example, suffix: str, make: Callable[[], Rgb]) -> Item:
    key = f"{example.path.parent.parent.name}/{example.path.name}{suffix}"
    return Item(key, example.detail or example.label, example.label, place(example), example.part, make)


def _varied(example: Example, seed: int) -> Rgb:
    rng = np.random.default_rng([seed, int(2**32 * stable_share(example.path.name + example.source))])
    return vary(training_picture(example), rng, smear=example.label == BLOOD_SMEAR or example.detail == RED_CELLS)


def _presented(grey: Sequence[Example], seed: int) -> Iterator[Item]:
    """Grey pictures with the marks of others beside them, and without their own."""
    marks: list[NDArray[np.uint8]] = []

    def make(example: Example, how: str) -> Rgb:
        if not marks:
            # Of other kinds alone: where a hospital's heads are left out, what is written beside them must be, too.
            found = (marks_of(training_picture(one)) for one in grey if one.label == OTHER)
            marks.extend(one for one in found if one is not None)
        rng = np.random.default_rng(
            [seed, *how.encode(), int(2**32 * stable_share(f"{example.path.name} {example.source}"))]
        )
        picture = training_picture(example)
        if how.startswith(("unmarked", "bare")):
            picture = unmarked(picture)
        if marks and how != "unmarked":
            picture = marked(picture, marks[int(rng.integers(len(marks)))])
        return picture

    for how in PRESENTED:
        for example in grey:
            yield _item(example, f" varied {seed} {how}", partial(make, example, how))


def _made(examples: Sequence[Example], seed: int) -> Iterator[Item]:
    drawings = min(DRAWINGS, -(-len(examples) // len(flat.KINDS)))
    for kind in flat.KINDS:
        for number in range(drawings):
            rng = np.random.default_rng([seed, number, *kind.encode()])
            make = partial(flat.draw, kind, rng)
            yield Item(f"flat {kind} {number} {seed}", "drawing", OTHER, "drawing", "train", make)
    scans, others = ([e for e in examples if (e.label == OTHER) == is_other] for is_other in (False, True))
    if not scans:
        return
    count, screens = min(OUTLIERS, len(examples)), min(SCREENS, len(scans))
    drawn: list[Rgb] = []

    def outlier(number: int) -> Rgb:
        if not drawn:
            made_of = [_squares(rows[:: max(1, len(rows) // 150)]) for rows in (scans, others or scans)]
            drawn.extend(outliers.draw(count, SIDE, made_of[0], made_of[1], seed + 7))
        return drawn[number]

    names = {"photo_or_page": "drawing", "other_cells": "drawn_cells", "photo_of_screen": "screen_photo"}
    for number, group in enumerate(outliers.groups(count)):
        kind = names.get(group, "drawn_other")
        yield Item(f"outlier {number} {seed}", kind, OTHER, kind, "train", partial(outlier, number))
    for number in range(screens):
        example = scans[number * len(scans) // screens]
        yield Item(
            f"screen {number} {seed}", "screen_photo", OTHER, "screen_photo", "train",
            partial(_photographed, example, number + 1000 * seed),
        )  # fmt: skip


def _photographed(example: Example, seed: int) -> Rgb:
    rng = np.random.default_rng(seed)
    return (screen_photo if rng.random() < 0.5 else film_photo)(training_picture(example), rng, FRAMED)


def _squares(examples: Sequence[Example]) -> Rgb:
    spec = Input(side=SIDE, channels=3, normalisation="none")
    return np.concatenate([(tensor(training_picture(e), spec) * 255).astype(np.uint8) for e in examples])


def read(model: Path, spec: Input, wanted: Sequence[Item], cache: Path, progress: Callable[[float], None]) -> Features:
    """Run the LiteRT file ``model`` on every item that ``cache`` (an .npz file) does not hold yet, and keep the rest.

    The cache is written every thousand pictures, so that an interrupted reading goes on where it was; what another
    model has read begins anew.
    """
    reader = hashlib.sha256(model.read_bytes()).hexdigest()
    known = _known(cache, reader)
    runner = Interpreter(model_path=str(model), num_threads=1).get_signature_runner()
    for number, item in enumerate(wanted):
        if item.key not in known:
            known[item.key] = runner(picture=tensor(item.make(), spec))["features"][0].astype(np.float16)
            if len(known) % 1000 == 0:
                _keep(cache, known, reader)
        progress((number + 1) / len(wanted))
    _keep(cache, known, reader)
    columns = [np.array([getattr(item, name) for item in wanted]) for name in ("key", "kind", "label", "place", "part")]
    return Features(np.stack([known[item.key] for item in wanted]).astype(np.float32), *columns)


def _known(cache: Path, reader: str) -> dict[str, NDArray[np.float16]]:
    """What the model of the checksum ``reader`` has read."""
    if not cache.exists():
        return {}
    try:
        with np.load(cache, allow_pickle=False) as arrays:
            if str(arrays["reader"]) != reader:
                return {}
            return dict(zip(arrays["keys"].tolist(), arrays["values"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{cache} cannot be read ({error}): delete it, and it is made again") from None


def _keep(cache: Path, known: dict[str, NDArray[np.float16]], reader: str) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    beside = cache.with_suffix(".new.npz")
    np.savez(beside, reader=np.array(reader), keys=np.array(list(known)), values=np.stack(list(known.values())))
    beside.replace(cache)
