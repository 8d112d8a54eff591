"""Everything that the sandbox remembers: the bot, the people, their chats, files, updates and pressed buttons."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.chat import Chat, Message, Person
from bot.sandbox.errors import ApiError, PersonError, bad_request, forbidden, too_many_requests
from bot.sandbox.faults import UPDATES, Injector
from bot.sandbox.feed import Feed
from bot.sandbox.files import FileStore
from bot.sandbox.params import Json
from bot.sandbox.profile import Profile
from bot.sandbox.rules import Clock, Rules
from bot.sandbox.updates import Update, UpdateQueue, Webhook

FIRST_PERSON_ID = 5_000_000_001
_LANGUAGE = "en"


@dataclass(slots=True)
class Callback:
    """A pressed button that waits for the bot's answer."""

    person_id: int
    pressed: float
    answer: "asyncio.Future[Json]"


@dataclass(slots=True)
class _Bucket:
    """Allowance of one chat under the flood limit: refilled with time, spent by messages."""

    left: float
    checked: float


@dataclass(slots=True)
class World:
    """The state of one sandbox. Nothing here knows HTTP."""

    token: str
    rules: Rules
    clock: Clock = field(default_factory=Clock)
    webhook: Webhook | None = None
    on_webhook: Callable[[Webhook | None], None] = lambda _webhook: None
    chats: dict[int, Chat] = field(default_factory=dict)
    callbacks: dict[str, Callback] = field(default_factory=dict)
    started: str = field(default_factory=lambda: secrets.token_hex(8))
    """Differs after a restart: the page then begins anew."""
    _buckets: dict[int, _Bucket] = field(default_factory=dict)
    faults: Injector = field(init=False)
    profile: Profile = field(init=False)
    files: FileStore = field(init=False)
    updates: UpdateQueue = field(init=False)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.profile = Profile(int(self.token.partition(":")[0]))
        self.faults = Injector(self.rules.faults)
        self.files = FileStore(self.rules, self.clock)
        self.updates = UpdateQueue(self.rules, self.clock)
        self.updates.on_fetched = self._mark_read
        self.updates.on_confirmed = self._perhaps_redeliver
        self.feed = Feed(self.rules.stored_events)

    @property
    def now(self) -> int:
        """Whole seconds, as dates in messages are."""
        return int(self.clock.now())

    def add_person(self, first_name: str, language: str = _LANGUAGE, username: str | None = None) -> Person:
        """A new test person, who has not started the bot yet; raises PersonError when there are too many."""
        if len(self.chats) >= self.rules.people:
            raise PersonError(f"a sandbox holds at most {self.rules.people} people")
        person = Person(FIRST_PERSON_ID + len(self.chats), first_name, language, username)
        self.chats[person.id] = Chat(person, self.profile, self.rules.stored_messages)
        self.feed.add("person", None, person=person.user())
        return person

    def chat_of(self, chat_id: int) -> Chat:
        """The chat for the person's side; raises PersonError when there is no such person."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise PersonError(f"there is no test person {chat_id}")
        return chat

    def chat_for_bot(self, chat_id: int) -> Chat:
        """The chat for the bot's side; raises ApiError when the bot may not use it."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad_request("chat not found")
        if chat.person.blocked:
            raise forbidden("bot was blocked by the user")
        if not chat.person.started:
            raise forbidden("bot can't initiate conversation with a user")
        return chat

    def count_message(self, chat_id: int, messages: int = 1) -> None:
        """Spend the chat's allowance, and that of all chats; raises ApiError 429 when it is used up."""
        if not self.rules.flood_limit:
            return
        for key, burst, rate in (
            (chat_id, self.rules.flood_burst, 1),
            (0, self.rules.flood_total, self.rules.flood_total),
        ):
            now = self.clock.now()
            bucket = self._buckets.setdefault(key, _Bucket(burst, now))
            bucket.left = min(float(burst), bucket.left + (now - bucket.checked) * rate)
            bucket.checked = now
            if bucket.left < 1:
                raise too_many_requests(max(1, round((1 - bucket.left) / rate + 1)))
            bucket.left -= messages

    def set_webhook(self, webhook: Webhook | None) -> None:
        """From now on updates go there, or wait to be fetched."""
        self.webhook = webhook
        self.on_webhook(webhook)

    def from_bot(self, chat: Chat, content: Json, **fields: Any) -> Message:
        """A message of the bot appears in the chat."""
        message = chat.add(from_bot=True, date=self.now, content=content, **fields)
        self.feed.add("message", chat.person.id, message=chat.as_shown(message))
        return message

    def from_person(self, chat: Chat, content: Json, **fields: Any) -> Message:
        """A message of the person appears in the chat and becomes an update."""
        chat.person.started = True
        message = chat.add(from_bot=False, date=self.now, content=content, **fields)
        self.feed.add("message", chat.person.id, message=chat.as_shown(message))
        self.updates.put("message", chat.as_api(message), chat.person.id)
        return message

    def changed(self, chat: Chat, message: Message) -> None:
        """Show a message anew: edited, read, pinned, reacted to."""
        self.feed.add("edit", chat.person.id, message=chat.as_shown(message))

    def delete(self, chat: Chat, message_id: int) -> None:
        """Take a message out of the chat on both sides."""
        del chat.messages[message_id]
        if message_id in chat.pinned:
            chat.pinned.remove(message_id)
        self.feed.add("delete", chat.person.id, message_id=message_id)

    def press(self, chat: Chat, message: Message, data: str) -> str:
        """The person presses a button with callback data; gives the id of the CallbackQuery."""
        query_id = str(secrets.randbelow(10**18) + 10**18)
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.callbacks[query_id] = Callback(chat.person.id, self.clock.now(), future)
        while len(self.callbacks) > self.rules.stored_updates:
            self.callbacks.pop(next(iter(self.callbacks))).answer.cancel()
        query = {
            "id": query_id,
            "from": chat.person.user(),
            "message": chat.as_api(message),
            "chat_instance": str(chat.person.id * 7919),
            "data": data,
        }
        self.updates.put("callback_query", query, chat.person.id)
        return query_id

    def answer_callback(self, query_id: str, answer: Json) -> None:
        """The bot answers a pressed button once, in time; raises ApiError 400 otherwise."""
        callback = self.callbacks.get(query_id)
        too_old = callback is None or self.clock.now() - callback.pressed > self.rules.callback_seconds
        if callback is None or too_old or callback.answer.done():
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        callback.answer.set_result(answer)
        self.feed.add("answer", callback.person_id, callback_query_id=query_id, answer=answer)

    def _perhaps_redeliver(self, update: Update) -> None:
        if not update.again and self.faults.draw(UPDATES):
            self.updates.put_back(update, self.faults.delay())

    def _mark_read(self, update: Update) -> None:
        chat = self.chats.get(update.chat_id)
        message_id = update.content.get("message_id")
        message = chat.messages.get(message_id) if chat and isinstance(message_id, int) else None
        if chat is None or message is None or message.read:
            return
        message.read = True
        self.feed.add("read", chat.person.id, message_id=message.message_id)


def check_token(world: World, token: str) -> None:
    """Raises ApiError 401 for another bot's token, 404 for what is none at all."""
    number, colon, secret = token.partition(":")
    if not (colon and number.isdigit() and secret):
        raise ApiError(404, "Not Found")
    if not secrets.compare_digest(token.encode(), world.token.encode()):
        raise ApiError(401, "Unauthorized")
