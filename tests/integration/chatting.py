"""How a person of the tests talks to a bot that runs, and what the bot has kept of them."""

import asyncio
from typing import Any

from bot.delivery.ordering import QueueKind
from bot.sandbox import Message, Person, Sandbox
from storage.records import Scan
from tests import pictures
from tests.integration.conftest import RunningBot


def is_report(message: Message) -> bool:
    return message.document is not None


async def scans_of(bot: RunningBot, person: Person) -> tuple[Scan, ...]:
    """What is kept of a person, newest first."""
    known = await bot.services.database.people.get(person.id)
    return (await bot.services.database.scans.page(known.id, 1, 50)).scans if known else ()


async def work_is_done(bot: RunningBot, person: Person) -> None:
    """Wait until this person's pictures have all been handled."""
    async with asyncio.timeout(60), bot.services.chat_queues.turn(person.id, QueueKind.PICTURES):
        pass


async def one_scan(bot: RunningBot, person: Person, label: str = "") -> Message:
    """Send a picture and wait for its report, and until that is written down."""
    await person.send_document(pictures.brain(), caption=label)
    report = await person.wait_for(is_report, timeout=60)
    await work_is_done(bot, person)
    return report


async def answer_to(person: Person, text: str) -> Message:
    """Write, and give the bot's next message."""
    await person.send_text(text)
    return await person.wait_for(lambda _: True)


def a_press(person: Person, data: str, message_id: int = 1) -> dict[str, Any]:
    """A callback query of a button under a message that may not be there."""
    sender = {"id": person.id, "is_bot": False, "first_name": person.name}
    chat = {"id": person.id, "type": "private", "first_name": person.name}
    message = {"message_id": message_id, "date": 1_700_000_000, "chat": chat, "text": "old"}
    return {"id": "1", "from": sender, "chat_instance": "1", "data": data, "message": message}


async def press_without_a_button(sandbox: Sandbox, person: Person, data: str) -> Message:
    """Send the press of a button that this person was never shown, as a forged or an old client might."""
    await answer_to(person, "/help")
    since = await person.mark()
    await sandbox.client.push_update("callback_query", a_press(person, data))
    return await person.wait_for(lambda _: True, since=since)
