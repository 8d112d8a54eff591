"""What every handler is given: the services, the person who writes, and the texts in their language."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from telegram import InlineKeyboardMarkup, Message, ReplyParameters, Update
from telegram.error import BadRequest
from telegram.ext import Application, CallbackContext, ExtBot

from bot.chat.keyboards import ButtonPress
from bot.chat.languages import ChatLanguages, Language, Languages
from bot.chat.quota import Quota
from bot.chat.texts import Texts
from bot.delivery.admission import BYTES_OF_LONG_FILES, LONG_FILES, AdmissionQueue
from bot.delivery.broadcasting import Broadcaster
from bot.delivery.inbox import Deliveries, Delivery
from bot.delivery.ordering import Albums, ChatQueues
from bot.delivery.purge import Purge
from bot.delivery.rate_limiter import Guarantee
from bot.delivery.replica import Replica
from bot.delivery.storage_health import StorageHealth
from bot.knowledge.knowledge import Knowledge
from bot.operations.metrics import Metrics
from bot.settings import Settings
from inference.registry import Entry
from inference.workers.executor import Executor
from reports.seal import Sealer
from storage.database import Database
from storage.records import Person

_log = logging.getLogger(__name__)
CONSENT_VERSION = 1
"""Goes up when the text that people agree to changes in meaning; everybody is then asked again."""
MOST_EXPORTS = 2
"""Made at once, over all people."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that handlers work with."""

    settings: Settings
    database: Database
    storage: StorageHealth
    deliveries: Deliveries
    executor: Executor
    models: Mapping[str, Entry]
    """Organ -> the folder of the model that reads it."""
    languages: Languages
    purge: Purge
    replica: Replica | None = None
    """This process among several that share the database; None: it works on it alone."""
    chat_languages: ChatLanguages = field(default_factory=ChatLanguages)
    chat_queues: ChatQueues = field(default_factory=ChatQueues)
    albums: Albums = field(default_factory=Albums)
    admission: AdmissionQueue = field(default_factory=AdmissionQueue)
    long_files: AdmissionQueue = field(default_factory=lambda: AdmissionQueue(LONG_FILES, BYTES_OF_LONG_FILES))
    """For files that may be containers, and of people whose last ones took too long: pictures never wait for these."""
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_EXPORTS))
    """Each holds up to one file of Telegram's size in memory."""
    metrics: Metrics = field(default_factory=Metrics)
    sealer: Sealer = field(init=False)
    quota: Quota = field(init=False)
    broadcaster: Broadcaster = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sealer", Sealer(self.settings.report_keys))
        object.__setattr__(self, "quota", Quota(self.settings, self.database))
        object.__setattr__(self, "broadcaster", Broadcaster(self.database, self.storage))

    def language_of(self, update: object) -> Language:
        """What to speak with whoever sent an update, without asking the database: it may be what is out of order."""
        chat = update.effective_chat if isinstance(update, Update) else None
        user = update.effective_user if isinstance(update, Update) else None
        known = self.chat_languages.get(chat.id) if chat else None
        return self.languages.of(known or (user.language_code if user else None))


class BotData:
    """The application's ``bot_data``: holds the services."""

    services: Services


class BotContext(CallbackContext[ExtBot[Guarantee], dict[Any, Any], dict[Any, Any], BotData]):
    """Typed access to everything; ``person`` is there after the gatekeeper has let an update in."""

    _person: Person | None = None
    _answers_in: Language | None = None
    _update: Update | None = None
    press: ButtonPress | None = None
    """The button that was pressed, checked."""
    is_let_in: bool = False
    """Whether the gatekeeper let this update through to the handlers."""

    @property
    def services(self) -> Services:
        """What the application was built with."""
        return self.bot_data.services

    @property
    def database(self) -> Database:
        """People and scans."""
        return self.services.database

    @property
    def delivery(self) -> Delivery:
        """The update on its way through the inbox."""
        return self.services.deliveries.of(self._update)

    @property
    def person(self) -> Person:
        """Who wrote or pressed."""
        if self._person is None:
            raise RuntimeError("the gatekeeper has not seen this update")
        return self._person

    @property
    def is_admin(self) -> bool:
        """Whether the operator named this person in ADMIN_IDS."""
        return self.person.chat_id in self.services.settings.admin_ids

    @property
    def has_consented(self) -> bool:
        """Whether this person agreed to the present wording."""
        return self.person.has_consented and self.person.consent_version == CONSENT_VERSION

    @property
    def language(self) -> Language:
        """What this person speaks, or what this one message is answered in."""
        return self._answers_in or self.services.languages.of(self.person.language)

    def answer_in(self, language: Language) -> None:
        """Speak this language until the update is handled: that of a message, where it is not the chat's."""
        self._answers_in = language

    @property
    def other_language(self) -> str:
        """The code of the language that this one update is answered in where it is not the chat's, or ""."""
        chat = self.services.languages.of(self.person.language)
        return self.language.code if self.language.code != chat.code else ""

    @property
    def texts(self) -> Texts:
        """Texts in the person's language."""
        return self.language.texts

    @property
    def knowledge(self) -> Knowledge:
        """Facts in the person's language."""
        return self.language.knowledge

    @property
    def argument(self) -> str:
        """What the pressed button carries, or the words after the command."""
        return self.press.argument if self.press else " ".join(self.args or ())

    @property
    def territory(self) -> str | None:
        """The country that Telegram tells with this person's language, such as "MX" of es-MX; None where it doesn't."""
        user = self._update.effective_user if self._update else None
        parts = ((user.language_code if user else None) or "").upper().split("-")
        return next((part for part in parts[1:] if len(part) == 2), None)

    def moment(self, when: datetime, *, short: bool = False) -> str:
        """A date and time by this person's clock, or in UTC until they have set it."""
        return self.texts.moment(when, self.person.utc_offset, short=short)

    def admit(self, update: Update, person: Person) -> None:
        """Remember whose update this is."""
        self._update = update
        self.know(person)

    def know(self, person: Person) -> None:
        """Remember who it is, as they are known now."""
        self._person = person
        self.services.chat_languages.note(person.chat_id, person.language)

    async def say(self, key: str, buttons: InlineKeyboardMarkup | None = None, **values: object) -> Message:
        """Send the text of ``key``, with escaped values."""
        return await self.send(self.texts(key, **values), buttons)

    async def send(
        self, text: str, buttons: InlineKeyboardMarkup | None = None, reply_to: int | None = None
    ) -> Message:
        """Send HTML that is already safe, as a reply to message ``reply_to`` when that is still there."""
        return await self.bot.send_message(
            self.person.chat_id, text, reply_markup=buttons, reply_parameters=replying(reply_to)
        )

    async def replace(self, text: str, buttons: InlineKeyboardMarkup | None = None) -> None:
        """Put HTML in place of the text message whose button was pressed; send it anew where that can't be done."""
        query = self._update.callback_query if self._update else None
        if query is not None and isinstance(query.message, Message) and query.message.text:
            try:
                await query.message.edit_text(text, reply_markup=buttons)
            except BadRequest as error:
                if "not modified" in error.message.lower():
                    return
            else:
                return
        await self.send(text, buttons)

    async def forget_messages(self, message_ids: Iterable[int]) -> None:
        """Take messages of ours out of the chat, as far as Telegram still allows: it does for two days."""
        for message_id in message_ids:
            try:
                await self.bot.delete_message(self.person.chat_id, message_id)
            except BadRequest:
                _log.info("a message is too old to be deleted, or gone already")


def replying(message_id: int | None) -> ReplyParameters | None:
    """Reply to a message, and send all the same when that message is gone."""
    return ReplyParameters(message_id, allow_sending_without_reply=True) if message_id is not None else None


BotApplication = Application[ExtBot[Guarantee], BotContext, dict[Any, Any], dict[Any, Any], BotData, None]
