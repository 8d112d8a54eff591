"""A language as a whole: everything that the bot and its reports say in it, from one folder."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from telegram.constants import BotDescriptionLimit

from bot.chat.completeness import shortcomings
from bot.chat.direction import in_order
from bot.chat.facts import facts
from bot.chat.texts import Texts, locale_of, placeholders
from bot.errors import StartError
from bot.knowledge import loader
from bot.knowledge.identification import Identifier, read_everyday_words
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import CODE, DEFAULT_LANGUAGE, ORGAN_FILE, ORGANS, ContentError, Folder, codes, read
from bot.knowledge.organs import with_models
from inference.card import ModelError
from inference.registry import Entry, check_models
from reports.data import Words

GREETINGS = "greetings.toml"
MOST_CHATS = 10_000
DESCRIPTIONS = {
    "bot.description": BotDescriptionLimit.MAX_DESCRIPTION_LENGTH,
    "bot.short_description": BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH,
}
"""Texts that name every organ, and how many characters Telegram takes of them."""


@dataclass(frozen=True, slots=True)
class Language:
    """Texts, facts and the report's words, as one person gets them."""

    code: str
    texts: Texts
    knowledge: Knowledge
    report: Words

    @property
    def name(self) -> str:
        """What the language calls itself."""
        return self.texts.plain("language.name")


class Languages(Mapping[str, Language]):
    """The languages that the bot speaks, by their codes; the default one is always among them."""

    def __init__(
        self,
        known: Mapping[str, Language],
        greetings: Mapping[str, str] | None = None,
        everyday: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._known = dict(known)
        self._greetings = dict(greetings or {})
        self._identifier = Identifier({code: one.knowledge for code, one in known.items()}, everyday or {})

    def __getitem__(self, code: str) -> Language:
        return self._known[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def default(self) -> Language:
        """The one for whoever speaks none of ours."""
        return self._known[DEFAULT_LANGUAGE]

    def spoken(self, code: str | None) -> Language | None:
        """The language that a code such as ``de`` or ``pt-BR`` names, or None when it is not one of ours."""
        return next((self._known[name] for name in _widening(code) if name in self._known), None)

    def of(self, code: str | None) -> Language:
        """The language that a code names, or the default one."""
        return self.spoken(code) or self.default

    def named(self, typed: str) -> Language | None:
        """The language that a person means by its code or by its name in any of ours; None for any other word."""
        wanted = typed.strip().casefold()
        names = (
            (
                language,
                {
                    language.name,
                    *(language.texts.locale.get_language_name(other.texts.locale) for other in self.values()),
                },
            )
            for language in self.values()
        )
        found = (language for language, known in names if wanted in {name.casefold() for name in known if name})
        return self.spoken(typed.strip()) or next(found, None)

    def written(self, text: str, chat: Language) -> str:
        """The code of the language that a message of a chat is in: the chat's, unless another one is there clearly."""
        return self._identifier.language_of(text, chat.code)

    def greeting(self, code: str | None) -> str | None:
        """For whoever uses Telegram, or writes, in a language that is not ours: a plain sentence, in it if we know one.

        None for those whose language we speak, and for those of whom Telegram does not tell it.
        """
        if not code or self.spoken(code):
            return None
        spoken = ", ".join(language.name for language in self.values())
        known = next((self._greetings[name] for name in _widening(code) if name in self._greetings), None)
        return (
            known.format(languages=spoken) if known else self.default.texts.plain("language.unknown", languages=spoken)
        )


def open_models(models_dir: Path) -> tuple[Mapping[str, Entry], Languages]:
    """The checked models of a folder by organ, and the languages with all words for them. Raises StartError."""
    try:
        _, models = check_models(models_dir)
        return models, load_languages(models)
    except ModelError as error:
        raise StartError(f"MODELS_DIR: {error}") from error
    except ContentError as error:
        raise StartError(f"bot/languages/{error}" if not str(error).startswith("/") else str(error)) from error


def load_languages(models: Mapping[str, Entry] | None = None, parent: Path | None = None) -> Languages:
    """Every language folder of ``parent`` (default: those that ship), with the organs of ``models`` (default: all).

    Raises ContentError that names, in one line, the file and the key that is missing or wrong.
    """
    reference = _with_models(DEFAULT_LANGUAGE, models, parent)
    others = (code for code in codes(parent) if code != DEFAULT_LANGUAGE)
    folders = (reference, *(_with_models(code, models, parent) for code in others))
    known = {folder.code: _opened(folder, reference, models) for folder in folders}
    return Languages(known, read_greetings(parent), read_everyday_words(parent))


def load_language(
    code: str = DEFAULT_LANGUAGE, models: Mapping[str, Entry] | None = None, parent: Path | None = None
) -> Language:
    """As ``load_languages``, one of them."""
    reference = _with_models(DEFAULT_LANGUAGE, models, parent)
    return _opened(reference if code == DEFAULT_LANGUAGE else _with_models(code, models, parent), reference, models)


def _with_models(code: str, models: Mapping[str, Entry] | None, parent: Path | None) -> Folder:
    return with_models(Folder.read(code, parent), models or {})


def _opened(folder: Folder, reference: Folder, models: Mapping[str, Entry] | None) -> Language:
    if (problem := next(shortcomings(folder, reference), None)) is not None:
        raise ContentError(problem)
    folder = in_order(folder.completed(reference), locale_of(folder))
    texts = Texts.load(folder, None if models is None else tuple(models))
    texts = replace(texts, facts=facts(texts, models or {}))
    knowledge = Knowledge.load(folder, (organ.subjects for organ in texts.organs.values()))
    for entry in (models or {}).values():
        _check(folder, texts, knowledge, entry)
    _check_descriptions(texts)
    return Language(folder.code, texts, knowledge, folder.typed(Words, folder.file("report.toml"), "report.toml"))


def _check(folder: Folder, texts: Texts, knowledge: Knowledge, entry: Entry) -> None:
    """Raise ContentError when a model's card promises what the texts of its organ don't have."""
    name = f"{ORGANS}/{entry.card.organ}/{ORGAN_FILE}"
    organ = texts.organs[str(entry.card.organ)]
    for label in entry.card.class_names:
        if label not in organ.classes:
            raise folder.error(name, f"classes.{label} is missing: {entry.folder / 'card.json'} has that class")
    topics = {"topic": organ.topic} | {f"classes.{label}.topic": organ.classes[label].topic for label in organ.classes}
    for key, slug in topics.items():
        if knowledge.topic(slug) is None:
            raise folder.error(name, f"{key}: there is no topic {slug!r}: write topics/{slug}.toml beside this file")


def _check_descriptions(texts: Texts) -> None:
    for key, limit in DESCRIPTIONS.items():
        if (length := len(texts.plain(key))) > limit:
            raise ContentError(
                f"{texts.language}/interface.toml: {key}: with {texts.pictures} it has {length} characters, and "
                f"Telegram takes {limit}: shorten it, or the key picture in an {ORGAN_FILE}"
            )


class ChatLanguages:
    """Which language each chat spoke last, for when the database can't tell; of too many the oldest go."""

    def __init__(self) -> None:
        self._codes: OrderedDict[int, str] = OrderedDict()

    def note(self, chat_id: int, code: str) -> None:
        """Remember what a chat speaks."""
        self._codes[chat_id] = code
        self._codes.move_to_end(chat_id)
        if len(self._codes) > MOST_CHATS:
            self._codes.popitem(last=False)

    def get(self, chat_id: int) -> str | None:
        """The code of what a chat spoke last, or None."""
        return self._codes.get(chat_id)


def read_greetings(parent: Path | None = None) -> dict[str, str]:
    """``greetings.toml``: one sentence for each language that we don't speak, by its code. Raises ContentError."""
    path = (parent or loader.LANGUAGES) / GREETINGS
    greetings = dict(read(path, GREETINGS)) if path.exists() else {}
    for code, sentence in greetings.items():
        if not CODE.fullmatch(code) or not isinstance(sentence, str) or placeholders(sentence) != {"languages"}:
            raise ContentError(f"{GREETINGS}: {code}: write a sentence with {{languages}}, under a code such as fr")
    return greetings


def _widening(code: str | None) -> tuple[str, ...]:
    """A code as it is and without its country or script: ``pt-br``, ``pt``."""
    clean = (code or "").casefold().replace("_", "-")
    return (clean, clean.partition("-")[0])
