"""The sender with time in our hands: limits kept, pauses obeyed, what was lost repeated, no file sent twice."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.delivery.rate_limiter import (
    BURST,
    DOUBTFUL_TEXTS,
    FILES_SPARE,
    PATIENCE,
    SPARE,
    Answer,
    Guarantee,
    Priority,
    RateLimiter,
    priority,
)
from bot.errors import MaybeSentError
from tests.clock import HandClock, settled

PRIVATE, OTHER, GROUP = 7, 8, -100


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    """An error as the library raises it: with what happened below as its cause."""
    error.__cause__ = cause
    return error


def timed_out(cause: httpx.TimeoutException) -> TelegramError:
    return caused(TimedOut(), cause)


def broken(cause: httpx.HTTPError) -> TelegramError:
    return caused(NetworkError(f"httpx.{type(cause).__name__}: {cause}"), cause)


def unreadable(message: str) -> TelegramError:
    """An answer that is no JSON, such as a gateway's page."""
    return caused(NetworkError(message), TelegramError("Invalid server response"))


NOT_ARRIVED = [
    lambda: broken(httpx.ConnectError("refused")),
    lambda: timed_out(httpx.ConnectTimeout("")),
    lambda: timed_out(httpx.PoolTimeout("")),
    lambda: NetworkError("Bad Gateway"),
    lambda: unreadable("Bad Gateway (502). Parsing the server response b'<html>' failed"),
    lambda: NetworkError("Internal Server Error: restart"),
    lambda: NetworkError("Service Unavailable (503)"),
    lambda: NetworkError("Too Many Requests"),
]
MAYBE_ARRIVED = [
    lambda: timed_out(httpx.ReadTimeout("")),
    lambda: timed_out(httpx.WriteTimeout("")),
    lambda: broken(httpx.ReadError("")),
    lambda: broken(httpx.WriteError("")),
    lambda: broken(httpx.RemoteProtocolError("Server disconnected without sending a response.")),
    lambda: unreadable("Gateway Timeout (504). Parsing the server response b'<html>' failed"),
    lambda: TelegramError("Invalid server response"),
]
FINAL = [
    lambda: BadRequest("Chat not found"),
    lambda: Forbidden("bot was blocked by the user"),
    lambda: InvalidToken("Unauthorized"),
    lambda: Conflict("terminated by other getUpdates request"),
    lambda: NetworkError("Request Entity Too Large"),
    lambda: caused(NetworkError("Unknown error in HTTP implementation"), RuntimeError("not initialized")),
]
Failure = Callable[[], TelegramError]


class Telegram:
    """What a sender sends to: notes each request and its moment, and fails as often as it was told to."""

    def __init__(self, per_second: int = 30) -> None:
        self.clock = HandClock()
        self.sender = RateLimiter(per_second, self.clock, uniform=lambda _, longest: longest)
        self.got: list[tuple[str, Any, float]] = []
        self.failures: list[TelegramError | None] = []

    def ask(
        self, endpoint: str, chat: int | str | None = PRIVATE, guarantee: Guarantee | None = None, **data: Any
    ) -> "asyncio.Task[Answer]":
        if chat is not None:
            data["chat_id"] = chat
        return asyncio.create_task(
            self.sender.process_request(self._take, (endpoint, data), {}, endpoint, data, guarantee)
        )

    async def _take(self, endpoint: str, data: dict[str, Any]) -> Answer:
        self.got.append((endpoint, data.get("chat_id"), self.clock.now()))
        await asyncio.sleep(0)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        return {"message_id": len(self.got)}

    def times(self, chat: int | None = None) -> list[float]:
        return [when for _, target, when in self.got if chat in (None, target)]


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most moments that lie in any span of this length."""
    return max(sum(begin <= other < begin + seconds - 1e-6 for other in times) for begin in times)


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


async def test_many_messages_to_one_person_come_as_a_burst_and_then_one_a_second(telegram: Telegram) -> None:
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
async def test_a_group_never_gets_more_than_twenty_messages_in_a_minute(telegram: Telegram, group: int | str) -> None:
    tasks = [telegram.ask("sendMessage", group) for _ in range(60)]
    await telegram.clock.advance(600)
    assert len(telegram.got) == 60
    assert most_within(telegram.times(), 60) <= 20
    await asyncio.gather(*tasks)


async def test_all_chats_together_never_get_more_than_the_limit_in_a_second(telegram: Telegram) -> None:
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


async def test_a_limit_of_one_message_a_second_lets_everything_through_in_time() -> None:
    telegram = Telegram(per_second=1)
    tasks = [telegram.ask("sendPhoto", chat) for chat in range(1, 11)]
    await telegram.clock.advance(20)
    assert len(telegram.got) == 10
    await asyncio.gather(*tasks)


async def test_a_pause_that_telegram_asks_for_holds_that_chat_alone(telegram: Telegram) -> None:
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


async def test_what_waits_for_the_limit_over_all_chats_still_obeys_a_pause_of_its_chat() -> None:
    telegram = Telegram(per_second=8)
    await asyncio.gather(*(telegram.ask("sendMessage", chat) for chat in (11, 12, 13)))
    telegram.failures = [RetryAfter(timedelta(seconds=20))]
    tasks = [telegram.ask("sendMessage") for _ in range(3)]
    await telegram.clock.advance(20.5)
    assert telegram.times(PRIVATE) == [0, 20]
    await telegram.clock.advance(10)
    assert len(telegram.times(PRIVATE)) == 4
    await asyncio.gather(*tasks)


async def test_a_chat_has_one_allowance_however_its_id_is_written(telegram: Telegram) -> None:
    tasks = [telegram.ask("sendMessage", chat) for chat in (PRIVATE, str(PRIVATE)) for _ in range(BURST)]
    await telegram.clock.advance(0.5)
    assert len(telegram.got) == BURST
    await telegram.clock.advance(BURST)
    await asyncio.gather(*tasks)


async def test_after_a_pause_the_burst_has_to_be_earned_again(telegram: Telegram) -> None:
    telegram.failures = [RetryAfter(timedelta(seconds=5))]
    first = telegram.ask("sendMessage")
    await settled()
    more = [telegram.ask("sendMessage") for _ in range(4)]
    await telegram.clock.advance(60)
    assert telegram.times() == [0, 5, 6, 7, 8, 9]
    await asyncio.gather(first, *more)


async def test_a_pause_longer_than_our_patience_is_an_error_and_the_next_request_is_not_even_sent(
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


async def test_what_waits_when_a_pause_gets_too_long_is_told_so(telegram: Telegram) -> None:
    telegram.failures = [None] * BURST + [RetryAfter(timedelta(hours=1))]
    tasks = [telegram.ask("sendMessage") for _ in range(BURST + 3)]
    await telegram.clock.advance(3)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [dict] * BURST + [RetryAfter] * 3
    assert len(telegram.got) == BURST + 1


@pytest.mark.parametrize("failure", FINAL)
@pytest.mark.parametrize("endpoint", ["sendMessage", "sendDocument", "editMessageText", "getFile"])
async def test_what_telegram_refuses_is_tried_once(telegram: Telegram, endpoint: str, failure: Failure) -> None:
    error = failure()
    telegram.failures = [error]
    with pytest.raises(type(error)) as raised:
        await telegram.ask(endpoint)
    assert raised.value is error
    assert len(telegram.got) == 1


@pytest.mark.parametrize("failure", NOT_ARRIVED)
@pytest.mark.parametrize("endpoint", ["sendMessage", "sendPhoto", "sendDocument", "deleteMessage"])
async def test_what_did_not_arrive_is_sent_again_after_growing_pauses(
    telegram: Telegram, endpoint: str, failure: Failure
) -> None:
    telegram.failures = [failure() for _ in range(4)]
    sent = telegram.ask(endpoint)
    await telegram.clock.advance(7.6)
    assert await sent == {"message_id": 5}
    assert telegram.times() == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])


async def test_a_telegram_that_stays_away_is_given_up_after_a_while(telegram: Telegram) -> None:
    telegram.failures = [broken(httpx.ConnectError("refused")) for _ in range(100)]
    sent = telegram.ask("sendPhoto")
    await telegram.clock.advance(PATIENCE + 1)
    with pytest.raises(NetworkError, match="ConnectError"):
        await sent
    assert PATIENCE * 0.9 < telegram.times()[-1] < PATIENCE
    assert max(telegram.clock.sleeps) <= 15


@pytest.mark.parametrize("failure", MAYBE_ARRIVED)
@pytest.mark.parametrize("endpoint", ["sendPhoto", "sendDocument", "sendMediaGroup", "copyMessage"])
async def test_a_file_that_may_have_arrived_is_not_sent_again(
    telegram: Telegram, endpoint: str, failure: Failure
) -> None:
    error = failure()
    telegram.failures = [error]
    with pytest.raises(MaybeSentError, match=endpoint) as raised:
        await telegram.ask(endpoint)
    assert raised.value.__cause__ is error
    assert len(telegram.got) == 1


@pytest.mark.parametrize("failure", MAYBE_ARRIVED)
async def test_a_text_that_may_have_arrived_is_sent_again_but_not_for_ever(
    telegram: Telegram, failure: Failure
) -> None:
    telegram.failures = [failure()]
    sent = telegram.ask("sendMessage")
    await telegram.clock.advance(1)
    assert await sent
    last = failure()
    telegram.failures = [*(failure() for _ in range(DOUBTFUL_TEXTS)), last]
    lost = telegram.ask("sendMessage", OTHER)
    await telegram.clock.advance(20)
    with pytest.raises(type(last)) as raised:
        await lost
    assert raised.value is last
    assert len(telegram.times(OTHER)) == DOUBTFUL_TEXTS + 1


async def test_a_text_that_may_not_come_twice_is_sent_once(telegram: Telegram) -> None:
    telegram.failures = [timed_out(httpx.ReadTimeout(""))]
    with pytest.raises(MaybeSentError):
        await telegram.ask("sendMessage", guarantee=Guarantee.AT_MOST_ONCE)
    assert len(telegram.got) == 1


@pytest.mark.parametrize("endpoint", ["editMessageText", "deleteMessage", "getFile", "answerCallbackQuery"])
async def test_what_can_be_done_twice_without_harm_is_repeated(telegram: Telegram, endpoint: str) -> None:
    telegram.failures = [timed_out(httpx.ReadTimeout("")) for _ in range(4)]
    done = telegram.ask(endpoint, None if endpoint in {"getFile", "answerCallbackQuery"} else PRIVATE)
    await telegram.clock.advance(9)
    assert await done
    assert len(telegram.got) == 5


async def test_an_edit_that_changes_nothing_is_no_error(telegram: Telegram) -> None:
    telegram.failures = [BadRequest("Message is not modified: specified new message content is exactly the same")]
    assert await telegram.ask("editMessageText") is True


async def test_a_message_that_our_own_lost_request_has_deleted_is_no_error(telegram: Telegram) -> None:
    gone = "Message to delete not found"
    telegram.failures = [broken(httpx.ReadError("")), BadRequest(gone)]
    deleted = telegram.ask("deleteMessage")
    await telegram.clock.advance(1)
    assert await deleted is True
    telegram.failures = [BadRequest(gone)]
    with pytest.raises(BadRequest):
        await telegram.ask("deleteMessage")


async def test_a_chat_action_is_left_out_when_little_is_left_and_costs_nothing(telegram: Telegram) -> None:
    for _ in range(20):
        await telegram.ask("sendChatAction")
    assert len(telegram.got) == 20
    await asyncio.gather(*(telegram.ask("sendMessage") for _ in range(BURST)))
    assert await telegram.ask("sendChatAction") is True
    assert len(telegram.got) == 20 + BURST
    assert telegram.clock.sleeps == []


async def test_a_chat_action_is_tried_once(telegram: Telegram) -> None:
    telegram.failures = [RetryAfter(timedelta(seconds=3))]
    with pytest.raises(RetryAfter):
        await telegram.ask("sendChatAction")
    assert await telegram.ask("sendChatAction") is True
    await telegram.clock.advance(10)
    telegram.failures = [NetworkError("Bad Gateway")]
    with pytest.raises(NetworkError):
        await telegram.ask("sendChatAction")
    assert len(telegram.got) == 2


async def test_edits_that_can_be_left_out_leave_room_for_a_picture_and_its_report(telegram: Telegram) -> None:
    for _ in range(20):
        await telegram.ask("editMessageText", guarantee=Guarantee.BEST_EFFORT)
    assert len(telegram.got) < BURST
    await telegram.ask("sendPhoto")
    await telegram.ask("sendDocument")
    assert telegram.clock.sleeps == []


async def test_edits_that_can_be_left_out_count_in_the_limit_over_all_chats_when_they_are_sent() -> None:
    telegram = Telegram(per_second=40)
    sent = [
        await telegram.ask("editMessageText", chat, guarantee=Guarantee.BEST_EFFORT) is not True
        for chat in range(1, 21)
    ]
    assert sum(sent) == len(telegram.got) == 40 // 4 - SPARE - FILES_SPARE


async def test_a_group_that_became_a_supergroup_is_followed_once(telegram: Telegram) -> None:
    telegram.failures = [ChatMigrated(-1001)]
    await telegram.ask("sendMessage", GROUP)
    assert [(chat, when) for _, chat, when in telegram.got] == [(GROUP, 0), (-1001, 0)]
    telegram.failures = [ChatMigrated(-1002), ChatMigrated(-1003)]
    with pytest.raises(ChatMigrated):
        await telegram.ask("sendMessage", GROUP)
    assert len(telegram.got) == 4


@pytest.mark.parametrize("endpoint", ["getMe", "deleteWebhook", "setWebhook"])
async def test_calls_of_the_start_are_tried_once(telegram: Telegram, endpoint: str) -> None:
    telegram.failures = [broken(httpx.ConnectError("refused"))]
    with pytest.raises(NetworkError):
        await telegram.ask(endpoint, None)
    telegram.failures = [RetryAfter(timedelta(seconds=1))]
    with pytest.raises(RetryAfter):
        await telegram.ask(endpoint, None)
    assert len(telegram.got) == 2


async def test_a_pressed_button_is_not_answered_when_it_is_too_late(telegram: Telegram) -> None:
    telegram.failures = [NetworkError("Bad Gateway") for _ in range(20)]
    answer = telegram.ask("answerCallbackQuery", None)
    await telegram.clock.advance(60)
    with pytest.raises(NetworkError):
        await answer
    assert telegram.times()[-1] < 15


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


async def test_chats_that_are_held_are_not_forgotten_and_keep_no_others_in_memory() -> None:
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
async def test_an_answer_goes_before_a_flood_however_long_it_lasts(telegram: Telegram, kind: Priority) -> None:
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


async def test_what_lets_others_go_first_does_not_wait_for_ever(telegram: Telegram) -> None:
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
