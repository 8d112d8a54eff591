"""What a message brings: the picture it points at and the label that its caption gives."""

import unicodedata
from dataclasses import dataclass
from typing import Literal, Self

from telegram import Message

MAX_LABEL = 64
MAX_NAME = 64
_JOINERS = "\u200c\u200d"
"""Invisible, but part of Persian words and of joined emoji."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Incoming:
    """A picture that waits at Telegram: only a reference to it, nothing of it has been fetched."""

    message_id: int
    file_id: str
    file_unique_id: str
    size: int | None
    """Bytes, as Telegram says."""
    received_as: Literal["photo", "document"]
    label: str | None
    is_of_album: bool = False
    """Whether it may have its label from the caption of another picture."""
    may_be_dicom: bool = False
    """A document that does not say that it is an ordinary picture."""

    @classmethod
    def of(cls, message: Message, label: str | None = None) -> Self:
        """The picture of a message with a photo (its largest size) or a document; the caption goes before ``label``."""
        file = message.photo[-1] if message.photo else message.document
        if file is None:
            raise ValueError("the message holds no picture")
        return cls(
            message_id=message.message_id,
            file_id=file.file_id,
            file_unique_id=file.file_unique_id,
            size=file.file_size,
            received_as="photo" if message.photo else "document",
            label=clean_line(message.caption, MAX_LABEL) or label,
            is_of_album=message.media_group_id is not None,
            may_be_dicom=message.document is not None and not _is_picture(message.document.mime_type),
        )

    @property
    def source_key(self) -> str:
        """Names the message and the file, so that the same update delivered again is known."""
        return f"{self.message_id}:{self.file_unique_id}"


def _is_picture(mime_type: str | None) -> bool:
    return bool(mime_type) and str(mime_type).startswith("image/") and "dicom" not in str(mime_type)


def clean_line(text: str | None, limit: int) -> str | None:
    """Typed text as one line of at most ``limit`` characters without control and direction marks; None when empty."""
    if not text:
        return None
    kept = "".join(_seen(character) for character in unicodedata.normalize("NFC", text[: 16 * limit]))
    line = " ".join(kept.split())[:limit].strip().strip(_JOINERS)
    return line or None


def _seen(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _UNSEEN and character not in _JOINERS else character
