"""Which language a message is in: one with a folder by the words of that, another one by its commonest words.

A chat's own language has the first say: another one must be there clearly, since words that many languages share
("tumor", "MRI") and a name or a typo are no reason to change the language.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bot.knowledge import loader
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import CODE, ContentError, read
from bot.knowledge.search import LONGEST_TEXT, MOST_WORDS
from bot.knowledge.words import LONGEST_WORD, WORD, bare

EVERYDAY_WORDS = "everyday_words.toml"
FAMILIAR = 0.6
"""Share of a message's words that another language must know to be what the message is in."""
LEAD = 0.4
"""By how much that share must be more than that of the chat's language."""
LEAD_BY_SOUND = 0.5
"""The same for a language that is written in another script: short words ("won", "game") sound like some of its own."""
MANY = 3
"""Small words more than the chat's language has of the message, which show the other language too."""
WELL_KNOWN = 0.85
"""Share of words from which a language with a folder stands against a few common words of one without."""
EVERYDAY = 0.3
"""Share of a message's words that must be among the commonest of a language that has no folder."""
FEW = 2
"""Words up to which a message stays in the chat's language as soon as that finds anything like it."""
TELLING = 5
"""Letters of a word that alone may tell a language: shorter ones are often an abbreviation or a typo."""
SCRIPTS: Mapping[str, str] = {
    "ARMENIAN": "hy", "BENGALI": "bn", "CYRILLIC": "ru", "DEVANAGARI": "hi", "ARABIC": "ar", "ETHIOPIC": "am",
    "GEORGIAN": "ka", "GREEK": "el", "GUJARATI": "gu", "GURMUKHI": "pa", "HANGUL": "ko", "HEBREW": "he",
    "HIRAGANA": "ja", "KATAKANA": "ja", "KANNADA": "kn", "KHMER": "km", "MALAYALAM": "ml", "MYANMAR": "my",
    "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te", "THAI": "th", "CJK": "zh",
}  # fmt: skip
"""Script -> what a message in it is most likely written in, where its words tell nothing."""
SHARED_SCRIPTS = frozenset({"LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI"})
"""Those of several languages that are told apart by their words."""
KANA = ("HIRAGANA", "KATAKANA")
_SCRIPT_OF = {code: script for script, code in SCRIPTS.items()}


class Identifier:
    """Tells what a message is written in, among the languages of ``known`` and those of ``everyday_words.toml``."""

    def __init__(self, known: Mapping[str, Knowledge], everyday: Mapping[str, frozenset[str]]) -> None:
        self._known = dict(known)
        self._everyday = dict(everyday)
        self._common = {code: frozenset(one.small_words) for code, one in known.items()}

    def language_of(self, text: str, expected: str) -> str:
        """The code of the language that ``text`` is clearly in, or ``expected``, that of its chat."""
        text = text[:LONGEST_TEXT]
        words = tuple(word for word in _words(text) if not word.isdigit())[:MOST_WORDS]
        if not words:
            return expected
        script = _script(words)
        if script not in SHARED_SCRIPTS:
            return SCRIPTS.get(script, expected)
        own = self._known[expected].familiarity(text) if expected in self._known else 0.0
        if script in ("LATIN", _SCRIPT_OF.get(expected)) and self._is_surely(expected, words, own):
            return expected
        shares = {code: knowledge.familiarity(text) for code, knowledge in self._known.items()}
        if other := self._without_folder(words, shares, expected):
            return other
        best = max(shares, key=lambda code: (shares[code], code == expected))
        if script not in ("LATIN", _SCRIPT_OF.get(expected)):
            return best if shares[best] > own else SCRIPTS[script]
        more = self._common_in(words, best) - (self._common_in(words, expected) if expected in self._known else 0)
        lead = LEAD if _SCRIPT_OF.get(best, "LATIN") == script else LEAD_BY_SOUND
        if shares[best] < FAMILIAR or (shares[best] - own < lead and more < MANY):
            return expected
        chat = self._known.get(expected)
        return expected if len(words) <= FEW and chat and chat.suggest(text) else best

    def _is_surely(self, expected: str, words: tuple[str, ...], own: float) -> bool:
        """Whether none of the rules below can find another language: the words of the others need not be made ready.

        That takes a third of a second for each, and most messages are in their chat's language.
        """
        if own <= 1 - LEAD or max(self._everyday_in(words).values(), default=0) > own * len(words):
            return False
        common = self._common_in(words, expected)
        return all(self._common_in(words, code) - common < MANY for code in self._known)

    def _everyday_in(self, words: tuple[str, ...]) -> dict[str, int]:
        return {code: sum(word in common for word in words) for code, common in self._everyday.items()}

    def _without_folder(self, words: tuple[str, ...], shares: Mapping[str, float], expected: str) -> str | None:
        """A language without a folder that has more of the words among its commonest than each that has one.

        One word alone, such as "bonjour", is enough where none of those that have one knows any.
        """
        hits = self._everyday_in(words)
        best = max(hits, key=lambda code: hits[code], default="")
        if not best or hits[best] < EVERYDAY * len(words) or hits[best] <= shares.get(expected, 0.0) * len(words):
            return None
        if hits[best] < FEW:
            return best if not any(shares.values()) and max(map(len, words)) >= TELLING else None
        if max(shares.values()) >= WELL_KNOWN and 2 * hits[best] < len(words):
            return None
        return best if hits[best] > max(self._common_in(words, code) for code in self._known) else None

    def _common_in(self, words: tuple[str, ...], code: str) -> int:
        return sum(word in self._common[code] for word in words)


def read_everyday_words(parent: Path | None = None) -> dict[str, frozenset[str]]:
    """``everyday_words.toml``: the commonest words of languages that have no folder. Raises ContentError."""
    path = (parent or loader.LANGUAGES) / EVERYDAY_WORDS
    found = dict(read(path, EVERYDAY_WORDS)) if path.exists() else {}
    for code, words in found.items():
        if not CODE.fullmatch(code) or not isinstance(words, str) or not words.strip():
            raise ContentError(f"{EVERYDAY_WORDS}: {code}: write the commonest words, under a code such as fr")
    return {code: frozenset(_words(words)) for code, words in found.items()}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word[:LONGEST_WORD] for word in WORD.findall(bare(text)))


def _script(words: tuple[str, ...]) -> str:
    """The script of most letters, by the name that Unicode gives it; Japanese is known by its own letters."""
    letters = Counter(unicodedata.name(letter, "").partition(" ")[0] for word in words for letter in word)
    return next((kana for kana in KANA if kana in letters), letters.most_common(1)[0][0])
