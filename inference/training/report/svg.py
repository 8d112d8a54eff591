"""The little SVG that the card's figures need: panels with axes, lines, dots and words, on white or on black."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

STYLE = """<style>
text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}
.small{font-size:10.5px}.title{font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:#d0d7de;fill:none}.frame{stroke:#8c959f;fill:none}
.a{stroke:#0969da;fill:none;stroke-width:2}.b{stroke:#bc4c00;fill:none;stroke-width:2}
.c{stroke:#6e7781;fill:none;stroke-width:1.5;stroke-dasharray:4 4}
.fa{fill:#0969da}.fb{fill:#bc4c00}.fc{fill:#6e7781}.cell{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#30363d}.frame{stroke:#6e7681}
.a{stroke:#58a6ff}.b{stroke:#f0883e}.c{stroke:#8b949e}.fa{fill:#58a6ff}.fb{fill:#f0883e}.fc{fill:#8b949e}.cell{fill:#58a6ff}}
</style>"""
Point = tuple[float, float]


def document(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """A whole file; ``title`` is read out to who cannot see it."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    body = "\n".join(parts)
    return f'{head} role="img">\n<title>{escape(title)}</title>\n{STYLE}\n{body}\n</svg>\n'


def words(x: float, y: float, text: str, kind: str = "") -> str:
    """Text at (x, y); ``kind`` is any of the style's classes."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


class Panel:
    """A square plot whose axes run over ``xs`` and ``ys``."""

    def __init__(self, left: float, top: float, side: float, xs: Point = (0, 1), ys: Point = (0, 1)) -> None:
        self.left, self.top, self.side, self.xs, self.ys = left, top, side, xs, ys
        self.parts: list[str] = []

    def at(self, x: float, y: float) -> Point:
        """Pixels of a point, kept within the frame."""
        across = (x - self.xs[0]) / (self.xs[1] - self.xs[0])
        up = (y - self.ys[0]) / (self.ys[1] - self.ys[0])
        return self.left + min(1, max(0, across)) * self.side, self.top + (1 - min(1, max(0, up))) * self.side

    def axes(self, title: str, x_words: str, y_words: str, ticks: int = 5) -> None:
        """Frame, grid, numbers and names."""
        for i in range(ticks + 1):
            x = self.xs[0] + (self.xs[1] - self.xs[0]) * i / ticks
            y = self.ys[0] + (self.ys[1] - self.ys[0]) * i / ticks
            (px, _), (_, py) = self.at(x, self.ys[0]), self.at(self.xs[0], y)
            self.parts.append(
                f'<path class="grid" d="M{px:.1f} {self.top}v{self.side}M{self.left} {py:.1f}h{self.side}"/>'
            )
            self.parts.append(words(px, self.top + self.side + 15, f"{x:.3g}", "small mid"))
            self.parts.append(words(self.left - 5, py + 4, f"{y:.3g}", "small end"))
        self.parts.append(
            f'<rect class="frame" x="{self.left}" y="{self.top}" width="{self.side}" height="{self.side}"/>'
        )
        self.parts.append(words(self.left, self.top - 9, title, "title"))
        self.parts.append(words(self.left + self.side / 2, self.top + self.side + 32, x_words, "small mid"))
        x, y = self.left - 36, self.top + self.side / 2
        upwards = f'transform="rotate(-90 {x} {y})"'
        self.parts.append(f'<text x="{x}" y="{y}" class="small mid" {upwards}>{escape(y_words)}</text>')

    def line(self, points: Sequence[Point], kind: str) -> None:
        """A line through ``points``; those that add nothing are left out."""
        kept: list[Point] = []
        for x, y in points:
            place = self.at(x, y)
            if not kept or abs(place[0] - kept[-1][0]) + abs(place[1] - kept[-1][1]) > 0.8:
                kept.append(place)
        self.parts.append(f'<path class="{kind}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in kept)}"/>')

    def dot(self, x: float, y: float, radius: float, kind: str) -> None:
        """A dot."""
        px, py = self.at(x, y)
        self.parts.append(f'<circle class="{kind}" cx="{px:.1f}" cy="{py:.1f}" r="{radius:.1f}"/>')

    def key(self, names: Sequence[tuple[str, str]], x: float, y: float) -> None:
        """What the lines are: (words, class), from the place (x, y) in shares of the panel downwards."""
        for i, (text, kind) in enumerate(names):
            px, py = self.left + x * self.side, self.top + y * self.side + 16 * i
            self.parts.append(f'<path class="{kind}" d="M{px:.1f} {py:.1f}h18"/>')
            self.parts.append(words(px + 24, py + 4, text, "small"))


def outline(grid: NDArray[np.floating], level: float, left: float, top: float, size: float) -> str:
    """Path data of the line where ``grid`` [n, n] crosses ``level``, over a square of ``size`` (marching squares)."""
    padded = np.pad(grid.astype(float), 1, constant_values=min(0.0, level - 1e-6))
    step = size / grid.shape[0]
    path = []
    rows, columns = np.nonzero(np.lib.stride_tricks.sliding_window_view(padded > level, (2, 2)).sum((2, 3)) % 4)
    for r, c in zip(rows.tolist(), columns.tolist(), strict=True):
        corners = [(r, c), (r, c + 1), (r + 1, c + 1), (r + 1, c)]
        values = [padded[at] for at in corners]
        crossed = []
        for k in range(4):
            (a, b), (va, vb) = (corners[k], corners[(k + 1) % 4]), (values[k], values[(k + 1) % 4])
            if (va > level) != (vb > level):
                share = (level - va) / (vb - va)
                y, x = a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
                crossed.append((left + (x - 0.5) * step, top + (y - 0.5) * step))
        path += [
            f"M{crossed[k][0]:.1f} {crossed[k][1]:.1f}L{crossed[k + 1][0]:.1f} {crossed[k + 1][1]:.1f}"
            for k in range(0, len(crossed) - 1, 2)
        ]
    return "".join(path)
