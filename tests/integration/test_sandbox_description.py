"""Every answer of the sandbox against the public Bot API description: required fields there, no field unknown."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.sandbox import Person, Sandbox
from bot.sandbox.methods import METHODS

DESCRIPTION = json.loads((Path(__file__).parent.parent / "data" / "bot_api.json").read_text("utf-8"))
TYPES: dict[str, dict[str, str]] = DESCRIPTION["types"]
UNIONS: dict[str, list[str]] = DESCRIPTION["unions"]
KEYBOARD = {
    "inline_keyboard": [
        [{"text": "Yes", "callback_data": "yes", "style": "success"}, {"text": "Site", "url": "https://example.org"}]
    ]
}


def mistakes(value: Any, kind: str, where: str) -> list[str]:
    """What is wrong with ``value`` as a ``kind`` of the description; empty when nothing is."""
    if " or " in kind or kind in UNIONS:
        options = UNIONS.get(kind) or kind.split(" or ")
        every = [mistakes(value, option, where) for option in options]
        return min(every, key=len)
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return [f"{where}: not an array"]
        inner = kind.removeprefix("Array of ")
        return [wrong for i, item in enumerate(value) for wrong in mistakes(item, inner, f"{where}[{i}]")]
    if kind.startswith('"'):
        return [] if json.dumps(value, ensure_ascii=False) in kind.split("|") else [f"{where}: {value!r} is not {kind}"]
    simple = {
        "String": isinstance(value, str),
        "Number": isinstance(value, int | float) and not isinstance(value, bool),
        "Boolean": isinstance(value, bool),
        "True": value is True,
    }
    if kind in simple:
        return [] if simple[kind] else [f"{where}: {value!r} is not a {kind}"]
    if kind not in TYPES:
        return [f"{where}: of type {kind}, which the description leaves out"]
    return object_mistakes(value, kind, where)


def object_mistakes(value: Any, kind: str, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: not a {kind}"]
    fields = {name.rstrip("?"): inner for name, inner in TYPES[kind].items()}
    required = [name for name in TYPES[kind] if not name.endswith("?")]
    wrong = [f"{where}: {kind} without {name}" for name in required if name not in value]
    wrong += [f"{where}: {kind} has no field {name}" for name in value if name not in fields]
    for name, inner in value.items():
        if name in fields:
            wrong += mistakes(inner, fields[name], f"{where}.{name}")
    return wrong


def test_checker_notices_missing_unknown_and_wrong_fields() -> None:
    user = {"id": 1, "is_bot": False, "first_name": "Ann"}
    assert mistakes(user, "User", "user") == []
    assert mistakes({"id": 1, "is_bot": False}, "User", "user") == ["user: User without first_name"]
    assert mistakes({**user, "age": 3}, "User", "user") == ["user: User has no field age"]
    assert mistakes({**user, "id": "1"}, "User", "user") == ["user.id: '1' is not a Number"]
    assert mistakes([user, 3], "Array of User", "users") == ["users[1]: not a User"]
    assert mistakes({"type": "emoji", "emoji": "x"}, "ReactionType", "reaction")


def test_every_sandbox_method_belongs_to_the_bot_api() -> None:
    known = {name.lower() for name in DESCRIPTION["methods"]}
    assert set(METHODS) <= known


def picture(side: int = 700) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(out, "PNG")
    return out.getvalue()


@dataclass
class Talk:
    """A bot by hand: calls methods over HTTP and checks each answer against the description."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    person: Person
    called: set[str]

    async def __call__(self, method: str, files: dict[str, Any] | None = None, **values: Any) -> Any:
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        answer = await self.http.post(f"{self.sandbox.base_url}{self.sandbox.token}/{method}", data=fields, files=files)
        content = answer.json()
        assert content["ok"], f"{method}: {content}"
        self.called.add(method.lower())
        assert mistakes(content["result"], DESCRIPTION["methods"][method], method) == []
        return content["result"]


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with Sandbox.start() as sandbox, httpx.AsyncClient() as http:
        person = await sandbox.person("Ann")
        await person.send_text("/start")
        yield Talk(sandbox, http, person, set())


async def test_updates_of_every_kind_are_as_described(talk: Talk) -> None:
    ann = talk.person
    every = ["message", "edited_message", "callback_query", "my_chat_member", "message_reaction"]
    [first] = await talk("getUpdates", allowed_updates=every)
    menu = await talk("sendMessage", chat_id=ann.id, text="Agree?", reply_markup=KEYBOARD)
    mine = await ann.send_text("see https://example.org #scan /help")
    await ann.edit(mine, "other words")
    await ann.send_photo(picture(), caption="my /scan")
    await ann.send_document(picture(), "scan.png")
    await ann.send_album([picture(), picture()])
    await ann.send_sticker()
    await ann.send_voice()
    await ann.send_video()
    await ann.forward(mine)
    [shown] = [message for message in await ann.messages() if message.id == menu["message_id"]]
    await ann.send_text("an answer", reply_to=shown)
    await ann.press_only(shown, "Yes")
    await ann.react(shown)
    await ann.block()
    await ann.block(blocked=False)
    updates = await talk("getUpdates", offset=first["update_id"] + 1)
    kinds = [next(name for name in update if name != "update_id") for update in updates]
    assert set(kinds) == set(every)
    assert len(updates) == 15


async def test_every_method_answers_as_described(talk: Talk) -> None:
    me, chat = talk.sandbox.world.profile.bot_id, talk.person.id
    await talk("getMe")
    await talk("getUpdates")
    text = await talk(
        "sendMessage", chat_id=chat, text="<b>Hi</b> <a href='https://e.org'>you</a> <pre>x</pre>", parse_mode="HTML"
    )
    here = {"chat_id": chat, "message_id": text["message_id"]}
    await talk("editMessageText", **here, text="Hello", reply_markup=KEYBOARD)
    await talk("editMessageReplyMarkup", **here)
    await talk("sendChatAction", chat_id=chat, action="typing")
    await talk("sendMessageDraft", chat_id=chat, draft_id=1, text="Thinking")
    photo = await talk(
        "sendPhoto", {"photo": ("a.png", picture())}, chat_id=chat, caption="A <i>scan</i>", parse_mode="HTML"
    )
    sizes = [(size["width"], size["height"]) for size in photo["photo"]]
    assert sizes == [(90, 90), (320, 320), (700, 700)]
    file_id = photo["photo"][-1]["file_id"]
    again = await talk("sendPhoto", chat_id=chat, photo=file_id, reply_parameters={"message_id": text["message_id"]})
    assert again["photo"] == photo["photo"]
    await talk("editMessageCaption", chat_id=chat, message_id=photo["message_id"], caption="Other")
    media = {"type": "photo", "media": "attach://new", "caption": "New"}
    await talk(
        "editMessageMedia", {"new": ("b.png", picture(300))}, chat_id=chat, message_id=photo["message_id"], media=media
    )
    document = await talk("sendDocument", {"document": ("report.pdf", b"%PDF-1.7", "application/pdf")}, chat_id=chat)
    assert document["document"]["file_name"] == "report.pdf"
    await talk("sendDocument", {"document": ("scan.png", picture())}, chat_id=chat, protect_content=True)
    album = [{"type": "photo", "media": "attach://one"}, {"type": "photo", "media": file_id}]
    await talk("sendMediaGroup", {"one": ("c.png", picture())}, chat_id=chat, media=album)
    for kind in ("sticker", "voice", "video"):
        await talk(f"send{kind.capitalize()}", {kind: ("file", b"bytes")}, chat_id=chat)
    await talk("sendLocation", chat_id=chat, latitude=1.5, longitude=2)
    await talk("sendContact", chat_id=chat, phone_number="1", first_name="A")
    await talk("sendDice", chat_id=chat)
    await talk("getFile", file_id=file_id)
    await talk("forwardMessage", chat_id=chat, from_chat_id=chat, message_id=text["message_id"])
    await talk("copyMessage", chat_id=chat, from_chat_id=chat, message_id=photo["message_id"], caption="C")
    await talk("forwardMessages", chat_id=chat, from_chat_id=chat, message_ids=[1, text["message_id"]])
    await talk("copyMessages", chat_id=chat, from_chat_id=chat, message_ids=[text["message_id"]])
    await talk("setMessageReaction", **here, reaction=[{"type": "emoji", "emoji": "👍"}])
    await talk("pinChatMessage", **here)
    await talk("getChat", chat_id=chat)
    await talk("unpinChatMessage", chat_id=chat)
    await talk("unpinAllChatMessages", chat_id=chat)
    for user in (me, chat):
        await talk("getChatMember", chat_id=chat, user_id=user)
    await talk("getChatMemberCount", chat_id=chat)
    await talk("getUserProfilePhotos", user_id=chat)
    await button(talk)
    await profile(talk)
    await talk("deleteMessage", **here)
    await talk("deleteMessages", chat_id=chat, message_ids=[photo["message_id"], 99])
    await talk("logOut")
    await talk("close")
    assert set(METHODS) - talk.called == set()


async def profile(talk: Talk) -> None:
    """What the bot says about itself, and where its updates go."""
    commands = [{"command": "help", "description": "What I can do"}]
    await talk("setMyCommands", commands=commands, scope={"type": "all_private_chats"}, language_code="de")
    assert await talk("getMyCommands", scope={"type": "all_private_chats"}, language_code="de") == commands
    await talk("deleteMyCommands")
    await talk("setMyName", name="Scanner")
    await talk("setMyDescription", description="Words")
    await talk("setMyShortDescription", short_description="Words")
    for name in ("Name", "Description", "ShortDescription"):
        await talk(f"getMy{name}")
    await talk("setChatMenuButton", menu_button={"type": "commands"})
    await talk("getChatMenuButton", chat_id=talk.person.id)
    await talk("setWebhook", url="http://127.0.0.1:9/hook", allowed_updates=["message"])
    await talk("getWebhookInfo")
    await talk("deleteWebhook")


async def button(talk: Talk) -> None:
    """A pressed button, answered."""
    sent = await talk("sendMessage", chat_id=talk.person.id, text="ButtonPress", reply_markup=KEYBOARD)
    [shown] = [message for message in await talk.person.messages() if message.id == sent["message_id"]]
    await talk.person.press_only(shown, "yes")
    [query] = [
        update["callback_query"]
        for update in await talk("getUpdates", allowed_updates=[])
        if "callback_query" in update
    ]
    await talk("answerCallbackQuery", callback_query_id=query["id"], text="Thank you", show_alert=True)
