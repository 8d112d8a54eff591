"""What ``measure.turned`` measures of studies, and of places that the net which tells how slices lie did not see."""

import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inference.analyser import Analyser
from inference.analysis import PictureError, Verdict
from inference.gate.upright import measure
from inference.study.case import close
from inference.study.opening import open_study
from inference.study.slice_analysis import analyse_slice
from inference.study.study import Study
from inference.study.uprighting import made_upright
from inference.training.data.example import Example
from inference.training.data.gate_pictures import place
from inference.training.fit import upright
from inference.training.measure.studies import Volume, volumes
from inference.training.predict import open_picture

SURE: Final = 0.95
FOLDS: Final = (
    ("brats", "single"),
    ("oasis", "ixi", "ms_ljubljana", "ptbp_children", "aanlib", "web", "stripped_misc"),
    ("cheng",),
    ("archive", "templates", "book"),
    ("tcga_lgg", "btp", "vs_seg_t1c"),
)
"""Places that are left out of the fit together: to fit a net for each alone takes thrice the time."""
DONE: Final = ("stood", "turned", "left", "wrong")
"""What became of a slice: it stood upright and stayed so, was made upright, was left as it lay, was turned wrongly."""


def people(root: Path, part: str, count: int, seed: int) -> tuple[list[Volume], list[Volume]]:
    """So many people at most with and without a tumour, drawn at random; ``test``: all held-out people but val's."""
    rng = np.random.default_rng(seed)
    held_out = [v for v in volumes(root) if v.held_out and (v.part == "val") == (part == "val")]
    groups = [[v for v in held_out if v.has_tumor is has_tumor] for has_tumor in (True, False)]
    with_tumor, without = ([group[i] for i in rng.permutation(len(group))[:count]] for group in groups)
    return with_tumor, without


def packed(volume: Volume, quarters: int, step: int = 1) -> bytes:
    """The slices of a person as a ZIP of PNGs, a folder for each series; each ``step``-th is turned left by so much."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, paths in enumerate(volume.series):
            for number_in_series, path in enumerate(paths):
                file = io.BytesIO()
                laid = np.rot90(open_picture(path), 0 if number_in_series % step else quarters)
                Image.fromarray(laid).save(file, "PNG", compress_level=1)
                archive.writestr(f"{number}/{number_in_series:03}.png", file.getvalue())
    return buffer.getvalue()


def told_of(analyser: Analyser, study: Study) -> Verdict:
    """The answer about a study, as its slices are."""
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    try:
        return close(study, [analyse_slice(analyser, one) for one in study.slices], cards).answer.verdict
    except PictureError:
        return Verdict.NOT_READABLE


def read_laid(analyser: Analyser, those: Sequence[Volume], quarters: int, step: int = 1) -> tuple[str, str]:
    """Two lines: what is told of people whose slices lie so (see ``packed``), and what where nothing is turned."""
    answers, plain, slices = Counter[Verdict](), Counter[Verdict](), Counter[str]()
    for volume in tqdm(those, disable=None, leave=False):
        sent = open_study(packed(volume, quarters, step))
        asked = made_upright(sent, analyser.turning)
        standing = {one.pixels for one in open_study(packed(volume, 0)).slices}
        pairs = zip(sent.slices, asked.slices, strict=True)
        slices.update(_done(before.pixels, after.pixels, standing) for before, after in pairs)
        answers[told_of(analyser, asked)] += 1
        plain[told_of(analyser, sent)] += 1
    counts = (*(answers[verdict] for verdict in Verdict), *(slices[done] for done in DONE))
    return "".join(f"{number:9}" for number in counts), "".join(f"{plain[verdict]:9}" for verdict in Verdict)


def _done(before: bytes, after: bytes, standing: set[bytes]) -> str:
    if after in standing:
        return "stood" if after == before else "turned"
    return "left" if after == before else "wrong"


def others_as_series(analyser: Analyser, examples: Sequence[Example]) -> str:
    """A line: how many other pictures are turned that come as one series a kind, and how many of these get in."""
    kinds: dict[str, list[NDArray[np.uint8]]] = defaultdict(list)
    for example in examples:
        kinds[example.detail].append(open_picture(example.path))
    count = Counter[str]()
    for pictures in tqdm(kinds.values(), desc="others", disable=None, leave=False):
        lies = analyser.turning.of_series([partial(np.asarray, rgb) for rgb in pictures])
        for rgb, lie in zip(pictures, lies, strict=True):
            if lie.quarters:
                laid = np.ascontiguousarray(np.rot90(rgb, lie.quarters))
                count.update(turned=1, before=analyser.gate.admit(rgb).organ is not None)
                count.update(after=analyser.gate.admit(laid).organ is not None)
    return (
        f"of {len(examples)} other pictures, a series of each kind, {count['turned']} are turned; "
        f"of these {count['after']} get in, {count['before']} as they lie"
    )


def of_places(examples: Sequence[Example], folds: Sequence[Sequence[str]] = FOLDS, seed: int = 0) -> Iterator[str]:
    """Lines of a table: how slices are told to lie, by place, where no place of its fold was learned from."""
    squares = upright.heads(examples)
    learned = [number for number, example in enumerate(examples) if example.part == "train"]
    rows = upright.copies(squares[learned], np.random.default_rng(seed))
    counted = upright.counted([examples[number] for number in learned])
    places = np.array([place(example) for example in examples])
    known = np.array([upright.source_of(example) not in upright.EITHER_WAY for example in examples])
    standing = [np.rot90(one, upright.quarters_of(e)) for one, e in zip(squares, examples, strict=True)]
    every = []
    for fold in folds:
        fitted = np.tile(~np.isin(places[learned], fold), 1 + upright.COPIES)
        weights = counted[fitted] / counted[fitted].mean()
        net = upright.fit(rows[fitted], weights, np.random.default_rng(seed + 1))
        for name in fold:
            of_name = np.flatnonzero((places == name) & known)
            told = np.array([net.of_features(measure(upright.plain(standing[number]))) for number in of_name])
            every.append(told)
            yield _line(name, told)
    yield _line("all", np.concatenate(every))


def _line(name: str, told: NDArray[np.float64]) -> str:
    """Percent: the right turn highest; upright, on its head, on a side by SURE."""
    sides = told[:, 1] + told[:, 3]
    shares = (told.argmax(1) == 0, told[:, 0] >= SURE, told[:, 2] >= SURE, sides >= SURE)
    return f"{name:16}{len(told):7}" + "".join(f"{100 * share.mean():9.1f}" for share in shares)
