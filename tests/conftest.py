"""What every test may ask for."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures (``TUMORSCAN_DATA``, default ``../shared/data``); says so when it is not there."""
    folder = Path(os.environ.get("TUMORSCAN_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "brain" / "index.csv").exists():
        pytest.skip(f"no real pictures at {folder}: tests on real pictures were left out (set TUMORSCAN_DATA)")
    return folder
