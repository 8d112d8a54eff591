"""What the bot can explain: topics, common questions and red flags of one language, and how to find them.

All texts are plain text without markup; whoever shows them escapes and formats them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias

from bot.knowledge.loader import SOURCES, Folder
from bot.knowledge.red_flags import Listening, RedFlagDetector, Signs
from bot.knowledge.search import LONGEST_TEXT, MOST_WORDS, Hit, Index, Phrasing
from bot.knowledge.words import WordRules

THRESHOLD = 0.59
"""Search scores below this are answered with an honest "I don't know that"."""
SURE, LEAD = 0.95, 0.03
"""Below ``SURE`` an entry must also lead the next one by so much, or both are offered: to answer another question as if
sure does more harm than to ask back."""
UNBACKED_LEAD, UNBACKED_TOPIC_LEAD = 0.15, 0.045
"""The same where the words of the message, in all phrasings together, speak more for another entry: one answer in four
was right there when similar phrasings were left out, and three in four elsewhere. What speaks for a topic is spread
over its sections, so less is asked of one."""
CLEAR, CLEAR_LEAD = 0.55, 0.18
"""Below ``THRESHOLD`` too an entry is answered that leads the next one by so much: nothing else is meant by far."""
SUGGESTION_THRESHOLD = 0.42
SECTION_KEYS = ("what", "symptoms", "causes", "diagnosis", "treatment", "help", "questions")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from. ``licence`` says on which terms its text may be used."""

    title: str
    publisher: str
    url: str
    licence: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a topic, short enough to be read on a phone. ``key`` is one of ``SECTION_KEYS``."""

    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that is explained at length."""

    slug: str
    title: str
    summary: str
    """One or two sentences that stand alone."""
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    names: tuple[str, ...]
    """What people call it when they ask."""
    illness: bool = False
    """Its symptoms, causes and so on can be asked for one by one."""

    def section(self, key: str) -> Section:
        """The section called ``key``. Raises KeyError when there is none."""
        for section in self.sections:
            if section.key == key:
                return section
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class Question:
    """A common question with its short answer. ``group`` is the slug of its group."""

    slug: str
    question: str
    answer: str
    group: str
    sources: tuple[Source, ...]
    phrasings: tuple[str, ...]
    """Other ways to ask the same."""
    does: str = ""
    """The command that whoever writes so is given at once, such as "report" for "send me the report again"."""

    @property
    def title(self) -> str:
        """The question, so that a list can show questions and topics alike."""
        return self.question


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that stand together in the menu. Small talk is in a hidden group: found, but not listed."""

    slug: str
    title: str
    hidden: bool
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class RedFlag:
    """What to say, before anything else, when a message speaks of something that needs help."""

    slug: str
    title: str
    text: str
    signs: tuple[str, ...]
    """What raises it, written as ``bot.knowledge.red_flags`` explains."""
    sources: tuple[Source, ...] = ()
    always: bool = False
    """Raised by plain questions too."""
    aside: tuple[str, ...] = ()
    """Words near a sign which show that something else is meant."""


Entry: TypeAlias = Topic | Question


@dataclass(frozen=True, slots=True)
class Match:
    """What a message asks for. ``score`` runs from 0 to 1; ``section`` is set when one part of a topic was asked."""

    kind: Literal["topic", "question"]
    entry: Entry
    score: float
    section: str | None = None
    backed: bool = True
    """Whether the words of the message speak for no other entry more."""


class Knowledge:
    """Everything that one language has to say. Get it with ``Knowledge.load``."""

    def __init__(
        self,
        topics: tuple[Topic, ...],
        groups: tuple[Group, ...],
        red_flags: tuple[RedFlag, ...],
        listening: Listening,
        words: WordRules,
    ) -> None:
        self.topics = topics
        self.groups = groups
        self.red_flags = red_flags
        self.questions = tuple(question for group in groups for question in group.questions)
        self._topics = {topic.slug: topic for topic in topics}
        self._questions = {question.slug: question for question in self.questions}
        self._flags = {flag.slug: flag for flag in red_flags}
        self._listening, self._words = listening, words

    @classmethod
    def load(cls, folder: Folder | None = None, subjects: Iterable[str] = ()) -> Self:
        """Knowledge of a language's folder, the English one by default, and words that its organs are asked by.

        Raises ContentError when a file is missing or wrong.
        """
        folder = folder or Folder.read()
        sources = _load_sources(folder)
        words = folder.typed(WordRules, folder.file("words.toml"), "words.toml")
        words = replace(words, subjects=(*words.subjects, *subjects))
        return cls(
            _load_topics(folder, sources), _load_groups(folder, sources), *_load_red_flags(folder, sources), words
        )

    def warm_up(self) -> None:
        """Make what the first question would otherwise wait for; may be done in a thread."""
        _ = self._detector

    @cached_property
    def _index(self) -> Index:
        hidden = {question.slug for group in self.groups if group.hidden for question in group.questions}
        return Index(self._words, _phrasings(self.topics, self.questions, hidden, self._words))

    @cached_property
    def _detector(self) -> RedFlagDetector:
        signs = (Signs(flag.slug, flag.signs, flag.always, flag.aside) for flag in self.red_flags)
        return RedFlagDetector(self._words, self._listening, signs, known=self._index.words)

    def topic(self, slug: str) -> Topic | None:
        """The topic called ``slug``, or None."""
        return self._topics.get(slug)

    def question(self, slug: str) -> Question | None:
        """The question called ``slug``, or None."""
        return self._questions.get(slug)

    def search(self, text: str) -> Match | None:
        """The entry that ``text`` asks for, or None: an honest "I don't know that"."""
        found = self._find(text, 2)
        if not found or found[0].score < CLEAR:
            return None
        lead = found[0].score - (found[1].score if len(found) > 1 else 0.0)
        return found[0] if lead >= _needed_lead(found[0]) else None

    @property
    def small_words(self) -> frozenset[str]:
        """Words that carry little meaning of their own, without accents and endings as they are typed."""
        return self._words.own_small

    def familiarity(self, text: str) -> float:
        """Share, 0 to 1, of the words of ``text`` that this language knows as they are."""
        words = [word for sentence in self._words.sentences(text, MOST_WORDS, LONGEST_TEXT) for word in sentence]
        known = sum(word in self._index.words or word in self._words.own_small_words for word in words)
        return known / len(words) if words else 0.0

    def suggest(self, text: str, n: int = 3) -> tuple[Match, ...]:
        """Up to ``n`` entries that ``text`` may mean, best first; also below the score that ``search`` asks for."""
        found = [match for match in self._find(text, n) if match.score >= SUGGESTION_THRESHOLD]
        known = {match.entry.slug for match in found}
        found += [match for match in self._matches(self._mentioned(text), n) if match.entry.slug not in known]
        return tuple(found[:n])

    def red_flag(self, text: str) -> RedFlag | None:
        """What must be said before anything else, or None. A plain question about a symptom is no red flag."""
        slug = self._detector.hear(text)
        return self._flags[slug] if slug else None

    def _find(self, text: str, most: int) -> list[Match]:
        hits = self._index.search(text, most * len(SECTION_KEYS))
        return self._matches(hits, most)

    def _mentioned(self, text: str) -> Iterator[Hit]:
        return (Hit(key, SUGGESTION_THRESHOLD, backed=False) for key in self._index.mentioned(text))

    def _matches(self, hits: Iterable[Hit], most: int) -> list[Match]:
        """The first ``most`` different entries of ``hits``, which are best first."""
        matches: dict[str, Match] = {}
        for hit in hits:
            kind, slug, section = hit.key.split("/")
            if slug in matches:
                continue
            if kind == "topic":
                matches[slug] = Match("topic", self._topics[slug], hit.score, section or None, hit.backed)
            else:
                matches[slug] = Match("question", self._questions[slug], hit.score, backed=hit.backed)
        return list(matches.values())[:most]


def _needed_lead(match: Match) -> float:
    """By how much the best match must lead the next one to be answered."""
    if match.score >= SURE:
        return 0.0
    if match.score < THRESHOLD:
        return CLEAR_LEAD
    if match.backed:
        return LEAD
    return UNBACKED_TOPIC_LEAD if match.kind == "topic" else UNBACKED_LEAD


def _load_sources(folder: Folder) -> dict[str, Source]:
    tables = ((name, table) for name, _, table in folder.files(SOURCES))
    return {source: folder.typed(Source, table[source], name) for name, table in tables for source in table}


def _load_topics(folder: Folder, sources: Mapping[str, Source]) -> tuple[Topic, ...]:
    topics = []
    for name, path, table in folder.files("topics/*.toml"):
        values = {"slug": path.stem, "names": [], **table}
        order = values.pop("order", 0)
        values["sources"] = _sources(values.get("sources", ()), sources, folder, name)
        topics.append((order, folder.typed(Topic, values, name)))
    return tuple(topic for _, topic in sorted(topics, key=lambda item: item[0]))


def _load_groups(folder: Folder, sources: Mapping[str, Source]) -> tuple[Group, ...]:
    groups = []
    for name, path, table in folder.files("faq/*.toml"):
        values = {"slug": path.stem, "hidden": False, **table}
        order = values.pop("order", 0)
        values["questions"] = [
            {
                "group": path.stem,
                "phrasings": [],
                **question,
                "sources": _sources(question.get("sources", ()), sources, folder, name),
            }
            for question in values.get("questions", ())
        ]
        groups.append((order, folder.typed(Group, values, name)))
    return tuple(group for _, group in sorted(groups, key=lambda item: item[0]))


def _load_red_flags(folder: Folder, sources: Mapping[str, Source]) -> tuple[tuple[RedFlag, ...], Listening]:
    name = "red_flags.toml"
    values = folder.file(name)
    flags = tuple(
        folder.typed(RedFlag, {**flag, "sources": _sources(flag.get("sources", ()), sources, folder, name)}, name)
        for flag in values.get("flags", ())
    )
    return flags, folder.typed(Listening, values.get("listening", {}), name)


def _sources(names: Any, sources: Mapping[str, Source], folder: Folder, name: str) -> tuple[Source, ...]:
    unknown = [source for source in names if source not in sources]
    if unknown:
        raise folder.error(name, f"no source is called {unknown[0]}: add it to sources.toml")
    return tuple(sources[source] for source in names)


def _phrasings(
    topics: tuple[Topic, ...], questions: tuple[Question, ...], hidden: set[str], words: WordRules
) -> list[Phrasing]:
    found: list[Phrasing] = []
    for topic in topics:
        names = (topic.title, *topic.names)
        found.extend(Phrasing(f"topic/{topic.slug}/", name) for name in names)
        found.extend(
            Phrasing(f"topic/{topic.slug}/{key}", template.format(name))
            for key, templates in words.sections.items()
            for template in templates
            for name in names
            if topic.illness
        )
    for question in questions:
        found.extend(
            Phrasing(f"question/{question.slug}/", text, whole=question.slug in hidden)
            for text in (question.question, *question.phrasings)
        )
    return found
