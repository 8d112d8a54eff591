"""What people read about an organ: its name, its findings, what its classes are called, and which topics explain them.

The texts of an organ are a folder: ``organ.toml`` and, where it has more to say, ``topics/``, ``faq/`` and
``sources.toml`` as a language has them. It lies in ``languages/<language>/organs/<organ>/``, or beside the model that
reads the organ, in ``MODELS_DIR/<model>/texts/<language>/``: so a new organ needs no change of the program.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.knowledge.loader import DEFAULT_LANGUAGE, ORGAN_FILE, ORGANS, Folder
from inference.registry import Entry

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
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What the kinds are called that the model's card counts in its training, such as "AML" for ``aml``."""
    subjects: str = ""
    """Words by which a message is known to be about this organ."""


def with_models(folder: Folder, models: Mapping[str, Entry]) -> Folder:
    """A language with the texts that ``models``, by the organs that they read, bring along in it or in the default."""
    for organ, entry in models.items():
        own = entry.folder / "texts"
        if not own.is_dir():
            continue
        texts = own / folder.code
        if not texts.is_dir() and folder.code != DEFAULT_LANGUAGE:
            _log.warning("%s is missing: people read the texts of %s in %r", texts, organ, DEFAULT_LANGUAGE)
            texts = own / DEFAULT_LANGUAGE
        folder = folder.with_organ(organ, texts)
    return folder


def load_organs(folder: Folder, models: Iterable[str] = ()) -> dict[str, OrganTexts]:
    """Organ -> its texts: of every organ that the language knows, and of those of ``models``.

    Raises ContentError naming the file and the key that is wrong.
    """
    names = (path.parent.name for name, path, _ in folder.files(ORGAN_FILE) if name != ORGAN_FILE)
    files = {organ: f"{ORGANS}/{organ}/{ORGAN_FILE}" for organ in (*names, *models)}
    return {organ: folder.typed(OrganTexts, folder.file(name), name) for organ, name in files.items()}
