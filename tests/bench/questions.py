"""``python -m tests.bench.questions``: how many questions as worried people type them get the right answer.

Half of each list, by a hash of the text, is kept apart for the end: it is counted with ``--kept-apart`` alone. Whoever
wrote the second list (``fresh``) wrote phrasings after it, so read it as kind. The third one was written before its
author had seen any phrasing or result: 58.3 % of its 163 were right and 5.5 % wrong when it was first counted, whole.
"""

import argparse
import tomllib
from collections import Counter

from bot.knowledge.knowledge import Knowledge
from tests.bench.cries import KEPT_APART, TUNED_ON, half_of, knowledge_of
from tests.conftest import TESTS

LISTS = {
    "first": TESTS / "data" / "questions.toml",
    "fresh": TESTS / "data" / "questions_fresh.toml",
    "third": TESTS / "data" / "questions_third.toml",
}


def outcome(asked: str, expected: str, knowledge: Knowledge) -> str:
    """One of: right; wrong (another entry, as if sure); offered (asked back, the right one among them); unknown."""
    match = knowledge.search(asked)
    slug = match.entry.slug if match else "none"
    if slug in expected.split("|"):
        return "right"
    if match:
        return "wrong"
    offered = {suggestion.entry.slug for suggestion in knowledge.suggest(asked)}
    return "offered" if offered & set(expected.split("|")) else "unknown"


def main() -> None:
    """Print a line a list and language, asked in a chat of that language where it has a folder, and the sums."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.questions", description=__doc__)
    parser.add_argument("--kept-apart", action="store_true", help="count the other half, once, when all is done")
    half = KEPT_APART if parser.parse_args().kept_apart else TUNED_ON
    for name, file in LISTS.items():
        total: Counter[str] = Counter()
        for language, entries in tomllib.loads(file.read_text("utf-8")).items():
            asked = [(text, expected) for expected, texts in entries.items() for text in texts if half_of(text) == half]
            knowledge = knowledge_of(language)
            counts = Counter(outcome(text, expected, knowledge) for text, expected in asked)
            total += counts
            print(f"{name}, {language}: {said(counts)}")
        print(f"{name}, all: {said(total)}")


def said(counts: Counter[str]) -> str:
    """One line of figures."""
    total = counts.total()
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in ("right", "wrong", "offered", "unknown"))
    return (
        f"{kinds} of {total} ({100 * counts['right'] / total:.1f} % right, {100 * counts['wrong'] / total:.1f} % wrong)"
    )


if __name__ == "__main__":
    main()
