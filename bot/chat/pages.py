"""Pages of knowledge for the chat: Telegram HTML and buttons, split where a message ends."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import MessageLimit

from bot.chat.facts import filled
from bot.chat.keyboards import Action, button, grid
from bot.chat.texts import Texts
from bot.knowledge.knowledge import Group, Knowledge, Match, Question, RedFlag, Source, Topic

ROOM = MessageLimit.MAX_TEXT_LENGTH - 596
"""Characters of text in one message, with room left for tags and entities, which only count once parsed."""
BUTTON_WORDS = 60


@dataclass(frozen=True, slots=True)
class Page:
    """A heading, plain text, and what stands below it."""

    title: str
    text: str
    footer: str = ""
    """HTML, safe."""
    buttons: InlineKeyboardMarkup | None = None

    def messages(self) -> Iterator[tuple[str, InlineKeyboardMarkup | None]]:
        """Messages as Telegram HTML; the buttons stand under the last one."""
        pieces = list(split(self.text, ROOM - len(self.title) - len(self.footer)))
        for number, piece in enumerate(pieces):
            head = f"<b>{_safe(self.title)}</b>\n\n" if number == 0 and self.title else ""
            last = number == len(pieces) - 1
            foot = f"\n\n{self.footer}" if last and self.footer else ""
            yield head + _safe(piece) + foot, self.buttons if last else None


def split(text: str, room: int) -> Iterator[str]:
    """Cut text into pieces of at most ``room`` characters, between paragraphs, lines or words where possible."""
    rest = text.strip()
    while len(rest) > room:
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := rest.rfind(mark, 0, room)) > 0), room)
        yield rest[:cut].rstrip()
        rest = rest[cut:].lstrip()
    yield rest


def topics(knowledge: Knowledge, texts: Texts) -> Page:
    """The menu of topics."""
    rows = [(button(topic.title, Action.TOPIC, topic.slug),) for topic in knowledge.topics]
    return Page(texts.plain("info.title"), texts.plain("info.choose"), buttons=grid(*rows))


def topic(topic: Topic, texts: Texts, section: str | None = None) -> Page:
    """A topic's summary, or one part of it, with a button to every other part."""
    shown = topic.section(section) if section else None
    others = [
        button(part.title, Action.SECTION, f"{topic.slug}/{part.key}") for part in topic.sections if part is not shown
    ]
    return Page(
        f"{topic.title}: {shown.title}" if shown else topic.title,
        filled(shown.text if shown else topic.summary, texts),
        _sources(topic.sources, texts),
        grid(*_pairs(others), (button(texts.plain("button.topics"), Action.TOPICS),)),
    )


def groups(knowledge: Knowledge, texts: Texts) -> Page:
    """The menu of question groups."""
    rows = [(button(group.title, Action.GROUP, group.slug),) for group in knowledge.groups if not group.hidden]
    return Page(texts.plain("faq.title"), texts.plain("faq.choose"), buttons=grid(*rows))


def group(group: Group, texts: Texts) -> Page:
    """The questions of one group."""
    rows = [(_ask(question),) for question in group.questions]
    return Page(
        group.title,
        texts.plain("faq.choose_question"),
        buttons=grid(*rows, (button(texts.plain("button.groups"), Action.GROUPS),)),
    )


def question(question: Question, knowledge: Knowledge, texts: Texts) -> Page:
    """A question with its answer; small talk is answered without heading and buttons."""
    group = next((group for group in knowledge.groups if group.slug == question.group), None)
    answer = filled(question.answer, texts)
    if group is None or group.hidden:
        return Page("", answer)
    back = button(texts.plain("button.more_questions"), Action.GROUP, group.slug)
    return Page(question.question, answer, _sources(question.sources, texts), grid((back,)))


def red_flag(flag: RedFlag, texts: Texts) -> Page:
    """What comes before anything else."""
    return Page(flag.title, flag.text, _sources(flag.sources, texts))


def not_known(suggested: Sequence[Match], texts: Texts) -> Page:
    """The honest "I don't know that", with what may have been meant."""
    end = texts("faq.very_unwell")
    if not suggested:
        return Page("", texts.plain("faq.not_known"), end, _menus(texts))
    rows = [
        (_ask(match.entry) if isinstance(match.entry, Question) else _about(match.entry, match.section),)
        for match in suggested
    ]
    return Page("", texts.plain("faq.not_known_but"), end, grid(*rows))


def _menus(texts: Texts) -> InlineKeyboardMarkup:
    return grid(
        (button(texts.plain("button.topics"), Action.TOPICS), button(texts.plain("button.groups"), Action.GROUPS))
    )


def _about(topic: Topic, section: str | None) -> InlineKeyboardButton:
    if section:
        words = f"{topic.title}: {topic.section(section).title}"
        return button(_short(words), Action.SECTION, f"{topic.slug}/{section}")
    return button(_short(topic.title), Action.TOPIC, topic.slug)


def _ask(question: Question) -> InlineKeyboardButton:
    return button(_short(question.question), Action.QUESTION, question.slug)


def _short(words: str) -> str:
    return words if len(words) <= BUTTON_WORDS else words[: BUTTON_WORDS - 1].rstrip() + "…"


def _pairs(buttons: Sequence[InlineKeyboardButton]) -> list[tuple[InlineKeyboardButton, ...]]:
    return [tuple(buttons[at : at + 2]) for at in range(0, len(buttons), 2)]


def _sources(sources: Sequence[Source], texts: Texts) -> str:
    """Where the facts come from, as links."""
    if not sources:
        return ""
    links = "\n".join(
        f'• <a href="{html.escape(source.url)}">{_safe(source.title)}</a>, {_safe(source.publisher)}'
        for source in sources
    )
    return f"<i>{texts('info.sources')}</i>\n{links}"


def _safe(plain: str) -> str:
    return html.escape(plain, quote=False)
