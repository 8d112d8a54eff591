"""Limits for each person and for the disk: told in one sentence before anything is fetched, and nothing is lost."""

import logging
from pathlib import Path
from typing import Any

import pytest

from bot.chat.context import CONSENT_VERSION
from bot.sandbox import Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.integration.chatting import is_report
from tests.integration.kills import all_is_done, bot_here, rows, someone_agreed
from tests.integration.stage import ANNA, Stage, on_stage, photo, pressed, said
from tests.unit.storage.conftest import a_scan


async def consented(stage: Stage) -> int:
    """Anna, who has said yes; her number in the database."""
    people = stage.services.database.people
    await people.register(ANNA, "", "en")
    return (await people.give_consent(ANNA, CONSENT_VERSION)).id


def fetched(stage: Stage) -> list[str]:
    return [endpoint for endpoint, _ in stage.requests if endpoint == "getFile"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scans_per_day": 2}, "You have had 2 scans today"),
        ({"bytes_per_person": "1KB"}, "I already keep as much for you as I may"),
        ({"min_free_disk": "900TB"}, "little room left on my disk"),
    ],
    ids=["day", "bytes", "disk"],
)
async def test_picture_over_limit_is_refused_before_it_is_fetched(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    async with on_stage(tmp_path, **settings) as stage:
        person_id = await consented(stage)
        for number in range(2):
            await stage.services.database.scans.add(person_id, a_scan(f"{number}", b"p" * 1000))
        told = [text for text in await stage.answers(photo(1)) if sentence in text]
        assert len(told) == 1
        assert fetched(stage) == []
        album = [photo(number, album="one") for number in (2, 3)]
        assert len([text for text in await stage.answers(*album) if sentence in text]) == 2
        assert fetched(stage) == []
        assert (await stage.services.database.scans.page(person_id, 1, 9)).total == 2


async def test_below_the_limits_pictures_are_fetched(tmp_path: Path) -> None:
    limits = {"scans_per_day": 3, "bytes_per_person": "1MB", "min_free_disk": "1KB"}
    async with on_stage(tmp_path, **limits) as stage:
        person_id = await consented(stage)
        await stage.services.database.scans.add(person_id, a_scan("1", b"p" * 1000))
        await stage.services.quota.check(person_id)


async def test_the_next_day_is_named_in_the_refusal(tmp_path: Path) -> None:
    async with on_stage(tmp_path, scans_per_day=1) as stage:
        person_id = await consented(stage)
        await stage.services.database.usage.count_on(person_id, 1)
        told = " ".join(await stage.answers(photo(1)))
        assert "You have had 1 scan today" in told
        assert "00:00\u00a0UTC on" in told


async def test_a_limit_is_told_beforehand(tmp_path: Path) -> None:
    async with on_stage(tmp_path, scans_per_day=4) as stage:
        await consented(stage)
        assert "Each person may have 4 scans a day here." in (await stage.answers(said("/scan")))[0]


async def test_a_full_disk_is_told_to_the_operator_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with on_stage(tmp_path, min_free_disk="900TB") as stage:
        await consented(stage)
        with caplog.at_level(logging.ERROR):
            await stage.answers(photo(1), photo(2), photo(3))
    assert len([record for record in caplog.records if "MIN_FREE_DISK" in record.message]) == 1


async def test_deleting_everything_does_not_begin_the_day_anew(tmp_path: Path) -> None:
    async with on_stage(tmp_path, scans_per_day=3) as stage:
        await stage.services.database.usage.count_on(await consented(stage), 3)
        await stage.answers(pressed("delete-all"))
        await stage.answers(said("/start"), pressed("agree"))
        assert "You have had 3 scans today" in " ".join(await stage.answers(photo(1)))
        assert str(ANNA) not in repr(stage.services.quota)


async def test_of_album_as_many_are_read_as_day_allows(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings.model_copy(update={"scans_per_day": 2}), workers):
        anna = await someone_agreed(sandbox)
        sent = await anna.send_album([pictures.brain(seed=seed) for seed in range(3)])
        refused = await anna.wait_for(lambda message: "2 scans today" in message.text, timeout=60)
        assert refused.reply_to in {message.id for message in sent}
        await all_is_done(tmp_path)
        assert len([message for message in await anna.messages() if is_report(message)]) == 2
    assert rows(tmp_path, "SELECT scans FROM usage") == [(2,)]
