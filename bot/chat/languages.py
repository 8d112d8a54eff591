"""Opens every language with the organs that the models here read, and checks that no word of theirs is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telegram.constants import BotDescriptionLimit

from bot.chat.texts import Texts, languages
from bot.errors import StartError
from bot.knowledge.knowledge import Knowledge
from bot.knowledge.loader import ContentError
from bot.knowledge.organs import ORGAN_FILE, load_organs, organ_folders
from inference.card import ModelError
from inference.registry import Entry, check_models

DESCRIPTIONS = {
    "bot.description": BotDescriptionLimit.MAX_DESCRIPTION_LENGTH,
    "bot.short_description": BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH,
}
"""Texts that name every organ, and how many characters Telegram takes of them."""


@dataclass(frozen=True, slots=True)
class Language:
    """What the bot says in one language."""

    texts: Texts
    knowledge: Knowledge


def open_models(models_dir: Path) -> tuple[Mapping[str, Entry], dict[str, Language]]:
    """The checked models of a folder by organ, and the languages with all words for them. Raises StartError."""
    try:
        _, models = check_models(models_dir)
        return models, load_languages(models)
    except ModelError as error:
        raise StartError(f"MODELS_DIR: {error}") from error
    except ContentError as error:
        raise StartError(str(error)) from error


def load_languages(models: Mapping[str, Entry]) -> dict[str, Language]:
    """Every language by its code, with the organs of ``models``.

    Raises ContentError naming file and key when a file is wrong, or when a card promises what its texts don't have.
    """
    return {language: load_language(language, models) for language in languages()}


def load_language(language: str, models: Mapping[str, Entry]) -> Language:
    """As ``load_languages``, one of them."""
    folders = organ_folders(language, models)
    organs = load_organs(folders)
    texts = Texts.load(language, organs, tuple(models))
    knowledge = Knowledge.load(language, folders.values(), (organ.subjects for organ in organs.values()))
    for organ, entry in models.items():
        _check(texts, knowledge, entry, folders[organ] / ORGAN_FILE)
    for key, limit in DESCRIPTIONS.items():
        if (length := len(texts.plain(key))) > limit:
            raise ContentError(
                f"{language}/interface.toml: {key}: with {texts.pictures} it has {length} characters, and Telegram "
                f"takes {limit}: shorten it, or the key picture in an {ORGAN_FILE}"
            )
    return Language(texts, knowledge)


def _check(texts: Texts, knowledge: Knowledge, entry: Entry, file: Path) -> None:
    organ = texts.organs[str(entry.card.organ)]
    for name in entry.card.class_names:
        if name not in organ.classes:
            raise ContentError(f"{file}: classes.{name} is missing: {entry.folder / 'card.json'} has that class")
    topics = {"topic": organ.topic} | {f"classes.{name}.topic": organ.classes[name].topic for name in organ.classes}
    for key, slug in topics.items():
        if knowledge.topic(slug) is None:
            raise ContentError(f"{file}: {key}: there is no topic {slug!r}: write topics/{slug}.toml beside this file")
