"""Finds the entry that a typed message asks for: rare words count more than common ones, typos are forgiven."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bot.content.words import Words

SMALL_WEIGHT = 0.15
"""What a small word ("what", "is", "the") weighs against a rare one."""
UNKNOWN_WEIGHT = 0.75
"""What a word that no entry uses weighs, as a share of the rarest known word: it speaks against every entry."""
SHORTEST_TYPO = 4
LIKE_ENOUGH = 0.74
"""Similarity (1 - edits / length) from which an unknown word counts as a mistyped known one."""
MOST_TYPOS = 12
CLOSEST = 12
"""Phrasings that are compared letter by letter after the word count."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to ask for an entry; ``whole`` ones (greetings, thanks) only answer a message that is nothing else."""

    key: str
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """How well an entry fits: ``score`` from 0 to 1, and the phrasing that it fits by."""

    key: str
    score: float
    phrasing: str


class Index:
    """Phrasings of all entries, ready to be searched."""

    def __init__(self, words: Words, phrasings: Iterable[Phrasing]) -> None:
        self._words = words
        self._phrasings = tuple(phrasings)
        self._tokens = tuple(tuple(dict.fromkeys(words.fold(phrasing.text))) for phrasing in self._phrasings)
        holders: dict[str, set[str]] = defaultdict(set)
        self._postings: dict[str, list[int]] = defaultdict(list)
        for number, (phrasing, tokens) in enumerate(zip(self._phrasings, self._tokens, strict=True)):
            for token in tokens:
                holders[token].add(phrasing.key)
                self._postings[token].append(number)
        entries = len({phrasing.key for phrasing in self._phrasings})
        rarest = math.log1p(entries)
        self._weight = {
            token: SMALL_WEIGHT if token in words.small_words else math.log1p(entries / len(keys)) / rarest
            for token, keys in holders.items()
        }
        self._vocabulary = [token for token in holders if len(token) >= SHORTEST_TYPO]
        self._total = tuple(sum(self._weight[token] for token in tokens) for tokens in self._tokens)

    def search(self, text: str, most: int = 5) -> list[Hit]:
        """The best-fitting entries, best first, each once."""
        sentences = self._words.sentences(text)
        best: dict[str, Hit] = {}
        passages = [tuple(word for sentence in sentences for word in sentence)]
        if len(sentences) > 1:
            passages.extend(sentences)
        for place, passage in enumerate(passages):
            for hit in self._passage(passage, whole=place == 0):
                if hit.key not in best or best[hit.key].score < hit.score:
                    best[hit.key] = hit
        return sorted(best.values(), key=lambda hit: -hit.score)[:most]

    def _passage(self, tokens: tuple[str, ...], *, whole: bool) -> list[Hit]:
        asked = 0.0
        found: dict[int, float] = defaultdict(float)
        corrected = []
        typos = 0
        for token in dict.fromkeys(tokens):
            known, likeness = token, 1.0
            if token not in self._weight:
                typos += 1
                known, likeness = self._nearest(token) if typos <= MOST_TYPOS else ("", 0.0)
            if not known:
                asked += SMALL_WEIGHT if token in self._words.small_words else UNKNOWN_WEIGHT
                continue
            corrected.append(known)
            weight = self._weight[known]
            asked += weight
            for number in self._postings[known]:
                found[number] += weight * likeness
        ranked = sorted(
            ((2 * weight / (asked + self._total[number]), number) for number, weight in found.items()), reverse=True
        )
        hits = []
        said = " ".join(corrected)
        for overlap, number in ranked[:CLOSEST]:
            phrasing = self._phrasings[number]
            if phrasing.whole and not whole:
                continue
            order = fuzz.ratio(said, " ".join(self._tokens[number])) / 100
            hits.append(Hit(phrasing.key, 0.85 * overlap + 0.15 * order * overlap, phrasing.text))
        return hits

    def _nearest(self, token: str) -> tuple[str, float]:
        """The known word that ``token`` is a typo of, and their similarity; an empty word when there is none."""
        if len(token) < SHORTEST_TYPO or not token.isascii():
            return "", 0.0
        nearest = process.extractOne(
            token, self._vocabulary, scorer=OSA.normalized_similarity, score_cutoff=LIKE_ENOUGH
        )
        return (nearest[0], nearest[1]) if nearest else ("", 0.0)
