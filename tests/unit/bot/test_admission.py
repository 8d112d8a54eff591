"""The reading room: in order, bounded by number and bytes, and open about the wait."""

import asyncio

import pytest

from bot.delivery import admission
from bot.delivery.admission import AdmissionQueue


async def test_who_comes_first_is_read_first() -> None:
    here = AdmissionQueue(places=1)
    first, second, third = (here.enqueue(1) for _ in range(3))
    assert (first.is_in, second.place, third.place) == (True, 1, 2)
    first.leave()
    assert (second.is_in, third.place) == (True, 1)
    assert await second.wait(0)
    second.leave()
    assert third.is_in


async def test_who_leaves_the_line_makes_the_others_move_up() -> None:
    here = AdmissionQueue(places=1)
    first, second, third = (here.enqueue(1) for _ in range(3))
    second.leave()
    assert third.place == 1
    first.leave()
    assert third.is_in


async def test_large_pictures_wait_until_there_is_memory_and_are_not_overtaken() -> None:
    here = AdmissionQueue(places=9, size=100)
    large, larger, small = here.enqueue(60), here.enqueue(50), here.enqueue(1)
    assert (larger.place, small.place) == (1, 2)
    large.leave()
    assert larger.is_in
    assert small.is_in


async def test_one_picture_larger_than_all_that_is_allowed_is_read_alone() -> None:
    here = AdmissionQueue(places=2, size=100)
    giant, small = here.enqueue(1_000), here.enqueue(1)
    assert (giant.is_in, small.is_in) == (True, False)
    giant.leave()
    assert small.is_in
    assert here.enqueue(99).is_in


async def test_who_waits_hears_after_a_while_that_it_is_not_their_turn_and_later_that_it_is() -> None:
    here = AdmissionQueue(places=1)
    first, second = here.enqueue(1), here.enqueue(1)
    assert not await second.wait(0)
    assert not await second.wait(0.01)
    waiting = asyncio.create_task(second.wait(60))
    first.leave()
    assert await waiting


async def test_a_long_wait_is_foreseen_and_a_short_one_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    here = AdmissionQueue(places=1)
    told = [here.outlook]
    seats = [here.enqueue(1) for _ in range(60)]
    for slot in seats[:40]:
        now += 0.2
        slot.leave()
    told.append(here.outlook)
    for slot in seats[40:55]:
        now += 0.2
        slot.leave()
    told.append(here.outlook)
    assert told == [None, 20, None]


async def test_places_are_told_anew_only_so_often_over_all_people(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    here = AdmissionQueue()
    assert [here.may_remind() for _ in range(3)] == [True, False, False]
    now += admission.REMIND_EVERY
    assert here.may_remind()
