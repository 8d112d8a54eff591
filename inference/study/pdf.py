"""The pictures on the pages of a PDF, as they were put there; the pages themselves are not drawn."""

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.limits import DECODER_ERRORS, MAX_PIXELS, MIN_SIDE
from inference.study.limits import MAX_PAGES, MAX_PDF_PICTURES

if TYPE_CHECKING:
    from pypdf import PageObject


OWN_CREATOR = "TumorScan"
"""Who made a PDF, by its own word, when it is a report of ours."""


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as a PDF does (readers allow a kilobyte of anything before)."""
    return b"%PDF-" in data[:1024]


def pictures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give (page from 1, picture file) in reading order, as lazily as the file allows.

    Raises PictureError: PDF_LOCKED, PDF_TOO_LONG, PDF_FILE. A single picture that can't be read is given as b"".
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").disabled = True  # it quotes the file
    faults = (*DECODER_ERRORS, PyPdfError, RecursionError, NotImplementedError, Image.DecompressionBombError)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        is_locked = reader.is_encrypted and not reader.decrypt("")
        pages = len(reader.pages)
        is_own = reader.metadata is not None and reader.metadata.creator == OWN_CREATOR
    except ImportError:  # AES needs a package for cryptography that nothing else here does
        raise PictureError(Reason.PDF_LOCKED) from None
    except faults:
        raise PictureError(Reason.PDF_FILE) from None
    if is_locked:
        raise PictureError(Reason.PDF_LOCKED)
    if is_own:
        raise PictureError(Reason.OWN_REPORT)
    if pages > MAX_PAGES:
        raise PictureError(Reason.PDF_TOO_LONG)
    given = 0
    for number in range(pages):
        try:
            page = reader.pages[number]
            names = list(page.images.keys())
        except faults:
            continue
        for name in names:
            given += 1
            if given > MAX_PDF_PICTURES:
                raise PictureError(Reason.PDF_TOO_LONG)
            try:
                yield number + 1, _picture(page, name)
            except faults:
                yield number + 1, b""


def _picture(page: "PageObject", name: str | list[str]) -> bytes:
    """One picture of a page, with its size looked at before it is unpacked; b"" for rules, logos and masks."""
    if isinstance(name, str) and name.startswith("/"):
        resources: Any = page["/Resources"]
        found = resources["/XObject"][name]
        width, height = int(found.get("/Width", 0)), int(found.get("/Height", 0))
        if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
            return b""
    return bytes(page.images[name].data)
