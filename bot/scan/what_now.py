"""What to do after a result: what needs help at once, who to see, what to bring, what to ask, and how sure this is."""

import html
from collections.abc import Iterable, Mapping

from bot.chat.facts import filled, record_words, records_words
from bot.chat.texts import Texts
from bot.knowledge.knowledge import Knowledge, Topic
from bot.scan import wording
from bot.scan.report_data import topic_of
from bot.scan.track_record import card_of
from inference.registry import Entry
from storage.records import Scan


def what_now_page(scan: Scan, texts: Texts, knowledge: Knowledge, models: Iterable[Entry]) -> str:
    """Telegram HTML in one message; what the topic of the result says of red flags and questions stands in it."""
    topic = topic_of(scan, texts, knowledge)
    return _page(texts("now.title", number=scan.number), scan.verdict, topic, how_sure(scan, texts, models), texts)


def what_now_of(verdict: str, organ: str, texts: Texts, knowledge: Knowledge, models: Mapping[str, Entry]) -> str:
    """The same for a result of which nothing was kept: what holds for every such answer about the organ."""
    words, entry = texts.organs.get(organ), models.get(organ)
    topic = knowledge.topic(words.topic) if words else None
    sure = _sure("", record_words(organ, entry.card, texts) if words and entry else "", texts)
    return _page(html.escape(texts.plain("button.what_now"), quote=False), verdict, topic, sure, texts)


def _page(title: str, verdict: str, topic: Topic | None, sure: str, texts: Texts) -> str:
    parts = (
        ("now.help", _section(topic, "help", texts) or texts.plain("faq.very_unwell")),
        ("now.who", texts.plain(f"who.{verdict}")),
        ("now.bring", texts.plain("now.bring_text")),
        ("now.ask", _section(topic, "questions", texts)),
        ("now.sure", sure),
    )
    said = (f"<b>{texts(key)}</b>\n{html.escape(text, quote=False)}" for key, text in parts if text)
    return "\n\n".join((f"<b>{title}</b>", *said))


def how_sure(scan: Scan, texts: Texts, models: Iterable[Entry]) -> str:
    """What tests say of such a score and of this model, and what a score is not."""
    known = tuple(models)
    record = wording.record_words(scan, texts, known) if scan.study is None else ""
    card = card_of(scan, known)
    figures = record_words(scan.organ, card, texts) if card and scan.organ in texts.organs else ""
    return _sure(record or texts.plain("now.sure_unknown"), figures, texts)


def _sure(score: str, figures: str, texts: Texts) -> str:
    return "\n\n".join(filter(None, (score, records_words([figures], texts), texts.plain("now.sure_not"))))


def _section(topic: Topic | None, key: str, texts: Texts) -> str:
    text = next((section.text for section in topic.sections if section.key == key), "") if topic else ""
    return filled(text, texts)
