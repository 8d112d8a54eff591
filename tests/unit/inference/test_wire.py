"""What goes between the bot and a worker is plain bytes, and what is not of our making is refused."""

import logging
import pickle
import re
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import TypeAdapter, ValidationError

from bot.logs import Discreet
from inference.analysis import Reason, Verdict
from inference.study.study import Study
from inference.workers.job_queue import QueuedJob
from inference.workers.supervisor import conclude
from inference.workers.wire import MOST_BYTES, MOST_TEXT, Channel, FrameError, decode, encode
from inference.workers.worker import FAILED, REFUSED
from tests.probe_jobs import process_id


@dataclass(frozen=True, slots=True)
class Parcel:
    verdict: Verdict
    moment: datetime
    pictures: tuple[bytes, ...]
    probabilities: Mapping[str, float]
    missing: bytes | None
    file: Path


PARCEL = Parcel(
    Verdict.NOT_SURE,
    datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    (b"\0\xff", b""),
    MappingProxyType({"a": 1.5}),
    None,
    Path("a/b"),
)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield Channel(ours), theirs


def test_values_arrive_as_they_were(ends: tuple[Channel, socket.socket]) -> None:
    here, there = ends
    Channel(there).send(encode("parcel", (PARCEL, 3, "ä\U0001f9e0")))
    kind, value = here.receive()
    assert kind == "parcel"
    assert TypeAdapter(tuple[Parcel, int, str]).validate_python(value) == (PARCEL, 3, "ä\U0001f9e0")


def test_what_is_not_plain_is_not_sent() -> None:
    with pytest.raises(TypeError, match="object is no plain value"):
        encode("job", object())


def frame(text: bytes, *blobs: bytes, count: int | None = None) -> bytes:
    lengths = b"".join(struct.pack("!Q", len(blob)) for blob in blobs)
    return struct.pack("!II", len(text), len(blobs) if count is None else count) + lengths + text + b"".join(blobs)


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(["done", b"x"], 4),
        frame(b"not JSON"),
        frame(b'["done", {"\\u0000": 1}]', b"one blob only"),
        frame(b'["done", {"\\u0000": "x"}]', b"a blob"),
        frame(b'["done"]'),
        frame(b'[["done"], 1]'),
        frame(b"[" * 100_000),
        frame(b"\xff\xfe"),
        struct.pack("!IIQ", 2, 1, MOST_BYTES),
        struct.pack("!II", 0xFFFFFFFF, 0),
        struct.pack("!II", 2, 0xFFFFFFFF),
    ],
    ids=["a pickle", "no JSON", "blob out of range", "blob by name", "no value", "kind a list", "deep", "no text",
         "too long", "too long a text", "too many blobs"],
)  # fmt: skip
def test_a_frame_that_makes_no_sense_is_refused(ends: tuple[Channel, socket.socket], data: bytes) -> None:
    here, there = ends
    there.sendall(data)
    with pytest.raises(FrameError):
        here.receive()


def test_a_frame_that_breaks_off_is_an_end(ends: tuple[Channel, socket.socket]) -> None:
    here, there = ends
    there.sendall(frame(b'["done", null]')[:-3])
    there.close()
    with pytest.raises(EOFError):
        here.receive()


def test_json_of_worker_may_not_fill_the_bots_memory() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        theirs.sendall(struct.pack("!II", MOST_TEXT + 1, 0))  # 60 MiB of "[]," would become a gigabyte of lists
        theirs.shutdown(socket.SHUT_WR)  # whoever waits for them hears of it
        with pytest.raises(FrameError, match="too long"):
            Channel(ours, MOST_TEXT).receive()


def test_study_of_a_million_shared_slices_is_no_study() -> None:
    one = {"pixels": b"x" * 100, "shape": (10, 10), "width": 10, "height": 10}  # one blob, named again and again
    value = {"kind": "zip", "series": [{"slices": [one] * 1000}]}
    with pytest.raises(ValidationError):
        TypeAdapter(Study).validate_python(value)
    value["series"][0]["slices"] = [one] * 400  # type: ignore[index]
    assert len(TypeAdapter(Study).validate_python(value).slices) == 400


def test_whole_frame_is_read_as_it_was_written() -> None:
    frame = b"".join(encode("done", PARCEL))
    kind, value = decode(frame)
    assert (kind, TypeAdapter(Parcel).validate_python(value)) == ("done", PARCEL)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame[:0],
        lambda frame: frame[:-1],
        lambda frame: frame + b"!",
        lambda frame: b"\xff" + frame[1:],
        lambda frame: frame[:4] + b"\xff\xff\xff\xff" + frame[8:],
        lambda frame: pickle.dumps(frame),
    ],
    ids=["empty", "cut off", "too long", "more text than there is", "more blobs than there may be", "a pickle"],
)
def test_whole_frame_that_is_none_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FrameError):
        decode(change(b"".join(encode("done", PARCEL))))


@pytest.mark.parametrize("kind", [FAILED, REFUSED])
def test_a_workers_words_never_pass_for_log_lines(kind: str) -> None:
    said = "odd\n2026-11-29 12:00:00,000 ERROR bot.app: forged\r\x1b[2Joops\u2028more" + "x\n" * 500_000
    job = QueuedJob(process_id, (), 1.0)
    conclude(job, kind, (Reason.BROKEN.value, said) if kind == REFUSED else said)
    job.deliver()
    error = job.answer.exception()
    assert error is not None
    record = logging.LogRecord("bot.x", logging.ERROR, "x", 1, "it failed", (), (type(error), error, None))
    first, *lines = Discreet("%(asctime)s %(message)s").format(record).split("\n")
    assert first.endswith("it failed")
    assert not [line for line in lines if re.match(r"\d|.*[\r\x1b\u2028]", line)]
    assert sum(map(len, lines)) < 100_000
