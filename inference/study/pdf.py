"""The pictures on the pages of a PDF, turned as they lie there, their strips put together; no page is drawn."""

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.limits import DECODER_ERRORS, MAX_PIXELS, MIN_SIDE
from inference.study import pdf_page
from inference.study.limits import MAX_PAGES, MAX_PDF_PICTURES, MAX_PDF_STRIPS
from inference.study.pdf_page import Name, Place

if TYPE_CHECKING:
    from pypdf import PageObject


OWN_CREATOR = "TumorScan"
"""Who made a PDF, by its own word, when it is a report of ours."""
UNREADABLE = b"%PDF-"
"""Stands for a picture that is there and can't be taken out, as JBIG2: it is told as a PDF that can't be opened."""


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as a PDF does (readers allow a kilobyte of anything before)."""
    return b"%PDF-" in data[:1024]


def pictures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give (page from 1, picture file) in reading order, as lazily as the file allows.

    Raises PictureError: PDF_LOCKED, PDF_TOO_LONG, PDF_FILE. A single picture that can't be read is given as
    ``UNREADABLE``, rules and logos as b"".
    """
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # it quotes the file; its modules have loggers below this
    faults = (
        *DECODER_ERRORS,
        PyPdfError,
        DependencyError,
        RecursionError,
        NotImplementedError,
        Image.DecompressionBombError,
    )
    drawing = pdf_page.Drawing()
    given = stored = 0
    for number, page in _pages(data, faults):
        try:
            names = _names(page, faults)
        except faults:
            continue
        try:
            lie = drawing.places(page) if names else {}
            groups = _groups(page, names, lie)
        except faults:
            lie, groups = {}, [(name,) for name in names]
        given, stored = given + len(groups), stored + len(names)
        if given > MAX_PDF_PICTURES or stored > MAX_PDF_STRIPS:
            raise PictureError(Reason.PDF_TOO_LONG)
        for group in groups:
            try:
                yield number, _picture(page, group, lie)
            except faults:
                yield number, UNREADABLE


def _pages(data: bytes, faults: tuple[type[Exception], ...]) -> "Iterator[tuple[int, PageObject]]":
    """The pages of a file that can be read, from 1. Raises PictureError as ``pictures`` does, at the first page."""
    from pypdf import PdfReader

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
    for number in range(pages):
        try:
            page = reader.pages[number]
        except faults:
            continue
        yield number + 1, page


def _names(page: "PageObject", faults: tuple[type[Exception], ...]) -> list[Name]:
    try:
        names = page.images.keys()
    except faults:
        # pypdf gives a whole page up when one picture that stands among its drawing is odd.
        vars(page)["_content_stream_images"] = {}
        names = page.images.keys()
    return [name if isinstance(name, str) else tuple(name) for name in names]


def _groups(page: "PageObject", names: Sequence[Name], lie: Mapping[Name, Place]) -> list[tuple[Name, ...]]:
    """The names as they come, those of strips of one picture together."""
    sizes = {name: size for name in names if (size := _stored_size(page, name))}
    first = {run[0]: run for run in pdf_page.strips(lie, sizes)}
    others = {name for run in first.values() for name in run[1:]}
    return [first.get(name, (name,)) for name in names if name not in others]


def _picture(page: "PageObject", group: Sequence[Name], lie: Mapping[Name, Place]) -> bytes:
    """A picture as it lies on its page, its size looked at before it is unpacked; b"" for rules, logos and masks."""
    sizes = [size for name in group if (size := _stored_size(page, name))]
    width, height = max((size[0] for size in sizes), default=0), sum(size[1] for size in sizes)
    if sizes and (width * height > MAX_PIXELS or min(width, height) < MIN_SIDE):
        return b""
    turn = lie[group[0]].turn if group[0] in lie else None
    if len(group) == 1 and turn is None:
        return bytes(_image(page, group[0]).data)
    parts = [part for name in group if (part := _image(page, name).image) is not None]
    whole = pdf_page.join_strips(parts)
    file = io.BytesIO()
    (whole if turn is None else whole.transpose(turn)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _image(page: "PageObject", name: Name) -> Any:
    return page.images[name if isinstance(name, str) else list(name)]


def _stored_size(page: "PageObject", name: Name) -> tuple[int, int] | None:
    """Pixels of a picture (width, height) as its own words say; None where it has none."""
    if isinstance(name, str) and not name.startswith("/"):  # among the drawing, and unpacked with it
        image = _image(page, name).image
        return image.size if image else None
    found: Any = page
    for part in (name,) if isinstance(name, str) else name:
        found = found["/Resources"]["/XObject"][part]
    return int(found.get("/Width", 0)), int(found.get("/Height", 0))
