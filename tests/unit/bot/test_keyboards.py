"""Buttons: what they say is checked when it is written and again when it comes back."""

import pytest

from bot.chat.keyboards import OF_KNOWLEDGE, Action, ButtonPress, button, column, in_language, parse, says

ARGUMENTS = {
    Action.OPEN: "A7K2-Q9", Action.PDF: "A7K2-Q9", Action.ABOUT: "A7K2-Q9", Action.WHAT_NOW: "A7K2-Q9",
    Action.WHAT_NOW_OF: "no_tumor_signs/blood_smear", Action.MAPS: "A7K2-Q9",
    Action.DICOM: "A7K2-Q9",
    Action.UNDO_DELETE: "A7K2-Q9", Action.THUMBNAILS: "2", Action.SET_CLOCK: "-210",
    Action.ASK_DELETE_SCAN: "A7K2-Q9",
    Action.NOT_PART: "A7K2-Q9", Action.SLICES: "A7K2-Q9", Action.SLICE: "A7K2-Q9/142", Action.LANGUAGE: "de",
    Action.DELETE_SCAN: "A7K2-Q9", Action.HISTORY: "12", Action.TOPIC: "brain-tumours", Action.SECTION: "glioma/what",
    Action.WITHDRAW_INVITATION: "7", Action.OUTCOME: "A7K2-Q9", Action.FOUND: "A7K2-Q9/-nothing",
    Action.REMOVE_OUTCOME: "A7K2-Q9",
    Action.SHARE_OUTCOME: "A7K2-Q9", Action.KEEP_OUTCOME: "A7K2-Q9",
    Action.SEND_BROADCAST: "7", Action.DROP_BROADCAST: "7",
    Action.STOP_BROADCAST: "7", Action.GROUP: "result", Action.QUESTION: "is-my-photo-kept",
}  # fmt: skip


@pytest.mark.parametrize("action", list(Action))
def test_every_button_is_read_as_it_was_written(action: Action) -> None:
    press = ButtonPress(action, ARGUMENTS.get(action, ""))
    assert parse(press.data) == press
    assert says(action)(press.data)
    assert not any(says(other)(press.data) for other in Action if other is not action)


NOT_OURS = [
    None, 7, "", "open", "open:", "open:a7k2-q9", "open:A7K2-Q9 ", "open:A7K2-Q9\n", "open:A7K2-Q9:1", "OPEN:A7K2-Q9",
    "open:../../etc", "history:0", "set-clock:00", "set-clock:5", "set-clock:-0", "set-clock:1440000", "thumbnails:0",
    "undo:3", "what-now-of:well/brain_mri", "what-now-of:not_sure/../etc", "maps:3",
    "history:-1", "history:9999999", "history:１", "agree:", "agree:yes",
    "section:glioma", "section:glioma/", "topic:Glioma", "topic:" + "a" * 46, "delete-all:7", "no-such:1",
    "%s", "'; DROP TABLE scan;", "agree@de", "open:A7K2-Q9@de", "language:de@de",
    "topic:glioma@", "topic:glioma@DE", "topics@../de",
    "topic:glioma@de@de", "topic@de:glioma", "group:result@de ", "@de", "section:glioma/what@" + "d" * 20,
]  # fmt: skip


@pytest.mark.parametrize("data", NOT_OURS)
def test_what_no_button_of_ours_says_is_not_understood(data: object) -> None:
    assert parse(data) is None
    assert not any(says(action)(data) for action in Action)


@pytest.mark.parametrize("action", [action for action in Action if action in OF_KNOWLEDGE])
def test_button_of_knowledge_carries_its_pages_language(action: Action) -> None:
    markup = column(button("Go on", action, ARGUMENTS.get(action, "")))
    ((there,),) = in_language(markup, "pt-br").inline_keyboard
    press = parse(there.callback_data)
    assert press == ButtonPress(action, ARGUMENTS.get(action, ""), "pt-br")
    assert there.text == "Go on"
    assert says(action)(there.callback_data)


def test_button_without_room_for_a_language_stays_as_it_is() -> None:
    markup = column(button("Go on", Action.QUESTION, "a" * 45), button("All", Action.SECTION, "a" * 45 + "/diagnosis"))
    ((short,), (long,)) = in_language(markup, "pt-br").inline_keyboard
    assert short.callback_data == "question:" + "a" * 45 + "@pt-br"
    assert long.callback_data == "section:" + "a" * 45 + "/diagnosis"


def test_button_refuses_a_wrong_argument() -> None:
    with pytest.raises(ValueError, match="not an argument"):
        button("Open", Action.OPEN, "3")


@pytest.mark.parametrize("action", list(Action))
def test_every_button_fits_into_telegrams_64_bytes(action: Action) -> None:
    longest = {Action.TOPIC: "a" * 45, Action.GROUP: "a" * 45, Action.QUESTION: "a" * 45, Action.HISTORY: "999999",
        Action.WHAT_NOW_OF: "no_tumor_signs/" + "a" * 32}  # fmt: skip
    assert len(ButtonPress(action, longest.get(action, ARGUMENTS.get(action, ""))).data.encode()) <= 64
