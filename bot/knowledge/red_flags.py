"""Hears in a typed message what needs help at once, without taking plain questions for an emergency.

A sign is written as words in order: ``weak one+side`` is "weak", then a little later "one", with "side" right after
it. ``/`` parts alternatives, ``&`` joins parts that may stand anywhere in the message.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.knowledge.words import WordRules, is_spelled

MOST_BETWEEN = 2
"""Words of weight that may stand between two words of a sign; small words ("of my", "is") are not counted."""
FARTHEST = 8
"""How many words after a word of a sign the next one may stand at most."""
NEGATION_REACH = 3
"""How many words before a sign a "no" or "not" may stand and still deny it."""
NEAR_NEGATION = 2
"""The same for an ``always`` flag: "I can't go on, I want to die" denies nothing."""
ASIDE_REACH = 3
"""How near a sign a word must stand that shows that something else is meant."""
SHORTEST_TYPO = 5
LONG_WORD = 8
"""Letters from which a word may hold two typos."""
MOST_TYPOS = 60
LONGEST_TEXT = 4096
"""Characters of a message that are heard: all that Telegram allows, since help may be asked for in the last line."""
MOST_WORDS = 900


@dataclass(frozen=True)
class Listening:
    """How a language asks, tells and denies (``[listening]`` of ``red_flags.toml``).

    A sentence that begins like one of ``information`` is a plain question, unless one of ``experience`` shows that
    it tells of somebody; one that begins like ``supposing`` is always a plain question. ``fillers`` are skipped
    at the start of a sentence. ``denials`` cancel a sign that follows, unless one of ``before`` follows the sign
    ("never had a fit before" tells of a first one). A sign that holds a denial itself ("can't breathe") is not
    cancelled.

    For languages that put these elsewhere: ``asking`` shows a plain question anywhere in a sentence, as
    ``information`` does at its start; ``denials_after`` cancel a sign that they follow.
    """

    fillers: Sequence[str]
    information: Sequence[str]
    supposing: Sequence[str]
    experience: Sequence[str]
    denials: Sequence[str]
    before: Sequence[str]
    asking: Sequence[str] = ()
    denials_after: Sequence[str] = ()


@dataclass(frozen=True)
class Signs:
    """What raises one flag. ``always``: plain questions raise it too. ``aside``: words near a sign that cancel it."""

    slug: str
    signs: Sequence[str]
    always: bool
    aside: Sequence[str]


Term = tuple[frozenset[str], bool]
"""Words that may stand here, and whether the term must follow the one before it directly."""
Part = tuple[Term, ...]


@dataclass(frozen=True)
class _Flag:
    slug: str
    signs: tuple[tuple[Part, ...], ...]
    always: bool
    aside: frozenset[str]

    def words(self) -> Iterable[str]:
        return (word for sign in self.signs for part in sign for among, _ in part for word in among)


class RedFlagDetector:
    """Finds the first of several flags that a message raises."""

    def __init__(self, words: WordRules, listening: Listening, flags: Iterable[Signs], known: Container[str]) -> None:
        """``flags``: the most urgent first. ``known``: folded words that are no typos of a sign."""
        self._words = words
        self._fillers = _phrases(words, listening.fillers)
        self._information = _phrases(words, listening.information)
        self._supposing = _phrases(words, listening.supposing)
        self._experience = _phrases(words, listening.experience)
        self._denials = _all_words(words, listening.denials)
        self._before = _all_words(words, listening.before)
        self._asking = _phrases(words, listening.asking)
        self._denials_after = _all_words(words, listening.denials_after)
        self._flags = tuple(
            _Flag(flag.slug, tuple(self._sign(sign) for sign in flag.signs), flag.always, _all_words(words, flag.aside))
            for flag in flags
        )
        vocabulary = {word for flag in self._flags for word in flag.words()}
        leads = (self._fillers, self._information, self._supposing, self._experience, self._asking)
        lead_words = {word for lead in leads for phrases in lead.values() for phrase in phrases for word in phrase}
        self._own, self._known = vocabulary | lead_words, known
        self._vocabulary = sorted(word for word in vocabulary if len(word) >= SHORTEST_TYPO)

    def hear(self, text: str) -> str | None:
        """The slug of the first flag that ``text`` raises, or None."""
        typed = self._words.sentences(text, MOST_WORDS, LONGEST_TEXT)
        known = self._corrections({word for sentence in typed for word in sentence})
        sentences = [tuple(known[word] for word in sentence) for sentence in typed]
        telling = [sentence for sentence in sentences if not self._asks(sentence)]
        for flag in self._flags:
            heard = sentences if flag.always else telling
            if any(self._raises(heard, sign, flag) for sign in _possible(flag.signs, heard)):
                return flag.slug
        return None

    def _raises(self, sentences: Sequence[Sequence[str]], sign: Sequence[Part], flag: _Flag) -> bool:
        return all(any(self._tells(sentence, part, flag) for sentence in sentences) for part in sign)

    def _sign(self, sign: str) -> tuple[Part, ...]:
        return tuple(tuple(self._terms(part)) for part in sign.split("&"))

    def _terms(self, part: str) -> Iterable[Term]:
        for group in part.split():
            for place, term in enumerate(group.split("+")):
                folded = frozenset(word for other in term.split("/") for word in self._words.fold(other))
                yield folded, place > 0

    def _corrections(self, words: set[str]) -> dict[str, str]:
        """Each word with the word of a sign that it is a typo of, or with itself."""
        unknown = sorted(w for w in words if len(w) >= SHORTEST_TYPO and is_spelled(w) and not self._is_known(w))
        found = {word: word for word in words}
        for word in unknown[:MOST_TYPOS]:
            edits = 1 if len(word) < LONG_WORD else 2
            nearest = process.extractOne(word, self._vocabulary, scorer=OSA.distance, score_cutoff=edits)
            if nearest and nearest[0][0] == word[0]:
                found[word] = nearest[0]
        return found

    def _is_known(self, word: str) -> bool:
        return word in self._own or word in self._known

    def _asks(self, sentence: Sequence[str]) -> bool:
        start = 0
        while filler := _at(sentence, start, self._fillers):
            start += filler
        if _at(sentence, start, self._supposing):
            return True
        places = range(start, len(sentence))
        asks = _at(sentence, start, self._information) or any(_at(sentence, at, self._asking) for at in places)
        return bool(asks) and not any(_at(sentence, at, self._experience) for at in places)

    def _tells(self, sentence: Sequence[str], part: Part, flag: _Flag) -> bool:
        """Whether the words of ``part`` stand in ``sentence`` in order, not denied and not about something else."""
        first, _ = part[0]
        denies = any((self._denials | self._denials_after) & among for among, _ in part)
        reach = NEAR_NEGATION if flag.always else NEGATION_REACH
        for place, word in enumerate(sentence):
            end = self._follow(sentence, place, part[1:]) if word in first else None
            if end is None or flag.aside & set(sentence[max(0, place - ASIDE_REACH) : end + 1 + ASIDE_REACH]):
                continue
            denied = not denies and bool(
                self._denials & set(sentence[max(0, place - reach) : place])
                or self._denials_after & set(sentence[end + 1 : end + 1 + NEGATION_REACH])
            )
            if not denied or self._before & set(sentence[end + 1 :]):
                return True
        return False

    def _follow(self, sentence: Sequence[str], place: int, terms: Sequence[Term]) -> int | None:
        """Where the last of ``terms`` stands when they follow ``place`` in order, or None."""
        for among, adjacent in terms:
            between = 0
            reach = place + (2 if adjacent else 1 + FARTHEST)
            for following in range(place + 1, min(reach, len(sentence))):
                if sentence[following] in among:
                    place = following
                    break
                between += sentence[following] not in self._words.small_words
                if between > MOST_BETWEEN:
                    return None
            else:
                return None
        return place


def _possible(signs: Iterable[tuple[Part, ...]], sentences: Sequence[Sequence[str]]) -> Iterable[tuple[Part, ...]]:
    """The signs of which every term has a word in the sentences."""
    words = frozenset(word for sentence in sentences for word in sentence)
    return (sign for sign in signs if not any(among.isdisjoint(words) for part in sign for among, _ in part))


def _all_words(words: WordRules, texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in words.fold(text))


Phrases = Mapping[str, Sequence[tuple[str, ...]]]
"""Folded phrases under their first words, the longest first."""


def _phrases(words: WordRules, phrases: Iterable[str]) -> Phrases:
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for phrase in sorted((words.fold(phrase) for phrase in phrases), reverse=True):  # what goes on comes before
        found[phrase[0]].append(phrase)
    return found


def _at(sentence: Sequence[str], place: int, phrases: Phrases) -> int:
    """The length of the longest of ``phrases`` that stands at ``place``, or 0."""
    candidates = phrases.get(sentence[place], ()) if place < len(sentence) else ()
    return next((len(phrase) for phrase in candidates if tuple(sentence[place : place + len(phrase)]) == phrase), 0)
