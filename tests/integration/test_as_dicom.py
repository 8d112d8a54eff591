"""The button "As DICOM": for files that came as DICOM, out of the person's own file, of which nothing is kept."""

import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pypdf import PdfReader

from bot.sandbox import Person
from inference.decode.dicom_signature import PREAMBLE
from tests import dicom_files, pictures
from tests.integration.chatting import is_report, one_scan, scans_of, work_is_done
from tests.integration.conftest import RunningBot
from tests.unit.storage.test_deleting import on_disk

STUDY = {"StudyInstanceUID": "1.2.840.99999.1", "PatientName": "Zwrtlbrmft^Quixotria", "Modality": "MR"}
AXIAL = [1, 0, 0, 0, 1, 0]


def a_dicom_file() -> bytes:
    pixels = np.asarray(Image.open(io.BytesIO(pictures.brain())).convert("L"))
    return dicom_files.native(pixels, **STUDY, ImageOrientationPatient=AXIAL)


async def test_dicom_comes_back_as_dicom_and_nobody_is_kept(bot: RunningBot, agreed: Person, tmp_path: Path) -> None:
    await agreed.send_document(a_dicom_file(), "IM1")
    report = await agreed.wait_for(is_report, timeout=60)
    await work_is_done(bot, agreed)
    (scan,) = await scans_of(bot, agreed)

    since = await agreed.mark()
    await agreed.press(report, f"dicom:{scan.public_id}")
    first = await agreed.wait_for(is_report, since=since, timeout=60)
    second = await agreed.wait_for(lambda message: is_report(message) and message.id > first.id, since=since)
    for message, kind in ((first, "EncapsulatedDocument"), (second, "PixelData")):
        made = pydicom.dcmread(io.BytesIO(await agreed.download(message)))
        assert (made.StudyInstanceUID, str(made.PatientName)) == (STUDY["StudyInstanceUID"], STUDY["PatientName"])
        assert kind in made
    assert b"Zwrtlbrmft" not in on_disk(tmp_path / "bot.db")


async def test_sides_that_a_file_tells_stand_in_its_report(bot: RunningBot, agreed: Person) -> None:
    await agreed.send_document(a_dicom_file(), "IM1")
    report = await agreed.wait_for(is_report, timeout=60)
    (scan,) = await scans_of(bot, agreed)

    assert scan.edges == ("R", "L")
    page = PdfReader(io.BytesIO(await agreed.download(report))).pages[0].extract_text()
    assert "R right, L left" in page
    assert page.split().count("R") >= 2


async def test_dicom_without_preamble_has_the_button_too(bot: RunningBot, agreed: Person) -> None:
    await agreed.send_document(a_dicom_file()[PREAMBLE + len(b"DICM") :], "IM1")
    report = await agreed.wait_for(is_report, timeout=60)

    assert any("dicom" in str(button) for button in report.buttons)


async def test_other_pictures_have_no_such_button(bot: RunningBot, agreed: Person) -> None:
    report = await one_scan(bot, agreed)

    assert not any("dicom" in str(button) for button in report.buttons)
