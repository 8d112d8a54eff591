"""Taking messages out of a chat."""

from telegram.constants import BulkRequestLimit

from bot.sandbox.errors import bad_request
from bot.sandbox.methods.common import chat_of, message_of
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Parameters
from bot.sandbox.world import World


def message_ids(parameters: Parameters) -> list[int]:
    """The list under ``message_ids``; raises ApiError 400 when it is not 1 to 100 whole numbers."""
    ids = parameters.structure("message_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(item, int) for item in ids):
        raise bad_request("message identifiers are not specified")
    if len(ids) > BulkRequestLimit.MAX_LIMIT:
        raise bad_request("too many message identifiers specified")
    return ids


@method("deleteMessage")
async def delete_message(world: World, parameters: Parameters) -> bool:
    """One message of either side, as long as it is younger than 48 hours."""
    chat = chat_of(world, parameters)
    message = message_of(chat, parameters, "delete")
    if world.clock.now() - message.date > world.rules.delete_seconds:
        raise bad_request("message can't be deleted for everyone")
    world.delete(chat, message.message_id)
    return True


@method("deleteMessages")
async def delete_messages(world: World, parameters: Parameters) -> bool:
    """Several at once; the ones that are gone or too old are passed over."""
    chat = chat_of(world, parameters)
    for message_id in message_ids(parameters):
        message = chat.messages.get(message_id)
        if message is not None and world.clock.now() - message.date <= world.rules.delete_seconds:
            world.delete(chat, message_id)
    return True
