"""A worker that was taken over may say anything: what no model here can have said is not kept."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.scan.plausibility import is_plausible
from bot.scan.study import StudyRead
from bot.scan.study_facts import StudyFacts
from inference.analysis import Analysis, JudgedCell, ModelIdentity, Reason, Verdict
from inference.registry import check_models
from storage.records import KeptSlice

_, MODELS = check_models()
CARD = MODELS["brain_mri"].card
WEIGHTS = next(iter(CARD.sha256.values()))
TRUE = Analysis(
    organ="brain_mri", verdict=Verdict.TUMOR_SIGNS, reason=Reason.READ, label=CARD.class_names[0], confidence=0.9,
    probabilities=dict.fromkeys(CARD.class_names, 1 / len(CARD.class_names)), prediction_set=CARD.class_names[:1],
    withheld={}, gate={"brain_mri": 0.98, "other": 0.02}, model=ModelIdentity(CARD.name, CARD.version, WEIGHTS),
    picture_sha256="b" * 64, width=640, height=480, shown=b"shown", overlay=b"overlay", heatmap=None, edges=("R", "L"),
    cells=(JudgedCell(0.5, 0.5, 0.1, 0.7),),
)  # fmt: skip
FACTS = StudyFacts("zip", 1, ("T1c axial",), (1,), 1, 0, {})
SLICE = KeptSlice(1, "T1c axial", "tumor_signs", 0.9, agrees=True, picture=b"shown", heat=b"heat")
NAN = float("nan")
LIES: dict[str, dict[str, Any]] = {
    "an organ of somebody's name": {"organ": "Anna"},
    "another organ's model": {"organ": "blood_smear"},
    "no organ": {"organ": None},
    "a class that is none": {"label": "Anna"},
    "a long class": {"probabilities": {"A" * 1_000_000: 1.0}},
    "no class": {"probabilities": {}},
    "a set of many": {"prediction_set": CARD.class_names[:1] * 1000},
    "probabilities that are no number": {"probabilities": dict.fromkeys(CARD.class_names, NAN)},
    "probabilities beyond one": {"confidence": 7.0},
    "a gate of a thousand": {"gate": {str(number): 0.0 for number in range(2000)}},
    "a gate of long names": {"gate": {"A" * 1_000_000: 1.0}},
    "a gate of a kind that is none": {"gate": {"brain_mri": 0.98, "Anna": 0.02}},
    "another version": {"model": ModelIdentity(CARD.name, "9999", WEIGHTS)},
    "other weights": {"model": ModelIdentity(CARD.name, CARD.version, "c" * 64)},
    "a hash that is words": {"picture_sha256": "Anna Quixotria"},
    "a picture of no width": {"width": 0},
    "a picture beyond all measure": {"height": 10**30},
    "edges that are words": {"edges": ("Anna", "L")},
    "cells beyond count": {"cells": TRUE.cells * 5000},
    "a cell nowhere": {"cells": (JudgedCell(NAN, 0.5, 0.1, 0.7),)},
}
STUDY_LIES: dict[str, Callable[[], StudyRead]] = {
    "a series of words without end": lambda: StudyRead(TRUE, replace(FACTS, series=("A" * 1000,)), (SLICE,)),
    "a series of a command": lambda: StudyRead(TRUE, FACTS, (replace(SLICE, series="T1\x1b[2J"),)),
    "a score that is no number": lambda: StudyRead(TRUE, FACTS, (replace(SLICE, score=NAN),)),
}


def test_what_a_model_can_have_said_is_plausible() -> None:
    assert is_plausible(TRUE, MODELS)
    assert is_plausible(replace(TRUE, gate=None, confidence=None, label=None, cells=(), edges=()), MODELS)
    assert is_plausible(TRUE, MODELS, StudyRead(TRUE, replace(FACTS, series=("", "T1c axial")), (SLICE,)))


@pytest.mark.parametrize("name", LIES)
def test_what_no_model_can_have_said_is_refused(name: str) -> None:
    assert not is_plausible(replace(TRUE, **LIES[name]), MODELS)


@pytest.mark.parametrize("name", STUDY_LIES)
def test_study_that_no_container_holds_is_refused(name: str) -> None:
    assert not is_plausible(TRUE, MODELS, STUDY_LIES[name]())
