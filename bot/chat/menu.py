"""The one list of commands: the menu in the chat, /help and the README are made from it."""

import logging

from telegram import BotCommand, BotCommandScopeChat
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.chat.direction import held
from bot.chat.texts import Texts
from bot.delivery.rate_limiter import Guarantee

COMMANDS = (
    "start", "scan", "history", "report", "verify", "compare", "rename", "export", "info", "faq", "help", "language",
    "privacy", "delete", "cancel",
)  # fmt: skip
"""In the order in which people see them; ``command.<name>`` in ``interface.toml`` says what each one does."""
ADMIN_COMMANDS = ("stats", "broadcast", "invite", "invites", "block", "unblock")
"""What administrators see below those, and nobody else."""
_log = logging.getLogger(__name__)


def commands_for(*, admin: bool) -> tuple[str, ...]:
    """What somebody may use."""
    return COMMANDS + ADMIN_COMMANDS if admin else COMMANDS


def bot_commands(texts: Texts, *, admin: bool = False) -> list[BotCommand]:
    """The menu that Telegram shows beside the text field."""
    return [BotCommand(name, texts.plain(f"command.{name}")) for name in commands_for(admin=admin)]


def help_lines(texts: Texts, *, admin: bool = False) -> str:
    """One line a command, as HTML, for /help."""
    lines = "\n".join(f"/{name} - {texts(f'command.{name}')}" for name in commands_for(admin=admin))
    return held(lines) if texts.locale.text_direction == "rtl" else lines


async def show_menu(bot: ExtBot[Guarantee], chat_id: int, texts: Texts, *, admin: bool) -> None:
    """Give a chat a menu of its own; one that can't be set is only logged, since everything works without."""
    try:
        await bot.set_my_commands(bot_commands(texts, admin=admin), scope=BotCommandScopeChat(chat_id))
    except TelegramError as error:
        _log.warning("the command menu of a chat could not be set: %s", type(error).__name__)
