"""What comes from people: updates by polling or webhook, files, pressed buttons."""

import re

from telegram.constants import CallbackQueryLimit, PollingLimit, WebhookLimit

from bot.sandbox.errors import bad_request, conflict
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters
from bot.sandbox.updates import Webhook
from bot.sandbox.world import World

_DEFAULT_CONNECTIONS = 40


def _allowed(world: World, parameters: Parameters) -> None:
    kinds = parameters.structure("allowed_updates")
    if kinds is None:
        return
    if not isinstance(kinds, list):
        raise bad_request("can't parse allowed_updates: expected an Array of String")
    world.updates.allow(kinds)


@method("getUpdates")
async def get_updates(world: World, parameters: Parameters) -> list[Json]:
    """Long polling; an offset confirms everything before it."""
    if world.webhook is not None:
        raise conflict(
            "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
        )
    offset, limit = parameters.integer("offset"), parameters.integer("limit", PollingLimit.MAX_LIMIT)
    timeout_s = parameters.integer("timeout")
    _allowed(world, parameters)
    updates = await world.updates.fetch(offset, limit, timeout_s)
    return [update.as_api() for update in updates]


@method("setWebhook")
async def set_webhook(world: World, parameters: Parameters) -> bool:
    """Deliver updates to an address; plain http is taken too, as by a Bot API server of one's own."""
    url = parameters.text("url")
    if parameters.flag("drop_pending_updates"):
        world.updates.clear()
    if not url:
        world.set_webhook(None)
        return True
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", url):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    secret = parameters.text("secret_token")
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{0,{int(WebhookLimit.MAX_SECRET_TOKEN_LENGTH)}}}", secret):
        raise bad_request("secret token contains unallowed characters")
    connections = parameters.integer("max_connections", _DEFAULT_CONNECTIONS)
    connections = min(max(connections, WebhookLimit.MIN_CONNECTIONS_LIMIT), WebhookLimit.MAX_CONNECTIONS_LIMIT)
    _allowed(world, parameters)
    world.updates.stop_poller(conflict("terminated by setWebhook request"))
    world.set_webhook(Webhook(url, secret, connections, custom_certificate="certificate" in parameters.uploads))
    return True


@method("deleteWebhook")
async def delete_webhook(world: World, parameters: Parameters) -> bool:
    """Back to polling."""
    if parameters.flag("drop_pending_updates"):
        world.updates.clear()
    world.set_webhook(None)
    return True


@method("getWebhookInfo")
async def get_webhook_info(world: World, _parameters: Parameters) -> Json:
    """Where updates go, and what went wrong last."""
    info: Json = {"url": "", "has_custom_certificate": False, "pending_update_count": len(world.updates.pending)}
    if world.webhook is not None:
        info |= world.webhook.as_api()
    if world.updates.allowed:
        info["allowed_updates"] = world.updates.allowed
    return info


@method("getFile")
async def get_file(world: World, parameters: Parameters) -> Json:
    """A link to a file of at most 20 MB."""
    if not parameters.has("file_id"):
        raise bad_request("file_id not specified")
    return world.files.link(parameters.text("file_id"))


@method("answerCallbackQuery")
async def answer_callback_query(world: World, parameters: Parameters) -> bool:
    """Stop the progress bar on a pressed button, with a short text or an alert."""
    text = parameters.text("text")
    if len(text) > CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH:
        raise bad_request("MESSAGE_TOO_LONG")
    answer: Json = {"text": text, "show_alert": parameters.flag("show_alert"), "url": parameters.text("url")}
    world.answer_callback(parameters.text("callback_query_id"), answer)
    return True
