"""Changing messages that the bot has sent."""

from bot.sandbox.chat import Chat, Message
from bot.sandbox.errors import bad_request
from bot.sandbox.markup import reply_markup
from bot.sandbox.methods.common import caption_content, chat_of, message_of, text_content
from bot.sandbox.methods.media import media_content
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters
from bot.sandbox.world import World

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
_CAPTION = ("caption", "caption_entities", "show_caption_above_media")
_MEDIA = frozenset({"photo", "document", "video"})


def _own(world: World, parameters: Parameters) -> tuple[Chat, Message]:
    if parameters.has("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = chat_of(world, parameters)
    message = message_of(chat, parameters, "edit")
    if not message.from_bot or message.forward_origin or message.kind == "pinned_message":
        raise bad_request("message can't be edited")
    return chat, message


def _change(world: World, chat: Chat, message: Message, content: Json, markup: Json | None) -> Json:
    if content == message.content and markup == message.reply_markup:
        raise bad_request(_NOT_MODIFIED)
    world.count_message(chat.person.id)
    message.edited = message.edited or content != message.content
    message.content = content
    message.reply_markup = markup
    message.edit_date = world.now
    world.changed(chat, message)
    return chat.as_api(message)


@method("editMessageText")
async def edit_message_text(world: World, parameters: Parameters) -> Json:
    """Another text; the keyboard goes unless it is sent again."""
    content = text_content(parameters, too_long="MESSAGE_TOO_LONG")
    chat, message = _own(world, parameters)
    if message.kind != "text":
        raise bad_request("there is no text in the message to edit")
    return _change(world, chat, message, content, reply_markup(parameters))


@method("editMessageCaption")
async def edit_message_caption(world: World, parameters: Parameters) -> Json:
    """Another caption, or none."""
    caption = caption_content(parameters)
    chat, message = _own(world, parameters)
    if message.kind not in (*_MEDIA, "voice"):
        raise bad_request("there is no caption in the message to edit")
    kept = {name: value for name, value in message.content.items() if name not in _CAPTION}
    return _change(world, chat, message, {**kept, **caption}, reply_markup(parameters))


@method("editMessageMedia")
async def edit_message_media(world: World, parameters: Parameters) -> Json:
    """Another picture or document in the same message."""
    item = parameters.object("media")
    if item is None:
        raise bad_request('parameter "media" is required')
    chat, message = _own(world, parameters)
    if message.kind not in (*_MEDIA, "text"):
        raise bad_request("message can't be edited")
    if message.media_group_id and (message.kind == "document") != (item.get("type") == "document"):
        raise bad_request("can't change media type in the album")
    content = await media_content(world, parameters, item)
    return _change(world, chat, message, content, reply_markup(parameters))


@method("editMessageReplyMarkup")
async def edit_message_reply_markup(world: World, parameters: Parameters) -> Json:
    """Another keyboard, or none."""
    chat, message = _own(world, parameters)
    return _change(world, chat, message, message.content, reply_markup(parameters))
