"""The picture for the chat: readable on a phone, and honest when nothing stood out."""

import io

import numpy as np
import pytest
from PIL import Image

from inference.analysis import UNUSUAL, JudgedCell, PictureWords
from inference.chat_picture import (
    BUBBLE_HEIGHT,
    BUBBLE_WIDTH,
    MOST_CELLS,
    cell_strip,
    cells_that_counted,
    compose_chat_picture,
)
from inference.explain import overlay
from tests import pictures
from tests.conftest import PROJECT

WORDS = PictureWords("Your picture", "What counted", "none", "strong", "No spot stood out.", "The cells")


def sheet(size: tuple[int, int], level: int = 0, words: PictureWords = WORDS) -> Image.Image:
    """The sheet of a plain picture whose middle has heat of ``level``."""
    picture = Image.new("RGB", size, (90, 90, 90))
    heat_map = np.zeros(size[::-1], np.uint8)
    heat_map[size[1] // 4 : size[1] // 2, size[0] // 4 : size[0] // 2] = level
    blended = overlay(picture, Image.fromarray(heat_map))
    return Image.open(io.BytesIO(compose_chat_picture(pictures.encode(picture), pictures.encode(blended), words)))


def test_the_heat_map_stands_below_the_picture() -> None:
    drawn = sheet((640, 480), 255)
    pixels = np.asarray(drawn).astype(int)
    colour = pixels.max(axis=2) - pixels.min(axis=2)
    assert drawn.width == 640
    assert drawn.height > 2 * 480
    assert colour[: drawn.height // 2 - 20].max() < 30
    assert colour[drawn.height // 2 :].max() > 100
    assert not drawn.getexif()


def test_without_a_hot_spot_there_is_one_panel() -> None:
    drawn = sheet((640, 480))
    assert drawn.height < 1.3 * 480
    assert np.ptp(np.asarray(drawn)[-40:], axis=(0, 1)).max() > 150  # words below it


def test_faint_heat_is_ignored_and_clear_heat_counts() -> None:
    assert sheet((640, 480), 4).height < 1.3 * 480
    assert sheet((640, 480), 60).height > 2 * 480


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("size", [(640, 480), (200, 300), (480, 640), (512, 512), (640, 100), (100, 640)])
def test_letters_are_12_pixels_high_in_the_chat(size: tuple[int, int], level: int) -> None:
    drawn = sheet(size, level, PictureWords("HHHH", "", "", "", "", ""))
    shown = min(BUBBLE_WIDTH / drawn.width, BUBBLE_HEIGHT / drawn.height)
    title = np.asarray(drawn.convert("L"))[: round(12 * 1.9 / shown), : drawn.width // 2]
    rows = np.flatnonzero((title > 150).any(axis=1))
    cap_height = 0.7  # a capital letter is about 0.7 of the size of its font
    assert (np.ptp(rows) + 1) * shown >= 12 * cap_height


@pytest.mark.parametrize("level", [0, 255])
def test_long_words_are_never_cut(level: int) -> None:
    long = "W" * 40
    drawn = sheet((100, 640), level, PictureWords(long, long, long, long, long, long))
    edge = np.asarray(drawn.convert("L"))[:, [0, 1, -2, -1]]
    assert edge.max() < 100
    last_line = np.asarray(drawn).astype(int)[-60:]
    assert np.ptp(last_line, axis=2).max() > 60 or not level  # the bar has its place


@pytest.mark.parametrize("size", [(32, 32), (640, 40), (40, 640), (33, 640)])
def test_any_picture_becomes_one_that_telegram_takes(size: tuple[int, int]) -> None:
    drawn = sheet(size, 255)
    assert drawn.width + drawn.height <= 10_000
    assert max(drawn.size) / min(drawn.size) <= 20


def test_words_can_be_written_in_another_font() -> None:
    font = next((PROJECT / "reports" / "fonts").rglob("*.ttf"))
    picture = pictures.encode(Image.new("RGB", (400, 300), (90, 90, 90)))
    words = PictureWords("Снимок", "Карта", "нет", "сильно", "Ничего", "Клетки")
    assert compose_chat_picture(picture, picture, words, font) != compose_chat_picture(picture, picture, WORDS, font)


def test_words_read_leftward_stand_on_right_and_mirror_bar() -> None:
    font = PROJECT / "reports" / "fonts" / "NotoSansArabic-Regular.ttf"
    words = PictureWords("صورتكم", "الخريطة", "لا شيء", "كبير", "لم تبرز", "الخلايا")
    picture = Image.new("RGB", (640, 480), (90, 90, 90))
    hot = overlay(picture, Image.new("L", picture.size, 255))
    drawn = Image.open(io.BytesIO(compose_chat_picture(pictures.encode(picture), pictures.encode(hot), words, font)))
    title = np.asarray(drawn.convert("L")).astype(int)[:30]
    assert title[:, :320].max() < 100 < title[:, 320:].max()
    bar = np.asarray(drawn).astype(int)[-20]
    assert bar[150].sum() > bar[-150].sum()  # strong is bright and stands on the left
    ours = np.asarray(sheet((640, 480), 255)).astype(int)[-20]
    assert ours[150].sum() < ours[-150].sum()


COLOURS = [(250, 30, 30), (30, 250, 30), (30, 30, 250)]


def coloured_cells(heats: list[float]) -> tuple[bytes, list[JudgedCell]]:
    """A picture with a disc of each colour, and the cells that lie on the discs, with these heats."""
    picture = Image.new("RGB", (600, 300), (200, 200, 200))
    cells = []
    for number, (colour, heat) in enumerate(zip(COLOURS, heats, strict=True)):
        x = 100 + 200 * number
        picture.paste(colour, (x - 40, 110, x + 40, 190))
        cells.append(JudgedCell(x / 600, 0.5, 20 / 600, heat))
    return pictures.encode(picture, quality=95), cells


def strip_colours(strip: bytes) -> list[int]:
    """Which of the colours each place of a strip shows in its middle."""
    drawn = np.asarray(Image.open(io.BytesIO(strip)).convert("RGB")).astype(int)
    count = round(drawn.shape[1] * MOST_CELLS / 1000)
    middles = [drawn[drawn.shape[0] // 2, round((k + 0.5) * drawn.shape[1] / count)] for k in range(count)]
    return [int(m.argmax()) for m in middles]


def test_unusual_cells_are_cut_out_strongest_first() -> None:
    picture, cells = coloured_cells([UNUSUAL, 0.2, 0.9])
    strip = cell_strip(picture, cells)
    assert strip is not None
    assert strip_colours(strip) == [2, 0]


def test_without_unusual_cells_there_is_no_strip() -> None:
    picture, cells = coloured_cells([0.0, 0.2, UNUSUAL - 0.01])
    assert cell_strip(picture, cells) is None


def test_no_more_cells_are_shown_than_fit() -> None:
    many = [JudgedCell(0.5, 0.5, 0.05, 0.5 + number / 100) for number in range(16)]
    assert [cell.heat for cell in cells_that_counted(many)] == sorted((c.heat for c in many), reverse=True)[:MOST_CELLS]


@pytest.mark.parametrize("cell", [JudgedCell(0, 0, 0.05, 1), JudgedCell(1, 1, 0.05, 1), JudgedCell(0.5, 0.5, 0, 1)])
def test_cell_at_the_edge_or_without_size_is_shown(cell: JudgedCell) -> None:
    picture, _ = coloured_cells([0, 0, 0])
    strip = cell_strip(picture, [cell])
    assert strip is not None
    drawn = np.asarray(Image.open(io.BytesIO(strip)).convert("RGB"))
    assert drawn[2:-2, 12:-12].max(axis=2).min() > 100  # blood to its edges, and nothing dark beside it


def test_the_cells_stand_below_the_heat_map() -> None:
    picture, cells = coloured_cells([0.0, 0.0, 0.9])
    hot = overlay(Image.open(io.BytesIO(picture)), Image.new("L", (600, 300), 255))
    without, with_cells = (
        np.asarray(Image.open(io.BytesIO(compose_chat_picture(picture, pictures.encode(hot), WORDS, None, shown))))
        for shown in ([], cells)
    )
    assert with_cells.shape[0] > without.shape[0]
    below = with_cells[without.shape[0] :].astype(int)
    assert (below[..., 2] - below[..., 0]).max() > 150


@pytest.mark.parametrize("size", [(640, 480), (200, 300), (512, 512)])
def test_cells_leave_the_letters_readable_in_the_chat(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (90, 90, 90))
    hot = pictures.encode(overlay(picture, Image.new("L", size, 255)))
    words = PictureWords("HHHH", "", "", "", "", "HHHH")
    cells = [JudgedCell(0.5, 0.5, 0.1, 0.9)] * MOST_CELLS
    drawn = Image.open(io.BytesIO(compose_chat_picture(pictures.encode(picture), hot, words, None, cells)))
    shown = min(BUBBLE_WIDTH / drawn.width, BUBBLE_HEIGHT / drawn.height)
    title = np.asarray(drawn.convert("L"))[: round(12 * 1.9 / shown), : drawn.width // 2]
    rows = np.flatnonzero((title > 150).any(axis=1))
    assert (np.ptp(rows) + 1) * shown >= 12 * 0.7  # a capital letter is about 0.7 of the size of its font
