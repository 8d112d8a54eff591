"""Interface texts of one language, from ``languages/<language>/interface.toml``; values are escaped on the way in."""

import html
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Self

LANGUAGES = Path(__file__).parents[1] / "languages"
DEFAULT_LANGUAGE = "en"


class TextError(LookupError):
    """A key is not in the language's file, or a value that its text needs was not given: a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Texts:
    """``texts("status.place", number=2, total=5)`` gives HTML that is safe to send to Telegram."""

    language: str
    templates: Mapping[str, str]

    @classmethod
    def load(cls, language: str = DEFAULT_LANGUAGE) -> Self:
        """Read a language's file. Raises FileNotFoundError for a language that is not in ``languages()``."""
        return cls(language, _templates(language))

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of ``key`` as Telegram HTML, with every value escaped. Raises TextError."""
        return self._fill(key, {name: html.escape(str(value), quote=False) for name, value in values.items()})

    def plain(self, key: str, /, **values: object) -> str:
        """The text of ``key`` for places that know no HTML: buttons, the PDF, the command menu. Raises TextError."""
        return self._fill(key, values)

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
