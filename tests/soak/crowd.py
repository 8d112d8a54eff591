"""The people of a soak: they agree, they act at their times, and they remember what they have sent."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.sandbox import Message, Person, Sandbox
from tests.soak.acts import QUESTIONS, Act, Kind, picture, shy_people

PATIENCE = 120.0
"""Seconds that a person waits for the question of consent."""
AGREE = "agree"


@dataclass(frozen=True, slots=True)
class SentPicture:
    """A picture that went out, by the names that Telegram gave it."""

    message_id: int
    file_unique_id: str
    is_scan: bool

    @property
    def source_key(self) -> str:
        """What the bot's history calls it."""
        return f"{self.message_id}:{self.file_unique_id}"


@dataclass(slots=True)
class Visitor:
    """One person and what they have sent so far."""

    person: Person
    pictures: list[SentPicture] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    is_stuck: bool = False
    """Sent a picture without having agreed, and was not asked whether it may be read, or not heard."""

    async def agree(self) -> None:
        """Say /start and yes."""
        await self.person.send_text("/start")
        await self.agree_when_asked()

    async def agree_when_asked(self) -> None:
        """Press yes as soon as the question is there."""
        question = await self.person.wait_for(_asks_consent, PATIENCE)
        await self.person.press_only(question, AGREE)
        await self.person.wait_for(lambda message: message.id == question.id and message.edited, PATIENCE)

    async def live(self, acts: Iterable[Act], began: float) -> None:
        """Act at the times that were drawn, ``began`` being the loop's time at the beginning."""
        loop = asyncio.get_running_loop()
        for act in acts:
            await asyncio.sleep(began + act.at - loop.time())
            await self.act(act)

    async def act(self, act: Act) -> None:
        """Do one thing."""
        person = self.person
        data = [await asyncio.to_thread(picture, seed, scan=act.kind is not Kind.NO_SCAN) for seed in act.pictures]
        match act.kind:
            case Kind.TEXT:
                self.asked[act.text] += 1
                await person.send_text(act.text)
            case Kind.PHOTO:
                self._note([await person.send_photo(data[0])])
            case Kind.UNASKED_PHOTO:
                self._note([await person.send_photo(data[0])])
                await self._agree_at_last()
            case Kind.DOCUMENT:
                self._note([await person.send_document(data[0], "scan.jpg")])
            case Kind.NO_SCAN:
                self._note([await person.send_photo(data[0])], is_scan=False)
            case Kind.PHOTO_ALBUM:
                self._note(await person.send_album(data))
            case Kind.DOCUMENT_ALBUM:
                self._note(await person.send_documents([(f"{number}.jpg", one) for number, one in enumerate(data)]))

    async def _agree_at_last(self) -> None:
        try:
            await self.agree_when_asked()
        except TimeoutError:
            self.is_stuck = True

    def _note(self, messages: Sequence[Message], *, is_scan: bool = True) -> None:
        for message in messages:
            file = message.raw["photo"][-1] if message.photo else message.raw["document"]
            self.pictures.append(SentPicture(message.id, file["file_unique_id"], is_scan))


async def gather_crowd(sandbox: Sandbox, people: int) -> list[Visitor]:
    """So many people; all but the shy ones have agreed."""
    crowd = [Visitor(await sandbox.person(f"Person {number}")) for number in range(people)]
    async with asyncio.TaskGroup() as group:
        for visitor in crowd[: shy_people(people).start]:
            group.create_task(visitor.agree())
    return crowd


async def learn_answers(sandbox: Sandbox) -> dict[str, str]:
    """What the bot says to each question, as somebody hears it while nothing goes wrong."""
    listener = Visitor(await sandbox.person("Listener"))
    await listener.agree()
    answers = {}
    for question in QUESTIONS:
        await listener.person.send_text(question)
        answers[question] = (await listener.person.wait_for(lambda message: bool(message.text), PATIENCE)).text
    if len({answer.partition("\n")[0] for answer in answers.values()}) < len(answers):
        raise ValueError("two questions have answers that can't be told apart")
    return answers


async def is_up(sandbox: Sandbox) -> None:
    """Wait until a newcomer is answered: who has their answers may have them from a bot that was killed since."""
    newcomer = await sandbox.person("Newcomer")
    await newcomer.send_text("/help")
    await newcomer.wait_for(lambda message: message.from_bot, PATIENCE)


def _asks_consent(message: Message) -> bool:
    return any(item.data == AGREE for row in message.buttons for item in row)
