"""/broadcast and /stats: administrators write to everybody and see how the bot fares; a kill loses nothing of it."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.chat.access import Permission, permission_of
from bot.delivery.background import running_in_background
from bot.handlers.broadcast import tell_end
from bot.sandbox import Person, Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from storage.broadcasts import Readers
from storage.records import Broadcast
from tests import pictures
from tests.bench.broadcast import broadcast as send_to_many
from tests.integration.chatting import is_report
from tests.integration.kills import all_is_done, answers, bot_here, bot_process, rows, someone_agreed, until
from tests.integration.stage import ANNA, Listening, Stage, chat, on_stage, pressed, said

ADMIN, BORIS, CARLA = 11, 12, 13
CROWD = 1_000_000
WORDS = "We move on <Monday> & Tuesday.\n\n  Please <b>wait</b>."
SHOWN = "We move on &lt;Monday&gt; &amp; Tuesday.\n\n  Please &lt;b&gt;wait&lt;/b&gt;."


def written(text: str, by: int = ADMIN) -> dict[str, Any]:
    return said(text, at=chat(by), by=by)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path, admin_ids=str(ADMIN)) as stage:
        for chat_id in (ADMIN, ANNA, BORIS, CARLA):
            await stage.services.database.people.register(chat_id, "", "en")
        yield stage


async def draft(stage: Stage) -> int:
    """A draft that the administrator was shown; its number."""
    shown, question = await stage.answers(written(f"/broadcast {WORDS}"), to=ADMIN)
    assert shown == SHOWN
    assert "what 4 people would get" in question
    folder = Path(stage.services.settings.database_url.partition("///")[2]).parent
    return int(rows(folder, "SELECT max(id) FROM broadcasts")[0][0])


async def all_sent(stage: Stage) -> None:
    """Let the sender run until it has told how it went."""
    told = asyncio.Event()

    async def ended(broadcast: Broadcast) -> None:
        await tell_end(stage.application.bot, stage.services, broadcast)
        told.set()

    async def may_read(chat_id: int) -> bool:
        return await permission_of(chat_id, stage.services) is Permission.GRANTED

    sending = stage.services.broadcaster.run(stage.application.bot, ended, may_read, alone=True)
    async with asyncio.timeout(60), running_in_background(sending):
        await told.wait()


async def test_broadcast_is_shown_first_and_sent_once_confirmed(stage: Stage) -> None:
    number = await draft(stage)
    assert [text for chat_id, text in stage.told if chat_id != ADMIN] == []
    for _ in range(2):
        await stage.handle(stage.an_update(**pressed(f"send-broadcast:{number}", ADMIN, ADMIN)))
    await all_sent(stage)
    for chat_id in (ANNA, BORIS, CARLA):
        assert [text for to, text in stage.told if to == chat_id] == [SHOWN]
    assert "Sent: 4." in stage.told[-1][1]
    assert stage.told[-1][0] == ADMIN


class HalfBlocked(Listening):
    """Telegram, where every second chat has blocked the bot."""

    async def do_request(self, *arguments: Any, **named: Any) -> tuple[int, bytes]:
        data = named.get("request_data")
        chat_id = int((data.parameters if data else {}).get("chat_id", 0))
        if named["url"].endswith("/sendMessage") and chat_id > CROWD and chat_id % 2:
            return 403, b'{"ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}'
        return await super().do_request(*arguments, **named)


async def test_others_are_told_though_half_blocked_the_bot(tmp_path: Path) -> None:
    async with on_stage(tmp_path, admin_ids=str(ADMIN), messages_per_second=1000) as stage:
        telegram = HalfBlocked(stage)
        stage.application.bot._request = (telegram, telegram)
        people, broadcasts = stage.services.database.people, stage.services.database.broadcasts
        for chat_id in (ADMIN, *range(CROWD + 1, CROWD + 201)):
            await people.register(chat_id, "", "en")
        await broadcasts.start((await broadcasts.draft("Hello", ADMIN)).id, Readers())
        await all_sent(stage)
        told = [chat_id or 0 for chat_id, text in stage.told if text == "Hello"]
        assert sorted(told) == [ADMIN, *range(CROWD + 2, CROWD + 201, 2)]
        assert "Sent: 101. Left out, since they blocked me or are blocked: 100." in stage.told[-1][1]
        assert await broadcasts.audience(Readers()) == (101, 100)


async def test_who_was_refused_gets_no_broadcast(tmp_path: Path) -> None:
    """Those of the time when the bot was open to all; and whoever is shut out after it has begun."""
    async with on_stage(tmp_path, admin_ids=str(ADMIN), access="invite") as stage:
        people, access = stage.services.database.people, stage.services.database.access
        for chat_id in (ADMIN, ANNA, BORIS, CARLA):
            await people.register(chat_id, "", "en")
        invitation = await access.invite(2, datetime.now(UTC) + timedelta(days=1))
        for invited in (ANNA, BORIS):
            await access.redeem(invited, invitation.code)
        shown, question = await stage.answers(written(f"/broadcast {WORDS}"), to=ADMIN)
        assert "what 3 people would get" in question
        folder = Path(stage.services.settings.database_url.partition("///")[2]).parent
        number = int(rows(folder, "SELECT max(id) FROM broadcasts")[0][0])
        await stage.handle(stage.an_update(**pressed(f"send-broadcast:{number}", ADMIN, ADMIN)))
        await access.block(BORIS)
        before = len(stage.told)
        await all_sent(stage)
        assert [chat_id for chat_id, text in stage.told[before:] if text == shown] == [ADMIN, ANNA]
        assert "Sent: 2. Left out, since they blocked me or are blocked: 1." in stage.told[-1][1]


async def test_a_draft_that_was_dropped_goes_to_nobody(stage: Stage) -> None:
    number = await draft(stage)
    await stage.handle(stage.an_update(**pressed(f"drop-broadcast:{number}", ADMIN, ADMIN)))
    await stage.handle(stage.an_update(**pressed(f"send-broadcast:{number}", ADMIN, ADMIN)))
    assert "not there any more" in stage.texts[-1]
    assert await stage.services.database.broadcasts.take() is None


async def test_nobody_else_sends_or_stops_one(stage: Stage) -> None:
    number = await draft(stage)
    for verb in ("send", "drop", "stop"):
        [answer] = await stage.answers(pressed(f"{verb}-broadcast:{number}", ANNA, ANNA))
        assert "does not work any more" in answer
    assert await stage.services.database.broadcasts.take() is None
    assert await stage.services.database.broadcasts.forget_draft(number)


async def test_without_words_the_last_one_is_told_of(stage: Stage) -> None:
    assert "after it, the message" in (await stage.answers(written("/broadcast"), to=ADMIN))[0]
    number = await draft(stage)
    await stage.handle(stage.an_update(**pressed(f"send-broadcast:{number}", ADMIN, ADMIN)))
    assert "Still to come: 4." in (await stage.answers(written("/broadcast"), to=ADMIN))[0]
    await stage.handle(stage.an_update(**pressed(f"stop-broadcast:{number}", ADMIN, ADMIN)))
    assert "Not sent: 4." in (await stage.answers(written("/broadcast"), to=ADMIN))[0]


async def test_a_kill_in_the_middle_loses_nobody(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    people = [await sandbox.person(f"Person {number}") for number in range(12)]
    admin = await sandbox.person("Admin")
    slow = {"ADMIN_IDS": str(admin.id), "MESSAGES_PER_SECOND": "4"}
    async with bot_process(sandbox, tmp_path, **slow) as process:
        for person in (*people, admin):
            await person.send_text("/cancel")
        for person in (*people, admin):
            await person.wait_for(lambda message: message.from_bot, timeout=60)
        await people[0].block()
        await admin.send_text("/broadcast Good news for all")
        question = await admin.wait_for(lambda message: bool(message.buttons), timeout=60)
        await admin.press(question, "Yes, send it", timeout=60)
        await until(lambda: rows(tmp_path, "SELECT count(*) >= 3 FROM recipients WHERE state = 'sent'") == [(1,)])
        process.kill()
        await process.wait()
    assert rows(tmp_path, "SELECT count(*) > 0 FROM recipients WHERE state = 'waiting'") == [(1,)]
    async with bot_here(settings.model_copy(update={"admin_ids": frozenset({admin.id})}), workers):
        await admin.wait_for(lambda message: "Your message is sent" in message.text, timeout=60)
    got = [await times_told(person) for person in people]
    assert got[0] == 0
    assert all(times in (1, 2) for times in got[1:])
    assert sum(times == 2 for times in got) <= 4
    assert rows(tmp_path, "SELECT state, recipients, blocked, failed FROM broadcasts") == [("done", 13, 1, 0)]


async def test_half_who_blocked_the_bot_cost_the_others_nothing(tmp_path: Path) -> None:
    sent = await send_to_many(tmp_path, people=60, blocked=0.5, kill_at=0.4)
    assert sent.blocked == 30
    assert sent.reached_blocked == sent.times[0] == 0
    assert sum(count for times, count in sent.times.items() if times > 1) <= 4, "what was under way at the kill"
    assert sent.too_many == 0, "Telegram's limit was kept"
    assert "Left out, since they blocked me or are blocked: 30. Could not be sent: 0." in sent.told


async def times_told(person: Person) -> int:
    return len([message for message in await answers(person) if "Good news" in message.text])


async def test_stats_show_a_chart_and_the_numbers(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    anna = await sandbox.person("Anna")
    async with bot_here(settings.model_copy(update={"admin_ids": frozenset({anna.id})}), workers):
        boris = await someone_agreed(sandbox)
        await boris.send_document(pictures.brain())
        await boris.wait_for(is_report, timeout=90)
        await boris.send_document(b"no picture", "notes.bin")
        await boris.wait_for(lambda message: "kind of file" in message.text, timeout=60)
        await all_is_done(tmp_path)
        await anna.send_text("/stats")
        chart = await anna.wait_for(lambda message: message.photo is not None, timeout=60)
        assert "People: 2. Said yes: 1." in chart.text
        assert "Scans that are kept: 1." in chart.text
        assert "Waiting: 0. Waiting for a yes: 0." in chart.text  # the question itself is not among them
        assert f"{boris.id} (1)" in chart.text
        picture = Image.open(io.BytesIO(await anna.download(chart)))
        assert picture.width == 1080
        [scan] = rows(tmp_path, "SELECT verdict FROM scans")
        counted = rows(tmp_path, "SELECT subject, organ, name, count FROM tallies ORDER BY subject")
        assert counted == [("refusal", "", "unknown_format", 1), ("verdict", "brain_mri", scan[0], 1)]
