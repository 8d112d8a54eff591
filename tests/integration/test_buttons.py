"""Buttons as people press them: twice, of what is gone, and for the maps; and questions as nobody should write them."""

import io

import numpy as np
import pytest
from PIL import Image

from bot.chat.keyboards import Action, ButtonPress
from bot.sandbox import Message, Person, Sandbox
from tests import pictures
from tests.integration.chatting import answer_to, is_report, one_scan, press_without_a_button, scans_of
from tests.integration.conftest import RunningBot
from tests.integration.test_history import ODD_LABELS

SORRY = "Something went wrong"
ARGUMENT = {Action.SLICE: "{}/1", Action.FOUND: "{}/-nothing"}
OF_A_SCAN = [
    action
    for action in Action
    if action.argument.fullmatch("A7K2-Q9")
    or (action in ARGUMENT and action.argument.fullmatch(ARGUMENT[action].format("A7K2-Q9")))
]


def pressed(action: Action, public_id: str) -> str:
    """What the button of a scan says."""
    return ButtonPress(action, ARGUMENT.get(action, "{}").format(public_id)).data


async def test_every_button_of_a_deleted_scan_is_answered_kindly(
    sandbox: Sandbox, bot: RunningBot, agreed: Person
) -> None:
    await one_scan(bot, agreed)
    [scan] = await scans_of(bot, agreed)
    person = await bot.services.database.people.get(agreed.id)
    assert person is not None
    await bot.services.database.scans.hide(person.id, scan.public_id)
    for action in OF_A_SCAN:
        if action is not Action.UNDO_DELETE:
            answer = await press_without_a_button(sandbox, agreed, pressed(action, scan.public_id))
            assert answer.file is None, action
            assert "can't find that scan" in answer.text or "nothing noted" in answer.text, action


async def test_two_taps_on_any_button_change_nothing(sandbox: Sandbox, bot: RunningBot, agreed: Person) -> None:
    await one_scan(bot, agreed)
    kept = [(scan.public_id, scan.patient_label) for scan in await scans_of(bot, agreed)]
    for action in (Action.OPEN, Action.PDF, Action.MAPS, Action.WHAT_NOW, Action.ABOUT, Action.ASK_DELETE_SCAN):
        for _ in range(2):
            answer = await press_without_a_button(sandbox, agreed, pressed(action, kept[0][0]))
            assert SORRY not in answer.text, action
    assert [(scan.public_id, scan.patient_label) for scan in await scans_of(bot, agreed)] == kept


async def shown_maps(person: Person, report: Message) -> tuple[Message, Image.Image]:
    """The answer to the button of the maps, and its picture."""
    await person.press(report, "The maps alone")
    message = await person.wait_for(lambda message: "heat maps of scan" in message.text, timeout=60)
    return message, Image.open(io.BytesIO(await person.download(message)))


async def test_maps_come_alone_and_for_each_kind_of_tumour(bot: RunningBot, agreed: Person) -> None:
    message, picture = await shown_maps(agreed, await one_scan(bot, agreed))
    assert "for each kind" in message.text
    assert "Not a diagnosis" in message.text
    grey = np.asarray(picture.convert("L"))
    left, right = np.array_split(grey[grey.shape[0] // 12 : grey.shape[0] // 4], 2, axis=1)
    assert np.median(left) < 40  # no brain below the map alone
    assert right.mean() > left.mean() + 20  # a kind's map lies over the picture


async def test_maps_of_blood_have_one_kind(agreed: Person) -> None:
    await agreed.send_document(pictures.smear())
    report = await agreed.wait_for(is_report, timeout=60)
    message, picture = await shown_maps(agreed, report)
    assert "for each kind" not in message.text
    grey = np.asarray(picture.convert("L"))
    assert np.median(grey) < 40  # the map alone, without the cells


@pytest.mark.parametrize("asked", ODD_LABELS.values(), ids=ODD_LABELS)
async def test_an_odd_question_is_answered(agreed: Person, asked: str) -> None:
    answer = await answer_to(agreed, asked.encode("utf-8", "replace").decode()[:4096])
    assert answer.text
    assert SORRY not in answer.text
    assert "<b>" not in answer.text or "&lt;" not in answer.text
