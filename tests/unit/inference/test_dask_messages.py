"""A scheduler that was taken over says what it likes; a bot makes nothing of it that could run."""

import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import distributed.client
import distributed.protocol.pickle
import pytest
from distributed.protocol.core import loads
from distributed.scheduler import KilledWorker
from msgpack import dumps

from inference.workers.dask_messages import limit_messages


class Hostile:
    """Writes a file wherever it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (distributed.client, distributed.protocol.pickle):
        monkeypatch.setattr(module, "pickle", pickle)
    limit_messages()
    yield
    monkeypatch.undo()


def message(kind: str, header: dict[str, Any]) -> list[bytes]:
    """A message as Dask frames it, that is wholly what its first part points to."""
    return [dumps({kind: 1}), dumps({"num-sub-frames": 0, **header})]


def hostile_messages(file: Path) -> dict[str, list[bytes]]:
    code = pickle.dumps(Hostile(file))
    return {
        "of its own": message("__Pickled__", {"pickled-obj": code}),
        "kind of an answer": message("__Serialized__", {"serializer": "dask", "type-serialized": code}),
    }


@pytest.mark.parametrize("name", ["of its own", "kind of an answer"])
def test_pickle_in_a_message_runs_nothing_in_a_bot(tmp_path: Path, name: str) -> None:
    file = tmp_path / "written"
    with suppress(Exception):  # it makes no sense, and may say so
        loads(hostile_messages(file)[name], deserializers=["dask", "msgpack"])
    assert not file.exists()


def test_nothing_that_a_client_unpickles_by_itself_is_run(tmp_path: Path) -> None:
    code = pickle.dumps({"said": [Hostile(tmp_path / "written")]})
    for loads_it in (distributed.client.pickle.loads, distributed.client.loads):
        loads_it(code)
    assert not (tmp_path / "written").exists()


def test_why_a_job_was_given_up_is_still_understood() -> None:
    lost = KilledWorker("job-1", pickle.PickleBuffer, 1)
    error = distributed.client.loads(pickle.dumps(lost))
    assert isinstance(error, KilledWorker)
    assert (error.task, error.allowed_failures) == ("job-1", 1)
