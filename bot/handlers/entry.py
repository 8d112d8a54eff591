"""Whoever may not use the bot: cries for help are answered, an invitation lets in, and all else gets one sentence."""

from telegram import Update

from bot.chat.access import Permission, contact_line, permission_of, register
from bot.chat.context import BotContext
from bot.chat.keyboards import Action
from bot.delivery.raw_update import brings_picture, command_of, message_of
from bot.handlers.knowledge import heed_red_flags

WAYS_OUT = frozenset({"privacy", "delete", "export", "language"})
"""Commands for everybody: what is kept of somebody is theirs, whether or not they may use the bot."""
BUTTONS_OUT = frozenset(
    {Action.EXPORT, Action.WITHDRAW, Action.ASK_DELETE_ALL, Action.DELETE_ALL, Action.KEEP, Action.LANGUAGE}
)
"""The same of buttons."""
SENTENCES = {
    Permission.NOT_INVITED: "access.not_invited",
    Permission.NOT_LISTED: "access.not_listed",
    Permission.BLOCKED: "access.blocked",
}


async def may_go_on(update: Update, context: BotContext) -> bool:
    """Whether a handler may see this; whoever may not use the bot has been answered when it is False."""
    permission = await permission_of(context.person.chat_id, context.services)
    if (
        permission is Permission.GRANTED
        or update.my_chat_member
        or await _may_all_the_same(update, context, permission)
    ):
        return True
    if words := await _all_words(update, context):
        if await heed_red_flags(context, "\n".join(filter(None, words))):
            return False
        await _turn_away(update, context, permission)
    return False


async def _all_words(update: Update, context: BotContext) -> list[str]:
    """What was written: in one message, or by all pictures of an album, of which the others are done with this one.

    Nothing for an update that another one of its album answers for.
    """
    if not brings_picture(update) or context.delivery.rejected:
        message = message_of(update)
        return [(message.text or message.caption if message else None) or ""]
    album = await context.services.albums.gather(update)
    if album:
        await context.delivery.gather(tuple(one.update_id for one in album))
    return [message.caption or "" for one in album if (message := message_of(one))]


async def _may_all_the_same(update: Update, context: BotContext, permission: Permission) -> bool:
    """Ways out are open to all, and a code may open the rest."""
    if context.press:
        return context.press.action in BUTTONS_OUT
    message = message_of(update)
    command = command_of(message)
    typed = (message.text if message else None) or ""
    if command != "start" or not (words := typed.split()[1:]) or permission is not Permission.NOT_INVITED:
        return command in WAYS_OUT
    if not await context.database.access.redeem(context.person.chat_id, words[0]):
        return False
    if not context.person.is_kept:
        context.know(await register(context.person.chat_id, context.person.language, context.services))
    return True


async def _turn_away(update: Update, context: BotContext, permission: Permission) -> None:
    """One sentence, and how to reach whoever runs the bot."""
    sentence = context.texts(SENTENCES[permission])
    message = message_of(update)
    if permission is Permission.NOT_INVITED and message and (message.text or "").startswith("/start "):
        sentence = context.texts("access.code_spent")
    await context.send(" ".join(filter(None, (sentence, contact_line(context)))))
