"""Reads the data files of one language folder, and says which file is wrong and why when one is."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

CONTENT = Path(__file__).parents[1] / "languages"
DEFAULT_LANGUAGE = "en"
T = TypeVar("T")
_adapters: dict[object, TypeAdapter[Any]] = {}
"""Made once for each type: making one takes longer than reading a file with it."""


class ContentError(Exception):
    """A content file is missing or wrong; the message names the file and what to mend."""


def languages() -> tuple[str, ...]:
    """Codes of the languages that have a content folder, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in CONTENT.glob("*/words.toml")))


def read(path: Path) -> dict[str, Any]:
    """The tables of one TOML file. Raises ContentError when it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContentError(f"{path} is missing: see bot/languages/README.md for the files of a language") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{path} is not valid TOML: {error}") from None


def as_type(kind: type[T], values: Mapping[str, Any], path: Path) -> T:
    """``values`` of ``path`` as the dataclass ``kind``. Raises ContentError naming the field that is wrong."""
    try:
        if (adapter := _adapters.get(kind)) is None:
            adapter = _adapters[kind] = TypeAdapter(kind)
        found: T = adapter.validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ContentError(f"{path}: {field}: {first['msg']}") from None
    return found
