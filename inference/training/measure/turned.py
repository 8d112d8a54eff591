"""``python -m inference.training.measure.turned``: slices on their side or upside down, read as the bot reads them.

First how many of all slices of the part are turned as they should be, each way that they may lie, and how many pictures
of other things get in; then what is told of some with and some without a tumour, each way, beside what is told where
nothing is turned. ``--of studies`` asks the same of people with several slices, sent as a ZIP; ``--of places`` how well
slices are known of places that are left out of the fit.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.analyser import Analyser
from inference.analysis import TURNED, Analysis, PictureError, Reason, Verdict
from inference.card import MODELS_DIR, OTHER
from inference.decode.imaging import Picture
from inference.training.data import dataset
from inference.training.data.example import DataError, Example
from inference.training.data.gate_pictures import gate_examples, place
from inference.training.fit.upright import EITHER_WAY, quarters_of, source_of
from inference.training.fit.upright import slices as known_slices
from inference.training.measure.screens import sample
from inference.training.measure.studies import Volume
from inference.training.measure.turned_studies import DONE as DONE_OF_STUDY
from inference.training.measure.turned_studies import of_places, others_as_series, people, read_laid
from inference.training.predict import open_picture
from inference.training.recipes import BRAIN_MRI, RECIPES

Rgb = NDArray[np.uint8]
LIES: Final = {"upright": 0, "on its left side": 1, "upside down": 2, "on its right side": 3}
"""How a picture is turned before it is sent: left, by so many quarters."""
KINDS: Final = ("tumours", "healthy")
DONE: Final = ("right", "left", "wrong", "asked", "refused")
"""Upright when it is read; read as it lies; turned wrongly; sent back to be turned; refused for another reason."""


def lay(rgb: Rgb, quarters: int) -> Rgb:
    """The picture turned left by so many quarters."""
    return np.ascontiguousarray(np.rot90(rgb, quarters))


def turns(analyser: Analyser, examples: Sequence[Example]) -> list[str]:
    """Lines of a table: what becomes of slices that lie so."""
    counts = {name: Counter[str]() for name in LIES}
    wrong: Counter[str] = Counter()
    for example in tqdm(examples, desc="turned", disable=None, leave=False):
        rgb = lay(open_picture(example.path), quarters_of(example))
        for name, quarters in LIES.items():
            sent = lay(rgb, quarters)
            found = analyser.turning.admit(sent)
            if found.reason is Reason.ON_ITS_SIDE:
                done = "asked"
            elif found.as_sent is None:
                done = ("right" if quarters == 0 else "left") if found.organ else "refused"
            else:
                done = "right" if (quarters + found.turned) % 4 == 0 else "wrong"
            counts[name][done] += 1
            if quarters == 0 and done in ("wrong", "asked"):
                wrong[place(example)] += 1
    lines = [f"{len(examples)} slices; percent {', '.join(DONE)}"]
    for name, count in counts.items():
        shares = (100 * count[done] / max(1, len(examples)) for done in DONE)
        lines.append(f"{name:20}" + "".join(f"{share:9.2f}" for share in shares))
    return [*lines, f"upright and yet turned or sent back, by place: {dict(wrong)}"]


def others(analyser: Analyser, examples: Sequence[Example]) -> str:
    """A line: how many pictures of other things get in, with turns and without."""
    counts: Counter[str] = Counter()
    for example in tqdm(examples, desc="others", disable=None, leave=False):
        rgb = open_picture(example.path)
        counts["without"] += analyser.gate.admit(rgb).organ is not None
        counts["with"] += analyser.turning.admit(rgb).organ is not None
    return f"of {len(examples)} other pictures {counts['with']} get in, {counts['without']} where nothing is turned"


def cost(analyser: Analyser, examples: Sequence[Example]) -> str:
    """A line: the processor time that an upright slice pays for being asked how it lies."""
    net, spent = analyser.upright[BRAIN_MRI], []
    for example in examples:
        rgb = open_picture(example.path)
        began = process_time()
        net.turns(rgb)
        spent.append(1000 * (process_time() - began))
    return f"milliseconds of processor time to ask how a slice lies: median {np.median(spent):.2f}"


def told(analyser: Analyser, rgb: Rgb) -> Analysis | None:
    """What is told of a picture that comes in a file without directions; None where it is refused as a sheet."""
    try:
        return analyser.analyse_decoded(Picture(rgb, rgb.shape[1], rgb.shape[0]), "", bare_map=False)
    except PictureError:
        return None


def verdicts(analyser: Analyser, pictures: Sequence[Rgb], quarters: int) -> str:
    """How many of the pictures, laid so, are told signs, none, "not sure", and refused; and how many were turned."""
    answers = [told(analyser, lay(rgb, quarters)) for rgb in tqdm(pictures, disable=None, leave=False)]
    count = Counter(Verdict.NOT_READABLE if one is None else one.verdict for one in answers)
    made = sum(one is not None and one.reason in TURNED for one in answers)
    return "".join(f"{number:9}" for number in (*(count[verdict] for verdict in Verdict), made))


def print_turns(analyser: Analyser, of_part: Sequence[Example], most: int | None, seed: int) -> None:
    """Print what becomes of slices, and how many other pictures get in."""
    slices = [e for e in of_part if e.label == BRAIN_MRI and source_of(e) not in EITHER_WAY]
    order = np.random.default_rng(seed).permutation(len(slices))
    slices = [slices[i] for i in order[:most]]
    print(*turns(analyser, slices), cost(analyser, slices[:100]), sep="\n", flush=True)
    print(others(analyser, [e for e in of_part if e.label == OTHER]), flush=True)


def print_verdicts(analyser: Analyser, groups: Sequence[Sequence[Example]]) -> None:
    """Print what is told of tumours, then of slices without one."""
    without = replace(analyser, upright={})
    print("signs, none, not sure, refused, turned; of these the same where nothing is turned")
    for kind, group in zip(KINDS, groups, strict=True):
        pictures = [open_picture(e.path) for e in group]
        for name, quarters in LIES.items():
            print(f"{len(pictures)} {kind}, {name:20}" + verdicts(analyser, pictures, quarters), flush=True)
            print(f"{'':30}" + verdicts(without, pictures, quarters), flush=True)


def print_studies(analyser: Analyser, groups: Sequence[Sequence[Volume]]) -> None:
    """Print what is told of people with a tumour, then of people without one."""
    print(f"signs, none, not sure, refused; slices: {', '.join(DONE_OF_STUDY)}; the answers where nothing is turned")
    for kind, group in ((kind, group) for kind, group in zip(KINDS, groups, strict=True) if group):
        for name, quarters, step in (*((name, k, 1) for name, k in LIES.items()), ("every other on its left", 1, 2)):
            after, before = read_laid(analyser, group, quarters, step)
            print(f"{len(group)} {kind}, {name:25}{after}\n{'':37}{before}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Print the tables; 2 when the data are missing."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.measure.turned", description=__doc__)
    parser.add_argument("--data", help="default: TUMORSCAN_DATA, else ../shared/data")
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--part", choices=("val", "test"), default="val")
    parser.add_argument("--count", type=int, default=60, help="with and as many without a tumour (default: 60)")
    parser.add_argument("--most", type=int, help="slices of the first table at most, drawn at random (default: all)")
    parser.add_argument("--of", choices=("both", "turns", "verdicts", "studies", "places"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    try:
        root = dataset.data_root(args.data)
        slices = gate_examples(root)
        if args.of == "places":
            print("slices; percent: right turn highest; upright, on its head, on a side for sure")
            for line in of_places([e for e in known_slices(root) if e.part in ("train", "val")], seed=args.seed):
                print(line, flush=True)
            return 0
        analyser = Analyser.load(args.models)
        if args.of == "studies":
            print_studies(analyser, people(root, args.part, args.count, args.seed))
            print(others_as_series(analyser, [e for e in slices if e.part == args.part and e.label == OTHER]))
        if args.of in ("both", "turns"):
            print_turns(analyser, [e for e in slices if e.part == args.part], args.most, args.seed)
        if args.of in ("both", "verdicts"):
            labelled = dataset.examples_for(RECIPES[BRAIN_MRI], root)
            print_verdicts(analyser, sample(labelled, args.count, args.seed, args.part))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
