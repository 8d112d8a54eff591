"""``python -m inference.training.measure.cells_compare``: how well left-out domains are told apart, and by what.

One row a way to decide: the measures and the textures of the cells, some of them alone, and the colours of the picture.
Each pair of a domain without leukaemia and one with it is left out together, so that every figure is that of two
classes in slides that no part of the training has seen. In the last row the domains left out have no say in whether
the chromatin is measured either. Reads what ``train blood_smear`` has written; needs no pictures.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.cells.measures import CHANNELS, MEASURES
from inference.training.data.example import DataError
from inference.training.fit import cells
from inference.training.fit.cells import Sheets
from inference.training.fit.ranking import auc

FIELDS = "mehrad_all"
"""The set whose slides are fields of both classes."""
SHIPPED, MEASURED, COLOUR = "measures and textures", "all measures", "colour alone"
TEXTURES_ALONE = "textures alone"
IN_CARD = SHIPPED, MEASURED, COLOUR
SHARES = (0.3, 0.5, 1.0)
STRENGTHS = (0.03, 0.1)
"""What the share and the penalty of the textures are compared with."""
CHOSEN = "grain, clumps, both or neither, as the other domains have it"
CHROMATIN = ("grain", "clumps")

Floats = NDArray[np.float64]
Known = NDArray[np.bool_]
"""Which pictures may be learned from [N]."""
Way = Callable[[Known], Floats]
"""Log odds [N] of every picture by a model that has learned from no others than these."""


def ways(sheets: Sheets) -> Iterator[tuple[str, Way]]:
    """Name of every fixed way to decide that is compared, and the way."""
    means = cells.pooled(sheets.tensors)
    count = len(MEASURES)
    has_textures = means.shape[1] > CHANNELS
    measured = means[:, [*range(count), -1]]
    if has_textures:
        yield SHIPPED, _fitted(sheets, means, cells.fit_both)
    yield MEASURED, _fitted(sheets, measured)
    standard = (sheets.colours - sheets.colours.mean(0)) / (sheets.colours.std(0) + 1e-6)
    yield COLOUR, _fitted(sheets, np.c_[standard, np.ones(len(standard))])
    if has_textures:
        yield TEXTURES_ALONE, _fitted(sheets, means[:, count:], cells.fit_textures)
        for share in SHARES:
            for strength in STRENGTHS:
                name = f"measures and {share:.0%} of the textures at a penalty of {strength}"
                yield name, _added(sheets, measured, means[:, count:], share, strength)
    for dropped in (CHROMATIN, *((name,) for name in MEASURES)):
        kept = np.delete(measured, [MEASURES.index(name) for name in dropped], axis=1)
        yield f"without {' and '.join(dropped)}", _fitted(sheets, kept)
    for chosen in (("size",), ("size", "pale")):
        columns = [*(MEASURES.index(name) for name in chosen), -1]
        yield f"{' and '.join(chosen)} alone", _fitted(sheets, measured[:, columns])


def _fitted(sheets: Sheets, features: Floats, fit: Callable[..., Floats] = cells.fit) -> Way:
    """A model that is linear in ``features`` [N, F]."""
    ill = sheets.labels == 0
    return lambda known: features @ fit(features[known], ill[known], sheets.domains[known])


def _added(sheets: Sheets, measured: Floats, textures: Floats, share: float, strength: float) -> Way:
    own = _fitted(sheets, measured)
    other = _fitted(sheets, textures, partial(cells.fit_textures, strength=strength))
    return lambda known: own(known) + share * other(known)


def chosen_anew(sheets: Sheets) -> Way:
    """Of the ways that differ in ``CHROMATIN`` the best one on pairs of the known domains, left out in turn."""
    names = MEASURED, *(f"without {' and '.join(dropped)}" for dropped in (CHROMATIN, *((name,) for name in CHROMATIN)))
    candidates = [way for name, way in ways(sheets) if name in names]

    def best(known: Known) -> Floats:
        return max(candidates, key=lambda way: _apart(way, sheets, known))(known)

    return best


def _apart(way: Way, sheets: Sheets, known: Known) -> float:
    """Mean AUC of the pairs of these domains; 0 where they are too few to leave two out."""
    ill = sheets.labels == 0
    if min(len(np.unique(sheets.domains[known & side])) for side in (ill, ~ill)) < 3:
        return 0.0
    return float(pairs(way, sheets, known, known).mean())


def figures(sheets: Sheets, names: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """For each way (or those in ``names``): mean and least AUC of the pairs, and shares called leukaemia by domain.

    Empty where no pair of domains of fields can be left out.
    """
    ill = sheets.labels == 0
    fields = sheets.sources == FIELDS
    if len(np.unique(sheets.domains[fields & ~ill])) < 2 or len(np.unique(sheets.domains[fields & ill])) < 2:
        return {}
    judged: dict[str, Way] = dict(ways(sheets))
    judged[CHOSEN] = chosen_anew(sheets)
    result = {}
    for name, way in judged.items():
        if names and name not in names:
            continue
        areas = pairs(way, sheets, fields, sheets.seen)
        free, sick = told(way, sheets)
        result[name] = {
            "pairs": areas.size,
            "mean": round(float(areas.mean()), 4),
            "least": round(float(areas.min()), 4),
            "laboratories": {name: round(area, 4) for name, area in laboratories(way, sheets).items()},
            "called_leukemia": {
                str(domain): [round(side[domain], 4) for side in (sick, free) if domain in side]
                for domain in np.unique(sheets.domains)
            },
        }
    return result


def pairs(way: Way, sheets: Sheets, fields: Known, seen: Known) -> Floats:
    """AUC of every pair of domains of ``fields`` that is left out together [without leukaemia, with it].

    Of the pictures that are ``seen`` all others are known.
    """
    ill, domains = sheets.labels == 0, sheets.domains
    healthy, sick = (np.unique(domains[fields & side]) for side in (~ill, ill))
    result = np.zeros((len(healthy), len(sick)))
    for i, one in enumerate(healthy):
        for j, other in enumerate(sick):
            pair = np.isin(domains, (one, other))
            result[i, j] = auc(way(seen & ~pair)[pair], ill[pair])
    return result


def laboratories(way: Way, sheets: Sheets) -> dict[str, float]:
    """AUC within each set that holds both classes, by a model that has seen nothing of that set."""
    ill, seen = sheets.labels == 0, sheets.seen
    result = {}
    for name in np.unique(sheets.sources[seen]):
        here = seen & (sheets.sources == name)
        if len(np.unique(ill[here])) == len(np.unique(ill[seen & ~here])) == 2:
            result[str(name)] = auc(way(seen & ~here)[here], ill[here])
    return result


def told(way: Way, sheets: Sheets) -> tuple[dict[str, float], dict[str, float]]:
    """Shares called leukaemia by models without the domain: of its pictures without leukaemia, and of those with it.

    At the lowest threshold at which no domain without leukaemia goes beyond 5 %; the test domains choose nothing.
    """
    ill, domains, seen = sheets.labels == 0, sheets.domains, sheets.seen
    everything = way(seen)
    scores = {
        str(d): (way(seen & (domains != d)) if (seen & (domains == d)).any() else everything)[domains == d]
        for d in np.unique(domains)
    }
    free, sick = (
        {domain: s[side[domains == domain]] for domain, s in scores.items() if side[domains == domain].any()}
        for side in (~ill, ill)
    )
    choosing = set(domains[seen].tolist())
    threshold = max(float(np.percentile(s, 95)) for domain, s in free.items() if domain in choosing)
    shares = [{domain: float((s > threshold).mean()) for domain, s in side.items()} for side in (free, sick)]
    return shares[0], shares[1]


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """``figures`` as a Markdown table."""
    first = next(iter(found.values()))
    domains, whole = list(first["called_leukemia"]), list(first.get("laboratories", {}))
    head = ["judged by", "mean", "least", *(f"{name} left out" for name in whole), *domains]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, row in found.items():
        areas = [row["mean"], row["least"], *(row["laboratories"][laboratory] for laboratory in whole)]
        shares = [" / ".join(f"{v:.2f}" for v in row["called_leukemia"][domain]) for domain in domains]
        lines.append(f"| {' | '.join([name, *(f'{area:.3f}' for area in areas), *shares])} |")
    return [*lines, ""]


def card_lines(found: dict[str, dict[str, Any]] | None) -> list[str]:
    """What the model card says of the pairs."""
    if not found:
        return []
    return [
        "### Two domains left out together",
        "",
        f"Mean and least area under the ROC curve over {next(iter(found.values()))['pairs']} pairs of a domain of "
        "fields without leukaemia and one with it, neither seen in training (aim: 0.85 or more); then that within each "
        "set that has both classes, when all of it is left out. Then the share of each domain's pictures that a model "
        "without it calls leukaemia (where a domain has both: with / without), at the lowest threshold at which no "
        "domain without leukaemia goes beyond 5 %; the test domains have no say in it.",
        "",
        *table(found),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.measure.cells_compare", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where train blood_smear has written")
    args = parser.parse_args(argv)
    try:
        found = figures(cells.load(args.runs / "blood_smear" / cells.SHEETS_FILE))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(found)) if found else "there are not two domains of fields in each class to leave out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
