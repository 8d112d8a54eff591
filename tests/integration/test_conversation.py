"""The whole conversation of a new person, as they would have it, and of a second one who must see none of it."""

import io
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

import bot.sandbox.samples
from bot.chat import menu
from bot.sandbox import Message, Person, Sandbox
from tests.integration.conftest import RunningBot

SAMPLES = Path(bot.sandbox.samples.__file__).parent
TOLD_TO_READ = 90.0
"""Seconds that a scan may take on a machine that is busy with other tests."""


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def has_photo(message: Message) -> bool:
    return message.photo is not None


def has_pdf(message: Message) -> bool:
    return message.document is not None and message.document.mime == "application/pdf"


def pdf_text(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


async def says(person: Person, text: str, expected: str) -> Message:
    """Write, and wait for an answer that holds ``expected``."""
    await person.send_text(text)
    return await person.wait_for(lambda message: expected in message.text)


async def reads(person: Person) -> tuple[Message, Message]:
    """The picture beside its heat map, and the PDF after it."""
    picture = await person.wait_for(has_photo, TOLD_TO_READ)
    return picture, await person.wait_for(has_pdf, TOLD_TO_READ)


async def test_new_persons_whole_conversation_stays_hidden_from_others(
    sandbox: Sandbox, bot: RunningBot, anna: Person
) -> None:
    # Start and consent.
    await says(anna, "/start", "Hello Anna!")
    question = await anna.wait_for(lambda message: "agree" in [b.data for row in message.buttons for b in row])
    await anna.press(question, "agree")
    await anna.wait_for(lambda message: message.id == question.id and message.edited)

    # A photo: phases, picture beside heat map, PDF.
    await anna.send_photo(sample("brain-drawn-lesion.jpg"), "Anna Müller")
    await anna.wait_for(lambda message: "I have your picture" in message.text)
    picture, report = await reads(anna)
    assert "Anna Müller" in picture.text
    assert "Not a diagnosis" in picture.text
    with Image.open(io.BytesIO(await anna.download(picture))) as shown:
        assert shown.height > 1.5 * shown.width  # two pictures, one above the other
    assert [*picture.labels, *report.labels].count("What now?") == picture.labels.count("What now?") == 1
    text = pdf_text(await anna.download(report))
    assert "Anna Müller" in text
    assert "not a diagnosis" in text.lower()

    # A document, byte for byte.
    await anna.send_document(sample("brain-t1.dcm"), "slice.dcm")
    _, second = await reads(anna)
    assert "scan 2" in second.text

    # An album with one picture that can't be read.
    await anna.send_album(
        [sample("smear-drawn.jpg"), sample("cat-drawn.jpg"), sample("smear-drawn-blasts.jpg")], "Album"
    )
    await anna.wait_for(lambda message: "I can only read a brain MRI" in message.text, TOLD_TO_READ)
    await anna.wait_for(lambda message: has_pdf(message) and "scan 4" in message.text, TOLD_TO_READ)

    # History, newest first; a scan opens again with its picture.
    history = await says(anna, "/history", "Your scans (4)")
    assert history.labels[:4] == ["Scan 4: Album", "Scan 3: Album", "Scan 2", "Scan 1: Anna Müller"]
    await anna.press(history, "Scan 1: Anna Müller")
    opened = await anna.wait_for(has_photo)
    assert "Anna Müller" in opened.text

    # What now: a button under every result, before the PDF.
    assert opened.labels.index("What now?") < opened.labels.index("PDF again")
    await anna.press(opened, "What now?")
    advice = await anna.wait_for(lambda message: message.text.startswith("What now?"))
    assert "What to bring" in advice.text

    # Reports: the last, by number, by id, and one that isn't there.
    await anna.send_text("/report")
    assert "scan 4" in (await anna.wait_for(has_pdf)).text
    await anna.send_text("/report 1")
    assert await anna.download(await anna.wait_for(has_pdf)) == await anna.download(report)
    public_id = report.document.name.removeprefix("TumorScan-").removesuffix(".pdf") if report.document else ""
    await anna.send_text(f"/report {public_id.lower()}")
    assert "scan 1" in (await anna.wait_for(has_pdf)).text
    await says(anna, "/report 99", "can't find that scan")

    # Knowledge: menus, free text, and an honest "I don't know that".
    topics = await says(anna, "/info", "Tumours explained")
    await anna.press(topics, next(label for label in topics.labels if "lioma" in label))
    await anna.wait_for(lambda message: message.text.startswith("Glioma"))
    await says(anna, "/faq is my photo kept?", "Is my photo kept?\n")
    await says(anna, "what is a meningioma", "mening")
    await says(anna, "who won the football world cup", "I don't know that")

    # A second person sees none of it.
    boris = await sandbox.person("Boris")
    for command in ("/history", "/report", "/report 1", f"/report {public_id}"):
        await boris.send_text(command)
        answer = await boris.wait_for(lambda message: bool(message.text))
        assert answer.file is None
        assert "Anna Müller" not in answer.text
    forwarded = await boris.forward(opened)
    await boris.wait_for(lambda message: bool(message.text))
    assert forwarded.chat_id == boris.id
    assert not any(message.file for message in await boris.messages() if message.from_bot)

    # Delete everything.
    ask = await says(anna, "/delete", "You can't undo this")
    await anna.press(ask, "Yes, delete all of it")
    await anna.wait_for(lambda message: "I have deleted" in message.text)
    assert "no scans yet" in (await says(anna, "/history", "scans")).text
    known = await bot.services.database.people.get(anna.id)
    assert known is None or not known.has_consented


@pytest.mark.introduced
async def test_menu_help_and_description_come_from_one_list(bot: RunningBot, anna: Person) -> None:
    helped = await says(anna, "/help", "/start")
    profile = await anna.bot()
    assert [command["command"] for command in profile["commands"]] == list(menu.COMMANDS)
    assert all(f"/{name} - " in helped.text for name in menu.COMMANDS)
    assert "I never make a diagnosis" in str(profile)


@pytest.mark.parametrize("kind", ["brain", "blood"])
async def test_real_pictures_are_answered_with_picture_and_pdf(agreed: Person, shared_data: Path, kind: str) -> None:
    pictures = sorted((shared_data / kind / "images").iterdir())[:400:100]
    answered = 0
    for file in pictures:
        await agreed.send_document(file.read_bytes(), file.name)
        answer = await agreed.wait_for(lambda m: has_pdf(m) or "Please send" in m.text, TOLD_TO_READ)
        answered += has_pdf(answer)
    assert answered >= len(pictures) - 1


async def test_cry_without_a_rule_is_answered_in_its_language(bot: RunningBot, anna: Person) -> None:
    await anna.send_text("mein Mann liegt auf dem Boden und zuckt")
    first = await anna.wait_for(lambda message: bool(message.text))
    assert "Wählen Sie jetzt den Notruf" in first.text


async def test_suicidal_message_gets_emergency_help_and_nothing_else(bot: RunningBot, anna: Person) -> None:
    await anna.send_text("what is a glioma, I want to die")
    first = await anna.wait_for(lambda message: bool(message.text))
    assert "112" in first.text
    await says(anna, "/help", "What I can do")
    assert len([message for message in await anna.messages() if message.from_bot]) == 2
