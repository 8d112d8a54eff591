"""Reads language folders, and says in one line which file is wrong and why when one is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self, TypeVar

import tomli  # as tomllib of the standard library, but compiled: 1.1 MB of texts are read at every start
from pydantic import TypeAdapter, ValidationError

LANGUAGES = Path(__file__).parents[1] / "languages"
DEFAULT_LANGUAGE = "en"
"""Whoever speaks none of our languages is answered in this one; its folder is what the others are compared with."""
CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", re.ASCII)
"""A language's code, in small letters, as Telegram sends it: ``de``, ``pt-br``."""
SOURCES = "sources.toml"
"""The one file that a language may leave out: then it cites the sources of the default one."""
ORGANS, ORGAN_FILE = "organs", "organ.toml"
"""Where a language keeps what it says of the organs, and the file that each of them has."""
T = TypeVar("T")
_adapters: dict[object, TypeAdapter[Any]] = {}
"""Made once for each type: making one takes longer than reading a file with it."""


class ContentError(Exception):
    """A file of a language is missing or wrong; the message is one line that names the file and what to mend."""


@dataclass(frozen=True, slots=True)
class Folder:
    """All files of one language, read once: ``tables`` holds them by their path inside the folder, in its order.

    Texts that a model brings along stand among them as if they were in ``organs/<organ>/``; ``places`` says where
    such files really are.
    """

    code: str
    tables: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, code: str = DEFAULT_LANGUAGE, parent: Path | None = None) -> Self:
        """Read ``parent/code`` (default: the languages that ship). Raises ContentError when a file is not TOML."""
        folder = (parent or LANGUAGES) / code
        if not CODE.fullmatch(code) or not folder.is_dir():
            raise ContentError(f"{code!r} is no language folder: see bot/languages/README.md for how to add one")
        names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.toml"))]
        return cls(code, {name: read(folder / name, f"{code}/{name}") for name in names})

    def file(self, name: str) -> Mapping[str, Any]:
        """The tables of one file. Raises ContentError when it is missing."""
        try:
            return self.tables[name]
        except KeyError:
            raise self.error(name, "the file is missing: see bot/languages/README.md") from None

    def files(self, pattern: str) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
        """Every file like ``pattern`` (``topics/*.toml``), of the language and of its organs: name, path and tables."""
        for form in (pattern, f"{ORGANS}/*/{pattern}"):
            for name, table in self.tables.items():
                if name.count("/") == form.count("/") and fnmatchcase(name, form):
                    yield name, Path(name), table

    def with_organ(self, organ: str, folder: Path) -> Self:
        """The same with the texts in ``folder`` for an organ, in place of those that the language has for it."""
        own = f"{ORGANS}/{organ}/"
        paths = {own + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.toml"))}
        tables = {name: table for name, table in self.tables.items() if not name.startswith(own)}
        tables |= {name: read(path, str(path)) for name, path in paths.items()}
        return replace(self, tables=tables, places={**self.places, **paths, own + ORGAN_FILE: folder / ORGAN_FILE})

    def typed(self, kind: type[T], values: Mapping[str, Any], name: str) -> T:
        """``values`` of the file ``name`` as the dataclass ``kind``. Raises ContentError naming the wrong field."""
        try:
            if (adapter := _adapters.get(kind)) is None:
                adapter = _adapters[kind] = TypeAdapter(kind)
            found: T = adapter.validate_python(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise self.error(name, f"{field}: {first['msg']}") from None
        return found

    def completed(self, reference: Self) -> Self:
        """The same with the sources of ``reference``, for facts are the same in every language, and its own."""
        sources = {**reference.tables.get(SOURCES, {}), **self.tables.get(SOURCES, {})}
        return replace(self, tables={**self.tables, SOURCES: sources})

    def error(self, name: str, problem: str) -> ContentError:
        """What to raise when something in the file ``name`` is wrong."""
        return ContentError(f"{self.place(name)}: {problem}")

    def place(self, name: str) -> str:
        """Where a file is, for people."""
        return str(self.places.get(name, f"{self.code}/{name}"))


def codes(parent: Path | None = None) -> tuple[str, ...]:
    """Codes of the languages that have a folder, the default first."""
    found = {path.name for path in (parent or LANGUAGES).iterdir() if path.is_dir() and any(path.glob("*.toml"))}
    return (DEFAULT_LANGUAGE, *sorted(found - {DEFAULT_LANGUAGE}))


def read(path: Path, name: str) -> dict[str, Any]:
    """The tables of one file, called ``name`` in what is said of it. Raises ContentError when it is not TOML."""
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{name} is not valid TOML: {error}") from None
