"""Delivery of updates to a webhook: several chats at once, each chat in order, again and again until taken."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx

from bot.sandbox.errors import ApiError
from bot.sandbox.params import Parameters
from bot.sandbox.updates import Update, Webhook
from bot.sandbox.world import World

logger = logging.getLogger(__name__)
_HEADER = "X-Telegram-Bot-Api-Secret-Token"
Caller = Callable[[str, Parameters], Awaitable[object]]


class Deliverer:
    """Sends updates to one webhook until it is closed; ``caller`` runs a method that an answer asks for."""

    def __init__(self, world: World, webhook: Webhook, caller: Caller) -> None:
        self._world = world
        self._webhook = webhook
        self._caller = caller
        self._client = httpx.AsyncClient(timeout=world.rules.webhook_timeout, trust_env=False)
        self._slots = asyncio.Semaphore(webhook.max_connections)
        self._chats: dict[int, asyncio.Task[None]] = {}
        for update in world.updates.pending:
            self.notice(update)

    def notice(self, update: Update) -> None:
        """See to it that the chat of a new update is being served."""
        if update.chat_id not in self._chats:
            self._chats[update.chat_id] = asyncio.create_task(
                self._serve(update.chat_id), name=f"webhook-{update.chat_id}"
            )

    def stop(self) -> None:
        """Deliver nothing more; what was not taken stays pending."""
        for task in self._chats.values():
            task.cancel()

    async def close(self) -> None:
        """Stop, and wait until everything has."""
        self.stop()
        await asyncio.gather(*self._chats.values(), return_exceptions=True)
        await self._client.aclose()

    async def _serve(self, chat_id: int) -> None:
        rules = self._world.rules
        pause = rules.webhook_first_pause
        try:
            while (update := self._first(chat_id)) is not None:
                async with self._slots:
                    taken = await self._post(update)
                if taken:
                    self._world.updates.confirm([update.update_id])
                    pause = rules.webhook_first_pause
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, rules.webhook_longest_pause)
        finally:
            self._chats.pop(chat_id, None)

    def _first(self, chat_id: int) -> Update | None:
        return next((update for update in self._world.updates.pending if update.chat_id == chat_id), None)

    async def _post(self, update: Update) -> bool:
        headers = {_HEADER: self._webhook.secret} if self._webhook.secret else {}
        try:
            answer = await self._client.post(self._webhook.url, json=update.as_api(), headers=headers)
        except httpx.HTTPError as error:
            self._failed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            return False
        if not answer.is_success:
            self._failed(f"Wrong response from the webhook: {answer.status_code} {answer.reason_phrase}")
            return False
        self._world.updates.mark_fetched(update)
        await self._reply(answer)
        return True

    def _failed(self, reason: str) -> None:
        self._webhook.last_error = reason
        self._webhook.last_error_date = self._world.now

    async def _reply(self, answer: httpx.Response) -> None:
        """Run the method that stands in the answer to a delivery; nobody hears how it went, as on Telegram."""
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return
        try:
            wanted = answer.json()
        except ValueError:
            return
        if isinstance(wanted, dict) and isinstance(wanted.get("method"), str):
            try:
                await self._caller(wanted["method"], Parameters(wanted))
            except ApiError as error:
                logger.info("a method in a webhook answer failed: %s", error)
