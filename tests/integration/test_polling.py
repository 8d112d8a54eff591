"""Fetching updates goes on, whatever happens to it; and two bots with one token don't go on side by side."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from telegram import Update
from telegram.ext import ExtBot

from bot.delivery.backoff import Backoff
from bot.delivery.polling import Poller, PollingTimeouts, TokenConflict, kept_fetching
from bot.delivery.raw_update import UnparsableUpdate
from bot.delivery.receiving import UPDATES
from bot.delivery.shutdown import Shutdown
from bot.delivery.storage_health import StorageHealth
from bot.errors import StartError
from bot.sandbox import Sandbox
from storage.database import Database
from tests.databases import database_at
from tests.integration.child import forked_run, said_at_the_end, said_until
from tests.integration.test_shutdown import of

HURRIED = "tests.integration.hurried"
QUICK = PollingTimeouts(
    poll=30, after_failure=Backoff(0.01, 0.05), contest_pause=0.01, quiet=5.0, newcomer=0.3, incumbent=60
)


class Received:
    """Takes updates; fails with each of ``failures`` first."""

    def __init__(self, *failures: Exception) -> None:
        self.updates: asyncio.Queue[Update] = asyncio.Queue()
        self.unreadable: list[int] = []
        self._failures = list(failures)

    async def keep(self, updates: Sequence[Update | UnparsableUpdate]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        for update in updates:
            if isinstance(update, UnparsableUpdate):
                self.unreadable.append(update.update_id)
            else:
                await self.updates.put(update)

    async def next_text(self) -> str | None:
        async with asyncio.timeout(60):
            message = (await self.updates.get()).message
        return message.text if message else None


async def nobody(_: Update, _chat_id: int) -> None:
    raise AssertionError("there is nothing to tell")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageHealth]:
    database = await Database.open(database_at(tmp_path / "bot.db"))
    yield StorageHealth(database)
    await database.close()


@asynccontextmanager
async def fetching(
    sandbox: Sandbox, storage: StorageHealth, received: Received, timeouts: PollingTimeouts = QUICK
) -> AsyncIterator[Shutdown]:
    """A poller of the sandbox's updates, kept alive."""
    stop = Shutdown()
    async with ExtBot(sandbox.token, base_url=sandbox.base_url) as bot:
        poller = Poller(bot, received.keep, nobody, storage, UPDATES, timeouts)
        task = asyncio.create_task(kept_fetching(poller, stop, pause=0.01))
        try:
            yield stop
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_dead_poller_is_restarted_and_loses_nothing(
    sandbox: Sandbox, storage: StorageHealth, caplog: pytest.LogCaptureFixture
) -> None:
    received = Received(RuntimeError("a mistake of ours"))
    async with fetching(sandbox, storage, received):
        anna = await sandbox.person("Anna")
        await anna.send_text("one")
        await anna.send_text("two")
        assert [await received.next_text(), await received.next_text()] == ["one", "two"]
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "the fetching of updates died: starting it again"
    ]


async def test_hanging_poll_is_given_up_and_repeated(
    sandbox: Sandbox, storage: StorageHealth, caplog: pytest.LogCaptureFixture
) -> None:
    await sandbox.client.set_faults({"getUpdates": {"hang": 1}}, hang_s=600)
    received = Received()
    async with fetching(
        sandbox, storage, received, PollingTimeouts(poll=30, hang=0.2, after_failure=Backoff(0.01, 0.01))
    ):
        async with asyncio.timeout(60):
            while (await sandbox.client.injected()).get("getUpdates", {}).get("hang", 0) < 3:
                pass
        await sandbox.client.set_faults()
        anna = await sandbox.person("Anna")
        await anna.send_text("one")
        assert await received.next_text() == "one"
    assert "nothing came for 0 s" in caplog.text


async def test_an_unreadable_update_holds_up_none_behind_it(sandbox: Sandbox, storage: StorageHealth) -> None:
    received = Received()
    anna = await sandbox.person("Anna")
    poison = await sandbox.client.push_update("message", {"message_id": 1, "date": "soon", "chat": {"id": anna.id}})
    await anna.send_text("one")
    async with fetching(sandbox, storage, received):
        assert await received.next_text() == "one"
        await anna.send_text("two")
        assert await received.next_text() == "two"
    assert received.unreadable == [poison]


@pytest.mark.parametrize("fault", ["bad_gateway", "drop_before", "drop_after", "flood"])
async def test_fetching_goes_on_after_every_failure(sandbox: Sandbox, storage: StorageHealth, fault: str) -> None:
    received = Received()
    await sandbox.client.set_faults({"getUpdates": {fault: 0.5}}, retry_after=1)
    async with fetching(sandbox, storage, received):
        anna = await sandbox.person("Anna")
        for number in range(4):
            await anna.send_text(str(number))
            assert await received.next_text() == str(number)


def test_bot_that_polled_undisturbed_longer_is_more_patient() -> None:
    now, young, old = 1_000.0, TokenConflict(PollingTimeouts()), TokenConflict(PollingTimeouts())
    young.begin(now - 0.5)
    old.begin(now - 2)
    for contest, patience in ((young, 20), (old, 50)):
        for second in range(patience):
            assert contest.go_on(now + second) == 0.5
        with pytest.raises(StartError):
            contest.go_on(now + patience)


def test_past_token_conflict_does_not_shorten_the_next() -> None:
    contest = TokenConflict(PollingTimeouts())
    contest.begin(0)
    for moment in (1, 40, 80):
        assert contest.go_on(moment) == 0.5


async def test_of_two_bots_with_one_token_the_newcomer_leaves(sandbox: Sandbox, storage: StorageHealth) -> None:
    incumbent, newcomer = Received(), Received()
    async with fetching(sandbox, storage, incumbent, replace(QUICK, newcomer=60)) as stop:
        async with asyncio.timeout(60):
            await sandbox.world.updates.polling.wait()
        async with fetching(sandbox, storage, newcomer) as mistaken:
            async with asyncio.timeout(60):
                with pytest.raises(StartError, match=r"^TELEGRAM_BOT_TOKEN: another program fetches updates"):
                    await mistaken.wait()
        anna = await sandbox.person("Anna")
        await anna.send_text("one")
        assert await incumbent.next_text() == "one"
        assert stop.left(1.0) == 1.0  # was not told to end


async def test_brief_poll_by_another_program_is_tolerated(sandbox: Sandbox, storage: StorageHealth) -> None:
    received = Received()
    async with fetching(sandbox, storage, received) as stop, ExtBot(sandbox.token, base_url=sandbox.base_url) as other:
        async with asyncio.timeout(60):
            await sandbox.world.updates.polling.wait()
        await other.get_updates()
        anna = await sandbox.person("Anna")
        await anna.send_text("one")
        assert await received.next_text() == "one"
        assert stop.left(1.0) == 1.0


async def test_a_token_that_is_revoked_ends_the_bot(sandbox: Sandbox, storage: StorageHealth) -> None:
    async with fetching(sandbox, storage, Received()) as stop:
        async with asyncio.timeout(60):
            await sandbox.world.updates.polling.wait()
        sandbox.world.token = "1:" + "x" * 35
        anna = await sandbox.person("Anna")
        await anna.send_text("one")  # ends the poll that waits
        async with asyncio.timeout(60):
            with pytest.raises(StartError, match=r"^TELEGRAM_BOT_TOKEN is refused"):
                await stop.wait()


async def test_accidental_second_bot_ends_with_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, module=HURRIED, **of(sandbox, DATABASE_URL="sqlite:///first.db")) as first:
        await said_until(first, "is listening")
        second = of(sandbox, DATABASE_URL="sqlite:///mistake.db")
        async with forked_run(tmp_path, module=HURRIED, **second) as mistake:
            said = await said_at_the_end(mistake)
        assert mistake.returncode == 2
        assert "TELEGRAM_BOT_TOKEN: another program fetches updates with this token; if that goes on" in said
        assert said.splitlines()[-1].startswith("tumorscan: TELEGRAM_BOT_TOKEN: another program fetches updates")
        anna = await sandbox.person("Anna")
        await anna.send_text("/help")
        await anna.wait_for(lambda message: "/history" in message.text, timeout=60)


async def test_new_bot_waits_for_old_one_to_leave(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, **of(sandbox, DATABASE_URL="sqlite:///old.db")) as old:
        await said_until(old, "is listening")
        async with forked_run(tmp_path, **of(sandbox, DATABASE_URL="sqlite:///new.db")) as new:
            await said_until(new, "another program fetches updates")
            old.terminate()
            await said_at_the_end(old)
            anna = await sandbox.person("Anna")
            await anna.send_text("/help")
            await anna.wait_for(lambda message: "/history" in message.text, timeout=60)
            new.terminate()
            await said_at_the_end(new)
    assert (old.returncode, new.returncode) == (0, 0)
