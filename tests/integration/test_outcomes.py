"""The doctor found ...: told by buttons below a scan, and handed on only after a second yes in so many words."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.delivery.background import running_in_background
from bot.scan.drift_watch import watch_drift
from storage.outcomes import SOMETHING_ELSE
from storage.records import Scan
from tests.integration.stage import ANNA, Stage, on_stage, pressed
from tests.unit.storage.conftest import a_scan


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path) as stage:
        yield stage


async def a_kept_scan(stage: Stage) -> Scan:
    person = await stage.services.database.people.register(ANNA, "", "en")
    scan, _ = await stage.services.database.scans.add(person.id, a_scan())
    return scan


async def test_outcome_is_told_changed_and_taken_back_by_buttons(stage: Stage) -> None:
    scan, outcomes = await a_kept_scan(stage), stage.services.database.outcomes
    [question] = await stage.answers(pressed(f"outcome:{scan.public_id}"))
    assert "What did the doctor find" in question
    noted, second = await stage.answers(pressed(f"found:{scan.public_id}/glioma"))
    assert "noted for scan 1: glioma" in noted
    assert "May the people who run this bot use the picture of scan 1" in second
    [again] = await stage.answers(pressed(f"outcome:{scan.public_id}"))
    assert "So far you have told me: glioma." in again
    [changed] = await stage.answers(pressed(f"found:{scan.public_id}/{SOMETHING_ELSE}"))
    assert "something else" in changed
    known = await outcomes.of(scan.id)
    assert known is not None
    assert known.found == SOMETHING_ELSE
    assert "forgotten" in (await stage.answers(pressed(f"remove-outcome:{scan.public_id}")))[0]
    assert await outcomes.of(scan.id) is None
    assert "nothing noted" in (await stage.answers(pressed(f"remove-outcome:{scan.public_id}")))[0]


async def test_no_hands_nothing_on_yes_is_revocable(stage: Stage) -> None:
    scan, outcomes = await a_kept_scan(stage), stage.services.database.outcomes
    await stage.answers(pressed(f"found:{scan.public_id}/glioma"))
    await stage.answers(pressed(f"keep-outcome:{scan.public_id}"))
    assert await outcomes.shared() == ()
    assert "may now be used" in (await stage.answers(pressed(f"share-outcome:{scan.public_id}")))[0]
    assert len(await outcomes.shared()) == 1
    [known] = await stage.answers(pressed(f"outcome:{scan.public_id}"))
    assert "You have said yes" in known
    await stage.answers(pressed(f"keep-outcome:{scan.public_id}"))
    assert await outcomes.shared() == ()


@pytest.mark.parametrize("found", ["no_tumor", "leukemia", "nonsense", "-other"])
async def test_only_what_can_be_found_is_noted(stage: Stage, found: str) -> None:
    scan = await a_kept_scan(stage)
    [answer] = await stage.answers(pressed(f"found:{scan.public_id}/{found}"))
    assert "does not work any more" in answer
    assert await stage.services.database.outcomes.of(scan.id) is None


@pytest.mark.parametrize("action", ["outcome", "remove-outcome", "share-outcome", "keep-outcome", "found"])
async def test_nobody_tells_anything_of_another_persons_scan(stage: Stage, action: str) -> None:
    scan = await a_kept_scan(stage)
    argument = f"{scan.public_id}/glioma" if action == "found" else scan.public_id
    press = pressed(f"{action}:{argument}", 42, 42)
    [answer] = await stage.answers(press, to=42)
    assert "glioma" not in answer
    assert await stage.services.database.outcomes.of(scan.id) is None


async def test_what_moves_away_from_card_is_said_in_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(60):
        await stage.services.database.statistics.count("verdict", "not_sure", "brain_mri", 0.9)
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(60), running_in_background(watch_drift(stage.services)):
            while "drift" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert "brain MRI" in caplog.text
    assert "not sure" in caplog.text
