"""The methods of the Bot API, one module a subject."""

from bot.sandbox.methods import account, chats, deleting, editing, media, receiving, sending
from bot.sandbox.methods.registry import METHODS, call

__all__ = ["METHODS", "account", "call", "chats", "deleting", "editing", "media", "receiving", "sending"]
