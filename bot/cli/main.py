"""The command line: ``tumorscan COMMAND``. A command's module is imported only when that command is asked for."""

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version

STOPPED_BY_MISTAKE = 2
"""Exit status when a setting or an argument is wrong, as argparse has it."""
INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""
NOBODY_READS = 141
"""Exit status when what reads our output has ended (``tumorscan scan ... | head``), as shells have it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: its module is ``bot.cli.<name>``."""

    name: str
    summary: str


COMMANDS = (
    Command("run", "run the bot (polling, or a webhook when WEBHOOK_URL is set)"),
    Command("demo", "run the bot with a chat page in the browser; needs no token"),
    Command("scan", "read picture files offline and write overlays and reports"),
    Command("db", "look after the database: upgrade, check, backup, prune, copy, rekey, dead-letters"),
    Command("audit", "print what the audit log says of one person"),
    Command("key", "make a key for DATA_KEY, which encrypts what people send"),
    Command("outcomes", "show what doctors found against what was told; export pictures to train on"),
    Command("model", "show the shipped models, their checksums and cards"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a mistake in the settings is one line, never a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    from bot.errors import StartError  # loads what --help does without

    try:
        status = int(args.run(args))
        sys.stdout.flush()
    except StartError as error:
        sys.stderr.write(f"tumorscan: {error}\n")
        return STOPPED_BY_MISTAKE
    except BrokenPipeError:
        # What is left unwritten has somewhere to go at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the arguments of the asked command alone, so that ``--help`` need not import the rest."""
    parser = argparse.ArgumentParser(
        prog="tumorscan",
        description="Reads a picture, such as a brain MRI slice or a blood smear, and shows why. It educates, it never "
        "diagnoses.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tumorscan-bot')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.summary, description=command.summary)
        if command.name == asked:
            with _without_collecting():
                module = import_module(f"bot.cli.{command.name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Import without looking for garbage, of which imports leave hardly any: an eighth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
