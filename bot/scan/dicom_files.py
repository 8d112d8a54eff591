"""A scan as DICOM files of the study of the file that was read, which is fetched from Telegram again for its tags."""

import hashlib

from bot.chat.context import BotContext
from bot.chat.texts import Texts
from bot.errors import UserFacingError
from bot.scan import worker_jobs
from bot.scan.fetching import fetch
from bot.scan.incoming import Incoming
from bot.scan.messages import SOURCE, draw_report
from inference.analysis import PictureError
from inference.workers.executor import ExecutorError
from reports.data import DicomData
from storage.records import Scan

ENDINGS = (".report.dcm", ".heatmap.dcm")
"""Of the names of both files."""


async def dicom_files(context: BotContext, scan: Scan) -> tuple[bytes, bytes]:
    """The report as Encapsulated PDF and the heat map as Secondary Capture.

    Names and numbers of the study pass from the person's own file into theirs, and are kept nowhere. Raises
    UserFacingError when Telegram has that file no more, or has another one in its place.
    """
    executor, person = context.services.executor, context.person.id
    if SOURCE not in scan.file_ids:
        raise UserFacingError("dicom.gone")
    source = await fetch(context, Incoming(0, scan.file_ids[SOURCE], "", None, "document", None))
    if hashlib.sha256(source).hexdigest() != scan.picture_sha256:
        raise UserFacingError("dicom.gone")
    report = await draw_report(context, scan)
    overlay = (await context.database.scans.pictures(scan.id)).overlay
    try:
        identity = await executor.run(worker_jobs.identity, source, client=person)
        data = dicom_data(scan, identity, report, overlay, context.texts)
        return await executor.run(worker_jobs.as_dicom, data, client=person)
    except (PictureError, ExecutorError) as error:
        raise UserFacingError("dicom.failed") from error


def dicom_data(scan: Scan, identity: dict[str, str], report: bytes, overlay: bytes, texts: Texts) -> DicomData:
    """What goes into the files, with their titles in the reader's language."""
    return DicomData(
        identity=identity,
        report=report,
        overlay=overlay,
        title=texts.plain("dicom.title", public_id=scan.public_id),
        picture_title=texts.plain("dicom.picture_title", public_id=scan.public_id),
        made=scan.created_at,
        model=f"{scan.model_name} {scan.model_version}",
    )
