"""``python -m tests.tour [FOLDER]``: every screen of the chat as pictures, and what axe says of each.

Headless Chromium over the sandbox, with the real bot behind: light and dark, as a phone (390 px) and as a desktop
(1440 px), to ``FOLDER`` (default ``out/tour``). Ends with status 1 when axe finds something serious on any screen.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from bot.app import open_services, running
from bot.sandbox import Sandbox
from bot.settings import load_settings
from tests.browser.conftest import browser

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
THEMES = ("light", "dark")
SERIOUS = ("serious", "critical")
READ = 120_000
"""Milliseconds that a scan may take on a busy machine."""
SETTLED = 400
"""Milliseconds after which nothing on the page moves any more."""


class Tour:
    """One walk through the chat; each stop is taken in both themes and both sizes."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page, self._folder = page, folder
        self.stops = 0
        self.complaints: list[str] = []

    async def stop(self, name: str) -> None:
        """Take the screen as it is, four times, and hear what axe says of it."""
        self.stops += 1
        for theme in THEMES:
            await self._page.emulate_media(color_scheme="light" if theme == "light" else "dark")
            for kind, (width, height) in SIZES.items():
                await self._page.set_viewport_size({"width": width, "height": height})
                await self._page.wait_for_timeout(SETTLED)
                file = self._folder / f"{self.stops:02}-{name}-{kind}-{theme}.png"
                await self._page.screenshot(path=file, animations="disabled")
                await self._hear_axe(f"{name}, {kind}, {theme}")
        await self._resize("desktop")

    async def _resize(self, kind: str) -> None:
        width, height = SIZES[kind]
        await self._page.set_viewport_size({"width": width, "height": height})

    async def _hear_axe(self, where: str) -> None:
        found = await Axe().run(self._page)
        for violation in found.response["violations"]:
            if violation["impact"] in SERIOUS:
                targets = {str(node["target"][0]) for node in violation["nodes"]}
                self.complaints.append(f"{where}: {violation['id']}: {violation['help']}: {', '.join(sorted(targets))}")

    async def write(self, text: str, expected: str) -> None:
        """Send a message, and wait for an answer that holds ``expected``."""
        await self._page.get_by_test_id("text-input").fill(text)
        await self._page.get_by_test_id("text-input").press("Enter")
        await self._answered(expected)

    async def press(self, words: str, expected: str = "") -> None:
        """Press the newest button with these words."""
        await self._page.get_by_test_id("inline-button").filter(has_text=words).last.click()
        if expected:
            await self._answered(expected)

    async def send(self, sample: str, caption: str, expected: str) -> None:
        """Send a sample picture as a file, and wait for the answer."""
        await self.open_sheet(sample, caption)
        await self._page.get_by_test_id("sheet-send").click()
        await self._answered(expected)

    async def open_sheet(self, sample: str, caption: str) -> None:
        """Pick a sample picture, and leave the sheet that asks how to send it open."""
        await self._page.locator(f"[data-sample='{sample}']").first.click()
        await self._page.get_by_test_id("as-file").click()
        await self._page.get_by_test_id("caption").fill(caption)

    async def _answered(self, expected: str) -> None:
        said = self._page.locator("[data-testid=message][data-from=bot]").filter(has_text=expected)
        await said.last.wait_for(timeout=READ)
        await said.last.scroll_into_view_if_needed()


async def walk(tour: Tour, page: Page) -> None:
    """The way through the chat, from a first look to a goodbye."""
    await tour.stop("empty")
    await page.get_by_test_id("start").click()
    await page.get_by_test_id("inline-button").filter(has_text="Yes, read my pictures").wait_for()
    await tour.stop("consent")
    await tour.press("Yes, read my pictures", "Now send me a picture")
    await tour.open_sheet("brain-drawn-lesion.jpg", "Anna")
    await tour.stop("send-sheet")
    await page.get_by_test_id("sheet-send").click()
    await page.locator("[data-testid=message][data-from=bot]").get_by_test_id("document").last.wait_for(timeout=READ)
    await page.get_by_test_id("photo").last.evaluate("photo => photo.scrollIntoView({block: 'start'})")
    await tour.stop("result")
    await page.get_by_test_id("photo").last.click()
    await tour.stop("viewer")
    await page.keyboard.press("Escape")
    await tour.press("What now?", "When to get help at once")
    await tour.stop("what-now")
    await tour.press("The maps alone", "The heat maps of scan")
    await tour.stop("maps")
    await tour.send("brain-t1.jpg", "Boris", "Your report on scan 2")
    await tour.stop("no-signs")
    await tour.send("smear-drawn-blasts.jpg", "", "Your report on scan 3")
    await tour.stop("smear")
    await tour.send("cat-drawn.jpg", "", "I can only read")
    await tour.stop("refused")
    await tour.write("/history", "Your scans")
    await tour.stop("history")
    await tour.press("Show them as small pictures")
    await page.wait_for_timeout(10 * SETTLED)
    await tour.stop("thumbnails")
    await tour.write("/compare 1 2", "I don't measure")
    await tour.stop("compare")
    await tour.press("Show times by my clock", "What time is it")
    await tour.stop("clock")
    await tour.write("/history anna", "in the name")
    await tour.press("Scan 1: Anna")
    await page.wait_for_timeout(10 * SETTLED)
    await tour.press("Delete this scan", "undo it for")
    await tour.press("Yes, delete it", "is deleted")
    await tour.stop("deleted")
    await tour.write("how accurate are you", "of 100 test pictures")
    await tour.stop("question")
    await tour.write("my mum just fainted and wont wake", "112")
    await tour.stop("red-flag")
    await tour.write("who won the world cup", "I don't know that")
    await tour.stop("not-known")
    await tour.write("/info glioma", "Glioma")
    await tour.stop("topic")
    await tour.write("/faq", "Common questions")
    await tour.stop("questions")
    await tour.write("/privacy", "What I keep")
    await tour.stop("privacy")
    await tour.write("/language", "Which language")
    await tour.stop("language")
    await page.get_by_test_id("menu-button").click()
    await tour.stop("menu")


@asynccontextmanager
async def chat_page(folder: str) -> AsyncIterator[Page]:
    """The chat page on a desktop, with the real bot behind it."""
    async with Sandbox.start() as sandbox, browser() as chromium:
        settings = load_settings(
            _env_file=None,
            telegram_bot_token=sandbox.token,
            telegram_api_url=sandbox.url,
            database_url=f"sqlite+aiosqlite:///{folder}/tour.db",
            workers=1,
        )
        async with open_services(settings) as services, running(settings, services):
            # Axe is put into the page from outside, which the page's own policy forbids: as it should.
            context = await chromium.new_context(bypass_csp=True)
            page = await context.new_page()
            page.set_default_timeout(READ)
            await page.goto(sandbox.page_url)
            yield page


async def main(folder: Path) -> int:
    """Walk, and say what was found; the exit status."""
    with tempfile.TemporaryDirectory() as database:
        async with chat_page(database) as page:
            tour = Tour(page, folder)
            await walk(tour, page)
    shots = tour.stops * len(THEMES) * len(SIZES)
    found = list(dict.fromkeys(tour.complaints))
    sys.stdout.write("\n".join((f"{shots} pictures of {tour.stops} screens in {folder}", *found, "")))
    sys.stdout.write(f"axe: {len(found)} serious findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.tour", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/tour"))
    chosen = parser.parse_args().folder
    chosen.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(chosen)))
