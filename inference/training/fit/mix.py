"""Weighs what a trained net says in several ways: its class maps, its lesion map, its abnormal map, and a second net.

Nothing but a few numbers is fitted, and on pictures that no training saw: how strongly the lesion map's maximum and the
member's scores count beside the class maps, and an offset a class. Places count alike, so that the ones that a net
knows from its training don't speak for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference import lesion_net
from inference.architecture import build
from inference.card import LesionArchitecture
from inference.layers import LOGITS
from inference.lesion_net import MEMBER
from inference.training.data import dataset
from inference.training.data.example import LEFT_OUT, Example
from inference.training.fit.ranking import auc
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
ARCHIVE = "medpix_vqa"
ROLES = ("tumor", "finding", "clear")
SOURCES_OF_TEST = frozenset({"cheng", "sartaj", "br35h"})
LEAST_INSIDE = 0.025
"""So much of the AUC on the places of the training may be lost against the member, which knows them well: a slice more
or less of the thirty without a tumour there is 0.003."""
AS_GOOD = 0.003
"""Mean AUCs so near to each other say nothing: a few hundred slices choose among many strengths."""
LESION_STEPS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
ABNORMAL_STEPS = (0.0, 0.2, 0.35, 0.5, 0.75, 1.0, 1.4)
MEMBER_STEPS = tuple(step / 10 for step in range(13))
KIND_STEPS = tuple(step / 10 for step in range(31))


@dataclass(frozen=True, slots=True)
class Scores:
    """What the parts say of N pictures: class logits [N, K], lesion score [N], a member's logits [N, J or 0].

    ``abnormal`` [N] is the score of anything unusual, None for a net without such a map.
    """

    classes: Floats
    lesion: Floats
    member: Floats
    abnormal: Floats | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """How the parts are weighed: see ``lesion_net.Mix``."""

    lesion: float
    member_kind: float
    """How strongly the member counts for which kind of tumour it is."""
    member_any: float
    """How strongly it counts for whether there is a tumour at all: that is what it knows less of in other places."""
    offset: Floats
    temperature: float
    abnormal: float = 0.0
    """How strongly whatever is unusual speaks against the clear class, for tumours and other findings alike."""

    @classmethod
    def of(cls, recipe: Recipe, lesion: float, member_any: float, abnormal: float = 0.0) -> "Weights":
        """Strengths alone."""
        return cls(lesion, 0.0, member_any, np.zeros(len(recipe.classes)), 1.0, abnormal)


def has_parts(recipe: Recipe) -> bool:
    """Whether the recipe's model says what it says in several ways."""
    return isinstance(recipe.architecture, LesionArchitecture)


def spread(recipe: Recipe, weights: Weights) -> Floats:
    """How each class of the member [J] counts for each class of the model [K].

    A kind that the member does not know is as likely as its tumours are on average, a finding of another kind half as
    a tumour and half as none.
    """
    names = recipe.member_classes
    tumors = [i for i, name in enumerate(names) if name in recipe.class_names and recipe.tumors[_index(recipe, name)]]
    clear = names.index(recipe.class_names[recipe.tumor_free])
    mean_tumor = np.zeros(len(names))
    mean_tumor[tumors] = 1 / len(tumors)
    odds = mean_tumor - np.eye(len(names))[clear]  # the average tumour against none
    table = np.zeros((len(names), len(recipe.classes)))
    for column, one in enumerate(recipe.classes):
        side = {"tumor": 0.5, "finding": 0.0, "clear": -0.5}[one.role]
        table[:, column] = weights.member_any * side * odds
        if one.name in names and one.role == "tumor":
            table[:, column] += weights.member_kind * (np.eye(len(names))[names.index(one.name)] - mean_tumor)
    return table


def mixed(recipe: Recipe, scores: Scores, weights: Weights) -> Floats:
    """Logits [N, K] as ``lesion_net.Mix`` gives them."""
    total = scores.classes + scores.lesion[:, None] * weights.lesion * recipe.tumors + weights.offset
    if scores.abnormal is not None:
        total = total + scores.abnormal[:, None] * weights.abnormal * unusual(recipe)
    if scores.member.shape[1]:
        total = total + scores.member @ spread(recipe, weights)
    return np.asarray(total)


def unusual(recipe: Recipe) -> NDArray[np.bool_]:
    """Which classes [K] are anything but clear."""
    return np.array([c.role != "clear" for c in recipe.classes])


def unseen_places(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Which pictures [N] are of places left out, or of the archive, nearly every case of which has its own hospital."""
    return np.array([e.part == LEFT_OUT or e.source == ARCHIVE for e in examples])


def place_weights(examples: Sequence[Example]) -> Floats:
    """A weight a picture [N], together 1: half for unseen places, half for those of the training; in each alike."""
    places, unseen = np.array([e.source for e in examples]), unseen_places(examples)
    weights = np.zeros(len(examples))
    for side in (unseen, ~unseen):
        names = np.unique(places[side])
        for name in names:
            here = side & (places == name)
            weights[here] = 1 / len(names) / here.sum()
    return np.asarray(weights / weights.sum())


def fit(recipe: Recipe, scores: Scores, examples: Sequence[Example]) -> Weights:
    """Choose how strongly the parts count, and fit offsets and temperature (log loss, places counting alike).

    Of the strengths at which the places of the training are told nearly as well as the member tells them by itself
    (``LEAST_INSIDE``), those with which the AUC is highest on average: of tumour or not over each of the unseen
    places, and of findings of other kinds against clear slices. Of those nearly as good (``AS_GOOD``) the member, which
    knows less of other places, counts as little as can be. How much it counts for the kind is what has the least log
    loss over tumours of known kind.
    """
    validation = _Validation.of(recipe, scores, examples)
    has_member = scores.member.shape[1] > 0
    members = MEMBER_STEPS if has_member else (0.0,)
    chosen = validation.best(LESION_STEPS, members, (0.0,))
    if scores.abnormal is not None:  # two strengths at a time: all three together take minutes
        chosen = validation.best(LESION_STEPS, (chosen.member_any,), ABNORMAL_STEPS)
        chosen = validation.best((chosen.lesion,), members, (chosen.abnormal,))
    if not has_member:
        return chosen
    return replace(chosen, member_kind=_kind_weight(recipe, scores, validation.labels, chosen))


@dataclass(frozen=True, slots=True)
class _Validation:
    """Pictures on which strengths are tried, and what of them is asked."""

    recipe: Recipe
    scores: Scores
    labels: NDArray[np.int_]
    counted: Floats
    """How much each picture [N] counts."""
    inside: NDArray[np.bool_]
    """Which are of the places of the training."""
    wanted: float
    """The AUC that has to be reached there; 0 where there is no member to say which."""
    places: tuple[NDArray[np.bool_], ...]
    """Which are of each of the unseen places that has pictures with and without a tumour."""

    @classmethod
    def of(cls, recipe: Recipe, scores: Scores, examples: Sequence[Example]) -> "_Validation":
        labels = np.array([recipe.class_names.index(e.label) for e in examples])
        ill = recipe.tumors[labels]
        sources, unseen = np.array([e.source for e in examples]), unseen_places(examples)
        places = [unseen & (sources == name) for name in np.unique(sources[unseen])]
        inside = np.isin(sources, sorted(SOURCES_OF_TEST)) & ~unseen
        wanted = 0.0
        if scores.member.shape[1] and 0 < ill[inside].sum() < inside.sum():
            wanted = auc(recipe.member_score(softmax(scores.member))[inside], ill[inside]) - LEAST_INSIDE
        told = tuple(here for here in places if 0 < ill[here].sum() < here.sum())
        return cls(recipe, scores, labels, place_weights(examples), inside, wanted, told)

    def best(self, *steps: tuple[float, ...]) -> Weights:
        """The strengths that ``fit`` describes, of every combination of steps."""
        tried = [self.worth(Weights.of(self.recipe, *step)) for step in product(*steps)]
        kept, area = max(one[:2] for one in tried)
        good = [one for one in tried if one[0] == kept and one[1] >= area - AS_GOOD]
        return max(good, key=lambda one: (-one[2].member_any, one[1]))[2]

    def worth(self, plain: Weights) -> tuple[float, float, Weights]:
        """By how much the AUC inside falls short (0 or less), the mean of the others, and the weights levelled."""
        ill = self.recipe.tumors[self.labels]
        levelled = _levelled(self.recipe, self.scores, self.labels, self.counted, plain)
        # As served: the sum over the tumours ranks pictures otherwise at another temperature.
        probabilities = softmax(mixed(self.recipe, self.scores, levelled) / levelled.temperature)
        told = self.recipe.score(probabilities)
        within = auc(told[self.inside], ill[self.inside]) if self.wanted else 1.0
        areas = [auc(told[here], ill[here]) for here in self.places] or [within]
        finding, clear = (np.array([c.role == role for c in self.recipe.classes]) for role in ("finding", "clear"))
        found, healthy = finding[self.labels[~ill]], probabilities[~ill]
        if 0 < found.sum() < len(found):
            areas.append(auc(healthy @ finding / (healthy @ (finding | clear)), found))
        return min(within - self.wanted, 0.0), float(np.mean(areas)), levelled


def _levelled(recipe: Recipe, scores: Scores, labels: NDArray[np.int_], counted: Floats, weights: Weights) -> Weights:
    """The same strengths with the offsets of tumours and findings and the temperature of the least log loss."""
    roles = np.array([[c.role == role for role in ROLES] for c in recipe.classes], np.float64)
    targets = recipe.targets()[labels].astype(np.float64) @ roles
    # Classes first, pictures second: this is added up ten thousands of times, over few classes and many pictures.
    plain, targets = (np.ascontiguousarray(of.T) for of in (mixed(recipe, scores, weights), targets))

    def loss(x: Floats) -> tuple[float, Floats]:
        logits = (plain + (roles @ np.array([x[0], x[1], 0.0]))[:, None]) / np.exp(x[2])
        told = softmax(logits, axis=0)
        by_role = (roles.T @ told).clip(1e-9)
        slopes = counted * told * (1 - roles @ (targets / by_role))
        offsets = (roles.T @ slopes).sum(1)[:2] / np.exp(x[2])
        value = -(counted * (targets * np.log(by_role)).sum(0)).sum()
        return float(value), np.append(offsets, -(slopes * logits).sum())

    x = minimize(loss, np.array([0.0, 0.0, 0.3]), jac=True, method="L-BFGS-B").x
    return replace(weights, offset=roles @ np.array([x[0], x[1], 0.0]), temperature=float(np.exp(x[2])))


def softmax(logits: Floats, axis: int = 1) -> Floats:
    """Probabilities in the shape of ``logits``, together 1 along the classes' ``axis``."""
    weights = np.exp(logits - logits.max(axis, keepdims=True))
    return np.asarray(weights / weights.sum(axis, keepdims=True))


def _kind_weight(recipe: Recipe, scores: Scores, labels: NDArray[np.int_], weights: Weights) -> float:
    kinds = [k for k, c in enumerate(recipe.classes) if c.tumor and c.name in recipe.member_classes]
    known = np.isin(labels, kinds)
    true = np.searchsorted(kinds, labels[known])

    def loss(strength: float) -> float:
        logits = mixed(recipe, scores, replace(weights, member_kind=strength))[known][:, kinds] / weights.temperature
        each = -np.log(softmax(logits)[np.arange(len(true)), true].clip(1e-9))
        return float(np.mean([each[true == k].mean() for k in np.unique(true)]))

    return float(min(KIND_STEPS, key=loss))


def assemble(recipe: Recipe, trained: keras.Model, member: Path | None) -> keras.Model:
    """The model that is exported: the trained net, beside it the member from a ``weights.npz``, not yet weighed.

    A file of the member alone and one of a whole model with this member will both do. Raises ValueError naming the file
    when it lacks a weight.
    """
    architecture = recipe.architecture
    if not isinstance(architecture, LesionArchitecture) or architecture.member is None:
        return trained
    model = build(architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    known = {v.path: np.asarray(keras.ops.convert_to_numpy(v)) for v in trained.weights}
    if member is None:
        raise ValueError(f"{recipe.name} has a second net: name the file with its weights")
    with np.load(member, allow_pickle=False) as arrays:
        for variable in model.weights:
            path = variable.path
            if path.startswith(MEMBER):
                bare = path.removeprefix(MEMBER)
                if path not in arrays.files and bare not in arrays.files:
                    raise ValueError(f"{member} lacks {bare}: it is not of the second net of {recipe.name}")
                known[path] = arrays[path if path in arrays.files else bare].astype(np.float32)
            if path in known:
                variable.assign(known[path])
    return model


def scores(recipe: Recipe, model: keras.Model, examples: Sequence[Example]) -> Scores:
    """What the parts of an assembled model say of pictures."""
    names = [lesion_net.CLASS_LOGITS, lesion_net.LESION]
    names += [n for n in (lesion_net.ABNORMAL, f"{MEMBER}{LOGITS}") if n in model.output]
    view = keras.Model(model.input, [model.output[name] for name in names])
    answers = view.predict(dataset.tensors(examples, recipe.input), batch_size=32, verbose=0)
    said = dict(zip(names, (answer.astype(np.float64) for answer in answers), strict=True))
    return Scores(
        said[lesion_net.CLASS_LOGITS],
        said[lesion_net.LESION][:, 0],
        said.get(f"{MEMBER}{LOGITS}", np.zeros((len(examples), 0))),
        said[lesion_net.ABNORMAL][:, 0] if lesion_net.ABNORMAL in said else None,
    )


def weigh(recipe: Recipe, model: keras.Model, weights: Weights) -> None:
    """Put the weights into an assembled model."""
    layer: Any = model.get_layer(LOGITS)
    layer.lesion.assign((weights.lesion * recipe.tumors)[None])
    layer.offset.assign(weights.offset)
    if layer.abnormal is not None:
        layer.abnormal.assign((weights.abnormal * unusual(recipe))[None])
    if layer.member is not None:
        layer.member.assign(spread(recipe, weights))


def _index(recipe: Recipe, name: str) -> int:
    return recipe.class_names.index(name)
