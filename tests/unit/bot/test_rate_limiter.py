"""The sender with time in our hands: limits kept, pauses obeyed, who goes first."""

import asyncio
from datetime import timedelta

import pytest
from telegram.error import (
    RetryAfter,
)

from bot.delivery.rate_limiter import (
    BURST,
    FILES_SPARE,
    SPARE,
    Answer,
    Guarantee,
    Priority,
    priority,
)
from tests.clock import settled
from tests.unit.bot.telegram_side import (
    GROUP,
    OTHER,
    PRIVATE,
    Telegram,
    most_within,
)


@pytest.fixture
def telegram() -> Telegram:
    return Telegram()


async def test_a_lone_scan_goes_out_without_any_wait(telegram: Telegram) -> None:
    for endpoint in ("sendMessage", "sendChatAction", "editMessageText", "editMessageText", "editMessageText"):
        await telegram.ask(endpoint, guarantee=Guarantee.BEST_EFFORT if endpoint == "editMessageText" else None)
    for endpoint in ("getFile", "sendPhoto", "sendDocument", "deleteMessage"):
        await telegram.ask(endpoint, None if endpoint == "getFile" else PRIVATE)
    assert len(telegram.got) == 9
    assert telegram.clock.sleeps == []


async def test_messages_to_one_person_burst_then_one_a_second(telegram: Telegram) -> None:
    tasks = [telegram.ask("sendMessage") for _ in range(22)]
    await telegram.clock.advance(22 - BURST - 0.01)
    assert len(telegram.got) == 21
    await telegram.clock.advance(0.02)
    times = telegram.times()
    assert len(times) == 22
    for seconds in range(1, 20):
        assert most_within(times, seconds) <= BURST + seconds
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("group", [GROUP, "@channel"])
async def test_group_gets_at_most_twenty_messages_a_minute(telegram: Telegram, group: int | str) -> None:
    tasks = [telegram.ask("sendMessage", group) for _ in range(60)]
    await telegram.clock.advance(600)
    assert len(telegram.got) == 60
    assert most_within(telegram.times(), 60) <= 20
    await asyncio.gather(*tasks)


async def test_all_chats_together_obey_the_per_second_limit(telegram: Telegram) -> None:
    tasks = [telegram.ask("sendMessage", chat) for chat in range(1, 201)]
    await telegram.clock.advance(10)
    times = telegram.times()
    assert len(times) == 200
    assert 25 <= most_within(times, 1) <= 30
    await asyncio.gather(*tasks)


async def test_a_bot_that_pays_may_send_faster() -> None:
    telegram = Telegram(per_second=1_000)
    await asyncio.gather(*(telegram.ask("sendMessage", chat) for chat in range(1, 201)))
    assert telegram.clock.sleeps == []


async def test_an_album_counts_as_its_pictures(telegram: Telegram) -> None:
    await telegram.ask("sendMediaGroup", media=["a", "b", "c", "d", "e", "f"])
    await telegram.ask("sendMessage")
    later = telegram.ask("sendMessage")
    await telegram.clock.advance(0.9)
    assert len(telegram.got) == 2
    await telegram.clock.advance(0.2)
    await later


@pytest.mark.parametrize("endpoint", ["sendPhoto", "editMessageText", "copyMessage", "forwardMessage"])
async def test_every_message_and_edit_counts_as_one(endpoint: str) -> None:
    telegram = Telegram(per_second=1_000)
    for _ in range(BURST):
        await telegram.ask(endpoint)
    later = telegram.ask("sendMessage")
    await telegram.clock.advance(0.9)
    assert len(telegram.got) == BURST
    await telegram.clock.advance(0.2)
    await later


async def test_deletions_and_answers_to_presses_cost_nothing(telegram: Telegram) -> None:
    for _ in range(2 * BURST):
        await telegram.ask("deleteMessage")
        await telegram.ask("answerCallbackQuery", None)
    await asyncio.gather(*(telegram.ask("sendMessage") for _ in range(BURST)))
    assert telegram.clock.sleeps == []


async def test_a_text_does_not_wait_behind_a_hundred_pictures(telegram: Telegram) -> None:
    files = [telegram.ask("sendPhoto", chat) for chat in range(1, 101)]
    await telegram.clock.advance(2)
    began = telegram.clock.now()
    for chat in (1_000, 1_001, 1_002):
        text = telegram.ask("sendMessage", chat)
        await telegram.clock.advance(0.05)
        assert text.done()
    assert telegram.times(1_000) == [began]
    assert len(telegram.got) < 100
    await telegram.clock.advance(10)
    assert len(telegram.got) == 103
    await asyncio.gather(*files)


async def test_limit_of_one_per_second_delivers_everything() -> None:
    telegram = Telegram(per_second=1)
    tasks = [telegram.ask("sendPhoto", chat) for chat in range(1, 11)]
    await telegram.clock.advance(20)
    assert len(telegram.got) == 10
    await asyncio.gather(*tasks)


async def test_pause_from_telegram_holds_that_chat_alone(telegram: Telegram) -> None:
    telegram.failures = [RetryAfter(timedelta(seconds=20))]
    held = [telegram.ask("sendMessage"), telegram.ask("deleteMessage"), telegram.ask("editMessageText")]
    await settled()
    await telegram.ask("sendMessage", OTHER)
    await telegram.clock.advance(19.9)
    waiting = telegram.ask("deleteMessage")
    await settled()
    assert not waiting.done()
    assert not held[0].done()
    assert telegram.times(OTHER) == [0]
    await telegram.clock.advance(30)
    assert [await task for task in (*held, waiting)]


async def test_request_waiting_for_global_limit_obeys_chat_pause() -> None:
    telegram = Telegram(per_second=8)
    await asyncio.gather(*(telegram.ask("sendMessage", chat) for chat in (11, 12, 13)))
    telegram.failures = [RetryAfter(timedelta(seconds=20))]
    tasks = [telegram.ask("sendMessage") for _ in range(3)]
    await telegram.clock.advance(20.5)
    assert telegram.times(PRIVATE) == [0, 20]
    await telegram.clock.advance(10)
    assert len(telegram.times(PRIVATE)) == 4
    await asyncio.gather(*tasks)


async def test_chat_has_one_allowance_however_id_is_written(telegram: Telegram) -> None:
    tasks = [telegram.ask("sendMessage", chat) for chat in (PRIVATE, str(PRIVATE)) for _ in range(BURST)]
    await telegram.clock.advance(0.5)
    assert len(telegram.got) == BURST
    await telegram.clock.advance(BURST)
    await asyncio.gather(*tasks)


async def test_burst_must_be_earned_again_after_a_pause(telegram: Telegram) -> None:
    telegram.failures = [RetryAfter(timedelta(seconds=5))]
    first = telegram.ask("sendMessage")
    await settled()
    more = [telegram.ask("sendMessage") for _ in range(4)]
    await telegram.clock.advance(60)
    assert telegram.times() == [0, 5, 6, 7, 8, 9]
    await asyncio.gather(first, *more)


async def test_overlong_pause_fails_and_blocks_the_next_request(
    telegram: Telegram,
) -> None:
    telegram.failures = [RetryAfter(timedelta(hours=1))]
    with pytest.raises(RetryAfter):
        await telegram.ask("sendMessage")
    with pytest.raises(RetryAfter) as raised:
        await telegram.ask("sendPhoto")
    assert raised.value.retry_after == timedelta(hours=1)
    assert len(telegram.got) == 1
    assert await telegram.ask("sendMessage", OTHER)


async def test_waiting_requests_fail_when_pause_grows_too_long(telegram: Telegram) -> None:
    telegram.failures = [None] * BURST + [RetryAfter(timedelta(hours=1))]
    tasks = [telegram.ask("sendMessage") for _ in range(BURST + 3)]
    await telegram.clock.advance(3)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [dict] * BURST + [RetryAfter] * 3
    assert len(telegram.got) == BURST + 1


async def test_chat_action_is_free_and_skipped_at_low_allowance(telegram: Telegram) -> None:
    for _ in range(20):
        await telegram.ask("sendChatAction")
    assert len(telegram.got) == 20
    await asyncio.gather(*(telegram.ask("sendMessage") for _ in range(BURST)))
    assert await telegram.ask("sendChatAction") is True
    assert len(telegram.got) == 20 + BURST
    assert telegram.clock.sleeps == []


async def test_optional_edits_leave_room_for_picture_and_report(telegram: Telegram) -> None:
    for _ in range(20):
        await telegram.ask("editMessageText", guarantee=Guarantee.BEST_EFFORT)
    assert len(telegram.got) < BURST
    await telegram.ask("sendPhoto")
    await telegram.ask("sendDocument")
    assert telegram.clock.sleeps == []


async def test_sent_optional_edits_count_in_the_global_limit() -> None:
    telegram = Telegram(per_second=40)
    sent = [
        await telegram.ask("editMessageText", chat, guarantee=Guarantee.BEST_EFFORT) is not True
        for chat in range(1, 21)
    ]
    assert sum(sent) == len(telegram.got) == 40 // 4 - SPARE - FILES_SPARE


async def test_who_stops_waiting_takes_nothing_from_the_others(telegram: Telegram) -> None:
    tasks = [telegram.ask("sendMessage") for _ in range(BURST + 3)]
    await settled()
    tasks[BURST].cancel()
    await telegram.clock.advance(2.01)
    assert len(telegram.got) == BURST + 2
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results].count(True) == 1


async def test_chats_that_get_nothing_are_forgotten() -> None:
    telegram = Telegram(per_second=1_000)
    for chat in range(1, 2_001):
        await telegram.ask("sendMessage", chat)
        await telegram.clock.advance(0.1)
    assert telegram.sender.chats < 100


async def test_only_held_chats_stay_in_memory() -> None:
    telegram = Telegram(per_second=1_000)
    for chat in (PRIVATE, OTHER, GROUP):
        telegram.failures = [RetryAfter(timedelta(hours=1))]
        with pytest.raises(RetryAfter):
            await telegram.ask("sendMessage", chat)
    for chat in range(100, 600):
        await telegram.ask("sendMessage", chat)
        await telegram.clock.advance(1)
    with pytest.raises(RetryAfter):
        await telegram.ask("sendMessage")
    assert telegram.times(PRIVATE) == [0]
    assert telegram.sender.chats < 20


async def test_an_answer_goes_before_a_hundred_receipts(telegram: Telegram) -> None:
    priority.set(Priority.PICTURE)
    receipts = [telegram.ask("sendMessage", chat) for chat in range(100, 196)]
    await settled()
    priority.set(Priority.ANSWER)
    answer = telegram.ask("sendMessage", PRIVATE)
    await telegram.clock.advance(0)
    assert answer.done()
    await telegram.clock.advance(60)
    await asyncio.gather(*receipts)
    assert len(telegram.got) == 97


@pytest.mark.parametrize("kind", [Priority.PICTURE, Priority.GROUP])
async def test_answer_goes_before_a_flood_of_any_length(telegram: Telegram, kind: Priority) -> None:
    waits = []
    flood: list[asyncio.Task[Answer]] = []
    for second in range(60):
        priority.set(kind)
        flood += [telegram.ask("sendMessage", 1000 + 40 * second + number) for number in range(25)]
        await settled()
        priority.set(Priority.ANSWER)
        answer = telegram.ask("sendMessage", PRIVATE)
        began = telegram.clock.now()
        while not answer.done():
            await telegram.clock.advance(0.05)
        waits.append(telegram.clock.now() - began)
        await telegram.clock.advance(1 - waits[-1])
    assert max(waits) <= 0.1
    await telegram.clock.advance(300)
    await asyncio.gather(*flood)


async def test_low_priority_requests_do_not_wait_forever(telegram: Telegram) -> None:
    priority.set(Priority.PICTURE)
    receipts = [telegram.ask("sendMessage", chat) for chat in range(100, 120)]
    priority.set(Priority.ANSWER)
    answers = []
    for second in range(90):
        answers += [telegram.ask("sendMessage", 1000 + 40 * second + number) for number in range(40)]
        await telegram.clock.advance(1)
    assert all(receipt.done() for receipt in receipts)
    await telegram.clock.advance(120)
    await asyncio.gather(*receipts, *answers)
