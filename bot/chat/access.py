"""Who may use the bot, by the settings and by what the database knows of their chat; nobody else is kept."""

from enum import Enum

from bot.chat.context import BotContext, Services
from bot.settings import Settings
from storage.access import Standing
from storage.broadcasts import Readers
from storage.records import Person


class Permission(Enum):
    """Whether somebody may use the bot, and why not."""

    GRANTED = "granted"
    NOT_INVITED = "not invited"
    """An invitation would let them in."""
    NOT_LISTED = "not listed"
    """Only the operator can let them in, by ALLOWED_IDS."""
    BLOCKED = "blocked"


async def permission_of(chat_id: int, services: Services) -> Permission:
    """Whether the person of a private chat may use the bot; administrators always may."""
    settings, access = services.settings, services.database.access
    if chat_id in settings.admin_ids:
        return Permission.GRANTED
    if await access.is_blocked(chat_id):
        return Permission.BLOCKED
    if settings.access == "open" or chat_id in settings.allowed_ids:
        return Permission.GRANTED
    if settings.access == "allowlist":
        return Permission.NOT_LISTED
    return Permission.GRANTED if await access.of(chat_id) is Standing.INVITED else Permission.NOT_INVITED


async def newcomer(chat_id: int, language: str, services: Services) -> Person:
    """Somebody who was not known: registered when they may use the bot; else nothing is kept of them."""
    if await permission_of(chat_id, services) is Permission.GRANTED:
        return await register(chat_id, language, services)
    return Person.unregistered(chat_id, language)


async def register(chat_id: int, language: str, services: Services) -> Person:
    """Keep somebody new. Without the name: there is no leave to keep it yet, and no use for it."""
    person = await services.database.people.register(chat_id, "", language)
    await services.quota.take_over(chat_id, person.id)
    return person


def readers(settings: Settings) -> Readers:
    """Who gets what is written to everybody: the same people, so that nobody hears from a bot that refused them."""
    if settings.access == "open":
        return Readers()
    return Readers(frozenset({*settings.admin_ids, *settings.allowed_ids}), invited=settings.access == "invite")


def contact_line(context: BotContext) -> str:
    """HTML: how to reach whoever runs the bot; "" when they don't say."""
    contact = context.services.settings.operator_contact
    return context.texts("contact.line", contact=contact) if contact else ""
