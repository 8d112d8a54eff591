"""Hears in a typed message what needs help at once, without taking plain questions for an emergency.

A sign is written as words in order: ``weak one+side`` is "weak", then within three words "one", with "side" right
after it. ``/`` parts alternatives, ``&`` joins parts that may stand anywhere in the message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.content.words import Words

MOST_BETWEEN = 2
"""Other words that may stand between two words of a sign."""
NEGATION_REACH = 3
"""How many words before a sign a "no" or "not" may stand and still deny it."""
SHORTEST_TYPO = 5


@dataclass(frozen=True)
class Listening:
    """How a language asks, tells and denies (``[listening]`` of ``red_flags.toml``).

    A sentence that begins like one of ``information`` is a plain question, unless one of ``experience`` shows that
    it tells of somebody; one that begins like ``supposing`` is always a plain question. ``fillers`` are skipped
    at the start of a sentence. ``denials`` cancel a sign that follows, unless one of ``before`` follows the sign
    ("never had a fit before" tells of a first one).
    """

    fillers: Sequence[str]
    information: Sequence[str]
    supposing: Sequence[str]
    experience: Sequence[str]
    denials: Sequence[str]
    before: Sequence[str]


Term = tuple[frozenset[str], bool]
"""Words that may stand here, and whether the term must follow the one before it directly."""
Part = tuple[Term, ...]


class Ear:
    """Finds the first of several flags that a message raises."""

    def __init__(self, words: Words, listening: Listening, flags: Iterable[tuple[str, Sequence[str], bool]]) -> None:
        """``flags``: slug, signs, and whether even a plain question raises it; the most urgent first."""
        self._words = words
        self._fillers = _phrases(words, listening.fillers)
        self._information = _phrases(words, listening.information)
        self._supposing = _phrases(words, listening.supposing)
        self._experience = _phrases(words, listening.experience)
        self._denials = frozenset(word for entry in listening.denials for word in words.fold(entry))
        self._before = frozenset(word for entry in listening.before for word in words.fold(entry))
        self._flags = [(slug, [self._sign(sign) for sign in signs], always) for slug, signs, always in flags]
        self._vocabulary = sorted(
            {
                word
                for _, signs, _ in self._flags
                for sign in signs
                for part in sign
                for among, _ in part
                for word in among
                if len(word) >= SHORTEST_TYPO
            }
        )
        self._known = frozenset(self._vocabulary)

    def hear(self, text: str) -> str | None:
        """The slug of the first flag that ``text`` raises, or None."""
        sentences = [tuple(self._corrected(word) for word in sentence) for sentence in self._words.sentences(text)]
        telling = [sentence for sentence in sentences if not self._asks(sentence)]
        for slug, signs, always in self._flags:
            heard = sentences if always else telling
            if any(all(any(self._tells(s, part) for s in heard) for part in sign) for sign in signs):
                return slug
        return None

    def _sign(self, sign: str) -> tuple[Part, ...]:
        return tuple(tuple(self._terms(part)) for part in sign.split("&"))

    def _terms(self, part: str) -> Iterable[Term]:
        for group in part.split():
            for place, term in enumerate(group.split("+")):
                folded = frozenset(word for other in term.split("/") for word in self._words.fold(other))
                yield folded, place > 0

    def _corrected(self, word: str) -> str:
        if word in self._known or len(word) < SHORTEST_TYPO or not word.isascii():
            return word
        edits = 1 if len(word) < 8 else 2
        nearest = process.extractOne(word, self._vocabulary, scorer=OSA.distance, score_cutoff=edits)
        return nearest[0] if nearest and nearest[0][0] == word[0] else word

    def _asks(self, sentence: Sequence[str]) -> bool:
        start = 0
        while filler := _at(sentence, start, self._fillers):
            start += filler
        if _at(sentence, start, self._supposing):
            return True
        return bool(_at(sentence, start, self._information)) and not any(
            _at(sentence, place, self._experience) for place in range(start, len(sentence))
        )

    def _tells(self, sentence: Sequence[str], part: Part) -> bool:
        """Whether the words of ``part`` stand in ``sentence`` in order, and are not denied there."""
        first, _ = part[0]
        for place, word in enumerate(sentence):
            if word not in first:
                continue
            end = _follow(sentence, place, part[1:])
            if end is None:
                continue
            denied = not self._denials & first and bool(
                self._denials & set(sentence[max(0, place - NEGATION_REACH) : place])
            )
            if not denied or self._before & set(sentence[end + 1 :]):
                return True
        return False


def _follow(sentence: Sequence[str], place: int, terms: Sequence[Term]) -> int | None:
    """Where the last of ``terms`` stands when they follow ``place`` in order, or None."""
    for among, adjacent in terms:
        reach = place + 2 if adjacent else place + 2 + MOST_BETWEEN
        for following in range(place + 1, min(reach, len(sentence))):
            if sentence[following] in among:
                place = following
                break
        else:
            return None
    return place


def _phrases(words: Words, phrases: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted((words.fold(phrase) for phrase in phrases), key=len, reverse=True))


def _at(sentence: Sequence[str], place: int, phrases: Sequence[tuple[str, ...]]) -> int:
    """The length of the longest of ``phrases`` that stands at ``place``, or 0."""
    return next((len(phrase) for phrase in phrases if tuple(sentence[place : place + len(phrase)]) == phrase), 0)
