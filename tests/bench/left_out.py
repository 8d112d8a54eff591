"""``python -m tests.bench.left_out``: how questions are answered that nothing like them was ever asked before.

Phrasings of a question that share most of their words are a group; an eighth of all groups at a time is left out, and
every fourth phrasing of it is asked. Harder than people are: what else is right is not known here, and counts as wrong.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from bot.chat.languages import load_languages
from bot.knowledge.knowledge import Group, Knowledge, Question
from bot.knowledge.words import WordRules
from tests.bench.questions import outcome, said

PARTS, ASKED = 8, 4
ALIKE = 0.6
"""Share of the words of two phrasings that are in both, from which they are of one group."""


def main() -> None:
    """Print a line a language, and the sum."""
    total: Counter[str] = Counter()
    for code, language in load_languages().items():
        counts = Counter(outcomes(language.knowledge))
        total += counts
        print(f"{code}: {said(counts)}", flush=True)
    print(f"all: {said(total)}")


def outcomes(knowledge: Knowledge) -> Iterator[str]:
    """Of each phrasing that is asked."""
    words = knowledge._words
    parts = {
        (question.slug, text): zlib.crc32(min(group).encode()) % PARTS
        for shown in knowledge.groups
        if not shown.hidden
        for question in shown.questions
        for group in _groups(words, question)
        for text in group
    }
    for part in range(PARTS):
        left = {place for place, of in parts.items() if of == part}
        groups = tuple(_without(group, left) for group in knowledge.groups)
        rest = Knowledge(knowledge.topics, groups, knowledge.red_flags, knowledge._listening, words)
        for slug, text in sorted(left)[::ASKED]:
            yield outcome(text, slug, rest)


def _without(group: Group, left: set[tuple[str, str]]) -> Group:
    questions = []
    for question in group.questions:
        asked = [text for text in (question.question, *question.phrasings) if (question.slug, text) not in left]
        questions.append(replace(question, question=asked[0] if asked else question.slug, phrasings=tuple(asked[1:])))
    return replace(group, questions=tuple(questions))


def _groups(words: WordRules, question: Question) -> list[set[str]]:
    groups: list[tuple[set[str], list[frozenset[str]]]] = []
    for text in (question.question, *question.phrasings):
        folded = frozenset(words.fold(text))
        held = frozenset(folded - words.small_words or folded)
        near = [one for one in groups if any(len(held & other) >= ALIKE * len(held | other) for other in one[1])]
        groups = [one for one in groups if one not in near]
        groups.append(({text}.union(*(one[0] for one in near)), [held, *(other for one in near for other in one[1])]))
    return [texts for texts, _ in groups]


if __name__ == "__main__":
    main()
