"""``tumorscan audit CHAT``: what the audit log says of one person, as JSON lines."""

import argparse

from bot.errors import StartError
from bot.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who."""
    parser.add_argument("chat", type=int, metavar="CHAT", help="the number of the person's private chat with the bot")


def run(args: argparse.Namespace) -> int:
    """Print the lines, oldest first. Raises StartError."""
    from bot.operations.audit_file import lines_about

    settings = load_settings()
    if settings.audit_dir is None:
        raise StartError("AUDIT_DIR is not set: no audit log is kept")
    try:
        for line in lines_about(settings.audit_dir, settings.require_token(), args.chat):
            print(line)
    except OSError as error:
        raise StartError(f"AUDIT_DIR: {settings.audit_dir} can't be read ({error.strerror})") from error
    return 0
