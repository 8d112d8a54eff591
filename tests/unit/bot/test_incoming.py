"""What a message brings: the best picture of it, and a label without tricks."""

from datetime import UTC, datetime

import pytest
from telegram import Animation, Chat, Document, Message, PhotoSize, Update

from bot.handlers.scans import PICTURES
from bot.scan.incoming import MAX_LABEL, Incoming, clean_line


def a_message(**content: object) -> Message:
    return Message(7, datetime.now(UTC), Chat(1, Chat.PRIVATE), **content)  # type: ignore[arg-type]


def test_the_largest_size_of_a_photo_is_taken() -> None:
    sizes = tuple(PhotoSize(f"file{side}", f"unique{side}", side, side, side * 10) for side in (90, 320, 1280))
    picture = Incoming.of(a_message(photo=sizes, caption=" Anna "))
    assert (picture.file_id, picture.size, picture.received_as, picture.label) == ("file1280", 12800, "photo", "Anna")
    assert picture.source_key == "7:unique1280"


def test_document_is_taken_unchanged_with_the_albums_label() -> None:
    picture = Incoming.of(a_message(document=Document("file", "unique", file_size=5)), label="Anna")
    assert (picture.received_as, picture.label, picture.size) == ("document", "Anna", 5)


def test_own_caption_takes_precedence_over_album_label() -> None:
    assert Incoming.of(a_message(document=Document("f", "u"), caption="Boris"), label="Anna").label == "Boris"


@pytest.mark.parametrize(("mime", "is_read"), [("image/gif", True), ("video/mp4", False)])
def test_animation_is_read_only_if_still_a_gif(mime: str, *, is_read: bool) -> None:
    moving = Animation("file", "unique", 320, 240, 2, mime_type=mime)
    message = a_message(animation=moving, document=Document("file", "unique", mime_type=mime))
    assert bool(PICTURES.check_update(Update(1, message))) is is_read


def test_a_message_without_a_picture_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no picture"):
        Incoming.of(a_message(text="hello"))


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        (None, None),
        ("", None),
        (" \n\t ", None),
        ("\u200b\u200d\x00", None),
        ("Anna\nB.  Carter", "Anna B. Carter"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("Ольга Петрова", "Ольга Петрова"),
        ("Nguyễn Thị Ánh", "Nguyễn Thị Ánh"),
        ("e\u0301", "é"),
        ("👩‍⚕️ ward 3", "👩‍⚕️ ward 3"),
        ("<b>&amp;", "<b>&amp;"),
        ("x" * 500, "x" * MAX_LABEL),
    ],
)
def test_a_label_is_one_clean_line_of_bounded_length(typed: str | None, label: str | None) -> None:
    assert clean_line(typed, MAX_LABEL) == label
