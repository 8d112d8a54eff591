"""The one list of commands: the menu in the chat, /help and the README are made from it."""

from telegram import BotCommand

from bot.chat.texts import Texts

COMMANDS = (
    "start",
    "scan",
    "history",
    "report",
    "export",
    "info",
    "faq",
    "help",
    "language",
    "privacy",
    "delete",
    "cancel",
)
"""In the order in which people see them; ``command.<name>`` in ``interface.toml`` says what each one does."""


def bot_commands(texts: Texts) -> list[BotCommand]:
    """The menu that Telegram shows beside the text field."""
    return [BotCommand(name, texts.plain(f"command.{name}")) for name in COMMANDS]


def help_lines(texts: Texts) -> str:
    """One line a command, as HTML, for /help."""
    return "\n".join(f"/{name} - {texts(f'command.{name}')}" for name in COMMANDS)
