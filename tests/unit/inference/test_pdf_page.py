"""Pictures of a PDF come as they lie on its pages: turned with the page, by their matrix, in strips put together."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import NameObject, StreamObject
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from inference.study import pdf
from inference.study.pdf_page import join_strips

WIDE, HIGH = 96, 64
RISING = np.add.outer(np.arange(HIGH) * 2, np.arange(WIDE)).astype(np.uint8)
"""Grey levels of which each side and each corner is told from any other."""


def drawn(draw: Callable[[Any], None]) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(400, 400))
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def rotated(data: bytes, degrees: int) -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(data))
    writer.pages[0].rotate(degrees)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def reader_of(grey: NDArray[np.uint8]) -> ImageReader:
    return ImageReader(Image.fromarray(grey))


def found(data: bytes) -> list[NDArray[np.uint8]]:
    return [np.asarray(Image.open(io.BytesIO(file)).convert("L")) for _, file in pdf.pictures(data) if file]


def upright(canvas: Any) -> None:
    canvas.drawImage(reader_of(RISING), 50, 50, 2 * WIDE, 2 * HIGH)


def by_matrix(*matrix: float) -> Callable[[Any], None]:
    def draw(canvas: Any) -> None:
        canvas.saveState()
        canvas.transform(*matrix)
        upright(canvas)
        canvas.restoreState()

    return draw


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_picture_is_turned_with_its_page(degrees: int) -> None:
    (seen,) = found(rotated(drawn(upright), degrees))
    assert np.array_equal(seen, np.rot90(RISING, -degrees // 90))


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((1, 0, 0, 1, 0, 0), RISING),
        ((0, 1, -1, 0, 400, 0), np.rot90(RISING)),
        ((-1, 0, 0, -1, 400, 400), np.rot90(RISING, 2)),
        ((0, -1, 1, 0, 0, 400), np.rot90(RISING, 3)),
        ((-1, 0, 0, 1, 400, 0), RISING[:, ::-1]),
        ((1, 0, 0, -1, 0, 400), RISING[::-1]),
        ((0, -1, -1, 0, 400, 400), RISING.T),
        ((0, 1, 1, 0, 0, 0), np.rot90(RISING.T, 2)),
    ],
)
def test_a_picture_is_turned_by_its_matrix(matrix: tuple[float, ...], seen: NDArray[np.uint8]) -> None:
    (picture,) = found(drawn(by_matrix(*matrix)))
    assert np.array_equal(picture, seen)


def test_matrix_and_page_may_take_each_other_back() -> None:
    (seen,) = found(rotated(drawn(by_matrix(0, 1, -1, 0, 400, 0)), 90))
    assert np.array_equal(seen, RISING)


def test_a_slanted_picture_comes_as_it_is() -> None:
    (seen,) = found(drawn(by_matrix(0.87, 0.5, -0.5, 0.87, 200, 0)))
    assert np.array_equal(seen, RISING)


def test_a_jpeg_that_lies_straight_is_not_packed_anew() -> None:
    file = io.BytesIO()
    Image.fromarray(RISING).save(file, "JPEG")
    data = drawn(lambda canvas: canvas.drawImage(ImageReader(io.BytesIO(file.getvalue())), 50, 50))
    assert [given for _, given in pdf.pictures(data)] == [file.getvalue()]


def inline(canvas: Any, grey: NDArray[np.uint8], place: tuple[float, float, float, float]) -> None:
    (high, wide), (left, bottom, width, height) = grey.shape, place
    canvas._code.append(
        f"q {width} 0 0 {height} {left} {bottom} cm BI /W {wide} /H {high} /BPC 8 /CS /G /F /AHx ID "
        f"{grey.tobytes().hex()}> EI Q"
    )


def as_object(canvas: Any, grey: NDArray[np.uint8], place: tuple[float, float, float, float]) -> None:
    canvas.drawImage(reader_of(grey), *place)


@pytest.mark.parametrize("put", [as_object, inline])
def test_strips_are_one_picture(put: Callable[..., None]) -> None:
    def draw(canvas: Any) -> None:
        for top in range(0, HIGH, 9):
            strip = RISING[top : top + 9]
            put(canvas, strip, (50, 300 - 2 * (top + len(strip)), 2 * WIDE, 2 * len(strip)))

    (seen,) = found(drawn(draw))
    assert np.array_equal(seen, RISING)
    (turned,) = found(rotated(drawn(draw), 90))
    assert np.array_equal(turned, np.rot90(RISING, -1))


def test_a_broken_picture_among_the_drawing_costs_no_other() -> None:
    def draw(canvas: Any) -> None:
        canvas._code.append("q 9 0 0 9 0 0 cm BI /W 9 /H 9 /BPC 8 /CS /G /F /A85 ID ~~~~ EI Q")
        upright(canvas)

    (seen,) = found(drawn(draw))
    assert np.array_equal(seen, RISING)


def test_strips_may_each_have_a_palette_of_their_own() -> None:
    strips = [Image.fromarray(grey).convert("P", palette=Image.Palette.ADAPTIVE) for grey in (RISING[:9], RISING[9:18])]
    assert strips[0].getpalette() != strips[1].getpalette()
    seen = np.asarray(join_strips(strips).convert("L"), int)
    assert np.abs(seen - RISING[:18]).max() <= 2


def test_a_turned_picture_in_printers_colours_is_read() -> None:
    file = io.BytesIO()
    Image.fromarray(RISING).convert("CMYK").save(file, "JPEG", quality=95)

    def draw(canvas: Any) -> None:
        canvas.drawImage(ImageReader(io.BytesIO(file.getvalue())), 50, 50, 2 * WIDE, 2 * HIGH)

    (seen,) = found(rotated(drawn(draw), 90))
    assert seen.shape == (WIDE, HIGH)


def test_slices_that_touch_are_not_strips() -> None:
    def draw(canvas: Any) -> None:
        for row in range(3):
            canvas.drawImage(reader_of(RISING + row), 50, 300 - 64 * row, WIDE, HIGH)

    assert len(found(drawn(draw))) == 3


def test_a_picture_within_a_form_is_turned_too() -> None:
    def draw(canvas: Any) -> None:
        canvas.beginForm("sheet")
        by_matrix(0, 1, -1, 0, 400, 0)(canvas)
        canvas.endForm()
        canvas.doForm("sheet")

    (seen,) = found(drawn(draw))
    assert np.array_equal(seen, np.rot90(RISING))


def test_a_page_of_endless_drawing_is_read_without_places() -> None:
    def draw(canvas: Any) -> None:
        by_matrix(0, 1, -1, 0, 400, 0)(canvas)
        canvas._code.extend("0 0 m 9 9 l S" for _ in range(90_000))

    (seen,) = found(drawn(draw))
    assert np.array_equal(seen, RISING)


def test_a_form_that_draws_itself_thousands_of_times_ends() -> None:
    def draw(canvas: Any) -> None:
        canvas.beginForm("a")
        upright(canvas)
        canvas.endForm()
        canvas.doForm("a")

    writer = PdfWriter(clone_from=io.BytesIO(drawn(draw)))
    objects: Any = writer.pages[0]["/Resources"]["/XObject"]  # type: ignore[index]
    name, form = next((name, one.get_object()) for name, one in objects.items() if one["/Subtype"] == "/Form")
    endless = StreamObject()
    endless.update(form)
    del endless["/Filter"]
    endless.set_data(f"{name} Do\n".encode() * 1000 + form.get_data())
    objects[NameObject(name)] = writer._add_object(endless)
    endless["/Resources"]["/XObject"][NameObject(name)] = objects.raw_get(name)  # type: ignore[index]
    file = io.BytesIO()
    writer.write(file)

    assert len(found(file.getvalue())) == 1
