"""Turns slices of a study upright whose files tell no directions, before they are judged: those of a series vote."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from inference.gate.turning import Lie, TurningGate
from inference.study.slice_analysis import as_rgb
from inference.study.study import Series, Slice, Study


def made_upright(study: Study, turning: TurningGate) -> Study:
    """The study with what lies on a side or upside down turned; what is unclear is marked."""
    lies = [lies_of(one.slices, turning) for one in study.series]
    series = tuple(_turned(one, found) for one, found in zip(study.series, lies, strict=True))
    turned = any(lie.quarters for found in lies for lie in found)
    return replace(study, series=series, turned=study.turned or turned)


def lies_of(slices: Sequence[Slice], turning: TurningGate) -> list[Lie]:
    """How each of the slices of one source lies."""
    asked = [number for number, one in enumerate(slices) if not one.tells_directions]
    found = turning.of_series([partial(as_rgb, slices[number]) for number in asked])
    lies = [Lie()] * len(slices)
    for number, lie in zip(asked, found, strict=True):
        lies[number] = lie
    return lies


def _turned(series: Series, lies: Sequence[Lie]) -> Series:
    return replace(series, slices=tuple(_laid(one, lie) for one, lie in zip(series.slices, lies, strict=True)))


def _laid(one: Slice, lie: Lie) -> Slice:
    if not lie.is_clear:
        return replace(one, is_unclear=True)
    if not lie.quarters:
        return one
    pixels = np.rot90(np.frombuffer(one.pixels, np.uint8).reshape(one.shape), lie.quarters)
    width, height = (one.height, one.width) if lie.quarters % 2 else (one.width, one.height)
    return replace(one, pixels=pixels.tobytes(), shape=pixels.shape, width=width, height=height)
