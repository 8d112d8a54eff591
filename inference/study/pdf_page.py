"""How the pictures of a PDF page lie on it: turned with the page or by their own matrix, or cut into strips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from PIL import Image

if TYPE_CHECKING:
    from pypdf import PageObject

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of ISO 32000-1, 8.3.3: a picture is the unit square, its first row at the top."""
Name: TypeAlias = str | tuple[str, ...]
"""A picture, or the forms that it lies in and then the picture, as pypdf names them."""

_STRAIGHT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_LONGEST: Final = 1_000_000
"""Bytes of drawing in a file beyond which nobody asks where its other pictures lie: pypdf reads one a microsecond."""
_MOST_DRAWN: Final = 20_000
_DEEPEST: Final = 4
"""Forms in one another."""
_SLANTED: Final = 0.05
"""Share of a side by which a picture that counts as straight may lean."""
_NEAR: Final = 0.02
"""Share of a strip's width by which edges of two that belong together may lie apart."""
_FLAT: Final = 3
"""How many times wider than high a strip is: slices that lie close together are not."""
_OF_A_PNG: Final = ("1", "L", "LA", "I;16", "RGB", "RGBA")
_SIDES: Final[Mapping[tuple[int, int, int, int], Image.Transpose | None]] = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, -1, 0): Image.Transpose.ROTATE_90,
    (0, -1, 1, 0): Image.Transpose.ROTATE_270,
    (0, -1, -1, 0): Image.Transpose.TRANSPOSE,
    (0, 1, 1, 0): Image.Transpose.TRANSVERSE,
}
"""Where a picture's right and its top point on the page (x, y; x, y), and what makes it so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture is drawn: edges in points, y upwards, before the page is turned."""

    turn: Image.Transpose | None
    """What makes it what a reader of the page sees."""
    is_straight: bool
    """Whether its rows run rightward and downward where it is drawn."""
    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """In points."""
        return self.right - self.left


def strips(found: Mapping[Name, Place], sizes: Mapping[Name, tuple[int, int]]) -> list[tuple[Name, ...]]:
    """Runs of names, top first, that are one picture drawn in strips; ``sizes`` are pixels as stored (w, h)."""
    flat = [
        name
        for name, place in found.items()
        if place.is_straight and name in sizes and sizes[name][0] >= _FLAT * sizes[name][1]
    ]
    flat.sort(key=lambda name: (round(found[name].left), -found[name].top))
    runs: list[list[Name]] = []
    for name in flat:
        last = runs[-1][-1] if runs else None
        if last is not None and sizes[last][0] == sizes[name][0] and _is_below(found[name], found[last]):
            runs[-1].append(name)
        else:
            runs.append([name])
    return [tuple(run) for run in runs if len(run) > 1]


def join_strips(parts: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one width below one another, as a PNG can hold them: strips may each have a palette of their own."""
    plain = [part if part.mode in _OF_A_PNG else part.convert("RGB") for part in parts]
    whole = Image.new(plain[0].mode, (plain[0].width, sum(part.height for part in plain)))
    top = 0
    for part in plain:
        whole.paste(part.convert(whole.mode), (0, top))
        top += part.height
    return whole


def _is_below(place: Place, above: Place) -> bool:
    most = _NEAR * above.width
    apart = (place.left - above.left, place.right - above.right, place.top - above.bottom)
    return all(abs(distance) <= most for distance in apart)


class Drawing:
    """Where the pictures of a file's pages lie, as far as its bounds reach, for which a form may draw itself."""

    def __init__(self) -> None:
        self._bytes = _LONGEST
        self._things = _MOST_DRAWN

    def places(self, page: "PageObject") -> dict[Name, Place]:
        """Each picture's first place on the page; those that are drawn at a slant, or behind a bound, have none.

        Raises what pypdf does of a page that can't be read.
        """
        found: dict[Name, Place] = {}
        turned = _page_turn(page.rotation)
        for name, matrix in self._pictures(page.get_contents(), page, (), _STRAIGHT):
            place = _place(matrix, turned)
            if place:
                found.setdefault(name, place)
        return found

    def _pictures(
        self, stream: Any, holder: Any, within: tuple[str, ...], matrix: Matrix
    ) -> Iterator[tuple[Name, Matrix]]:
        """Name and matrix of each picture that ``stream`` draws by the resources of ``holder``."""
        from pypdf.generic import ContentStream

        if stream is None or len(within) > _DEEPEST:
            return
        self._bytes -= len(stream.get_data())
        if self._bytes < 0:
            return
        objects = holder.get("/Resources", {}).get("/XObject", {})
        saved: list[Matrix] = []
        inline = 0
        for operands, operator in ContentStream(stream, None).operations:
            if operator == b"q":
                saved.append(matrix)
            elif operator == b"Q" and saved:
                matrix = saved.pop()
            elif operator == b"cm":
                matrix = _after([float(value) for value in operands], matrix)
            elif operator in (b"INLINE IMAGE", b"Do"):
                self._things -= 1
                if self._things < 0:
                    return
                if operator == b"Do":
                    yield from self._object(objects, str(operands[0]), within, matrix)
                elif not within:
                    yield f"~{inline}~", matrix
                    inline += 1

    def _object(
        self, objects: Any, name: str, within: tuple[str, ...], matrix: Matrix
    ) -> Iterator[tuple[Name, Matrix]]:
        thing = objects.get(name, {})
        if thing.get("/Subtype") == "/Image":
            yield (*within, name) if within else name, matrix
        elif thing.get("/Subtype") == "/Form":
            inner = _after([float(value) for value in thing.get("/Matrix", _STRAIGHT)], matrix)
            yield from self._pictures(thing, thing, (*within, name), inner)


def _after(first: Sequence[float], then: Matrix) -> Matrix:
    """The matrix that does ``first`` and ``then``."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _page_turn(degrees: int) -> Matrix:
    """A page's /Rotate, clockwise, as a matrix."""
    turns: Mapping[int, Matrix] = {
        90: (0.0, -1.0, 1.0, 0.0, 0.0, 0.0),
        180: (-1.0, 0.0, 0.0, -1.0, 0.0, 0.0),
        270: (0.0, 1.0, -1.0, 0.0, 0.0, 0.0),
    }
    return turns.get(degrees % 360, _STRAIGHT)


def _place(matrix: Matrix, page_turn: Matrix) -> Place | None:
    a, b, c, d, e, f = matrix
    seen = _directions(_after(matrix, page_turn))
    if seen not in _SIDES:
        return None
    xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
    return Place(_SIDES[seen], _directions(matrix) == (1, 0, 0, 1), min(xs), min(ys), max(xs), max(ys))


def _directions(matrix: Matrix) -> tuple[int, int, int, int]:
    return (*_direction(*matrix[:2]), *_direction(*matrix[2:4]))


def _direction(x: float, y: float) -> tuple[int, int]:
    """A side's direction as one of the four of the page; (0, 0) for a slanted one and for none."""
    most = _SLANTED * max(abs(x), abs(y))
    if abs(y) <= most < abs(x):
        return (1 if x > 0 else -1), 0
    if abs(x) <= most < abs(y):
        return 0, (1 if y > 0 else -1)
    return 0, 0
