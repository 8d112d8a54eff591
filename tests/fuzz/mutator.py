"""Changes at random, the same for the same seed: of bytes, of text, of JSON."""

import random
from collections.abc import Callable, Sequence
from typing import Any

_TELLING = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
"""Numbers at the ends of what fields hold."""
_ALPHABETS = (
    "abcXYZ019 _-/:.", "<>&\"'`*_[]()~#+=|{}!\\", "äßñçøİıŞ", "Иванова", "جدّة٣", "नमस्ते", "你好世界", "🧠👩‍⚕️🏳️‍🌈",
    "\u0000\u0007\u001b\u007f\u0085\u00ad", "\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\ufeff",
    "e\u0301\u0323\u034f\u0489", "\ud800\udfff", "\ufffe\uffff\U0010ffff", "\n\r\t\v\u2028\u2029",
)  # fmt: skip
_WORDS = (
    "<b>", "</b>",
    "<a href=\"tg://user?id=1\">", "&amp;", "&#0;", "{label}", "%s%n", "{0.__class__}", "../../etc/passwd", "]]>",
    "'; DROP TABLE scans; --", "\\u0000", "=cmd|' /C calc'!A0", "<script>", "-->",
    "%PDF-1.7", "stream\nendstream",
)  # fmt: skip


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """A few changes: bits, telling numbers, pieces doubled, left out, cut off, or taken from others."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        rng.choice(_CHANGES)(changed, rng, others)
    return bytes(changed)


def _flip(data: bytearray, rng: random.Random, _others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        if data:
            data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _number(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4, 8))
    value = (rng.choice(_TELLING) % 256**size).to_bytes(size, rng.choice(("big", "little")))
    at = _place(data, rng)
    data[at : at + size] = value


def _double(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at, length = _place(data, rng), rng.choice((1, 4, 64, 4096))
    data[at:at] = data[at : at + length] * rng.choice((1, 2, 30))


def _leave_out(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 4, 64, 4096))]


def _cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[_place(data, rng) :]


def _splice(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    if others:
        other = rng.choice(others)
        at, begin = _place(data, rng), rng.randrange(max(1, len(other)))
        data[at : at + rng.choice((0, 64, 4096))] = other[begin : begin + rng.choice((4, 64, 4096))]


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere; half of the time in the header, where most decisions are made."""
    return rng.randrange(max(1, min(len(data), 512) if rng.random() < 0.5 else len(data)))


_CHANGES: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    _flip, _number, _double, _leave_out, _cut, _splice,
)  # fmt: skip


def text(rng: random.Random, longest: int = 400) -> str:
    """What somebody might type or paste who means no good, or writes in a script that we don't know."""
    parts = []
    for _ in range(rng.choice((1, 2, 5, 20))):
        if rng.random() < 0.2:
            parts.append(rng.choice(_WORDS))
        elif rng.random() < 0.2:
            parts.append(chr(rng.randrange(0x110000)) * rng.choice((1, 1, 50)))
        else:
            alphabet = rng.choice(_ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.choice((1, 5, 40)))))
    return "".join(parts)[:longest]


def changed_json(value: Any, rng: random.Random) -> Any:
    """The same with one part put in another one's place, left out, or of another kind."""
    places = list(_places(value))
    if not places:
        return value
    holder, key = rng.choice(places)
    if rng.random() < 0.2:
        del holder[key]
    elif rng.random() < 0.3:
        holder[key] = rng.choice(places)[0]
        if _is_within(holder, holder[key]):  # what holds itself can't be written down
            holder[key] = None
    else:
        strange: tuple[Any, ...] = (
            None,
            True,
            0,
            -1,
            2**31,
            2**63,
            2**70,
            1.5,
            "",
            text(rng),
            [],
            {},
            [[]],
            {"": {}},
            "x" * 5000,
        )
        holder[key] = rng.choice(strange)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _is_within(part: Any, whole: Any) -> bool:
    if part is whole:
        return True
    children = whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
    return any(_is_within(part, child) for child in children)
