"""Interface texts of one language, from ``languages/<language>/interface.toml``; values are escaped on the way in."""

import html
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Self

from bot.knowledge.loader import DEFAULT_LANGUAGE
from bot.knowledge.organs import OrganTexts, load_organs, organ_folders

LANGUAGES = Path(__file__).parents[1] / "languages"


class TextError(LookupError):
    """A key is not in the language's file, or a value that its text needs was not given: a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Texts:
    """``texts("status.place", number=2, total=5)`` gives HTML that is safe to send to Telegram.

    ``{organs}`` in a text is filled in by itself: with what one may send.
    """

    language: str
    templates: Mapping[str, str]
    organs: Mapping[str, OrganTexts]
    """By name: every organ that this language has words for."""
    served: tuple[str, ...]
    """Names of the organs that the models here read."""

    @classmethod
    def load(
        cls,
        language: str = DEFAULT_LANGUAGE,
        organs: Mapping[str, OrganTexts] | None = None,
        served: tuple[str, ...] | None = None,
    ) -> Self:
        """Read a language's file; without ``organs`` and ``served`` with all organs that the language knows.

        Raises FileNotFoundError for a language that is not in ``languages()``, ContentError for a file that is wrong.
        """
        templates = _templates(language)
        if organs is None:
            organs = load_organs(organ_folders(language, {}))
        return cls(language, templates, organs, tuple(organs) if served is None else served)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of ``key`` as Telegram HTML, with every value escaped. Raises TextError."""
        values = {"organs": self.pictures} | values
        return self._fill(key, {name: html.escape(str(value), quote=False) for name, value in values.items()})

    def plain(self, key: str, /, **values: object) -> str:
        """The text of ``key`` for places that know no HTML: buttons, the PDF, the command menu. Raises TextError."""
        return self._fill(key, {"organs": self.pictures} | values)

    @property
    def pictures(self) -> str:
        """What one may send, such as "a brain MRI slice or a blood smear"."""
        *others, last = (self.organs[organ].picture for organ in self.served)
        return self._fill("list.or", {"others": self._listed(others), "last": last}) if others else last

    def _listed(self, words: Sequence[str]) -> str:
        first, *others = words
        return self._fill("list.comma", {"first": first, "others": self._listed(others)}) if others else first

    def __contains__(self, key: object) -> bool:
        return key in self.templates

    def _fill(self, key: str, values: Mapping[str, object]) -> str:
        try:
            return self.templates[key].format_map(values)
        except KeyError as missing:
            raise TextError(
                f"{key}: {missing} is missing in {self.language}/interface.toml or among the values"
            ) from None


def languages() -> tuple[str, ...]:
    """Codes of the languages that have a file, the default first."""
    found = {path.parent.name for path in LANGUAGES.glob("*/interface.toml")}
    return (DEFAULT_LANGUAGE, *sorted(found - {DEFAULT_LANGUAGE}))


def placeholders(template: str) -> frozenset[str]:
    """Names of the values that a template asks for."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)


@cache
def _templates(language: str) -> Mapping[str, str]:
    if language not in languages():
        raise FileNotFoundError(f"no texts for the language {language!r}")
    return dict(_flat(tomllib.loads((LANGUAGES / language / "interface.toml").read_text("utf-8"))))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value).strip()
