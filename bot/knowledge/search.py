"""Finds the entry that a typed message asks for: rare words count more than common ones, typos are forgiven."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bot.knowledge.words import WordRules, is_spelled

SMALL_WEIGHT = 0.15
"""What a small word ("what", "is", "the") weighs against a rare one."""
UNKNOWN_WEIGHT = 0.85
"""What a word that no entry uses weighs, as a share of the rarest known word: it speaks against every entry."""
OFF_SUBJECT = 0.75
"""What a fit counts that shares no word of the subject (tumour, picture, report ...) with the message."""
SMALL_REST = 0.5
"""Weight of other words that a greeting may hold and still be only a greeting."""
LONG = 9
"""Words from which a message may hold the question in one part of it."""
PART = 0.85
"""What a fit counts that holds for a part of a long message only."""
PART_WEIGHT = 1.2
"""Weight that message and phrasing must share for that: more than one telling word."""
SHORTEST_TYPO = 4
LIKE_ENOUGH = 0.8
"""Similarity (1 - edits / length) from which an unknown word counts as a mistyped known one."""
LONGEST_TEXT = 800
"""Characters of a message that are searched: a question stands at its start, and the work stays bounded."""
MOST_WORDS = 60
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
class _Heard:
    """A word of the message: the known word that it is (or is a typo of), or an empty one, and what it weighs."""

    word: str
    weight: float
    likeness: float = 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """How well an entry fits: ``score`` from 0 to 1, and the phrasing that it fits by."""

    key: str
    score: float
    phrasing: str


class Index:
    """Phrasings of all entries, ready to be searched."""

    def __init__(self, words: WordRules, phrasings: Iterable[Phrasing]) -> None:
        self._words = words
        self._phrasings = tuple(phrasings)
        self._tokens = tuple(
            tuple(dict.fromkeys(folded)) for folded in words.fold_all(phrasing.text for phrasing in self._phrasings)
        )
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

    @cached_property
    def words(self) -> frozenset[str]:
        """Every folded word that a phrasing uses."""
        return frozenset(self._weight)

    def search(self, text: str, most: int = 5) -> list[Hit]:
        """The best-fitting entries, best first, each once."""
        sentences = self._listen(text)
        message = [heard for sentence in sentences for heard in sentence]
        hits = self._fits(message, whole=True)
        if len(sentences) > 1:
            for sentence in sentences:
                hits.extend(self._fits(sentence, whole=False))
        if len(message) >= LONG:
            hits.extend(self._parts(message))
        best: dict[str, Hit] = {}
        for hit in hits:
            if hit.key not in best or best[hit.key].score < hit.score:
                best[hit.key] = hit
        return sorted(best.values(), key=lambda hit: -hit.score)[:most]

    def mentioned(self, text: str) -> list[str]:
        """Keys of the entries with a phrasing on the subject of which the message holds every word, heaviest first."""
        words = {heard.word: heard for sentence in self._listen(text) for heard in sentence if heard.word}
        shared = self._shared(words.values())
        held = [number for number in self._on_subject(words) if set(self._tokens[number]) <= words.keys()]
        held.sort(key=lambda number: (-shared[number], number))
        return list(dict.fromkeys(self._phrasings[number].key for number in held if not self._phrasings[number].whole))

    def _listen(self, text: str) -> list[list[_Heard]]:
        typos = 0
        sentences = []
        for sentence in self._words.sentences(text, MOST_WORDS, LONGEST_TEXT):
            heard = []
            for token in sentence:
                if token in self._weight:
                    heard.append(_Heard(token, self._weight[token]))
                elif token in self._words.small_words:
                    heard.append(_Heard("", SMALL_WEIGHT))
                else:
                    typos += 1
                    heard.append(self._mistyped(token) if typos <= MOST_TYPOS else _Heard("", UNKNOWN_WEIGHT))
            sentences.append(heard)
        return sentences

    def _mistyped(self, token: str) -> _Heard:
        if len(token) >= SHORTEST_TYPO and is_spelled(token):
            nearest = process.extractOne(
                token, self._vocabulary, scorer=OSA.normalized_similarity, score_cutoff=LIKE_ENOUGH
            )
            if nearest:
                return _Heard(nearest[0], self._weight[nearest[0]], nearest[1])
        return _Heard("", UNKNOWN_WEIGHT)

    def _fits(self, passage: list[_Heard], *, whole: bool) -> list[Hit]:
        """Phrasings that the passage as a whole fits: Dice's coefficient of the weights, and a little for the order."""
        words = {heard.word: heard for heard in passage if heard.word}
        asked = sum(heard.weight for heard in words.values()) + sum(h.weight for h in passage if not h.word)
        shared = self._shared(words.values())
        subject = self._on_subject(words)
        ranked = sorted(
            (
                (2 * weight / (asked + self._total[number]) * (1 if number in subject else OFF_SUBJECT), number)
                for number, weight in shared.items()
            ),
            reverse=True,
        )
        hits = []
        said = " ".join(words)
        for overlap, number in ranked[:CLOSEST]:
            phrasing = self._phrasings[number]
            if phrasing.whole and (not whole or asked - shared[number] > SMALL_REST):
                continue
            order = fuzz.ratio(said, " ".join(self._tokens[number])) / 100
            hits.append(Hit(phrasing.key, (0.85 + 0.15 * order) * overlap, phrasing.text))
        return hits

    def _parts(self, message: list[_Heard]) -> list[Hit]:
        """Phrasings that some run of words of a long message fits."""
        words = {heard.word: heard for heard in message if heard.word}
        subject = self._on_subject(words)
        shared = self._shared(words.values())
        ranked = sorted(
            ((weight / self._total[number], number) for number, weight in shared.items() if weight >= PART_WEIGHT),
            reverse=True,
        )
        return [
            Hit(self._phrasings[number].key, PART * self._best_run(message, number), self._phrasings[number].text)
            for _, number in ranked[: 2 * CLOSEST]
            if number in subject and not self._phrasings[number].whole
        ]

    def _best_run(self, message: list[_Heard], number: int) -> float:
        """The best Dice's coefficient of the phrasing and any run of words that starts and ends with one of its own."""
        wanted = set(self._tokens[number])
        places = [place for place, heard in enumerate(message) if heard.word in wanted]
        best = 0.0
        for first, start in enumerate(places):
            asked = shared = 0.0
            seen: set[str] = set()
            place = start
            for end in places[first:]:
                for heard in message[place : end + 1]:
                    if heard.word in wanted and heard.word not in seen:
                        seen.add(heard.word)
                        shared += heard.weight * heard.likeness
                        asked += heard.weight
                    elif heard.word not in wanted:
                        asked += heard.weight
                place = end + 1
                if shared >= PART_WEIGHT:
                    best = max(best, 2 * shared / (asked + self._total[number]))
        return best

    def _shared(self, words: Iterable[_Heard]) -> dict[int, float]:
        """Weight that each phrasing shares with the words."""
        shared: dict[int, float] = defaultdict(float)
        for heard in words:
            for number in self._postings[heard.word]:
                shared[number] += heard.weight * heard.likeness
        return shared

    def _on_subject(self, words: Iterable[str]) -> set[int]:
        """Phrasings that share a word of the subject with the words."""
        return {number for word in words if word in self._words.subject_words for number in self._postings[word]}
