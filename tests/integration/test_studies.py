"""A study in the chat: one scan, one answer, one report, its slices by buttons; hostile containers get one sentence."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from bot.sandbox import Person
from bot.sandbox.client import Message
from inference.analysis import Reason
from tests import pictures, studies
from tests.integration.conftest import RunningBot

HEAD = studies.head(10)
KEEP = os.environ.get("KEEP_PICTURES")
"""A folder to look at what was sent in."""


def has_pdf(message: Message) -> bool:
    return message.from_bot and bool(message.file and message.file.name.endswith(".pdf"))


def keep(name: str, data: bytes) -> None:
    if KEEP:
        Path(KEEP, name).write_bytes(data)


async def one_answer(anna: Person) -> tuple[Message, Message]:
    report = await anna.wait_for(has_pdf, timeout=240)
    picture = next(
        message
        for message in reversed(await anna.messages())
        if message.from_bot and message.file and not has_pdf(message)
    )
    return picture, report


async def test_study_is_one_scan_with_one_answer_and_report(agreed: Person, bot: RunningBot) -> None:
    await agreed.send_document(studies.pack(studies.hospital_cd(HEAD)), "cd.zip", caption="Ann")
    picture, report = await one_answer(agreed)
    keep("study.jpg", await agreed.download(picture))
    assert "Signs of a tumour found in these slices" in picture.text
    assert "Slices that point to the same place: 2" in picture.text
    assert "of 10 (" in picture.text
    pdf = await agreed.download(report)
    keep("study.pdf", pdf)
    reader = PdfReader(io.BytesIO(pdf))
    text = " ".join(" ".join(page.extract_text().split()) for page in reader.pages)
    assert len(reader.pages) <= 4
    assert "The slices" in text
    assert "in these slices" in text
    assert "T1 axial" in text
    assert "planning pictures (1)" in text
    await agreed.send_text("/history")
    history = await agreed.wait_for(lambda message: "Your scans" in message.text)
    assert "(1)" in history.text
    scan = await bot.services.database.scans.last(1)
    assert scan is not None
    kept = await bot.services.database.scans.slices(scan.id)
    assert [one.number for one in kept] == list(range(1, 11))
    assert sum(one.agrees for one in kept) == 2


async def test_buttons_lead_through_the_slices(agreed: Person) -> None:
    await agreed.send_document(studies.nifti(HEAD), "head.nii.gz")
    _, report = await one_answer(agreed)
    await agreed.press(report, "Look at the slices")
    slice_ = await agreed.wait_for(lambda message: "Slice 5 of 10" in message.text or "Slice 6 of 10" in message.text)
    keep("slice.jpg", await agreed.download(slice_))
    number = 5 if "Slice 5" in slice_.text else 6
    await agreed.press(slice_, f"{number + 1} →")
    turned = await agreed.wait_for(
        lambda message: message.id == slice_.id and f"Slice {number + 1} of 10" in message.text
    )
    assert turned.file
    assert turned.file.file_id != (slice_.file.file_id if slice_.file else "")


async def test_a_study_opened_again_shows_its_sheet(agreed: Person) -> None:
    await agreed.send_document(studies.pages(HEAD), "pages.tif")
    picture, report = await one_answer(agreed)
    await agreed.send_text("/report 1")
    again = await agreed.wait_for(lambda message: has_pdf(message) and message.id != report.id, timeout=120)
    assert await agreed.download(again) == await agreed.download(report)
    with Image.open(io.BytesIO(await agreed.download(picture))) as sheet:
        assert sheet.height > 1.5 * sheet.width  # the slice, its heat map, and all slices below


async def test_an_album_of_one_dicom_series_is_one_scan(agreed: Person, bot: RunningBot) -> None:
    files = [(f"{name[-3:]}.dcm", data) for name, data in studies.series_files(HEAD[2:8]).items()]
    await agreed.send_documents(files)
    picture, _ = await one_answer(agreed)
    assert "of 6 (" in picture.text
    page = await bot.services.database.scans.page(1, 1, 10)
    assert page.total == 1


async def test_unrelated_album_pictures_stay_separate_scans(agreed: Person, bot: RunningBot) -> None:
    await agreed.send_documents([("a.png", pictures.brain(kind="PNG")), ("b.png", pictures.brain(seed=2, kind="PNG"))])
    await agreed.wait_for(lambda message: has_pdf(message) and "scan 2" in message.text.lower(), timeout=240)
    page = await bot.services.database.scans.page(1, 1, 10)
    assert (page.total, {scan.study for scan in page.scans}) == (2, {None})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (studies.pack({"a": bytes(60 << 20)}), Reason.ARCHIVE_TOO_LARGE),
        (studies.pack({"../../etc/passwd": b"x"}), Reason.ARCHIVE_UNSAFE),
        (studies.pack({"notes.txt": b"hello"}), Reason.ARCHIVE_EMPTY),
        (studies.pack(studies.series_files(HEAD[:2]))[:-60], Reason.ARCHIVE_BROKEN),
    ],
    ids=["bomb", "names", "empty", "broken"],
)
async def test_bad_archive_gets_one_sentence_and_bot_continues(
    agreed: Person, bot: RunningBot, data: bytes, reason: Reason
) -> None:
    await agreed.send_document(data, "a.zip")
    sentence = bot.services.languages.default.texts(f"refusal.{reason}")
    await agreed.wait_for(lambda message: message.text == sentence, timeout=120)
    assert (await bot.services.database.scans.page(1, 1, 10)).total == 0
    await agreed.send_text("/help")
    await agreed.wait_for(lambda message: message.from_bot and "/history" in message.text)
