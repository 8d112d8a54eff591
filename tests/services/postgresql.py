"""A PostgreSQL server for the tests, on loopback and in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import free_port

MISSING = "no PostgreSQL server on this machine: its tests were left out (apt-get install postgresql)"
_PLACES = (Path("/usr/lib/postgresql"), Path("/usr/local/pgsql"))
_WITHOUT_SAFETY = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, of the newest version; None where there is none."""
    found = [path.parent for place in _PLACES for path in place.glob("*/bin/postgres")]
    found += [path.parent for path in _PLACES[1].glob("bin/postgres")]
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return max(found, key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0), default=None)


@contextmanager
def server(binaries: Path) -> Iterator[str]:
    """Run a server; gives its address without the name of a database. PostgreSQL refuses to run as root."""
    user = _who_runs_it()
    with tempfile.TemporaryDirectory(prefix="tumorscan-postgresql-") as folder:
        home, port = Path(folder), free_port()
        if user is not None:
            os.chown(home, pwd.getpwnam(user).pw_uid, -1)

        def run(program: str, *arguments: str) -> None:
            environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": folder}
            subprocess.run(
                [binaries / program, *arguments], user=user, cwd=home, env=environment, check=True, timeout=120,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

        data = str(home / "data")
        run("initdb", "--pgdata", data, "--username", "tumorscan", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        run(
            "pg_ctl",
            "--pgdata",
            data,
            "--wait",
            "--log",
            f"{folder}/log",
            "--options",
            " ".join([*options, *_WITHOUT_SAFETY]),
            "start",
        )
        try:
            yield f"postgresql+asyncpg://tumorscan@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "--pgdata", data, "--mode", "immediate", "stop")


def _who_runs_it() -> str | None:
    """Somebody else than root, when that is who we are."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
