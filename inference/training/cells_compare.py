"""``python -m inference.training.cells_compare``: how well looks that were left out are told apart, and by what.

One row a way to judge: the measures of the cells, some of them alone, and the colours of the picture. Each pair of a
look without leukaemia and one with it is left out together, so that every figure is that of two classes in slides that
no part of the training has seen. Reads what ``train blood_smear`` has written; needs no TensorFlow.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.cell_measures import MEASURES
from inference.training import baselines, cells, data, metrics
from inference.training.data import BLOOD_TEST_LOOKS, DataError

FIELDS = "mehrad_all"
"""The set whose slides are fields of both classes."""

Floats = NDArray[np.float64]


def ways(means: Floats, colours: Floats | None) -> Iterator[tuple[str, Floats]]:
    """Name and features [N, F] of every way to judge that is compared."""
    yield "all measures", means
    for i, name in enumerate(MEASURES):
        yield f"without {name}", np.delete(means, i, axis=1)
    for chosen in (("size",), ("size", "pale")):
        yield f"{' and '.join(chosen)} alone", means[:, [*(MEASURES.index(name) for name in chosen), -1]]
    if colours is not None:
        standard = (colours - colours.mean(0)) / (colours.std(0) + 1e-6)
        yield "colour alone", np.c_[standard, np.ones(len(standard))]


def pairs(features: Floats, ill: NDArray[np.bool_], looks: NDArray[np.str_], fields: NDArray[np.bool_]) -> Floats:
    """AUROC of every pair of looks that is left out together [looks without leukaemia, looks with it]."""
    healthy, sick = (np.unique(looks[fields & side]) for side in (~ill, ill))
    never = np.isin(looks, BLOOD_TEST_LOOKS)
    result = np.zeros((len(healthy), len(sick)))
    for i, one in enumerate(healthy):
        for j, other in enumerate(sick):
            pair = np.isin(looks, (one, other))
            weights = cells.fit(features[~pair & ~never], ill[~pair & ~never], looks[~pair & ~never])
            result[i, j] = metrics.auc(features[pair] @ weights, ill[pair])
    return result


def laboratory(features: Floats, ill: NDArray[np.bool_], looks: NDArray[np.str_], look: str) -> Floats:
    """Log odds for one look of a model that saw neither it nor the test looks."""
    never = np.isin(looks, (look, *BLOOD_TEST_LOOKS))
    return np.asarray(features[looks == look] @ cells.fit(features[~never], ill[~never], looks[~never]))


def told(
    features: Floats, ill: NDArray[np.bool_], looks: NDArray[np.str_]
) -> tuple[dict[str, float], dict[str, float]]:
    """Shares called leukaemia, by look left out: without it, and with it.

    At the lowest threshold at which no look without leukaemia goes beyond 5 %; the test looks choose nothing.
    """
    scores = {look: laboratory(features, ill, looks, look) for look in np.unique(looks)}
    free = {look: scores[look][~ill[looks == look]] for look in scores}
    sick = {look: scores[look][ill[looks == look]] for look in scores}
    threshold = max(float(np.percentile(s, 95)) for look, s in free.items() if len(s) and look not in BLOOD_TEST_LOOKS)
    shares = [{k: float((v > threshold).mean()) for k, v in side.items() if len(v)} for side in (free, sick)]
    return shares[0], shares[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.cells_compare", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", help="data folder, for the row of the colours (default: as for training)")
    args = parser.parse_args(argv)
    try:
        sheets = cells.load(args.runs / "blood_smear" / cells.SHEETS_FILE)
        examples = data.blood_examples(data.data_root(args.data))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    fields = np.array([e.source == FIELDS for e in examples])
    colours = baselines.features(examples, blank_bars=True)["brightness_or_colour_only"]
    ill = sheets.labels == 0
    looks = np.unique(sheets.looks)
    print("| judged by | mean | least | " + " | ".join(looks) + " |")
    print("|---|---|---|" + "---|" * len(looks))
    for name, features in ways(cells.pooled(sheets.tensors), colours):
        areas = pairs(features, ill, sheets.looks, fields)
        free, sick = told(features, ill, sheets.looks)
        shares = " | ".join(" / ".join(f"{side[look]:.2f}" for side in (sick, free) if look in side) for look in looks)
        print(f"| {name} | {areas.mean():.3f} | {areas.min():.3f} | {shares} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
