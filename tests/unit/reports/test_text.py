"""Any string becomes lines that can be drawn, and nothing visible in it is lost."""

import unicodedata

import pytest

from reports import bidi
from reports.text import ELLIPSIS, clean, runs, wrap
from reports.typefaces import ADVANCES, BOLD, FALLBACKS, PLACEHOLDER, REGULAR, face_of, has_glyph


def shown(text: str, **how: bool) -> str:
    return "".join(part for _, part in runs(clean(text), **how))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Anna \t B.\r\n", "Anna B."),
        ("a\x00b\x07c\x9fd", "abcd"),
        ("Anna \u202egnihtemos\u202c \u2066x\u2069\u200f\u061c!", "Anna gnihtemos x!"),
        ("zero\u200bwidth\ufeff \u00adsoft", "zerowidth soft"),
        ("half \ud83e pair", f"half {PLACEHOLDER} pair"),
        ("👩🏽\u200d⚕\ufe0f", "👩⚕"),
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("1\ufe0f\u20e3", "1"),
        ("🏽 alone", "🏽 alone"),
        ("Nguye\u0302\u0303n", "Nguyễn"),
        ("Z" + "\u0300\u0301\u0302\u0303" * 20 + "!", "Z\u0300\u0301\u0302\u0303!"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_goes_and_what_can_stays(typed: str, kept: str) -> None:
    assert clean(typed) == unicodedata.normalize("NFC", kept)


def test_new_lines_end_a_paragraph_only_where_they_are_asked_for() -> None:
    assert clean("one\ntwo") == "one two"
    assert clean("one \n\n two", keep_newlines=True) == "one\n\ntwo"


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("Anna Müller-Łukasz", REGULAR),
        ("Ольга Петренко", REGULAR),
        ("Ελένη Παπαδοπούλου", REGULAR),
        ("Nguyễn Thị Ánh", REGULAR),
        ("🧠👍🎉", "NotoEmoji-Regular"),
        ("שלום", "DejaVuSans"),
        ("مرحبا", "DejaVuSans"),
        ("Հայաստան", "DejaVuSans"),
        ("გიორგი", "DejaVuSans"),
        ("สวัสดี", "NotoSansThai-Regular"),
        ("हिन्दी", "NotoSansDevanagari-Regular"),
        ("王小明", "DroidSansFallbackFull"),
        ("さくらカタカナ", "DroidSansFallbackFull"),
        ("김민준", "NanumSquareR"),
    ],
)
def test_every_script_finds_its_font(text: str, font: str) -> None:
    assert {name for name, part in runs(text) if part.strip()} == {font}
    assert shown(text) == text
    assert shown(text, bold=True) == text


def test_bold_text_is_drawn_bold() -> None:
    assert runs("Result", bold=True) == ((BOLD, "Result"),)
    assert runs("Ρ", bold=True) == ((BOLD, "Ρ"),)


@pytest.mark.parametrize("char", ["\ue000", "\U0010fffd", "\U00012000"], ids=ascii)
def test_a_character_that_no_font_has_is_seen_to_be_missing(char: str) -> None:
    assert runs(f"a{char}b") == ((REGULAR, f"a{PLACEHOLDER}b"),)
    assert ADVANCES[False][char] == ADVANCES[False][PLACEHOLDER] > 0


def test_a_mark_is_drawn_by_the_font_of_its_letter() -> None:
    assert runs("x\u0331") == ((REGULAR, "x\u0331"),)
    assert runs("ש\u05b8") == (("DejaVuSans", "ש\u05b8"),)


def test_all_fonts_have_outlines_that_a_pdf_can_hold() -> None:
    for name in (REGULAR, BOLD, *FALLBACKS):
        assert any(has_glyph(name, char) for char in "aक王김ไא🧠"), name


# Lines

LOREM = "The program looked at one flat picture, and a doctor looks at many slices and at you."


@pytest.mark.parametrize("width", [40, 100, 250])
@pytest.mark.parametrize(
    "text", [LOREM, "Donaudampfschifffahrtsgesellschaftskapitän" * 5, "王小明" * 40, LOREM + " 王小明 Ωμέγα 🧠"]
)
def test_no_line_is_wider_than_allowed_and_no_character_is_lost(text: str, width: float) -> None:
    lines = wrap(text, 10, width)

    assert all(0 < line.width <= width for line in lines)
    drawn = "".join(part for line in lines for _, part in line.runs)
    assert drawn.replace(" ", "") == text.replace(" ", "")


def test_a_line_ends_between_words() -> None:
    lines = wrap(LOREM, 10, 150)

    assert " ".join("".join(part for _, part in line.runs) for line in lines) == LOREM


def test_a_width_is_what_the_fonts_say() -> None:
    (line,) = wrap("Anna 🧠", 12, 500)

    assert line.width == pytest.approx(12 * sum(ADVANCES[False][char] for char in "Anna 🧠"))


@pytest.mark.parametrize("text", ["Anna " * 200, "A" * 5000, "שלום " * 100, "王" * 3000])
def test_a_long_label_ends_in_an_ellipsis(text: str) -> None:
    lines = wrap(text, 10, 120, max_lines=2)

    assert len(lines) == 2
    assert all(line.width <= 120 for line in lines)
    last = "".join(part for _, part in lines[1].runs)
    assert last.startswith(ELLIPSIS) if bidi.is_right_to_left(text) else last.endswith(ELLIPSIS)


def test_nothing_has_no_lines() -> None:
    assert wrap("", 10, 100) == wrap(" \n\t\u200b ", 10, 100) == ()


# From right to left (the expected orders are those of ICU-conforming implementations)


@pytest.mark.parametrize(
    ("spoken", "seen"),
    [
        ("Anna", "Anna"),
        ("שלום", "םולש"),
        ("Anna שלום עולם", "Anna םלוע םולש"),
        ("שלום Anna", "Anna םולש"),
        ("שלום 123", "123 םולש"),
        ("א 1,250.50 ב", "ב 1,250.50 א"),
        ("Dana (דנה) 3", "Dana (הנד) 3"),
        ("דנה (abc)", "(abc) הנד"),
        ("תיק [7]", "[7] קית"),
        ("50% א", "א 50%"),
        ("א\u05b8ב", "בא\u05b8"),
    ],
)
def test_right_to_left_text_is_seen_in_its_order(spoken: str, seen: str) -> None:
    assert bidi.visual(spoken, bidi.levels(spoken)) == seen


@pytest.mark.parametrize(
    ("letters", "shapes"),
    [
        ("ب", "\ufe8f"),
        ("بب", "\ufe91\ufe90"),
        ("ببب", "\ufe91\ufe92\ufe90"),
        ("دب", "\ufea9\ufe8f"),
        ("سلام", "\ufeb3\ufefc\ufee1"),
        ("لا", "\ufefb"),
        ("ب\u064eب", "\ufe91\u064e\ufe90"),
        ("پچ", "\ufb58\ufb7b"),
        ("a ب", "a \ufe8f"),
    ],
)
def test_arabic_letters_are_joined(letters: str, shapes: str) -> None:
    assert bidi.join_arabic(letters, lambda _: True) == shapes


def test_arabic_without_joined_shapes_keeps_its_letters() -> None:
    assert bidi.join_arabic("سلام", lambda _: False) == "سلام"
    assert face_of("\ufefc", bold=False) == "DejaVuSans"
