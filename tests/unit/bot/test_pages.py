"""Pages of knowledge: every one of them fits into Telegram's limits and is valid HTML."""

import pytest
from telegram import InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit, MessageLimit

from bot.chat import pages
from bot.chat.keyboards import parse
from bot.chat.texts import Texts
from bot.knowledge.knowledge import Knowledge, Question, Source, Topic
from tests.unit.bot.scans import shown

english = Texts.load()
knowledge = Knowledge.load()
EVERY_PAGE = {
    "topics": pages.topics(knowledge, english),
    "groups": pages.groups(knowledge, english),
    "nothing": pages.not_known((), english),
    "suggestions": pages.not_known(knowledge.suggest("tumour pain", 3), english),
    **{f"topic {topic.slug}": pages.topic(topic, english) for topic in knowledge.topics},
    **{
        f"section {topic.slug}/{section.key}": pages.topic(topic, english, section.key)
        for topic in knowledge.topics
        for section in topic.sections
    },
    **{f"group {group.slug}": pages.group(group, english) for group in knowledge.groups},
    **{f"question {one.slug}": pages.question(one, knowledge, english) for one in knowledge.questions},
}


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_page_fits_and_its_buttons_are_understood(name: str) -> None:
    for text, buttons in EVERY_PAGE[name].messages():
        assert 0 < len(shown(text)) <= MessageLimit.MAX_TEXT_LENGTH
        for button in _buttons(buttons):
            assert parse(button) is not None
            assert len(button.encode()) <= InlineKeyboardButtonLimit.MAX_CALLBACK_DATA


def _buttons(markup: InlineKeyboardMarkup | None) -> list[str]:
    rows = markup.inline_keyboard if markup else ()
    return [str(button.callback_data) for row in rows for button in row]


def test_buttons_reach_every_topic_section_and_question() -> None:
    reached = {data for page in EVERY_PAGE.values() for _, markup in page.messages() for data in _buttons(markup)}
    assert {f"topic:{topic.slug}" for topic in knowledge.topics} <= reached
    assert {f"section:{topic.slug}/{part.key}" for topic in knowledge.topics for part in topic.sections} <= reached
    listed = [one for group in knowledge.groups if not group.hidden for one in group.questions]
    assert {f"question:{one.slug}" for one in listed} <= reached


def test_facts_are_escaped_and_their_sources_are_links() -> None:
    source = Source("A & B", "<press>", "https://example.org/?a=1&b=2", "public domain")
    topic = Topic("x", "x < y", "<b>bold</b> & brave", (), (source,), ())
    [(text, _)] = pages.topic(topic, english).messages()
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; brave" in text
    assert '<a href="https://example.org/?a=1&amp;b=2">A &amp; B</a>, &lt;press&gt;' in text
    assert shown(text).startswith("x < y\n\n<b>bold</b> & brave")


def test_long_answer_becomes_several_messages_without_losing_words() -> None:
    words = [f"word{number}" for number in range(3_000)]
    answer = "\n\n".join(" ".join(words[at : at + 50]) for at in range(0, 3_000, 50))
    page = pages.question(Question("x", "Why?", answer, "result", (), ()), knowledge, english)
    messages = list(page.messages())
    assert len(messages) > 1
    assert all(len(shown(text)) <= MessageLimit.MAX_TEXT_LENGTH for text, _ in messages)
    assert " ".join(shown(text) for text, _ in messages).split() == ["Why?", *words]
    assert [buttons is not None for _, buttons in messages] == [False] * (len(messages) - 1) + [True]


def test_text_without_any_gap_is_cut_all_the_same() -> None:
    assert list(pages.split("x" * 10, 4)) == ["xxxx", "xxxx", "xx"]
    assert list(pages.split("", 4)) == [""]
