"""The Bot API as a program sees it: addresses, ways to send, limits, refusals in Telegram's words."""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.sandbox import Message, Person, Rules, Sandbox
from bot.sandbox.methods import METHODS

MEGABYTE = 1024 * 1024


class Api:
    """Calls of a bot, by hand."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http

    async def raw(self, method: str, files: dict[str, Any] | None = None, **values: Any) -> httpx.Response:
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        url = f"{self.sandbox.base_url}{self.sandbox.token}/{method}"
        return await self.http.post(url, data=fields, files=files)

    async def __call__(self, method: str, files: dict[str, Any] | None = None, **values: Any) -> Any:
        return (await self.raw(method, files, **values)).json()["result"]

    async def refused(self, method: str, files: dict[str, Any] | None = None, **values: Any) -> str:
        answer = await self.raw(method, files, **values)
        content = answer.json()
        assert not content["ok"]
        assert answer.status_code == content["error_code"]
        return f"{content['error_code']} {content['description']}"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.start() as running:
        yield running


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield Api(sandbox, http)


@pytest.fixture
async def ann(sandbox: Sandbox) -> Person:
    person = await sandbox.person("Ann")
    await person.send_text("/start")
    return person


def picture(width: int = 400, height: int = 300, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, kind)
    return out.getvalue()


async def shown(person: Person, sent: dict[str, Any]) -> Message:
    return next(message for message in await person.messages() if message.id == sent["message_id"])


async def test_wrong_tokens_and_unknown_methods_are_told_apart(api: Api) -> None:
    root = api.sandbox.url
    for path, expected in (
        ("/bot123:ABC/getMe", (401, "Unauthorized")),
        ("/botnonsense/getMe", (404, "Not Found")),
        (f"/bot{api.sandbox.token}/getTea", (404, "Not Found: method not found")),
    ):
        answer = await api.http.get(root + path)
        assert (answer.status_code, answer.json()["description"]) == expected


async def test_parameters_may_come_in_any_of_the_four_ways(api: Api, ann: Person) -> None:
    url = f"{api.sandbox.base_url}{api.sandbox.token}/SENDmessage"
    values = {"chat_id": str(ann.id), "text": "hello"}
    answers = [
        await api.http.get(url, params=values),
        await api.http.post(url, data=values),
        await api.http.post(url, json=values),
        await api.http.post(url, data=values, files={"unused": b"x"}),
    ]
    assert [answer.json()["result"]["text"] for answer in answers] == ["hello"] * 4


NONSENSE: list[Any] = [
    None, "", 0, -1, 10**30, 1.5, "NaN", "x", "<b>", [], {}, [1], ["a"], [{}], {"a": 1}, True, "attach://file",
    {"inline_keyboard": [[{}]]}, {"inline_keyboard": 1}, {"keyboard": [["a"]]}, {"type": "chat"}, {"message_id": "x"},
]  # fmt: skip


async def test_no_call_of_a_bot_breaks_the_server(api: Api, ann: Person) -> None:
    chance = random.Random(7)  # noqa: S311 - the same nonsense in every run
    names = (
        "message_id message_ids text caption parse_mode reply_markup reply_parameters entities photo document media "
        "offset limit allowed_updates url file_id commands scope reaction menu_button from_chat_id user_id action "
        "callback_query_id"
    )
    for method in sorted(METHODS) * 12:
        values = {name: chance.choice(NONSENSE) for name in chance.sample(names.split(), 4)}
        values["chat_id"] = chance.choice([ann.id, ann.id, *NONSENSE])
        answer = await api.raw(method, {"file": ("a.bin", b"abc")}, **values)
        assert answer.status_code < 500, (method, values)
        assert isinstance(answer.json()["ok"], bool)


async def test_texts_and_captions_have_telegrams_limits(api: Api, ann: Person) -> None:
    long = "x" * 4096
    assert (await api("sendMessage", chat_id=ann.id, text=f"<b>{long}</b>", parse_mode="HTML"))["text"] == long
    assert await api.refused("sendMessage", chat_id=ann.id, text=long + "x") == "400 Bad Request: message is too long"
    assert await api.refused("sendMessage", chat_id=ann.id, text=" ") == "400 Bad Request: message text is empty"
    photo = {"photo": ("a.png", picture())}
    await api("sendPhoto", photo, chat_id=ann.id, caption="x" * 1024)
    refusal = await api.refused("sendPhoto", photo, chat_id=ann.id, caption="x" * 1025)
    assert refusal == "400 Bad Request: message caption is too long"


async def test_buttons_have_telegrams_limits(api: Api, ann: Person) -> None:
    async def attempt(**button: Any) -> str:
        return await api.refused("sendMessage", chat_id=ann.id, text="x", reply_markup={"inline_keyboard": [[button]]})

    fits = {"inline_keyboard": [[{"text": "x", "callback_data": "é" * 32}]]}
    await api("sendMessage", chat_id=ann.id, text="x", reply_markup=fits)
    assert await attempt(text="x", callback_data="é" * 33) == "400 Bad Request: BUTTON_DATA_INVALID"
    assert (await attempt(text="x")).endswith("Text buttons are unallowed in the inline keyboard")
    assert (await attempt(callback_data="x")).endswith('Can\'t find field "text"')
    refusal = await api.refused("sendMessage", chat_id=ann.id, text="x", reply_markup="{")
    assert refusal == "400 Bad Request: can't parse reply keyboard markup JSON object"


async def test_bot_cannot_write_to_strangers_or_blockers(api: Api, ann: Person) -> None:
    assert await api.refused("sendMessage", chat_id=1, text="x") == "400 Bad Request: chat not found"
    bob = await api.sandbox.person("Bob")
    refusal = await api.refused("sendMessage", chat_id=bob.id, text="x")
    assert refusal == "403 Forbidden: bot can't initiate conversation with a user"
    await ann.block()
    refusal = await api.refused("sendMessage", chat_id=ann.id, text="x")
    assert refusal == "403 Forbidden: bot was blocked by the user"
    await ann.block(blocked=False)
    await api("sendMessage", chat_id=ann.id, text="x")


async def test_edits_without_change_or_target_are_refused(api: Api, ann: Person) -> None:
    sent = await api("sendMessage", chat_id=ann.id, text="one")
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    assert (await api.refused("editMessageText", **here, text="one")).startswith(
        "400 Bad Request: message is not modified"
    )
    assert (await api("editMessageText", **here, text="two"))["edit_date"] >= sent["date"]
    refusal = await api.refused("editMessageText", chat_id=ann.id, message_id=999, text="x")
    assert refusal == "400 Bad Request: message to edit not found"
    assert (
        await api.refused("editMessageText", chat_id=ann.id, message_id=1, text="x")
        == "400 Bad Request: message can't be edited"
    )
    refusal = await api.refused("editMessageCaption", **here, caption="x")
    assert refusal == "400 Bad Request: there is no caption in the message to edit"


async def test_messages_can_be_deleted_for_48_hours(api: Api, ann: Person) -> None:
    old = await api("sendMessage", chat_id=ann.id, text="old")
    await api.sandbox.client.advance_clock(48 * 3600 + 1)
    new = await api("sendMessage", chat_id=ann.id, text="new")
    refusal = await api.refused("deleteMessage", chat_id=ann.id, message_id=old["message_id"])
    assert refusal == "400 Bad Request: message can't be deleted for everyone"
    assert await api("deleteMessage", chat_id=ann.id, message_id=new["message_id"]) is True
    refusal = await api.refused("deleteMessage", chat_id=ann.id, message_id=new["message_id"])
    assert refusal == "400 Bad Request: message to delete not found"


async def test_a_button_is_answered_once_and_in_time(api: Api, ann: Person) -> None:
    markup = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
    menu = await shown(ann, await api("sendMessage", chat_id=ann.id, text="?", reply_markup=markup))
    too_old = "400 Bad Request: query is too old and response timeout expired or query ID is invalid"
    pressed = asyncio.create_task(ann.press(menu, "Yes"))
    offset = 0
    while True:
        updates = await api("getUpdates", offset=offset, timeout=5)
        offset = updates[-1]["update_id"] + 1
        if "callback_query" in updates[-1]:
            break
    query = updates[-1]["callback_query"]
    refusal = await api.refused("answerCallbackQuery", callback_query_id=query["id"], text="x" * 201)
    assert refusal == "400 Bad Request: MESSAGE_TOO_LONG"
    await api("answerCallbackQuery", callback_query_id=query["id"], text="Thanks", show_alert=True)
    assert ((await pressed).text, (await pressed).alert) == ("Thanks", True)
    assert await api.refused("answerCallbackQuery", callback_query_id=query["id"]) == too_old
    await ann.press_only(menu, "Yes")
    [late] = await api("getUpdates", offset=offset, timeout=5)
    await api.sandbox.client.advance_clock(16)
    assert await api.refused("answerCallbackQuery", callback_query_id=late["callback_query"]["id"]) == too_old


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"not a picture", "IMAGE_PROCESS_FAILED"),
        (b"", "file must be non-empty"),
        (picture(9000, 1100), "PHOTO_INVALID_DIMENSIONS"),
        (picture(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (picture() + bytes(10 * MEGABYTE), "too big for a photo"),
    ],
    ids=["text", "empty", "sides", "ratio", "11 MB"],
)
async def test_photos_that_telegram_would_not_take_are_refused(
    api: Api, ann: Person, data: bytes, refusal: str
) -> None:
    answer = await api.refused("sendPhoto", {"photo": ("a.png", data)}, chat_id=ann.id)
    assert answer.startswith("400 Bad Request: ")
    assert refusal in answer


async def test_file_id_is_resent_only_as_its_kind(api: Api, ann: Person) -> None:
    sent = await api("sendDocument", {"document": ("a.pdf", b"%PDF-1.7")}, chat_id=ann.id)
    file_id = sent["document"]["file_id"]
    again = await api("sendDocument", chat_id=ann.id, document=file_id)
    assert again["document"] == sent["document"]
    refusal = await api.refused("sendPhoto", chat_id=ann.id, photo=file_id)
    assert refusal == "400 Bad Request: can't use file of type Document as Photo"
    refusal = await api.refused("sendDocument", chat_id=ann.id, document="nonsense")
    assert refusal == "400 Bad Request: wrong file identifier/HTTP URL specified"
    assert await api.refused("sendPhoto", chat_id=ann.id) == "400 Bad Request: there is no photo in the request"


async def test_albums_hold_two_to_ten_and_keep_documents_apart(api: Api, ann: Person) -> None:
    photo, document = {"type": "photo", "media": "attach://p"}, {"type": "document", "media": "attach://d"}
    files = {"p": ("p.png", picture()), "d": ("d.txt", b"words")}
    for media, refusal in (
        ([photo], "too few messages to send as an album"),
        ([photo] * 11, "too many messages to send as an album"),
        ([photo, document], "document can't be mixed with other media types"),
        ([photo, {"type": "photo", "media": "attach://q"}], "wrong file identifier/HTTP URL specified"),
        ([photo, {"type": "tea", "media": "attach://p"}], 'can\'t parse InputMedia: type "tea" is unsupported'),
    ):
        assert await api.refused("sendMediaGroup", files, chat_id=ann.id, media=media) == f"400 Bad Request: {refusal}"
    album = await api("sendMediaGroup", files, chat_id=ann.id, media=[document, {**document, "caption": "two"}])
    assert len({message["media_group_id"] for message in album}) == 1
    assert [message.get("caption") for message in album] == [None, "two"]


async def test_file_links_expire_and_large_files_have_none(api: Api, ann: Person) -> None:
    small = await ann.send_document(b"exact bytes", "scan.dcm")
    large = await ann.send_document(bytes(25 * MEGABYTE), "large.dcm")
    gone = await ann.send_photo(picture(), unavailable=True)
    assert small.file
    assert large.file
    assert gone.file
    file = await api("getFile", file_id=small.file.file_id)
    address = f"{api.sandbox.base_file_url}{api.sandbox.token}/{file['file_path']}"
    assert (await api.http.get(address)).content == b"exact bytes"
    assert (await api.http.get(address.replace(api.sandbox.token, "1:x"))).status_code == 401
    await api.sandbox.client.advance_clock(3601)
    assert (await api.http.get(address)).status_code == 404
    assert large.file.size == 25 * MEGABYTE
    assert await api.refused("getFile", file_id=large.file.file_id) == "400 Bad Request: file is too big"
    expired = "400 Bad Request: wrong file_id or the file is temporarily unavailable"
    assert await api.refused("getFile", file_id=gone.file.file_id) == expired
    assert await api.refused("getFile", file_id="nonsense") == expired


async def test_commands_and_descriptions_have_telegrams_limits(api: Api) -> None:
    async def refused(command: str, description: str) -> str:
        return await api.refused("setMyCommands", commands=[{"command": command, "description": description}])

    assert await refused("Not a command", "x") == "400 Bad Request: BOT_COMMAND_INVALID"
    assert await refused("x" * 33, "x") == "400 Bad Request: BOT_COMMAND_INVALID"
    assert await refused("help", "x" * 257) == "400 Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"
    many = [{"command": f"c{i}", "description": "x"} for i in range(101)]
    assert await api.refused("setMyCommands", commands=many) == "400 Bad Request: BOT_COMMANDS_TOO_MUCH"
    assert (await api.refused("setMyDescription", description="x" * 513)).startswith("400")
    assert (await api.refused("setMyShortDescription", short_description="x" * 121)).startswith("400")


async def test_the_narrowest_command_menu_wins(api: Api, ann: Person) -> None:
    async def menu(word: str, **where: Any) -> None:
        await api("setMyCommands", commands=[{"command": word, "description": word}], **where)

    async def seen(person: Person) -> str:
        return str((await person.bot())["commands"][0]["command"])

    ada = await api.sandbox.person("Ada", language="de")
    await menu("default")
    assert await seen(ann) == "default"
    await menu("private", scope={"type": "all_private_chats"})
    await menu("deutsch", scope={"type": "all_private_chats"}, language_code="de")
    assert (await seen(ann), await seen(ada)) == ("private", "deutsch")
    await menu("mine", scope={"type": "chat", "chat_id": ann.id})
    assert (await seen(ann), await seen(ada)) == ("mine", "deutsch")


async def test_flood_limit_names_pause_for_that_chat_alone() -> None:
    async with Sandbox.start(rules=Rules(flood_limit=True, flood_burst=3)) as sandbox, httpx.AsyncClient() as http:
        api = Api(sandbox, http)
        ann, bob = await sandbox.person("Ann"), await sandbox.person("Bob")
        for person in (ann, bob):
            await person.send_text("/start")
        for _ in range(3):
            await api("sendMessage", chat_id=ann.id, text="x")
        answer = await api.raw("sendMessage", chat_id=ann.id, text="x")
        pause = answer.json()["parameters"]["retry_after"]
        assert answer.status_code == 429
        assert answer.json()["description"] == f"Too Many Requests: retry after {pause}"
        await api("sendMessage", chat_id=bob.id, text="x")
        await sandbox.client.advance_clock(pause)
        await api("sendMessage", chat_id=ann.id, text="x")
