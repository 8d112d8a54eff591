"""Hears a cry for help in any of the languages that ``cries/`` knows, whatever language the chat is set to.

A second detector behind the red flags of the chat's own language (``red_flags.py``): simpler, and quicker to raise an
alarm. A sign is words in their order, at most ``MOST_BETWEEN`` others between two of them; ``a/b`` are alternatives and
``stem*`` is any word that begins so; ``$`` at its end asks that nothing follows. Letters are compared without case and
accents.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from bot.knowledge.knowledge import RedFlag
from bot.knowledge.loader import read

FOLDER = Path(__file__).parent / "cries"
MOST_BETWEEN = 5
DENIAL_REACH = 3
"""How many words before a sign a denial may stand and still deny it."""
WITHOUT = frozenset({"without", "sin", "ohne", "без", "sans", "sem", "بدون"})
"""Denies what follows, whichever language its sign is of: many words are the same in several."""
LONGEST_TEXT, MOST_WORDS = 4096, 900
_BASES_WITH_ACCENTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC")
_SPELLED_OUT = str.maketrans({"ß": "ss", "ı": "i", "ø": "o", "ł": "l", "ٱ": "ا", "ى": "ي"})
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@dataclass(frozen=True, slots=True)
class _Language:
    questions: tuple[str, ...]
    denials: tuple[str, ...]
    self_harm_answer: str
    emergency_answer: str
    self_harm: tuple[str, ...]
    emergency: tuple[str, ...]
    questions_at_end: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()
    """Sayings that hold a sign and mean something else."""


Term = tuple[str, ...]
Sign = tuple[Term, ...]
Kind = Literal["self_harm", "emergency"]
KINDS: tuple[Kind, ...] = ("self_harm", "emergency")
END = ("$",)
STEM = 3
"""Letters by which signs that begin with a stem are looked up."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """The signs of one kind, by the words that may begin them."""

    answer: str
    by_word: Mapping[str, Sequence[Sign]]
    by_stem: Mapping[str, Sequence[Sign]]

    def beginning_with(self, word: str) -> Iterable[Sign]:
        return (*self.by_word.get(word, ()), *self.by_stem.get(word[:STEM], ()))


@dataclass(frozen=True, slots=True)
class _CryRules:
    """What is heard, asked and denied in one language."""

    code: str
    questions: tuple[tuple[str, ...], ...]
    questions_at_end: tuple[tuple[str, ...], ...]
    denials: tuple[tuple[str, ...], ...]
    asides: tuple[Sign, ...]
    kinds: Mapping[Kind, _Signs]


def languages() -> tuple[str, ...]:
    """Codes of the languages in which cries are heard."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def hear(text: str) -> RedFlag | None:
    """The gravest cry in ``text`` as a red flag in the language of the sign, or None; self-harm before all else."""
    said = {way: _sentences(text, way) for way in {_way(rules.code) for rules in _all_rules()}}
    for kind in KINDS:
        for rules in _all_rules():
            if any(_heard(sentence, rules, kind) for sentence in said[_way(rules.code)]):
                return _flag(kind, rules)
    return None


def answer(kind: Kind, *codes: str) -> RedFlag:
    """What is said to a cry of ``kind``, in the first of these languages that has an answer, or else in English."""
    by_code = {rules.code: rules for rules in _all_rules()}
    return _flag(kind, next((by_code[code] for code in codes if code in by_code), by_code["en"]))


def sentences(text: str) -> Sequence[Sequence[str]]:
    """Words of each sentence of ``text``, folded as those of most languages are."""
    return _sentences(text, _way(""))


def asks(sentence: Sequence[str]) -> bool:
    """Whether one of ``sentences`` is a plain question, such as what a seizure is, in any of the languages."""
    # What the rules of one language know of questions, all of its way do: they have those of every language.
    return _asks(sentence, next(rules for rules in _all_rules() if _way(rules.code) == _way("")))


def is_aside(sentence: Sequence[str]) -> bool:
    """Whether one of ``sentences`` holds a saying that means something else, such as dying of laughter."""
    return any(_has_aside(sentence, rules) for rules in _all_rules())


def _flag(kind: Kind, rules: _CryRules) -> RedFlag:
    title, _, rest = rules.kinds[kind].answer.partition("\n\n")
    return RedFlag(f"{kind}-{rules.code}", title, rest, signs=(), always=kind == "self_harm")


def _heard(sentence: Sequence[str], rules: _CryRules, kind: Kind) -> bool:
    begun = [(place, sign) for place, word in enumerate(sentence) for sign in rules.kinds[kind].beginning_with(word)]
    if not any(_fits(sentence[place], sign[0]) and _tells(sentence, place, sign, rules) for place, sign in begun):
        return False
    if kind == "emergency" and _asks(sentence, rules):
        return False
    return not _has_aside(sentence, rules)


def _has_aside(sentence: Sequence[str], rules: _CryRules) -> bool:
    return any(_at(sentence, place, aside) for aside in rules.asides for place in range(len(sentence)))


def _asks(sentence: Sequence[str], rules: _CryRules) -> bool:
    return any(tuple(sentence[: len(lead)]) == lead for lead in rules.questions) or any(
        tuple(sentence[-len(end) :]) == end for end in rules.questions_at_end
    )


def _tells(sentence: Sequence[str], place: int, sign: Sign, rules: _CryRules) -> bool:
    """Whether ``sign``, which begins at ``place``, is there whole and not denied."""
    if not _follows(sentence, place, sign[1:]):
        return False
    before = tuple(sentence[max(0, place - DENIAL_REACH) : place])
    said = {word for term in sign for word in term}
    return WITHOUT.isdisjoint(before) and not any(
        before[at : at + len(denial)] == denial and denial[0] not in said
        for denial in rules.denials
        for at in range(len(before))
    )


def _follows(sentence: Sequence[str], place: int, rest: Sequence[Term]) -> bool:
    if not rest:
        return True
    if rest[0] == END:
        return place == len(sentence) - 1
    reach = range(place + 1, min(len(sentence), place + 2 + MOST_BETWEEN))
    return any(_fits(sentence[at], rest[0]) and _follows(sentence, at, rest[1:]) for at in reach)


def _at(sentence: Sequence[str], place: int, sign: Sign) -> bool:
    """Whether ``sign`` stands at ``place``, word after word."""
    words = sentence[place : place + len(sign)]
    return len(words) == len(sign) and all(_fits(word, term) for word, term in zip(words, sign, strict=True))


def _fits(word: str, term: Term) -> bool:
    return any(word.startswith(part[:-1]) if part.endswith("*") else word == part for part in term)


@cache
def _all_rules() -> tuple[_CryRules, ...]:
    return tuple(_load(code) for code in languages())


@cache
def _languages() -> Mapping[str, _Language]:
    """What each language lists. A word may be one of several languages ("convulsion"), so all of them ask and deny."""
    known = TypeAdapter(_Language)
    return {code: known.validate_python(read(FOLDER / f"{code}.toml", f"cries/{code}.toml")) for code in languages()}


def _load(code: str) -> _CryRules:
    known, way = _languages()[code], _way(code)

    def phrases(texts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        return tuple(dict.fromkeys(tuple(_words(text, way)) for text in texts))

    def signs(texts: Iterable[str]) -> tuple[Sign, ...]:
        terms = ((tuple(_fold(part, way) for part in term.split("/")) for term in text.split()) for text in texts)
        return tuple(tuple(sign) for sign in terms)

    return _CryRules(
        code,
        phrases(lead for language in _languages().values() for lead in language.questions),
        phrases(end for language in _languages().values() for end in language.questions_at_end),
        phrases(denial for language in _languages().values() for denial in language.denials),
        signs(known.asides),
        {
            "self_harm": _indexed(known.self_harm_answer, signs(known.self_harm)),
            "emergency": _indexed(known.emergency_answer, signs(known.emergency)),
        },
    )


def _indexed(answer: str, signs: Iterable[Sign]) -> _Signs:
    by_word: dict[str, list[Sign]] = {}
    by_stem: dict[str, list[Sign]] = {}
    for sign in signs:
        for word in sign[0]:
            index, key = (by_stem, word[:-1][:STEM]) if word.endswith("*") else (by_word, word)
            index.setdefault(key, []).append(sign)
    return _Signs(answer, by_word, by_stem)


def _way(code: str) -> str:
    """Languages of one way are folded alike, so that a text is folded once for all of them."""
    return code if code in {"de", "en"} else ""


def _sentences(text: str, way: str) -> Sequence[Sequence[str]]:
    """Words of each sentence; a comma ends none, since a sign may run over it."""
    found, left = [], MOST_WORDS
    for sentence in re.split(r"[.!?;\n\u061f\u0964]+", text[:LONGEST_TEXT]):
        words = _words(sentence, way)[:left]
        left -= len(words)
        found.append(words)
    return found


def _words(text: str, way: str) -> list[str]:
    # An apostrophe joins in English (won't) and parts in French (d'un).
    folded = _fold(re.sub(r"['\u2019\u02bc]", "" if way == "en" else " ", text), way)
    return "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded).split()


@cache
def _accent_free(character: str) -> str:
    """A letter without its accents; signs of other scripts, such as Hindi's vowels, are no accents."""
    if not unicodedata.name(character, "").startswith(_BASES_WITH_ACCENTS):
        return character
    return "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))


def _fold(text: str, way: str) -> str:
    lowered = unicodedata.normalize("NFC", text.replace("İ", "i").lower())
    if way == "de":
        lowered = lowered.translate(_GERMAN)
    return "".join(map(_accent_free, lowered)).translate(_SPELLED_OUT)
