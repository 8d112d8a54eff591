"""The licences of what serves (``requirements-extras.lock``), held against what an MIT project may depend on."""

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import PROJECT

LOCK = PROJECT / "requirements-extras.lock"
ALLOWED = (
    "MIT", "MIT-CMU", "BSD", "0BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "Zlib", "CC0", "Unlicense",
    "HPND", "MPL", "Mozilla Public License", "LGPL", "Lesser General Public License",
)  # fmt: skip
"""MPL and LGPL are weak: they bind changes to their own files, not a program that imports them as they are."""
_NAME = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_ALLOWED = re.compile("|".join(rf"\b{re.escape(word)}" for word in ALLOWED), re.IGNORECASE)
_FORBIDDEN = re.compile(r"\bA?GPL|(?<!Lesser )General Public|Affero|Proprietary|Non-?Commercial", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Licence:
    """What a distribution says of its licence: ``words`` is empty when it says nothing or is not installed here."""

    name: str
    version: str
    words: str

    @property
    def is_allowed(self) -> bool:
        """Whether every alternative that is named may be used; an unknown licence may not."""
        return bool(_ALLOWED.search(self.words)) and not _FORBIDDEN.search(self.words)


def of_lock(lock: str) -> Iterator[Licence]:
    """One for each distribution that ``lock``, the text of a requirements file, pins and this machine has."""
    for name, version in sorted(_NAME.findall(lock)):
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or another Python
        classifiers = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier", []) if c.startswith("License")]
        named = [*metadata.get_all("License-Expression", []), "; ".join(classifiers), *metadata.get_all("License", [])]
        stated = next(filter(None, named), "")
        yield Licence(name, version, " ".join(stated.split())[:80])
