"""The command line: ``tumorscan COMMAND``. A command's module is imported only when that command is asked for."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import FrameType

from bot.garbage import kept_for_good

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
    is_service: bool = False
    """Whether it runs until SIGTERM or SIGINT asks for the end, which is then no error."""


COMMANDS = (
    Command("run", "run the bot (polling, or a webhook when WEBHOOK_URL is set)", is_service=True),
    Command("demo", "run the bot with a chat page in the browser; needs no token", is_service=True),
    Command("worker", "read pictures for bots on other machines (a Dask cluster)", is_service=True),
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
    try:
        with _heeding_signals_early(_asked(arguments)):
            return _run(arguments)
    except BrokenPipeError:
        # What is left unwritten has somewhere to go at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    args = _parser(_asked(arguments)).parse_args(arguments)
    from bot.errors import StartError  # loads what --help does without

    try:
        status = int(args.run(args))
        sys.stdout.flush()
    except StartError as error:
        sys.stderr.write(f"tumorscan: {error}\n")
        return STOPPED_BY_MISTAKE
    return status


def _asked(arguments: Sequence[str]) -> Command | None:
    """The command that is named, None where there is no such."""
    name = next((word for word in arguments if not word.startswith("-")), None)
    return next((command for command in COMMANDS if command.name == name), None)


@contextmanager
def _heeding_signals_early(command: Command | None) -> Iterator[None]:
    """Have a service that is told to stop while it is still being imported leave as one that listens does.

    It takes the signals over itself when its event loop runs (``bot.delivery.shutdown``). Until then they would kill
    the process, and a service manager that restarts a bot twice in a second would call that a failure.
    """
    if command is None or not command.is_service:
        yield
        return
    before = {number: signal.signal(number, _leave_before_the_start) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _leave_before_the_start:
                signal.signal(number, handler)


def _leave_before_the_start(_number: int, _frame: FrameType | None) -> None:
    """Nothing is open yet, so there is nothing to close; an exception would come out of whatever is being imported."""
    os.write(2, b"told to stop before the start was done\n")
    os._exit(0)


def _parser(asked: Command | None) -> argparse.ArgumentParser:
    """The parser, with the arguments of the asked command alone, so that ``--help`` need not import the rest."""
    parser = argparse.ArgumentParser(
        prog="tumorscan",
        description="Reads a picture, such as a brain MRI slice or a blood smear, and shows why. It educates, it never "
        "diagnoses.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tumorscan-bot')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.summary, description=command.summary)
        if command is asked:
            with kept_for_good():
                module = import_module(f"bot.cli.{command.name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser
