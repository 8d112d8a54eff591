"""The soak's bookkeeping must see a loss, a double and a silence, or its zeros would mean nothing."""

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.chat.texts import Texts
from bot.sandbox import Message, Sandbox
from storage.database import Database
from storage.records import NewScan, Pictures, Scan
from tests.databases import database_at
from tests.pictures import brain
from tests.soak.account import Account, Bookkeeper
from tests.soak.acts import Kind, draw_acts, picture, shy_people
from tests.soak.crowd import SentPicture, Visitor

ANSWER = "Here is help."
NEW = NewScan(
    source_key="", patient_label=None, organ="brain_mri", verdict="not_sure", reason="undecided", label="glioma",
    confidence=0.5, probabilities={}, prediction_set=(), gate={}, model_name="m", model_version="1", model_sha256="0",
    picture_sha256="0", received_as="photo", width=1, height=1, study=None, cells=(), pictures=Pictures(b"o", b"h"),
)  # fmt: skip


class Scene:
    """A visitor whose bot is this test."""

    def __init__(self, sandbox: Sandbox, database: Database, visitor: Visitor, http: httpx.AsyncClient) -> None:
        self.visitor = visitor
        self.books = Bookkeeper(database, {"/help": ANSWER})
        self._sandbox = sandbox
        self._database = database
        self._http = http

    async def send(self, *, is_scan: bool = True) -> Message:
        sent = await self.visitor.person.send_photo(brain(64))
        self.visitor.pictures.append(SentPicture(sent.id, sent.raw["photo"][-1]["file_unique_id"], is_scan))
        return sent

    async def ask(self) -> None:
        self.visitor.asked["/help"] += 1
        await self.visitor.person.send_text("/help")

    async def keep(self, source_key: str) -> Scan:
        person = await self._database.people.register(self.visitor.person.id, "Ann", "en")
        scan, _ = await self._database.scans.add(person.id, dataclasses.replace(NEW, source_key=source_key))
        return scan

    async def say(self, method: str, files: dict[str, Any] | None = None, **values: Any) -> None:
        url = f"{self._sandbox.base_url}{self._sandbox.token}/{method}"
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        answer = await self._http.post(url, data={"chat_id": str(self.visitor.person.id), **fields}, files=files)
        assert answer.json()["ok"]

    async def answer(self, scan: Scan, *, picture: int = 1, report: int = 1) -> None:
        for _ in range(picture):
            await self.say("sendPhoto", {"photo": brain(64)}, caption=f"Scan {scan.number} · {scan.public_id}")
        for _ in range(report):
            await self.say("sendDocument", {"document": (f"TumorScan-{scan.public_id}.pdf", b"%PDF-")})

    @property
    async def account(self) -> Account:
        return await self.books.account(self.visitor)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    database = await Database.open(database_at(tmp_path / "soak.db"))
    async with Sandbox.start() as sandbox, httpx.AsyncClient() as http:
        yield Scene(sandbox, database, Visitor(await sandbox.person("Ann")), http)
    await database.close()


def key_of(sent: Message) -> str:
    return f"{sent.id}:{sent.raw['photo'][-1]['file_unique_id']}"


async def test_picture_without_scan_counts_as_lost_despite_apology(scene: Scene) -> None:
    first, _second = await scene.send(), await scene.send()
    sorry = Texts.load().plain("refusal.fetch_failed")
    await scene.say("sendMessage", text=sorry, reply_parameters={"message_id": first.id})
    account = await scene.account
    assert (account.scans, account.lost, account.turned_away) == (2, 2, 1)
    assert not account.is_settled


async def test_scan_with_heat_map_and_pdf_is_settled(scene: Scene) -> None:
    await scene.answer(await scene.keep(key_of(await scene.send())))
    account = await scene.account
    assert account == Account(scans=1, messages=2)
    assert account.is_settled


async def test_second_scan_of_one_picture_is_double_row(scene: Scene) -> None:
    key = key_of(await scene.send())
    await scene.answer(await scene.keep(key))
    await scene.answer(await scene.keep(key + "again"))
    assert (await scene.account).double_rows == 1


async def test_missing_and_double_answers_are_counted_apart(scene: Scene) -> None:
    for picture_count, report_count in ((0, 1), (1, 0), (3, 1), (1, 2)):
        await scene.answer(await scene.keep(key_of(await scene.send())), picture=picture_count, report=report_count)
    account = await scene.account
    assert (account.without_picture, account.without_report) == (1, 1)
    assert (account.double_pictures, account.double_reports) == (2, 1)
    assert account.doubles / account.messages == account.double_share


async def test_what_is_offered_again_is_not_missing(scene: Scene) -> None:
    scan = await scene.keep(key_of(await scene.send()))
    await scene.say("sendMessage", text=Texts.load().plain("doubt.report", number=scan.number))
    account = await scene.account
    assert (account.without_picture, account.without_report, account.offered) == (1, 0, 1)
    await scene.say("sendMessage", text=Texts.load().plain("doubt.picture", number=scan.number))
    assert (await scene.account).is_settled


async def test_texts_need_one_answer_each(scene: Scene) -> None:
    await scene.ask()
    await scene.ask()
    await scene.say("sendMessage", text=ANSWER)
    assert (await scene.account).unanswered_texts == 1
    await scene.say("sendMessage", text=ANSWER)
    await scene.say("sendMessage", text=ANSWER)
    account = await scene.account
    assert (account.unanswered_texts, account.double_texts) == (0, 1)


async def test_non_scan_needs_one_refusal_beyond_its_status(scene: Scene) -> None:
    sent = await scene.send(is_scan=False)
    texts = Texts.load()
    reply = {"message_id": sent.id}
    await scene.say("sendMessage", text="Picture 1 of 2\n" + texts.plain("status.looking"), reply_parameters=reply)
    account = await scene.account
    assert (account.unanswered_others, account.status_left, account.doubles) == (1, 1, 0)
    await scene.say("sendMessage", text=texts.plain("refusal.not_a_scan"), reply_parameters=reply)
    await scene.say("sendMessage", text=texts.plain("refusal.not_a_scan"), reply_parameters=reply)
    account = await scene.account
    assert (account.unanswered_others, account.double_texts) == (0, 1)


def test_seeded_ride_repeats_with_every_kind_of_act() -> None:
    acts = draw_acts(500, 64, 210, seed=3)
    assert acts == draw_acts(500, 64, 210, seed=3)
    assert acts != draw_acts(500, 64, 210, seed=4)
    assert {act.kind for act in acts} == set(Kind)
    scans = [seed for act in acts if act.kind not in {Kind.NO_SCAN, Kind.TEXT} for seed in act.pictures]
    assert sorted(scans) == list(range(500))
    assert [act.at for act in acts] == sorted(act.at for act in acts)
    assert acts[-1].at <= 210
    for person in shy_people(64):
        assert next(act for act in acts if act.person == person).kind is Kind.UNASKED_PHOTO


def test_no_two_pictures_of_a_ride_are_identical() -> None:
    assert len({picture(seed) for seed in range(12)}) == 12
