"""Measures the answer about a study on people of whom there are several slices, as it serves: gate, model, case rule.

The collections do not tell in which order slices lie. They are put in order by likeness: neighbours in a head resemble
each other more than distant slices do. Pictures of one sequence and plane are one series.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import Verdict
from inference.card import ModelCard, StudyRule
from inference.decode.imaging import decode
from inference.study.case import SeriesFindings
from inference.study.slice_analysis import analyse_slice
from inference.study.study import Slice, SliceFinding
from inference.training.data.example import read_index
from inference.training.measure import metrics, study_rule
from inference.training.recipes import NO_TUMOR, Recipe

FOLDERS: Final = ("brain", "brain_more")
LEAST: Final = 3
"""Slices of one person from which they are a volume here."""
MOST: Final = 60
"""A group of more holds several people, whom nothing tells apart."""
FITTED_ON: Final = "val"
_THUMB: Final = 64
SIZES: Final = (2, 4, 8)
"""Slices of each series that are kept to ask whether false alarms grow with their number."""


@dataclass(frozen=True, slots=True)
class Volume:
    """The slices of one person."""

    name: str
    source: str
    held_out: bool
    """Whether the person took no part in the training."""
    part: str
    """The part that all slices are of; "" where they are of several."""
    has_tumor: bool
    series: tuple[tuple[Path, ...], ...]
    """In the order of likeness."""


@dataclass(frozen=True, slots=True)
class VolumeAnswer:
    """What the bot would say of a volume."""

    verdict: Verdict | None
    """None: refused."""
    any_slice: bool
    """Whether any slice alone is told signs."""


def volumes(root: Path) -> list[Volume]:
    """Everybody of whom there are enough slices."""
    people: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for folder in FOLDERS:
        for row in read_index(root / folder / "index.csv", ("file", "label", "source", "part", "group")):
            if row["group"]:
                people[row["source"], row["group"]].append(row | {"path": str(root / folder / row["file"])})
    found = []
    for (source, group), rows in sorted(people.items()):
        if not LEAST <= len(rows) <= MOST:
            continue
        series: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for row in rows:
            series[row.get("sequence", ""), row.get("plane", "")].append(Path(row["path"]))
        chosen = tuple(in_order(paths) for paths in series.values() if len(paths) > 1)
        if chosen:
            held_out = all(row["part"] != "train" for row in rows)
            has_tumor = any(row["label"] != NO_TUMOR for row in rows)
            parts = {row["part"] for row in rows}
            part = parts.pop() if len(parts) == 1 else ""
            found.append(Volume(group, source, held_out, part, has_tumor, chosen))
    return found


def in_order(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Put slices in order by likeness: the path from each to the one most like it that is most alike on the whole."""
    thumbs = np.stack([_thumb(path) for path in paths])
    alike = np.corrcoef(thumbs)
    best: tuple[float, list[int]] = (-np.inf, [])
    for start in range(len(paths)):
        order, total = [start], 0.0
        while len(order) < len(paths):
            rest = [i for i in range(len(paths)) if i not in order]
            following = max(rest, key=lambda i: alike[order[-1], i])
            total += float(alike[order[-1], following])
            order.append(following)
        best = max(best, (total, order))
    return tuple(paths[i] for i in best[1])


def _thumb(path: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((_THUMB, _THUMB)), np.float64).ravel()


def read(analyser: Analyser, volume: Volume, progress: Callable[[], None]) -> list[SeriesFindings]:
    """Judge every slice of a volume."""
    series = []
    for paths in volume.series:
        findings: list[SliceFinding] = []
        for path in paths:
            picture = decode(path.read_bytes())
            one = Slice(picture.rgb.tobytes(), picture.rgb.shape, picture.width, picture.height)
            findings.append(analyse_slice(analyser, one))
            progress()
        series.append(SeriesFindings(tuple(findings)))
    return series


def tell(cards: Mapping[str, ModelCard], series: Sequence[SeriesFindings]) -> VolumeAnswer:
    """Give the answer about a volume."""
    any_slice = any(f.verdict is Verdict.TUMOR_SIGNS for one in series for f in one.findings)
    return VolumeAnswer(study_rule.verdict(series, cards), any_slice)


def fit_and_measure(
    recipe: Recipe, analyser: Analyser, root: Path, bar: Callable[[int, str], Any]
) -> tuple[StudyRule, dict[str, Any]]:
    """The rule fitted on the people of ``val``, and figures of it: see ``figures``."""
    read_all = _read_all(recipe, analyser, root, bar)
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    # Of people without a tumour those that were trained on count too: of the others there are eight.
    cases = [(s, v.has_tumor) for v, s in read_all if v.part == FITTED_ON or (not v.held_out and not v.has_tumor)]
    steps = int(np.prod([len(values) for values in study_rule.GRID.values()]))
    with bar(steps, "rule") as progress:
        fitted = study_rule.fit(cases, cards, recipe.name, progress)
    cards[recipe.name] = cards[recipe.name].model_copy(update={"study": fitted.rule})
    told = {
        "people": dict(zip(("tumor", "healthy"), fitted.people, strict=True)),
        "worth": fitted.worth,
        "worth_before": fitted.before,
        "best_worth": fitted.best,
        "standard_error": fitted.error,
        "rule": {name: getattr(fitted.rule, name) for name in study_rule.GRID},
    }
    return fitted.rule, {"fitted": told, **_figures(cards, read_all)}


def figures(recipe: Recipe, analyser: Analyser, root: Path, bar: Callable[[int, str], Any]) -> dict[str, Any]:
    """Shares of volumes told signs, no signs, not sure and refused, with 95 % intervals, by what they took part in."""
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    return _figures(cards, _read_all(recipe, analyser, root, bar))


def _read_all(
    recipe: Recipe, analyser: Analyser, root: Path, bar: Callable[[int, str], Any]
) -> list[tuple[Volume, list[SeriesFindings]]]:
    # What a model says of tumours that it was trained on tells nothing; healthy volumes are few, and show false alarms.
    found = [volume for volume in volumes(root) if volume.held_out or not volume.has_tumor]
    with bar(sum(len(paths) for volume in found for paths in volume.series), recipe.name) as progress:
        return [(volume, read(analyser, volume, progress)) for volume in found]


def _figures(cards: Mapping[str, ModelCard], read_all: Sequence[tuple[Volume, list[SeriesFindings]]]) -> dict[str, Any]:
    chosen = {
        "held_out": [(v, s) for v, s in read_all if v.held_out],
        "chose_nothing": [(v, s) for v, s in read_all if v.held_out and v.part != FITTED_ON],
        "trained_on": [(v, s) for v, s in read_all if not v.held_out],
    }
    result: dict[str, Any] = {
        name: {
            side: _shares(cards, [(v, s) for v, s in those if v.has_tumor is has_tumor])
            for side, has_tumor in (("tumor", True), ("healthy", False))
        }
        for name, those in chosen.items()
    }
    healthy = [series for volume, series in read_all if not volume.has_tumor]
    result["false_alarms_by_slices_of_a_series"] = {
        str(size): metrics.share(
            np.array([_is(tell(cards, [_first(one, size) for one in series])) for series in healthy]),
            [str(i) for i in range(len(healthy))],
        )
        for size in SIZES
    }
    return result


def _first(series: SeriesFindings, size: int) -> SeriesFindings:
    start = max(0, (len(series.findings) - size) // 2)
    return SeriesFindings(series.findings[start : start + size])


def _is(told: VolumeAnswer) -> bool:
    return told.verdict is Verdict.TUMOR_SIGNS


def _shares(cards: Mapping[str, ModelCard], chosen: Sequence[tuple[Volume, list[SeriesFindings]]]) -> dict[str, Any]:
    told = [tell(cards, series) for _, series in chosen]
    people = [f"{volume.source} {volume.name}" for volume, _ in chosen]
    named = {
        "signs": [t.verdict is Verdict.TUMOR_SIGNS for t in told],
        "no_signs": [t.verdict is Verdict.NO_TUMOR_SIGNS for t in told],
        "not_sure": [t.verdict is Verdict.NOT_SURE for t in told],
        "refused": [t.verdict is None for t in told],
        "any_slice_alone": [t.any_slice for t in told],
    }
    if not told:
        return {"volumes": 0}
    return {
        "volumes": len(told),
        "slices": sum(len(one.findings) for _, series in chosen for one in series),
        **{name: metrics.share(np.array(hits), people) for name, hits in named.items()},
        "by_source": {
            source: {
                "volumes": sum(volume.source == source for volume, _ in chosen),
                "signs": sum(_is(t) for t, (volume, _) in zip(told, chosen, strict=True) if volume.source == source),
            }
            for source in sorted({volume.source for volume, _ in chosen})
        },
    }


def card_lines(found: dict[str, Any] | None) -> list[str]:
    """What the card says of studies, in Markdown."""
    if not found:
        return []
    lines = [
        "## Studies: several slices of one person, one answer",
        "",
        "A finding counts where neighbouring slices agree about the place (`inference/study/case.py`). Slices of the"
        " collections are put in order by likeness. The last column: what would be told if any one slice were enough.",
        "",
        "| people | volumes (slices) | signs | no signs | not sure | refused | any slice alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for part, words in (
        ("held_out", "held out"), ("chose_nothing", "of these, not of val"), ("trained_on", "trained on")
    ):  # fmt: skip
        for side in ("tumor", "healthy") if part in found else ():
            row = found[part][side]
            if row["volumes"]:  # none of those with a tumour that were trained on
                shares = [_span(row[n]) for n in ("signs", "no_signs", "not_sure", "refused", "any_slice_alone")]
                lines.append(f"| {words}, {side} | {row['volumes']} ({row['slices']}) | {' | '.join(shares)} |")
    grown = found["false_alarms_by_slices_of_a_series"]
    said = ", ".join(f"{size}: {_span(share)}" for size, share in grown.items())
    if fitted := found.get("fitted"):
        people, rule = fitted["people"], ", ".join(f"{name} {value:g}" for name, value in fitted["rule"].items())
        lines += [
            "",
            f"The rule was fitted on the {people['tumor']} people with a tumour of val and on {people['healthy']}"
            f" without one (`inference/training/measure/study_rule.py`): {rule}. Worth there {fitted['worth']:.2f}; of"
            f" the rule before {fitted['worth_before']:.2f}, of the best {fitted['best_worth']:.2f}. A rule stays"
            f" unless the best is better by two standard errors ({fitted['standard_error']:.2f} each).",
        ]
    lines += ["", f"False alarms a healthy volume by the slices of each series that are kept: {said}.", ""]
    return [*lines, "Command: `python -m inference.training evaluate brain_mri --study`.", ""]


def _span(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:.2f} ({low:.2f} to {high:.2f})"
