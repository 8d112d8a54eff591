"""/info, /faq and ordinary messages: answers from the facts that ship with the bot."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from telegram import InlineKeyboardMarkup, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from bot.chat import pages
from bot.chat.context import BotContext
from bot.chat.keyboards import Action, in_language, language_buttons, says
from bot.chat.languages import Language, Languages
from bot.delivery.raw_update import message_of
from bot.handlers import export, history, language, privacy, report
from bot.knowledge import cries, cry_classifier
from bot.knowledge.knowledge import Match, Question, RedFlag, Topic

SUGGESTIONS = 3
COMMANDS: Mapping[str, Callable[[Update, BotContext], Awaitable[None]]] = {
    "delete": privacy.ask_delete_all,
    "export": export.export,
    "history": history.show,
    "language": language.choose,
    "report": report.report,
}
"""What a question of the knowledge ``does``, by the command that does it."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """Commands, buttons and ordinary text."""
    return [
        CommandHandler("info", info),
        CommandHandler("faq", faq),
        CallbackQueryHandler(topics, says(Action.TOPICS)),
        CallbackQueryHandler(topic, says(Action.TOPIC)),
        CallbackQueryHandler(section, says(Action.SECTION)),
        CallbackQueryHandler(groups, says(Action.GROUPS)),
        CallbackQueryHandler(group, says(Action.GROUP)),
        CallbackQueryHandler(question, says(Action.QUESTION)),
        MessageHandler(filters.TEXT & ~filters.COMMAND & filters.FORWARDED, forwarded),
        MessageHandler(filters.TEXT & ~filters.COMMAND, free_text),
    ]


async def info(update: Update, context: BotContext) -> None:
    """The menu of topics, or the topic that was named."""
    if context.argument:
        await answer(update, context, context.argument)
    else:
        await _send(context, pages.topics(context.knowledge, context.texts))


async def faq(update: Update, context: BotContext) -> None:
    """The menu of questions, or the answer to the words after the command."""
    if context.argument:
        await answer(update, context, context.argument)
    else:
        await _send(context, pages.groups(context.knowledge, context.texts))


async def free_text(update: Update, context: BotContext) -> None:
    """An ordinary message is a question, and so is one that was put in other words."""
    message = message_of(update)
    if message and message.text:
        await answer(update, context, message.text)


async def forwarded(_: Update, context: BotContext) -> None:
    """Somebody else's words are not a question to us."""
    await context.say("other.forwarded")


async def answer(update: Update, context: BotContext, typed: str) -> None:
    """Red flags before anything else, then the answer that fits, or an honest "I don't know that".

    Where the words are those of a command ("send me the report again"), that is what they get. A message in another
    language than the chat's is answered in its own.
    """
    flag = await heed_red_flags(context, typed)
    if flag and flag.always:
        return  # so grave that even a mere question raises it: nothing may stand below it
    languages, chat = context.services.languages, context.language
    written = await asyncio.to_thread(languages.written, typed, chat)  # may make the words of all languages ready
    if sentence := languages.greeting(written):
        if not flag:
            await context.send(html.escape(sentence, quote=False), language_buttons(languages))
        return
    context.answer_in(languages[written])
    await _answer(update, context, typed, flag)
    if written != chat.code:
        await context.say("language.offer", language_buttons({written: languages[written]}))


async def _answer(update: Update, context: BotContext, typed: str, flag: RedFlag | None) -> None:
    if match := context.knowledge.search(typed):
        does = COMMANDS.get(match.entry.does) if isinstance(match.entry, Question) else None
        if does is None:
            await show_match(context, match)
        else:
            context.args = []  # what was typed names the command, not a scan
            await does(update, context)
    elif not flag:
        suggested = context.knowledge.suggest(typed, SUGGESTIONS)
        await _send(context, pages.not_known(suggested, context.texts))


async def heed_red_flags(context: BotContext, typed: str) -> RedFlag | None:
    """Say what to do when somebody writes of something that needs help, in any language; returns what was heard."""
    if not typed.strip():  # a picture without words: what hears them takes a while to be made
        return None
    services, chat = context.services, context.language
    flag = await asyncio.to_thread(_heard, typed, chat, services.languages)  # what hears may be made now
    if flag:
        await _send(context, pages.red_flag(flag, context.texts))
    return flag


def _heard(typed: str, chat: Language, languages: Languages) -> RedFlag | None:
    if flag := chat.knowledge.red_flag(typed) or cries.hear(typed):
        return flag
    kind = cry_classifier.likely(typed)
    return kind and cries.answer(kind, languages.written(typed, chat), chat.code)


async def show_match(context: BotContext, match: Match) -> None:
    """What was asked for: a topic, one part of it, or a question's answer."""
    if isinstance(match.entry, Question):
        await _send(context, pages.question(match.entry, context.knowledge, context.texts))
    else:
        await show_topic(context, match.entry, match.section)


async def show_topic(context: BotContext, topic: Topic, section: str | None = None) -> None:
    """A topic, or one part of it, with buttons to its other parts."""
    await _send(context, pages.topic(topic, context.texts, section))


async def topics(_: Update, context: BotContext) -> None:
    """The menu of topics in place of what was there."""
    await _replace(context, pages.topics(context.knowledge, context.texts))


async def topic(_: Update, context: BotContext) -> None:
    """The topic that a button names."""
    found = context.knowledge.topic(context.argument)
    await _replace(context, pages.topic(found, context.texts) if found else None)


async def section(_update: Update, context: BotContext) -> None:
    """The part of a topic that a button names."""
    slug, _, key = context.argument.partition("/")
    found = context.knowledge.topic(slug)
    known = found is not None and any(part.key == key for part in found.sections)
    await _replace(context, pages.topic(found, context.texts, key) if found and known else None)


async def groups(_: Update, context: BotContext) -> None:
    """The menu of questions in place of what was there."""
    await _replace(context, pages.groups(context.knowledge, context.texts))


async def group(_: Update, context: BotContext) -> None:
    """The questions of a group."""
    found = next((one for one in context.knowledge.groups if one.slug == context.argument), None)
    await _replace(context, pages.group(found, context.texts) if found else None)


async def question(_: Update, context: BotContext) -> None:
    """The answer to the question that a button names."""
    found = context.knowledge.question(context.argument)
    await _replace(context, pages.question(found, context.knowledge, context.texts) if found else None)


async def _send(context: BotContext, page: pages.Page) -> None:
    for text, buttons in _messages(context, page):
        await context.send(text, buttons)


def _messages(context: BotContext, page: pages.Page) -> Iterator[tuple[str, InlineKeyboardMarkup | None]]:
    """Its messages; buttons below another language than the chat's go on in that."""
    for text, buttons in page.messages():
        other = context.other_language if buttons else ""
        yield text, in_language(buttons, other) if buttons and other else buttons


async def _replace(context: BotContext, page: pages.Page | None) -> None:
    """Put a page in place of the message whose button was pressed; None: the button names what is no more."""
    if page is None:
        await context.say("other.button")
        return
    (first, first_buttons), *rest = _messages(context, page)
    await context.replace(first, first_buttons)
    for text, buttons in rest:
        await context.send(text, buttons)
