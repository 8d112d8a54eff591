"""A whole conversation in another language: everything that is said comes from its folder."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from telegram import Update

from bot.app import open_services, running
from bot.knowledge.loader import DEFAULT_LANGUAGE, LANGUAGES, read
from bot.sandbox import Message, Person, Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from storage.errors import StorageDownError
from tests import pictures
from tests.integration.chatting import answer_to, press_without_a_button
from tests.integration.conftest import RunningBot
from tests.integration.test_conversation import TOLD_TO_READ, has_pdf, has_photo, pdf_text

MARK = "°"
"""Stands in every text of the made-up language, so that one from elsewhere is seen."""
MADE_UP = "xx"
LOCALE = "es"
"""The made-up language writes dates as Spanish does."""
NO_TEXTS = {"locale", "slug", "key", "topic", "url", "subjects", "does"}
NOT_SPOKEN = {"words.toml", "sources.toml"}


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def marked(value: Any, key: str = "") -> Any:
    """The same with a mark behind every paragraph."""
    if key in NO_TEXTS:
        return value
    if isinstance(value, dict):
        return {name: marked(item, name) for name, item in value.items()}
    if isinstance(value, list):  # of words to search by, or of parts
        return [marked(item) if isinstance(item, dict) else item for item in value]
    return re.sub(r"(?=\n\n)|$", MARK, value.strip()) if isinstance(value, str) else value


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The languages that ship, and a copy of English under a made-up code."""
    parent = tmp_path / "languages"
    shutil.copytree(LANGUAGES, parent)
    shutil.copytree(LANGUAGES / DEFAULT_LANGUAGE, parent / MADE_UP)
    for path in (parent / MADE_UP).rglob("*.toml"):
        if str(path.relative_to(parent / MADE_UP)) not in NOT_SPOKEN:
            table = marked(read(path, path.name))
            if "language" in table:
                table["language"]["locale"] = LOCALE
            path.write_text("\n".join(f"{json.dumps(name)} = {toml(item)}" for name, item in table.items()), "utf-8")
    monkeypatch.setattr("bot.knowledge.loader.LANGUAGES", parent)
    return parent


@pytest.fixture
async def polyglot(folders: Path, settings: Settings, workers: LocalExecutor) -> AsyncIterator[RunningBot]:
    """The bot with the made-up language."""
    async with open_services(settings, workers) as services, running(settings, services) as application:
        yield RunningBot(settings, services, application)


@pytest.fixture
async def xenia(sandbox: Sandbox, polyglot: RunningBot) -> Person:
    """Somebody whose Telegram speaks the made-up language."""
    return await sandbox.person("Xenia", MADE_UP)


def is_in_the_language(message: Message) -> bool:
    """Whether every paragraph of the text and every button is marked; names of scans and of languages are nobody's."""
    sentences = [part for part in re.split(r"\n\n", message.text) if part.strip()]
    buttons = [button for row in message.buttons for button in row]
    words = [button.text for button in buttons if (button.data or "").partition(":")[0] != "language"]
    return all(MARK in part for part in (*sentences, *words))


async def heard(person: Person, text: str) -> Message:
    await person.send_text(text)
    return await person.wait_for(lambda message: bool(message.text))


async def test_whole_conversation_is_held_in_one_folders_language(polyglot: RunningBot, xenia: Person) -> None:
    # Start, consent, and everything that can be asked for.
    await xenia.send_text("/start")
    question = await xenia.wait_for(lambda message: bool(message.buttons))
    await xenia.press(question, "agree")
    await xenia.wait_for(lambda message: message.id == question.id and message.edited)
    for text in ("/help", "/scan", "/history", "/info", "/faq", "/privacy", "/cancel", "/report", "/delete", "/what"):
        await heard(xenia, text)
    for text in ("what is a meningioma", "how accurate are you", "who won the cup", "my son had a seizure", "hello"):
        await heard(xenia, text)
    await xenia.send_document(b"no picture", "broken.png")
    await xenia.wait_for(lambda message: bool(message.text))
    await xenia.send_document(pictures.cat())
    await xenia.wait_for(lambda message: "brain MRI" in message.text, TOLD_TO_READ)

    # A scan, its report, and its place in the history.
    await xenia.send_photo(pictures.brain())
    picture = await xenia.wait_for(has_photo, TOLD_TO_READ)
    report = await xenia.wait_for(has_pdf, TOLD_TO_READ)
    assert is_in_the_language(picture), picture.text
    text = pdf_text(await xenia.download(report))
    [scan] = (await polyglot.services.database.scans.page((await known(polyglot, xenia)).id, 1, 5)).scans
    moment = polyglot.services.languages[MADE_UP].texts.moment(scan.created_at)
    assert " de " in moment
    assert moment.split(",")[0] in text
    assert f"Sources{MARK}" in text
    assert f"Limits{MARK}" in text
    assert moment in (await heard(xenia, "/history")).text

    said = [message for message in await xenia.messages() if message.from_bot and message.text]
    assert [message.text for message in said if not is_in_the_language(message)] == []


async def known(bot: RunningBot, person: Person) -> Any:
    return await bot.services.database.people.get(person.id)


async def test_what_goes_wrong_is_told_in_the_persons_language(polyglot: RunningBot, xenia: Person) -> None:
    sent = await xenia.send_text("/help")
    await xenia.wait_for(lambda _: True)
    update = Update.de_json({"update_id": 1, "message": sent.raw}, polyglot.application.bot)
    for error, said in (
        (RuntimeError("ours"), "Something went wrong"),
        (StorageDownError("full"), "write anything down"),
    ):
        mark = await xenia.mark()
        await polyglot.application.process_error(update, error)
        answer = await xenia.wait_for(lambda message: bool(message.text), since=mark)
        assert said in answer.text
        assert is_in_the_language(answer)


@pytest.mark.introduced
async def test_menu_and_descriptions_are_set_in_each_language(polyglot: RunningBot, xenia: Person) -> None:
    profile = await xenia.bot()
    assert all(MARK in command["description"] for command in profile["commands"])
    assert MARK in profile["description"]
    assert MARK in profile["short_description"]


@pytest.mark.introduced
async def test_a_person_chooses_another_language_and_keeps_it(polyglot: RunningBot, sandbox: Sandbox) -> None:
    anna = await sandbox.person("Anna", "en")
    offered = await heard(anna, "/language")
    assert f"English{MARK}" in offered.labels
    await anna.press(offered, f"English{MARK}")
    answer = await anna.wait_for(lambda message: message.id == offered.id and message.edited)
    assert is_in_the_language(answer)
    assert is_in_the_language(await heard(anna, "/help"))
    assert all(MARK in command["description"] for command in (await anna.bot())["commands"])
    await anna.send_text("/start")
    assert MARK in (await anna.wait_for(lambda message: bool(message.buttons))).text  # the last that it says
    assert MARK not in (await heard(anna, "/language en")).text
    assert MARK not in (await heard(anna, "/help")).text


async def test_report_is_redrawn_after_a_language_change(polyglot: RunningBot, xenia: Person) -> None:
    await xenia.send_text("/start")
    question = await xenia.wait_for(lambda message: bool(message.buttons))
    await xenia.press(question, "agree")
    await xenia.send_document(pictures.brain())
    first = await xenia.wait_for(has_pdf, TOLD_TO_READ)
    await heard(xenia, "/language English")
    await xenia.send_text("/report")
    second = await xenia.wait_for(lambda message: has_pdf(message) and message.id != first.id, TOLD_TO_READ)
    assert MARK in pdf_text(await xenia.download(first))
    assert MARK not in pdf_text(await xenia.download(second))


async def test_unknown_language_gets_kind_answer_with_language_buttons(polyglot: RunningBot, xenia: Person) -> None:
    for typed in ("klingon", "<b>", "../en", "🖖" * 50):
        answer = await heard(xenia, f"/language {typed}")
        assert "I don't speak that language yet" in answer.text, typed
        assert len(answer.labels) == len(polyglot.services.languages), typed
        assert is_in_the_language(answer), typed


@pytest.mark.parametrize(("code", "said"), [("fr", "Je ne parle pas"), ("tlh", "I don't speak that language yet")])
async def test_supported_languages_are_told_once_to_other_speakers(
    polyglot: RunningBot, sandbox: Sandbox, code: str, said: str
) -> None:
    jean = await sandbox.person("Jean", code)
    await jean.send_text("/help")
    await jean.wait_for(lambda message: "/history" in message.text)
    await jean.send_text("/scan")
    await jean.wait_for(lambda message: "paper clip" in message.text)
    told = [message for message in await jean.messages() if message.from_bot and said in message.text]
    assert len(told) == 1
    await jean.press(told[0], f"English{MARK}")
    await jean.wait_for(lambda message: message.id == told[0].id and message.edited)
    assert is_in_the_language(await heard(jean, "/help"))


async def test_message_is_answered_in_the_language_it_is_in(bot: RunningBot, anna: Person) -> None:
    spanish = bot.services.languages["es"]
    await anna.send_text("¿qué es un meningioma?")
    await anna.wait_for(lambda message: "meningioma" in message.text and "Meningioma" in message.text)
    offer = await anna.wait_for(lambda message: message.text == spanish.texts.plain("language.offer"))
    assert [button.data for row in offer.buttons for button in row] == ["language:es"]
    assert (await answer_to(anna, "hello")).text.startswith("Hello")  # the chat itself goes on as before
    await anna.press(offer, "language:es")
    await anna.wait_for(lambda message: message.text == spanish.texts.plain("language.chosen"))


def _begins(title: str, message: Message) -> bool:
    return message.text.startswith(title)


async def test_buttons_below_an_answer_stay_in_its_language(bot: RunningBot, anna: Person) -> None:
    german = bot.services.languages["de"]
    await anna.send_text("was ist eine Biopsie und warum brauche ich sie?")
    asked = next(one for one in german.knowledge.questions if one.slug == "biopsy")
    shown = await anna.wait_for(lambda message: asked.question in message.text and bool(message.buttons))
    cancer = next(one for one in german.knowledge.questions if one.slug == "is-it-cancer")
    titles = {group.slug: group.title for group in german.knowledge.groups}
    way = {
        "group:care@de": titles["care"],
        "groups@de": german.texts.plain("faq.title"),
        "group:result@de": titles["result"],
        "question:is-it-cancer@de": cancer.question,
    }
    for pressed, title in way.items():
        assert pressed in {button.data for row in shown.buttons for button in row}
        await anna.press(shown, pressed)
        shown = await anna.wait_for(partial(_begins, title))
    assert (await answer_to(anna, "hello")).text.startswith("Hello")  # the chat itself goes on as before


async def test_button_of_a_missing_language_opens_in_the_chats(bot: RunningBot, sandbox: Sandbox, anna: Person) -> None:
    assert (await press_without_a_button(sandbox, anna, "topic:glioma@zz")).text.startswith("Glioma")
    gone = bot.services.languages["en"].texts.plain("other.button")
    assert (await press_without_a_button(sandbox, anna, "topic:glioma@../de")).text == gone


async def test_unknown_question_is_met_in_its_own_language(bot: RunningBot, anna: Person) -> None:
    told = (await answer_to(anna, "wer hat gestern das Spiel gewonnen, und wie ist das Wetter?")).text
    assert told.startswith(bot.services.languages["de"].texts.plain("faq.not_known")[:20])


async def test_language_that_is_not_spoken_is_named_in_itself(bot: RunningBot, anna: Person) -> None:
    told = await answer_to(anna, "est-ce que c'est grave docteur ?")
    assert told.text.startswith("Je ne parle pas encore français.")
    assert {button.data for row in told.buttons for button in row} == {f"language:{c}" for c in bot.services.languages}
