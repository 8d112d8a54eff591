"""How large the serving install is: the files of every distribution that requirements.lock names."""

import importlib.metadata
import re
from pathlib import Path

LOCK = Path(__file__).parent.parent.parent / "requirements.lock"
_NAME = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def installed_megabytes() -> float:
    """Megabytes (10^6 bytes) on disk of what the lock installs on this platform; pip itself is not counted."""
    total = 0
    for name in set(_NAME.findall(LOCK.read_text(encoding="utf-8"))):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # another platform's
        total += sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    return total / 1e6
