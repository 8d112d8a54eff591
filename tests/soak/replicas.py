"""Several bots as processes that share a PostgreSQL, and a balancer that hands each update to any of them."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import httpx
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from bot.sandbox import Sandbox
from tests.processes import free_port
from tests.services import postgresql
from tests.soak.process import BotProcess

SECRET = "s" * 32
LOOPBACK = "127.0.0.1"


class _Pass(RequestHandler):
    """Hands a request on to one of those behind; one that can't be reached is passed by."""

    def initialize(self, ports: Sequence[int], client: httpx.AsyncClient, chance: random.Random) -> None:
        self._ports, self._client, self._chance = ports, client, chance

    async def post(self) -> None:
        headers = {name: value for name, value in self.request.headers.get_all() if name.lower() != "host"}
        for port in self._chance.sample(self._ports, len(self._ports)):
            url = f"http://{LOOPBACK}:{port}{self.request.path}"
            try:
                answer = await self._client.post(url, content=self.request.body, headers=headers)
            except httpx.ConnectError:
                continue
            except httpx.HTTPError:  # it may have been taken, so whoever sent it is to send it again
                break
            self.set_status(answer.status_code)
            return
        self.set_status(HTTPStatus.BAD_GATEWAY)


@asynccontextmanager
async def balancer(ports: Sequence[int], seed: int) -> AsyncIterator[str]:
    """Pass what comes on to any of these ports, by chance; gives its address."""
    # Not kept alive: a connection whose replica was killed would fail after the request has left.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
        given = {"ports": ports, "client": client, "chance": random.Random(seed)}  # noqa: S311 - to be repeated
        server = HTTPServer(Application([(r".*", _Pass, given)], log_function=lambda _: None))
        sockets = bind_sockets(0, LOOPBACK)
        server.add_sockets(sockets)
        try:
            yield f"http://{LOOPBACK}:{sockets[0].getsockname()[1]}"
        finally:
            server.stop()
            await server.close_all_connections()


class ReplicaProcesses:
    """As ``BotProcess``, for all of them together; a kill strikes any one."""

    def __init__(self, processes: Sequence[BotProcess], folder: Path, seed: int) -> None:
        self.processes = processes
        self.database_url = processes[0].database_url
        self.transcripts = folder / "chats.txt"
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated

    async def start(self) -> None:
        """Start them all."""
        await asyncio.gather(*(process.start() for process in self.processes))

    def kill(self) -> None:
        """Kill -9 one of them; it is started again at once."""
        self._chance.choice(self.processes).kill()

    async def stop(self) -> int:
        """Ask all of them to leave; returns the worst exit status."""
        return max(await asyncio.gather(*(process.stop() for process in self.processes)), key=abs)

    async def leftovers(self) -> int:
        """Processes that outlived their bots."""
        return sum([await process.leftovers() for process in self.processes])

    @property
    def logged(self) -> str:
        """What all of them have logged."""
        return "".join(process.logged for process in self.processes)

    @property
    def takeovers(self) -> list[float]:
        """Seconds from each kill until another replica took over, as far as one did."""
        killed = {pid: moment for process in self.processes for pid, moment in process.killed.items()}
        found = re.findall(
            r"^(\S+ \S+) WARNING bot\.delivery\.replica: (.+) is not heard of", self.logged, re.MULTILINE
        )
        return sorted(
            datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f").timestamp() - killed[int(name.rpartition(":")[2])]  # noqa: DTZ007
            for when, names in found
            for name in names.split(", ")
        )

    @property
    def killed_at(self) -> list[float]:
        """Times of ``time.monotonic``."""
        return sorted(moment for process in self.processes for moment in process.killed_at)

    @property
    def kills(self) -> int:
        """How many kills there were."""
        return len(self.killed_at)

    @property
    def left_by_itself(self) -> int:
        """How often one ended although nobody had told it to."""
        return sum(process.left_by_itself for process in self.processes)

    @property
    def memory(self) -> tuple[float, list[float]]:
        """Megabytes of one bot and of each of its workers."""
        return self.processes[0].memory


@asynccontextmanager
async def replicas(
    sandbox: Sandbox, folder: Path, count: int, worker_count: int, seed: int
) -> AsyncIterator[ReplicaProcesses]:
    """A PostgreSQL, a balancer and so many bots, not started yet. Raises RuntimeError where there is no PostgreSQL."""
    programs = postgresql.programs()
    if programs is None:
        raise RuntimeError(postgresql.MISSING)
    ports = [free_port() for _ in range(count)]
    async with AsyncExitStack() as stack:
        server = stack.enter_context(postgresql.server(programs))
        address = await stack.enter_async_context(balancer(ports, seed))
        settings = {
            "REPLICAS": "true",
            "DATABASE_URL": f"{server}/postgres",
            "WEBHOOK_URL": address,
            "WEBHOOK_SECRET": SECRET,
        }
        yield ReplicaProcesses(
            [
                BotProcess(sandbox, folder, worker_count, f"replica-{number}", WEBHOOK_PORT=str(port), **settings)
                for number, port in enumerate(ports, 1)
            ],
            folder,
            seed,
        )
