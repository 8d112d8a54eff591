"""``python -m tests.tour [FOLDER] [--language CODE]``: every screen of the chat as pictures, and what axe says of each.

Headless Chromium over the sandbox, with the real bot behind: light and dark, as a phone (390 px) and as a desktop
(1440 px), to ``FOLDER`` (default ``out/tour``, of another language ``out/tour-CODE``); ``--phone`` takes the phone in
the light alone. Ends with status 1 when axe finds something serious on any screen.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page

from bot.app import open_services, running
from bot.chat.languages import Language, load_language
from bot.cli.demo import FONTS
from bot.knowledge.loader import DEFAULT_LANGUAGE, codes
from bot.sandbox import Sandbox
from bot.settings import load_settings
from tests.bench.faq_search import MESSAGES
from tests.browser.conftest import browser

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
THEMES = ("light", "dark")
Look: TypeAlias = tuple[str, str]
"""A size and a theme that a screen is taken in."""
LOOKS = tuple((size, theme) for theme in THEMES for size in SIZES)
PHONE = (("phone", "light"),)
SERIOUS = ("serious", "critical")
READ = 120_000
"""Milliseconds that a scan may take on a busy machine."""
SETTLED = 400
"""Milliseconds after which nothing on the page moves any more."""
COMMANDS = {
    "help": "help.intro", "info": "info.choose", "scan": "scan.how", "faq": "faq.choose", "privacy": "privacy.text",
    "language": "language.choose",
}  # fmt: skip
"""Commands at the end of the walk, and the text by which each answer is known."""


class Spoken:
    """What the bot says and what a person may type, in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self.code = language.texts.language

    def text(self, key: str) -> str:
        """The longest run of a text that nothing is filled into and no line or tag breaks."""
        template = self._language.texts.templates[key]
        runs = re.split(r"\{\w+\}|<[^>]+>|\n", template if isinstance(template, str) else template["other"])
        return max(runs, key=len).strip()

    def report(self, number: int) -> str:
        """What stands above the report on a scan."""
        return self._language.texts.plain("caption.report", number=number)

    def question(self, slug: str) -> str:
        """A question as it stands in the list of questions."""
        return next(one.question for one in self._language.knowledge.questions if one.slug == slug)

    def topic(self, slug: str) -> str:
        """A topic's title."""
        return next(one.title for one in self._language.knowledge.topics if one.slug == slug)

    def unanswered(self) -> str:
        """A message that nothing answers, and that is not like anything either."""
        messages = self._messages("questions")["expect"]["none"]
        return str(next(text for text in messages if not self._language.knowledge.suggest(text)))

    def cry(self) -> str:
        """A message that tells of an emergency."""
        return str(self._messages("red_flags")["raised"]["emergency"][0])

    def _messages(self, name: str) -> Any:
        return tomllib.loads((MESSAGES / self.code / f"{name}.toml").read_text("utf-8"))


class Tour:
    """One walk through the chat; each stop is taken in all ``looks``."""

    def __init__(self, page: Page, folder: Path, looks: Sequence[Look]) -> None:
        self._page, self._folder, self._looks = page, folder, looks
        self.stops = 0
        self.complaints: list[str] = []

    async def stop(self, name: str) -> None:
        """Take the screen as it is, once in each look, and hear what axe says of it."""
        self.stops += 1
        for kind, theme in self._looks:
            await self._page.emulate_media(color_scheme="light" if theme == "light" else "dark")
            await self._resize(kind)
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
        """Send a message, and wait for a new answer that holds ``expected``."""
        before = await self._said(expected).count()
        await self._page.get_by_test_id("text-input").fill(text)
        await self._page.get_by_test_id("text-input").press("Enter")
        await self._answered(expected, before)

    async def press(self, words: str, expected: str = "") -> None:
        """Press the newest button with these words."""
        before = await self._said(expected).count()
        await self._page.get_by_test_id("inline-button").filter(has_text=words).last.click()
        if expected:
            await self._answered(expected, before)

    async def send(self, sample: str, caption: str, expected: str) -> None:
        """Send a sample picture as a file, and wait for the answer."""
        before = await self._said(expected).count()
        await self.open_sheet(sample, caption)
        await self._page.get_by_test_id("sheet-send").click()
        await self._answered(expected, before)

    async def open_sheet(self, sample: str, caption: str) -> None:
        """Pick a sample picture, and leave the sheet that asks how to send it open."""
        await self._page.locator(f"[data-sample='{sample}']").first.click()
        await self._page.get_by_test_id("as-file").click()
        await self._page.get_by_test_id("caption").fill(caption)

    def _said(self, words: str) -> Locator:
        return self._page.locator("[data-testid=message][data-from=bot]").filter(has_text=words)

    async def _answered(self, expected: str, before: int) -> None:
        said = self._said(expected).nth(before)
        await said.wait_for(timeout=READ)
        await said.scroll_into_view_if_needed()


async def walk(tour: Tour, page: Page, spoken: Spoken) -> None:
    """The way through the chat, from a first look to a goodbye."""
    await tour.stop("empty")
    await page.get_by_test_id("start").click()
    await page.get_by_test_id("inline-button").filter(has_text=spoken.text("button.agree")).wait_for()
    await tour.stop("consent")
    await tour.press(spoken.text("button.agree"), spoken.text("consent.yes"))
    await pictures_sent(tour, page, spoken)
    await scans_looked_up(tour, page, spoken)
    await words_asked(tour, spoken)
    await page.get_by_test_id("menu-button").click()
    await tour.stop("menu")


async def pictures_sent(tour: Tour, page: Page, spoken: Spoken) -> None:
    """One picture of each kind, and what comes of it."""
    await tour.open_sheet("brain-drawn-lesion.jpg", "Anna")
    await tour.stop("send-sheet")
    await page.get_by_test_id("sheet-send").click()
    await page.locator("[data-testid=message][data-from=bot]").get_by_test_id("document").last.wait_for(timeout=READ)
    await page.get_by_test_id("photo").last.evaluate("photo => photo.scrollIntoView({block: 'start'})")
    await tour.stop("result")
    await page.get_by_test_id("photo").last.click()
    await tour.stop("viewer")
    await page.keyboard.press("Escape")
    await tour.press(spoken.text("button.what_now"), spoken.text("now.help"))
    await tour.stop("what-now")
    await tour.press(spoken.text("button.maps"), spoken.text("maps.caption"))
    await tour.stop("maps")
    await tour.send("brain-t1.jpg", "Boris", spoken.report(2))
    await tour.stop("no-signs")
    await tour.send("smear-drawn-blasts.jpg", "", spoken.report(3))
    await tour.stop("smear")
    await tour.send("cat-drawn.jpg", "", spoken.text("refusal.photo_or_page"))
    await tour.stop("refused")


async def scans_looked_up(tour: Tour, page: Page, spoken: Spoken) -> None:
    """What is kept: listed, compared, found and deleted."""
    await tour.write("/history", spoken.text("history.title"))
    await tour.stop("history")
    await tour.press(spoken.text("button.thumbnails"))
    await page.wait_for_timeout(10 * SETTLED)
    await tour.stop("thumbnails")
    await tour.write("/compare 1 2", spoken.text("compare.limits"))
    await tour.stop("compare")
    await tour.press(spoken.text("button.clock"), spoken.text("clock.ask"))
    await tour.stop("clock")
    await tour.write("/history anna", spoken.text("history.found"))
    await tour.press(": Anna")
    await page.wait_for_timeout(10 * SETTLED)
    await tour.press(spoken.text("button.delete_scan"), spoken.text("delete.ask_scan"))
    await tour.press(spoken.text("button.yes_delete"), spoken.text("delete.scan_done"))
    await tour.stop("deleted")


async def words_asked(tour: Tour, spoken: Spoken) -> None:
    """Questions and commands that words alone answer."""
    await tour.write(spoken.question("how-accurate"), spoken.text("facts.record"))
    await tour.stop("question")
    await tour.write(spoken.cry(), "112")
    await tour.stop("red-flag")
    await tour.write(spoken.unanswered(), spoken.text("faq.not_known"))
    await tour.stop("not-known")
    await tour.write(f"/info {spoken.topic('glioma')}", spoken.topic("glioma"))
    await tour.stop("topic")
    for command, key in COMMANDS.items():
        await tour.write(f"/{command}", spoken.text(key))
        await tour.stop(command)


@asynccontextmanager
async def chat_page(folder: str, language: str) -> AsyncIterator[Page]:
    """The chat page on a desktop, of somebody whose Telegram speaks a language, with the real bot behind it."""
    async with Sandbox.start(fonts=FONTS) as sandbox, browser() as chromium:
        if language != DEFAULT_LANGUAGE:
            await sandbox.person("Maria", language)
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


async def main(folder: Path, language: str, looks: Sequence[Look]) -> int:
    """Walk, and say what was found; the exit status."""
    with tempfile.TemporaryDirectory() as database:
        async with chat_page(database, language) as page:
            tour = Tour(page, folder, looks)
            await walk(tour, page, Spoken(load_language(language)))
    found = list(dict.fromkeys(tour.complaints))
    sys.stdout.write("\n".join((f"{tour.stops * len(looks)} pictures of {tour.stops} screens in {folder}", *found, "")))
    sys.stdout.write(f"axe: {len(found)} serious findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.tour", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--language", choices=codes(), default=DEFAULT_LANGUAGE, help="whose texts to walk through")
    parser.add_argument("--phone", action="store_true", help="one picture a screen: a phone in the light")
    args = parser.parse_args()
    other = "" if args.language == DEFAULT_LANGUAGE else f"-{args.language}"
    chosen: Path = args.folder or Path(f"out/tour{other}")
    chosen.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(chosen, args.language, PHONE if args.phone else LOOKS)))
