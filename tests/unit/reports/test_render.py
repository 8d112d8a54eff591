"""The PDF of a scan holds what it should, whatever people typed."""

import hashlib
import io
import multiprocessing
import pickle
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from pypdf import PdfReader

from reports import Bar, ReportError, Source, Words, render
from reports.data import ContactSheet, ReportData
from reports.style import BOTTOM, PAPERS
from tests.goldens import reports
from tests.unit.reports.examples import ORIGINAL, OVERLAY, WORDS, a_report, drawn

PAGE_WIDTH, PAGE_HEIGHT = PAPERS["a4"]
HOSTILE = [
    "Ольга Петренко",
    "Ελένη Παπαδοπούλου",
    "Nguyễn Thị Ánh",
    "Anna 🧠 🎉",
    "王小明",
    "김민준",
    "<script>alert(1)</script>&amp;",
    '<para><font color="[c for c in ()]">x</font></para>',
    "</para><img src='file:///etc/passwd'/>",
    "%PDF-1.4 (a\\) Tj ET endstream endobj",
]


def read(data: ReportData) -> PdfReader:
    return PdfReader(io.BytesIO(render(data)), strict=True)


def text_of(reader: PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


def squeezed(text: str) -> str:
    return "".join(text.split())


def fonts_of(reader: PdfReader) -> dict[str, Any]:
    return {
        str(font.get_object()["/BaseFont"]): font.get_object()
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }


def test_the_report_says_all_that_it_was_given() -> None:
    data = a_report()
    reader = read(data)
    text = squeezed(text_of(reader))

    assert 1 <= len(reader.pages) <= 2
    said = [data.verdict_words, data.explanation, data.figure_words, data.patient_label or ""]
    said += [*data.limits, *data.seek_help, *(bar.words for bar in data.bars), data.public_id, "No. 12", "Brain MRI"]
    said += [part for source in data.sources for part in (source.title, source.url)]
    said += [*asdict(data.provenance).values(), data.created_words]
    for part in said:
        assert squeezed(part) in text, part


def test_every_page_disclaims_diagnosis_and_shows_its_number() -> None:
    reader = read(replace(a_report(), limits=a_report().limits * 40))

    assert len(reader.pages) > 2
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert WORDS.not_a_diagnosis in text
        assert f"Page {number} of {len(reader.pages)}" in text
        assert "A7K2-Q9" in text
        assert (page.mediabox.width, page.mediabox.height) == pytest.approx((PAGE_WIDTH, PAGE_HEIGHT), abs=0.01)


@pytest.mark.parametrize("label", HOSTILE)
def test_label_of_any_script_or_markup_appears_as_typed(label: str) -> None:
    reader = read(replace(a_report(), patient_label=label))

    assert squeezed(label) in squeezed(text_of(reader))
    assert len(reader.pages) <= 2


@pytest.mark.parametrize(
    ("label", "letters"),
    [
        ("שלום", "שלום"),
        ("مرحبا بالعالم", "مرحبا"),
        ("Dana (דנה)", "דנה"),
        ("हिन्दी क्षत्रिय", "हिनदक"),
        ("বাংলা தமிழ் తెలుగు", "বাংলাதமிழ"),
        ("မြန်မာ ខ្មែរ አማርኛ", "မနአማርኛ"),
    ],
)
def test_shaped_label_can_be_copied_as_letters(label: str, letters: str) -> None:
    text = text_of(read(replace(a_report(), patient_label=label)))

    assert set(letters) <= set(text)


def test_shaped_label_is_stored_in_file_as_typed() -> None:
    pdf = render(replace(a_report(), patient_label="हिन्दी"))
    page = PdfReader(io.BytesIO(pdf)).pages[0].get_contents()

    assert page is not None
    assert "हिन्दी".encode("utf-16-be").hex().upper().encode() in page.get_data()


def test_no_line_of_the_result_is_painted_over(an_arabic_report: ReportData) -> None:
    page = PdfReader(io.BytesIO(render(an_arabic_report))).pages[0].get_contents()

    assert page is not None
    code = page.get_data()
    ground, heading = code.rindex(b".937 .953 .961 rg"), an_arabic_report.words.result.encode("utf-16-be").hex().upper()
    assert ground < code.index(heading.encode()), "dots below a letter would be painted over"


@pytest.fixture
def an_arabic_report() -> ReportData:
    return reports()["signs-ar"]


@pytest.mark.parametrize("label", ["हिन्दी के क्षत्रिय", "مرحبا بكم جميعا"])
def test_shaped_words_are_copied_with_the_spaces_between_them(label: str) -> None:
    page = PdfReader(io.BytesIO(render(replace(a_report(), patient_label=label)))).pages[0].get_contents()

    assert page is not None
    assert label.encode("utf-16-be").hex().upper().encode() in page.get_data()


def test_a_language_that_runs_leftward_has_its_page_mirrored() -> None:
    def lefts(data: ReportData) -> dict[str, float]:
        found: dict[str, float] = {}

        def note(part: str, _cm: Any, tm: list[float], _font: Any, _size: float) -> None:
            found.setdefault(part.strip(), tm[4])

        read(data).pages[0].extract_text(visitor_text=note)
        return found

    usual, mirrored = lefts(a_report()), lefts(replace(a_report(), right_to_left=True))
    assert usual["A7K2-Q9"] > PAGE_WIDTH / 2 > mirrored["A7K2-Q9"]
    assert usual["Scores"] < PAGE_WIDTH / 2 < mirrored["Scores"]
    assert usual["91%"] > PAGE_WIDTH / 2 > mirrored["91%"]


def test_an_override_cannot_disguise_a_label() -> None:
    text = text_of(read(replace(a_report(), patient_label="Anna \u202etxet\u202c \u2067b\u2069")))

    assert "Anna txet b" in text


def test_what_no_font_has_is_seen_to_be_missing() -> None:
    assert "a\ufffdb\ufffd" in text_of(read(replace(a_report(), patient_label="a\ue000b\ud800")))


@pytest.mark.parametrize("label", [None, "", "  \u200b"])
def test_without_a_label_the_report_says_so(label: str | None) -> None:
    assert "none given" in text_of(read(replace(a_report(), patient_label=label)))


def test_markup_in_any_text_is_only_text() -> None:
    bomb = "<b>&lt; <img src='x'/> \u202e"
    data = replace(
        a_report(),
        verdict_words=bomb,
        explanation=bomb,
        organ_words=bomb,
        figure_words=bomb,
        limits=(bomb,),
        seek_help=(bomb,),
        bars=(Bar(bomb, 0.5, bomb, highlighted=True),),
        sources=(Source(bomb, "javascript:alert(1)"),),
        provenance=replace(a_report().provenance, model_name=bomb, picture_words=bomb),
    )
    reader = read(data)

    assert squeezed(text_of(reader)).count("<b>&lt;<imgsrc='x'/>") >= 8
    assert all("/Annots" not in page for page in reader.pages), "a script is no link"


def test_sources_are_links() -> None:
    found = [
        annotation.get_object()["/A"]["/URI"]
        for page in read(a_report()).pages
        for annotation in page.get("/Annots", [])
    ]

    assert found == [source.url for source in a_report().sources]


# Pictures


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_jpegs_are_in_the_file_byte_for_byte(mode: str) -> None:
    original, overlay = drawn((320, 240), mode=mode), drawn((320, 240), heat=True, mode=mode)
    pdf = render(replace(a_report(), original=original, overlay=overlay))

    assert original in pdf
    assert overlay in pdf
    images = [
        image.get_object()
        for image in PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/XObject"].values()  # type: ignore[index]
    ]
    spaces = {"RGB": "/DeviceRGB", "L": "/DeviceGray"}
    assert [image["/Filter"] for image in images] == [["/DCTDecode"]] * 2
    assert {image["/ColorSpace"] for image in images} == {spaces[mode]}
    assert {(image["/Width"], image["/Height"]) for image in images} == {(320, 240)}
    assert {hashlib.sha256(image._data).digest() for image in images} == {
        hashlib.sha256(picture).digest() for picture in (original, overlay)
    }


@pytest.mark.parametrize("size", [(64, 64), (1280, 300), (200, 1280), (3, 500), (500, 3)])
def test_a_picture_of_any_shape_stays_on_the_page(size: tuple[int, int]) -> None:
    reader = read(replace(a_report(), original=drawn(size), overlay=drawn(size)))

    assert len(reader.pages) <= 2


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", ORIGINAL[:20], b"<svg/>"])
def test_what_is_no_jpeg_is_refused_with_one_sentence(data: bytes) -> None:
    with pytest.raises(ReportError, match="not a JPEG"):
        render(replace(a_report(), original=data))


def test_a_picture_in_ink_colours_is_refused() -> None:
    with pytest.raises(ReportError, match="grey or RGB"):
        render(replace(a_report(), overlay=drawn(mode="CMYK")))


def test_colour_bar_has_the_overlays_colours() -> None:
    from inference.explain import FULL_ALPHA, STOPS
    from reports.style import HEAT, HEAT_OPACITY

    assert (HEAT, HEAT_OPACITY) == (STOPS, FULL_ALPHA)
    assert "/Shading" in read(a_report()).pages[0]["/Resources"]  # type: ignore[operator]


# Layout


def test_long_texts_fill_pages_without_overlap_or_loss() -> None:
    data = a_report()
    data = replace(
        data,
        patient_label="Wolfeschlegelsteinhausenbergerdorff" * 20,
        explanation=f"{data.explanation} " * 12,
        limits=tuple(f"Limit {n}: {data.limits[0]}" for n in range(60)),
    )
    reader = read(data)

    text = squeezed(text_of(reader))
    for limit in data.limits:
        assert squeezed(limit) in text
    for page in reader.pages:
        lines: list[tuple[float, float]] = []

        def note(part: str, _cm: Any, tm: list[float], _font: Any, size: float, lines: Any = lines) -> None:
            if part.strip():
                lines.append((round(tm[5], 2), size))

        page.extract_text(visitor_text=note)
        heights = sorted({y for y, _ in lines})
        body = [y for y in heights if y > BOTTOM - 1]
        assert min(heights) > 20
        assert max(heights) < PAGE_HEIGHT - 20
        assert body[0] >= BOTTOM


def test_name_of_500_characters_is_cut_with_ellipsis() -> None:
    reader = read(replace(a_report(), patient_label="Maximilian " * 46))

    text = reader.pages[0].extract_text()
    assert "Maximilian…" in squeezed(text)
    assert 1 < text.count("Maximilian") < 20


def test_a_report_with_little_to_say_is_whole_too() -> None:
    data = replace(a_report(), bars=(), limits=(), seek_help=(), sources=(), explanation="", figure_words="")

    assert len(read(data).pages) == 1


# The file


def test_every_font_is_embedded_in_part() -> None:
    fonts = fonts_of(read(replace(a_report(), patient_label="Ольга 🧠 王 김 שלום สวัสดี")))

    assert len(fonts) == 7
    for name, font in fonts.items():
        assert "/FontFile2" in font["/FontDescriptor"], name
        assert "/ToUnicode" in font, name


def test_the_file_names_the_scan_and_no_person() -> None:
    pdf = render(a_report())
    reader = PdfReader(io.BytesIO(pdf))

    assert reader.metadata is not None
    assert reader.metadata.title == "TumorScan report A7K2-Q9"
    assert reader.metadata.creation_date == a_report().created_at
    assert reader.trailer["/Root"]["/Lang"] == "en"  # type: ignore[index]
    assert not any("Ольга" in str(value) for value in reader.metadata.values())


def test_same_data_make_same_bytes_in_any_process() -> None:
    here = render(a_report())
    render(replace(a_report(), patient_label="between 王 🧠"))

    assert render(a_report()) == here
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(render, (pickle.loads(pickle.dumps(a_report())),)) == here  # noqa: S301


def test_a_usual_report_is_small() -> None:
    assert len(render(a_report())) < len(ORIGINAL) + len(OVERLAY) + 50_000


# Words


def test_every_heading_is_the_one_it_was_given() -> None:
    marked = Words(**{field.name: f"{getattr(WORDS, field.name)} ¶" for field in fields(WORDS)})

    text = squeezed(text_of(read(replace(a_report(), words=marked))))
    for name in ("title", "patient", "result", "scores", "figure", "limits", "seek_help", "sources", "made_by", "page"):
        said = getattr(marked, name).format(page=1, pages=2)
        assert squeezed(said) in text, name


@pytest.mark.parametrize("score", [-1.0, 2.0])
def test_a_score_out_of_range_stays_in_its_bar(score: float) -> None:
    assert "<1%" in text_of(read(replace(a_report(), bars=(Bar("glioma", score, "<1%", highlighted=True),))))


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ReportError, match="not a number"):
        render(replace(a_report(), bars=(Bar("glioma", float("nan"), "?", highlighted=True),)))


def test_cells_that_counted_are_shown_with_their_words() -> None:
    data = a_report()
    strip = ContactSheet("White cells that counted most", OVERLAY, "Each looks unusual by itself.")
    plain, with_cells = read(data), read(replace(data, cells=strip))

    assert squeezed(strip.heading) in squeezed(text_of(with_cells))
    assert squeezed(strip.words) in squeezed(text_of(with_cells))
    drawn = [sum(len(page.images) for page in reader.pages) for reader in (plain, with_cells)]
    assert drawn[1] == drawn[0] + 1
