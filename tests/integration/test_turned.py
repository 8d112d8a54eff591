"""A slice that lies on its side, from the chat to the report: it is shown upright, and that is told."""

import io

import numpy as np
import pytest
from PIL import Image

from bot.sandbox import Person
from inference.training.drawn.screens import sheet
from tests import pictures
from tests.integration.chatting import is_report, scans_of
from tests.integration.conftest import RunningBot
from tests.integration.test_conversation import pdf_text

LINE = "I turned the picture upright first"


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
async def test_slice_on_its_side_is_shown_upright_and_told(bot: RunningBot, agreed: Person, quarters: int) -> None:
    upright = Image.open(pictures.SLICE).convert("RGB")
    laid = Image.fromarray(np.rot90(np.asarray(upright), quarters))
    await agreed.send_document(pictures.encode(laid, "PNG"))
    report = await agreed.wait_for(is_report, timeout=60)
    told = [message.text for message in await agreed.messages() if LINE in message.text]
    assert len(told) == (quarters > 0)
    assert (LINE in pdf_text(await agreed.download(report))) == (quarters > 0)
    [scan] = await scans_of(bot, agreed)
    kept = await bot.services.database.scans.pictures(scan.id)
    for data in (kept.original, kept.overlay):
        assert Image.open(io.BytesIO(data)).size == upright.size


@pytest.mark.parametrize("quarters", [0, 1, 2])
async def test_a_sheet_that_lies_is_read_upright_as_a_whole(bot: RunningBot, agreed: Person, quarters: int) -> None:
    slices = [(255 * pictures.brain_array(300, tumour=False, seed=seed)).astype(np.uint8) for seed in range(6)]
    drawn = sheet([np.repeat(one[..., None], 3, 2) for one in slices], 3, np.random.default_rng(1))
    laid = Image.fromarray(np.rot90(np.asarray(drawn), quarters))
    await agreed.send_document(pictures.encode(laid, "PNG"))
    report = await agreed.wait_for(is_report, timeout=60)
    assert (LINE in pdf_text(await agreed.download(report))) == (quarters > 0)
    [scan] = await scans_of(bot, agreed)
    assert scan.study is not None
    for one in await bot.services.database.scans.slices(scan.id):
        shown = Image.open(io.BytesIO(one.picture))
        assert shown.height > shown.width  # as the head is
