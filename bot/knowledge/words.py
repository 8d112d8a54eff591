"""From what a person types to comparable words: spelling, plurals, contractions and synonyms folded together."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

LONGEST_WORD = 40
"""Letters of a word that are compared: no real one is longer."""

_MARKS = "".join(chr(code) for code in range(0x300, 0x1B00) if unicodedata.category(chr(code)).startswith("M"))
"""Signs that belong to the letter before them: in many scripts they are vowels, which "\\w" does not know."""
WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*")
_STRETCHED = re.compile(r"([^\W\d])\1{2,}")
_SENTENCE_END = re.compile("[.?!;\n।॥؟؛۔。？！]+")
_NEVER = re.compile(r"(?!)")
_IDEOGRAPHS = "\u2e80"
"""Where scripts begin in which one character is a word, so that another one is no typo."""
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'"})


@dataclass(frozen=True)
class WordRules:
    """The word rules of one language (``words.toml``).

    ``capitals`` are replaced where they stand in capitals among small letters; ``rewrites`` are regular expressions
    with their replacements, applied to the whole text, which by then has small letters without accents;
    ``contractions`` are replaced as whole words; ``spelling`` and ``endings`` are regular expressions with their
    replacements, applied to each word in order; ``synonyms`` lists, under the word they all become, the words and
    phrases that mean the same here; ``small`` words weigh little in the search; ``subjects`` show that a message is
    about what the bot knows; ``sections`` says how people ask for one section of a topic.
    """

    capitals: Mapping[str, str]
    rewrites: Sequence[tuple[str, str]]
    contractions: Mapping[str, str]
    spelling: Sequence[tuple[str, str]]
    endings: Sequence[tuple[str, str]]
    synonyms: Mapping[str, Sequence[str]]
    small: Sequence[str]
    subjects: Sequence[str]
    sections: Mapping[str, Sequence[str]]

    def sentences(self, text: str, most_words: int, most_characters: int) -> tuple[tuple[str, ...], ...]:
        """Folded words of each sentence of ``text`` that has any; what is beyond the limits is not read."""
        left = most_words
        found = []
        for sentence in _SENTENCE_END.split(self._tidy(text[:most_characters])):
            words = self._fold(sentence)[:left]
            if words:
                left -= len(words)
                found.append(words)
            if left <= 0:
                break
        return tuple(found)

    def fold(self, text: str) -> tuple[str, ...]:
        """Folded words of a short text of ours."""
        return self._fold(self._tidy(text))

    def _tidy(self, text: str) -> str:
        text = text.translate(_QUOTES)
        if not text.isupper() or text.strip() in self.capitals:
            text = self._in_capitals.sub(lambda match: self.capitals[match[0]], text)
        text = bare(text)
        for pattern, new in self._rewritten:
            text = pattern.sub(new, text)
        return _STRETCHED.sub(r"\1", text)

    def _write_out(self, sentence: str) -> str:
        return self._contracted.sub(lambda match: self._contractions[match[0]], sentence)

    def fold_all(self, texts: Iterable[str]) -> Iterator[tuple[str, ...]]:
        """As ``fold``, many texts of ours; a word that comes again is not folded again."""
        stems: dict[str, str] = {}  # no longer than this: what people type is not kept
        return (self._fold(self._tidy(text), stems) for text in texts)

    def _fold(self, sentence: str, stems: dict[str, str] | None = None) -> tuple[str, ...]:
        words, stems = WORD.findall(self._write_out(sentence)), {} if stems is None else stems
        for word in words:
            if word not in stems:
                stems[word] = self._stem(word[:LONGEST_WORD])
        joined = self._phrases.sub(lambda match: self._phrase_table[match[0]], " ".join(stems[word] for word in words))
        return tuple(self._synonym.get(word, word) for word in joined.split())

    def _stem(self, word: str) -> str:
        for pattern, replacement in self._rules:
            word = pattern.sub(replacement, word)
        return word

    def _stems(self, phrase: str) -> str:
        return " ".join(self._stem(word) for word in WORD.findall(self._write_out(bare(phrase))))

    @cached_property
    def small_words(self) -> frozenset[str]:
        """The words that weigh little, folded."""
        return frozenset(word for entry in self.small for word in self._fold(bare(entry)))

    @cached_property
    def own_small(self) -> frozenset[str]:
        """The words that weigh little, as they are typed; none of those that another script mixes in."""
        entries = [word for entry in self.small for word in WORD.findall(bare(entry))]
        other = [word for word in entries if not word.isascii()]
        return frozenset(other if 2 * len(other) > len(entries) else entries)

    @cached_property
    def own_small_words(self) -> frozenset[str]:
        """As ``own_small``, folded."""
        return frozenset(folded for word in self.own_small for folded in self._fold(word))

    @cached_property
    def subject_words(self) -> frozenset[str]:
        """The words that show that a message is about what the bot knows, folded."""
        return frozenset(word for entry in self.subjects for word in self._fold(bare(entry)))

    @cached_property
    def _rewritten(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(pattern), new) for pattern, new in self.rewrites)

    @cached_property
    def _rules(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(pattern), new) for pattern, new in (*self.spelling, *self.endings))

    @cached_property
    def _in_capitals(self) -> re.Pattern[str]:
        return _alternatives(self.capitals)

    @cached_property
    def _contracted(self) -> re.Pattern[str]:
        return _alternatives(self._contractions)

    @cached_property
    def _contractions(self) -> Mapping[str, str]:
        return {bare(short): bare(whole) for short, whole in self.contractions.items()}

    @cached_property
    def _phrase_table(self) -> dict[str, str]:
        return {
            self._stems(other): self._stem(bare(word))
            for word, others in self.synonyms.items()
            for other in others
            if " " in other
        }

    @cached_property
    def _phrases(self) -> re.Pattern[str]:
        return _alternatives(self._phrase_table)

    @cached_property
    def _synonym(self) -> dict[str, str]:
        return {
            self._stem(bare(other)): self._stem(bare(word))
            for word, others in self.synonyms.items()
            for other in others
            if " " not in other
        }


def bare(text: str) -> str:
    """Small letters, without accents and without signs that can't be seen."""
    if text.isascii():
        return text.casefold()
    text = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in text if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")


def is_spelled(word: str) -> bool:
    """Whether a word is of letters, so that it may hold a typo."""
    return word < _IDEOGRAPHS


def _alternatives(phrases: Mapping[str, str]) -> re.Pattern[str]:
    """Whole words or phrases only, longest first."""
    if not phrases:
        return _NEVER
    ordered = sorted(phrases, key=len, reverse=True)
    either = "|".join(re.escape(phrase) for phrase in ordered)
    return re.compile(rf"(?<![\w{_MARKS}])(?:{either})(?![\w{_MARKS}])")
