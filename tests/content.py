"""Models and languages, opened once for all tests of a process: they are values that nobody changes."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path

from bot.app import open_services
from bot.chat.context import Services
from bot.chat.languages import Languages, open_models
from bot.settings import Settings
from inference.registry import Entry
from inference.workers.executor import Executor


@cache
def opened(models_dir: Path) -> tuple[Mapping[str, Entry], Languages]:
    """As ``open_models``."""
    return open_models(models_dir)


def services_of(settings: Settings, executor: Executor) -> AbstractAsyncContextManager[Services]:
    """As ``open_services``, on workers that are there already and on content that is open already."""
    return open_services(settings, executor, content=opened(settings.models_dir))
