"""``python -m tests.bench.knowledge``: what a process holds with all languages ready, as the bot has them."""

import gc
import os
import time
from collections.abc import Callable

import bot.app  # noqa: F401 - what the bot has loaded before it reads a language
from bot.chat.languages import load_languages
from tests.bench.faq_search import cases
from tests.processes import resident

ROUNDS = 3


def main() -> None:
    """Print resident megabytes and seconds of the processor after each step, and those of the longest searches."""
    print(f"without a language: {resident(os.getpid()):.1f} MB")
    began = time.process_time()
    languages = load_languages()
    print(f"all read: {_held():.1f} MB, {time.process_time() - began:.2f} s")
    for code, language in languages.items():
        taken = _seconds(language.knowledge.warm_up)
        print(f"{code} ready: {_held():.1f} MB, {taken:.2f} s")
    for code, language in languages.items():
        longest = max(_quickest(language.knowledge.search, case.text) for case in cases(code))
        print(f"{code}: longest search {longest * 1e3:.1f} ms")


def _quickest(search: Callable[[str], object], text: str) -> float:
    return min(_seconds(lambda: search(text)) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor: how busy the machine is does not matter."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _held() -> float:
    gc.collect()
    return resident(os.getpid())


if __name__ == "__main__":
    main()
