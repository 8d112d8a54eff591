"""The soak itself: a sandbox, the bot as a process, people, faults, kills; then peace, and the counting."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox import Rules, Sandbox
from bot.sandbox.feed import Feed
from bot.sandbox.params import Json
from storage.database import Database
from tests.soak.account import Account, Bookkeeper, Waits
from tests.soak.acts import draw_acts
from tests.soak.cluster import on_cluster
from tests.soak.crowd import Visitor, gather_crowd, is_up, learn_answers
from tests.soak.process import BotProcess
from tests.soak.replicas import ReplicaProcesses, replicas

FAULTS: Mapping[str, Mapping[str, float]] = {
    "*": {"flood": 0.01, "bad_gateway": 0.01, "drop_before": 0.01, "drop_after": 0.005, "slow": 0.02},
    "getUpdates": {"bad_gateway": 0.02, "drop_before": 0.02, "drop_after": 0.02, "slow": 0.02, "hang": 0.005},
    "getFile": {"flood": 0.01, "bad_gateway": 0.02, "drop_before": 0.02, "slow": 0.02, "expired_link": 0.03},
    "download": {"bad_gateway": 0.02, "drop_before": 0.02, "drop_after": 0.02, "slow": 0.03, "hang": 0.005},
    "updates": {"redelivery": 0.05},
}
FAULT_NUMBERS = {"retry_after": 2, "slow_s": 1.5, "hang_s": 60, "redelivery_s": 5}
QUIET = 30.0
"""Seconds without any event in the chats after which nobody can expect an answer any more."""
SETTLE = 300.0
"""Seconds after which the bot is too slow, however busy it still is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how rough."""

    seconds: float
    people: int
    scans: int
    kill_every: float | None
    """Seconds between two kills on average; None is a soak without."""
    kills: int | None
    """At most so many; None is as many as there is time for."""
    faults: bool
    seed: int
    workers: int = 2
    replicas: int = 0
    """So many processes share a PostgreSQL behind a balancer; 0: one process with SQLite."""
    cluster: int = 0
    """So many Dask workers read the pictures, and are killed in place of the bot; 0: it has workers of its own."""


class Watch:
    """Notes when each message appears in its chat."""

    def __init__(self, feed: Feed) -> None:
        self.appeared: dict[tuple[int, int], float] = {}
        self._feed = feed
        self.seen = feed.last

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            events = await self._feed.after(self.seen, None, QUIET)
            self.note(events)

    def note(self, events: Sequence[Json]) -> None:
        """Remember the messages among these events."""
        now = time.monotonic()
        for event in events:
            self.seen = event["seq"]
            if event["type"] == "message":
                self.appeared.setdefault((event["person_id"], event["message"]["message_id"]), now)


@dataclass(frozen=True, slots=True)
class SoakRun:
    """What happened."""

    plan: Plan
    account: Account
    waits: Waits
    kills: int
    left_by_itself: int
    exit_status: int
    leftover_processes: int
    errors_logged: int
    tracebacks: int
    takeovers: Sequence[float]
    """Seconds from each kill until another replica took over what was in work."""
    injected: Mapping[str, Mapping[str, int]]
    sending_seconds: float
    settling_seconds: float
    bot_memory: float
    worker_memory: Sequence[float]

    @property
    def throughput(self) -> float:
        """Scans answered a second, from the first one sent to the last one answered."""
        return (self.account.scans - self.account.lost) / (self.sending_seconds + self.settling_seconds)


async def soak(plan: Plan, folder: Path) -> SoakRun:
    """Do it all; the log of the bot stays in ``folder``, and so does its database where it is a file."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox.start(rules=Rules(flood_limit=plan.faults)))
        bot = await stack.enter_async_context(_bot(plan, sandbox, folder))
        await bot.start()
        watch = Watch(sandbox.world.feed)
        watching = asyncio.create_task(watch.follow(), name="watch")
        try:
            crowd = await gather_crowd(sandbox, plan.people)
            answers = await learn_answers(sandbox)
            database = await Database.open(bot.database_url, migrate=False)
            try:
                return await _soak(plan, sandbox, bot, crowd, Bookkeeper(database, answers), watch)
            finally:
                await database.close()
        finally:
            watching.cancel()
            await bot.stop()
            await bot.leftovers()


@asynccontextmanager
async def _bot(plan: Plan, sandbox: Sandbox, folder: Path) -> AsyncIterator[BotProcess | ReplicaProcesses]:
    if plan.cluster:
        async with on_cluster(sandbox, folder, plan.cluster, plan.seed) as bot:
            yield bot
        return
    if not plan.replicas:
        yield BotProcess(sandbox, folder, plan.workers)
        return
    async with replicas(sandbox, folder, plan.replicas, plan.workers, plan.seed) as processes:
        yield processes


async def _soak(
    plan: Plan,
    sandbox: Sandbox,
    bot: BotProcess | ReplicaProcesses,
    crowd: list[Visitor],
    bookkeeper: Bookkeeper,
    watch: Watch,
) -> SoakRun:
    began = time.monotonic()
    if plan.faults:
        await sandbox.client.set_faults(FAULTS, seed=plan.seed, **FAULT_NUMBERS)
    await _let_live_among_kills(crowd, bot, plan)
    sent = time.monotonic()
    injected = await sandbox.client.injected()
    await sandbox.client.set_faults()
    await _settle(sandbox, crowd, bookkeeper)
    settled = time.monotonic()
    await is_up(sandbox)
    bot_memory, worker_memory = bot.memory
    exit_status = await bot.stop()
    leftovers = await bot.leftovers()
    watch.note(sandbox.world.feed.since(watch.seen))
    await _write_transcripts(bot, crowd, bookkeeper, watch)
    return SoakRun(
        plan=plan,
        account=sum([await bookkeeper.account(visitor) for visitor in crowd], Account()),
        waits=sum([await bookkeeper.waits(visitor, watch.appeared) for visitor in crowd], Waits()),
        kills=bot.kills,
        left_by_itself=bot.left_by_itself,
        exit_status=exit_status,
        leftover_processes=leftovers,
        errors_logged=bot.logged.count(" ERROR "),
        takeovers=bot.takeovers,
        tracebacks=bot.logged.count("Traceback (most recent call last)"),
        injected=injected,
        sending_seconds=sent - began,
        settling_seconds=settled - sent,
        bot_memory=bot_memory,
        worker_memory=worker_memory,
    )


async def _write_transcripts(
    bot: BotProcess | ReplicaProcesses, crowd: list[Visitor], bookkeeper: Bookkeeper, watch: Watch
) -> None:
    """When the bot was killed, and the chats in which a promise was broken."""
    broken = [visitor for visitor in crowd if not (await bookkeeper.account(visitor)).is_clean]
    kills = "killed at " + ", ".join(f"{moment:.2f}" for moment in bot.killed_at)
    chats = [await bookkeeper.transcript(visitor, watch.appeared) for visitor in broken]
    bot.transcripts.write_text("\n\n".join([kills, *chats]) + "\n", "utf-8")


async def _let_live_among_kills(crowd: list[Visitor], bot: BotProcess | ReplicaProcesses, plan: Plan) -> None:
    """Until everybody has sent all, and all kills of the plan are done."""
    killer = asyncio.create_task(_kill_again_and_again(bot, plan), name="killer")
    try:
        await _let_live(crowd, plan)
        if plan.kills is None:
            killer.cancel()
        await asyncio.wait({killer})
    finally:
        killer.cancel()


async def _let_live(crowd: list[Visitor], plan: Plan) -> None:
    acts = draw_acts(plan.scans, plan.people, plan.seconds, plan.seed)
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for number, visitor in enumerate(crowd):
            group.create_task(visitor.live([act for act in acts if act.person == number], began))


async def _kill_again_and_again(bot: BotProcess | ReplicaProcesses, plan: Plan) -> None:
    """At random moments: while it starts, while it works, while it waits."""
    chance = random.Random(plan.seed)  # noqa: S311 - to be repeated
    while plan.kill_every and (plan.kills is None or bot.kills < plan.kills):
        await asyncio.sleep(chance.uniform(0.3, 1.7) * plan.kill_every)
        bot.kill()


async def _settle(sandbox: Sandbox, crowd: list[Visitor], bookkeeper: Bookkeeper) -> None:
    """Wait until everybody has their answers, or nothing has happened for a while, or it takes too long."""
    feed = sandbox.world.feed
    try:
        async with asyncio.timeout(SETTLE):
            for visitor in crowd:
                seen = feed.last
                while not (await bookkeeper.account(visitor)).is_settled:
                    if not await feed.after(seen, None, QUIET):
                        return
                    seen = feed.last
    except TimeoutError:
        return
