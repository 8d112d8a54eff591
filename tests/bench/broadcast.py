"""A message to 10,000 people of whom half have blocked the bot, through the sandbox with Telegram's limits, and a kill.

python -m tests.bench.broadcast --people 10000 --blocked 0.5 --kill-at 0.5
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import insert

from bot.sandbox import Rules, Sandbox
from bot.sandbox.chat import Person
from bot.sandbox.errors import ApiError
from bot.sandbox.world import World
from storage import Database
from storage.schema import PEOPLE
from tests.integration.kills import bot_from_scratch, rows

TEXT = "We move on Monday."
_SETTLED = "SELECT count(*) FROM recipients WHERE state NOT IN ('waiting', 'sending')"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it."""

    people: int
    blocked: int
    seconds: float
    resumed_after: float
    """Seconds from the start after the kill until the next message came."""
    too_many: int
    """Requests that Telegram refused since there were too many."""
    times: Counter[int]
    """How often somebody got the message -> how many people; of those who had blocked the bot nobody is counted."""
    reached_blocked: int
    told: str
    """What the administrator was told at the end."""


async def broadcast(folder: Path, people: int, blocked: float, kill_at: float, per_second: int = 30) -> Sent:
    """Send to so many people, killing the bot when this share of them has it (or was found to have blocked it)."""
    rules = Rules(flood_limit=True, people=people + 1, flood_total=per_second)
    with _counted_refusals() as too_many:
        async with Sandbox.start(rules=rules) as sandbox:
            return await _broadcast(sandbox, folder, people, blocked, kill_at, too_many)


async def _broadcast(
    sandbox: Sandbox, folder: Path, people: int, blocked: float, kill_at: float, too_many: Counter[int]
) -> Sent:
    admin = await sandbox.person("Admin")
    crowd, left = _crowd(sandbox, people, blocked)
    await _register(folder, [person.id for person in crowd])
    settings = {"ADMIN_IDS": str(admin.id), "MESSAGES_PER_SECOND": str(sandbox.world.rules.flood_total)}
    async with bot_from_scratch(sandbox, folder, **settings) as process:
        await admin.send_text("/cancel")
        await admin.wait_for(lambda message: message.from_bot, timeout=120)
        await admin.send_text(f"/broadcast {TEXT}")
        question = await admin.wait_for(lambda message: bool(message.buttons), timeout=120)
        await admin.press(question, "Yes, send it", timeout=120)
        began = time.monotonic()
        await _until_settled(folder, round(people * kill_at))
        process.kill()
        await process.wait()
    killed = time.monotonic()
    (settled,) = rows(folder, _SETTLED)[0]
    async with bot_from_scratch(sandbox, folder, **settings):
        await _until_settled(folder, settled + 1)
        resumed = time.monotonic()
        last = await admin.wait_for(lambda message: "Your message is sent" in message.text, timeout=3600)
    chats = sandbox.world.chats
    got = {person.id: sum(one.words == TEXT for one in chats[person.id].messages.values()) for person in crowd}
    gone = {person.id for person in left}
    return Sent(
        people=people,
        blocked=len(left),
        seconds=time.monotonic() - began,
        resumed_after=resumed - killed,
        too_many=too_many[429],
        times=Counter(count for chat_id, count in got.items() if chat_id not in gone),
        reached_blocked=sum(got[chat_id] for chat_id in gone),
        told=last.text,
    )


def _crowd(sandbox: Sandbox, people: int, blocked: float) -> tuple[list[Person], list[Person]]:
    """People who have started the bot, and which of them (a share of ``blocked``) have blocked it since."""
    crowd = [sandbox.world.add_person("Somebody") for _ in range(people)]
    for person in crowd:
        person.started = True
    left = random.Random(1).sample(crowd, round(people * blocked))  # noqa: S311 - to be repeated
    for person in left:
        person.blocked = True
    return crowd, left


async def _register(folder: Path, chat_ids: list[int]) -> None:
    """All of them have once talked to the bot."""
    database = await Database.open(f"sqlite+aiosqlite:///{folder / 'bot.db'}")
    fresh = {"name": "", "language": "en", "blocked": False, "created_at": datetime.now(UTC)}
    values = [{**fresh, "chat_id": chat_id} for chat_id in chat_ids]
    await database._sessions.write(lambda at: at.execute(insert(PEOPLE), values).rowcount)
    await database.close()


async def _until_settled(folder: Path, count: int) -> None:
    async with asyncio.timeout(3600):
        while (rows(folder, _SETTLED) or [(0,)])[0][0] < count:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.2)


@contextmanager
def _counted_refusals() -> Iterator[Counter[int]]:
    """Status -> how often the sandbox has refused a message because of its limits, while the body runs."""
    counted: Counter[int] = Counter()
    really = World.count_message

    def count(world: World, chat_id: int, messages: int = 1) -> None:
        try:
            really(world, chat_id, messages)
        except ApiError as error:
            counted[error.code] += 1
            raise

    with patch.object(World, "count_message", count):
        yield counted


def as_table(sent: Sent) -> str:
    """Lines for the terminal."""
    reached = sent.people - sent.blocked
    twice = sum(count for times, count in sent.times.items() if times > 1)
    rows_ = [
        ("people, blocked", f"{sent.people:,}, {sent.blocked:,}"),
        ("got it once, twice, not", f"{sent.times[1]:,}, {twice}, {sent.times[0]} of {reached:,}"),
        ("blocked people reached", f"{sent.reached_blocked}"),
        ("refused: too many", f"{sent.too_many}"),
        ("seconds, requests a second", f"{sent.seconds:.0f} s, {sent.people / sent.seconds:.1f}"),
        ("goes on after a kill", f"{sent.resumed_after:.1f} s, with the start"),
        ("told", sent.told),
    ]
    return "\n".join(f"{name:<28} {value}" for name, value in rows_) + "\n"


def main() -> int:
    """Send, report, and return 1 when somebody got it not at all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.broadcast")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--blocked", type=float, default=0.5, help="share of those who have blocked the bot")
    parser.add_argument("--kill-at", type=float, default=0.5, help="share that is settled when the bot is killed")
    parser.add_argument("--per-second", type=int, default=30, help="Telegram's limit over all chats")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tumorscan-broadcast-") as folder:
        sent = asyncio.run(broadcast(Path(folder), args.people, args.blocked, args.kill_at, args.per_second))
    sys.stdout.write(as_table(sent))
    return 1 if sent.times[0] or sent.reached_blocked else 0


if __name__ == "__main__":
    sys.exit(main())
