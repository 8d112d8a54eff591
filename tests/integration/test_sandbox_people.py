"""Test people: what they send, what they see, and that nobody but them drives the page."""

import io
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image
from tornado.websocket import websocket_connect

from bot.sandbox import Person, PersonError, Rules, Sandbox

EXIF_ORIENTATION = 0x0112


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.start() as running:
        yield running


@pytest.fixture
async def ann(sandbox: Sandbox) -> Person:
    return await sandbox.person("Ann")


def picture(width: int, height: int, mode: str = "RGB") -> bytes:
    """A picture whose EXIF says that it lies on its side."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(out, "PNG", exif=exif)
    return out.getvalue()


async def test_photo_becomes_jpeg_within_1280_pixels_without_metadata(ann: Person) -> None:
    sent = await ann.send_photo(picture(3000, 1500), caption="  my scan ")
    assert sent.text == "my scan"
    assert sent.photo
    assert (sent.photo.width, sent.photo.height) == (640, 1280)
    with Image.open(io.BytesIO(await ann.download(sent))) as seen:
        assert (seen.format, seen.size, dict(seen.getexif())) == ("JPEG", (640, 1280), {})
    widths = [max(size["width"], size["height"]) for size in sent.raw["photo"]]
    assert widths == [90, 320, 800, 1280]


async def test_a_transparent_picture_gets_a_white_ground(ann: Person) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(out, "PNG")
    sent = await ann.send_photo(out.getvalue())
    with Image.open(io.BytesIO(await ann.download(sent))) as seen:
        assert seen.getpixel((100, 100)) == (255, 255, 255)


async def test_a_document_stays_as_it_is(ann: Person) -> None:
    data = picture(100, 50)
    sent = await ann.send_document(data, "Gehirn ü.png", caption="Ü")
    assert sent.document
    assert (sent.document.name, sent.document.mime, sent.document.size) == ("Gehirn ü.png", "image/png", len(data))
    assert "thumbnail" in sent.raw["document"]
    assert await ann.download(sent) == data


async def test_albums_share_a_group_and_caption_the_first(ann: Person) -> None:
    album = await ann.send_album([picture(90, 90)] * 3, caption="three")
    assert len({message.media_group_id for message in album}) == 1
    assert [message.text for message in album] == ["three", "", ""]
    files = await ann.send_documents([("a.dcm", b"1"), ("b.dcm", b"2")])
    assert [message.document.name for message in files if message.document] == ["a.dcm", "b.dcm"]
    assert files[0].media_group_id != album[0].media_group_id


async def test_people_have_own_chats_with_ids_from_one(sandbox: Sandbox, ann: Person) -> None:
    bob = await sandbox.person("Bob")
    assert (await ann.send_text("mine")).id == 1
    assert (await bob.send_text("his")).id == 1
    assert [message.text for message in await ann.messages()] == ["mine"]
    forwarded = await bob.forward((await ann.messages())[0])
    assert forwarded.raw["forward_origin"]["sender_user"]["first_name"] == "Ann"


async def test_a_long_text_becomes_several_messages(ann: Person) -> None:
    last = await ann.send_text("x" * 5000)
    assert (last.id, len(last.text)) == (2, 5000 - 4096)


async def test_mistakes_of_a_test_are_explained(ann: Person) -> None:
    for attempt, reason in (
        (ann.send_text(" "), "an empty text can't be sent"),
        (ann.send_photo(b"words"), "this file can't be sent as a photo; send it as a file"),
        (ann.send_document(b"", "empty.txt"), "Telegram does not send empty files"),
        (ann.send_album([picture(9, 9)] * 11), "an album holds 2 to 10 files"),
    ):
        with pytest.raises(PersonError) as error:
            await attempt
        assert str(error.value) == reason
    own = await ann.send_text("mine")
    with pytest.raises(PersonError, match="has no button with this data"):
        await ann.press(own, "yes")


async def test_senseless_requests_are_refused_with_a_sentence(sandbox: Sandbox, ann: Person) -> None:
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox/api/") as http:
        for answer in (
            await http.get("people/99"),
            await http.post("people", json={}),
            await http.post("people", content=b"{"),
            await http.post("people", json=[]),
            await http.get(f"people/{ann.id}/events?after=x"),
            await http.post(f"people/{ann.id}/press", json={"message_id": "x", "data": 1}),
            await http.post(f"people/{ann.id}/files", data={"as": "photo"}),
            await http.post(f"people/{ann.id}/files", data={"as": "tea"}, files={"file": b"x"}),
            await http.post("updates", json={"kind": "message"}),
            await http.post("clock", json={"seconds": -1}),
        ):
            assert answer.status_code == 400
            assert answer.json()["error"]


async def test_waiting_says_what_came_instead(ann: Person) -> None:
    await ann.send_text("anybody?")
    with pytest.raises(TimeoutError, match=r"not seen within 2\.0 s; the chat had: message 'anybody\?'"):
        await ann.wait_for(lambda _message: True, timeout=2.0)


async def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    rules = Rules(stored_messages=3, stored_bytes=2500, people=1)
    async with Sandbox.start(rules=rules) as sandbox:
        ann = await sandbox.person("Ann")
        sent = [await ann.send_document(bytes(1000), f"{n}.bin") for n in range(4)]
        assert [message.id for message in await ann.messages()] == [2, 3, 4]
        with pytest.raises(PersonError, match="can't be opened: 404"):
            await ann.download(sent[0])
        assert await ann.download(sent[3]) == bytes(1000)
        with pytest.raises(PersonError, match="at most 1 people"):
            await sandbox.person("Bob")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_other_sites_can_neither_read_nor_drive_sandbox(
    sandbox: Sandbox, ann: Person, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers) as site:
        answers = [
            await site.get("/sandbox/"),
            await site.get("/sandbox/api/state"),
            await site.post(f"/sandbox/api/people/{ann.id}/text", json={"text": "/delete"}),
            await site.get(f"/bot{sandbox.token}/getMe"),
        ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert await ann.messages() == []


async def test_the_page_itself_may(sandbox: Sandbox) -> None:
    own = {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=own) as page:
        home = await page.get("/", follow_redirects=True)
        assert home.url.path == "/sandbox/"
        policy = home.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (await page.post("/sandbox/api/people", json={"name": "Eve"})).status_code == 201
        for path in ("app.js", "style.css", "icon.svg"):
            assert (await page.get(f"/sandbox/{path}")).status_code == 200
        for path in ("../sandbox.py", "..%2fsandbox.py", "nothing.js"):
            assert (await page.get(f"/sandbox/{path}")).status_code == 404


async def test_the_live_events_are_for_the_page_alone(sandbox: Sandbox, ann: Person) -> None:
    address = sandbox.url.replace("http", "ws") + "/sandbox/api/live?after=0"
    live = await websocket_connect(address)
    await ann.send_text("hello")
    first = await live.read_message()
    assert first is not None
    assert "Ann" in str(first)
    live.close()


async def test_hostile_documents_do_not_open_in_the_page(sandbox: Sandbox, ann: Person) -> None:
    page = await ann.send_document(b"<script>alert(1)</script>", "scan.html")
    report = await ann.send_document(b"%PDF-1.7", "report.pdf")
    assert page.file
    assert report.file
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox/api/files/") as http:
        hostile = (await http.get(page.file.file_id)).headers
        kind = (await http.get(report.file.file_id)).headers
    assert hostile["Content-Type"] == "application/octet-stream"
    assert hostile["Content-Disposition"].startswith("attachment")
    assert "sandbox" in hostile["Content-Security-Policy"]
    assert (kind["Content-Type"], kind["Content-Disposition"][:6]) == ("application/pdf", "inline")
