"""A real python-telegram-bot Application, talking to the sandbox over HTTP."""

import io
import socket
from collections.abc import AsyncIterator

import pytest
from PIL import Image
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    Message,
    ReplyParameters,
    Update,
)
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden
from telegram.ext import ApplicationBuilder, CallbackQueryHandler, CommandHandler, ContextTypes, MessageHandler, filters

from bot.sandbox import Person, Sandbox

Context = ContextTypes.DEFAULT_TYPE


def picture(width: int = 1600, height: int = 1200) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(out, "PNG")
    return out.getvalue()


async def start(update: Update, context: Context) -> None:
    assert update.effective_chat
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("I agree", callback_data="agree")]])
    await update.effective_chat.send_message("<b>Welcome</b>", parse_mode="HTML", reply_markup=keyboard)


async def agreed(update: Update, context: Context) -> None:
    assert update.callback_query
    await update.callback_query.answer("Thank you")
    await update.callback_query.edit_message_text("You agreed")


async def photo(update: Update, context: Context) -> None:
    assert update.message
    file = await update.message.photo[-1].get_file()
    data = bytes(await file.download_as_bytearray())
    await update.message.reply_photo(data, caption=f"{len(data)} bytes")
    await update.message.reply_document(data, filename="report.pdf")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.start() as running:
        yield running


@pytest.fixture
async def ann(sandbox: Sandbox) -> AsyncIterator[Person]:
    builder = ApplicationBuilder().token(sandbox.token).base_url(sandbox.base_url).base_file_url(sandbox.base_file_url)
    application = builder.build()
    application.add_handler(CommandHandler("start", start))
    application.add_handler(CallbackQueryHandler(agreed))
    application.add_handler(MessageHandler(filters.PHOTO, photo))
    async with application:
        assert application.updater
        await application.start()
        await application.updater.start_polling()
        yield await sandbox.person("Ann")
        await application.updater.stop()
        await application.stop()


async def test_person_presses_button_and_sees_message_change(ann: Person) -> None:
    await ann.send_text("/start")
    welcome = await ann.wait_for(lambda message: message.text == "Welcome")
    assert welcome.raw["entities"] == [{"type": "bold", "offset": 0, "length": 7}]
    answer = await ann.press(welcome, "I agree")
    assert answer.text == "Thank you"
    changed = await ann.wait_for(lambda message: message.edited)
    assert (changed.id, changed.text, changed.buttons) == (welcome.id, "You agreed", ())


async def test_a_photo_goes_through_telegrams_sizes_and_comes_back(ann: Person) -> None:
    sent = await ann.send_photo(picture(), caption="patient 7")
    assert sent.photo
    assert (sent.photo.width, sent.photo.height) == (1280, 960)
    back = await ann.wait_for(lambda message: message.photo is not None)
    assert back.text == f"{sent.photo.size} bytes"
    report = await ann.wait_for(lambda message: message.document is not None)
    assert report.document
    assert report.document.name == "report.pdf"
    assert await ann.download(report) == await ann.download(sent)


async def test_the_librarys_own_calls_are_understood(sandbox: Sandbox) -> None:
    person = await sandbox.person("Ann")
    await person.send_text("/start")
    async with Bot(sandbox.token, base_url=sandbox.base_url, base_file_url=sandbox.base_file_url) as bot:
        chat, data = person.id, picture(300, 200)
        assert (await bot.get_me()).is_bot
        await bot.set_my_commands([BotCommand("help", "What I can do")], BotCommandScopeAllPrivateChats(), "de")
        await bot.set_my_description("Words")
        await bot.set_my_short_description("Words")
        assert await bot.send_chat_action(chat, ChatAction.UPLOAD_PHOTO)
        assert await bot.send_message_draft(chat, 1, "Thinking")
        text = await bot.send_message(chat, "x", reply_parameters=ReplyParameters(1))
        assert text.reply_to_message
        first = InputMediaPhoto(data, caption="<b>one</b>", parse_mode="HTML")
        album = await bot.send_media_group(chat, [first, InputMediaPhoto(data)])
        assert album[0].caption_entities[0].type == "bold"
        changed = await bot.edit_message_media(InputMediaDocument(data, filename="a.png"), chat, text.message_id)
        assert isinstance(changed, Message)
        assert changed.document
        sent = await bot.send_photo(chat, album[0].photo[-1])
        assert sent.photo == album[0].photo
        file = await bot.get_file(changed.document)
        assert bytes(await file.download_as_bytearray()) == data
        assert await bot.set_message_reaction(chat, sent.message_id, "👍")
        assert await bot.copy_message(chat, chat, sent.message_id)
        assert (await bot.forward_message(chat, chat, sent.message_id)).forward_origin
        assert await bot.delete_messages(chat, [sent.message_id, text.message_id])
        assert (await bot.get_chat(chat)).first_name == "Ann"
        assert (await bot.get_webhook_info()).pending_update_count == 1
        with pytest.raises(BadRequest, match="Can't parse entities: unsupported start tag"):
            await bot.send_message(chat, "<h1>x</h1>", parse_mode="HTML")
        await person.block()
        with pytest.raises(Forbidden):
            await bot.send_message(chat, "x")


async def test_the_librarys_own_webhook_server_is_served(sandbox: Sandbox) -> None:
    builder = ApplicationBuilder().token(sandbox.token).base_url(sandbox.base_url).base_file_url(sandbox.base_file_url)
    application = builder.build()
    application.add_handler(CommandHandler("start", start))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with application:
        assert application.updater
        await application.start()
        await application.updater.start_webhook(
            "127.0.0.1", port, "hook", webhook_url=f"http://127.0.0.1:{port}/hook", secret_token="a-secret"
        )
        person = await sandbox.person("Ann")
        await person.send_text("/start")
        await person.wait_for(lambda message: message.text == "Welcome")
        await application.updater.stop()
        await application.stop()
