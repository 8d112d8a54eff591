"""The table of Bot API methods, filled by the modules beside this one."""

from collections.abc import Awaitable, Callable
from typing import Any

from bot.sandbox.errors import ApiError
from bot.sandbox.params import Parameters
from bot.sandbox.world import World

Method = Callable[[World, Parameters], Awaitable[Any]]
METHODS: dict[str, Method] = {}


def method(name: str) -> Callable[[Method], Method]:
    """Register a function under its Bot API name; Telegram does not care for the case of it."""

    def register(function: Method) -> Method:
        METHODS[name.lower()] = function
        return function

    return register


async def call(world: World, name: str, parameters: Parameters) -> Any:
    """Run one method and give its result.

    Every call of a bot passes here, and nowhere else. Raises ApiError with what Telegram would answer.
    """
    function = METHODS.get(name.lower())
    if function is None:
        raise ApiError(404, "Not Found: method not found")
    return await function(world, parameters)
