"""PRIVACY.md: it tells of every table, and of settings and commands that are there."""

import re

from bot.chat.menu import COMMANDS
from bot.settings import Settings
from storage.schema import METADATA
from tests.conftest import PROJECT

PAGE = (PROJECT / "PRIVACY.md").read_text("utf-8")


def test_every_table_of_the_database_is_told_of() -> None:
    told = {
        name for row in re.findall(r"^\|.*\|([^|]*)\|$", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert told == set(METADATA.tables)


def test_settings_and_commands_that_it_names_are_there() -> None:
    settings = set(re.findall(r"`([A-Z]{2,}_[A-Z_]+)`", PAGE))
    assert settings
    assert settings <= {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"(?<!\w)/([a-z]+)\b", PAGE)) - {"scan"} <= set(COMMANDS) | {"export"}


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (PROJECT / target).is_file(), target
