"""Right-to-left text in the order in which it is seen: Arabic letters joined, then the Unicode bidi algorithm.

Covers what a label holds: the implicit rules of UAX #9 (W1 to W7, N0 to N2, I1, I2, L1 to L4) without embeddings and
isolates, whose control characters are removed before. Arabic letters take their joined shapes from
the presentation forms of Unicode, which a font for them carries.
"""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby, pairwise

_MIRRORED = dict(zip("()[]{}<>«»‹›", ")(][}{><»«›‹", strict=True))
_STRONG = {"L": "L", "R": "R", "EN": "R", "AN": "R"}  # numbers count as right-to-left beside neutrals (N1)
_LAM = "\u0644"
_TATWEEL = "\u0640"


def is_right_to_left(text: str) -> bool:
    """Whether any character runs from right to left, so that the rest of this module is needed."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def join_arabic(text: str, has: Callable[[str], bool]) -> str:
    """Give Arabic letters the shape of their place in the word, in logical order; ``has`` asks for a glyph."""
    joined: list[str] = []
    letters = [i for i, c in enumerate(text) if unicodedata.category(c) != "Mn"]
    before = {i: text[j] for j, i in pairwise(letters)}
    after = {j: text[i] for j, i in pairwise(letters)}
    swallowed: set[int] = set()
    for i, char in enumerate(text):
        forms = _forms().get(char)
        if i in swallowed:
            continue
        if forms is None:
            joined.append(char)
            continue
        follower = after.get(i, "")
        back = "final" in forms and _joins_forward(before.get(i, ""))
        ligature = _forms().get(char + follower) if char == _LAM and text[i + 1 : i + 2] == follower else None
        if ligature and has(shape := ligature["final" if back else "isolated"]):
            swallowed.add(i + 1)
            joined.append(shape)
            continue
        forward = "initial" in forms and _joins_backward(follower)
        place = ("medial" if forward else "final") if back else ("initial" if forward else "isolated")
        shape = forms.get(place, char)
        joined.append(shape if has(shape) else char)
    return "".join(joined)


def levels(text: str) -> list[int]:
    """Embedding level of each character: odd runs from right to left. The first strong character sets the base."""
    kinds = [unicodedata.bidirectional(c) or "L" for c in text]
    base = next((int(kind != "L") for kind in kinds if kind in ("L", "R", "AL")), 0)
    side = "R" if base else "L"
    _resolve_weak(kinds, side)
    _resolve_brackets(text, kinds, side)
    _resolve_neutral(kinds, side)
    if base:
        return [1 if kind == "R" else 2 for kind in kinds]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def visual(text: str, line_levels: Sequence[int]) -> str:
    """Reorder one line from the order of speaking to the order of seeing (L1, L2, L4)."""
    base = min(line_levels, default=0) & 1 if text else 0
    cells = list(zip(text, line_levels, strict=True))
    for i in range(len(cells) - 1, -1, -1):  # L1: spaces at the end of a line stay at its end
        if not cells[i][0].isspace():
            break
        cells[i] = (cells[i][0], base)
    cells = [(_MIRRORED.get(c, c) if level & 1 else c, level) for c, level in cells]
    for level in range(max(line_levels, default=0), 0, -1):
        reordered: list[tuple[str, int]] = []
        for turned, group in groupby(cells, key=lambda cell, level=level: cell[1] >= level):  # type: ignore[misc]
            run = list(group)
            reordered += _turn(run) if turned else run
        cells = reordered
    return "".join(c for c, _ in cells)


def _turn(run: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Reverse a run, each mark staying behind its letter (L3)."""
    clusters: list[list[tuple[str, int]]] = []
    for cell in run:
        if clusters and unicodedata.category(cell[0]) == "Mn":
            clusters[-1].append(cell)
        else:
            clusters.append([cell])
    return [cell for cluster in reversed(clusters) for cell in cluster]


def _resolve_weak(kinds: list[str], side: str) -> None:
    """Rules W1 to W7, in place."""
    before, strong = side, side
    for i, kind in enumerate(kinds):
        if kind == "NSM":  # W1: a mark is what its letter is
            kinds[i] = before
        elif kind == "EN" and strong == "AL":  # W2
            kinds[i] = "AN"
        elif kind in ("L", "R", "AL"):
            strong = kind
        before = kinds[i]
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for i in range(1, len(kinds) - 1):  # W4: a separator inside a number
        around = {kinds[i - 1], kinds[i + 1]}
        if (kinds[i] in ("ES", "CS") and around == {"EN"}) or (kinds[i] == "CS" and around == {"AN"}):
            kinds[i] = around.pop()
    start = 0
    for kind, group in groupby(list(kinds)):  # W5, W6: a percent or currency sign belongs to its number
        end = start + len(list(group))
        if kind == "ET":
            near = kinds[start - 1 : start] + kinds[end : end + 1]
            kinds[start:end] = ["EN" if "EN" in near else "ON"] * (end - start)
        start = end
    strong = side
    for i, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":  # W7
            kinds[i] = "L"


def _resolve_brackets(text: str, kinds: list[str], side: str) -> None:
    """Rule N0, in place: both brackets of a pair go the way of what they hold."""
    for opening, closing in _bracket_pairs(text, kinds):
        inside = {_STRONG[kind] for kind in kinds[opening + 1 : closing] if kind in _STRONG}
        if side in inside:
            kinds[opening] = kinds[closing] = side
        elif inside:
            before = next((_STRONG[kind] for kind in reversed(kinds[:opening]) if kind in _STRONG), side)
            kinds[opening] = kinds[closing] = before


def _bracket_pairs(text: str, kinds: list[str]) -> list[tuple[int, int]]:
    """Find (opening, closing) of each pair, by opening (BD16)."""
    open_brackets: list[int] = []
    pairs = []
    for i, char in enumerate(text):
        if kinds[i] == "ON" and char in "([{":
            open_brackets.append(i)
        elif kinds[i] == "ON" and char in ")]}":
            partner = next((j for j in reversed(open_brackets) if _MIRRORED[text[j]] == char), None)
            if partner is not None:
                del open_brackets[open_brackets.index(partner) :]
                pairs.append((partner, i))
    return sorted(pairs)


def _resolve_neutral(kinds: list[str], side: str) -> None:
    """Rules N1 and N2, in place: what has no direction takes that of its neighbours, or the base."""
    start = 0
    for neutral, group in groupby(list(kinds), key=lambda kind: kind not in _STRONG):
        end = start + len(list(group))
        if neutral:
            left = _STRONG[kinds[start - 1]] if start else side
            right = _STRONG[kinds[end]] if end < len(kinds) else side
            kinds[start:end] = [left if left == right else side] * (end - start)
        start = end


def _joins_forward(char: str) -> bool:
    return char == _TATWEEL or "initial" in _forms().get(char, {})


def _joins_backward(char: str) -> bool:
    return char == _TATWEEL or "final" in _forms().get(char, {})


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Letter (or lam with alef) -> place in the word -> presentation form, read from the Unicode database."""
    table: dict[str, dict[str, str]] = {}
    for code in (*range(0xFE70, 0xFF00), *range(0xFB50, 0xFC00)):
        place, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        base = "".join(chr(int(letter, 16)) for letter in letters)
        if len(base) == 1 or (len(base) == 2 and base[0] == _LAM):
            table.setdefault(base, {}).setdefault(place.strip("<>"), chr(code))
    return table
