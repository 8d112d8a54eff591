"""Chats and the messages in them: who is there, pins, reactions, copies and forwards."""

from telegram.constants import ReactionEmoji

from bot.sandbox.chat import Chat, Message
from bot.sandbox.errors import bad_request
from bot.sandbox.methods.common import caption_content, chat_of, message_of, outgoing
from bot.sandbox.methods.deleting import message_ids
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters
from bot.sandbox.world import World

_EMOJI = frozenset(emoji.value for emoji in ReactionEmoji)
_NO_GIFTS = dict.fromkeys(
    ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
)


@method("getChat")
async def get_chat(world: World, parameters: Parameters) -> Json:
    """A ChatFullInfo object."""
    chat = chat_of(world, parameters)
    full: Json = {"accent_color_id": chat.person.id % 7, "max_reaction_count": 11, "accepted_gift_types": _NO_GIFTS}
    if chat.pinned:
        full["pinned_message"] = chat.as_api(chat.messages[chat.pinned[-1]])
    return {**chat.person.chat(), **full}


@method("getChatMember")
async def get_chat_member(world: World, parameters: Parameters) -> Json:
    """The person or the bot itself as a member of their private chat."""
    chat = chat_of(world, parameters)
    user_id = parameters.integer("user_id")
    if user_id == chat.person.id:
        return {"status": "member", "user": chat.person.user()}
    if user_id == world.profile.bot_id:
        return {"status": "member", "user": world.profile.user()}
    raise bad_request("PARTICIPANT_ID_INVALID")


@method("getChatMemberCount")
async def get_chat_member_count(world: World, parameters: Parameters) -> int:
    """Two: the person and the bot."""
    chat_of(world, parameters)
    return 2


@method("getUserProfilePhotos")
async def get_user_profile_photos(world: World, parameters: Parameters) -> Json:
    """Test people have no profile photos."""
    if parameters.integer("user_id") not in world.chats:
        raise bad_request("user not found")
    return {"total_count": 0, "photos": []}


@method("pinChatMessage")
async def pin_chat_message(world: World, parameters: Parameters) -> bool:
    """Pin a message, with the note about it that Telegram puts into the chat."""
    chat = chat_of(world, parameters)
    message = message_of(chat, parameters, "pin")
    if message.message_id not in chat.pinned:
        chat.pinned.append(message.message_id)
        world.from_bot(chat, {"pinned_message": chat.as_api(message, with_reply=False)})
        world.changed(chat, message)
    return True


@method("unpinChatMessage")
async def unpin_chat_message(world: World, parameters: Parameters) -> bool:
    """Unpin one message, or the newest one."""
    chat = chat_of(world, parameters)
    message_id = parameters.integer("message_id") or (chat.pinned[-1] if chat.pinned else 0)
    if message_id not in chat.pinned:
        raise bad_request("message to unpin not found")
    chat.pinned.remove(message_id)
    world.changed(chat, chat.messages[message_id])
    return True


@method("unpinAllChatMessages")
async def unpin_all_chat_messages(world: World, parameters: Parameters) -> bool:
    """Unpin everything."""
    chat = chat_of(world, parameters)
    pinned, chat.pinned = chat.pinned, []
    for message_id in pinned:
        world.changed(chat, chat.messages[message_id])
    return True


@method("setMessageReaction")
async def set_message_reaction(world: World, parameters: Parameters) -> bool:
    """One emoji of the bot under a message, or none."""
    chat = chat_of(world, parameters)
    message = message_of(chat, parameters, "react")
    reactions = parameters.objects("reaction")
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(item.get("type") != "emoji" or item.get("emoji") not in _EMOJI for item in reactions):
        raise bad_request("REACTION_INVALID")
    message.reactions = [{"type": "emoji", "emoji": item["emoji"]} for item in reactions]
    world.changed(chat, message)
    return True


def _source(world: World, parameters: Parameters, what: str) -> tuple[Chat, Message]:
    origin = chat_of(world, parameters, "from_chat_id")
    message = message_of(origin, parameters, what)
    if message.protected:
        raise bad_request(f"the message can't be {'forwarded' if what == 'forward' else 'copied'}")
    return origin, message


def _origin(world: World, chat: Chat, message: Message) -> Json:
    sender = world.profile.user() if message.from_bot else chat.person.user()
    return message.forward_origin or {"type": "user", "date": message.date, "sender_user": sender}


@method("forwardMessage")
async def forward_message(world: World, parameters: Parameters) -> Json:
    """The same message again, saying where it comes from."""
    origin, message = _source(world, parameters, "forward")
    target = outgoing(world, parameters)
    return target.posted(message.content, forward_origin=_origin(world, origin, message))


@method("copyMessage")
async def copy_message(world: World, parameters: Parameters) -> Json:
    """The same content as a new message, perhaps with another caption."""
    _, message = _source(world, parameters, "copy")
    target = outgoing(world, parameters)
    content = message.content
    if "caption" in parameters.values and message.kind != "text":
        kept = {name: value for name, value in content.items() if not name.startswith("caption")}
        content = {**kept, **caption_content(parameters)}
    return {"message_id": target.post(content).message_id}


@method("forwardMessages")
async def forward_messages(world: World, parameters: Parameters) -> list[Json]:
    """Several at once; the ones that can't be forwarded are passed over."""
    return _several(world, parameters, forward=True)


@method("copyMessages")
async def copy_messages(world: World, parameters: Parameters) -> list[Json]:
    """Several at once; the ones that can't be copied are passed over."""
    return _several(world, parameters, forward=False)


def _several(world: World, parameters: Parameters, *, forward: bool) -> list[Json]:
    origin = chat_of(world, parameters, "from_chat_id")
    wanted = [origin.messages.get(message_id) for message_id in message_ids(parameters)]
    messages = [message for message in wanted if message is not None and not message.protected]
    if not messages:
        raise bad_request(f"there are no messages to {'forward' if forward else 'copy'}")
    target = outgoing(world, parameters, len(messages))
    ids = []
    for message in messages:
        source = _origin(world, origin, message) if forward else None
        ids.append({"message_id": target.post(message.content, forward_origin=source).message_id})
    return ids
