"""How often the search answers a typed message with the right entry: ``python -m tests.bench.faq_search [CODE]``.

The messages (``tests/data/languages/<code>/questions.toml``) are split in two by a hash of their
text. The search was tuned on the half called ``tuned`` alone; ``held_out`` says what to expect of messages it has
never seen.
"""

import hashlib
import statistics
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.chat.languages import load_language
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import DEFAULT_LANGUAGE

MESSAGES = Path(__file__).parent.parent / "data" / "languages"
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Case:
    """One message and the slugs that answer it; none when the honest answer is "I don't know that"."""

    text: str
    accepted: frozenset[str]
    held_out: bool

    def is_right(self, slug: str | None) -> bool:
        return slug in self.accepted if self.accepted else slug is None


@dataclass(frozen=True, slots=True)
class Score:
    """Right answers out of all, and apart: messages with an answer, and messages without one."""

    right: int
    total: int
    on_topic: float
    off_topic: float

    @property
    def accuracy(self) -> float:
        return self.right / self.total


def cases(language: str = DEFAULT_LANGUAGE) -> Iterator[Case]:
    """All messages of a language's list."""
    text = (MESSAGES / language / "questions.toml").read_text(encoding="utf-8")
    for table, entries in tomllib.loads(text).items():
        for key, texts in entries.items():
            accepted = frozenset() if key == NOTHING else frozenset(key.split("|"))
            for text in texts:
                odd = hashlib.sha256(text.encode()).digest()[-1] % 2 == 1
                yield Case(text, accepted, held_out=table != "tuned" and odd)


def answer(knowledge: Knowledge, text: str) -> str | None:
    """The slug that the search finds, or None."""
    match = knowledge.search(text)
    return match.entry.slug if match else None


def score(knowledge: Knowledge, language: str = DEFAULT_LANGUAGE, *, held_out: bool) -> Score:
    """How the search does on one half."""
    half = [case for case in cases(language) if case.held_out == held_out]
    right = {case: case.is_right(answer(knowledge, case.text)) for case in half}
    return Score(
        right=sum(right.values()),
        total=len(half),
        on_topic=statistics.fmean(right[case] for case in half if case.accepted),
        off_topic=statistics.fmean(right[case] for case in half if not case.accepted),
    )


def main() -> None:
    """Print the figures of both halves, the misses of the tuned half, and the time of a search."""
    language = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_LANGUAGE
    knowledge = load_language(language).knowledge
    lines = []
    for name, held_out in (("tuned", False), ("held_out", True)):
        figures = score(knowledge, language, held_out=held_out)
        lines.append(
            f"{name}: {figures.right} of {figures.total} right ({figures.accuracy:.3f}); "
            f"with an answer {figures.on_topic:.3f}, without one {figures.off_topic:.3f}"
        )
    misses = [
        (case, found)
        for case in cases(language)
        if not case.held_out and not case.is_right(found := answer(knowledge, case.text))
    ]
    lines.extend(f"  {case.text!r}: found {found}, not {'|'.join(case.accepted) or NOTHING}" for case, found in misses)
    times = []
    for case in cases(language):
        started = time.perf_counter()
        knowledge.search(case.text)
        times.append(time.perf_counter() - started)
    lines.append(f"one search: median {statistics.median(times) * 1e3:.2f} ms, longest {max(times) * 1e3:.2f} ms")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
