"""The file is PDF/A-2b as far as a test without veraPDF can tell: rule by rule of ISO 19005-2, on a full report.

veraPDF is not among what can be installed by the package registries that this project uses.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from fontTools.ttLib import TTFont
from PIL import ImageCms
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from reports import render
from reports.data import ContactSheet, ReportData, Sides, Verification
from reports.seal import EXAMPLE
from reports.style import PAPERS
from tests.unit.reports.examples import OVERLAY, a_report

LINK = f"https://t.me/tumorscan_bot?start=verify-{EXAMPLE.replace('-', '')}"
SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/", "pdf": "http://ns.adobe.com/pdf/1.3/",
    "xmp": "http://ns.adobe.com/xap/1.0/", "id": "http://www.aiim.org/pdfa/ns/id/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}  # fmt: skip
_ACTIVE = {"/JS", "/JavaScript", "/Launch", "/EmbeddedFiles", "/AA", "/OpenAction", "/AcroForm", "/XFA"}


def everything() -> ReportData:
    """A report with every part, and letters of many scripts."""
    return replace(
        a_report(),
        patient_label="Ольга 🧠 王 김 שלום สวัสดี مرحبا क्षत्रिय বাংলা",
        slices=ContactSheet("The slices", OVERLAY, "Framed slices agree."),
        strength=("Sensitivity 91% (88% to 93%).", "It learned from 3,000 pictures."),
        sides=Sides("R right, L left.", "R", "L"),
        place="Slice 4 of 20",
        verification=Verification(EXAMPLE, LINK),
    )


FILE = render(everything())
READER = PdfReader(io.BytesIO(FILE), strict=True)
ROOT: Any = READER.trailer["/Root"]


def objects(reader: PdfReader = READER) -> Iterator[Any]:
    """Every object of the file, and what lies in them."""
    waiting: list[Any] = [
        reader.get_object(IndirectObject(number, 0, reader))
        for number in range(1, int(reader.trailer["/Size"]))  # type: ignore[call-overload]
    ]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, DictionaryObject):
            waiting += [value for value in one.values() if not isinstance(value, IndirectObject)]
        elif isinstance(one, ArrayObject):
            waiting += [value for value in one if not isinstance(value, IndirectObject)]


def fonts() -> Iterator[Any]:
    return (one for one in objects() if isinstance(one, DictionaryObject) and one.get("/Type") == "/Font")


def test_header_and_trailer_are_as_the_standard_says() -> None:
    first, second, *_ = FILE.split(b"\n")
    assert re.fullmatch(rb"%PDF-1\.[0-7]", first)  # 6.1.2
    assert second[:1] == b"%"
    assert all(byte > 127 for byte in second[1:5])
    assert "/ID" in READER.trailer  # 6.1.3
    assert "/Encrypt" not in READER.trailer
    assert FILE.endswith(b"%%EOF\n")
    assert FILE.count(b"%%EOF") == 1


def test_every_stream_ends_with_a_line_of_its_own() -> None:
    streams = [one for one in objects() if isinstance(one, StreamObject)]
    assert FILE.count(b"\nendstream\n") == FILE.count(b"endstream\nendobj") == len(streams) > 10  # 6.1.7.1
    for found in re.finditer(rb"/Length ([0-9]+).*?>>\nstream\n", FILE, re.DOTALL):
        assert FILE[found.end() + int(found[1]) :].startswith(b"\nendstream\n")
    assert not any({"/F", "/FFilter", "/FDecodeParms"} & set(stream) for stream in streams)
    assert not any("/LZWDecode" in str(stream.get("/Filter")) for stream in streams)


def test_cross_references_lead_to_their_objects() -> None:
    table = FILE[int(FILE.rsplit(b"startxref\n", 1)[1].split(b"\n")[0]) :]  # 6.1.4
    lines = table.split(b"\n")
    assert lines[0] == b"xref"
    count = int(lines[1].split()[1])
    for number in range(1, count):
        assert FILE[int(lines[2 + number][:10]) :].startswith(b"%d 0 obj\n" % number)


def test_colours_are_defined_by_one_srgb_profile() -> None:
    (intent,) = ROOT["/OutputIntents"]  # 6.2.3
    intent = intent.get_object()
    assert (intent["/Type"], intent["/S"]) == ("/OutputIntent", "/GTS_PDFA1")
    profile = intent["/DestOutputProfile"].get_object()
    data = profile.get_data()
    assert (profile["/N"], data[8], data[12:16], data[16:20]) == (3, 4, b"mntr", b"RGB ")
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data)))
    spaces = {str(one.get("/ColorSpace")) for one in objects() if isinstance(one, DictionaryObject)} - {"None"}
    assert spaces <= {"/DeviceRGB", "/DeviceGray"}  # 6.2.4.3
    painted = b"".join(page.get_contents().get_data() for page in READER.pages)  # type: ignore[union-attr]
    assert not re.search(rb"[\d.]\s+[kK]\s", painted)


def test_nothing_is_transparent_or_active() -> None:
    for one in objects():
        if isinstance(one, DictionaryObject):
            assert not {"/SMask", "/BM", "/TR", "/HTP", "/OPI", "/PS", "/Alternates"} & set(one)
            assert not _ACTIVE & set(one)
            assert one.get("/CA", 1) == one.get("/ca", 1) == 1
            assert not one.get("/Interpolate")
            assert one.get("/S") not in ("/JavaScript", "/Launch", "/ResetForm", "/ImportData", "/Sound", "/Movie")


def test_every_font_is_an_embedded_subset_with_true_widths() -> None:
    found = list(fonts())
    assert len(found) > 8
    for font in found:
        assert re.match(r"/[A-Z]{6}\+", font["/BaseFont"])
        descriptor = font["/FontDescriptor"].get_object()
        assert descriptor["/FontName"] == font["/BaseFont"]
        assert int(descriptor["/Flags"]) & 4  # symbolic: then without an encoding, and with one cmap (6.2.11.6)
        assert "/Encoding" not in font
        program = TTFont(io.BytesIO(descriptor["/FontFile2"].get_object().get_data()))
        (cmap,) = program["cmap"].tables
        scale = 1000 / program["head"].unitsPerEm
        for code in range(int(font["/FirstChar"]), int(font["/LastChar"]) + 1):
            if glyph := cmap.cmap.get(code):
                told = float(font["/Widths"][code - int(font["/FirstChar"])])
                assert told == pytest.approx(program["hmtx"][glyph][0] * scale, abs=1.0)  # 6.2.11.5
        assert "/ToUnicode" in font


def test_metadata_say_the_same_in_both_places() -> None:
    stream = ROOT["/Metadata"].get_object()
    assert (stream["/Type"], stream["/Subtype"]) == ("/Metadata", "/XML")
    assert b"TumorScan-report " + EXAMPLE.encode() in stream.get_data()
    packet = ET.fromstring(stream.get_data())  # noqa: S314  # our own
    told: Any = READER.metadata

    def said(path: str) -> str | None:
        return packet.findtext(f".//{path}", namespaces=SPACES)

    assert (said("id:part"), said("id:conformance")) == ("2", "B")
    assert said("dc:title/rdf:Alt/rdf:li") == told.title
    assert said("dc:creator/rdf:Seq/rdf:li") == told.author
    assert said("dc:description/rdf:Alt/rdf:li") == told.subject
    assert said("pdf:Keywords") == told["/Keywords"]
    assert (said("pdf:Producer"), said("xmp:CreatorTool")) == (told.producer, told.creator)
    assert told.creation_date_raw == "D:20260329140709Z"
    assert said("xmp:CreateDate") == said("xmp:ModifyDate") == "2026-03-29T14:07:09Z"


def test_links_may_be_printed_and_have_no_hidden_face() -> None:
    notes: list[Any] = [
        one for one in objects() if isinstance(one, DictionaryObject) and one.get("/Subtype") == "/Link"
    ]
    assert notes
    for note in notes:
        assert int(note["/F"]) & 4  # 6.3.2: printed,
        assert not int(note["/F"]) & 0b100011  # and neither hidden, invisible nor without a view


def test_pictures_and_square_code_have_alternative_texts() -> None:
    alternatives = [
        bytes.fromhex(found.decode()).decode("utf-16")
        for page in READER.pages
        for found in re.findall(rb"/Alt <([0-9A-F]+)>", page.get_contents().get_data())  # type: ignore[union-attr]
    ]
    assert alternatives == [
        "The picture", "The same picture with the heat map", "Framed slices agree.", f"QR code: {LINK}",
    ]  # fmt: skip


def test_every_part_is_bookmarked_in_the_reading_order() -> None:
    titles = [str(entry.title) for entry in READER.outline]  # type: ignore[union-attr]
    words = everything().words
    assert titles[:4] == [words.result, words.original, words.scores, words.strength]
    assert titles[-2:] == [words.made_by, words.notes]
    assert ROOT["/Lang"] == "en"


@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.parametrize("leftward", [False, True])
def test_square_code_is_read_from_the_page(paper: Any, leftward: bool) -> None:
    data = replace(everything(), paper=paper, right_to_left=leftward)
    document = pypdfium2.PdfDocument(render(data))
    read = [code.text for page in document for code in zxingcpp.read_barcodes(page.render(scale=2).to_pil())]

    assert read == [LINK]
    assert document[0].get_size() == pytest.approx(PAPERS[paper], abs=0.01)


def test_sides_keep_their_side_on_a_mirrored_page() -> None:
    for leftward in (False, True):
        places: dict[str, list[float]] = {"R": [], "L": []}

        def note(part: str, _cm: Any, tm: list[float], _f: Any, _s: float, places: Any = places) -> None:
            if part.strip() in places:
                places[part.strip()].append(tm[4])

        data = replace(everything(), right_to_left=leftward)
        PdfReader(io.BytesIO(render(data))).pages[0].extract_text(visitor_text=note)
        assert [right < left for right, left in zip(sorted(places["R"]), sorted(places["L"]), strict=True)] == [
            True
        ] * 2
