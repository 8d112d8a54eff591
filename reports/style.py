"""Measures, colours and type of the page. Calm on purpose: no alarm red, and no green that would say "all clear"."""

from reports.pen import Colour, Style

PAPERS = {"a4": (595.276, 841.89), "letter": (612.0, 792.0)}
"""Width and height in points."""
LEFT, RIGHT = 50.0, 545.276
"""Of the column on A4; on wider paper the pen moves it to the middle."""
WIDTH = RIGHT - LEFT
BODY = LEFT + 128
"""Texts stand to the right of their headings, in lines short enough to read."""
BODY_WIDTH = RIGHT - BODY
HEAD, BOTTOM = 68.0, 58.0
"""Between these, from the top and from the foot, a page holds its sections."""

INK: Colour = (0.13, 0.17, 0.22)
QUIET: Colour = (0.36, 0.42, 0.48)
ACCENT: Colour = (0.09, 0.33, 0.44)
TINT: Colour = (0.937, 0.953, 0.961)
TRACK: Colour = (0.898, 0.918, 0.933)
PALE: Colour = (0.64, 0.71, 0.76)
RULE: Colour = (0.82, 0.85, 0.88)

TITLE = Style(22, 26, INK, bold=True)
SUBTITLE = Style(11, 15, QUIET)
SCAN_ID = Style(17, 22, ACCENT, bold=True)
CAPTION = Style(8, 11, QUIET)
VALUE = Style(11, 15, INK)
HEADING = Style(9.3, 13.0, ACCENT, bold=True)
TEXT = Style(9.3, 13.0, INK)
LINK = Style(7.5, 10.5, ACCENT)
VERDICT = Style(15, 20, INK, bold=True)
EXPLANATION = Style(10, 14.8, INK)
FINE = Style(7.5, 10.5, INK)
SIDE = Style(11, 14, (1.0, 1.0, 1.0), bold=True)
SCORE = Style(9.3, 13.0, INK, bold=True)

HEAT = (
    (179, 50, 90), (198, 61, 77), (215, 75, 63), (229, 92, 48), (240, 111, 32), (247, 132, 16), (251, 155, 6),
    (252, 180, 24), (248, 205, 55), (242, 230, 97), (245, 249, 146),
)  # fmt: skip
"""The overlay's colours (RGB) from faint to full heat."""
HEAT_OPACITY = 0.78
_GROUND = 96


def heat_scale() -> tuple[Colour, ...]:
    """Give the colours of the scale from no heat to full heat as they look on a middle grey, as on tissue.

    The opacity grows with the heat as in the overlay: 0.78 (1 - (1 - h)^2).
    """
    scale = []
    for i, stop in enumerate(HEAT):
        opacity = HEAT_OPACITY * (1 - (1 - i / (len(HEAT) - 1)) ** 2)
        red, green, blue = ((opacity * channel + (1 - opacity) * _GROUND) / 255 for channel in stop)
        scale.append((red, green, blue))
    return tuple(scale)
