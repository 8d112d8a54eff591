"""One of several processes that share a database and Telegram's limits: it lives, claims updates, and may be missed.

The others take over what it has in hand ``DEAD_AFTER`` after its last heartbeat, or sooner when the database server
sees that its connection has ended, as that of a killed process does (``GONE_AFTER``). One that was taken for dead,
because its machine stood still or its network was away, ends, so that a service manager starts it afresh.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from telegram.error import NetworkError

from bot.delivery.background import running_in_background
from bot.delivery.claimed_queue import ClaimedQueue
from bot.delivery.inbox import Deliveries
from bot.delivery.rate_limiter import FILLED_AFTER, overall_bucket
from bot.delivery.shutdown import Shutdown
from bot.delivery.token_bucket import TokenBucket
from bot.errors import StartError
from bot.settings import Settings
from inference.registry import fingerprint
from storage.claims import Claimed
from storage.database import Database
from storage.errors import StorageDownError, StorageError
from storage.replicas import DEAD_AFTER, GONE_AFTER, Identity, OtherReplicaError
from storage.schema import REVISION

BEAT = 1.0
"""Seconds between two heartbeats; as often it is looked for what nobody has been called for."""
_DEAD_AFTER = DEAD_AFTER.total_seconds()
SURE_AFTER = _DEAD_AFTER + 2 * BEAT
"""Seconds of heartbeats without a gap until others may be taken for dead: it was not the database that was away."""
GIVE_BACK_EVERY = 5.0
CLOCK_OFF = 5.0
"""Seconds by which a machine's clock may be off until that is told."""
LOST = (
    f"REPLICAS: this replica was not heard of for {_DEAD_AFTER:.0f} s ({GONE_AFTER.total_seconds():.0f} s after its "
    "connection was lost), and others have taken over its work: start it again, and if it happens again, look at the "
    "machine's load and its way to the database"
)
_log = logging.getLogger(__name__)


class Replica:
    """This process among those that share the database."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database, self._identity = database, identity
        self._connections = database.replica_connections()
        self._bucket = overall_bucket(identity.messages_per_second)
        self.allowance = SharedAllowance(self)
        self.alive = 1
        """How many replicas there are, this one included."""
        self._well_since = self._last_beat = time.monotonic()
        self._called = asyncio.Event()
        self._look_wide, self._is_unsure = True, False
        self._when_all_are_called: list[Callable[[], None]] = []
        self._lost: Callable[[], None] = lambda: None

    def when_all_are_called(self, do: Callable[[], None]) -> None:
        """Have something done when a replica has ended: what it left is for everybody."""
        self._when_all_are_called.append(do)

    async def join(self) -> None:
        """Become a replica. Raises StartError when another one that is alive is not like this one.

        One that was killed seems alive for some seconds: so long it is waited for.
        """
        end = time.monotonic() + SURE_AFTER
        while True:
            try:
                await self._database.replicas.join(self._identity, self._bucket.burst)
            except OtherReplicaError as error:
                if time.monotonic() > end:
                    raise StartError(str(error)) from error
                await asyncio.sleep(BEAT)
            except StorageError as error:
                raise StartError(str(error)) from error
            else:
                break
        await self._beat()  # so that the others see a connection of it while the rest of the start takes its time
        ahead = await self._database.replicas.clock_ahead()
        if abs(ahead) > CLOCK_OFF:
            _log.warning(
                "REPLICAS: this machine's clock is %.0f s %s the database's: set it by NTP; until then what is told of "
                "times and how long a deleted scan can be brought back may be off by that",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
            )

    async def leave(self) -> None:
        """Hand what is left to the others, and be none any more."""
        with suppress(StorageError):  # then they take it when no heartbeat comes
            await self._database.replicas.leave()
        await self._connections.close()

    @asynccontextmanager
    async def living(self, shutdown: Shutdown, give_up: Callable[[], object]) -> AsyncIterator[None]:
        """Send heartbeats while the body runs. One that is taken for dead calls ``give_up``, and tells ``shutdown``."""

        def lost() -> None:
            give_up()
            shutdown.fail(StartError(LOST))

        self._lost = lost
        await self._beat()
        async with running_in_background(self._beat_on()):
            yield

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            await self._beat()

    async def _beat(self) -> None:
        try:
            alive = await self._connections.beat(self._wake, self._wake_all)
            now = time.monotonic()
            if now - self._last_beat > 3 * BEAT:
                self._well_since = now
            self._last_beat = now
            if not alive:
                self._lost()
                return
            self.alive = alive
            if now - self._well_since > SURE_AFTER and (dead := await self._database.replicas.bury()):
                _log.warning("%s is not heard of any more: its work is taken over", ", ".join(dead))
        except StorageError as error:
            self._well_since = time.monotonic()
            _log.info("no heartbeat: %s", error)
        self._look_wide = True
        self._called.set()

    def _wake(self) -> None:
        self._called.set()

    def _wake_all(self) -> None:
        self._look_wide = True
        self._called.set()
        for do in self._when_all_are_called:
            do()

    @asynccontextmanager
    async def claiming(self, deliveries: Deliveries) -> AsyncIterator[None]:
        """Claim updates and have them handled while the body runs."""
        queue = deliveries.queue
        if not isinstance(queue, ClaimedQueue):
            raise TypeError("these deliveries belong to a process that works alone")
        queue.news = self._called
        async with (
            running_in_background(self._claim_on(deliveries, queue)),
            running_in_background(self._give_back_on(queue)),
        ):
            yield

    async def _claim_on(self, deliveries: Deliveries, queue: ClaimedQueue) -> None:
        """One after another: two that claim at once would hand the same chat's updates on in any order."""
        while True:
            await self._called.wait()
            self._called.clear()
            wide, self._look_wide = self._look_wide, False
            try:
                if self._is_unsure:
                    await self._database.claims.keep_only(queue.in_hand)
                    self._is_unsure = False
                while claimed := await self._claim(wide=wide):
                    await deliveries.take_in(claimed)
            except StorageDownError as error:
                # It may have been committed all the same: what is claimed and not queued up is to be claimed again.
                self._is_unsure = True
                # Said by whoever needs the database more; the next heartbeat wakes this.
                _log.info("nothing could be claimed: %s", error)

    async def _claim(self, *, wide: bool) -> tuple[Claimed, ...]:
        claims = self._database.claims
        return (await claims.claim()) or (await claims.adopt() if wide else ())

    async def _give_back_on(self, queue: ClaimedQueue) -> None:
        """Give back the lease of a chat when its allowance is full again: to whoever is next it is as if new."""
        while True:
            await asyncio.sleep(GIVE_BACK_EVERY)
            with suppress(StorageDownError):
                await self._database.claims.give_back(queue.busy_chats(FILLED_AFTER))

    async def may_send(self, cost: int, spare: int) -> float:
        """See ``Allowance.take``. Raises NetworkError when this replica was taken for dead: others answer by now."""
        bucket = self._bucket
        pause = await self._connections.may_send(cost, spare, bucket.burst, bucket.rate)
        if pause is None:
            self._lost()
            raise NetworkError("this replica was taken for dead")
        return pause

    @property
    def share(self) -> TokenBucket:
        """What this replica may send while nobody can be asked: its part of what all may."""
        return TokenBucket(max(1.0, self._bucket.burst / self.alive), self._bucket.rate / self.alive)


class SharedAllowance:
    """What all replicas together may send, asked of the database; while that is away, a share of one's own."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._share: TokenBucket | None = None
        """While the database is away."""

    async def take(self, now: float, cost: int, spare: int = 0) -> float:
        """See ``Allowance``."""
        if not cost:
            return 0.0
        try:
            pause = await self._replica.may_send(cost, spare)
        except StorageError:
            self._share = self._share or self._replica.share
            return await self._share.take(now, cost)
        self._share = None
        return pause


@asynccontextmanager
async def joined(settings: Settings, database: Database) -> AsyncIterator[Replica | None]:
    """This process as one of several while the body runs; None where it works alone. Raises StartError."""
    if not settings.replicas:
        try:
            await database.replicas.refuse_if_any()
        except StorageError as error:
            raise StartError(str(error)) from error
        yield None
        return
    identity = Identity(
        name=f"{socket.gethostname()}:{os.getpid()}",
        version=f"{version('tumorscan-bot')}, schema {REVISION}",
        models=await asyncio.to_thread(fingerprint, settings.models_dir),
        messages_per_second=settings.messages_per_second,
    )
    replica = Replica(database, identity)
    try:
        await replica.join()
        yield replica
    finally:
        await replica.leave()
