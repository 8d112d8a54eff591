"""The admission queue: in order, bounded by number and bytes, and open about the wait."""

import asyncio

import pytest

from bot.delivery import admission
from bot.delivery.admission import AdmissionQueue


async def test_who_comes_first_is_read_first() -> None:
    here = AdmissionQueue(capacity=1)
    first, second, third = (here.enqueue(1) for _ in range(3))
    assert (first.is_admitted, second.position, third.position) == (True, 1, 2)
    first.release()
    assert (second.is_admitted, third.position) == (True, 1)
    assert await second.wait(0)
    second.release()
    assert third.is_admitted


async def test_who_leaves_the_line_makes_the_others_move_up() -> None:
    here = AdmissionQueue(capacity=1)
    first, second, third = (here.enqueue(1) for _ in range(3))
    second.release()
    assert third.position == 1
    first.release()
    assert third.is_admitted


async def test_large_pictures_wait_for_memory_without_being_overtaken() -> None:
    here = AdmissionQueue(capacity=9, size=100)
    large, larger, small = here.enqueue(60), here.enqueue(50), here.enqueue(1)
    assert (larger.position, small.position) == (1, 2)
    large.release()
    assert larger.is_admitted
    assert small.is_admitted


async def test_picture_above_the_memory_limit_is_read_alone() -> None:
    here = AdmissionQueue(capacity=2, size=100)
    giant, small = here.enqueue(1_000), here.enqueue(1)
    assert (giant.is_admitted, small.is_admitted) == (True, False)
    giant.release()
    assert small.is_admitted
    assert here.enqueue(99).is_admitted


async def test_wait_says_whether_the_turn_has_come() -> None:
    here = AdmissionQueue(capacity=1)
    first, second = here.enqueue(1), here.enqueue(1)
    assert not await second.wait(0)
    assert not await second.wait(0.01)
    waiting = asyncio.create_task(second.wait(60))
    first.release()
    assert await waiting


async def test_only_a_long_wait_is_announced_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    here = AdmissionQueue(capacity=1)
    told = [here.outlook]
    slots = [here.enqueue(1) for _ in range(60)]
    for slot in slots[:40]:
        now += 0.2
        slot.release()
    told.append(here.outlook)
    for slot in slots[40:55]:
        now += 0.2
        slot.release()
    told.append(here.outlook)
    assert told == [None, 20, None]


async def test_place_reminders_are_limited_across_all_people(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    here = AdmissionQueue()
    assert [here.may_remind() for _ in range(3)] == [True, False, False]
    now += admission.REMIND_EVERY
    assert here.may_remind()
