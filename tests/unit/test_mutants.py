"""The changes that ``make mutants`` makes, and what it says of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import mutants
from tests.conftest import PROJECT

SOURCE = '''"""Words."""
LIMIT: "int" = 5
_log.info("%s is odd", 3)
OURS = rows.where(mine, fresh)
Rows = tuple[int, ...]
Answer = bool | dict[str, int]

class Colour(Enum):
    RED = "red"

class Row:
    KIND: Literal["a"] = "a"
    age: int | None = 5

    @property
    def is_late(self) -> bool:
        """More words."""
        if self.age > LIMIT:
            raise ValueError("too late")
        return self.age == 4
'''


def test_changes_reach_all_that_does_something_and_no_words() -> None:
    lines = [mutants.difference(SOURCE, change.made_in(SOURCE)) for change in mutants.changes_of(SOURCE)]
    assert {
        ('LIMIT: "int" = 5', 'LIMIT: "int" = 6'),
        ("OURS = rows.where(mine, fresh)", "OURS = rows.where(fresh)"),
        ("OURS = rows.where(mine, fresh)", "OURS = rows.where(mine)"),
        ("if self.age > LIMIT:", "if self.age >= LIMIT:"),
        ("return self.age == 4", "return self.age != 4"),
        ("return self.age == 4", "return self.age == 5"),
    } < {(before, after.replace("mine, )", "mine)")) for before, after in lines}
    assert not [before for before, _ in lines if any(words in before for words in ("ords.", "_log", "too late"))]
    assert [after for _, after in lines if "XX" in after] == ['KIND: Literal["a"] = "XXaXX"']
    assert [after for _, after in lines if after.endswith("= None")] == ["age: int | None = None"]


@pytest.mark.parametrize("module", mutants.MODULES)
def test_what_is_changed_and_its_tests_are_there(module: str) -> None:
    source = (PROJECT / module).read_text("utf-8")
    assert all((PROJECT / test).is_file() for test in mutants.MODULES[module])
    assert not mutants.stale(module, source)
    assert all(mutants.known().get(module, {}).values())
    assert set(mutants.known()) <= set(mutants.MODULES)


TRY = """
import random, sys
from pathlib import Path
from tests.mutants import tries
for noticed, before, after in tries(Path(sys.argv[1]), "storage/toy.py", ["test_toy.py"], 0, random.Random(1)):
    print(noticed, after)
"""


def test_only_changes_that_no_test_notices_are_told(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "__init__.py").touch()
    (tmp_path / "storage" / "toy.py").write_text("def is_adult(age):\n    return age >= 18\n")
    (tmp_path / "test_toy.py").write_text(
        "from storage.toy import is_adult\n\ndef test_it():\n    assert is_adult(18)\n    assert not is_adult(5)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", TRY, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120
    )
    assert said.stdout.splitlines() == ["True return age > 18", "True return age >= 19"]
