"""Every command of the menu and every button has its handler: one that was not registered is named."""

from collections.abc import Iterator

from telegram.ext import CallbackQueryHandler, CommandHandler

from bot.app import SUBJECTS
from bot.chat.keyboards import Action
from bot.chat.languages import load_language
from bot.chat.menu import commands_for
from bot.handlers.knowledge import COMMANDS

HANDLERS = [handler for subject in SUBJECTS for handler in subject.handlers()]
EXAMPLES = (
    "",
    "A7K2-Q9",
    "A7K2-Q9/1",
    "A7K2-Q9/glioma",
    "not_sure/brain_mri",
    "1",
    "60",
    "glioma",
    "glioma/help",
    "en",
)
"""Arguments of which each button takes at least one; add one for a button that takes none of them."""


def taken_commands() -> Iterator[str]:
    for handler in HANDLERS:
        if isinstance(handler, CommandHandler):
            yield from handler.commands


def takers(action: Action) -> int:
    """How many handlers a press of this button would be given to, were the others not there."""
    argument = next((example for example in EXAMPLES if action.argument.fullmatch(example)), None)
    assert argument is not None, f"EXAMPLES has no argument for {action.name}"
    data = f"{action.word}:{argument}" if argument else action.word
    patterns = (handler.pattern for handler in HANDLERS if isinstance(handler, CallbackQueryHandler))
    return sum(bool(callable(pattern) and pattern(data)) for pattern in patterns)


def test_each_command_of_the_menu_has_exactly_one_handler() -> None:
    # /start has a second one, for the codes of reports that it may bring.
    assert sorted(taken_commands()) == sorted((*commands_for(admin=True), "start"))


def test_each_button_has_exactly_one_handler() -> None:
    assert {action.name: takers(action) for action in Action if takers(action) != 1} == {}


def test_what_questions_do_are_known_commands() -> None:
    assert {question.does for question in load_language().knowledge.questions if question.does} == set(COMMANDS)
    assert set(COMMANDS) <= set(commands_for(admin=False))
