"""The files of all chats, in memory: ids that can be sent again, links that run out, the oldest forgotten first."""

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.sandbox.errors import bad_request
from bot.sandbox.params import Json
from bot.sandbox.pictures import Size
from bot.sandbox.rules import DOWNLOAD_BYTES, Clock, Rules


class FileKind(StrEnum):
    """What a file was sent as; a photo can't be sent again as a document, nor the other way round."""

    PHOTO = "photo"
    DOCUMENT = "document"
    THUMBNAIL = "thumbnail"
    STICKER = "sticker"
    VOICE = "voice"
    VIDEO = "video"
    PROFILE = "profile_photo"


_FOLDERS = {
    FileKind.PHOTO: ("photos", "AgACAgIAAxkBAA"),
    FileKind.DOCUMENT: ("documents", "BQACAgIAAxkBAA"),
    FileKind.THUMBNAIL: ("thumbnails", "AAMCAgADGQEAA"),
    FileKind.STICKER: ("stickers", "CAACAgIAAxkBAA"),
    FileKind.VOICE: ("voice", "AwACAgIAAxkBAA"),
    FileKind.VIDEO: ("videos", "BAACAgIAAxkBAA"),
    FileKind.PROFILE: ("profile_photos", "AgACAgIAAxUAAW"),
}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the sandbox keeps it; ``extra`` are the fields that its object has beside ids and size."""

    file_id: str
    file_unique_id: str
    kind: FileKind
    name: str
    mime: str
    data: bytes
    path: str
    extra: Json
    available: bool = True

    def as_api(self) -> Json:
        """The object that messages carry (PhotoSize, Document, Voice...)."""
        ids: Json = {"file_id": self.file_id, "file_unique_id": self.file_unique_id, "file_size": len(self.data)}
        return {**ids, **self.extra}


class FileStore:
    """Every file that was sent, by file_id and by the path of its link."""

    def __init__(self, rules: Rules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._files: dict[str, StoredFile] = {}
        self._photos: dict[str, list[StoredFile]] = {}
        self._links: dict[str, tuple[str, float]] = {}
        self._bytes = 0
        self._count = 0

    def add(self, kind: FileKind, data: bytes, *, name: str = "", mime: str = "", **extra: object) -> StoredFile:
        """Keep a file; the oldest ones are forgotten when all together are larger than the rules allow."""
        folder, prefix = _FOLDERS[kind]
        ending = name.rpartition(".")[2].lower() if "." in name else "jpg" if kind is FileKind.PHOTO else "bin"
        ending = "".join(filter(str.isalnum, ending))[:8] or "bin"
        file = StoredFile(
            file_id=prefix + secrets.token_urlsafe(42),
            file_unique_id="AQAD" + secrets.token_urlsafe(9),
            kind=kind,
            name=name,
            mime=mime,
            data=data,
            path=f"{folder}/file_{self._count}.{ending}",
            extra=dict(extra),
        )
        self._count += 1
        self._bytes += len(data)
        self._files[file.file_id] = file
        while self._bytes > self._rules.stored_bytes and len(self._files) > 1:
            self._drop(next(iter(self._files)))
        return file

    def add_photo(self, sizes: list[Size]) -> list[StoredFile]:
        """Keep the sizes of one photo; any of their ids sends it again."""
        stored = [
            self.add(FileKind.PHOTO, size.data, mime="image/jpeg", width=size.width, height=size.height)
            for size in sizes
        ]
        self._photos |= {file.file_id: stored for file in stored}
        return stored

    def photo(self, file_id: str) -> list[StoredFile]:
        """All sizes of the photo that has this size; empty when there is none."""
        return self._photos.get(file_id, [])

    def _drop(self, file_id: str) -> None:
        self._bytes -= len(self._files.pop(file_id).data)
        self._photos.pop(file_id, None)

    def find(self, file_id: str) -> StoredFile | None:
        """The file, or None when there is none of this id or it was forgotten."""
        return self._files.get(file_id)

    def expire(self, file_id: str) -> None:
        """From now on the bot can't fetch this file, as when Telegram has dropped it; people still see it."""
        if file_id in self._files:
            self._files[file_id] = replace(self._files[file_id], available=False)

    def link(self, file_id: str) -> Json:
        """The File object of getFile; raises ApiError 400 in Telegram's words when it can't be fetched."""
        file = self._files.get(file_id)
        if file is None or not file.available:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if len(file.data) > DOWNLOAD_BYTES:
            raise bad_request("file is too big")
        now = self._clock.now()
        self._links = {path: link for path, link in self._links.items() if link[1] > now}
        self._links[file.path] = (file_id, now + self._rules.link_seconds)
        ids: Json = {"file_id": file.file_id, "file_unique_id": file.file_unique_id, "file_size": len(file.data)}
        return {**ids, "file_path": file.path}

    def end_link(self, path: str) -> None:
        """From now on the link leads nowhere, as after its hour; getFile gives a new one."""
        file_id, _ = self._links[path]
        self._links[path] = (file_id, self._clock.now())

    def follow(self, path: str) -> StoredFile | None:
        """The file that a link leads to, or None when nobody asked for the link or it has run out."""
        file_id, until = self._links.get(path, ("", 0.0))
        file = self._files.get(file_id)
        if file is None or not file.available or until <= self._clock.now():
            return None
        return file
