"""Blood smear fields, drawn: light through stained cells, each layer absorbing some of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WIDTH, HEIGHT = 800, 600
Plane = NDArray[np.float64]
Colour = tuple[float, float, float]
_RED_CELL: Colour = (0.12, 0.33, 0.28)
_NUCLEUS: Colour = (0.95, 1.65, 0.42)
_PALE_NUCLEUS: Colour = (0.62, 1.05, 0.28)
_CYTOPLASM: Colour = (0.20, 0.26, 0.07)
_BLUE_CYTOPLASM: Colour = (0.55, 0.45, 0.10)


class Field:
    """A microscope field as optical density (per colour channel) over the light of the lamp."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.rows, self.columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
        self.density = np.zeros((HEIGHT, WIDTH, 3))
        self.taken: list[tuple[float, float, float]] = []

    def noise(self, grain: float) -> Plane:
        """Smooth random texture around 0, about -1 to 1; ``grain`` in pixels."""
        raw = Image.fromarray(np.uint8(self.chance.integers(0, 256, (HEIGHT, WIDTH))))
        soft = np.asarray(raw.filter(ImageFilter.GaussianBlur(grain)), np.float64) - 127.5
        return soft / max(float(np.abs(soft).max()), 1e-9)

    def outline(self, x: float, y: float, radius: float, wobble: float, stretch: float = 1.0) -> Plane:
        """Distance from a centre in units of an uneven outline: 1 is the edge."""
        right, down = self.columns - x, self.rows - y
        turn = self.chance.uniform(0, np.pi)
        along = (right * np.cos(turn) + down * np.sin(turn)) / stretch
        across = (-right * np.sin(turn) + down * np.cos(turn)) * stretch
        angle = np.arctan2(across, along)
        edge = 1 + sum(
            self.chance.normal(0, wobble) / order * np.cos(order * angle + self.chance.uniform(0, 2 * np.pi))
            for order in range(2, 7)
        )
        return np.asarray(np.hypot(along, across) / (radius * edge))

    def absorb(self, cover: Plane, colour: Colour) -> None:
        """Lay stain over the field."""
        self.density += cover[:, :, None] * np.asarray(colour)

    def cover(self, cover: Plane, colour: Colour) -> None:
        """Lay something thick over the field: what is below it no longer shows."""
        self.density = self.density * (1 - cover[:, :, None]) + cover[:, :, None] * np.asarray(colour)

    def place(self, radius: float, closeness: float) -> tuple[float, float] | None:
        """A free spot for a cell, or None when there is none left; ``closeness`` below 1 lets cells overlap."""
        for _ in range(60):
            x, y = self.chance.uniform(-radius, WIDTH + radius), self.chance.uniform(-radius, HEIGHT + radius)
            if all(np.hypot(x - a, y - b) > closeness * (radius + r) for a, b, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None

    def red_cell(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A disc with a pale centre and a darker edge."""
        outline = self.outline(x, y, radius, 0.028, self.chance.uniform(1.0, 1.07))
        body = _edge(outline, 1.0, 26)
        pallor = 1 - self.chance.uniform(0.50, 0.78) * np.exp(-((outline / self.chance.uniform(0.42, 0.55)) ** 4))
        rim = 1 + 0.22 * np.exp(-(((outline - 0.9) / 0.1) ** 2))
        self.absorb(body * pallor * rim * self.chance.uniform(0.85, 1.12), colour)

    def chromatin(self, cover: Plane, colour: Colour, coarseness: float, contrast: float) -> None:
        """A nucleus: clumps of stain, soft at the edge."""
        texture = 1 + contrast * self.noise(coarseness) + 0.10 * self.noise(1.0)
        self.cover(cover, (0.0, 0.0, 0.0))
        self.density += (cover * texture)[:, :, None] * np.asarray(colour)

    def neutrophil(self, x: float, y: float, radius: float) -> None:
        """Pale granular cytoplasm, a nucleus of three to five lobes on thin bridges."""
        body = _edge(self.outline(x, y, radius, 0.03), 1.0, 22)
        granules = 0.75 + 0.8 * np.clip(self.noise(1.3), 0, None)
        self.cover(body, (0.0, 0.0, 0.0))
        self.density += (body * granules)[:, :, None] * np.asarray(_CYTOPLASM)
        lobes = int(self.chance.integers(3, 6))
        start, bend = self.chance.uniform(0, 2 * np.pi), self.chance.uniform(0.95, 1.25)
        heat = np.zeros_like(self.rows)
        for index in range(lobes):
            angle = start + index * bend
            cx, cy = x + 0.46 * radius * np.cos(angle), y + 0.46 * radius * np.sin(angle)
            size = radius * self.chance.uniform(0.24, 0.31)
            heat += np.exp(-(self.outline(cx, cy, size, 0.05, self.chance.uniform(1.0, 1.2)) ** 2) * 1.1)
        self.chromatin(_edge(1 - heat, 0.62, 16) * body, _NUCLEUS, 3.2, 0.28)

    def lymphocyte(self, x: float, y: float, radius: float) -> None:
        """A small round dark nucleus in a thin sky-blue rim."""
        body = _edge(self.outline(x, y, radius, 0.03), 1.0, 22)
        self.cover(body, (0.42, 0.28, 0.06))
        nucleus = self.outline(x + 0.07 * radius, y - 0.05 * radius, 0.80 * radius, 0.03)
        self.chromatin(_edge(nucleus, 1.0, 20), _NUCLEUS, 4.0, 0.22)

    def monocyte(self, x: float, y: float, radius: float) -> None:
        """A large cell with grey-blue cytoplasm and a folded, kidney-shaped nucleus."""
        body = _edge(self.outline(x, y, radius, 0.06), 1.0, 18)
        self.cover(body * (1 + 0.1 * self.noise(2.0)), (0.42, 0.36, 0.12))
        nucleus = _edge(self.outline(x, y, 0.66 * radius, 0.06, 1.15), 1.0, 16)
        fold = _edge(self.outline(x + 0.5 * radius, y - 0.2 * radius, 0.36 * radius, 0.05), 1.0, 14)
        self.chromatin(nucleus * (1 - fold), _PALE_NUCLEUS, 3.0, 0.35)

    def blast(self, x: float, y: float, radius: float) -> None:
        """A large nucleus with fine chromatin and pale nucleoli, hardly any cytoplasm."""
        body = _edge(self.outline(x, y, radius, 0.05, self.chance.uniform(1.0, 1.1)), 1.0, 20)
        self.cover(body, _BLUE_CYTOPLASM)
        shift = self.chance.normal(0, 0.04 * radius, 2)
        size = radius * self.chance.uniform(0.86, 0.93)
        nucleus = _edge(self.outline(x + shift[0], y + shift[1], size, 0.05, self.chance.uniform(1.0, 1.12)), 1.0, 20)
        deep = self.chance.uniform(0.72, 1.0)
        self.chromatin(nucleus * body, (0.82 * deep, 1.35 * deep, 0.34 * deep), 2.0, 0.18)
        for _ in range(int(self.chance.integers(1, 4))):
            away = self.chance.normal(0, 0.3 * radius, 2)
            nucleolus = self.outline(x + away[0], y + away[1], 0.15 * radius, 0.05)
            self.density *= (1 - 0.28 * _edge(nucleolus, 1.0, 8) * nucleus)[:, :, None]

    def platelet(self, x: float, y: float) -> None:
        """A small granular fleck."""
        cover = _edge(self.outline(x, y, self.chance.uniform(5, 8), 0.12), 1.0, 7)
        self.absorb(cover * (0.8 + 0.5 * self.noise(1.0)), (0.40, 0.62, 0.18))

    def photographed(self, lamp: Colour, noise: float) -> Image.Image:
        """Light through the field onto a sensor: uneven lamp, soft focus, grain."""
        uneven = 1 - 0.16 * np.hypot((self.columns - 0.56 * WIDTH) / WIDTH, (self.rows - 0.42 * HEIGHT) / HEIGHT) ** 1.5
        dirt = 1 + 0.012 * self.noise(18)
        light = np.asarray(lamp) * (uneven * dirt)[:, :, None] * np.exp(-np.clip(self.density, 0, None))
        picture = Image.fromarray(np.uint8(np.clip(light, 0, 1) * 255)).filter(ImageFilter.GaussianBlur(1.1))
        grain = self.chance.normal(0, noise, (HEIGHT, WIDTH, 3)) + self.chance.normal(0, noise, (HEIGHT, WIDTH, 1))
        return Image.fromarray(np.uint8(np.clip(np.asarray(picture, np.float64) / 255 + grain, 0, 1) * 255))


def _edge(outline: Plane, at: float, hardness: float) -> Plane:
    """1 inside, 0 outside, soft between."""
    return np.asarray(1 / (1 + np.exp(np.clip((outline - at) * hardness, -60, 60))))


def _scatter(field: Field, count: int, radius: tuple[float, float], colour: Colour, closeness: float) -> None:
    for _ in range(count):
        size = field.chance.uniform(*radius)
        spot = field.place(size, closeness)
        if spot is not None:
            field.red_cell(*spot, size, colour)


def normal_field() -> Image.Image:
    """Many red cells, three kinds of white cell, a few platelets: a field without signs of leukaemia."""
    field = Field(11)
    white = [(250.0, 210.0, 62.0), (590.0, 390.0, 64.0), (640.0, 130.0, 42.0), (150.0, 470.0, 66.0)]
    field.taken += white
    _scatter(field, 90, (36, 42), _RED_CELL, 0.86)
    field.neutrophil(*white[0])
    field.neutrophil(*white[1])
    field.lymphocyte(*white[2])
    field.monocyte(*white[3])
    for _ in range(9):
        spot = field.place(9, 1.0)
        if spot is not None:
            field.platelet(*spot)
    return field.photographed((0.965, 0.945, 0.925), 0.010)


def blast_field() -> Image.Image:
    """Blasts in crowds: large dark nuclei, hardly any cytoplasm."""
    field = Field(23)
    blasts = []
    for _ in range(26):
        radius = float(field.chance.uniform(34, 47))
        spot = field.place(radius, 0.94)
        if spot is not None:
            blasts.append((*spot, radius))
    _scatter(field, 80, (23, 28), (0.22, 0.24, 0.12), 0.82)
    for blast in blasts:
        field.blast(*blast)
    return field.photographed((0.95, 0.945, 0.965), 0.010)
