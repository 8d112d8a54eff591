"""What is sent again and what is not, with time in our hands: nothing lost, no file sent twice."""

from datetime import timedelta

import httpx
import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    NetworkError,
    RetryAfter,
)

from bot.delivery.rate_limiter import (
    DOUBTFUL_TEXTS,
    PATIENCE,
    Guarantee,
    leaving,
)
from bot.errors import MaybeSentError
from tests.unit.bot.telegram_side import (
    FINAL,
    GROUP,
    MAYBE_ARRIVED,
    NOT_ARRIVED,
    OTHER,
    PRIVATE,
    Failure,
    Telegram,
    broken,
    timed_out,
)


@pytest.fixture
def telegram() -> Telegram:
    return Telegram()


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
async def test_undelivered_request_is_resent_after_growing_pauses(
    telegram: Telegram, endpoint: str, failure: Failure
) -> None:
    telegram.failures = [failure() for _ in range(4)]
    sent = telegram.ask(endpoint)
    await telegram.clock.advance(7.6)
    assert await sent == {"message_id": 5}
    assert telegram.times() == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])


async def test_absent_telegram_is_given_up_after_a_while(telegram: Telegram) -> None:
    telegram.failures = [broken(httpx.ConnectError("refused")) for _ in range(100)]
    sent = telegram.ask("sendPhoto")
    await telegram.clock.advance(PATIENCE + 1)
    with pytest.raises(NetworkError, match="ConnectError"):
        await sent
    assert PATIENCE * 0.9 < telegram.times()[-1] < PATIENCE
    assert max(telegram.clock.sleeps) <= 15


@pytest.mark.parametrize("failure", MAYBE_ARRIVED)
@pytest.mark.parametrize("endpoint", ["sendPhoto", "sendDocument", "sendMediaGroup", "copyMessage"])
async def test_possibly_delivered_file_is_not_resent(telegram: Telegram, endpoint: str, failure: Failure) -> None:
    error = failure()
    telegram.failures = [error]
    with pytest.raises(MaybeSentError, match=endpoint) as raised:
        await telegram.ask(endpoint)
    assert raised.value.__cause__ is error
    assert len(telegram.got) == 1


@pytest.mark.parametrize("failure", MAYBE_ARRIVED)
async def test_possibly_delivered_text_is_resent_but_not_forever(telegram: Telegram, failure: Failure) -> None:
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


async def test_text_that_must_not_repeat_is_sent_once(telegram: Telegram) -> None:
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


async def test_deletion_by_our_lost_request_is_no_error(telegram: Telegram) -> None:
    gone = "Message to delete not found"
    telegram.failures = [broken(httpx.ReadError("")), BadRequest(gone)]
    deleted = telegram.ask("deleteMessage")
    await telegram.clock.advance(1)
    assert await deleted is True
    telegram.failures = [BadRequest(gone)]
    with pytest.raises(BadRequest):
        await telegram.ask("deleteMessage")


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


@pytest.mark.parametrize(
    ("endpoint", "patience"), [("answerCallbackQuery", 10), ("setMyCommands", 10), ("setMyDescription", 10),
                               ("setMyShortDescription", 10), ("getFile", 60)]
)  # fmt: skip
async def test_what_serves_only_for_a_while_is_given_up(telegram: Telegram, endpoint: str, patience: int) -> None:
    telegram.failures = [NetworkError("Bad Gateway") for _ in range(20)]
    answer = telegram.ask(endpoint, None)
    await telegram.clock.advance(patience)
    with pytest.raises(NetworkError):
        await answer
    assert patience / 2 < telegram.times()[-1] < patience


async def test_a_file_is_noted_each_time_before_it_leaves(telegram: Telegram) -> None:
    noted: list[tuple[float, int]] = []

    async def note() -> None:
        noted.append((telegram.clock.now(), len(telegram.got)))

    leaving.set(note)
    telegram.failures = [NetworkError("Bad Gateway")]
    sent = telegram.ask("sendPhoto")
    await telegram.clock.advance(1)
    await sent
    assert noted == [(0, 0), (0.5, 1)]
    await telegram.ask("sendMessage")
    assert len(noted) == 2


async def test_what_was_sent_again_is_counted_by_its_cause() -> None:
    telegram = Telegram()
    telegram.failures = [RetryAfter(timedelta(seconds=5)), NetworkError("Bad Gateway"), BadRequest("no")]
    sent = telegram.ask("sendMessage")
    await telegram.clock.advance(10)
    with pytest.raises(BadRequest):
        await sent
    assert telegram.metrics.causes == ["limit", "failure"]
