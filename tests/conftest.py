"""What every test may ask for, and which tests ``make check`` leaves out."""

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from bot.garbage import kept_for_good

# Processes side by side are the parallelism: the threads of BLAS and of TensorFlow in each would only wait for one
# another, and burn time meanwhile. Before NumPy is imported. (Workers get nothing of this: see ``fork_server``.)
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_name, "1")

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
NEED_TRAINING = tuple(
    TESTS / path
    for path in (
        "unit/training",
        "unit/inference/test_backends.py",
        "unit/inference/test_lesion_net.py",
        "integration/test_third_organ.py",
    )
)
"""Tests that import TensorFlow, JAX or scikit-learn, which serving does without.

``make test`` gives them processes of their own: one that holds TensorFlow takes many times as long to fork, and every
picture of a rare format is decoded in a fork.
"""
_TRAININGS = ("integration/test_third_organ.py", "unit/training/test_training.py", "unit/training/test_jax.py")
FIRST = tuple(TESTS / path for path in (*_TRAININGS, "services", "browser", "unit/inference"))
"""What takes longest, in this order: begun last, one process would work on it while the others have nothing left."""
WAITING = tuple(TESTS / folder for folder in ("services", "browser", "integration"))
"""Tests that wait half of their time: for the next poll, for another process, for a worker's successor."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-training", action="store_true", help="leave out the tests that need the extra 'train'")
    parser.addoption("--training-alone", action="store_true", help="run the tests that need the extra 'train' alone")


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("--without-training"):
        return None
    left_out = ", ".join(str(path.relative_to(PROJECT)) for path in NEED_TRAINING)
    return f"left out (they need TensorFlow and JAX; make test runs them by themselves): {left_out}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while the tests are collected, and never among them: half a million things that stay."""
    with kept_for_good():
        found = yield
    gc.set_threshold(10_000)  # a test makes little that stays: at Python's 700 a fiftieth of all time is looking for it
    return found


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--training-alone"):
        needs = any(
            collection_path.is_relative_to(path) or path.is_relative_to(collection_path) for path in NEED_TRAINING
        )
        return None if needs else True
    return True if config.getoption("--without-training") and collection_path in NEED_TRAINING else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Hold NEED_TRAINING against what was imported."""
    if session.config.getoption("--without-training") and "keras" in sys.modules:
        raise pytest.UsageError("a test that tests/conftest.py does not name under NEED_TRAINING imports Keras")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix those that wait with those that compute: side by side, the ones use the time of the others."""
    files = list(dict.fromkeys(item.path for item in items))
    files.sort(key=lambda file: [not file.is_relative_to(path) for path in FIRST])
    kinds = [[file for file in files if _waits(file) is waits] for waits in (True, False)]
    turn = {file: place / len(kind) for kind in kinds for place, file in enumerate(kind)}
    order = {file: place for place, file in enumerate(sorted(files, key=turn.__getitem__))}
    items.sort(key=lambda item: order[item.path])


def _waits(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in WAITING)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures (``TUMORSCAN_DATA``, default ``../shared/data``); says so when it is not there."""
    folder = Path(os.environ.get("TUMORSCAN_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "brain" / "index.csv").exists():
        pytest.skip(f"no real pictures at {folder}: tests on real pictures were left out (set TUMORSCAN_DATA)")
    return folder
