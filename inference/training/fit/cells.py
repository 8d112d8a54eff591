"""Trains the blood smear's model: what each cell's measures say for leukaemia, learned from the labels of pictures.

No cell has a label, only its picture has one. A picture's logit is the mean of what its cells say (and of one cell that
says nothing), so the model is a logistic regression on the mean of the measures: its loss has one minimum, which
Newton's method finds in a second, the same on every machine. Each class counts alike, and within a class each domain
(slide or laboratory): otherwise the largest set would decide what leukaemia is.

The textures that a pretrained net reads of each cell are a second regression of the same form; a share of its log odds
is added to those of the measures. Both are linear in what is known of a cell, so together they are one row of weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from inspect import getsource
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.architecture import build, texture_net
from inference.cells import finder, measures, textures
from inference.cells.finder import find
from inference.cells.measures import CHANNELS, MEASURES, cell_tensor
from inference.cells.textures import SIDE, TEXTURES_FILE, TextureReader
from inference.efficientnet import TEXTURE_STAGES
from inference.layers import FEATURES, LOGITS, MAPS
from inference.training.data import dataset
from inference.training.data.example import DataError, Example
from inference.training.fit import backbone, baselines
from inference.training.fit.export import round_weights, to_litert
from inference.training.recipes import Recipe

SHEETS_FILE, UNSEEN_FILE, CELLS_FILE = "sheets.npz", "unseen.npz", "cells.npz"
KEPT_AFTER = 500
"""So many new pictures are read before they are written to the cache."""
STRENGTH = 0.01
"""How strongly the weights are drawn towards 0; between 0.001 and 0.1 the domains left out are told apart alike."""
TEXTURE_STRENGTH = 0.03
"""The same for the weights on the textures, in units of how these vary between pictures."""
TEXTURE_SHARE = 0.3
"""How much of what the textures say is added to what the measures say."""
STEPS = 25

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sheets:
    """What is measured in N pictures: tensors [N, side, side, C] as serving makes them, and what is known of each [N].

    ``colours`` [N, 27] are what the baseline may know (``baselines.colours``).
    """

    tensors: NDArray[np.float32]
    labels: NDArray[np.int32]
    domains: NDArray[np.str_]
    parts: NDArray[np.str_]
    sources: NDArray[np.str_]
    colours: Floats

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Pictures of the domains that are learned from or left out in turn [N]; the others are for the test alone."""
        return np.asarray(np.isin(self.parts, ("train", "val")))

    @property
    def cells(self) -> NDArray[np.int_]:
        """Cells found in each picture [N]."""
        return np.asarray((self.tensors[..., -1] > 0).sum((1, 2)))


def train(
    recipe: Recipe, examples: Sequence[Example], folder: Path, progress: Callable[[float], None], log: Any
) -> Path:
    """Measure every picture, train on ``train``, and keep the logits of each domain as a model without it gives them.

    Writes ``sheets.npz``, ``unseen.npz`` and ``best.npz`` into ``folder`` and returns the last one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader = write_reader(folder) if recipe.input.textures else None
    sheets = measure(recipe, examples, progress, reader, folder / CELLS_FILE)
    np.savez(folder / SHEETS_FILE, **asdict(sheets))
    log(f"{recipe.name}: {int(sheets.cells.sum())} cells in {len(sheets.labels)} pictures")
    means, seen = pooled(sheets.tensors), sheets.seen
    logits, labels, domains = left_out(recipe, means[seen], sheets.labels[seen], sheets.domains[seen])
    np.savez(folder / UNSEEN_FILE, logits=logits, labels=labels, domains=domains)
    training = sheets.parts == "train"
    weights = fit_both(means[training], sheets.labels[training] != recipe.tumor_free, sheets.domains[training])
    log(f"{recipe.name}: weights {np.round(np.r_[weights[: len(MEASURES)], weights[-1]], 3).tolist()}")
    model = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    kernel = spread(recipe, weights[:, None])
    arrays = {
        model.get_layer(MAPS).weights[0].path: kernel[None, None].astype(np.float32),
        model.get_layer(LOGITS).weights[0].path: np.zeros(len(recipe.classes), np.float32),
    }
    best = folder / "best.npz"
    np.savez(best, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
    return best


def write_reader(folder: Path) -> Path:
    """Make the LiteRT file that reads the textures of cells. Raises BackboneError without the pretrained weights."""
    net = texture_net(SIDE)
    backbone.fill(net, backbone.read(), TEXTURE_STAGES)
    round_weights(net)
    path = folder / TEXTURES_FILE
    path.write_bytes(to_litert(net, (FEATURES,)))
    return path


def measure(
    recipe: Recipe, examples: Sequence[Example], progress: Callable[[float], None], reader: Path | None, cache: Path
) -> Sheets:
    """Find, measure and read the cells of every picture; scale bars are painted over first.

    What is known of a file is kept in ``cache`` (an .npz) and used again while the code that reads cells is the same.
    """
    texture_reader = TextureReader.load(reader) if reader else None
    stamp = _stamp(reader)
    known = _known(cache, stamp)
    rows = []
    for i, example in enumerate(examples):
        key = f"{sha256(example.path.read_bytes()).hexdigest()} {example.scale_bar}"
        if key not in known:
            picture = dataset.training_picture(example)
            field = find(picture)
            tensor = cell_tensor(field, texture_reader.read(field) if texture_reader else None)
            known[key] = tensor[0], baselines.colours(picture)
            if len(known) % KEPT_AFTER == 0:
                _keep(cache, stamp, known)
        rows.append(known[key])
        progress((i + 1) / len(examples))
    _keep(cache, stamp, known)
    labels = np.array([recipe.class_names.index(e.label) for e in examples], np.int32)
    domains, parts, sources = (np.array([getattr(e, name) for e in examples]) for name in ("domain", "part", "source"))
    return Sheets(np.stack([t for t, _ in rows]), labels, domains, parts, sources, np.array([c for _, c in rows]))


Known = dict[str, tuple[NDArray[np.float32], Floats]]


def _stamp(reader: Path | None) -> str:
    """Changes with anything that what is read of a cell depends on."""
    code = "".join(map(getsource, (finder, measures, textures)))
    return sha256(code.encode() + (reader.read_bytes() if reader else b"")).hexdigest()


def _known(cache: Path, stamp: str) -> Known:
    if not cache.exists():
        return {}
    try:
        with np.load(cache, allow_pickle=False) as arrays:
            if str(arrays["stamp"]) != stamp:
                return {}
            values = zip(arrays["tensors"], arrays["colours"], strict=True)
            return dict(zip(arrays["keys"].tolist(), values, strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{cache} cannot be read ({error}): delete it, and it is made again") from None


def _keep(cache: Path, stamp: str, known: Known) -> None:
    beside = cache.with_suffix(".new.npz")
    tensors, colours = (np.stack([row[k] for row in known.values()]) for k in range(2))
    np.savez(beside, stamp=np.array(stamp), keys=np.array(list(known)), tensors=tensors, colours=colours)
    beside.replace(cache)


def load(file: Path) -> Sheets:
    """Read ``sheets.npz``. Raises DataError when there is none, or one of another version."""
    again = "run python -m inference.training train blood_smear"
    if not file.exists():
        raise DataError(f"{file} is missing: {again}")
    with np.load(file, allow_pickle=False) as arrays:
        if set(arrays.files) != {field.name for field in fields(Sheets)}:
            raise DataError(f"{file} was written by another version: {again}")
        return Sheets(**{field.name: arrays[field.name] for field in fields(Sheets)})


def pooled(tensors: NDArray[np.float32]) -> Floats:
    """The mean over the sheet of each measure, and of having been found at all: [N, C]."""
    values = tensors.astype(np.float64)
    part = values[..., -1:]
    return np.asarray(np.concatenate([values[..., :-1] * part, part], axis=-1).mean((1, 2)))


def fit(means: Floats, ill: NDArray[np.bool_], domains: NDArray[np.str_], strength: float = STRENGTH) -> Floats:
    """Weights [C] of the log odds for leukaemia. Raises DataError when a class is missing."""
    share = np.zeros(len(ill))
    for side in (ill, ~ill):
        names = np.unique(domains[side])
        if not len(names):
            raise DataError("the blood smear's model needs pictures with leukaemia and without")
        for name in names:
            chosen = side & (domains == name)
            share[chosen] = 0.5 / len(names) / chosen.sum()
    weights = np.zeros(means.shape[1])
    for _ in range(STEPS):
        probabilities = 1 / (1 + np.exp(-np.clip(means @ weights, -30, 30)))
        slope = means.T @ (share * (probabilities - ill)) + strength * weights
        bend = (means * (share * probabilities * (1 - probabilities))[:, None]).T @ means + strength * np.eye(
            len(weights)
        )
        weights -= np.linalg.solve(bend, slope)
    return weights


def fit_both(means: Floats, ill: NDArray[np.bool_], domains: NDArray[np.str_]) -> Floats:
    """Weights [C] of the log odds: those of the measures and, where there are textures, a share of theirs.

    Raises DataError when a class is missing.
    """
    if means.shape[1] <= CHANNELS:
        return fit(means, ill, domains)
    count = len(MEASURES)
    own = [*range(count), -1]
    weights = np.zeros(means.shape[1])
    weights[own] = fit(means[:, own], ill, domains)
    weights[count:] += TEXTURE_SHARE * fit_textures(means[:, count:], ill, domains)
    return weights


def fit_textures(
    means: Floats, ill: NDArray[np.bool_], domains: NDArray[np.str_], strength: float = TEXTURE_STRENGTH
) -> Floats:
    """As ``fit`` for the means of the textures and, last, of the part [N, T + 1], which need no units of their own."""
    part = means[:, -1:]
    each = means[:, :-1] / np.maximum(part, 1e-9)  # the mean over the cells alone
    found = part[:, 0] > 0
    middle, width = each[found].mean(0), each[found].std(0) + 1e-6
    standard = np.concatenate([(means[:, :-1] - middle * part) / width, part], axis=1)
    weights = fit(standard, ill, domains, strength)
    weights[:-1] /= width
    weights[-1] -= weights[:-1] @ middle
    return weights


def spread(recipe: Recipe, odds: Floats) -> Floats:
    """Log odds for leukaemia [..., 1] as one number a class [..., K] whose softmax has these odds."""
    signs = np.where([c.tumor for c in recipe.classes], 0.5, -0.5)
    return np.asarray(odds * signs)


def left_out(
    recipe: Recipe, means: Floats, labels: NDArray[np.int32], domains: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.str_]]:
    """Logits of every domain from a model that has not seen it: logits [M, K], labels [M], domains [M].

    A domain without which a class would be gone can't be left out; with one domain only M is 0.
    """
    ill = recipe.positive(labels)
    logits, chosen = np.zeros((len(labels), len(recipe.classes)), np.float32), np.zeros(len(labels), bool)
    for domain in np.unique(domains):
        here = domains == domain
        if len(np.unique(ill[~here])) == 2:
            weights = fit_both(means[~here], ill[~here], domains[~here])
            logits[here] = spread(recipe, (means[here] @ weights)[:, None])
            chosen |= here
    return logits[chosen], labels[chosen], domains[chosen]
