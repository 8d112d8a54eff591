"""Messages without a file: text, chat actions, drafts, and the small kinds."""

import secrets

from telegram.constants import ChatAction

from bot.sandbox.errors import bad_request
from bot.sandbox.methods.common import chat_of, outgoing, text_content
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters
from bot.sandbox.world import World

_ACTIONS = frozenset(action.value for action in ChatAction)
_DICE_SIDES = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}


@method("sendMessage")
async def send_message(world: World, parameters: Parameters) -> Json:
    """Text."""
    content = text_content(parameters)
    return outgoing(world, parameters).posted(content)


@method("sendChatAction")
async def send_chat_action(world: World, parameters: Parameters) -> bool:
    """A note such as "typing…" under the bot's name, for five seconds or until a message comes."""
    chat = chat_of(world, parameters)
    action = parameters.text("action")
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    world.feed.add("action", chat.person.id, action=action)
    return True


@method("sendMessageDraft")
async def send_message_draft(world: World, parameters: Parameters) -> bool:
    """A preview of a text that is still being written; gone after 30 seconds or with the next message."""
    chat = chat_of(world, parameters)
    draft_id = parameters.integer("draft_id")
    if not draft_id:
        raise bad_request("draft identifier must be non-zero")
    content = text_content(parameters) if parameters.has("text") else {"text": ""}
    world.feed.add("draft", chat.person.id, draft_id=draft_id, message=content)
    return True


@method("sendLocation")
async def send_location(world: World, parameters: Parameters) -> Json:
    """A point on the map."""
    latitude, longitude = parameters.number("latitude", 91), parameters.number("longitude", 181)
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise bad_request("wrong latitude or longitude specified")
    return outgoing(world, parameters).posted({"location": {"latitude": latitude, "longitude": longitude}})


@method("sendContact")
async def send_contact(world: World, parameters: Parameters) -> Json:
    """A phone number with a name."""
    contact = {"phone_number": parameters.text("phone_number"), "first_name": parameters.text("first_name")}
    if not all(contact.values()):
        raise bad_request("PHONE_NUMBER_INVALID" if not contact["phone_number"] else "CONTACT_NAME_EMPTY")
    return outgoing(world, parameters).posted({"contact": contact})


@method("sendDice")
async def send_dice(world: World, parameters: Parameters) -> Json:
    """A dice, a dart, a ball: the value is random."""
    emoji = parameters.text("emoji", "🎲")
    if emoji not in _DICE_SIDES:
        raise bad_request("wrong dice emoji specified")
    value = secrets.randbelow(_DICE_SIDES[emoji]) + 1
    return outgoing(world, parameters).posted({"dice": {"emoji": emoji, "value": value}})
