"""Whether what a worker says of a picture can be true: whoever has taken one over may say anything that has the form.

Nothing is kept, counted or named in the figures that no model here could have said.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from bot.scan.study import StudyRead
from inference.analysis import Analysis
from inference.card import OTHER, ModelCard
from inference.registry import Entry

_SIDES: Final = range(1, 2**31)
_MOST_CELLS: Final = 4_096
_LONGEST_SERIES: Final = 64
_MOST_SERIES: Final = 1_000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_EDGE: Final = re.compile(r"[A-Z]{0,3}")
_ROUNDING: Final = 1e-3


def is_plausible(analysis: Analysis, models: Mapping[str, Entry], study: StudyRead | None = None) -> bool:
    """Whether a model of ``models`` (by organ) can have given this answer; ``study`` where it is about several."""
    entry = models.get(analysis.organ or "")
    return (
        entry is not None
        and _is_of(analysis, entry.card)
        # The gate tells all that it lets in, and "other", apart; it is not asked where the organ was given.
        and set(analysis.gate or {}) <= {*models, OTHER}
        and _is_a_picture(analysis)
        and (study is None or _is_a_study(study))
    )


def _is_of(analysis: Analysis, card: ModelCard) -> bool:
    named = {*analysis.probabilities, *analysis.prediction_set, *filter(None, (analysis.label,))}
    model, gate = analysis.model, analysis.gate or {}
    return (
        model is not None
        and (model.name, model.version) == (card.name, card.version)
        and model.sha256 in card.sha256.values()
        and bool(analysis.probabilities)
        and named <= set(card.class_names)
        and len(analysis.prediction_set) <= len(card.class_names)
        and _are_shares((*analysis.probabilities.values(), *gate.values(), analysis.confidence or 0.0))
    )


def _is_a_picture(analysis: Analysis) -> bool:
    return (
        analysis.width in _SIDES
        and analysis.height in _SIDES
        and _SHA256.fullmatch(analysis.picture_sha256) is not None
        and len(analysis.edges) <= 2
        and all(_EDGE.fullmatch(edge) for edge in analysis.edges)
        and len(analysis.cells) <= _MOST_CELLS
        and all(_are_shares((cell.x, cell.y, cell.radius, cell.heat)) for cell in analysis.cells)
    )


def _is_a_study(study: StudyRead) -> bool:
    named = (*study.facts.series, *(one.series for one in study.slices))
    return (
        len(study.facts.series) <= _MOST_SERIES
        and all(len(name) <= _LONGEST_SERIES and (name.isprintable() or not name) for name in named)
        and _are_shares(one.score for one in study.slices)
    )


def _are_shares(numbers: Iterable[float]) -> bool:
    """Whether each is a number from 0 to 1, or off by what rounding does."""
    return all(math.isfinite(number) and -_ROUNDING <= number <= 1 + _ROUNDING for number in numbers)
