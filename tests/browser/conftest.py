"""A headless Chromium, the sandbox's page in it, and the real bot behind."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.app import running
from bot.cli.demo import FONTS
from bot.sandbox import Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests.content import services_of
from tests.integration.conftest import settings, workers

__all__ = ["settings", "workers"]

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # The browser opens this project's own pages alone; as root, as in a container, its sandbox can't start.
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]
PHONE = (390, 844)
DESKTOP = (1280, 900)
HANG = 60_000
"""Milliseconds after which something is broken, not slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say in one line, the same for all, that these tests were left out where there is no browser."""
    if CHROMIUM is None:
        left_out = pytest.mark.skip(reason="no Chromium found: browser tests were left out (apt install chromium)")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(left_out)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Chromium, as Debian packages it."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One for all tests: to start it costs more than most of them."""
    async with browser() as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A local Telegram of this test's own, in the event loop that the browser lives in."""
    async with Sandbox.start(fonts=FONTS) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser, settings: Settings, workers: LocalExecutor, sandbox: Sandbox) -> AsyncIterator[Page]:
    """The chat page on a desktop, with a bot and a context of its own; a complaint in its console fails the test."""
    complaints: list[str] = []
    async with (
        services_of(settings, workers) as services,
        running(settings, services),
        await chromium.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}) as context,
    ):
        context.set_default_timeout(HANG)
        expect.set_options(timeout=HANG)
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(sandbox.page_url)
        yield page
    assert complaints == []
