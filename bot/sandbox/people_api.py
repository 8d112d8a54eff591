"""The people's side over HTTP: what the chat page and the tests' client call."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.web import HTTPError

from bot.sandbox import people
from bot.sandbox.chat import Chat, Message
from bot.sandbox.errors import ApiError, PersonError
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.guard import GuardedHandler
from bot.sandbox.params import Json, Parameters, Upload
from bot.sandbox.profile import Profile

LONGEST_WAIT = 60.0
_SAFE_TO_SHOW = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


class PeopleHandler(GuardedHandler):
    """Shared: JSON in, JSON out, and mistakes as ``{"error": sentence}`` with status 400."""

    def body(self) -> Parameters:
        """The fields of the request; raises HTTPError 400 for a body that can't be read."""
        if self.request.files or self.request.body_arguments:
            fields = {name: found[-1].decode("utf-8", "replace") for name, found in self.request.body_arguments.items()}
            return Parameters(fields)
        try:
            values = json.loads(self.request.body or b"{}")
        except ValueError:
            raise HTTPError(400, reason="The body is not JSON") from None
        if not isinstance(values, dict):
            raise HTTPError(400, reason="The body is not a JSON object")
        return Parameters(values)

    def chat(self, person_id: str) -> Chat:
        """The chat of the person in the address."""
        return self.world.chat_of(int(person_id))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every mistake as one sentence."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, PersonError | ApiError | ValueError):
            self.set_status(400)
            self.finish({"error": str(error)})
        else:
            self.finish({"error": self._reason if status_code < 500 else "The sandbox failed; see its log"})

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A test person's mistake is no fault of the server's."""
        if not isinstance(value, PersonError | ApiError | ValueError):
            super().log_exception(typ, value, tb)

    def shown(self, chat: Chat, messages: list[Message]) -> None:
        """Answer with messages as the person sees them."""
        self.write({"messages": [chat.as_shown(message) for message in messages]})


def about_bot(profile: Profile, chat: Chat | None) -> Json:
    """What the page shows of the bot, in the person's language."""
    language = chat.person.language if chat else ""
    return {
        **profile.user(),
        "name": profile.name(language),
        "description": profile.descriptions.get(language) or profile.descriptions.get("", ""),
        "short_description": profile.short_descriptions.get(language) or profile.short_descriptions.get("", ""),
        "commands": profile.commands_for(chat.person.id if chat else 0, language),
        "menu_button": (chat.menu_button if chat else None) or profile.menu_button,
    }


def about_person(chat: Chat) -> Json:
    """A test person in the list of all."""
    person = chat.person
    return {**person.user(), "started": person.started, "blocked": person.blocked, "messages": len(chat.messages)}


class StateHandler(PeopleHandler):
    """Everything that a page needs at its start."""

    def get(self) -> None:
        """The bot, the people, and the number of the last event."""
        people_list = [about_person(chat) for chat in self.world.chats.values()]
        world = {"started": self.world.started, "seq": self.world.feed.last}
        self.write({"bot": about_bot(self.world.profile, None), "people": people_list, **world})


class NewPersonHandler(PeopleHandler):
    """New test people."""

    def post(self) -> None:
        """Make one; answers with the person."""
        fields = self.body()
        name = fields.text("name").strip()[:64]
        if not name:
            raise PersonError("a person needs a name")
        person = self.world.add_person(name, fields.text("language", "en")[:8], fields.text("username") or None)
        self.set_status(201)
        self.write(about_person(self.world.chats[person.id]))


class ChatHandler(PeopleHandler):
    """One chat whole."""

    def get(self, person_id: str) -> None:
        """The person, the bot as this person sees it, and all messages."""
        chat = self.chat(person_id)
        messages = [chat.as_shown(message) for message in chat.messages.values()]
        about = {"person": about_person(chat), "bot": about_bot(self.world.profile, chat)}
        self.write({**about, "messages": messages, "seq": self.world.feed.last})


class EventsHandler(PeopleHandler):
    """What has happened since a number, waiting for it: for clients without a WebSocket."""

    _wait: "asyncio.Task[list[Json]] | None" = None

    async def get(self, person_id: str) -> None:
        """``after`` is the number of the last event seen, ``timeout`` in seconds."""
        chat = self.chat(person_id)
        after = int(self.get_query_argument("after", "0"))
        timeout_s = min(max(float(self.get_query_argument("timeout", "0")), 0.0), LONGEST_WAIT)
        self._wait = asyncio.create_task(self.world.feed.after(after, chat.person.id, timeout_s), name="events")
        try:
            events = await self._wait
        except asyncio.CancelledError:
            events = []
        self.write({"events": events, "seq": events[-1]["seq"] if events else after})

    def on_connection_close(self) -> None:
        """Nobody listens any more."""
        if self._wait is not None:
            self._wait.cancel()


class TextHandler(PeopleHandler):
    """A person writes."""

    def post(self, person_id: str) -> None:
        """Answers with the messages that it became."""
        chat, fields = self.chat(person_id), self.body()
        self.shown(chat, people.send_text(self.world, chat, fields.text("text"), fields.integer("reply_to") or None))


class FilesHandler(PeopleHandler):
    """A person sends files: one, or an album of two to ten."""

    async def post(self, person_id: str) -> None:
        """Multipart: ``file`` once or several times, ``as`` what they are sent, and perhaps ``caption``."""
        chat, fields = self.chat(person_id), self.body()
        uploads = [
            Upload(file["filename"] or "file", file["content_type"] or "application/octet-stream", file["body"])
            for file in self.request.files.get("file", [])
        ]
        if not uploads:
            raise PersonError("there is no file in the request")
        self.shown(chat, await self._send(chat, uploads, fields))

    async def _send(self, chat: Chat, uploads: list[Upload], fields: Parameters) -> list[Message]:
        sending = people.Sending(
            caption=fields.text("caption"),
            reply_to=fields.integer("reply_to") or None,
            unavailable=fields.flag("unavailable"),
        )
        kind, first = fields.text("as", "document"), uploads[0]
        if kind not in {"photo", "document", "sticker", "voice", "video"}:
            raise PersonError("as must be photo, document, sticker, voice or video")
        if len(uploads) > 1:
            if kind not in {"photo", "document"}:
                raise PersonError("an album holds photos or documents")
            return await people.send_album(self.world, chat, uploads, sending, as_files=kind == "document")
        if kind == "photo":
            return [await people.send_photo(self.world, chat, first.data, sending)]
        if kind == "document":
            return [await people.send_document(self.world, chat, first, sending)]
        if kind == "sticker":
            return [await people.send_sticker(self.world, chat, first.data, fields.text("emoji"))]
        send = people.send_voice if kind == "voice" else people.send_video
        return [send(self.world, chat, first.data, fields.integer("seconds", 1))]


class ActHandler(PeopleHandler):
    """Everything else that a person does to a chat; the last part of the address names it."""

    async def post(self, person_id: str, act: str) -> None:
        """Run one of the acts below."""
        acts: dict[str, Callable[[Chat, Parameters], Awaitable[None]]] = {
            "press": self._press,
            "edit": self._edit,
            "forward": self._forward,
            "block": self._block,
            "react": self._react,
        }
        await acts[act](self.chat(person_id), self.body())

    async def _press(self, chat: Chat, fields: Parameters) -> None:
        query_id = people.press(self.world, chat, fields.integer("message_id"), fields.text("data"))
        future = self.world.callbacks[query_id].answer
        await asyncio.wait([future], timeout=min(fields.number("wait"), LONGEST_WAIT))
        answered = future.done() and not future.cancelled()
        self.write({"callback_query_id": query_id, "answer": future.result() if answered else None})

    async def _edit(self, chat: Chat, fields: Parameters) -> None:
        self.shown(chat, [people.edit(self.world, chat, fields.integer("message_id"), fields.text("text"))])

    async def _forward(self, chat: Chat, fields: Parameters) -> None:
        source = self.world.chat_of(fields.integer("from_person"))
        self.shown(chat, [people.forward(self.world, source, fields.integer("message_id"), chat)])

    async def _block(self, chat: Chat, fields: Parameters) -> None:
        people.set_blocked(self.world, chat, blocked=fields.flag("blocked"))
        self.write(about_person(chat))

    async def _react(self, chat: Chat, fields: Parameters) -> None:
        people.react(self.world, chat, fields.integer("message_id"), fields.text("emoji"))
        self.write({})


class ShownFileHandler(PeopleHandler):
    """A file as the page shows or saves it."""

    def get(self, file_id: str) -> None:
        """Pictures and PDFs may open in the browser; anything else is only saved, since it may be hostile."""
        file = self.world.files.find(file_id)
        if file is None:
            raise HTTPError(404, reason="This file is gone")
        mime = next((mime for magic, mime in _SAFE_TO_SHOW if file.data.startswith(magic)), "")
        if file.data[:4] == b"RIFF" and file.data[8:12] == b"WEBP":
            mime = "image/webp"
        name = "".join(c for c in file.name if c.isascii() and (c.isalnum() or c in " ._-()")) or "file"
        self.set_header("Cache-Control", "private, max-age=86400, immutable")
        self.set_header("Content-Type", mime or "application/octet-stream")
        self.set_header("Content-Disposition", f'{"inline" if mime else "attachment"}; filename="{name}"')
        if mime != "application/pdf":
            self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        self.finish(file.data)


class UpdatesHandler(PeopleHandler):
    """Updates of any kind, made by hand: channel posts, group messages, what the page has no button for."""

    def post(self) -> None:
        """``kind`` and ``content`` of the Update; answers with its number, or null when it is not asked for."""
        fields = self.body()
        content = fields.object("content")
        if content is None or not fields.has("kind"):
            raise PersonError("an update needs a kind and a content")
        chat_id = (content.get("chat") or content.get("from") or {}).get("id", 0)
        update = self.world.updates.put(fields.text("kind"), content, int(chat_id))
        self.write({"update_id": update.update_id if update else None})


class ClockHandler(PeopleHandler):
    """Time, for trying out what runs out."""

    def post(self) -> None:
        """Move the sandbox's clock forward by ``seconds``."""
        try:
            self.world.clock.advance(self.body().number("seconds"))
        except ValueError as error:
            raise PersonError(str(error)) from None
        self.write({"now": self.world.clock.now()})


class FaultsHandler(PeopleHandler):
    """What goes wrong on purpose."""

    def get(self) -> None:
        """The faults that are switched on, and how often each has happened."""
        faults = self.world.faults
        switched = {name: getattr(faults.now, name) for name in ("rates", *_FAULT_NUMBERS)}
        self.write({**switched, "injected": faults.injected})

    def post(self) -> None:
        """Switch to the faults of the body, the fields of ``Faults``; an empty body switches all off."""
        fields = self.body()
        try:
            numbers = {name: read(fields, name) for name, read in _FAULT_NUMBERS.items() if fields.has(name)}
            self.world.faults.switch(Faults(_rates(fields.object("rates") or {}), **numbers))
        except ApiError as error:
            raise PersonError(error.description) from None
        except (TypeError, ValueError) as error:
            raise PersonError(str(error)) from None
        self.get()


_FAULT_NUMBERS: dict[str, Callable[[Parameters, str], Any]] = {
    "seed": Parameters.integer,
    "retry_after": Parameters.integer,
    "slow_s": Parameters.number,
    "hang_s": Parameters.number,
    "redelivery_s": Parameters.number,
}


def _rates(raw: Json) -> dict[str, dict[Fault, float]]:
    """Names from JSON as faults; raises ValueError for what is none."""
    if not all(isinstance(rates, dict) for rates in raw.values()):
        raise ValueError("rates must be an object of objects: method, fault, probability")
    return {place: {Fault(fault): float(rate) for fault, rate in rates.items()} for place, rates in raw.items()}
