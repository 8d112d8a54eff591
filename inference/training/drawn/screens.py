"""Screens that show one slice among menus and text: portals, viewers, phones, pages; to measure how it is found there.

Nothing is copied from any product. Every style takes a slice (H x W x 3) and draws from ``rng`` alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.training.drawn.screen_photos import FRAMED, film_photo, screen_photo

Rgb = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""
_WORDS: Final = (
    *("Patient", "Study", "Series", "MRI", "T1 axial", "Zoom", "Pan", "Window", "Report", "Share", "Download", "Close"),
    *("Measure", "Reset", "Layout", "Export", "My health", "Messages", "12.03.2024", "Result", "Image 14 of 32"),
)


def portal_dark(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A portal with a dark theme: bar above, menu at the left, the slice in a black view with letters."""
    image, pen = _canvas(1280, 800, _grey(rng, 18, 45))
    _bar(pen, (0, 0, 1280, 56), _grey(rng, 35, 70), rng)
    _menu(pen, (0, 56, int(rng.integers(180, 300)), 800), rng, ink=190)
    _view(image, pen, picture, (320, 80, 1260, 780), rng, letters=True)
    return image


def portal_light(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A white web page with a black picture in its middle and lines of text around it."""
    image, pen = _canvas(1280, 900, (250, 250, 252))
    _bar(pen, (0, 0, 1280, 70), tuple(int(v) for v in rng.integers(40, 200, 3)), rng)
    _menu(pen, (20, 100, 260, 860), rng, ink=60)
    _view(image, pen, picture, (300, 120, 960, 780), rng, letters=False)
    _lines(pen, (990, 130, 1260, 700), rng, ink=70)
    return image


def viewer_thumbnails(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A viewer with a strip of small pictures of the series at one side."""
    image, pen = _canvas(1366, 768, _grey(rng, 20, 60))
    _bar(pen, (0, 0, 1366, 44), _grey(rng, 40, 90), rng)
    for i in range(int(rng.integers(4, 7))):
        box = (12, 60 + i * 112, 112, 160 + i * 112)
        pen.rectangle(box, fill=(0, 0, 0), outline=(90, 90, 90))
        _paste(image, np.roll(picture, int(rng.integers(-20, 20)), 0), box)
    _view(image, pen, picture, (140, 50, 1360, 762), rng, letters=True)
    return image


def viewer_orange(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A full-screen viewer: black all over, orange letters in every corner, a scale at the side."""
    image, pen = _canvas(1280, 1024, (0, 0, 0))
    _view(image, pen, picture, (40, 40, 1240, 984), rng, letters=True, ink=(255, 165, 40))
    pen.line((1230, 300, 1230, 700), fill=(255, 165, 40), width=2)
    for y in range(300, 701, 50):
        pen.line((1220, y, 1230, y), fill=(255, 165, 40), width=2)
    return image


def viewer_panel(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A grey desktop program: title bar, rows of tool buttons, the view, a panel of settings, a status line."""
    image, pen = _canvas(1400, 900, _grey(rng, 90, 215))
    pen.rectangle((0, 0, 1400, 28), fill=_grey(rng, 20, 250))
    for i in range(24):
        x = 8 + i * 44
        pen.rectangle(
            (x, 36, x + 34, 70), outline=(120, 120, 120), fill=tuple(int(v) for v in rng.integers(120, 255, 3))
        )
    _view(image, pen, picture, (10, 80, 1080, 860), rng, letters=rng.random() < 0.5)
    _lines(pen, (1100, 90, 1390, 850), rng, ink=20)
    _lines(pen, (10, 872, 600, 896), rng, ink=20)
    return image


def viewer_framed(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """The active one of four views has a coloured frame and a slice; the others are empty."""
    image, pen = _canvas(1200, 900, _grey(rng, 25, 50))
    active = int(rng.integers(4))
    for i in range(4):
        left, top = 10 + i % 2 * 595, 50 + i // 2 * 425
        box = (left, top, left + 585, top + 415)
        pen.rectangle(box, fill=(0, 0, 0), outline=(255, 200, 0) if i == active else (80, 80, 80), width=3)
        if i == active:
            _paste(image, picture, (left + 5, top + 5, left + 580, top + 410))
    _bar(pen, (0, 0, 1200, 40), _grey(rng, 40, 80), rng)
    return image


def phone_dark(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A phone held upright, dark: clock and battery, a name, the slice, icons below."""
    image, pen = _canvas(1080, 2280, _grey(rng, 0, 30))
    _status(pen, 1080, ink=230)
    pen.text((60, 130), "MRI head, image 14", fill=(235, 235, 235), font=_font(44))
    _view(image, pen, picture, (0, int(rng.integers(350, 700)), 1080, 1750), rng, letters=False)
    for i in range(5):
        pen.ellipse((90 + i * 200, 2080, 160 + i * 200, 2150), outline=(200, 200, 200), width=5)
    return image


def phone_light(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A chat on a phone, light: bubbles of text, the slice as a picture among them."""
    image, pen = _canvas(1080, 2280, (229, 221, 213))
    pen.rectangle((0, 0, 1080, 220), fill=tuple(int(v) for v in rng.integers(30, 160, 3)))
    _status(pen, 1080, ink=250)
    top = 270
    for _ in range(int(rng.integers(1, 4))):
        pen.rounded_rectangle((40, top, 760, top + 120), 30, fill=(255, 255, 255))
        pen.text((80, top + 35), _words(rng, 4), fill=(30, 30, 30), font=_font(40))
        top += 150
    side = int(rng.integers(640, 820))
    _view(image, pen, picture, (220, top, 220 + side, top + side), rng, letters=False)
    pen.rounded_rectangle((330, top + side + 40, 1040, top + side + 160), 30, fill=(220, 248, 198))
    pen.text((370, top + side + 75), _words(rng, 4), fill=(30, 30, 30), font=_font(40))
    return image


def browser(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A browser with tabs and an address, a viewer in its page."""
    image, pen = _canvas(1440, 900, (222, 225, 230))
    for i in range(4):
        pen.rounded_rectangle(
            (10 + i * 230, 8, 230 + i * 230, 44), 8, fill=(255, 255, 255) if i == 1 else (200, 205, 212)
        )
        pen.text((26 + i * 230, 16), _words(rng, 2), fill=(60, 60, 60), font=_font(15))
    pen.rounded_rectangle((120, 52, 1300, 84), 14, fill=(255, 255, 255))
    pen.text((140, 58), "https://portal.example/study/1", fill=(60, 60, 60), font=_font(16))
    pen.rectangle((0, 92, 1440, 900), fill=_grey(rng, 30, 250))
    _view(image, pen, picture, (int(rng.integers(60, 400)), 130, int(rng.integers(1000, 1400)), 870), rng, letters=True)
    return image


def desktop(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A window on a coloured desktop with icons and a task bar."""
    ys, xs = np.mgrid[0:900, 0:1600].astype(np.float32)
    one, other = rng.uniform(20, 200, 3), rng.uniform(20, 200, 3)
    share = ((xs / 1600 + ys / 900) / 2)[..., None]
    image = Image.fromarray((one * (1 - share) + other * share).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for i in range(6):
        pen.rectangle((30, 30 + i * 110, 90, 90 + i * 110), fill=tuple(int(v) for v in rng.integers(60, 255, 3)))
    pen.rectangle((0, 860, 1600, 900), fill=(20, 20, 26))
    left, top = int(rng.integers(160, 500)), int(rng.integers(30, 120))
    pen.rectangle((left, top, left + 900, top + 720), fill=_grey(rng, 200, 245))
    pen.text((left + 12, top + 6), "viewer", fill=(20, 20, 20), font=_font(16))
    _view(image, pen, picture, (left + 6, top + 34, left + 894, top + 714), rng, letters=rng.random() < 0.5)
    return image


def report_page(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A page of a report: paragraphs, the slice with its caption, more paragraphs."""
    image, pen = _canvas(1000, 1400, (255, 255, 255))
    _lines(pen, (80, 80, 920, int(rng.integers(260, 460))), rng, ink=20)
    top, side = int(rng.integers(480, 560)), int(rng.integers(380, 560))
    left = int(rng.integers(80, 920 - side))
    _paste(image, picture, (left, top, left + side, top + side))
    pen.text((left, top + side + 10), "Figure 1. " + _words(rng, 3), fill=(60, 60, 60), font=_font(18))
    _lines(pen, (80, top + side + 60, 920, 1340), rng, ink=20)
    return image


def slider(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A tablet: bar of round buttons below, a slider at the right, the slice large between."""
    image, pen = _canvas(1194, 834, _grey(rng, 5, 40))
    _view(image, pen, picture, (30, 30, 1100, 730), rng, letters=True)
    pen.line((1150, 60, 1150, 700), fill=(130, 130, 130), width=6)
    pen.ellipse((1136, 300, 1164, 328), fill=(60, 140, 255))
    for i in range(9):
        pen.ellipse((80 + i * 120, 760, 130 + i * 120, 810), fill=_grey(rng, 60, 160))
    return image


def photographed(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A dark portal, photographed from the screen."""
    screen = np.asarray(portal_dark(picture, rng).resize((960, 600), Image.Resampling.BICUBIC))
    return Image.fromarray(screen_photo(screen, rng, FRAMED, side=1000))


def on_film(picture: Rgb, rng: np.random.Generator) -> Image.Image:
    """A film on a light box, photographed."""
    return Image.fromarray(film_photo(picture, rng, FRAMED))


def sheet(pictures: Sequence[Rgb], columns: int, rng: np.random.Generator) -> Image.Image:
    """A mosaic or film of many slices in reading order: with or without gaps and letters, dark or on a page."""
    side, gap = int(rng.integers(96, 200)), int(rng.choice([0, 0, 3, 8, 14]))
    ground = int(rng.choice([0, 0, 12, 180, 245])) if gap else 0
    pitch, rows = side + gap, -(-len(pictures) // columns)
    image, pen = _canvas(columns * pitch + gap, rows * pitch + gap, (ground, ground, ground))
    letters = rng.random() < 0.5
    for i, picture in enumerate(pictures):
        left, top = gap + i % columns * pitch, gap + i // columns * pitch
        pen.rectangle((left, top, left + side - 1, top + side - 1), fill=(0, 0, 0))
        _paste(image, picture, (left, top, left + side, top + side))
        if letters:
            pen.text((left + 3, top + 2), f"Im {i + 1}", fill=(230, 230, 230), font=_font(11))
    return image


STYLES: Final[dict[str, Callable[[Rgb, np.random.Generator], Image.Image]]] = {
    style.__name__: style
    for style in (
        *(portal_dark, portal_light, viewer_thumbnails, viewer_orange, viewer_panel, viewer_framed, phone_dark),
        *(phone_light, browser, desktop, report_page, slider, photographed, on_film),
    )
}


def _canvas(width: int, height: int, colour: tuple[int, ...]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), colour)
    return image, ImageDraw.Draw(image)


def _grey(rng: np.random.Generator, low: int, high: int) -> tuple[int, ...]:
    level = int(rng.integers(low, high))
    return (level, level, min(255, level + int(rng.integers(0, 8))))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(str(word) for word in rng.choice(_WORDS, count))


def _bar(pen: ImageDraw.ImageDraw, box: Box, colour: tuple[int, ...], rng: np.random.Generator) -> None:
    pen.rectangle(box, fill=colour)
    ink = (240, 240, 240) if sum(colour[:3]) < 380 else (20, 20, 20)
    for i in range(5):
        pen.text((box[0] + 24 + i * 170, box[1] + 14), _words(rng, 1), fill=ink, font=_font(18))


def _menu(pen: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator, *, ink: int) -> None:
    for y in range(box[1] + 20, box[3] - 40, int(rng.integers(36, 60))):
        pen.ellipse((box[0] + 16, y, box[0] + 36, y + 20), outline=(ink, ink, ink))
        pen.text((box[0] + 50, y), _words(rng, 1), fill=(ink, ink, ink), font=_font(17))


def _lines(pen: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator, *, ink: int) -> None:
    for y in range(box[1], box[3] - 20, 26):
        words = _words(rng, max(1, (box[2] - box[0]) // 90))
        while pen.textlength(words, font=_font(17)) > box[2] - box[0] and " " in words:
            words = words.rsplit(" ", 1)[0]
        pen.text((box[0], y), words, fill=(ink, ink, ink), font=_font(17))


def _status(pen: ImageDraw.ImageDraw, width: int, *, ink: int) -> None:
    pen.text((50, 36), "10:42", fill=(ink, ink, ink), font=_font(40))
    pen.rectangle((width - 130, 44, width - 60, 80), outline=(ink, ink, ink), width=4)


def _view(
    image: Image.Image, pen: ImageDraw.ImageDraw, picture: Rgb, box: Box, rng: np.random.Generator, *,
    letters: bool, ink: tuple[int, ...] = (220, 220, 220),
) -> None:  # fmt: skip
    pen.rectangle(box, fill=(0, 0, 0))
    _paste(image, picture, box)
    if letters:
        font = _font(int(rng.integers(14, 22)))
        for x, y in (
            (box[0] + 8, box[1] + 6),
            (box[2] - 150, box[1] + 6),
            (box[0] + 8, box[3] - 52),
            (box[2] - 150, box[3] - 52),
        ):
            for line in range(2):
                pen.text((x, y + 24 * line), _words(rng, 1), fill=ink, font=font)


def _paste(image: Image.Image, picture: Rgb, box: Box) -> None:
    """Fit a slice into the middle of a box."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    fitted = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    image.paste(fitted, (box[0] + (width - size[0]) // 2, box[1] + (height - size[1]) // 2))
