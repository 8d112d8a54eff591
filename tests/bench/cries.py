"""``python -m tests.bench.cries``: how many cries for help are heard, and how many everyday sentences raise an alarm.

The list was written before the rules, which were tuned on one half of it (by a hash of the text); the other half was
looked at when they were done. Both are by the same author, so read the second half as kind.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence

from bot.chat.languages import load_language
from bot.knowledge import cries, cry_classifier
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import DEFAULT_LANGUAGE, codes
from tests.conftest import TESTS

LIST = TESTS / "data" / "cries_for_help.toml"
TUNED_ON, KEPT_APART = 0, 1


def half_of(text: str) -> int:
    """TUNED_ON or KEPT_APART."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2


def sentences(kind: str) -> Mapping[str, Sequence[str]]:
    """Language -> sentences of ``kind``: "raised" or "quiet"."""
    found: Mapping[str, Sequence[str]] = tomllib.loads(LIST.read_text("utf-8"))[kind]
    return found


def is_heard(text: str, knowledge: Knowledge) -> bool:
    """Whether a chat with this knowledge answers it with help."""
    return (knowledge.red_flag(text) or cries.hear(text) or cry_classifier.likely(text)) is not None


def kind_of(text: str) -> str | None:
    """The kind of cry that the rules of all languages hear in it, self_harm or emergency; None for neither."""
    heard = cries.hear(text)
    return heard.slug.rpartition("-")[0] if heard else None


def knowledge_of(language: str) -> Knowledge:
    """What a chat of somebody who writes ``language`` knows: English where that has no folder."""
    return load_language(language if language in codes() else DEFAULT_LANGUAGE).knowledge


def main() -> None:
    """Print a line a language and half, each heard in a chat of that language, and the sums."""
    chats = {language: knowledge_of(language) for language in sentences("raised")}
    for kind, name in (("raised", "heard"), ("quiet", "false alarms")):
        for half in (TUNED_ON, KEPT_APART):
            heard = total = 0
            for language, texts in sentences(kind).items():
                here = [text for text in texts if half_of(text) == half]
                hits = sum(is_heard(text, chats[language]) for text in here)
                print(f"{name}, half {half + 1}, {language}: {hits} of {len(here)}")
                heard, total = heard + hits, total + len(here)
            print(f"{name}, half {half + 1}, all: {heard} of {total} ({100 * heard / total:.1f} %)")


if __name__ == "__main__":
    main()
