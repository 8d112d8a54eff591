"""Who may use the bot, by the settings and by what the database knows of their chat."""

from enum import Enum

from bot.chat.context import BotContext, Services
from storage.access import Standing


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


def contact_line(context: BotContext) -> str:
    """HTML: how to reach whoever runs the bot; "" when they don't say."""
    contact = context.services.settings.operator_contact
    return context.texts("contact.line", contact=contact) if contact else ""
