"""What people read about an organ: its name, its findings, what its classes are called, and which topics explain them.

The texts of an organ are a folder: ``organ.toml`` and, where it has more to say, ``topics/``, ``faq/`` and
``sources.toml`` as a language has them. It lies in ``languages/<language>/organs/<organ>/``, or beside the model that
reads the organ, in ``MODELS_DIR/<model>/texts/<language>/``: so a new organ needs no change of the program.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.knowledge.loader import CONTENT, DEFAULT_LANGUAGE, as_type, read
from inference.registry import Entry

ORGAN_FILE = "organ.toml"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClassTexts:
    """What people read for one class of a model."""

    words: str
    """Such as "pituitary tumour" or "no tumour signs"."""
    topic: str
    """Slug of the topic that explains it."""


@dataclass(frozen=True, slots=True)
class OrganTexts:
    """``organ.toml``: what people read about one organ in one language."""

    name: str
    """What kind of picture it is, such as "brain MRI"."""
    picture: str
    """One such picture, as in "Send me a brain MRI slice"."""
    finding: str
    """What the signs are signs of, such as "a tumour"."""
    topic: str
    """Slug of the topic that explains the organ as a whole: for an answer that is not sure."""
    classes: Mapping[str, ClassTexts]
    """By the names of the classes in the model's card."""
    subjects: str = ""
    """Words by which a message is known to be about this organ."""


def organ_folders(language: str, models: Mapping[str, Entry]) -> dict[str, Path]:
    """Organ -> the folder of its texts: of every organ that the language knows, and of those of ``models``."""
    folders = {
        path.parent.name: path.parent for path in sorted((CONTENT / language / "organs").glob(f"*/{ORGAN_FILE}"))
    }
    for organ, entry in models.items():
        own = entry.folder / "texts"
        if not own.is_dir():
            folders.setdefault(organ, CONTENT / language / "organs" / organ)
            continue
        folders[organ] = own / language
        if not folders[organ].is_dir() and language != DEFAULT_LANGUAGE:
            _log.warning("%s is missing: people read the texts of %s in %r", folders[organ], organ, DEFAULT_LANGUAGE)
            folders[organ] = own / DEFAULT_LANGUAGE
    return folders


def load_organs(folders: Mapping[str, Path]) -> dict[str, OrganTexts]:
    """Organ -> its texts. Raises ContentError naming the file and the key that is wrong."""
    return {
        organ: as_type(OrganTexts, read(folder / ORGAN_FILE), folder / ORGAN_FILE) for organ, folder in folders.items()
    }
