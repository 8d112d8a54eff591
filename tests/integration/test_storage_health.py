"""A database that fails under a running bot: said in one line, nothing is confirmed, and it goes on when mended."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bot.sandbox import Message, Person, Sandbox
from tests import pictures
from tests.integration.chatting import is_report
from tests.integration.child import forked_run, said_at_the_end, said_until
from tests.integration.kills import someone_agreed
from tests.integration.test_shutdown import of
from tests.warm_start import Process

Mend = Callable[[], None]


def is_excuse(message: Message) -> bool:
    return "I can't write anything down just now" in message.text


def is_help(message: Message) -> bool:
    return "/history" in message.text


def lines_about_the_database(said: str) -> list[str]:
    return [line.partition(": ")[2] for line in said.splitlines() if "DATABASE_URL" in line]


async def everything_is_kept(file: Path) -> None:
    """Wait until the write-ahead log is in the file: whoever reads or writes just then holds it up."""
    checkpoint = (
        "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); "
        "print(*file.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone())"
    )
    async with asyncio.timeout(30):
        while True:
            process = await asyncio.create_subprocess_exec(
                "python3", "-c", checkpoint, str(file), stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
            assert process.returncode == 0
            if said.split() == [b"0", b"0", b"0"]:
                return


async def trouble_comes_and_goes(
    sandbox: Sandbox, process: Process, anna: Person, mend: Callable[[], object], *begins: str
) -> None:
    """With a database that fails already: what the log, Telegram and Anna are told, until ``mend`` and after it.

    Each way to fail is said once; which of ``begins`` comes first depends on who reads or writes first.
    """
    await anna.send_text("/help")  # of a damaged file the log may still take this one: either way it is answered below
    await anna.wait_for(is_excuse, timeout=60)
    sent = await anna.send_text("/scan")
    said = await said_until(process, "DATABASE_URL")
    pending = [update.content["message_id"] for update in sandbox.world.updates.pending]
    assert sent.id in pending, "an update was confirmed that could not be kept"
    mend()
    mark = await anna.mark()
    await anna.wait_for(is_help, timeout=60, since=0)
    await anna.wait_for(lambda message: "Send me" in message.text, timeout=60, since=0)
    said += await said_until(process, "the database works again")
    *troubles, last = lines_about_the_database(said)
    assert 1 <= len(troubles) <= len(begins)
    assert len(set(troubles)) == len(troubles)
    for trouble in troubles:
        assert trouble.startswith(tuple(f"DATABASE_URL: {begin}" for begin in begins)), trouble
    assert last == "DATABASE_URL: the database works again"
    assert "Traceback" not in said
    assert sum(is_excuse(message) for message in await anna.messages()) == 1
    await anna.send_document(pictures.brain())
    await anna.wait_for(is_report, timeout=60, since=mark)
    process.terminate()
    await said_at_the_end(process)
    assert process.returncode == 0


async def test_a_disk_without_room_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, **of(sandbox, DATABASE_URL="sqlite:///bot.db")) as process:
        anna = await someone_agreed(sandbox)
        # What a process may write into a file: the kernel refuses the rest as it does on a full disk.
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, most))
        await trouble_comes_and_goes(
            sandbox,
            process,
            anna,
            lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most)),
            "bot.db cannot be read or written: check the disk, its free space, and that it may be written",
        )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can't be mounted here: the test with a really full one was left out")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_disk_that_is_really_full_is_waited_for(sandbox: Sandbox, tmp_path: Path, small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'bot.db'}"
    async with forked_run(tmp_path, **of(sandbox, DATABASE_URL=url, MIN_FREE_DISK="0")) as process:
        anna = await someone_agreed(sandbox)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as rest, suppress(OSError):
            while rest.write(bytes(4096)):
                pass
        await trouble_comes_and_goes(
            sandbox,
            process,
            anna,
            filler.unlink,
            f"{small_disk / 'bot.db'} cannot grow: the disk is full, make room",
        )


async def test_damaged_file_is_waited_for_until_restored(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "bot.db"
    async with forked_run(tmp_path, **of(sandbox, DATABASE_URL="sqlite:///bot.db")) as process:
        anna = await someone_agreed(sandbox)
        await everything_is_kept(file)
        sound = file.read_bytes()
        with file.open("r+b") as bytes_on_disk:
            bytes_on_disk.write(os.urandom(len(sound)))
        await trouble_comes_and_goes(
            sandbox, process, anna, lambda: copy_back(file, sound), "bot.db is not a SQLite database"
        )


def copy_back(file: Path, sound: bytes) -> None:
    """As one puts a backup in the place of a file."""
    copy = file.with_suffix(".copy")
    copy.write_bytes(sound)
    copy.rename(file)


@contextmanager
def immutable(file: Path) -> Iterator[Mend]:
    """A file that nobody may write, not even the superuser, where the file system can do that."""

    def switch(sign: str) -> bool:
        attribute = ["chattr", f"{sign}i", str(file)]
        return subprocess.run(attribute, capture_output=True, check=False).returncode == 0

    if not switch("+"):
        pytest.skip("files can't be made immutable here: the test with a read-only file was left out")
    try:
        yield lambda: assert_true(switch("-"))
    finally:
        switch("-")


def assert_true(done: bool) -> None:
    assert done


async def test_a_file_that_becomes_read_only_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    file, log = tmp_path / "bot.db", tmp_path / "bot.db-wal"
    async with forked_run(tmp_path, **of(sandbox, DATABASE_URL="sqlite:///bot.db")) as process:
        anna = await someone_agreed(sandbox)
        with immutable(file) as mend, immutable(log) as mend_log:

            def both() -> None:
                mend()
                mend_log()

            await trouble_comes_and_goes(
                sandbox, process, anna, both, "bot.db cannot be read or written", "bot.db is read-only"
            )
