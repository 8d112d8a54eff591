"""Finds the entry that a typed message asks for: rare words count more than common ones, typos are forgiven.

Two signals count. The best phrasing of an entry says how nearly it was asked in these words before (Dice's
coefficient of the words' weights); all of its phrasings together say how much the words speak for it, in whatever
sentence they stand (a naive Bayes classifier). Their shares were chosen by leaving out one phrasing at a time.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
NEARLY = 4
"""How fast that comes into force as a message moves away from a phrasing: in full from a fit of 1 - 1 / 4 down."""
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
EVIDENCE = 0.7
"""What full evidence for an entry takes off what its best phrasing lacks of a fit."""
SMALL_EVIDENCE = 0.35
"""What a small word weighs in that evidence: "how many" and "who" say more there than in a phrasing of few words."""
MOST_PHRASINGS = 25
"""As many phrasings as an entry may count with: those of a topic's sections are made by rule, and are hundreds."""
LEAST_WEIGHT = 0.5
"""Weight of words from which evidence counts in full: one small word alone shows nothing."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to ask for an entry; ``whole`` ones (greetings, thanks) only answer a message that is nothing else."""

    key: str
    text: str
    whole: bool = False

    @property
    def entry(self) -> str:
        """The key without its section: all sections of a topic are one entry."""
        return self.key.rpartition("/")[0]


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
        self._evidence = _Evidence(self._weight, words.small_words, self._phrasings, self._tokens)
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
        speaks = self._evidence.of(passage)
        best: dict[tuple[str, bool], tuple[float, int]] = {}
        for number, weight in shared.items():
            phrasing = self._phrasings[number]
            if phrasing.whole and (not whole or asked - weight > SMALL_REST):
                continue
            found = 2 * weight / (asked + self._total[number]), number
            place = phrasing.key, number in subject
            best[place] = max(found, best.get(place, found))
        closest = sorted(
            (
                (_with(speaks, self._phrasings[number], fit) * _on(is_on, fit), fit, number)
                for (_, is_on), (fit, number) in best.items()
            ),
            reverse=True,
        )
        said = " ".join(words)
        hits = []
        for _, overlap, number in closest[:CLOSEST]:
            phrasing = self._phrasings[number]
            order = fuzz.ratio(said, " ".join(self._tokens[number])) / 100
            score = _with(speaks, phrasing, (0.85 + 0.15 * order) * overlap) * _on(number in subject, overlap)
            hits.append(Hit(phrasing.key, score, phrasing.text))
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
        speaks = self._evidence.of(message)
        parts = (
            (self._phrasings[number], PART * self._best_run(message, number))
            for _, number in ranked[: 2 * CLOSEST]
            if number in subject and not self._phrasings[number].whole
        )
        return [Hit(phrasing.key, _with(speaks, phrasing, fit), phrasing.text) for phrasing, fit in parts]

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


class _Evidence:
    """How much words speak for each entry, by all of its phrasings: naive Bayes against what any phrasing holds."""

    def __init__(
        self,
        weight: Mapping[str, float],
        small: frozenset[str],
        phrasings: Sequence[Phrasing],
        tokens: Sequence[Sequence[str]],
    ) -> None:
        self._weight = {word: SMALL_EVIDENCE if word in small else heavy for word, heavy in weight.items()}
        holders: dict[str, Counter[str]] = defaultdict(Counter)
        asked: Counter[str] = Counter()
        for phrasing, words in zip(phrasings, tokens, strict=True):
            if not phrasing.whole:
                asked[phrasing.entry] += 1
                for word in words:
                    holders[word][phrasing.entry] += 1
        share = {entry: min(1.0, MOST_PHRASINGS / count) for entry, count in asked.items()}
        total = sum(share[entry] * count for entry, count in asked.items()) + 1
        self._absent = {entry: -math.log1p(share[entry] * count) for entry, count in asked.items()}
        self._present: dict[str, list[tuple[str, float]]] = {}
        for word, counts in holders.items():
            anywhere = sum(share[entry] * count for entry, count in counts.items()) + 0.5
            self._present[word] = [
                (entry, math.log1p(share[entry] * count * total / anywhere)) for entry, count in counts.items()
            ]

    def of(self, message: Iterable[_Heard]) -> Mapping[str, float]:
        """Entry -> 0 to 1; 0.5 where the words are as likely in any phrasing."""
        found: dict[str, float] = defaultdict(float)
        words = {heard.word or str(number): heard for number, heard in enumerate(message)}
        weight = 0.0
        for heard in words.values():
            heavy = self._weight.get(heard.word, SMALL_EVIDENCE if heard.weight == SMALL_WEIGHT else heard.weight)
            weight += heavy
            for entry, gain in self._present.get(heard.word, ()):
                found[entry] += heavy * heard.likeness * gain
        weight = max(weight, LEAST_WEIGHT)
        return {entry: 1 / (1 + math.exp(-(self._absent[entry] + gain / weight) / 2)) for entry, gain in found.items()}


def _with(speaks: Mapping[str, float], phrasing: Phrasing, fit: float) -> float:
    """A fit, raised by what the words say for the entry, never above the phrasing itself; small talk is not raised."""
    return fit if phrasing.whole else fit + (1 - fit) * EVIDENCE * speaks.get(phrasing.entry, 0.0)


def _on(subject: bool, fit: float) -> float:
    """What a fit counts that may share no word of the subject; a phrasing as it stands needs none."""
    return 1.0 if subject else 1 - (1 - OFF_SUBJECT) * min(1.0, NEARLY * (1 - fit))
