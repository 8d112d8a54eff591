"""What the doctor found: told below a scan, later or never; changed, removed, and handed on only after a second yes."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, button, column, grid, says
from bot.handlers.scans import own_scan
from bot.scan import wording
from storage.outcomes import NOTHING, SOMETHING_ELSE
from storage.records import Outcome, Scan


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The buttons of this subject."""
    return [
        CallbackQueryHandler(ask, says(Action.OUTCOME)),
        CallbackQueryHandler(found, says(Action.FOUND)),
        CallbackQueryHandler(remove, says(Action.REMOVE_OUTCOME)),
        CallbackQueryHandler(share, says(Action.SHARE_OUTCOME)),
        CallbackQueryHandler(keep, says(Action.KEEP_OUTCOME)),
    ]


async def ask(_: Update, context: BotContext) -> None:
    """Ask what the doctor found, and tell what was told before."""
    if (scan := await own_scan(context)) is None:
        return
    known, texts = await context.database.outcomes.of(scan.id), context.texts
    buttons = [
        button(_words(name, scan, context), Action.FOUND, f"{scan.public_id}/{name}")
        for name in (*_kinds(scan, context), SOMETHING_ELSE, NOTHING)
    ]
    text = texts("outcome.ask", number=scan.number)
    if known is not None:
        text += "\n\n" + texts("outcome.known", found=_words(known.found, scan, context))
        buttons.append(button(texts.plain("button.remove_outcome"), Action.REMOVE_OUTCOME, scan.public_id))
        if known.shared_at is not None:
            text += " " + texts("outcome.is_shared")
            buttons.append(button(texts.plain("button.unshare_outcome"), Action.KEEP_OUTCOME, scan.public_id))
    await context.send(text, column(*buttons))


async def found(_update: Update, context: BotContext) -> None:
    """Note it, and ask whether the picture may be handed on with it."""
    public_id, _, name = context.argument.partition("/")
    scan = await context.database.scans.get(context.person.id, public_id)
    if scan is None or name not in (*_kinds(scan, context), SOMETHING_ELSE, NOTHING):
        await context.say("scan.not_found" if scan is None else "other.button")
        return
    noted = await context.database.outcomes.note(context.person.id, public_id, name)
    words = _words(name, scan, context)
    await context.replace(context.texts("outcome.noted", number=scan.number, found=words))
    if noted is not None and noted.shared_at is None and _can_teach(scan, noted):
        await _ask_to_share(scan, words, context)


async def remove(_: Update, context: BotContext) -> None:
    """Forget what the doctor found."""
    context.delivery.erases = True
    removed = await context.database.outcomes.remove(context.person.id, context.argument)
    await context.replace(context.texts("outcome.removed" if removed else "outcome.gone"))


async def share(_: Update, context: BotContext) -> None:
    """A yes to handing the picture on."""
    noted = await context.database.outcomes.share(context.person.id, context.argument, shared=True)
    await context.replace(context.texts("outcome.shared" if noted else "outcome.gone"))


async def keep(_: Update, context: BotContext) -> None:
    """A no, or a yes that is taken back."""
    noted = await context.database.outcomes.share(context.person.id, context.argument, shared=False)
    await context.replace(context.texts("outcome.not_shared" if noted else "outcome.gone"))


async def _ask_to_share(scan: Scan, words: str, context: BotContext) -> None:
    texts = context.texts
    buttons = grid(
        (button(texts.plain("button.share_outcome"), Action.SHARE_OUTCOME, scan.public_id),),
        (button(texts.plain("button.keep_outcome"), Action.KEEP_OUTCOME, scan.public_id),),
    )
    await context.say("outcome.may_share", buttons, number=scan.number, found=words)


def _kinds(scan: Scan, context: BotContext) -> tuple[str, ...]:
    """The findings that the organ's model knows; "nothing" stands for its class without one."""
    model = context.services.models.get(scan.organ)
    return tuple(c.name for c in model.card.classes if c.tumor) if model else ()


def _can_teach(scan: Scan, noted: Outcome) -> bool:
    """Whether a picture can be handed on: what the models don't know, and which slice shows it, can't be taught."""
    return noted.found != SOMETHING_ELSE and scan.study is None


def _words(name: str, scan: Scan, context: BotContext) -> str:
    special = {NOTHING: "outcome.nothing", SOMETHING_ELSE: "outcome.something_else"}
    return (
        context.texts.plain(special[name]) if name in special else wording.label_words(scan.organ, name, context.texts)
    )
