"""What an MIT project may depend on."""

import pytest

from tests.audit.licences import LOCK, Licence, of_lock


@pytest.mark.parametrize(
    "words", ["MIT", "BSD-3-Clause AND 0BSD", "LGPL-3.0-only", "Mozilla Public License 2.0 (MPL 2.0)"]
)
def test_free_and_weak_licences_are_allowed(words: str) -> None:
    assert Licence("a", "1", words).is_allowed


@pytest.mark.parametrize(
    "words", ["", "GPL-3.0-only", "AGPL-3.0", "GNU General Public License v2", "Proprietary", "Beerware"]
)
def test_strong_and_unknown_licences_are_not(words: str) -> None:
    assert not Licence("a", "1", words).is_allowed


def test_everything_that_serves_has_an_allowed_licence() -> None:
    known = list(of_lock(LOCK.read_text("utf-8")))
    assert {"asyncpg", "distributed", "sentry-sdk", "python-telegram-bot"} <= {each.name for each in known}
    assert [each for each in known if not each.is_allowed] == []
