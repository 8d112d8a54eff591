"""Tells a translator what a language folder lacks, one line each: ``python -m bot.languages.check CODE``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.chat.completeness import shortcomings
from bot.chat.languages import load_language, read_greetings
from bot.knowledge.identification import read_everyday_words
from bot.knowledge.loader import DEFAULT_LANGUAGE, ContentError, Folder, codes


def main(argv: Sequence[str] | None = None) -> int:
    """Check the folders of the named languages, or all of them; returns 1 when something is to be mended."""
    parser = argparse.ArgumentParser(prog="python -m bot.languages.check", description=__doc__)
    parser.add_argument("codes", nargs="*", metavar="CODE", help="such as de; without one, every folder is checked")
    parser.add_argument("--parent", type=Path, help="where the folders are (default: those that ship)")
    args = parser.parse_args(argv)
    problems = [line for code in args.codes or codes(args.parent) for line in check(code, args.parent)]
    sys.stdout.write("\n".join(problems or ["Nothing is missing."]) + "\n")
    return 1 if problems else 0


def check(code: str, parent: Path | None = None) -> list[str]:
    """Everything that is to be mended in a language's folder, one line each."""
    try:
        reference, folder = Folder.read(DEFAULT_LANGUAGE, parent), Folder.read(code, parent)
        if problems := list(shortcomings(folder, reference)):
            return problems
        read_greetings(parent)
        read_everyday_words(parent)
        load_language(code, parent=parent)
    except ContentError as error:
        return [str(error)]
    return []


if __name__ == "__main__":
    sys.exit(main())
