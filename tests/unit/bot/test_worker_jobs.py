"""What the workers draw for the chat is written in letters, whatever the script."""

import pytest

from bot.scan import worker_jobs
from inference.analysis import PictureWords
from tests.unit.reports.examples import ORIGINAL, OVERLAY


def sheet(word: str) -> bytes:
    return worker_jobs.compose(ORIGINAL, OVERLAY, PictureWords(word, word, word, word, word, word), [])


@pytest.mark.parametrize(
    ("one", "other"), [("да", "бы"), ("कख", "गघ"), ("سم", "طع"), ("ñá", "éü"), ("மண", "கட"), ("中文", "日本")]
)
def test_different_words_never_look_alike_on_the_sheet(one: str, other: str) -> None:
    assert sheet(one) != sheet(other), "they are boxes"


def test_arabic_letters_are_joined_on_the_sheet() -> None:
    assert sheet("سم") != sheet("س\u200cم")
