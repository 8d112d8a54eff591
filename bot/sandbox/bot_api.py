"""The Bot API over HTTP: ``/bot<token>/<method>`` and ``/file/bot<token>/<path>``."""

import asyncio
import json
from typing import Any

from tornado.httputil import HTTPFile, HTTPServerRequest

from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.guard import GuardedHandler
from bot.sandbox.methods import call
from bot.sandbox.params import Json, Parameters, Upload
from bot.sandbox.world import check_token


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


class MethodHandler(GuardedHandler):
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
            result = await self._called(name, parameters_of(self.request))
        except ApiError as error:
            self._refuse(error)
        else:
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
        """The bot has hung up while it was waiting for updates."""
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


class FileHandler(GuardedHandler):
    """The bytes behind a link of getFile."""

    async def get(self, token: str, path: str) -> None:
        """Send the file, or 404 when nobody asked for the link or it has run out."""
        try:
            check_token(self.world, token)
        except ApiError as error:
            self.set_status(error.code)
            self.finish({"ok": False, "error_code": error.code, "description": error.description})
            return
        file = self.world.files.follow(path)
        if file is None:
            self.set_status(404)
            self.finish({"ok": False, "error_code": 404, "description": "Not Found"})
            return
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", "attachment")
        self.finish(file.data)
