"""``python -m tests.bench.questions``: how many of 363 questions, which nobody tuned to, get the right answer.

Half of them, by a hash of the text, is kept apart for the end: it is counted with ``--kept-apart`` alone.
"""

import argparse
import tomllib
from collections import Counter

from bot.knowledge.knowledge import Knowledge
from tests.bench.cries import KEPT_APART, TUNED_ON, half_of, knowledge_of
from tests.conftest import TESTS

LIST = TESTS / "data" / "questions.toml"


def outcome(asked: str, expected: str, knowledge: Knowledge) -> str:
    """One of: right; wrong (another entry, as if sure); unknown (said honestly, though there is an answer)."""
    match = knowledge.search(asked)
    slug = match.entry.slug if match else "none"
    if slug in expected.split("|"):
        return "right"
    return "wrong" if match else "unknown"


def main() -> None:
    """Print a line a language, asked in a chat of that language where it has a folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.questions", description=__doc__)
    parser.add_argument("--kept-apart", action="store_true", help="count the other half, once, when all is done")
    half = KEPT_APART if parser.parse_args().kept_apart else TUNED_ON
    for language, entries in tomllib.loads(LIST.read_text("utf-8")).items():
        asked = [(text, expected) for expected, texts in entries.items() for text in texts if half_of(text) == half]
        knowledge = knowledge_of(language)
        counts = Counter(outcome(text, expected, knowledge) for text, expected in asked)
        print(
            f"{language}: {counts['right']} right, {counts['wrong']} wrong, {counts['unknown']} unknown of {len(asked)}"
        )


if __name__ == "__main__":
    main()
