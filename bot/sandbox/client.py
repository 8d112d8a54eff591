"""Test people over HTTP: what the integration tests, and anyone's own tests, speak to the bot with.

async with Sandbox.start() as sandbox:
    person = await sandbox.person("Ann")
    await person.send_text("/start")
    welcome = await person.wait_for(lambda message: "Welcome" in message.text)
    await person.press(welcome, "I agree")
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx

from bot.sandbox.errors import PersonError

Json = dict[str, Any]
_POLL_S = 25.0
_FILES = ("document", "voice", "video", "sticker")


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button: with callback data, or with an address."""

    text: str
    data: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """The file of a message; for a photo the largest size."""

    kind: str
    """``photo``, ``document``, ``voice``, ``video`` or ``sticker``."""
    file_id: str
    size: int
    name: str
    mime: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the person sees it; ``raw`` is the Bot API's Message object."""

    id: int
    chat_id: int
    from_bot: bool
    text: str
    """The text or the caption, without formatting."""
    file: Attachment | None
    buttons: tuple[tuple[Button, ...], ...]
    edited: bool
    reply_to: int | None
    media_group_id: str | None
    reactions: tuple[str, ...]
    raw: Json = field(repr=False, compare=False)

    @property
    def labels(self) -> list[str]:
        """The texts of all buttons."""
        return [button.text for row in self.buttons for button in row]

    @property
    def photo(self) -> Attachment | None:
        """The file, when it is a photo."""
        return self.file if self.file and self.file.kind == "photo" else None

    @property
    def document(self) -> Attachment | None:
        """The file, when it is a document."""
        return self.file if self.file and self.file.kind == "document" else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot said to a pressed button; mostly nothing, which only stops the progress bar."""

    text: str
    alert: bool
    url: str


def _attachment(raw: Json) -> Attachment | None:
    kind = next((name for name in ("photo", *_FILES) if name in raw), None)
    if kind is None:
        return None
    item = raw["photo"][-1] if kind == "photo" else raw[kind]
    return Attachment(
        kind=kind,
        file_id=item["file_id"],
        size=item["file_size"],
        name=item.get("file_name", ""),
        mime="image/jpeg" if kind == "photo" else item.get("mime_type", ""),
        width=item.get("width", 0),
        height=item.get("height", 0),
    )


def read_message(raw: Json) -> Message:
    """A message from what the sandbox says of it."""
    rows = raw.get("reply_markup", {}).get("inline_keyboard", [])
    return Message(
        id=raw["message_id"],
        chat_id=raw["chat"]["id"],
        from_bot=raw["from"]["is_bot"],
        text=raw.get("text") or raw.get("caption") or "",
        file=_attachment(raw),
        buttons=tuple(
            tuple(Button(item["text"], item.get("callback_data"), item.get("url")) for item in row) for row in rows
        ),
        edited=raw["shown"]["edited"],
        reply_to=raw.get("reply_to_message", {}).get("message_id"),
        media_group_id=raw.get("media_group_id"),
        reactions=tuple(item["emoji"] for item in raw["shown"]["reactions"]),
        raw=raw,
    )


@cache
def _tls() -> SSLContext:
    """Read once: all certificates of the world's authorities, which a sandbox over plain HTTP never needs."""
    return httpx.create_ssl_context(trust_env=False)


class SandboxClient:
    """The people's side of a running sandbox at ``url``; raises PersonError with the sandbox's own sentence."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=f"{url}/sandbox/api/", timeout=90.0, verify=_tls(), trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(self, verb: str, path: str, **options: Any) -> Json:
        """One request to the JSON API."""
        answer = await self._http.request(verb, path, **options)
        content: Json = answer.json()
        if answer.is_error:
            raise PersonError(content.get("error", answer.reason_phrase))
        return content

    async def file(self, file_id: str) -> bytes:
        """The bytes of a file in a chat."""
        answer = await self._http.get(f"files/{file_id}")
        if answer.is_error:
            raise PersonError(f"the file can't be opened: {answer.status_code} {answer.reason_phrase}")
        return answer.content

    async def state(self) -> Json:
        """The bot, all people and the number of the last event."""
        return await self.request("GET", "state")

    async def person(self, name: str, language: str = "en") -> "Person":
        """A new test person."""
        made = await self.request("POST", "people", json={"name": name, "language": language})
        return Person(self, made["id"], made["first_name"])

    async def push_update(self, kind: str, content: Json) -> int | None:
        """Give the bot an update of any kind, written by hand; its number, or None when it has not asked for it."""
        answer = await self.request("POST", "updates", json={"kind": kind, "content": content})
        number = answer["update_id"]
        return number if isinstance(number, int) else None

    async def advance_clock(self, seconds: float) -> None:
        """Move the sandbox's clock forward: links and buttons run out, messages become too old to delete."""
        await self.request("POST", "clock", json={"seconds": seconds})

    async def set_faults(self, rates: Mapping[str, Mapping[str, float]] | None = None, **numbers: float) -> None:
        """Have things go wrong from now on, or nothing any more without ``rates``; see ``bot.sandbox.faults.Faults``.

        ``await client.set_faults({"sendPhoto": {"drop_after": 0.1}, "*": {"flood": 0.01}}, seed=7, retry_after=2)``
        """
        await self.request("POST", "faults", json={"rates": rates or {}, **numbers})

    async def injected(self) -> dict[str, dict[str, int]]:
        """What went wrong on purpose so far: method, fault, how often."""
        counts: dict[str, dict[str, int]] = (await self.request("GET", "faults"))["injected"]
        return counts


class Person:
    """One test person and their private chat with the bot."""

    def __init__(self, client: SandboxClient, person_id: int, name: str) -> None:
        self.id = person_id
        self.name = name
        self._client = client
        self._mark = 0
        """Number of the last event before this person's last act."""

    async def _request(self, verb: str, path: str = "", **options: Any) -> Json:
        return await self._client.request(verb, f"people/{self.id}{path}", **options)

    async def _act(self, path: str, **options: Any) -> Json:
        self._mark = (await self._client.state())["seq"]
        return await self._request("POST", path, **options)

    async def send_text(self, text: str, reply_to: Message | None = None) -> Message:
        """Write; gives the message (the last one, when a long text became several)."""
        sent = await self._act("/text", json={"text": text, "reply_to": reply_to.id if reply_to else 0})
        return read_message(sent["messages"][-1])

    async def _send_files(self, kind: str, files: Sequence[tuple[str, bytes]], **fields: Any) -> list[Message]:
        parts = [("file", (name, data, "application/octet-stream")) for name, data in files]
        values = {name: str(value) for name, value in fields.items()}
        sent = await self._act("/files", data={"as": kind, **values}, files=parts)
        return [read_message(raw) for raw in sent["messages"]]

    async def send_photo(self, data: bytes, caption: str = "", *, unavailable: bool = False) -> Message:
        """A picture as a photo: encoded anew by Telegram; ``unavailable`` ones can't be fetched by the bot."""
        return (await self._send_files("photo", [("photo.jpg", data)], caption=caption, unavailable=unavailable))[0]

    async def send_document(
        self, data: bytes, name: str = "scan.png", caption: str = "", *, unavailable: bool = False
    ) -> Message:
        """A file, byte for byte."""
        return (await self._send_files("document", [(name, data)], caption=caption, unavailable=unavailable))[0]

    async def send_album(self, pictures: Sequence[bytes], caption: str = "") -> list[Message]:
        """Two to ten photos at once; the caption is on the first."""
        return await self._send_files("photo", [("photo.jpg", data) for data in pictures], caption=caption)

    async def send_documents(self, files: Sequence[tuple[str, bytes]], caption: str = "") -> list[Message]:
        """Two to ten files (name and bytes) at once."""
        return await self._send_files("document", files, caption=caption)

    async def send_sticker(self, picture: bytes = b"sticker", emoji: str = "🙂") -> Message:
        """A sticker."""
        return (await self._send_files("sticker", [("sticker.webp", picture)], emoji=emoji))[0]

    async def send_voice(self, data: bytes = b"OggS", seconds: int = 3) -> Message:
        """A voice message."""
        return (await self._send_files("voice", [("voice.oga", data)], seconds=seconds))[0]

    async def send_video(self, data: bytes = b"mp4", seconds: int = 3) -> Message:
        """A video."""
        return (await self._send_files("video", [("video.mp4", data)], seconds=seconds))[0]

    async def forward(self, message: Message) -> Message:
        """Send a message of any chat on to the bot."""
        source = {"from_person": message.chat_id, "message_id": message.id}
        return read_message((await self._act("/forward", json=source))["messages"][0])

    async def edit(self, message: Message, text: str) -> Message:
        """Change the words of a message of one's own."""
        return read_message((await self._act("/edit", json={"message_id": message.id, "text": text}))["messages"][0])

    async def react(self, message: Message, emoji: str = "👍") -> None:
        """Put an emoji under a message; an empty one takes it away."""
        await self._act("/react", json={"message_id": message.id, "emoji": emoji})

    async def block(self, *, blocked: bool = True) -> None:
        """Block the bot, or unblock it."""
        await self._act("/block", json={"blocked": blocked})

    async def press(self, message: Message, button: str, timeout: float = 60.0) -> Answer:  # noqa: ASYNC109 - sent on
        """Press the button with this label or callback data and wait for the bot's answer.

        Raises PersonError when there is no such button, TimeoutError when the bot does not answer in time.
        """
        data = await self.press_only(message, button, wait=timeout)
        if data is None:
            raise TimeoutError(f"the bot did not answer the button {button!r} within {timeout} s")
        return Answer(data["text"], data["show_alert"], data["url"])

    async def press_only(self, message: Message, button: str, wait: float = 0.0) -> Json | None:
        """Press without caring for the answer, or wait for it up to ``wait`` seconds."""
        every = [item for row in message.buttons for item in row if item.data is not None]
        found = [item for item in every if item.text == button] or [item for item in every if item.data == button]
        data = found[0].data if found else button
        pressed = await self._act("/press", json={"message_id": message.id, "data": data, "wait": wait})
        answer: Json | None = pressed["answer"]
        return answer

    async def messages(self) -> list[Message]:
        """The whole chat, oldest first."""
        return [read_message(raw) for raw in (await self._request("GET"))["messages"]]

    async def bot(self) -> Json:
        """The bot as this person sees it: name, descriptions, command menu."""
        about: Json = (await self._request("GET"))["bot"]
        return about

    async def download(self, message: Message) -> bytes:
        """The bytes of a message's file; for a photo the largest size."""
        if message.file is None:
            raise PersonError(f"message {message.id} has no file")
        return await self._client.file(message.file.file_id)

    async def wait_for(
        self,
        wanted: Callable[[Message], bool],
        timeout: float = 60.0,  # noqa: ASYNC109 - a test says how long it is ready to wait
        *,
        since: int | None = None,
    ) -> Message:
        """The first message of the bot, new or edited since this person's last act, that is ``wanted``.

        Nothing is slept: the sandbox tells when something happens. ``since`` is a number from ``mark``, for waiting
        on what came earlier; 0 is everything. Raises TimeoutError that shows what the bot has said instead.
        """

        def is_wanted(event: Json) -> bool:
            if event["type"] not in {"message", "edit"}:
                return False
            message = read_message(event["message"])
            return message.from_bot and wanted(message)

        return read_message((await self.wait_for_event(is_wanted, timeout, since=since))["message"])

    async def wait_for_event(
        self,
        wanted: Callable[[Json], bool],
        timeout: float = 60.0,  # noqa: ASYNC109 - as above
        *,
        since: int | None = None,
    ) -> Json:
        """The same for any event: ``message``, ``edit``, ``delete``, ``action``, ``draft``, ``read``, ``answer``..."""
        seq = self._mark if since is None else since
        seen: list[Json] = []
        try:
            async with asyncio.timeout(timeout):
                while True:
                    query = {"after": seq, "timeout": _POLL_S}
                    news = await self._request("GET", "/events", params=query)
                    seq = news["seq"]
                    seen += news["events"]
                    for event in news["events"]:
                        if wanted(event):
                            return event  # type: ignore[no-any-return]
        except TimeoutError:
            raise TimeoutError(f"not seen within {timeout} s; the chat had: {_summary(seen)}") from None

    async def mark(self) -> int:
        """The number of the last event so far, for ``since``."""
        seq: int = (await self._client.state())["seq"]
        return seq


def _summary(events: list[Json]) -> str:
    lines = []
    for event in events:
        message = read_message(event["message"]) if event["type"] in {"message", "edit"} else None
        what = f"{message.text[:80]!r} {message.file.kind if message.file else ''}" if message else ""
        lines.append(f"{event['type']} {what}".strip())
    return "; ".join(lines) or "nothing"
