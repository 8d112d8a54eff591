"""What a message costs, counted and not timed: journeys to the workers, questions to the database, imports."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot.sandbox import Person
from bot.scan import worker_jobs
from inference.workers.job_table import Job
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.integration.chatting import answer_to, one_scan, work_is_done
from tests.integration.conftest import RunningBot

MOST_STATEMENTS = 26
"""20 when all goes quickly; what takes longer than a second is noted as waiting and taken up again."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """Everything that the database is asked meanwhile, but for where transactions begin."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_scan_takes_two_worker_jobs_and_few_queries(
    bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    journeys: Counter[str] = Counter()
    run = LocalExecutor.run

    def counted(executor: LocalExecutor, job: Job[Any, *tuple[Any, ...]], *args: Any, **options: Any) -> object:
        journeys[job.name] += 1
        return run(executor, job, *args, **options)

    monkeypatch.setattr(LocalExecutor, "run", counted)
    with statements() as asked:
        await one_scan(bot, agreed)
    assert journeys == {worker_jobs.analyse_for_chat.name: 1, worker_jobs.draw.name: 1}
    assert len(asked) <= MOST_STATEMENTS, Counter(asked)
    assert sum("INSERT INTO scans" in statement for statement in asked) == 1


async def test_refused_picture_takes_one_worker_job(
    bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    journeys: list[object] = []
    run = LocalExecutor.run

    def counted(executor: LocalExecutor, job: Job[Any, *tuple[Any, ...]], *args: Any, **options: Any) -> object:
        journeys.append(job)
        return run(executor, job, *args, **options)

    monkeypatch.setattr(LocalExecutor, "run", counted)
    sent = await agreed.send_document(pictures.cat())
    await agreed.wait_for(lambda message: message.reply_to == sent.id, timeout=60)
    await work_is_done(bot, agreed)
    assert len(journeys) == 1


class Imports:
    """Finds nothing, and notes what is looked for in the folders of Python."""

    def __init__(self) -> None:
        self.searched: list[str] = []

    def find_spec(self, name: str, *_rest: object) -> None:
        self.searched.append(name)


async def test_an_answer_searches_for_no_module(agreed: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    imports = Imports()
    for finders in (sys.meta_path, [imports, *sys.meta_path]):  # the first answer may import what it needs
        monkeypatch.setattr(sys, "meta_path", finders)
        await answer_to(agreed, "/help")
    assert imports.searched == []
