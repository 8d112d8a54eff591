"""What most methods begin with: which chat, which message, which formatting, which keyboard."""

from dataclasses import dataclass

from telegram.constants import MessageLimit

from bot.sandbox.chat import Chat, Message
from bot.sandbox.entities import formatted, utf16
from bot.sandbox.errors import bad_request
from bot.sandbox.markup import reply_markup
from bot.sandbox.params import Json, Parameters
from bot.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Where a new message goes and what hangs on it."""

    world: World
    chat: Chat
    reply_to: int | None
    reply_markup: Json | None
    protected: bool

    def post(self, content: Json, **fields: object) -> Message:
        """Let the message appear."""
        return self.world.from_bot(
            self.chat,
            content,
            reply_to=self.reply_to,
            reply_markup=self.reply_markup,
            protected=self.protected,
            **fields,
        )

    def posted(self, content: Json, **fields: object) -> Json:
        """The same, giving the Message object."""
        return self.chat.as_api(self.post(content, **fields))


def chat_of(world: World, parameters: Parameters, name: str = "chat_id") -> Chat:
    """The chat that a parameter names; raises ApiError when it is missing, unknown or closed to the bot."""
    if not parameters.has(name):
        raise bad_request(f"{name} is empty")
    value = parameters.text(name)
    if not value.lstrip("-").isdigit():
        raise bad_request("chat not found")
    return world.chat_for_bot(int(value))


def outgoing(world: World, parameters: Parameters, messages: int = 1) -> Outgoing:
    """Read what every send method shares; the flood limit is asked last, so that a wrong call costs nothing."""
    chat = chat_of(world, parameters)
    result = Outgoing(
        world=world,
        chat=chat,
        reply_to=_reply_to(chat, parameters),
        reply_markup=reply_markup(parameters),
        protected=parameters.flag("protect_content"),
    )
    world.count_message(chat.person.id, messages)
    return result


def _reply_to(chat: Chat, parameters: Parameters) -> int | None:
    reply = parameters.object("reply_parameters") or {}
    try:
        wanted = int(reply.get("message_id") or parameters.integer("reply_to_message_id"))
    except (TypeError, ValueError):
        raise bad_request('can\'t parse reply parameters: Field "message_id" must be of type Integer') from None
    if not wanted:
        return None
    if wanted in chat.messages:
        return wanted
    if reply.get("allow_sending_without_reply") or parameters.flag("allow_sending_without_reply"):
        return None
    raise bad_request("message to be replied not found")


def text_content(parameters: Parameters, too_long: str = "message is too long") -> Json:
    """``text`` and ``entities`` of a call; raises ApiError 400 when it is empty, too long or badly formatted."""
    text, entities = formatted(parameters.text("text"), parameters.text("parse_mode"), parameters.objects("entities"))
    if not text:
        raise bad_request("message text is empty")
    if utf16(text) > MessageLimit.MAX_TEXT_LENGTH:
        raise bad_request(too_long)
    return {"text": text, **({"entities": entities} if entities else {})}


def caption_content(parameters: Parameters) -> Json:
    """``caption`` with its entities, nothing when there is none; raises ApiError 400 like ``text_content``."""
    text, entities = formatted(
        parameters.text("caption"), parameters.text("parse_mode"), parameters.objects("caption_entities")
    )
    if utf16(text) > MessageLimit.CAPTION_LENGTH:
        raise bad_request("message caption is too long")
    content: Json = {"caption": text} if text else {}
    if text and entities:
        content["caption_entities"] = entities
    if text and parameters.flag("show_caption_above_media"):
        content["show_caption_above_media"] = True
    return content


def message_of(chat: Chat, parameters: Parameters, what: str) -> Message:
    """The message that ``message_id`` names; raises ApiError 400 "message to ``what`` not found"."""
    if not parameters.has("message_id"):
        raise bad_request("message identifier is not specified")
    message = chat.messages.get(parameters.integer("message_id"))
    if message is None:
        raise bad_request(f"message to {what} not found")
    return message
