"""The Bot API over HTTP: ``/bot<token>/<method>`` and ``/file/bot<token>/<path>``."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from tornado.httputil import HTTPFile, HTTPServerRequest
from tornado.iostream import StreamClosedError

from bot.sandbox.errors import ApiError, bad_request, too_many_requests
from bot.sandbox.faults import DOWNLOAD, Fault
from bot.sandbox.files import StoredFile
from bot.sandbox.guard import GuardedHandler
from bot.sandbox.methods import call
from bot.sandbox.params import Json, Parameters, Upload
from bot.sandbox.world import World, check_token

_TRICKLES = 16
"""Pieces of a slow download."""


def _upload(file: HTTPFile) -> Upload:
    return Upload(file["filename"] or "file", file["content_type"] or "application/octet-stream", file["body"])


def parameters_of(request: HTTPServerRequest) -> Parameters:
    """Parameters from wherever they are; the body wins over the query. Raises ApiError 400 for broken JSON."""
    values: dict[str, Any] = {
        name: found[-1].decode("utf-8", "replace") for name, found in request.arguments.items() if found
    }
    if request.headers.get("Content-Type", "").startswith("application/json") and request.body:
        try:
            body = json.loads(request.body)
        except ValueError:
            raise bad_request("can't parse JSON object") from None
        if not isinstance(body, dict):
            raise bad_request("expected a JSON object")
        values |= body
    return Parameters(values, {name: _upload(files[0]) for name, files in request.files.items()})


class FaultyHandler(GuardedHandler):
    """What can go wrong with any request of a bot, once ``faults`` has drawn it."""

    def initialize(self, world: World, served_as: str) -> None:
        """Called by tornado with what the routes were given."""
        super().initialize(world, served_as)
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """The bot has hung up."""
        self._gone.set()

    def drop(self) -> None:
        """End the connection, whatever was sent of the answer."""
        self.detach().close()

    async def linger(self, seconds: float) -> None:
        """Wait, unless the bot hangs up in the meantime."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)

    async def is_lost(self, fault: Fault | None) -> bool:
        """Whether the request got no answer and did nothing; raises ApiError where refusing it is the fault."""
        faults = self.world.faults.now
        if fault is Fault.FLOOD:
            raise too_many_requests(faults.retry_after)
        if fault is Fault.BAD_GATEWAY:
            raise ApiError(502, "Bad Gateway")
        if fault is Fault.HANG:
            await self.linger(faults.hang_s)
        if fault in {Fault.HANG, Fault.DROP_BEFORE}:
            self.drop()
            return True
        return False


class MethodHandler(FaultyHandler):
    """One call of a method."""

    _poll: "asyncio.Task[Any] | None" = None

    async def get(self, token: str, name: str) -> None:
        """Parameters in the query."""
        await self._answer(token, name)

    async def post(self, token: str, name: str) -> None:
        """Parameters in the body."""
        await self._answer(token, name)

    async def _answer(self, token: str, name: str) -> None:
        try:
            check_token(self.world, token)
            parameters = parameters_of(self.request)
            fault = self.world.faults.draw(name)
            if await self.is_lost(fault):
                return
            result = await self._called(name, parameters)
        except ApiError as error:
            self._refuse(error)
        else:
            await self._give(result, fault)

    async def _give(self, result: Any, fault: Fault | None) -> None:
        """The answer, on the way of which things can still go wrong."""
        if fault is Fault.DROP_AFTER:
            self.drop()
            return
        if fault is Fault.EXPIRED_LINK:
            self.world.files.end_link(result["file_path"])
        if fault is Fault.SLOW:
            await self.linger(self.world.faults.now.slow_s)
        self.write({"ok": True, "result": result})

    async def _called(self, name: str, parameters: Parameters) -> Any:
        if name.lower() != "getupdates":
            return await call(self.world, name, parameters)
        # A poller that goes away must not swallow the updates that come next.
        self._poll = asyncio.create_task(call(self.world, name, parameters), name="getUpdates")
        try:
            return await self._poll
        except asyncio.CancelledError:
            raise ApiError(502, "Bad Gateway") from None

    def on_connection_close(self) -> None:
        """The bot has hung up, perhaps while it was waiting for updates."""
        super().on_connection_close()
        if self._poll is not None:
            self._poll.cancel()

    def _refuse(self, error: ApiError) -> None:
        self.set_status(error.code, reason=error.description.partition(":")[0])
        answer: Json = {"ok": False, "error_code": error.code, "description": error.description}
        if error.retry_after is not None:
            answer["parameters"] = {"retry_after": error.retry_after}
            self.set_header("Retry-After", str(error.retry_after))
        self.write(answer)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error inside the sandbox, in the shape of an answer."""
        del kwargs
        self.finish({"ok": False, "error_code": status_code, "description": self._reason})


class FileHandler(FaultyHandler):
    """The bytes behind a link of getFile."""

    async def get(self, token: str, path: str) -> None:
        """Send the file, or 404 when nobody asked for the link or it has run out."""
        try:
            check_token(self.world, token)
            file = self._file(path)
            fault = self.world.faults.draw(DOWNLOAD)
            if await self.is_lost(fault):
                return
        except ApiError as error:
            self.set_status(error.code)
            self.finish({"ok": False, "error_code": error.code, "description": error.description})
            return
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", "attachment")
        self.set_header("Content-Length", len(file.data))
        await self._give(file.data, fault)

    def _file(self, path: str) -> StoredFile:
        file = self.world.files.follow(path)
        if file is None:
            raise ApiError(404, "Not Found")
        return file

    async def _give(self, data: bytes, fault: Fault | None) -> None:
        """The bytes, on the way of which things can still go wrong."""
        if fault is Fault.DROP_AFTER:
            self.write(data[: len(data) // 2])
            await self.flush()
            self.drop()
        elif fault is Fault.SLOW:
            await self._trickle(data, self.world.faults.now.slow_s)
        else:
            self.write(data)

    async def _trickle(self, data: bytes, seconds: float) -> None:
        size = max(1, -(-len(data) // _TRICKLES))
        with suppress(StreamClosedError):
            for begin in range(0, len(data), size):
                await self.linger(seconds / _TRICKLES)
                self.write(data[begin : begin + size])
                await self.flush()
