"""Each fault as a program meets it over real HTTP, and as python-telegram-bot reports it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from telegram import Bot, Update
from telegram.error import InvalidToken, NetworkError, RetryAfter, TimedOut
from telegram.ext import ApplicationBuilder, ContextTypes, MessageHandler, filters
from telegram.request import HTTPXRequest

from bot.sandbox import Fault, Faults, Person, PersonError, Rules, Sandbox
from tests.pictures import brain


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.start() as running:
        yield running


IMPATIENT = 0.5
"""Seconds after which silence is given up, where that is what is looked at; a busy machine may fall silent too."""


@pytest.fixture
async def bot(sandbox: Sandbox) -> AsyncIterator[Bot]:
    request = HTTPXRequest(read_timeout=60)
    polling = HTTPXRequest(read_timeout=60)
    bot = Bot(sandbox.token, sandbox.base_url, sandbox.base_file_url, request=request, get_updates_request=polling)
    async with bot:
        yield bot


@pytest.fixture
async def ann(sandbox: Sandbox) -> Person:
    person = await sandbox.person("Ann")
    await person.send_text("/start")
    return person


async def said(person: Person) -> list[str]:
    return [message.text for message in await person.messages() if message.from_bot]


async def test_flooded_method_names_the_wait_and_does_nothing(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"sendMessage": {"flood": 1}}, retry_after=7)
    with pytest.raises(RetryAfter, match=r"Retry in (7 seconds|0:00:07)"):
        await bot.send_message(ann.id, "hello")
    assert not await said(ann)
    assert await sandbox.client.injected() == {"sendMessage": {"flood": 1}}


async def test_a_bad_gateway_does_nothing(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"sendMessage": {"bad_gateway": 1}})
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(ann.id, "hello")
    assert not await said(ann)


@pytest.mark.parametrize(("fault", "effect"), [("drop_before", []), ("drop_after", ["hello"])])
async def test_dropped_connection_hides_whether_the_message_went_out(
    sandbox: Sandbox, bot: Bot, ann: Person, fault: str, effect: list[str]
) -> None:
    await sandbox.client.set_faults({"*": {fault: 1}})
    with pytest.raises(NetworkError) as raised:
        await bot.send_message(ann.id, "hello")
    assert isinstance(raised.value.__cause__, httpx.RemoteProtocolError)
    assert await said(ann) == effect
    await sandbox.client.set_faults()
    await bot.send_message(ann.id, "again")
    assert await said(ann) == [*effect, "again"]


async def test_slow_answer_times_out_although_message_went_out(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"sendMessage": {"slow": 1}}, slow_s=30)
    with pytest.raises(TimedOut):
        await bot.send_message(ann.id, "hello", read_timeout=IMPATIENT)
    assert await said(ann) == ["hello"]


async def test_a_slow_answer_comes_to_who_waits(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"sendMessage": {"slow": 1}}, slow_s=0.2)
    began = time.monotonic()
    assert (await bot.send_message(ann.id, "hello")).text == "hello"
    assert time.monotonic() - began >= 0.2


async def test_hanging_method_does_nothing_and_never_answers(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"sendMessage": {"hang": 1}}, hang_s=30)
    with pytest.raises(TimedOut):
        await bot.send_message(ann.id, "hello", read_timeout=IMPATIENT)
    await sandbox.client.set_faults({"sendMessage": {"hang": 1}}, hang_s=0.05)
    with pytest.raises(NetworkError) as raised:
        await bot.send_message(ann.id, "hello")
    assert isinstance(raised.value.__cause__, httpx.RemoteProtocolError)
    assert not await said(ann)


@pytest.mark.parametrize("fault", ["hang", "drop_before", "drop_after", "bad_gateway", "flood"])
async def test_a_poll_that_fails_loses_no_update(sandbox: Sandbox, bot: Bot, ann: Person, fault: str) -> None:
    await sandbox.client.set_faults({"getUpdates": {fault: 1}}, hang_s=30)
    with pytest.raises((NetworkError, RetryAfter)):
        await bot.get_updates(read_timeout=IMPATIENT)
    await sandbox.client.set_faults()
    (update,) = await bot.get_updates()
    assert update.message
    assert update.message.text == "/start"


async def test_confirmation_dropped_unread_brings_updates_again(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    (update,) = await bot.get_updates()
    await sandbox.client.set_faults({"getUpdates": {"drop_before": 1}})
    with pytest.raises(NetworkError):
        await bot.get_updates(offset=update.update_id + 1)
    await sandbox.client.set_faults()
    assert [again.update_id for again in await bot.get_updates()] == [update.update_id]


async def test_expired_link_fails_and_a_new_one_works(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    sent = await ann.send_document(brain(64))
    assert sent.file
    await sandbox.client.set_faults({"getFile": {"expired_link": 1}})
    expired = await bot.get_file(sent.file.file_id)
    with pytest.raises(InvalidToken):  # how the library reads a 404
        await expired.download_as_bytearray()
    await sandbox.client.set_faults()
    assert bytes(await (await bot.get_file(sent.file.file_id)).download_as_bytearray()) == brain(64)


@pytest.mark.parametrize("fault", ["bad_gateway", "drop_before", "drop_after", "hang"])
async def test_a_download_that_fails_works_the_next_time(sandbox: Sandbox, bot: Bot, ann: Person, fault: str) -> None:
    data = brain(200)
    sent = await ann.send_document(data)
    assert sent.file
    file = await bot.get_file(sent.file.file_id)
    await sandbox.client.set_faults({"download": {fault: 1}}, hang_s=30)
    with pytest.raises(NetworkError):
        await file.download_as_bytearray(read_timeout=IMPATIENT)
    assert await sandbox.client.injected() == {"download": {fault: 1}}
    await sandbox.client.set_faults()
    assert bytes(await file.download_as_bytearray()) == data


async def test_dropped_download_gives_half_of_its_announced_length(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    data = brain(200)
    sent = await ann.send_document(data)
    assert sent.file
    path = (await bot.get_file(sent.file.file_id)).file_path
    assert path
    await sandbox.client.set_faults({"download": {"drop_after": 1}})
    received = bytearray()

    async def read(answer: httpx.Response) -> None:
        async for part in answer.aiter_bytes():
            received.extend(part)

    async with httpx.AsyncClient() as http, http.stream("GET", path) as answer:
        assert int(answer.headers["Content-Length"]) == len(data)
        with pytest.raises(httpx.RemoteProtocolError):
            await read(answer)
    assert received == data[: len(data) // 2]


async def test_a_slow_download_trickles_and_arrives_whole(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    data = brain(200)
    sent = await ann.send_document(data)
    assert sent.file
    file = await bot.get_file(sent.file.file_id)
    await sandbox.client.set_faults({"download": {"slow": 1}}, slow_s=5)
    began = time.monotonic()
    assert bytes(await file.download_as_bytearray(read_timeout=3)) == data  # no silence is so long
    assert time.monotonic() - began >= 5


async def test_confirmed_updates_come_a_second_time_but_no_third(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"updates": {"redelivery": 1}})
    await ann.send_text("hello")
    first = [update.update_id for update in await bot.get_updates()]
    assert [update.update_id for update in await bot.get_updates(offset=first[-1] + 1)] == first
    assert await bot.get_updates(offset=first[-1] + 1) == ()
    assert await sandbox.client.injected() == {"updates": {"redelivery": 2}}


async def test_delayed_redelivery_wakes_a_waiting_poll(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    await sandbox.client.set_faults({"updates": {"redelivery": 1}}, redelivery_s=10)
    (first,) = await bot.get_updates()
    assert await bot.get_updates(offset=first.update_id + 1) == ()
    (again,) = await bot.get_updates(offset=first.update_id + 1, timeout=20)
    assert again.update_id == first.update_id


async def test_library_takes_a_redelivered_update_as_new(sandbox: Sandbox, ann: Person) -> None:
    seen: list[int] = []
    enough = asyncio.Event()

    async def note(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        seen.append(update.update_id)
        if len(seen) == 2:
            enough.set()

    await sandbox.client.set_faults({"updates": {"redelivery": 1}})
    builder = ApplicationBuilder().token(sandbox.token).base_url(sandbox.base_url).base_file_url(sandbox.base_file_url)
    application = builder.build()
    application.add_handler(MessageHandler(filters.ALL, note))
    async with application:
        assert application.updater
        await application.updater.start_polling()
        await application.start()
        await asyncio.wait_for(enough.wait(), 60)
        await application.updater.stop()
        await application.stop()
    assert seen[0] == seen[1]


async def test_a_webhook_gets_updates_a_second_time_too(sandbox: Sandbox, bot: Bot, ann: Person) -> None:
    received: list[bytes] = []
    twice = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()) and line.strip():
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        received.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        if len(received) == 2:
            twice.set()

    await sandbox.client.set_faults({"updates": {"redelivery": 1}})
    async with await asyncio.start_server(take, sock=socket.create_server(("127.0.0.1", 0))) as server:
        await bot.set_webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await asyncio.wait_for(twice.wait(), 60)
        await bot.delete_webhook()
    assert received == [received[0]] * 2


async def test_initial_faults_are_active_and_reported_over_http() -> None:
    faults = Faults({"getMe": {Fault.BAD_GATEWAY: 1}}, seed=5, slow_s=0.5)
    async with Sandbox.start(rules=Rules(faults=faults)) as sandbox, httpx.AsyncClient() as http:
        assert (await http.get(f"{sandbox.base_url}{sandbox.token}/getMe")).status_code == 502
        told = (await http.get(f"{sandbox.url}/sandbox/api/faults")).json()
    assert told == {
        "rates": {"getMe": {"bad_gateway": 1}}, "seed": 5, "retry_after": 1, "slow_s": 0.5, "hang_s": 60,
        "redelivery_s": 0, "injected": {"getMe": {"bad_gateway": 1}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"rates": {"sendFoto": {"flood": 0.1}}},
        {"rates": {"sendPhoto": {"fire": 0.1}}},
        {"rates": {"sendPhoto": {"flood": None}}},
        {"rates": {"sendPhoto": 0.1}},
        {"rates": 0.1},
        {"slow_s": "soon"},
        {"retry_after": 0},
    ],
)
async def test_faults_that_make_no_sense_change_nothing(sandbox: Sandbox, bot: Bot, body: dict[str, Any]) -> None:
    await sandbox.client.set_faults({"getMe": {"bad_gateway": 1}})
    with pytest.raises(PersonError):
        await sandbox.client.request("POST", "faults", json=body)
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.get_me()
