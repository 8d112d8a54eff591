"""Without WORKERS as many are started as the container or the unit has processors and memory for."""

from pathlib import Path

import pytest

from bot import capacity
from bot.settings import Settings
from inference.backends import BackendName

GIB = 1 << 30


@pytest.fixture(autouse=True)
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "available_cores", lambda: 32)
    monkeypatch.setattr(capacity, "_memory_of_the_machine", lambda: 64 * GIB)


def group(folder: Path, **limits: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in limits.items():
        (folder / name.replace("_", ".", 1)).write_text(value + "\n")
    return folder


def fit(folder: Path, own: str = "0::/bot/run\n", backend: BackendName = "litert") -> int:
    (folder / "own").write_text(own)
    return capacity.workers_that_fit(backend, groups=folder / "groups", own=folder / "own")


def test_a_machine_without_limits_gives_each_processor_a_worker(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "bot" / "run", memory_max="max", cpu_max="max 100000")
    assert fit(tmp_path) == 32


def test_memory_of_a_unit_bounds_the_workers(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "bot" / "run", memory_max=str(2 * GIB))
    assert fit(tmp_path) == 4


def test_memory_bounds_workers_of_tensorflow_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(tmp_path / "groups" / "bot" / "run", memory_max=str(5 * GIB))
    assert fit(tmp_path, backend="tensorflow") == 3
    monkeypatch.setattr("bot.settings.workers_that_fit", {"litert": 12, "tensorflow": 3}.__getitem__)
    assert Settings(_env_file=None, model_backend="tensorflow").workers == 3
    assert Settings(_env_file=None).workers == 12


def test_limits_of_an_outer_group_hold_too(tmp_path: Path) -> None:
    group(tmp_path / "groups" / "bot" / "run", memory_max="max")
    group(tmp_path / "groups" / "bot", cpu_max="250000 100000")
    assert fit(tmp_path) == 2


def test_memory_of_the_first_version_bounds_them(tmp_path: Path) -> None:
    (group(tmp_path / "groups" / "memory") / "memory.limit_in_bytes").write_text(str(GIB))
    assert fit(tmp_path, "4:memory:/bot\n") == 1


def test_memory_limit_of_cgroup_v1_bounds_workers(tmp_path: Path) -> None:
    (group(tmp_path / "groups" / "memory" / "bot") / "memory.limit_in_bytes").write_text(str(2 * GIB))
    assert fit(tmp_path, "9:cpu:/\n4:memory:/bot\n") == 4


def test_a_grant_below_one_worker_still_gives_one(tmp_path: Path) -> None:
    group(tmp_path / "groups", memory_max=str(GIB // 8), cpu_max="20000 100000")
    assert fit(tmp_path, "0::/\n") == 1


def test_a_small_machine_is_not_overfilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "_memory_of_the_machine", lambda: 2 * GIB)
    assert fit(tmp_path) == 4
