"""A test person, their chat with the bot, and the messages in it."""

from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.params import Json
from bot.sandbox.profile import Profile


@dataclass(slots=True)
class Person:
    """A test person; the id of a private chat is the id of its person, as on Telegram."""

    id: int
    first_name: str
    language: str
    username: str | None = None
    started: bool = False
    """Has written to the bot at least once: before that a bot may not speak to a person."""
    blocked: bool = False

    def user(self) -> Json:
        """The User object."""
        user: Json = {"id": self.id, "is_bot": False, "first_name": self.first_name, "language_code": self.language}
        return user | ({"username": self.username} if self.username else {})

    def chat(self) -> Json:
        """The Chat object of the private chat."""
        chat: Json = {"id": self.id, "first_name": self.first_name, "type": "private"}
        return chat | ({"username": self.username} if self.username else {})


@dataclass(slots=True)
class Message:
    """One message; ``content`` holds the fields of the Message object that are its content (text, photo...)."""

    message_id: int
    from_bot: bool
    date: int
    content: Json
    edit_date: int | None = None
    reply_markup: Json | None = None
    reply_to: int | None = None
    media_group_id: str | None = None
    forward_origin: Json | None = None
    protected: bool = False
    edited: bool = False
    """Its words or its picture were changed, not its buttons alone."""
    reactions: list[Json] = field(default_factory=list)
    read: bool = False
    """The other side has it: the second tick on the page."""

    @property
    def kind(self) -> str:
        """What it is: ``text``, ``photo``, ``document``..."""
        return next(name for name in self.content if name in CONTENT_KINDS)

    @property
    def words(self) -> str:
        """Text or caption."""
        return str(self.content.get("text") or self.content.get("caption") or "")


CONTENT_KINDS = (
    "text", "photo", "document", "sticker", "voice", "video", "location", "contact", "poll", "dice", "pinned_message",
)  # fmt: skip


@dataclass(slots=True)
class Chat:
    """A private chat: one person and the bot. Message ids count from 1 in each chat."""

    person: Person
    bot: Profile
    bound: int
    messages: dict[int, Message] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    menu_button: Json | None = None
    next_id: int = 1

    def add(self, **fields: Any) -> Message:
        """Append a message; the oldest one is forgotten when there are too many."""
        message = Message(message_id=self.next_id, **fields)
        self.next_id += 1
        self.messages[message.message_id] = message
        if len(self.messages) > self.bound:
            del self.messages[next(iter(self.messages))]
        return message

    def as_api(self, message: Message, *, with_reply: bool = True) -> Json:
        """The Message object, as both sides get it."""
        result: Json = {
            "message_id": message.message_id,
            "from": self.bot.user() if message.from_bot else self.person.user(),
            "chat": self.person.chat(),
            "date": message.date,
        }
        optional = {
            "edit_date": message.edit_date,
            "forward_origin": message.forward_origin,
            "media_group_id": message.media_group_id,
            "has_protected_content": message.protected or None,
        }
        result |= {name: value for name, value in optional.items() if value is not None}
        replied = self.messages.get(message.reply_to) if message.reply_to and with_reply else None
        if replied is not None:
            result["reply_to_message"] = self.as_api(replied, with_reply=False)
        result |= message.content
        if message.reply_markup and "inline_keyboard" in message.reply_markup:
            result["reply_markup"] = message.reply_markup
        return result

    def as_shown(self, message: Message) -> Json:
        """The Message object with what only the person's side sees, under ``shown``."""
        keyboard = message.reply_markup if message.reply_markup and "keyboard" in message.reply_markup else None
        shown: Json = {"reactions": message.reactions, "read": message.read, "edited": message.edited}
        shown |= {"pinned": message.message_id in self.pinned, "keyboard": keyboard}
        return {**self.as_api(message), "shown": shown}
