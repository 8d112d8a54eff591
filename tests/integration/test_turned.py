"""Slices that lie on a side, alone, on a sheet or in a study, from chat to report: shown upright, and told so."""

import io

import numpy as np
import pytest
from PIL import Image

from bot.sandbox import Person
from inference.training.drawn.screens import sheet
from tests import pictures, studies
from tests.integration.chatting import is_report, scans_of
from tests.integration.conftest import RunningBot
from tests.integration.test_conversation import pdf_text

LINE = "I turned the picture upright first"
OF_SLICES = "I turned the slices upright first"
HEAD = studies.head(6)[:, :, 16:240]


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
    assert await is_told_and_shown(bot, agreed) == (quarters > 0)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
async def test_study_that_lies_is_shown_upright_and_told_once(bot: RunningBot, agreed: Person, quarters: int) -> None:
    laid = [Image.fromarray(np.rot90(one, quarters)) for one in HEAD]
    await agreed.send_document(studies.pack({f"{n}.jpg": pictures.encode(one) for n, one in enumerate(laid)}), "a.zip")
    assert await is_told_and_shown(bot, agreed) == (quarters > 0)


async def test_pdf_pictures_that_lie_are_shown_upright(bot: RunningBot, agreed: Person) -> None:
    laid = np.ascontiguousarray(np.rot90(HEAD, axes=(1, 2)))
    await agreed.send_document(studies.pages(laid, "PDF"), "film.pdf")
    assert await is_told_and_shown(bot, agreed)


async def is_told_and_shown(bot: RunningBot, agreed: Person) -> bool:
    """Whether chat and report say that slices were turned; all of them stand as a head does in any case."""
    report = await agreed.wait_for(is_report, timeout=120)
    told = [message.text for message in await agreed.messages() if OF_SLICES in message.text]
    assert len(told) <= 1
    assert (OF_SLICES in pdf_text(await agreed.download(report))) == bool(told)
    [scan] = await scans_of(bot, agreed)
    assert scan.study is not None
    shown = [Image.open(io.BytesIO(one.picture)) for one in await bot.services.database.scans.slices(scan.id)]
    assert len(shown) == 6
    assert all(one.height > one.width for one in shown)
    return bool(told)
