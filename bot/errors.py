"""The errors of the bot: each carries the one sentence that its reader needs."""

from telegram.error import TelegramError


class StartError(Exception):
    """The program can't start or go on; the text is one line, for the operator, that names the setting and the fix."""


class UserFacingError(Exception):
    """Something did not work for a person; ``key`` names the sentence in the locale file that says so."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class MaybeSentError(TelegramError):
    """The connection broke before Telegram answered: the message may be in the chat, and is not sent a second time."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint}: it is not known whether the message was sent")
