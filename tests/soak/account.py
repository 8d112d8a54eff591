"""What was sent against what is in the history and in each chat."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from bot.chat.texts import Texts
from bot.sandbox import Message
from storage.database import Database
from storage.records import Scan
from tests.soak.crowd import SentPicture, Visitor

PAGE = 100


@dataclass(frozen=True, slots=True)
class Account:
    """The counts of one person, or of all together."""

    scans: int = 0
    """Pictures that a scan has to come of."""
    texts: int = 0
    lost: int = 0
    """Pictures without a scan in the history."""
    turned_away: int = 0
    """Of the lost ones, those whose sender was told so and asked to send it again."""
    double_rows: int = 0
    """Scans in the history that nobody has sent, or sent once only."""
    without_picture: int = 0
    """Scans whose heat map is not in the chat, nor the sentence that offers it again."""
    without_report: int = 0
    """The same for the PDF."""
    offered: int = 0
    """Scans of which the heat map or the PDF is offered again because it may not have arrived."""
    offered_needlessly: int = 0
    """Those of them of which it had arrived."""
    unanswered_texts: int = 0
    unanswered_others: int = 0
    """Pictures of something else whose sender was not told that this is no scan."""
    out_of_order: int = 0
    """People who were answered in another order than they asked, or whose scans are numbered in another order."""
    stuck_consents: int = 0
    """People who were not asked whether their picture may be read, or whose yes was not heard."""
    messages: int = 0
    """All that the bot has said."""
    double_pictures: int = 0
    double_reports: int = 0
    double_texts: int = 0
    """Answers to texts, and refusals, beyond one for each."""
    status_left: int = 0
    """Status messages ("I am looking at it") that were never taken away. Their id is written down as soon as Telegram
    tells it, and a restart takes those away; what is left is one that Telegram has, and whose id never came, because of
    a kill or of an answer that was lost. Nobody can ask Telegram for it. No answer comes twice by such a message, so
    that they are counted apart."""
    apologies: int = 0
    """Messages that say that something went wrong."""

    def __add__(self, other: "Account") -> "Account":
        return Account(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def unanswered(self) -> int:
        """Whoever still waits for something."""
        return (
            self.without_picture
            + self.without_report
            + self.unanswered_texts
            + self.unanswered_others
            + self.stuck_consents
        )

    @property
    def doubles(self) -> int:
        """Answers that came once too often."""
        return self.double_pictures + self.double_reports + self.double_texts

    @property
    def double_share(self) -> float:
        """Of all messages of the bot."""
        return self.doubles / self.messages if self.messages else 0.0

    @property
    def status_share(self) -> float:
        """Status messages that were left, of all pictures that were scans."""
        return self.status_left / self.scans if self.scans else 0.0

    @property
    def is_settled(self) -> bool:
        """Whether everything has its answer."""
        return not (self.lost or self.unanswered)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to look into."""
        return self.is_settled and not (self.doubles or self.double_rows or self.status_left or self.out_of_order)


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from what was sent to its answer."""

    scans: tuple[float, ...] = ()
    """Until the PDF."""
    texts: tuple[float, ...] = ()

    def __add__(self, other: "Waits") -> "Waits":
        return Waits(self.scans + other.scans, self.texts + other.texts)


class Bookkeeper:
    """Reads the history from the database and the chats from the sandbox; ``answers`` are those to each question."""

    def __init__(self, database: Database, answers: Mapping[str, str]) -> None:
        texts = Texts.load()
        self._database = database
        self._first_lines = {question: _first_line(answer) for question, answer in answers.items()}
        patterns = {key: _pattern(template) for key, template in texts.templates.items() if isinstance(template, str)}
        self._statuses = [patterns[key] for key in patterns if key.startswith("status.") and key != "status.place"]
        self._apologies = [patterns[key] for key in patterns if key.startswith("error.")]
        self._picture_offers = [patterns[key] for key in ("doubt.picture", "refusal.not_sent")]
        self._report_offers = [patterns[key] for key in ("doubt.report", "refusal.not_sent", "refusal.report_failed")]

    async def account(self, visitor: Visitor) -> Account:
        """Count one person's side."""
        messages = await visitor.person.messages()
        said = [message for message in messages if message.from_bot]
        scans = await self._scans(visitor)
        words = [message for message in said if message.file is None]
        offered_pictures, offered_reports = _found(self._picture_offers, words), _found(self._report_offers, words)
        by_key = {scan.source_key: scan for scan in scans}
        expected = [sent for sent in visitor.pictures if sent.is_scan]
        missing = [sent for sent in expected if sent.source_key not in by_key]
        others = [self._refusals(sent, words) for sent in visitor.pictures if not sent.is_scan]
        pictures = {scan.number: _count_pictures(scan, said) for scan in scans}
        reports = {scan.number: _count_reports(scan, said) for scan in scans}
        heard = {question: len(self._answers(question, words)) for question in visitor.asked}
        return Account(
            scans=len(expected),
            texts=visitor.asked.total(),
            lost=len(missing),
            turned_away=sum(self._refusals(sent, words) > 0 for sent in missing),
            double_rows=len(scans) - (len(expected) - len(missing)),
            without_picture=sum(not count and number not in offered_pictures for number, count in pictures.items()),
            without_report=sum(not count and number not in offered_reports for number, count in reports.items()),
            offered=len(offered_pictures | offered_reports),
            offered_needlessly=len(_with_some(pictures, offered_pictures) | _with_some(reports, offered_reports)),
            unanswered_texts=sum(max(0, count - heard[question]) for question, count in visitor.asked.items()),
            unanswered_others=others.count(0),
            out_of_order=int(not self._is_in_order(messages, scans)),
            stuck_consents=int(visitor.is_stuck),
            messages=len(said),
            double_pictures=_beyond_one(pictures.values()),
            double_reports=_beyond_one(reports.values()),
            double_texts=sum(max(0, heard[question] - count) for question, count in visitor.asked.items())
            + _beyond_one(others),
            status_left=sum(self._is_status(message) for message in words),
            apologies=sum(_is_one_of(self._apologies, message.text) for message in words),
        )

    async def waits(self, visitor: Visitor, appeared: Mapping[tuple[int, int], float]) -> "Waits":
        """How long this person waited; ``appeared`` says when, by chat and message."""
        messages = await visitor.person.messages()
        times = {message.id: appeared[visitor.person.id, message.id] for message in messages}
        by_key = {scan.source_key: scan for scan in await self._scans(visitor)}
        scans = [
            times[answer.id] - times[sent.message_id]
            for sent in visitor.pictures
            if (scan := by_key.get(sent.source_key)) and (answer := _first_report(scan, messages))
        ]
        texts = []
        for question in visitor.asked:
            asked = [times[one.id] for one in messages if not one.from_bot and one.text == question]
            answered = [times[one.id] for one in self._answers(question, messages)]
            texts += [end - begin for begin, end in zip(asked, answered, strict=False)]
        return Waits(tuple(scans), tuple(texts))

    async def transcript(self, visitor: Visitor, appeared: Mapping[tuple[int, int], float]) -> str:
        """The chat with its times and the history of one person, for finding out what went wrong."""
        lines = [f"{visitor.person.name} ({visitor.person.id}): {await self.account(visitor)}"]
        for one in await visitor.person.messages():
            file = f" [{one.file.kind} {one.file.name}]" if one.file else ""
            reply = f" to {one.reply_to}" if one.reply_to else ""
            seconds = appeared[visitor.person.id, one.id]
            lines.append(
                f"  {seconds:8.2f} {one.id:>4} {'bot' if one.from_bot else 'person'}{reply}{file} {one.text[:90]!r}"
            )
        lines += [
            f"  scan {one.number} {one.public_id} of {one.source_key}: {dict(one.messages)}"
            for one in await self._scans(visitor)
        ]
        return "\n".join(lines)

    async def _scans(self, visitor: Visitor) -> list[Scan]:
        person = await self._database.people.get(visitor.person.id)
        if person is None:
            return []
        first = await self._database.scans.page(person.id, 1, PAGE)
        rest = [await self._database.scans.page(person.id, page, PAGE) for page in range(2, first.pages + 1)]
        return [scan for page in (first, *rest) for scan in page.scans]

    def _is_in_order(self, messages: Sequence[Message], scans: Iterable[Scan]) -> bool:
        """Whether answers came in the order of the questions, as far as they came, and scans are numbered as sent.

        Answers that came twice do no harm: what was asked has to be found among them in its order.
        """
        by_line = {line: question for question, line in self._first_lines.items()}
        asked = [one.text for one in messages if not one.from_bot and one.text in self._first_lines]
        heard = [by_line[line] for one in messages if (line := _first_line(one.text)) in by_line and _is_word(one)]
        answered = Counter(heard)
        rest = iter(heard)
        sources = [int(scan.source_key.partition(":")[0]) for scan in sorted(scans, key=lambda scan: scan.number)]
        in_order = all(question in rest for question in asked if answered[question] >= asked.count(question))
        return in_order and sources == sorted(sources)

    def _answers(self, question: str, messages: Iterable[Message]) -> list[Message]:
        """Known by their first line: further down /privacy tells how many scans are kept."""
        wanted = self._first_lines[question]
        return [one for one in messages if one.from_bot and one.file is None and _first_line(one.text) == wanted]

    def _refusals(self, sent: SentPicture, words: Sequence[Message]) -> int:
        """How many last words there are on a picture: texts that reply to it and aren't a status."""
        return sum(message.reply_to == sent.message_id and not self._is_status(message) for message in words)

    def _is_status(self, message: Message) -> bool:
        return _is_one_of(self._statuses, message.text.rpartition("\n")[2])


def _is_word(message: Message) -> bool:
    return message.from_bot and message.file is None


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _pattern(template: str) -> re.Pattern[str]:
    """What a text looks like in the chat, whatever its values."""
    bare = re.escape(re.sub(r"<[^>]+>", "", template)).replace(r"\{number\}", r"(?P<number>\d+)", 1)
    return re.compile(re.sub(r"\\\{\w+\\\}", ".*", bare))


def _is_one_of(patterns: Iterable[re.Pattern[str]], text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in patterns)


def _found(offers: Iterable[re.Pattern[str]], words: Sequence[Message]) -> set[int]:
    """Numbers of the scans that are offered."""
    return {int(match["number"]) for offer in offers for message in words if (match := offer.search(message.text))}


def _count_pictures(scan: Scan, said: Iterable[Message]) -> int:
    return sum(message.photo is not None and scan.public_id in message.text for message in said)


def _count_reports(scan: Scan, said: Iterable[Message]) -> int:
    return sum(message.document is not None and scan.public_id in message.document.name for message in said)


def _first_report(scan: Scan, messages: Iterable[Message]) -> Message | None:
    return next(
        (one for one in messages if one.document and one.from_bot and scan.public_id in one.document.name), None
    )


def _with_some(counts: Mapping[int, int], numbers: Iterable[int]) -> set[int]:
    return {number for number in numbers if counts.get(number)}


def _beyond_one(counts: Iterable[int]) -> int:
    return sum(max(0, count - 1) for count in counts)
