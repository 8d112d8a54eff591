"""Finds the entry that a typed message asks for: rare words count more than common ones, typos are forgiven.

Two signals count. The best phrasing of an entry says how nearly it was asked in these words before (Dice's
coefficient of the words' weights); all of its phrasings together say how much the words speak for it, in whatever
sentence they stand (a naive Bayes classifier). Their shares were chosen by leaving out one phrasing at a time.

Words, phrasings and entries are numbers here, and what is known of them stands in arrays, since every bot holds them
for every language. They are not NumPy's: the bot does without it, and it would take more than it saves.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, KeysView, Sequence
from dataclasses import dataclass, replace

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


NO_WORD = -1


@dataclass(frozen=True, slots=True)
class _Heard:
    """A word of the message: the known word that it is (or is a typo of), or ``NO_WORD``, and what it weighs."""

    word: int
    weight: float
    likeness: float = 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """How well an entry fits: ``score`` from 0 to 1."""

    key: str
    score: float
    backed: bool
    """Whether the words of the message, in all phrasings together, speak for no other entry more; small talk is."""


class _Rows:
    """Rows of whole numbers below 65,536, of different lengths, in one array."""

    def __init__(self, rows: Iterable[Iterable[int]]) -> None:
        self._values, self._ends = array("H"), array("I", [0])
        for row in rows:
            self._values.extend(row)
            self._ends.append(len(self._values))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> "array[int]":
        return self._values[self.place(number)]

    def place(self, number: int) -> slice:
        """Where a row stands among the values of all."""
        return slice(self._ends[number], self._ends[number + 1])


class Index:
    """Phrasings of all entries, ready to be searched."""

    def __init__(self, words: WordRules, phrasings: Iterable[Phrasing]) -> None:
        self._words = words
        self._ids: dict[str, int] = {}
        keys: dict[tuple[str, bool], int] = {}
        counts: dict[tuple[int, tuple[int, ...]], int] = {}  # phrasings that are folded to the same are one
        asked = list(phrasings)
        for phrasing, folded in zip(asked, words.fold_all(phrasing.text for phrasing in asked), strict=True):
            key = keys.setdefault((phrasing.key, phrasing.whole), len(keys))
            same = key, tuple(self._ids.setdefault(word, len(self._ids)) for word in dict.fromkeys(folded))
            counts[same] = counts.pop(same, 0) + 1
        self._names = tuple(self._ids)
        self._keys = tuple(key for key, _ in keys)
        self._whole = tuple(whole for _, whole in keys)
        self._key_of = array("H", (key for key, _ in counts))
        self._tokens = _Rows(tokens for _, tokens in counts)
        self._weight = self._weights(counts)
        self._total = array("d", (sum(self._weight[word] for word in tokens) for _, tokens in counts))
        postings: list[list[int]] = [[] for _ in self._ids]
        for number, (_, tokens) in enumerate(counts):
            for word in tokens:
                postings[word].append(number)
        self._postings = _Rows(postings)
        self._small = bytes(word in words.small_words for word in self._names)
        self._subject = bytes(word in words.subject_words for word in self._names)
        self._vocabulary = [word for word in self._names if len(word) >= SHORTEST_TYPO]
        self._entries = tuple(dict.fromkeys(key.rpartition("/")[0] for key in self._keys))
        self._entry_of = array("H", (self._entries.index(key.rpartition("/")[0]) for key in self._keys))
        self._evidence = _Evidence(
            [SMALL_EVIDENCE if small else heavy for small, heavy in zip(self._small, self._weight, strict=True)],
            ((self._entry_of[key], tokens, count) for (key, tokens), count in counts.items() if not self._whole[key]),
            len(self._entries),
        )

    def _weights(self, counts: Iterable[tuple[int, tuple[int, ...]]]) -> "array[float]":
        """What each word weighs: the more, the fewer keys hold it."""
        holders: list[set[str]] = [set() for _ in self._ids]
        for key, tokens in counts:
            for word in tokens:
                holders[word].add(self._keys[key])
        entries = len(set(self._keys))
        rarest = math.log1p(entries)
        return array(
            "d",
            (
                SMALL_WEIGHT if word in self._words.small_words else math.log1p(entries / len(keys)) / rarest
                for word, keys in zip(self._names, holders, strict=True)
            ),
        )

    @property
    def words(self) -> KeysView[str]:
        """Every folded word that a phrasing uses."""
        return self._ids.keys()

    def search(self, text: str, most: int = 5) -> list[Hit]:
        """The best-fitting entries, best first, each once."""
        sentences = self._listen(text)
        message = [heard for sentence in sentences for heard in sentence]
        shared, speaks = self._shared(message), self._evidence.of(message)
        hits = self._fits(message, shared, speaks, whole=True)
        if len(sentences) > 1:
            for sentence in dict.fromkeys(map(tuple, sentences)):
                hits.extend(self._fits(sentence, self._shared(sentence), self._evidence.of(sentence), whole=False))
        if len(message) >= LONG:
            hits.extend(self._parts(message, shared, speaks))
        best: dict[str, Hit] = {}
        for hit in hits:
            if hit.key not in best or best[hit.key].score < hit.score:
                best[hit.key] = hit
        most_said = max(speaks, default=0.0)
        backed = {entry for entry, said in zip(self._entries, speaks, strict=True) if said >= most_said}
        first = sorted(best.values(), key=lambda hit: -hit.score)[:most]
        return [replace(hit, backed=hit.backed or hit.key.rpartition("/")[0] in backed) for hit in first]

    def mentioned(self, text: str) -> list[str]:
        """Keys of the entries with a phrasing on the subject of which the message holds every word, heaviest first."""
        message = [heard for sentence in self._listen(text) for heard in sentence]
        words, shared, subject = {heard.word for heard in message}, self._shared(message), self._on_subject(message)
        held = [number for number, is_on in enumerate(subject) if is_on and words.issuperset(self._tokens[number])]
        held.sort(key=lambda number: (-shared[number], number))
        keys = (self._key_of[number] for number in held)
        return list(dict.fromkeys(self._keys[key] for key in keys if not self._whole[key]))

    def _listen(self, text: str) -> list[list[_Heard]]:
        typos = 0
        sentences = []
        for sentence in self._words.sentences(text, MOST_WORDS, LONGEST_TEXT):
            heard = []
            for token in sentence:
                if (word := self._ids.get(token)) is not None:
                    heard.append(_Heard(word, self._weight[word]))
                elif token in self._words.small_words:
                    heard.append(_Heard(NO_WORD, SMALL_WEIGHT))
                else:
                    typos += 1
                    heard.append(self._mistyped(token) if typos <= MOST_TYPOS else _Heard(NO_WORD, UNKNOWN_WEIGHT))
            sentences.append(heard)
        return sentences

    def _mistyped(self, token: str) -> _Heard:
        if len(token) >= SHORTEST_TYPO and is_spelled(token):
            nearest = process.extractOne(
                token, self._vocabulary, scorer=OSA.normalized_similarity, score_cutoff=LIKE_ENOUGH
            )
            if nearest:
                word = self._ids[nearest[0]]
                return _Heard(word, self._weight[word], nearest[1])
        return _Heard(NO_WORD, UNKNOWN_WEIGHT)

    def _fits(
        self, passage: Sequence[_Heard], shared: Sequence[float], speaks: Sequence[float], *, whole: bool
    ) -> list[Hit]:
        """Phrasings that the passage as a whole fits: Dice's coefficient of the weights, and a little for the order."""
        words = _known(passage)
        asked = sum(heard.weight for heard in words.values()) + sum(
            heard.weight for heard in passage if heard.word == NO_WORD
        )
        subject, key_of, total = self._on_subject(passage), self._key_of, self._total
        places = 2 * len(self._keys)  # a key has two: of its phrasings off the subject, and of those on it
        fits, numbers = [0.0] * places, [0] * places
        for number, weight in enumerate(shared):
            if weight:
                fit = 2 * weight / (asked + total[number])
                place = 2 * key_of[number] + subject[number]
                if fit >= fits[place] and (not self._whole[key_of[number]] or (whole and asked - weight <= SMALL_REST)):
                    fits[place], numbers[place] = fit, number
        closest = sorted(
            (
                (self._with(speaks, place // 2, fit) * _on(place % 2, fit), fit, number, place % 2)
                for place, (fit, number) in enumerate(zip(fits, numbers, strict=True))
                if fit
            ),
            reverse=True,
        )
        said = self._said(words)
        hits = []
        for _, overlap, number, is_on in closest[:CLOSEST]:
            key = key_of[number]
            order = fuzz.ratio(said, self._said(self._tokens[number])) / 100
            fit = (0.85 + 0.15 * order) * overlap
            hits.append(Hit(self._keys[key], self._with(speaks, key, fit) * _on(is_on, overlap), self._whole[key]))
        return hits

    def _parts(self, message: Sequence[_Heard], shared: Sequence[float], speaks: Sequence[float]) -> list[Hit]:
        """Phrasings that some run of words of a long message fits."""
        subject = self._on_subject(message)
        ranked = sorted(
            ((weight / self._total[number], number) for number, weight in enumerate(shared) if weight >= PART_WEIGHT),
            reverse=True,
        )
        parts = (
            (self._key_of[number], PART * self._best_run(message, number))
            for _, number in ranked[: 2 * CLOSEST]
            if subject[number] and not self._whole[self._key_of[number]]
        )
        return [Hit(self._keys[key], self._with(speaks, key, fit), backed=False) for key, fit in parts]

    def _best_run(self, message: Sequence[_Heard], number: int) -> float:
        """The best Dice's coefficient of the phrasing and any run of words that starts and ends with one of its own."""
        wanted = set(self._tokens[number])
        places = [place for place, heard in enumerate(message) if heard.word in wanted]
        best = 0.0
        for first, start in enumerate(places):
            asked = shared = 0.0
            seen: set[int] = set()
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

    def _shared(self, passage: Iterable[_Heard]) -> list[float]:
        """Weight that each phrasing shares with the words."""
        shared = [0.0] * len(self._tokens)
        for heard in _known(passage).values():
            weight = heard.weight * heard.likeness
            for number in self._postings[heard.word]:
                shared[number] += weight
        return shared

    def _on_subject(self, passage: Iterable[_Heard]) -> bytearray:
        """Of each phrasing, whether it shares a word of the subject with the words."""
        found = bytearray(len(self._tokens))
        for word in {heard.word for heard in passage if heard.word != NO_WORD and self._subject[heard.word]}:
            for number in self._postings[word]:
                found[number] = True
        return found

    def _said(self, words: Iterable[int]) -> str:
        return " ".join(map(self._names.__getitem__, words))

    def _with(self, speaks: Sequence[float], key: int, fit: float) -> float:
        """A fit, raised by what the words say for the entry, never above the phrasing itself; small talk is not."""
        return fit if self._whole[key] else fit + (1 - fit) * EVIDENCE * speaks[self._entry_of[key]]


class _Evidence:
    """How much words speak for each entry, by all of its phrasings: naive Bayes against what any phrasing holds."""

    def __init__(
        self, weight: Iterable[float], phrasings: Iterable[tuple[int, Sequence[int], int]], entries: int
    ) -> None:
        """``weight``: of each word. ``phrasings``: the entry, the words, and how many phrasings hold just these."""
        self._weight = array("d", weight)
        holders: list[Counter[int]] = [Counter() for _ in self._weight]
        asked: Counter[int] = Counter()
        for entry, words, count in phrasings:
            asked[entry] += count
            for word in words:
                holders[word][entry] += count
        share = {entry: min(1.0, MOST_PHRASINGS / count) for entry, count in asked.items()}
        total = sum(share[entry] * count for entry, count in asked.items()) + 1
        self._absent = array(
            "d", (-math.log1p(share[entry] * asked[entry]) if asked[entry] else 0.0 for entry in range(entries))
        )
        self._entries = _Rows(holders)
        self._gains = array("d")
        for counts in holders:
            anywhere = sum(share[entry] * count for entry, count in counts.items()) + 0.5
            self._gains.extend(math.log1p(share[entry] * count * total / anywhere) for entry, count in counts.items())

    def of(self, message: Iterable[_Heard]) -> Sequence[float]:
        """For each entry 0 to 1; 0.5 where the words are as likely in any phrasing, 0 where it has none of them."""
        found = [0.0] * len(self._absent)
        weight = 0.0
        for word, heard in {
            heard.word if heard.word != NO_WORD else ~place: heard for place, heard in enumerate(message)
        }.items():
            if word < 0:
                weight += SMALL_EVIDENCE if heard.weight == SMALL_WEIGHT else heard.weight
                continue
            weight += self._weight[word]
            heavy = self._weight[word] * heard.likeness
            for entry, gain in zip(self._entries[word], self._gains[self._entries.place(word)], strict=True):
                found[entry] += heavy * gain
        weight = max(weight, LEAST_WEIGHT)
        return [
            1 / (1 + math.exp(-(absent + gain / weight) / 2)) if gain else 0.0
            for absent, gain in zip(self._absent, found, strict=True)
        ]


def _known(passage: Iterable[_Heard]) -> dict[int, _Heard]:
    """The known words of a passage, each once."""
    return {heard.word: heard for heard in passage if heard.word != NO_WORD}


def _on(subject: int, fit: float) -> float:
    """What a fit counts that may share no word of the subject; a phrasing as it stands needs none."""
    return 1.0 if subject else 1 - (1 - OFF_SUBJECT) * min(1.0, NEARLY * (1 - fit))
