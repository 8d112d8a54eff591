"""Messages with files: photos, documents, stickers, voice, video and albums."""

import asyncio
import mimetypes

from telegram.constants import MediaGroupLimit

from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.files import FileKind
from bot.sandbox.methods.common import caption_content, outgoing
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters, Upload
from bot.sandbox.pictures import dimensions, photo_sizes, thumbnail
from bot.sandbox.rules import PHOTO_BYTES, UPLOAD_BYTES
from bot.sandbox.world import World

_MAX_SIDES = 10_000
_MAX_RATIO = 20
_ALBUM_FIELDS = ("caption", "parse_mode", "caption_entities", "show_caption_above_media")


async def photo_content(world: World, source: Upload | str | None, missing: str = "photo") -> Json:
    """The ``photo`` of a message from an upload or a file_id; raises ApiError 400 for what Telegram refuses."""
    if isinstance(source, Upload):
        _check_photo(source.data)
        sizes = await asyncio.to_thread(photo_sizes, source.data)
        return {"photo": [file.as_api() for file in world.files.add_photo(sizes)]}
    known = _known(world, source, FileKind.PHOTO, missing)
    sizes_again = world.files.photo(known)
    return {"photo": [file.as_api() for file in sizes_again]}


def _check_photo(data: bytes) -> None:
    if not data:
        raise bad_request("file must be non-empty")
    if len(data) > PHOTO_BYTES:
        raise bad_request(
            f"file of size {len(data)} bytes is too big for a photo; the maximum size is {PHOTO_BYTES} bytes"
        )
    width, height = dimensions(data)
    if width + height > _MAX_SIDES or max(width, height) > _MAX_RATIO * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")


def _known(world: World, source: str | None, kind: FileKind, missing: str) -> str:
    """A file_id that may be sent again as ``kind``."""
    if not source:
        raise bad_request(f"there is no {missing} in the request")
    if source.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")
    file = world.files.find(source)
    if file is None or not file.available:
        raise bad_request("wrong file identifier/HTTP URL specified")
    if file.kind is not kind:
        raise bad_request(f"can't use file of type {file.kind.value.capitalize()} as {kind.value.capitalize()}")
    return source


async def document_content(world: World, source: Upload | str | None) -> Json:
    """The ``document`` of a message, byte for byte; raises ApiError like ``photo_content``."""
    return await _file_content(world, source, FileKind.DOCUMENT)


async def _file_content(world: World, source: Upload | str | None, kind: FileKind, **extra: object) -> Json:
    if not isinstance(source, Upload):
        file = world.files.find(_known(world, source, kind, kind.value))
        return {kind.value: file.as_api() if file else {}}
    if not source.data:
        raise bad_request("file must be non-empty")
    if len(source.data) > UPLOAD_BYTES:
        raise ApiError(413, "Request Entity Too Large")
    if kind is FileKind.DOCUMENT:
        extra = await document_fields(world, source)
    stored = world.files.add(kind, source.data, name=source.name, mime=source.mime, **extra)
    return {kind.value: stored.as_api()}


async def document_fields(world: World, source: Upload) -> Json:
    """Name, type and, for a picture, the small preview that stands beside the name."""
    guessed = mimetypes.guess_type(source.name)[0]
    mime = guessed or (source.mime if source.mime != "application/octet-stream" else "") or "application/octet-stream"
    fields: Json = {"file_name": source.name, "mime_type": mime}
    small = await asyncio.to_thread(thumbnail, source.data) if mime.startswith("image/") else None
    if small is not None:
        stored = world.files.add(
            FileKind.THUMBNAIL, small.data, mime="image/jpeg", width=small.width, height=small.height
        )
        fields["thumbnail"] = stored.as_api()
    return fields


@method("sendPhoto")
async def send_photo(world: World, parameters: Parameters) -> Json:
    """A photo, encoded anew."""
    content = await photo_content(world, parameters.file("photo"))
    caption = caption_content(parameters)
    spoiler: Json = {"has_media_spoiler": True} if parameters.flag("has_spoiler") else {}
    return outgoing(world, parameters).posted({**content, **caption, **spoiler})


@method("sendDocument")
async def send_document(world: World, parameters: Parameters) -> Json:
    """A file as it is."""
    content = await document_content(world, parameters.file("document"))
    caption = caption_content(parameters)
    return outgoing(world, parameters).posted({**content, **caption})


@method("sendVoice")
async def send_voice(world: World, parameters: Parameters) -> Json:
    """A voice message."""
    content = await _file_content(
        world, parameters.file("voice"), FileKind.VOICE, duration=parameters.integer("duration"), mime_type="audio/ogg"
    )
    return outgoing(world, parameters).posted({**content, **caption_content(parameters)})


@method("sendVideo")
async def send_video(world: World, parameters: Parameters) -> Json:
    """A video, which the sandbox keeps without looking into it."""
    sizes = {name: parameters.integer(name) for name in ("width", "height", "duration")}
    content = await _file_content(world, parameters.file("video"), FileKind.VIDEO, mime_type="video/mp4", **sizes)
    return outgoing(world, parameters).posted({**content, **caption_content(parameters)})


@method("sendSticker")
async def send_sticker(world: World, parameters: Parameters) -> Json:
    """A sticker."""
    content = await _file_content(world, parameters.file("sticker"), FileKind.STICKER, **STICKER)
    return outgoing(world, parameters).posted(content)


STICKER: Json = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False, "emoji": "🙂"}


async def media_content(world: World, parameters: Parameters, item: Json) -> Json:
    """Content of one InputMedia object: the file and its caption."""
    source = parameters.reference(str(item.get("media") or ""))
    if source is None:
        raise bad_request("can't parse InputMedia: media not found")
    caption = caption_content(Parameters({name: item.get(name) for name in _ALBUM_FIELDS}))
    match item.get("type"):
        case "photo":
            return {**await photo_content(world, source), **caption}
        case "document":
            return {**await document_content(world, source), **caption}
        case "video":
            sizes = {name: int(item.get(name) or 0) for name in ("width", "height", "duration")}
            return {**await _file_content(world, source, FileKind.VIDEO, mime_type="video/mp4", **sizes), **caption}
    raise bad_request(f'can\'t parse InputMedia: type "{item.get("type") or ""}" is unsupported')


@method("sendMediaGroup")
async def send_media_group(world: World, parameters: Parameters) -> list[Json]:
    """An album of photos and videos, or of documents alone."""
    if not parameters.has("media"):
        raise bad_request('parameter "media" is required')
    items = parameters.objects("media")
    if not items:
        raise bad_request("there are no messages to send")
    # Telegram lets a lone item pass, though its documentation asks for two: here a bot is held to the documentation.
    if len(items) < MediaGroupLimit.MIN_MEDIA_LENGTH:
        raise bad_request("too few messages to send as an album")
    if len(items) > MediaGroupLimit.MAX_MEDIA_LENGTH:
        raise bad_request("too many messages to send as an album")
    kinds = {str(item.get("type")) for item in items}
    if "document" in kinds and len(kinds) > 1:
        raise bad_request("document can't be mixed with other media types")
    contents = [await media_content(world, parameters, item) for item in items]
    group = outgoing(world, parameters, len(items))
    media_group_id = str(13_000_000_000_000_000 + world.feed.last)
    return [group.posted(content, media_group_id=media_group_id) for content in contents]
