"""What is fed with changed input, and what it has to keep: one of the known answers, within its time."""

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from telegram import Bot
from telegram.constants import InlineKeyboardButtonLimit, MessageLimit

from bot.chat.keyboards import parse
from bot.chat.languages import open_models
from bot.delivery.raw_update import UnparsableUpdate, as_received, message_of, read
from bot.delivery.webhook import _parsed
from bot.sandbox.entities import parse_html
from bot.scan import worker_jobs
from bot.scan.incoming import MAX_LABEL, Incoming, clean_line
from bot.scan.messages import picture_caption
from inference.analysis import PictureError, PictureWords, Reason
from inference.card import MODELS_DIR
from inference.study.reading import OPEN_TIMEOUT, is_container
from inference.workers.executor import AnalysisTimeoutError
from inference.workers.local import LocalExecutor
from reports import render
from storage.records import Scan, ScanFields
from tests.fuzz import corpus
from tests.fuzz.mutator import changed_json, mutated, text
from tests.fuzz.small import SMALL
from tests.unit.reports.examples import a_report
from tests.unit.storage.conftest import a_scan

Make = Callable[[random.Random], bytes]
Feed = Callable[[bytes], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """One way in. ``make`` gives an input for a state of chance; ``feed`` gives the kind of answer, or raises."""

    name: str
    make: Make
    feed: Feed
    files: tuple[bytes, ...] = ()
    """Small files that ``many`` changes and opens in great numbers; empty where there are none."""
    is_quick: bool = False
    """Whether a thousand inputs take no longer than a few pictures through the models."""


def targets(executor: LocalExecutor) -> list[Target]:
    """All of them; what decodes does so in the executor's workers, as in the bot."""
    files = [
        Target(name, _from(made()), _decoding(executor), tuple(SMALL[name]())) for name, made in corpus.FILES.items()
    ]
    models, languages = open_models(MODELS_DIR)
    texts = languages.default.texts

    async def caption(data: bytes) -> str:
        label = clean_line(_text(data), MAX_LABEL)
        scan = replace(_SCAN, patient_label=label)
        plain, _ = parse_html(picture_caption(scan, texts, models.values()))
        if len(plain.encode("utf-16-le")) // 2 > MessageLimit.CAPTION_LENGTH:
            raise AssertionError("the caption is longer than Telegram takes")
        if label and label not in plain:
            raise AssertionError("the label is not what is shown")
        return "labelled" if label else "bare"

    return [
        *files,
        Target("captions to HTML", _texts, caption, is_quick=True),
        Target("captions to PDF", _texts, _to_pdf),
        Target("callback data", _callback_data, _press, is_quick=True),
        Target("webhook bodies", _bodies, _body, is_quick=True),
    ]


def _from(files: Sequence[bytes]) -> Make:
    return lambda rng: mutated(rng.choice(files), rng, files)


def _decoding(executor: LocalExecutor) -> Feed:
    words = PictureWords(**{field.name: "x" for field in fields(PictureWords)})

    async def feed(data: bytes) -> str:
        timeout = OPEN_TIMEOUT if is_container(data) else None
        try:
            answer = await executor.run(worker_jobs.analyse_for_chat, data, words, timeout=timeout)
        except PictureError as refusal:
            return f"refused: {Reason(refusal.reason).value}"
        except AnalysisTimeoutError:
            return "out of time"  # the budget held; who sends such files waits for themselves
        return type(answer).__name__ if not isinstance(answer, tuple) else answer[0].verdict.value

    return feed


def _texts(rng: random.Random) -> bytes:
    return text(rng).encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


async def _to_pdf(data: bytes) -> str:
    label = clean_line(_text(data), MAX_LABEL)
    pdf = render(replace(a_report(), patient_label=label))
    if not (pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")):
        raise AssertionError("that is no PDF")
    return "drawn"


def _callback_data(rng: random.Random) -> bytes:
    known = (b"agree", b"delete-all", b"open:A7K2-Q9", b"slice:A7K2-Q9/3", b"language:de", b"page:2")
    return mutated(rng.choice(known), rng, known)[:200] if rng.random() < 0.7 else _texts(rng)


async def _press(data: bytes) -> str:
    said = data.decode("utf-8", "replace")
    press = parse(said)
    if press is None:
        return "no button of ours"
    if press.data != said or len(data) > InlineKeyboardButtonLimit.MAX_CALLBACK_DATA:
        raise AssertionError("a press is taken for another one")
    return press.action.name.lower()


def _bodies(rng: random.Random) -> bytes:
    update: Any = corpus.an_update(rng)
    for _ in range(rng.choice((1, 2, 5))):
        update = changed_json(update, rng)
    body = json.dumps(update).encode()
    return mutated(body, rng, (b"[" * 3000, b'{"a":' * 2000)) if rng.random() < 0.3 else body


_BOT = Bot("1:" + "t" * 35)


async def _body(data: bytes) -> str:
    raw = _parsed(data)
    if raw is None:
        return "400"
    update = read(raw, _BOT)
    kept = as_received(update)
    if kept.update_id != raw["update_id"]:
        raise AssertionError("another update is kept")
    if isinstance(update, UnparsableUpdate):
        return "dead letter"
    message = message_of(update)
    if message is not None and (message.photo or message.document):
        Incoming.of(message)
    return "update"


_SCAN = Scan(
    **{field.name: getattr(a_scan(), field.name) for field in fields(ScanFields)},
    id=1, person_id=1, public_id="A7K2-Q9", number=3, created_at=datetime(2026, 3, 29, tzinfo=UTC),
)  # fmt: skip
