"""The chat page as a person uses it: open, agree, send a scan, look at heat map and PDF."""

import io
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Locator, Page, expect
from pypdf import PdfReader

from tests import pictures
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="module")
READ = 90_000
"""Milliseconds that a scan may take on a busy machine."""


@pytest_asyncio.fixture(loop_scope="module")
async def agreed(page: Page) -> Page:
    """The page after START and yes."""
    await page.get_by_test_id("start").click()
    await page.get_by_test_id("inline-button").filter(has_text="Yes, read my pictures").click()
    await expect(chat(page).get_by_text("Now send me a picture")).to_be_visible()
    return page


def chat(page: Page) -> Locator:
    return page.get_by_test_id("messages")


def from_bot(page: Page, kind: str) -> Locator:
    return page.locator("[data-testid=message][data-from=bot]").get_by_test_id(kind)


async def send_sample(page: Page, name: str) -> None:
    await page.locator(f"[data-sample='{name}']").first.click()
    await page.get_by_test_id("sheet-send").click()


async def fetch(page: Page, address: str | None) -> bytes:
    assert address
    answer = await page.request.get(str(await page.evaluate("a => new URL(a, location.href).href", address)))
    assert answer.ok
    return await answer.body()


async def test_sample_scan_gets_heat_map_and_readable_pdf(agreed: Page) -> None:
    await send_sample(agreed, "brain-drawn-lesion.jpg")
    document = from_bot(agreed, "document").last
    await expect(document).to_be_visible(timeout=READ)

    heat_map = from_bot(agreed, "photo").last
    await expect(heat_map).to_be_visible()
    with Image.open(io.BytesIO(await fetch(agreed, await heat_map.get_attribute("src")))) as picture:
        assert picture.height > 1.5 * picture.width  # stacked, for a phone

    report = PdfReader(io.BytesIO(await fetch(agreed, await document.get_attribute("href"))))
    assert "not a diagnosis" in report.pages[0].extract_text().lower()


async def test_file_sheet_sends_a_file_with_its_caption(agreed: Page, tmp_path: Path) -> None:
    scan = tmp_path / "slice.png"
    scan.write_bytes(pictures.brain(kind="PNG"))
    await agreed.get_by_test_id("file-input").set_input_files(scan)
    await agreed.get_by_test_id("as-file").click()
    await agreed.get_by_test_id("caption").fill("Ярослав Ánh 🙂")
    await agreed.get_by_test_id("sheet-send").click()
    await expect(from_bot(agreed, "document").last).to_be_visible(timeout=READ)
    await expect(from_bot(agreed, "text").filter(has_text="Ярослав Ánh 🙂").last).to_be_visible()


async def test_typed_markup_is_shown_as_text(agreed: Page) -> None:
    await agreed.get_by_test_id("text-input").fill("<img src=x onerror=alert(1)> what is a glioma")
    await agreed.get_by_test_id("text-input").press("Enter")
    await expect(chat(agreed).get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert await agreed.locator("img[src=x]").count() == 0


async def test_each_test_person_has_a_chat_of_their_own(agreed: Page) -> None:
    await agreed.get_by_test_id("person").nth(1).click()
    await expect(agreed.get_by_test_id("start")).to_be_visible()
    await expect(chat(agreed).get_by_text("Now send me a picture")).not_to_be_visible()


async def test_menu_lists_commands_and_button_changes_its_message(agreed: Page) -> None:
    await agreed.get_by_test_id("menu-button").click()
    await agreed.get_by_test_id("command").filter(has_text="/info").click()
    await agreed.get_by_test_id("inline-button").filter(has_text="Meningioma").click()
    await expect(from_bot(agreed, "edited").last).to_be_visible()


async def test_chat_fills_a_phone_screen_without_overflow(agreed: Page) -> None:
    await agreed.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    box = await agreed.get_by_test_id("phone").bounding_box()
    assert box
    assert (box["x"], box["width"]) == (0, PHONE[0])
    assert await agreed.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


async def test_scripts_are_drawn_where_machine_has_no_font(page: Page) -> None:
    assert await page.evaluate("document.fonts.check(`16px 'Spoken Scripts'`, 'हि')"), "there before the first letters"
    for font in ("16px 'Spoken Scripts'", "bold 16px 'Spoken Scripts'"):
        assert await page.evaluate(f"document.fonts.load(`{font}`, 'हि').then(all => all.map(f => f.status))") == [
            "loaded"
        ]
    assert await page.evaluate("document.fonts.load('bold 16px Scripts', 'বাংলা').then(all => all.length)") == 1
