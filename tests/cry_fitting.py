"""``python -m tests.cry_fitting [--check]``: fit the classifier of cries (``bot/knowledge/cry_classifier.py``).

Learned from: the cries and everyday sentences of ``tests/data/languages`` and of the half of ``cries_for_help.toml``
that rules may be tuned on. Ways to ask of ``faq/`` and ``everyday_talk.toml`` are everyday sentences, too. Flags that
are no emergency (a bruise, a headache for weeks) are on neither side. Prints what is heard of sentences that took no
part in the fit: of each fifth by the other four, and of the lists of questions, which take no part at all. With
``--check`` nothing is written.
"""

import argparse
import hashlib
import tomllib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.knowledge import cry_classifier
from bot.knowledge.cries import KINDS, sentences
from bot.knowledge.loader import LANGUAGES, codes
from tests.bench import cries as bench
from tests.conftest import TESTS

URGENT = ("emergency", "seizure", "sudden-brain-signs", "child-blood-signs")
SELF_HARM = "self-harm"
PENALTY = 5.0
"""``C`` of the logistic regression: 20 and 60 heard no more of lists newer than what they had learned from."""
QUIET_WEIGHT = 2.0
"""An everyday sentence that somebody wrote to raise a false alarm counts as two ways to ask."""
FOLDS = 5
_LISTS = ("questions", "questions_fresh", "questions_third")


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence of a language: one of ``KINDS``, or empty for an everyday one."""

    language: str
    text: str
    kind: str
    weight: float = 1.0

    @property
    def fold(self) -> int:
        """Which part it is judged with."""
        return int(hashlib.sha256(self.text.encode()).hexdigest(), 16) // 2 % FOLDS


def told() -> list[Told]:
    """All that is learned from, each sentence of a language once, cries before what is like them."""
    found: dict[tuple[str, str], Told] = {}
    for one in (*_cries(), *_everyday()):
        found.setdefault((one.language, one.text), one)
    return [one for one in found.values() if one.kind != "other"]


def _cries() -> Iterator[Told]:
    for code in codes():
        raised = tomllib.loads((TESTS / "data" / "languages" / code / "red_flags.toml").read_text("utf-8"))["raised"]
        for flag, texts in raised.items():
            of_kind = "self_harm" if flag == SELF_HARM else "emergency" if flag in URGENT else "other"
            yield from (Told(code, text, of_kind) for text in texts)
    for code, texts in bench.sentences("raised").items():
        # The list does not say of which kind a cry is: the rules that it was written for do.
        yield from (
            Told(code, text, kind)
            for text in texts
            if bench.half_of(text) == bench.TUNED_ON and (kind := bench.kind_of(text))
        )


def _everyday() -> Iterator[Told]:
    for code in codes():
        lists = tomllib.loads((TESTS / "data" / "languages" / code / "red_flags.toml").read_text("utf-8"))
        yield from (Told(code, text, "", QUIET_WEIGHT) for texts in lists["quiet"].values() for text in texts)
        for file in sorted((LANGUAGES / code / "faq").glob("*.toml")):
            for question in tomllib.loads(file.read_text("utf-8"))["questions"]:
                yield from (Told(code, text, "") for text in (question["question"], *question["phrasings"]))
    for code, talk in tomllib.loads((TESTS / "data" / "everyday_talk.toml").read_text("utf-8")).items():
        yield from (Told(code, says.format(who), "") for who in talk["who"] for says in talk["says"])
    for code, texts in bench.sentences("quiet").items():
        yield from (Told(code, text, "", QUIET_WEIGHT) for text in texts if bench.half_of(text) == bench.TUNED_ON)


def fitted(learned: Sequence[Told], kind: str) -> tuple[NDArray[np.float64], float]:
    """Weights [2 ** BITS] and bias that tell a kind of cry from everything else."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
    model.fit(
        _matrix([one.text for one in learned]),
        [one.kind == kind for one in learned],
        [one.weight for one in learned],
    )
    return model.coef_[0], float(model.intercept_[0])


def _matrix(texts: Sequence[str]) -> Any:
    from scipy.sparse import csr_matrix

    rows = [cry_classifier.places([word for sentence in sentences(text) for word in sentence]) for text in texts]
    starts = np.cumsum([0, *map(len, rows)])
    values = np.concatenate([np.full(len(row), max(len(row), 1) ** -0.5) for row in rows])
    return csr_matrix((values, np.concatenate(rows).astype(int), starts), (len(rows), 1 << cry_classifier.BITS))


def quantised(values: NDArray[np.float64], bias: float) -> cry_classifier.Weights:
    """As they are kept: the largest is 127 steps."""
    scale = float(np.abs(values).max() / 127)
    return cry_classifier.Weights(array("b", np.rint(values / scale).astype(np.int8).tobytes()), scale, bias)


def held_out(learned: Sequence[Told]) -> dict[int, Sequence[float]]:
    """For each sentence, by its place in ``learned``, the scores by a fit to the other folds."""
    scores: dict[int, Sequence[float]] = {}
    for fold in range(FOLDS):
        rest = [one for one in learned if one.fold != fold]
        here = [number for number, one in enumerate(learned) if one.fold == fold]
        matrix = _matrix([learned[number].text for number in here])
        both = np.stack([matrix @ values + bias for values, bias in (fitted(rest, kind) for kind in KINDS)], axis=1)
        scores.update(zip(here, both.tolist(), strict=True))
    return scores


def main() -> None:
    """Fit, print, and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m tests.cry_fitting", description=__doc__)
    parser.add_argument("--check", action="store_true", help="print only")
    check = parser.parse_args().check
    learned = told()
    scores = held_out(learned)

    print("raised by the classifier alone, each fifth by the other four: cries, sentences like cries, all other talk")
    for code in sorted({one.language for one in learned}):
        here = [(one, max(scores[number])) for number, one in enumerate(learned) if one.language == code]
        parts = (
            [score for one, score in here if one.kind],
            [score for one, score in here if not one.kind and one.weight > 1],
            [score for one, score in here if not one.kind and one.weight == 1],
        )
        print(f"{code}: {', '.join(map(_raised, parts))}")
    if not check:
        weights = [quantised(*fitted(learned, kind)) for kind in KINDS]
        cry_classifier.WEIGHTS.write_bytes(cry_classifier.packed(weights))
        cry_classifier._weights.cache_clear()
    asked = [text for name in _LISTS for text in _questions(name)]
    raised = [text for text in asked if cry_classifier.likely(text)]
    print(f"false alarms of the lists of questions, which took no part: {len(raised)} of {len(asked)}")
    for text in raised:
        print(f"  {text}")


def _raised(scores: Sequence[float]) -> str:
    raised = sum(score >= cry_classifier.LEAST for score in scores)
    return f"{raised} of {len(scores)}" + (f" ({100 * raised / len(scores):.1f} %)" if scores else "")


def _questions(name: str) -> Iterator[str]:
    for entries in tomllib.loads((TESTS / "data" / f"{name}.toml").read_text("utf-8")).values():
        yield from (text for texts in entries.values() for text in texts)


if __name__ == "__main__":
    main()
