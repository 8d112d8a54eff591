"""/export: a person gets a copy of all that is kept of them, and of nobody else."""

import io
import json
import zipfile
from typing import Any

import pytest

from bot.sandbox import Message, Person, Sandbox
from bot.scan import export
from storage.columns import names_of
from storage.records import Person as KeptPerson
from storage.records import Scan
from tests import studies
from tests.integration.chatting import answer_to, is_report, one_scan, scans_of, work_is_done
from tests.integration.conftest import RunningBot


def is_copy(message: Message) -> bool:
    return message.document is not None and "Your copy" in message.text


async def opened(person: Person, message: Message) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(await person.download(message)))


def told(archive: zipfile.ZipFile) -> Any:
    """What the JSON says, held against the schema that lies beside it."""
    import jsonschema  # takes seconds, and every process that collects tests comes by here

    said = json.loads(archive.read("scans.json"))
    jsonschema.validate(said, json.loads(archive.read("scans.schema.json")), jsonschema.Draft202012Validator)
    return said


async def test_copy_holds_all_of_one_person_and_nobody_else(sandbox: Sandbox, bot: RunningBot, agreed: Person) -> None:
    await one_scan(bot, agreed, "Left <side> & März")
    await agreed.send_document(studies.pack(studies.hospital_cd(studies.head(8))))
    await agreed.wait_for(is_report, timeout=60)
    await work_is_done(bot, agreed)
    boris = await sandbox.person("Boris")
    assert "no scans" in (await answer_to(boris, "/export")).text

    await agreed.send_text("/export")
    archive = await opened(agreed, await agreed.wait_for(is_copy, timeout=60))

    assert archive.testzip() is None
    said = told(archive)
    second, first = await scans_of(bot, agreed)
    assert [entry["public_id"] for entry in said["scans"]] == [first.public_id, second.public_id]
    assert said["scans"][0]["patient_label"] == "Left <side> & März"
    assert said["scans"][0]["probabilities"] == dict(first.probabilities)
    assert said["person"]["chat_id"] == agreed.id
    listed = {name for entry in said["scans"] for name in entry["files"]}
    assert listed | {"README.txt", "scans.json", "scans.schema.json"} == set(archive.namelist())
    kept = await bot.services.database.scans.pictures(first.id)
    assert archive.read(f"{export.folder_of(first)}/picture.jpg") == kept.original
    assert archive.read(f"{export.folder_of(first)}/heat-map.jpg") == kept.overlay
    assert archive.read(f"{export.folder_of(first)}/TumorScan.pdf").startswith(b"%PDF-")
    assert sum(name.startswith(f"{export.folder_of(second)}/slices/") for name in archive.namelist()) == 16
    readme = archive.read("README.txt").decode()
    assert "Left <side> & März" in readme
    assert "no diagnosis" in readme
    assert not any(message.text.startswith("I pack") for message in await agreed.messages())


async def test_only_ones_own_scan_is_exported_by_number(sandbox: Sandbox, bot: RunningBot, agreed: Person) -> None:
    await one_scan(bot, agreed, "first")
    await one_scan(bot, agreed, "second")
    first = (await scans_of(bot, agreed))[1]

    await agreed.send_text("/export 1")
    archive = await opened(agreed, await agreed.wait_for(is_copy, timeout=60))
    assert [entry["patient_label"] for entry in told(archive)["scans"]] == ["first"]

    boris = await sandbox.person("Boris")
    assert "can't find" in (await answer_to(boris, f"/export {first.public_id}")).text


async def test_too_large_copy_comes_in_parts(bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 1)
    for _ in range(2):
        await one_scan(bot, agreed)

    since = await agreed.mark()
    await agreed.send_text("/export")
    last = await agreed.wait_for(lambda message: "last of 2 files" in message.text, timeout=60)

    found = [message for message in await agreed.messages() if is_copy(message) and message.id < last.id]
    parts = [told(await opened(agreed, message)) for message in found]
    assert [part["part"] for part in parts] == [1, 2]
    assert [entry["number"] for part in parts for entry in part["scans"]] == [1, 2]
    assert since >= 0


async def test_the_button_under_privacy_gives_the_copy_too(bot: RunningBot, agreed: Person) -> None:
    await one_scan(bot, agreed)
    await agreed.press(await answer_to(agreed, "/privacy"), "Give me a copy of all")
    assert len(told(await opened(agreed, await agreed.wait_for(is_copy, timeout=60)))["scans"]) == 1


def test_the_schema_knows_every_field_that_is_kept() -> None:
    known = json.loads(export.schema())["properties"]
    scan = known["scans"]["items"]
    assert set(scan["properties"]) == set(scan["required"])
    assert set(scan["required"]) == set(names_of(Scan)) - export.OF_THE_BOT | {"files", "outcome"}
    assert set(known["person"]["properties"]) == set(names_of(KeptPerson)) - {"id"} == set(known["person"]["required"])
