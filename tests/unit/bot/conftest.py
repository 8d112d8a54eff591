"""What tests of the bot's parts share."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Put back what ``configure`` changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("bot", "inference", "storage", "reports", "httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.NOTSET)
