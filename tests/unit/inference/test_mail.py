"""Pictures in a mail, in a page that a browser saved or in an office file are read as those of an archive are."""

import base64
from email.message import EmailMessage

import numpy as np
import pytest
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.study import mail
from inference.study.opening import holds_several, open_study
from inference.study.study import SetAside
from tests import dicom_files, pictures, studies

BRAIN = (pictures.brain_array(160) * 255).astype(np.uint8)
PNG = pictures.encode(Image.fromarray(BRAIN), "PNG")
LOGO = pictures.encode(Image.new("RGB", (120, 40), "red"), "PNG")


def letter(*files: tuple[str, bytes], text: str = "See the pictures.") -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "jane@clinic.example", "Scan"
    message.set_content(text)
    message.add_alternative("<html><body>See the pictures.</body></html>", subtype="html")
    for name, data in files:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def page(picture: bytes) -> bytes:
    """A page as Chrome saves it with all that is on it."""
    head = b'From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\tboundary="b"\r\n\r\n'
    html = b"--b\r\nContent-Type: text/html\r\n\r\n<html></html>\r\n"
    image = b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(picture)
    return head + html + image + b"\r\n--b--\r\n"


def office(folder: str, *files: bytes) -> bytes:
    media = {f"{folder}{number}.png": file for number, file in enumerate(files)}
    return studies.pack({"[Content_Types].xml": b"<Types/>", "docProps/thumbnail.png": PNG, **media})


SERIES = studies.pack(studies.series_files(studies.head(4, 64)))


@pytest.mark.parametrize(
    ("data", "slices"),
    [
        (letter(("a.png", PNG)), 1),
        (letter(("a.png", PNG), ("a.png", PNG[:-1])), 2),
        (b"Delivered-To: joe\r\n" + letter(("a.png", PNG)).replace(b"\n", b"\r\n"), 1),
        (letter(("IM0001", dicom_files.native(BRAIN))), 1),
        (letter(("cd.zip", SERIES)), 4),
        (page(PNG), 1),
        (office("word/media/", PNG), 1),
        (office("ppt/media/", PNG, PNG), 2),
        (office("Pictures/", PNG), 1),
        (studies.pack({"letter.docx": office("word/media/", PNG), "mail.eml": letter(("a.png", PNG))}), 2),
    ],
    ids=["mail", "two", "received", "DICOM", "ZIP", "page", "letter", "slides", "OpenDocument", "within an archive"],
)
def test_the_pictures_of_mails_and_letters_are_read(data: bytes, slices: int) -> None:
    assert holds_several(data)
    study = open_study(data)
    assert len(study.slices) == slices
    if slices < 4:
        assert study.slices[0].shape == (160, 160)


def test_a_logo_among_them_is_set_aside() -> None:
    assert open_study(letter(("logo.png", LOGO), ("a.png", PNG))).set_aside == {SetAside.NOT_TAKEN: 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (letter(), Reason.MAIL_FILE),
        (letter(("letter.txt", b"Dear Jane")), Reason.MAIL_FILE),
        (office("word/media/", b"\1\0\0\0 an EMF"), Reason.OFFICE_FILE),
        (letter(*[("a", b"a")] * 60, text="Content-Type: multipart/mixed\n" * 60), Reason.ARCHIVE_TOO_MANY),
        (letter(text="LINES").replace(b"LINES", b"\n" * 700_000), Reason.ARCHIVE_TOO_MANY),
    ],
    ids=["no file", "no picture", "no picture in a letter", "many parts of parts", "many lines"],
)
def test_one_without_a_picture_is_called_what_it_is(data: bytes, reason: Reason) -> None:
    with pytest.raises(PictureError) as refused:
        open_study(data)
    assert refused.value.reason is reason


def test_what_only_begins_like_a_mail_is_none() -> None:
    for data in (
        b"ObjectType = Image\n",
        b"NRRD0004\ntype: short\n\n",
        b"Note: nothing\n\nContent-Type: multipart/mixed\n",
    ):
        assert not mail.looks_like(data)
    assert not mail.looks_like(b"A: \0\nContent-Type: multipart/mixed\n\n")


def test_a_part_of_many_parameters_has_no_name() -> None:
    head = b'From: a\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: image/png; '
    assert [name for name, _ in mail.parts(head + b'a*0="x";' * 100_000 + b"\n\nx\n--b--\n")] == [""]


def test_parts_in_one_another_without_end_are_damage() -> None:
    nested = b"".join(b"Content-Type: message/rfc822\n\n" for _ in range(5_000))
    head = b'From: a\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
    with pytest.raises(PictureError) as refused:
        list(mail.parts(head + nested))
    assert refused.value.reason is Reason.ARCHIVE_BROKEN
