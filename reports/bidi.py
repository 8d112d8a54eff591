"""The direction of each character and the order in which a line is seen: the implicit rules of UAX #9.

W1 to W7, N0 to N2, I1, I2, L2 and L4, without embeddings and isolates, whose control characters are removed before.
Of the libraries for this, those that reorder a string do not tell where each character went, which shaping needs.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby

_MIRRORED = dict(zip("()[]{}<>«»‹›", ")(][}{><»«›‹", strict=True))
_STRONG = {"L": "L", "R": "R", "EN": "R", "AN": "R"}  # numbers count as right-to-left beside neutrals (N1)


def is_right_to_left(text: str) -> bool:
    """Whether any character runs from right to left, so that the rest of this module is needed."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def levels(text: str) -> list[int]:
    """Embedding level of each character: odd runs from right to left. The first strong character sets the base."""
    kinds = [unicodedata.bidirectional(c) or "L" for c in text]
    base = next((int(kind != "L") for kind in kinds if kind in ("L", "R", "AL")), 0)
    side = "R" if base else "L"
    _keep_signs_in_front(text, kinds)
    _resolve_weak(kinds, side)
    _resolve_brackets(text, kinds, side)
    _resolve_neutral(kinds, side)
    if base:
        return [1 if kind == "R" else 2 for kind in kinds]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def visual_runs(line_levels: Sequence[int]) -> list[tuple[int, int, int]]:
    """(start, end, level) of each stretch of one direction on a line, from left to right as it is seen (L2)."""
    runs: list[tuple[int, int, int]] = []
    for level, group in groupby(line_levels):
        start = runs[-1][1] if runs else 0
        runs.append((start, start + len(list(group)), level))
    for lowest in range(max(line_levels, default=0), 0, -1):
        reordered: list[tuple[int, int, int]] = []
        for turned, part in groupby(runs, key=lambda run, lowest=lowest: run[2] >= lowest):  # type: ignore[misc]
            stretch = list(part)
            reordered += reversed(stretch) if turned else stretch
        runs = reordered
    return runs


def turned(text: str) -> str:
    """What runs from right to left as it is seen: the last letter first, with its marks, and brackets mirrored (L4)."""
    clusters: list[str] = []
    for char in text:
        if clusters and unicodedata.category(char) == "Mn":
            clusters[-1] += char
        else:
            clusters.append(_MIRRORED.get(char, char))
    return "".join(reversed(clusters))


def _keep_signs_in_front(text: str, kinds: list[str]) -> None:
    """Give the sign before a command or a user's name their direction; the rules alone put it behind (HL4)."""
    for i, (before, sign, after) in enumerate(zip(" " + text, text, kinds[1:], strict=False)):
        if before == " " and sign in "/@" and after == "L":
            kinds[i] = "L"


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
