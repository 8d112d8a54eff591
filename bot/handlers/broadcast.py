"""/broadcast: an administrator's message to everybody, shown first, and sent when that is confirmed."""

import html
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.access import readers
from bot.chat.context import BotContext, Services
from bot.chat.keyboards import Action, button, grid, says
from bot.chat.texts import Texts
from bot.delivery.raw_update import message_of
from bot.handlers.admins import for_admins
from storage.records import Broadcast


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command and its buttons."""
    return [
        CommandHandler("broadcast", broadcast),
        CallbackQueryHandler(send, says(Action.SEND_BROADCAST)),
        CallbackQueryHandler(drop, says(Action.DROP_BROADCAST)),
        CallbackQueryHandler(stop, says(Action.STOP_BROADCAST)),
    ]


@for_admins
async def broadcast(update: Update, context: BotContext) -> None:
    """Show the message as everybody would see it, and ask; without words, tell how the last one goes."""
    message = message_of(update)
    _, *words = ((message.text if message else None) or "").split(maxsplit=1)
    if not words:
        await _tell_last(context)
        return
    draft = await context.database.broadcasts.draft(words[0], context.person.chat_id)
    reached, skipped = await context.database.broadcasts.audience(readers(context.services.settings))
    await context.send(html.escape(draft.text, quote=False))
    buttons = grid(
        (button(context.texts.plain("button.send_broadcast"), Action.SEND_BROADCAST, str(draft.id)),),
        (button(context.texts.plain("button.drop_broadcast"), Action.DROP_BROADCAST, str(draft.id)),),
    )
    await context.say("broadcast.ask", buttons, count=reached, skipped=skipped)


@for_admins
async def send(_: Update, context: BotContext) -> None:
    """Begin to send it; a second press finds that it has begun."""
    started = await context.database.broadcasts.start(int(context.argument), readers(context.services.settings))
    if started is None:
        await context.replace(context.texts("broadcast.gone"))
        return
    context.services.broadcaster.wake()
    stop_it = button(context.texts.plain("button.stop_broadcast"), Action.STOP_BROADCAST, str(started.id))
    count = started.recipients - started.blocked
    await context.replace(context.texts("broadcast.begun", count=count), grid((stop_it,)))


@for_admins
async def drop(_: Update, context: BotContext) -> None:
    """Send it to nobody."""
    dropped = await context.database.broadcasts.forget_draft(int(context.argument))
    await context.replace(context.texts("broadcast.dropped" if dropped else "broadcast.gone"))


@for_admins
async def stop(_: Update, context: BotContext) -> None:
    """Send it to nobody more."""
    stopped = await context.database.broadcasts.stop(int(context.argument))
    await context.replace(_counts(stopped, context.texts) if stopped else context.texts("broadcast.gone"))


async def tell_end(bot: Any, services: Services, ended: Broadcast) -> None:
    """Tell the administrator who began a broadcast how it ended."""
    person = await services.database.people.get(ended.created_by)
    texts = services.languages.of(person.language if person else None).texts
    await bot.send_message(ended.created_by, _counts(ended, texts))


async def _tell_last(context: BotContext) -> None:
    last = await context.database.broadcasts.last()
    text = context.texts("broadcast.usage")
    if last is None:
        await context.send(text)
        return
    stop_it = button(context.texts.plain("button.stop_broadcast"), Action.STOP_BROADCAST, str(last.id))
    await context.send(
        text + "\n\n" + _counts(last, context.texts), grid((stop_it,)) if last.state == "sending" else None
    )


def _counts(last: Broadcast, texts: Texts) -> str:
    left = last.recipients - last.sent - last.blocked - last.failed
    keys = {"sending": "broadcast.under_way", "done": "broadcast.done", "stopped": "broadcast.stopped"}
    return texts(keys[last.state], count=last.sent, blocked=last.blocked, failed=last.failed, left=left)
