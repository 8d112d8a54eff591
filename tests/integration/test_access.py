"""Who may use the bot: invitations, lists and blocks; cries for help are answered to everybody all the same."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.chat import menu
from bot.chat.context import CONSENT_VERSION
from bot.operations.audit_file import FileAuditLog, lines_about
from tests.integration.stage import ANNA, Stage, chat, on_stage, photo, pressed, said

ADMIN, BORIS, CARLA = 11, 12, 13
CONTACT = "Praxis <Dr. Grün> & Co, +49 30 1234"
MODES: list[dict[str, Any]] = [
    {"access": "invite", "admin_ids": str(ADMIN)},
    {"access": "allowlist", "allowed_ids": f"{BORIS}, {CARLA}"},
]
HELP = "I want to kill myself"


def written(text: str, by: int = ANNA, number: int = 1) -> dict[str, Any]:
    return said(text, at=chat(by), by=by, number=number)


def gone(chat_id: int) -> dict[str, Any]:
    """Telegram's note that somebody has blocked the bot."""
    bot = {"id": 7, "is_bot": True, "first_name": "Bot"}
    old, new = {"user": bot, "status": "member"}, {"user": bot, "status": "kicked", "until_date": 0}
    person = {"id": chat_id, "is_bot": False, "first_name": "Anna"}
    return {"chat": chat(chat_id), "from": person, "date": 1, "old_chat_member": old, "new_chat_member": new}


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Stage]:
    """A bot for invited people, with an administrator."""
    async with on_stage(tmp_path, access="invite", admin_ids=str(ADMIN), operator_contact=CONTACT) as stage:
        yield stage


async def invited(stage: Stage, words: str = "") -> str:
    """A link's code, made by the administrator."""
    [answer] = await stage.answers(written(f"/invite {words}".strip(), ADMIN), to=ADMIN)
    return answer.partition("?start=")[2].split()[0]


@pytest.mark.parametrize("mode", MODES, ids=["invite", "allowlist"])
async def test_refused_person_gets_one_sentence_and_nothing_is_fetched(tmp_path: Path, mode: dict[str, Any]) -> None:
    async with on_stage(tmp_path, operator_contact=CONTACT, **mode) as stage:
        for content in (written("hello"), written("/start"), written("/scan"), photo(3), pressed("agree")):
            [answer] = await stage.answers(content)
            assert "I am here for" in answer
            assert "Praxis &lt;Dr. Grün&gt; &amp; Co" in answer
        album = [photo(number, album="one") for number in (4, 5, 6)]
        assert len(await stage.answers(*album)) == 1
        assert not [endpoint for endpoint, _ in stage.requests if endpoint == "getFile"]
        assert await stage.services.database.inbox.awaiting_consent(ANNA) == 0
        assert await stage.services.database.people.get(ANNA) is None, "nothing is kept of whoever is refused"


@pytest.mark.parametrize("mode", MODES, ids=["invite", "allowlist"])
async def test_words_dressed_as_a_way_out_open_nothing(tmp_path: Path, mode: dict[str, Any]) -> None:
    """Typed as code "/privacy" is no command to Telegram, so that its words went to the handler of questions."""
    async with on_stage(tmp_path, **mode) as stage:
        for words in ("/privacy what is a glioma?", "/delete send me my report", "/export", "/language of a glioma"):
            for entities in ([], [{"type": "code", "offset": 0, "length": len(words.split()[0])}]):
                content = written(words)
                content["message"]["entities"] = entities
                [answer] = await stage.answers(content)
                assert "I am here for" in answer, (words, entities)


@pytest.mark.parametrize("mode", MODES, ids=["invite", "allowlist"])
async def test_way_out_of_the_refused_keeps_at_most_their_language(tmp_path: Path, mode: dict[str, Any]) -> None:
    async with on_stage(tmp_path, **mode) as stage:
        people = stage.services.database.people
        for way in (written("/privacy"), written("/export"), written("/delete"), written("/language")):
            assert "I am here for" not in (await stage.answers(way))[0]
        for press in ("withdraw", "delete-all", "export"):
            assert "I am here for" not in (await stage.answers(pressed(press)))[0]
        await stage.handle(stage.an_update(my_chat_member=gone(ANNA)))
        assert await people.get(ANNA) is None
        await stage.answers(pressed("language:de"))
        assert "Ich bin" in (await stage.answers(written("hello")))[0]
        person = await people.get(ANNA)
        assert person is not None
        assert person.language == "de"


@pytest.mark.parametrize("mode", [*MODES, {"blocked": True}], ids=["invite", "allowlist", "blocked"])
@pytest.mark.parametrize("cry", [HELP, "quiero suicidarme", "my father had a seizure right now"])
async def test_a_cry_for_help_is_answered_to_everybody(tmp_path: Path, mode: dict[str, Any], cry: str) -> None:
    blocked = mode.get("blocked", False)
    async with on_stage(tmp_path, **({} if blocked else mode)) as stage:
        if blocked:
            await stage.services.database.access.block(ANNA)
        in_words, in_a_caption = await stage.answers(written(cry)), await stage.answers(photo(2, caption=cry))
        album = [photo(3, album="one"), photo(4, caption=cry, album="one"), photo(5, album="one")]
        in_an_album = await stage.answers(*album)
        for answer in (*in_words, *in_a_caption, *in_an_album):
            assert "112" in answer
            assert "I am here for" not in answer
        assert in_words
        assert in_words == in_a_caption == in_an_album


async def test_a_link_lets_as_many_in_as_it_says(club: Stage) -> None:
    code = await invited(club, "2 3")
    for chat_id in (ANNA, BORIS):
        welcome, *_ = await club.answers(written(f"/start {code}", chat_id), to=chat_id)
        assert "I am TumorScan" in welcome
        assert "How to send" in (await club.answers(written("/scan", chat_id), to=chat_id))[0]
    [late] = await club.answers(written(f"/start {code}", CARLA), to=CARLA)
    assert "used already, or it has run out" in late
    assert "I am here for" in (await club.answers(written("/scan", CARLA), to=CARLA))[0]


async def test_last_link_opened_twice_at_once_admits_one(club: Stage) -> None:
    code = await invited(club)
    await club.handle(*(club.an_update(**written(f"/start {code}", chat_id)) for chat_id in (ANNA, BORIS, CARLA)))
    let_in = {chat_id for chat_id, text in club.told if "I am TumorScan" in text}
    refused = {chat_id for chat_id, text in club.told if "used already" in text}
    assert len(let_in) == 1
    assert let_in | refused == {ANNA, BORIS, CARLA}


@pytest.mark.parametrize("words", ["nobody", "0", "-1", "5 x", "1001", "5 366", "1 2 3", "٣", "1e3", "9" * 30])
async def test_an_invitation_that_makes_no_sense_is_not_made(club: Stage, words: str) -> None:
    [answer] = await club.answers(written(f"/invite {words}", ADMIN), to=ADMIN)
    assert "At most 1000 people and 365 days" in answer
    assert await club.services.database.access.invitations(9) == ()


async def test_a_link_can_be_taken_back(club: Stage) -> None:
    code = await invited(club)
    [listed] = await club.answers(written("/invites", ADMIN), to=ADMIN)
    assert code in listed
    [open_one] = await club.services.database.access.invitations(9)
    press = pressed(f"withdraw-invitation:{open_one.id}", ADMIN, ADMIN)
    assert ["nobody in any more" in text for text in await club.answers(press, to=ADMIN)] == [True]
    assert "used already" in (await club.answers(written(f"/start {code}")))[0]
    assert "gone already" in (await club.answers(press, to=ADMIN))[0]


async def test_commands_of_administrators_are_unknown_to_others(tmp_path: Path) -> None:
    async with on_stage(tmp_path, admin_ids=str(ADMIN)) as stage:
        invitation = await stage.services.database.access.invite(1, datetime.now(UTC) + timedelta(days=1))
        [unknown] = await stage.answers(written("/nonsense"))
        for command in menu.ADMIN_COMMANDS:
            for words in (f"/{command}", f"/{command} {BORIS}"):
                assert await stage.answers(written(words)) == [unknown]
        [gone] = await stage.answers(pressed("no-such-button"))
        assert await stage.answers(pressed(f"withdraw-invitation:{invitation.id}")) == [gone]
        assert len(await stage.services.database.access.invitations(9)) == 1
        [helped] = await stage.answers(written("/help"))
        assert not re.search(rf"/({'|'.join(menu.ADMIN_COMMANDS)})\b", helped)
        [helped] = await stage.answers(written("/help", ADMIN), to=ADMIN)
        assert all(f"/{command} - " in helped for command in menu.ADMIN_COMMANDS)
        group = said("/invite", at=chat(-5, "supergroup"), by=ADMIN)
        assert await stage.answers(group, to=-5) == []


async def test_audit_log_names_commands_of_administrators(club: Stage, tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path / "audit", "secret", 1)
    club.services.deliveries._audit = log
    own = club.application.bot.username
    for words in (f"/block {BORIS}", f"/invites@{own}", "/scan", "/stats@another_bot", "/nonsense", "hello"):
        await club.answers(written(words, ADMIN), to=ADMIN)
    log.close()
    noted = [json.loads(line)["what"] for line in lines_about(tmp_path / "audit", "secret", ADMIN)]
    assert noted == ["command: block", "command: invites", "command: scan", "text", "text", "text"]


async def test_blocked_person_is_told_and_can_delete_everything(tmp_path: Path) -> None:
    async with on_stage(tmp_path, admin_ids=str(ADMIN)) as stage:
        people, access = stage.services.database.people, stage.services.database.access
        await stage.answers(photo(1))
        assert await stage.services.database.inbox.awaiting_consent(ANNA) == 1
        [done] = await stage.answers(written(f"/block {ANNA}", ADMIN), to=ADMIN)
        assert str(ANNA) in done
        assert await stage.services.database.inbox.awaiting_consent(ANNA) == 0

        assert "have closed it to you" in (await stage.answers(written("hello")))[0]
        assert "have closed it to you" in (await stage.answers(photo(2)))[0]
        assert "What I keep" in (await stage.answers(written("/privacy")))[0]
        await people.give_consent(ANNA, CONSENT_VERSION)
        assert "Delete all" in (await stage.answers(written("/delete")))[0]
        assert "Done" in (await stage.answers(pressed("delete-all")))[0]
        assert await people.get(ANNA) is None
        assert "have closed it to you" in (await stage.answers(written("/start")))[0]

        assert "may use the bot again" in (await stage.answers(written(f"/unblock {ANNA}", ADMIN), to=ADMIN))[0]
        assert "I am TumorScan" in (await stage.answers(written("/start")))[0]
        assert str(await access.of(ANNA)) == "Standing.UNKNOWN"


@pytest.mark.parametrize("words", ["", "anna", "-5", "1.5", "1 2", "9" * 19])
async def test_only_a_number_can_be_blocked_and_no_administrator(club: Stage, words: str) -> None:
    for command in ("block", "unblock"):
        [answer] = await club.answers(written(f"/{command} {words}".strip(), ADMIN), to=ADMIN)
        assert f"/{command} 123456789" in answer
    assert "Administrators can't" in (await club.answers(written(f"/block {ADMIN}", ADMIN), to=ADMIN))[0]
    assert "I am TumorScan" in (await club.answers(written("/start", ADMIN), to=ADMIN))[0]


async def test_help_and_privacy_name_whoever_runs_it(club: Stage) -> None:
    for command in ("/help", "/privacy"):
        [text] = await club.answers(written(command, ADMIN), to=ADMIN)
        assert text.endswith("The people who run this bot: Praxis &lt;Dr. Grün&gt; &amp; Co, +49 30 1234")


async def test_deleting_oneself_ends_an_invitation_and_says_so_before(club: Stage) -> None:
    code = await invited(club)
    await club.answers(written(f"/start {code}"))
    assert "need a new one" in (await club.answers(written("/delete")))[0]
    await club.answers(pressed("delete-all"))
    assert "I am here for" in (await club.answers(written("/scan")))[0]
