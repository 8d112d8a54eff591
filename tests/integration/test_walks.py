"""docs/ARCHITECTURE.md tells the walk of an update and of a photo as it is: each step is called, and in this order."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from bot.sandbox import Person
from bot.scan import worker_jobs
from bot.scan.messages import picture_words
from inference.analyser import Analyser
from inference.card import MODELS_DIR
from inference.workers import worker
from tests import pictures
from tests.conftest import PROJECT
from tests.content import opened
from tests.integration.chatting import answer_to, one_scan
from tests.integration.conftest import RunningBot
from tests.integration.stage import quiet

PAGE = (PROJECT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
UPDATE = PAGE.partition("## The walk of one update")[2].partition("###")[0]
PHOTO = PAGE.partition("## The walk of one photo")[2].partition("## Inv")[0]
WORKER = PHOTO.partition("5. In the worker")[2].partition("6. Back")[0]
BOT = PHOTO.replace(WORKER, "")
ROOTS = ("bot/", "inference/", "")
"""What the page leaves out before the name of a file."""


def steps(walk: str) -> list[tuple[str, str]]:
    """File and function of each step that names both, in the order of the page."""
    named = re.findall(r"`([\w/]+\.py)`,\s+`([\w.]+)`", walk)
    return [(next(root + file for root in ROOTS if (PROJECT / (root + file)).is_file()), name) for file, name in named]


@contextmanager
def followed() -> Iterator[list[tuple[str, str]]]:
    """Each function of the project that is called in this thread while the body runs, once, in order."""
    called: dict[tuple[str, str], None] = {}
    project = f"{PROJECT}/"

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(project):
            called.setdefault((code.co_filename.removeprefix(project), code.co_qualname))

    order: list[tuple[str, str]] = []
    sys.setprofile(note)
    try:
        yield order
    finally:
        sys.setprofile(None)
        order += called


def assert_walked(walk: str, called: list[tuple[str, str]]) -> None:
    told = steps(walk)
    assert len(told) >= 8
    assert [step for step in told if step not in called] == []
    assert told == sorted(told, key=called.index)


async def test_an_update_walks_as_the_page_says(bot: RunningBot, agreed: Person) -> None:
    await quiet(bot.application)
    with followed() as called:
        await answer_to(agreed, "/help")
        await quiet(bot.application)
    assert_walked(UPDATE, called)


async def test_a_photo_walks_as_the_page_says(bot: RunningBot, agreed: Person) -> None:
    await quiet(bot.application)
    with followed() as called:
        await one_scan(bot, agreed)
        await quiet(bot.application)
    assert_walked(BOT, called)


def test_a_photo_walks_through_a_worker_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    _, languages = opened(MODELS_DIR)
    monkeypatch.setattr(worker, "_analyser", Analyser.load(MODELS_DIR))
    with followed() as called:
        worker_jobs.analyse_for_chat(pictures.brain(), picture_words(languages["en"].texts))
    assert_walked(WORKER, called)
