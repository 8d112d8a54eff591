"""What goes between the bot and a worker: JSON with raw bytes behind it. Never a pickle, for reading one runs code.

A frame is the length of its JSON and the number of its blobs (4 bytes each, big-endian), the length of each blob
(8 bytes each), the JSON, and the blobs. The JSON is [kind, value]; an object whose one key is the character 0 stands
for the blob of that number.
"""

import json
import select
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final

MOST_BYTES: Final = 64 << 20
"""Bytes of a frame; a picture of 20 MiB is the most that is sent, and what comes back is smaller."""
MOST_TEXT: Final = 2 << 20
"""Bytes of a frame's JSON from a worker: each may become twenty or more once it is read."""
MOST_BLOBS: Final = 512
_HEAD: Final = struct.Struct("!II")
_LENGTH: Final = 8
_BLOB: Final = "\0"

Wait = Callable[[int], None]
"""Blocks until a ``select.poll`` event; raises what its owner raises when the other end is too slow."""


class FrameError(ValueError):
    """What came is no frame of ours."""


def encode(kind: str, value: object = None) -> list[bytes]:
    """A frame in pieces. Raises TypeError for a value that is not plain."""
    blobs: list[bytes] = []

    def plain(part: object) -> object:
        if isinstance(part, bytes):
            blobs.append(part)
            return {_BLOB: len(blobs) - 1}
        if is_dataclass(part) and not isinstance(part, type):
            return {field.name: getattr(part, field.name) for field in fields(part)}
        if isinstance(part, datetime):
            return part.isoformat()
        if isinstance(part, PurePath):
            return str(part)
        if isinstance(part, Mapping):
            return dict(part)
        raise TypeError(f"a {type(part).__name__} is no plain value")

    text = json.dumps([kind, value], default=plain).encode()
    lengths = b"".join(len(blob).to_bytes(_LENGTH, "big") for blob in blobs)
    return [_HEAD.pack(len(text), len(blobs)) + lengths + text, *blobs]


def _decode(text: bytes, blobs: Sequence[bytes]) -> tuple[str, Any]:
    def whole(part: dict[str, Any]) -> Any:
        return blobs[part[_BLOB]] if _BLOB in part else part

    try:
        kind, value = json.loads(text, object_hook=whole)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise FrameError(type(error).__name__) from None
    if not isinstance(kind, str):
        raise FrameError("no kind")
    return kind, value


def decode(frame: bytes, most_text: int = MOST_TEXT) -> tuple[str, Any]:
    """Kind and value of a frame that came whole. Raises FrameError."""
    rest = memoryview(frame)

    def read(length: int) -> bytes:
        nonlocal rest
        if length > len(rest):
            raise FrameError("cut off")
        piece, rest = bytes(rest[:length]), rest[length:]
        return piece

    decoded = _read_frame(read, most_text)
    if rest:
        raise FrameError("more than a frame")
    return decoded


def _read_frame(read: Callable[[int], bytes], most_text: int) -> tuple[str, Any]:
    text_length, count = _HEAD.unpack(read(_HEAD.size))
    if count > MOST_BLOBS:
        raise FrameError("too many blobs")
    table = read(count * _LENGTH)
    lengths = [int.from_bytes(table[at : at + _LENGTH], "big") for at in range(0, len(table), _LENGTH)]
    if text_length + sum(lengths) > MOST_BYTES or text_length > most_text:
        raise FrameError("too long")
    text = read(text_length)
    return _decode(text, [read(length) for length in lengths])


class Channel:
    """One end of a connected socket, over which whole frames go.

    With a ``Wait`` the socket must not block, and is waited for; without one it must.
    """

    def __init__(self, connection: socket.socket, most_text: int = MOST_BYTES) -> None:
        self.socket, self._most_text = connection, most_text

    def send(self, frame: Sequence[bytes], wait: Wait | None = None) -> None:
        """Send a frame. Raises OSError when the other end has gone."""
        for piece in frame:
            left = memoryview(piece)
            while left:
                try:
                    left = left[self.socket.send(left) :]
                except BlockingIOError:
                    _wait(wait, select.POLLOUT)

    def receive(self, wait: Wait | None = None) -> tuple[str, Any]:
        """The next frame's kind and value. Raises EOFError when the other end has gone, FrameError."""
        return _read_frame(lambda length: self._read(length, wait), self._most_text)

    def _read(self, length: int, wait: Wait | None) -> bytes:
        data = bytearray(length)
        left = memoryview(data)
        while left:
            try:
                count = self.socket.recv_into(left)
            except BlockingIOError:
                _wait(wait, select.POLLIN)
                continue
            except ConnectionError:
                raise EOFError from None
            if not count:
                raise EOFError
            left = left[count:]
        return bytes(data)


def _wait(wait: Wait | None, event: int) -> None:
    if wait is None:
        raise RuntimeError("a socket that is not waited for must block")
    wait(event)
