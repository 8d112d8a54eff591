"""``python -m inference.training.measure.cells_compare``: how well left-out looks are told apart, and by what.

One row a way to decide: the measures of the cells, some of them alone, and the colours of the picture. Each pair of a
look without leukaemia and one with it is left out together, so that every figure is that of two classes in slides that
no part of the training has seen. In the last row the looks left out have no say in whether the chromatin is measured
either. Reads what ``train blood_smear`` has written; needs no pictures.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.cells.measures import MEASURES
from inference.training.data.dataset import BLOOD_TEST_LOOKS, DataError
from inference.training.fit import cells
from inference.training.fit.cells import Sheets
from inference.training.measure import metrics

FIELDS = "mehrad_all"
"""The set whose slides are fields of both classes."""
SHIPPED, COLOUR = "all measures", "colour alone"
CHOSEN = "grain, clumps, both or neither, as the other looks have it"
CHROMATIN = ("grain", "clumps")

Floats = NDArray[np.float64]
Known = NDArray[np.bool_]
"""Which pictures may be learned from [N]."""
Way = Callable[[Known], Floats]
"""The features [N, F] that are used when no other pictures than these are known."""


def ways(sheets: Sheets) -> Iterator[tuple[str, Floats]]:
    """Name and features [N, F] of every fixed way to decide that is compared."""
    means = cells.pooled(sheets.tensors)
    yield SHIPPED, means
    standard = (sheets.colours - sheets.colours.mean(0)) / (sheets.colours.std(0) + 1e-6)
    yield COLOUR, np.c_[standard, np.ones(len(standard))]
    for dropped in (CHROMATIN, *((name,) for name in MEASURES)):
        yield f"without {' and '.join(dropped)}", np.delete(means, [MEASURES.index(name) for name in dropped], axis=1)
    for chosen in (("size",), ("size", "pale")):
        yield f"{' and '.join(chosen)} alone", means[:, [*(MEASURES.index(name) for name in chosen), -1]]


def chosen_anew(sheets: Sheets) -> Way:
    """Of the ways that differ in ``CHROMATIN`` the one that does best on pairs of the known looks, left out in turn."""
    ill = sheets.labels == 0
    names = SHIPPED, *(f"without {' and '.join(dropped)}" for dropped in (CHROMATIN, *((name,) for name in CHROMATIN)))
    candidates = [features for name, features in ways(sheets) if name in names]
    return lambda known: max(
        candidates, key=lambda features: _apart(features[known], ill[known], sheets.domains[known])
    )


def _apart(features: Floats, ill: NDArray[np.bool_], domains: NDArray[np.str_]) -> float:
    """Mean AUC of the pairs of these looks; 0 where they are too few to leave two out."""
    if min(len(np.unique(domains[side])) for side in (ill, ~ill)) < 3:
        return 0.0
    return float(pairs(_always(features), ill, domains, np.ones(len(ill), bool)).mean())


def figures(sheets: Sheets, names: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """For each way (or those in ``names``): mean and least AUC of the pairs, and shares called leukaemia by look.

    Empty where no pair of looks of fields can be left out.
    """
    ill = sheets.labels == 0
    fields = sheets.sources == FIELDS
    if len(np.unique(sheets.domains[fields & ~ill])) < 2 or len(np.unique(sheets.domains[fields & ill])) < 2:
        return {}
    judged: dict[str, Way] = {name: _always(features) for name, features in ways(sheets)}
    judged[CHOSEN] = chosen_anew(sheets)
    result = {}
    for name, way in judged.items():
        if names and name not in names:
            continue
        areas = pairs(way, ill, sheets.domains, fields)
        free, sick = told(way, ill, sheets.domains)
        result[name] = {
            "pairs": areas.size,
            "mean": round(float(areas.mean()), 4),
            "least": round(float(areas.min()), 4),
            "called_leukemia": {
                str(domain): [round(side[domain], 4) for side in (sick, free) if domain in side]
                for domain in np.unique(sheets.domains)
            },
        }
    return result


def _always(features: Floats) -> Way:
    return lambda _known: features


def pairs(way: Way, ill: NDArray[np.bool_], domains: NDArray[np.str_], fields: NDArray[np.bool_]) -> Floats:
    """AUC of every pair of looks that is left out together [looks without leukaemia, looks with it]."""
    healthy, sick = (np.unique(domains[fields & side]) for side in (~ill, ill))
    result = np.zeros((len(healthy), len(sick)))
    for i, one in enumerate(healthy):
        for j, other in enumerate(sick):
            pair = np.isin(domains, (one, other))
            result[i, j] = metrics.auc(_odds(way, ill, domains, pair), ill[pair])
    return result


def _odds(way: Way, ill: NDArray[np.bool_], domains: NDArray[np.str_], out: NDArray[np.bool_]) -> Floats:
    """Log odds of the pictures in ``out`` by a model that knows neither them nor the test looks."""
    known = ~out & ~np.isin(domains, BLOOD_TEST_LOOKS)
    features = way(known)
    return np.asarray(features[out] @ cells.fit(features[known], ill[known], domains[known]))


def told(way: Way, ill: NDArray[np.bool_], domains: NDArray[np.str_]) -> tuple[dict[str, float], dict[str, float]]:
    """Shares called leukaemia by models without the look: of its pictures without leukaemia, and of those with it.

    At the lowest threshold at which no look without leukaemia goes beyond 5 %; the test looks choose nothing.
    """
    scores = {str(domain): _odds(way, ill, domains, domains == domain) for domain in np.unique(domains)}
    free, sick = (
        {domain: s[side[domains == domain]] for domain, s in scores.items() if side[domains == domain].any()}
        for side in (~ill, ill)
    )
    threshold = max(float(np.percentile(s, 95)) for domain, s in free.items() if domain not in BLOOD_TEST_LOOKS)
    shares = [{domain: float((s > threshold).mean()) for domain, s in side.items()} for side in (free, sick)]
    return shares[0], shares[1]


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """``figures`` as a Markdown table."""
    domains = list(next(iter(found.values()))["called_leukemia"])
    lines = [f"| judged by | mean | least | {' | '.join(domains)} |", "|---|---|---|" + "---|" * len(domains)]
    for name, row in found.items():
        shares = " | ".join(" / ".join(f"{v:.2f}" for v in row["called_leukemia"][domain]) for domain in domains)
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
    parser = argparse.ArgumentParser(prog="python -m inference.training.measure.cells_compare", description=__doc__)
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
