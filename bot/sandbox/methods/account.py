"""The bot's own account: who it is, its commands, its descriptions, its menu button."""

import re

from telegram.constants import BotCommandLimit, BotDescriptionLimit, BotNameLimit

from bot.sandbox.errors import bad_request
from bot.sandbox.methods.common import chat_of
from bot.sandbox.methods.registry import method
from bot.sandbox.params import Json, Parameters
from bot.sandbox.world import World

_SCOPES = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators")
_CHAT_SCOPES = ("chat", "chat_administrators", "chat_member")
_WHAT_IT_MAY = {
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
    "can_connect_to_business": False,
    "has_main_web_app": False,
    "has_topics_enabled": False,
    "allows_users_to_create_topics": False,
    "can_manage_bots": False,
}


@method("getMe")
async def get_me(world: World, _parameters: Parameters) -> Json:
    """Who the bot is."""
    return {**world.profile.user(), **_WHAT_IT_MAY}


def _language(parameters: Parameters) -> str:
    code = parameters.text("language_code")
    if code and not re.fullmatch(r"[a-z]{2}", code):
        raise bad_request("invalid language code specified")
    return code


def _scope(parameters: Parameters) -> str:
    scope = parameters.object("scope") or {"type": "default"}
    kind = scope.get("type")
    if kind in _SCOPES:
        return str(kind)
    if kind not in _CHAT_SCOPES:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    if not scope.get("chat_id"):
        raise bad_request("can't parse BotCommandScope: chat_id is empty")
    member = f":{scope.get('user_id')}" if kind == "chat_member" else ""
    return f"{kind}:{scope['chat_id']}{member}"


@method("setMyCommands")
async def set_my_commands(world: World, parameters: Parameters) -> bool:
    """The menu for a scope and a language; an empty list takes it away."""
    commands = [_command(item) for item in parameters.objects("commands")]
    if len(commands) > BotCommandLimit.MAX_COMMAND_NUMBER:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    key = _scope(parameters), _language(parameters)
    if commands:
        world.profile.commands[key] = commands
    else:
        world.profile.commands.pop(key, None)
    world.feed.add("profile", None)
    return True


def _command(item: Json) -> Json:
    name = str(item.get("command", "")).removeprefix("/").lower()
    description = str(item.get("description", "")).strip()
    if not re.fullmatch(rf"[a-z0-9_]{{1,{int(BotCommandLimit.MAX_COMMAND)}}}", name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= BotCommandLimit.MAX_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


@method("getMyCommands")
async def get_my_commands(world: World, parameters: Parameters) -> list[Json]:
    """What was set for exactly this scope and language."""
    return world.profile.commands.get((_scope(parameters), _language(parameters)), [])


@method("deleteMyCommands")
async def delete_my_commands(world: World, parameters: Parameters) -> bool:
    """Take the menu of a scope and a language away."""
    world.profile.commands.pop((_scope(parameters), _language(parameters)), None)
    world.feed.add("profile", None)
    return True


def _set_text(world: World, parameters: Parameters, texts: dict[str, str], name: str, longest: int) -> bool:
    text = parameters.text(name).strip()
    if len(text) > longest:
        raise bad_request(f"bot {name.replace('_', ' ')} must be no longer than {longest} characters")
    language = _language(parameters)
    if text:
        texts[language] = text
    else:
        texts.pop(language, None)
    world.feed.add("profile", None)
    return True


@method("setMyName")
async def set_my_name(world: World, parameters: Parameters) -> bool:
    """The bot's name in a language."""
    return _set_text(world, parameters, world.profile.names, "name", BotNameLimit.MAX_NAME_LENGTH)


@method("getMyName")
async def get_my_name(world: World, parameters: Parameters) -> Json:
    """The bot's name in a language, or the one for everybody."""
    return {"name": world.profile.name(_language(parameters))}


@method("setMyDescription")
async def set_my_description(world: World, parameters: Parameters) -> bool:
    """What an empty chat shows."""
    longest = BotDescriptionLimit.MAX_DESCRIPTION_LENGTH
    return _set_text(world, parameters, world.profile.descriptions, "description", longest)


@method("getMyDescription")
async def get_my_description(world: World, parameters: Parameters) -> Json:
    """What an empty chat shows in a language, or for everybody."""
    texts = world.profile.descriptions
    return {"description": texts.get(_language(parameters)) or texts.get("", "")}


@method("setMyShortDescription")
async def set_my_short_description(world: World, parameters: Parameters) -> bool:
    """What the bot's profile page shows."""
    longest = BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH
    return _set_text(world, parameters, world.profile.short_descriptions, "short_description", longest)


@method("getMyShortDescription")
async def get_my_short_description(world: World, parameters: Parameters) -> Json:
    """What the bot's profile page shows in a language, or for everybody."""
    texts = world.profile.short_descriptions
    return {"short_description": texts.get(_language(parameters)) or texts.get("", "")}


@method("setChatMenuButton")
async def set_chat_menu_button(world: World, parameters: Parameters) -> bool:
    """The button beside the input line, for one chat or for all."""
    button = parameters.object("menu_button") or {"type": "default"}
    if button.get("type") not in {"default", "commands", "web_app"}:
        raise bad_request("MenuButton has unsupported type")
    if parameters.has("chat_id"):
        chat_of(world, parameters).menu_button = None if button["type"] == "default" else button
    else:
        world.profile.menu_button = {"type": "commands"} if button["type"] == "default" else button
    world.feed.add("profile", None)
    return True


@method("getChatMenuButton")
async def get_chat_menu_button(world: World, parameters: Parameters) -> Json:
    """The button of a chat, or the one for all."""
    if parameters.has("chat_id"):
        return chat_of(world, parameters).menu_button or world.profile.menu_button
    return world.profile.menu_button


@method("logOut")
async def log_out(_world: World, _parameters: Parameters) -> bool:
    """Nothing to leave: the sandbox is the only server."""
    return True


@method("close")
async def close(_world: World, _parameters: Parameters) -> bool:
    """Nothing to close either."""
    return True
