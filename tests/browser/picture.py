"""The picture at the top of the README, made by the project itself: ``make picture``."""

import asyncio
import tempfile
from pathlib import Path

from bot.app import open_services, running
from bot.cli.demo import FONTS
from bot.sandbox import Sandbox
from bot.settings import load_settings
from tests.browser.conftest import browser

PICTURE = Path(__file__).parent / "chat.png"
SIZE = {"width": 1280, "height": 1000}
SAMPLE = "brain-drawn-lesion.jpg"


async def main() -> None:
    """Agree, send a sample as a file, and take a picture of the answer."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox.start(fonts=FONTS) as sandbox, browser() as chromium:
            settings = load_settings(
                _env_file=None,
                telegram_bot_token=sandbox.token,
                telegram_api_url=sandbox.url,
                database_url=f"sqlite+aiosqlite:///{folder}/picture.db",
            )
            async with open_services(settings) as services, running(settings, services):
                page = await chromium.new_page(viewport=SIZE)  # type: ignore[arg-type]
                await page.goto(sandbox.page_url)
                await page.get_by_test_id("start").click()
                await page.get_by_test_id("inline-button").filter(has_text="Yes, read my pictures").click()
                await page.locator(f"[data-sample='{SAMPLE}']").first.click()
                await page.get_by_test_id("as-file").click()
                await page.get_by_test_id("caption").fill("Ann")
                await page.get_by_test_id("sheet-send").click()
                await page.locator("[data-testid=message][data-from=bot]").get_by_test_id("document").last.wait_for()
                await page.mouse.move(0, 0)
                await page.evaluate(
                    "Promise.all([...document.querySelectorAll('[data-testid=photo]')].map(image => image.decode()))"
                )
                await page.get_by_test_id("photo").last.evaluate("photo => photo.scrollIntoView({block: 'start'})")
                await page.screenshot(path=PICTURE, animations="disabled")


if __name__ == "__main__":
    asyncio.run(main())
