"""``python -m inference.training.cells_compare``: how well looks that were left out are told apart, and by what.

One row a way to judge: the measures of the cells, some of them alone, and the colours of the picture. Each pair of a
look without leukaemia and one with it is left out together, so that every figure is that of two classes in slides that
no part of the training has seen. Reads what ``train blood_smear`` has written; needs no pictures.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.cell_measures import MEASURES
from inference.training import cells, metrics
from inference.training.cells import Sheets
from inference.training.data import BLOOD_TEST_LOOKS, DataError

FIELDS = "mehrad_all"
"""The set whose slides are fields of both classes."""
SHIPPED, COLOUR = "all measures", "colour alone"

Floats = NDArray[np.float64]


def ways(sheets: Sheets) -> Iterator[tuple[str, Floats]]:
    """Name and features [N, F] of every way to judge that is compared."""
    means = cells.pooled(sheets.tensors)
    yield SHIPPED, means
    standard = (sheets.colours - sheets.colours.mean(0)) / (sheets.colours.std(0) + 1e-6)
    yield COLOUR, np.c_[standard, np.ones(len(standard))]
    for i, name in enumerate(MEASURES):
        yield f"without {name}", np.delete(means, i, axis=1)
    for chosen in (("size",), ("size", "pale")):
        yield f"{' and '.join(chosen)} alone", means[:, [*(MEASURES.index(name) for name in chosen), -1]]


def figures(sheets: Sheets, names: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """For each way (or those in ``names``): mean and least AUC of the pairs, and shares called leukaemia by look.

    Empty where no pair of looks of fields can be left out.
    """
    ill = sheets.labels == 0
    fields = sheets.sources == FIELDS
    if len(np.unique(sheets.looks[fields & ~ill])) < 2 or len(np.unique(sheets.looks[fields & ill])) < 2:
        return {}
    result = {}
    for name, features in ways(sheets):
        if names and name not in names:
            continue
        areas = pairs(features, ill, sheets.looks, fields)
        free, sick = told(features, ill, sheets.looks)
        result[name] = {
            "pairs": areas.size,
            "mean": round(float(areas.mean()), 4),
            "least": round(float(areas.min()), 4),
            "called_leukemia": {
                str(look): [round(side[look], 4) for side in (sick, free) if look in side]
                for look in np.unique(sheets.looks)
            },
        }
    return result


def pairs(features: Floats, ill: NDArray[np.bool_], looks: NDArray[np.str_], fields: NDArray[np.bool_]) -> Floats:
    """AUC of every pair of looks that is left out together [looks without leukaemia, looks with it]."""
    healthy, sick = (np.unique(looks[fields & side]) for side in (~ill, ill))
    never = np.isin(looks, BLOOD_TEST_LOOKS)
    result = np.zeros((len(healthy), len(sick)))
    for i, one in enumerate(healthy):
        for j, other in enumerate(sick):
            pair = np.isin(looks, (one, other))
            weights = cells.fit(features[~pair & ~never], ill[~pair & ~never], looks[~pair & ~never])
            result[i, j] = metrics.auc(features[pair] @ weights, ill[pair])
    return result


def told(
    features: Floats, ill: NDArray[np.bool_], looks: NDArray[np.str_]
) -> tuple[dict[str, float], dict[str, float]]:
    """Shares called leukaemia by models without the look: of its pictures without leukaemia, and of those with it.

    At the lowest threshold at which no look without leukaemia goes beyond 5 %; the test looks choose nothing.
    """
    scores = {}
    for look in np.unique(looks):
        never = np.isin(looks, (look, *BLOOD_TEST_LOOKS))
        scores[str(look)] = features[looks == look] @ cells.fit(features[~never], ill[~never], looks[~never])
    free, sick = (
        {look: s[side[looks == look]] for look, s in scores.items() if side[looks == look].any()}
        for side in (~ill, ill)
    )
    threshold = max(float(np.percentile(s, 95)) for look, s in free.items() if look not in BLOOD_TEST_LOOKS)
    shares = [{look: float((s > threshold).mean()) for look, s in side.items()} for side in (free, sick)]
    return shares[0], shares[1]


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """``figures`` as a Markdown table."""
    looks = list(next(iter(found.values()))["called_leukemia"])
    lines = [f"| judged by | mean | least | {' | '.join(looks)} |", "|---|---|---|" + "---|" * len(looks)]
    for name, row in found.items():
        shares = " | ".join(" / ".join(f"{v:.2f}" for v in row["called_leukemia"][look]) for look in looks)
        lines.append(f"| {name} | {row['mean']:.3f} | {row['least']:.3f} | {shares} |")
    return [*lines, ""]


def card_lines(found: dict[str, dict[str, Any]] | None) -> list[str]:
    """What the model card says of the pairs."""
    if not found:
        return []
    return [
        "### Two looks left out together",
        "",
        f"Mean and least area under the ROC curve over {next(iter(found.values()))['pairs']} pairs of a look of fields "
        "without leukaemia and one with it, neither seen in training (aim: 0.85 or more). Then the share of each "
        "look's pictures that a model without it calls leukaemia (where a look has both: with / without), at the "
        "lowest threshold at which no look without leukaemia goes beyond 5 %; the test looks have no say in it.",
        "",
        *table(found),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.cells_compare", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    args = parser.parse_args(argv)
    try:
        found = figures(cells.load(args.runs / "blood_smear" / cells.SHEETS_FILE))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(found)) if found else "there are not two looks of fields in each class to leave out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
