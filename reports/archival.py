"""What a canvas drew as an archival file, PDF/A-2b (ISO 19005-2): colours defined, metadata in XMP, exact syntax.

ReportLab writes good PDF, which lacks some of what PDF/A asks for: an end of line before ``endstream``, XMP metadata,
and an output intent. Fonts are embedded subsets already, and nothing drawn here is transparent.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from reports.seal import EMPTY_SEAL, MARK

PROGRAM = "TumorScan"
"""Author, creator and producer of each report, and how a report is known that another program has saved anew."""
_PROFILE = Path(__file__).with_name("srgb.icc")
"""The sRGB profile of Little CMS ("No copyright, use freely"), with a fixed date."""
_HEAD = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3 "
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{program}</rdf:li></rdf:Seq></dc:creator>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<pdf:Producer>{program}</pdf:Producer><pdf:Keywords>{keywords}</pdf:Keywords>
<xmp:CreatorTool>{program}</xmp:CreatorTool>
<xmp:CreateDate>{made}</xmp:CreateDate><xmp:ModifyDate>{made}</xmp:ModifyDate>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class About:
    """What the file says of itself."""

    title: str
    subject: str
    language: str
    made: datetime
    """Aware."""
    code: str | None
    fingerprint: str
    """32 hex digits that name the scan's report in the trailer."""

    @property
    def mark(self) -> bytes:
        """What tells that the file is a report, with its code."""
        return MARK + (f" {self.code}".encode() if self.code else b"")


def describe(canvas: Canvas, about: About) -> None:
    """Tell the canvas what the file says of itself, in the document information and in XMP alike."""
    made = about.made.astimezone(UTC)
    canvas.setTitle(about.title)
    canvas.setAuthor(PROGRAM)
    canvas.setCreator(PROGRAM)
    canvas.setProducer(PROGRAM)
    canvas.setSubject(about.subject)
    canvas.setKeywords(about.mark.decode())
    canvas.setDateFormatter(lambda *_: made.strftime("D:%Y%m%d%H%M%SZ"))
    told = {
        "title": about.title,
        "subject": about.subject,
        "language": about.language,
        "keywords": about.mark.decode(),
        "program": PROGRAM,
        "made": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    document: Any = canvas._doc
    catalog = document.Catalog
    catalog.Metadata = _stream({"Type": "/Metadata", "Subtype": "/XML"}, _xmp(told))
    catalog.OutputIntents = pdfdoc.PDFArray([_intent(document)])
    for name in ("__NoDefault__", "__Refs__"):
        setattr(catalog, name, [*getattr(catalog, name), "OutputIntents"])


def written(canvas: Canvas, about: About) -> bytes:
    """The file of a canvas whose pages have all ended, with an empty seal in its trailer."""
    document: Any = canvas._doc
    document._ID = b"\n[<" + about.fingerprint.upper().encode() + b"><" + EMPTY_SEAL + b">]"
    for font in document.delayedFonts:
        font.addObjects(document)
    document.Reference(document.Catalog)
    document.Reference(document.info)
    document.Outlines.prepare(document, canvas)
    if document.Outlines.ready < 0:
        document.Catalog.Outlines = None
    parts = [_HEAD + about.mark + b"\n"]
    offsets: list[int] = []
    at = len(parts[0])
    # Objects may ask for more objects while they are written.
    while (number := len(offsets) + 1) in document.numberToId:
        name = document.numberToId[number]
        written_out = _lined(pdfdoc.PDFIndirectObject(name, document.idToObject[name]).format(document))
        parts.append(written_out)
        offsets.append(at)
        at += len(written_out)
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    parts.append(f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n{table}".encode())
    trailer = pdfdoc.PDFTrailer(
        at, len(offsets) + 1, None, document.Reference(document.Catalog), document.Reference(document.info),
        document.ID(),
    )  # fmt: skip
    parts.append(trailer.format(document))
    return b"".join(parts)


def _lined(written_out: bytes) -> bytes:
    """An object whose stream, if it is one, has an end of line before ``endstream`` (ISO 19005-2, 6.1.7.1)."""
    ending = b"endstream\nendobj\n"
    return written_out[: -len(ending)] + b"\n" + ending if written_out.endswith(ending) else written_out


def _intent(document: Any) -> Any:
    profile = _stream({"N": 3}, _profile(), packed=True)
    return pdfdoc.PDFDictionary(
        {
            "Type": "/OutputIntent",
            "S": "/GTS_PDFA1",
            "OutputConditionIdentifier": pdfdoc.PDFString("sRGB IEC61966-2.1"),
            "Info": pdfdoc.PDFString("sRGB IEC61966-2.1"),
            "DestOutputProfile": document.Reference(profile),
        }
    )


def _stream(entries: dict[str, object], content: bytes, *, packed: bool = False) -> Any:
    stream = pdfdoc.PDFStream(pdfdoc.PDFDictionary(dict(entries)), content)
    stream.filters = [pdfdoc.PDFZCompress] if packed else []
    return stream


def _xmp(told: dict[str, str]) -> bytes:
    return _XMP.format(**{name: escape(_printable(value)) for name, value in told.items()}).encode()


def _printable(text: str) -> str:
    """Without what XML does not take."""
    return "".join(char for char in text if char.isprintable())


@cache
def _profile() -> bytes:
    return _PROFILE.read_bytes()
