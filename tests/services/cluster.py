"""A Dask scheduler and workers as processes of this machine, to be killed, stopped and started again."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import PROJECT
from tests.processes import free_port, of_session, wait_for_end

LEAVES_WITHIN = 20.0


class Cluster:
    """On loopback; what its processes log is in ``folder``. A context manager that leaves nothing behind."""

    def __init__(self, folder: Path, protocol: str = "tcp", settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.address = f"{protocol}://127.0.0.1:{free_port()}"
        self._settings = dict(settings or {})
        self._scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._all:
            process.kill()
            process.wait()
        left = [pid for process in self._all for pid in of_session(process.pid)]
        wait_for_end(left, LEAVES_WITHIN)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start it, at the same address each time."""
        protocol, _, place = self.address.partition("://")
        host, port = place.split(":")
        command = ["dask", "scheduler", "--protocol", protocol, "--host", host, "--port", port, "--no-dashboard"]
        self._scheduler = self._run([*command, "--dashboard-address", "127.0.0.1:0", "--no-jupyter"], "scheduler", {})
        return self._scheduler

    def start_worker(self, at_once: int = 1, **settings: str) -> subprocess.Popen[bytes]:
        """Start one that does so many jobs at once."""
        name = f"worker-{len(self.workers) + 1}"
        worker = self._run(["bot", "worker", self.address], name, {"WORKERS": str(at_once), **settings})
        self.workers.append(worker)
        return worker

    def kill_scheduler(self) -> None:
        """Kill -9."""
        if self._scheduler is None:
            raise RuntimeError("there is no scheduler")
        self._scheduler.kill()
        self._scheduler.wait()

    def logged(self, number: int) -> str:
        """What a worker has logged so far; the first one is 1."""
        return (self.folder / f"worker-{number}.log").read_text("utf-8", "replace")

    def _run(self, module: Sequence[str], name: str, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PROJECT), "HOME": tempfile.gettempdir()}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module], cwd=self.folder, env={**environment, **self._settings, **settings},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._all.append(process)
        return process
