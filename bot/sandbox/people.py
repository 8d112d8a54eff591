"""What test people do: write, send files, press buttons, edit, forward, block."""

import asyncio
import secrets
from dataclasses import dataclass

from bot.sandbox.chat import Chat, Message
from bot.sandbox.entities import found_in
from bot.sandbox.errors import ApiError, PersonError
from bot.sandbox.files import FileKind, StoredFile
from bot.sandbox.methods.media import STICKER, document_fields
from bot.sandbox.params import Json, Upload
from bot.sandbox.pictures import photo_sizes, thumbnail
from bot.sandbox.world import World

_TEXT_LENGTH = 4096
_CAPTION_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Sending:
    """How something is sent: under which caption, as an answer to which message."""

    caption: str = ""
    reply_to: int | None = None
    media_group_id: str | None = None
    unavailable: bool = False
    """The bot will not be able to fetch the file, as when Telegram has dropped it."""


def _worded(text: str, name: str) -> Json:
    entities = found_in(text, [])
    key = "entities" if name == "text" else "caption_entities"
    return {name: text, **({key: entities} if entities else {})}


def _caption(sending: Sending) -> Json:
    text = sending.caption.strip()
    if len(text) > _CAPTION_LENGTH:
        raise PersonError(f"a caption has at most {_CAPTION_LENGTH} characters")
    return _worded(text, "caption") if text else {}


def send_text(world: World, chat: Chat, text: str, reply_to: int | None = None) -> list[Message]:
    """A text; a long one becomes several messages, as in Telegram's apps."""
    text = text.strip()
    if not text:
        raise PersonError("an empty text can't be sent")
    parts = [text[begin : begin + _TEXT_LENGTH] for begin in range(0, len(text), _TEXT_LENGTH)]
    return [world.from_person(chat, _worded(part, "text"), reply_to=reply_to) for part in parts]


async def photo_of(world: World, data: bytes, *, unavailable: bool = False) -> Json:
    """What becomes of a picture that a person sends as a photo: JPEG, at most 1280 pixels, no metadata."""
    try:
        sizes = await asyncio.to_thread(photo_sizes, data)
    except ApiError:
        raise PersonError("this file can't be sent as a photo; send it as a file") from None
    stored = world.files.add_photo(sizes)
    _expire(world, stored, unavailable=unavailable)
    return {"photo": [file.as_api() for file in stored]}


async def document_of(world: World, upload: Upload, *, unavailable: bool = False) -> Json:
    """A file as it is."""
    if not upload.data:
        raise PersonError("Telegram does not send empty files")
    fields = await document_fields(world, upload)
    stored = world.files.add(FileKind.DOCUMENT, upload.data, name=upload.name, mime=fields["mime_type"], **fields)
    _expire(world, [stored], unavailable=unavailable)
    return {"document": stored.as_api()}


def _expire(world: World, files: list[StoredFile], *, unavailable: bool) -> None:
    for file in files if unavailable else []:
        world.files.expire(file.file_id)


def _check_size(world: World, data: bytes) -> None:
    if len(data) > world.rules.person_upload_bytes:
        raise PersonError(f"the sandbox takes files of up to {world.rules.person_upload_bytes >> 20} MB")


async def send_photo(world: World, chat: Chat, data: bytes, sending: Sending) -> Message:
    """One photo."""
    _check_size(world, data)
    caption = _caption(sending)
    photo = await photo_of(world, data, unavailable=sending.unavailable)
    return _post(world, chat, {**photo, **caption}, sending)


async def send_document(world: World, chat: Chat, upload: Upload, sending: Sending) -> Message:
    """One file."""
    _check_size(world, upload.data)
    caption = _caption(sending)
    document = await document_of(world, upload, unavailable=sending.unavailable)
    return _post(world, chat, {**document, **caption}, sending)


async def send_album(
    world: World, chat: Chat, uploads: list[Upload], sending: Sending, *, as_files: bool
) -> list[Message]:
    """Two to ten photos or files: one message and one update each, the caption on the first."""
    if not 2 <= len(uploads) <= 10:
        raise PersonError("an album holds 2 to 10 files")
    for upload in uploads:
        _check_size(world, upload.data)
    caption = _caption(sending)
    contents = [
        await document_of(world, upload) if as_files else await photo_of(world, upload.data) for upload in uploads
    ]
    contents[0] |= caption
    album = Sending(reply_to=sending.reply_to, media_group_id=str(secrets.randbelow(10**16) + 10**16))
    return [_post(world, chat, content, album) for content in contents]


async def send_sticker(world: World, chat: Chat, data: bytes, emoji: str) -> Message:
    """A sticker."""
    small = await asyncio.to_thread(thumbnail, data)
    fields = {**STICKER, "emoji": emoji or STICKER["emoji"]}
    if small is not None:
        fields |= {"width": small.width, "height": small.height}
    stored = world.files.add(FileKind.STICKER, data, name="sticker.webp", mime="image/webp", **fields)
    return _post(world, chat, {"sticker": stored.as_api()}, Sending())


def send_voice(world: World, chat: Chat, data: bytes, seconds: int) -> Message:
    """A voice message."""
    stored = world.files.add(
        FileKind.VOICE, data, name="voice.oga", mime="audio/ogg", duration=seconds, mime_type="audio/ogg"
    )
    return _post(world, chat, {"voice": stored.as_api()}, Sending())


def send_video(world: World, chat: Chat, data: bytes, seconds: int) -> Message:
    """A video."""
    stored = world.files.add(
        FileKind.VIDEO, data, name="video.mp4", mime="video/mp4",
        duration=seconds, width=640, height=360, mime_type="video/mp4",
    )  # fmt: skip
    return _post(world, chat, {"video": stored.as_api()}, Sending())


def _post(world: World, chat: Chat, content: Json, sending: Sending) -> Message:
    return world.from_person(chat, content, reply_to=sending.reply_to, media_group_id=sending.media_group_id)


def message_of(chat: Chat, message_id: int) -> Message:
    """A message that the person sees; raises PersonError when there is none."""
    message = chat.messages.get(message_id)
    if message is None:
        raise PersonError(f"there is no message {message_id} in this chat")
    return message


def forward(world: World, source: Chat, message_id: int, target: Chat) -> Message:
    """A message of any chat, sent on to the bot in another; the same files, so the same ids of them."""
    message = message_of(source, message_id)
    if message.protected:
        raise PersonError("this message is protected: it can't be forwarded")
    sender = world.profile.user() if message.from_bot else source.person.user()
    origin = message.forward_origin or {"type": "user", "date": message.date, "sender_user": sender}
    return world.from_person(target, message.content, forward_origin=origin)


def edit(world: World, chat: Chat, message_id: int, text: str) -> Message:
    """Other words in a message of one's own."""
    message = message_of(chat, message_id)
    if message.from_bot:
        raise PersonError("only the bot can edit its own messages")
    name = "text" if "text" in message.content else "caption"
    kept = {key: value for key, value in message.content.items() if not key.endswith("entities") and key != name}
    message.content = {**kept, **_worded(text, name)}
    message.edit_date, message.edited = world.now, True
    world.changed(chat, message)
    world.updates.put("edited_message", chat.as_api(message), chat.person.id)
    return message


def press(world: World, chat: Chat, message_id: int, data: str) -> str:
    """A button under a message of the bot; gives the id of the callback query."""
    message = message_of(chat, message_id)
    rows = (message.reply_markup or {}).get("inline_keyboard", [])
    if not any(button.get("callback_data") == data for row in rows for button in row):
        raise PersonError(f"message {message_id} has no button with this data")
    return world.press(chat, message, data)


def set_blocked(world: World, chat: Chat, *, blocked: bool) -> None:
    """Block the bot, or let it speak again; the bot hears of it."""
    if chat.person.blocked == blocked:
        return
    chat.person.blocked = blocked
    bot = world.profile.user()
    free, barred = {"status": "member", "user": bot}, {"status": "kicked", "user": bot, "until_date": 0}
    change = {
        "chat": chat.person.chat(),
        "from": chat.person.user(),
        "date": world.now,
        "old_chat_member": free if blocked else barred,
        "new_chat_member": barred if blocked else free,
    }
    world.updates.put("my_chat_member", change, chat.person.id)
    world.feed.add("blocked", chat.person.id, blocked=blocked)


def react(world: World, chat: Chat, message_id: int, emoji: str) -> None:
    """An emoji under a message; the bot hears of it only when it has asked to."""
    message = message_of(chat, message_id)
    old = message.reactions
    message.reactions = [{"type": "emoji", "emoji": emoji}] if emoji else []
    change = {"chat": chat.person.chat(), "message_id": message_id, "user": chat.person.user(), "date": world.now}
    reactions = {"old_reaction": old, "new_reaction": message.reactions}
    world.updates.put("message_reaction", {**change, **reactions}, chat.person.id)
    world.changed(chat, message)
