"""One gatekeeper before every handler, and answers that can't be passed on where the operator wants that."""

from typing import Any

import pytest
from telegram import Update
from telegram.ext import BaseHandler, CommandHandler, TypeHandler

from bot.chat.context import BotApplication, BotContext
from bot.handlers import gatekeeper
from bot.sandbox import Person
from bot.settings import Settings
from tests.integration.chatting import answer_to, one_scan
from tests.integration.conftest import RunningBot
from tests.integration.test_export import is_copy


async def unguarded(application: BotApplication) -> list[str]:
    """Names of the handlers that do something with an update that the gatekeeper has not seen."""
    handlers = [
        handler
        for group, some in application.handlers.items()
        for handler in some
        if group != gatekeeper.GROUP or handler.callback is not gatekeeper.let_in
    ]
    return [handler.callback.__name__ for handler in handlers if not await is_guarded(handler, application)]


async def is_guarded(handler: BaseHandler[Any, BotContext, Any], application: BotApplication) -> bool:
    try:
        await handler.callback(Update(1), BotContext(application))
    except gatekeeper.NotLetInError:
        return True
    except Exception:  # noqa: BLE001 - it has begun its work, and that is what counts
        return False
    return False


async def test_no_handler_works_on_what_nobody_let_in(bot: RunningBot) -> None:
    handlers = [handler for group in bot.application.handlers.values() for handler in group]
    assert len(handlers) > 40
    assert await unguarded(bot.application) == []


async def test_handler_that_is_registered_past_gatekeeper_is_found(bot: RunningBot) -> None:
    async def sneaky(_: Update, context: BotContext) -> None:
        """One that somebody forgot to put behind the gatekeeper."""

    bot.application.add_handler(CommandHandler("sneaky", sneaky))
    assert await unguarded(bot.application) == ["sneaky"]


def test_the_gatekeeper_comes_first_and_takes_every_update(bot: RunningBot) -> None:
    assert min(bot.application.handlers) == gatekeeper.GROUP
    (gatekeeping,) = bot.application.handlers[gatekeeper.GROUP]
    assert isinstance(gatekeeping, TypeHandler)
    assert gatekeeping.check_update(Update(1))
    assert gatekeeping.block


async def test_answers_may_be_passed_on_unless_operator_says_otherwise(bot: RunningBot, agreed: Person) -> None:
    assert not protected(await answer_to(agreed, "/help"))


def protected(message: Any) -> bool:
    return bool(message.raw.get("has_protected_content"))


class TestWithProtection:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"protect_content": True})

    async def test_answers_are_protected_but_for_ones_own_copy(self, bot: RunningBot, agreed: Person) -> None:
        assert protected(await one_scan(bot, agreed))
        assert protected(await answer_to(agreed, "/help"))
        await agreed.send_text("/export")
        assert not protected(await agreed.wait_for(is_copy, timeout=60))
