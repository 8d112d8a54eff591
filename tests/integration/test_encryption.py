"""A conversation with a key set: nothing of what was sent can be read on the disk, and the bot works as ever."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.sandbox import Person
from bot.settings import Settings
from storage.vault import new_key
from tests.integration.chatting import answer_to, one_scan, scans_of
from tests.integration.conftest import RunningBot
from tests.unit.storage.test_deleting import on_disk

LABEL, ASKED = "Zimmerspringbrunnen", "what is a Quetzalcoatlus tumour"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, with a key."""
    return settings.model_copy(update={"data_key": SecretStr(new_key())})


async def test_of_a_conversation_nothing_is_read_on_the_disk(bot: RunningBot, agreed: Person, tmp_path: Path) -> None:
    await answer_to(agreed, ASKED)
    await one_scan(bot, agreed, LABEL)
    (scan,) = await scans_of(bot, agreed)
    assert scan.patient_label == LABEL
    assert LABEL in (await answer_to(agreed, "/history")).text

    kept = await bot.services.database.scans.pictures(scan.id)
    disk = on_disk(tmp_path / "bot.db")
    assert scan.public_id.encode() in disk
    for secret in (LABEL.encode(), b"Quetzalcoatlus", kept.original[1000:1032], kept.overlay[1000:1032]):
        assert secret not in disk
