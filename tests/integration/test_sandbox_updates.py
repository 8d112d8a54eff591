"""Updates on their way to a bot: long polling and webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from bot.sandbox import Rules, Sandbox

SECRET = "a-secret-of-the-bot"


class Poller:
    """A bot that only asks for updates."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http

    async def __call__(self, method: str = "getUpdates", **values: Any) -> Any:
        answer = await self.http.post(f"{self.sandbox.base_url}{self.sandbox.token}/{method}", json=values)
        content = answer.json()
        return content["result"] if content["ok"] else f"{content['error_code']} {content['description']}"

    async def texts(self, **values: Any) -> list[str]:
        return [update["message"]["text"] for update in await self(**values)]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.start(rules=Rules(webhook_first_pause=0.01)) as running:
        yield running


@pytest.fixture
async def poll(sandbox: Sandbox) -> AsyncIterator[Poller]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield Poller(sandbox, http)


async def test_updates_come_again_until_an_offset_confirms_them(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    for word in ("one", "two", "three"):
        await ann.send_text(word)
    first = await poll(limit=2)
    assert [update["message"]["text"] for update in first] == ["one", "two"]
    assert await poll.texts() == ["one", "two", "three"]
    assert await poll.texts(offset=first[1]["update_id"] + 1) == ["three"]
    assert await poll.texts() == ["three"]
    assert await poll.texts(offset=first[1]["update_id"] + 2) == []


async def test_a_negative_offset_keeps_only_the_newest(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    for word in ("one", "two", "three"):
        await ann.send_text(word)
    assert await poll.texts(offset=-1) == ["three"]
    assert await poll.texts() == ["three"]


async def test_a_waiting_poll_gets_the_next_update_at_once(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    waiting = asyncio.create_task(poll.texts(timeout=30))
    await ann.send_text("hello")
    assert await asyncio.wait_for(waiting, 5) == ["hello"]


async def test_earlier_of_two_pollers_is_told_of_conflict(poll: Poller) -> None:
    async with httpx.AsyncClient() as http:
        first = asyncio.create_task(Poller(poll.sandbox, http)(timeout=30))
        await poll.sandbox.world.updates.polling.wait()
        second = asyncio.create_task(poll(timeout=30))
        conflict = await asyncio.wait_for(first, 5)
        assert conflict.startswith("409 Conflict: terminated by other getUpdates request")
        second.cancel()


async def test_poller_that_hung_up_loses_no_update(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    gone = asyncio.create_task(poll(timeout=30))
    await sandbox.world.updates.polling.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    sent = await ann.send_text("still there?")
    assert await poll.texts(timeout=5) == ["still there?"]
    await ann.wait_for_event(lambda event: event["type"] == "read" and event["message_id"] == sent.id, 5)


async def test_only_requested_update_kinds_are_kept(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    message = await ann.send_text("one")
    await ann.react(message)
    assert await poll.texts() == ["one"]
    await poll(allowed_updates=["message_reaction"])
    await ann.send_text("two")
    await ann.react(message, "👎")
    kept = await poll(offset=-1)
    assert kept[0]["message_reaction"]["new_reaction"] == [{"type": "emoji", "emoji": "👎"}]


async def test_updates_written_by_hand_reach_the_bot(sandbox: Sandbox, poll: Poller) -> None:
    post = {"message_id": 7, "date": 0, "chat": {"id": -100, "type": "channel", "title": "News"}, "text": "hi"}
    number = await sandbox.client.push_update("channel_post", post)
    assert await poll() == [{"update_id": number, "channel_post": post}]


@dataclass
class Hook:
    """A bot behind a webhook: keeps what it got and answers as it is told."""

    answers: list[tuple[int, object]] = field(default_factory=list)
    got: list[tuple[str, str]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    expected: int = 1
    url: str = ""

    async def wait(self, count: int) -> None:
        self.expected = count
        if len(self.got) < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 10)


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    state = Hook()

    class Handler(RequestHandler):
        def post(self) -> None:
            words = json.loads(self.request.body)["message"]["text"]
            state.got.append((self.request.headers.get("X-Telegram-Bot-Api-Secret-Token", ""), words))
            code, answer = state.answers.pop(0) if state.answers else (200, None)
            self.set_status(code)
            if answer:
                self.set_header("Content-Type", "application/json")
                self.write(json.dumps(answer))
            if len(state.got) >= state.expected:
                state.arrived.set()

    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([(r"/hook", Handler)], log_function=lambda _handler: None))
    server.add_sockets(sockets)
    state.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/hook"
    yield state
    server.stop()
    await server.close_all_connections()


async def test_a_webhook_gets_updates_with_its_secret_in_order(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    await ann.send_text("before")
    async with hook() as bot:
        assert await poll("setWebhook", url=bot.url, secret_token=SECRET) is True
        for word in ("one", "two"):
            await ann.send_text(word)
        await bot.wait(3)
        assert bot.got == [(SECRET, "before"), (SECRET, "one"), (SECRET, "two")]
        info = await poll("getWebhookInfo")
        assert (info["url"], info["max_connections"]) == (bot.url, 40)
        assert (await poll()).startswith("409 Conflict: can't use getUpdates method while webhook is active")
        await poll("deleteWebhook")
        assert await poll() == []


async def test_a_refused_delivery_is_repeated_before_the_next_one(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    async with hook() as bot:
        bot.answers = [(500, None), (503, None)]
        await poll("setWebhook", url=bot.url)
        await ann.send_text("one")
        await ann.send_text("two")
        await bot.wait(4)
        assert [words for _, words in bot.got] == ["one", "one", "one", "two"]
        info = await poll("getWebhookInfo")
        assert info["last_error_message"] == "Wrong response from the webhook: 503 Service Unavailable"
        await poll("deleteWebhook")


async def test_the_answer_to_a_delivery_may_carry_a_method(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    async with hook() as bot:
        bot.answers = [(200, {"method": "sendMessage", "chat_id": ann.id, "text": "by return"})]
        await poll("setWebhook", url=bot.url)
        await ann.send_text("hi")
        await ann.wait_for(lambda message: message.text == "by return")
        await poll("deleteWebhook")


async def test_a_webhook_that_nobody_serves_loses_nothing(sandbox: Sandbox, poll: Poller) -> None:
    ann = await sandbox.person("Ann")
    await poll("setWebhook", url="http://127.0.0.1:9/hook")
    await ann.send_text("one")
    assert (await poll("getWebhookInfo"))["pending_update_count"] == 1
    await poll("deleteWebhook")
    assert await poll.texts() == ["one"]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"url": "nowhere"}, "400 Bad Request: bad webhook: An HTTPS URL must be provided for webhook"),
        (
            {"url": "https://e.org", "secret_token": "a b"},
            "400 Bad Request: secret token contains unallowed characters",
        ),
    ],
)
async def test_webhooks_that_telegram_would_not_take_are_refused(
    poll: Poller, values: dict[str, str], refusal: str
) -> None:
    assert await poll("setWebhook", **values) == refusal
