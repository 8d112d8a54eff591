"""Runs a module's tests against one change of it after another, each in a process of its own, as cheaply as can be.

The tests are collected once. A change inside a function is put into that function there, in a process split off, and
only tests that call it are run, those first that noticed a change lately. A change of anything else, or of what ran
already while the tests were collected, needs the whole start anew, in a process that has loaded the libraries alone.
The file is changed as well: processes that tests start read it.
"""

import gc
import importlib
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest
from _pytest.main import pytest_runtestloop as run_tests

from tests.conftest import PROJECT
from tests.trees import write

# A library that is loaded already can't be rewritten, and need not be: nobody reads what its assertions say.
_PYTEST = (
    *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
_OURS = ("bot", "inference", "reports", "storage", "tests")
_LONG = 3600.0
_SPARE, _TIMES = 20.0, 10.0
"""A test takes for ever when it takes so many seconds, and so many times as long as before the change, or more."""


@dataclass(slots=True)
class Told:
    """What the tests of one run said."""

    passed: bool
    failed: str = ""
    """The first test that failed, or was at it when the process ended."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Test -> how long it took."""
    called: dict[str, set[str]] = field(default_factory=dict)
    """Test -> functions of the module that it called."""


@dataclass(slots=True)
class _Teller:
    """Pytest's plugin that says, in lines through ``to``, which test begins and which has failed, as it happens."""

    to: int
    order: Mapping[str, int] = field(default_factory=dict)
    watch: "_Watch | None" = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.order.get(item.nodeid, len(self.order)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say(f"begun {nodeid}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.watch is not None:
            self._say(f"called {nodeid}\t{' '.join(sorted(set(map(_outermost, self.watch.ran))))}")
            self.watch.ran.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._say(f"failed {report.nodeid}")

    def _say(self, line: str) -> None:
        os.write(self.to, (line.replace("\n", " ") + "\n").encode(errors="replace"))


@dataclass(slots=True)
class _Watch:
    """Which functions of a file are called, in all threads."""

    file: str
    ran: set[CodeType] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == self.file:
            self.ran.add(frame.f_code)

    def begin(self) -> None:
        threading.setprofile(self)
        sys.setprofile(self)

    def end(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


def _outermost(code: CodeType) -> str:
    return code.co_qualname.partition(".<locals>")[0]


def _split_off(work: Callable[[int], int], patience: Callable[[str], float]) -> Told:
    """Do work in a process; ``patience`` says how long a test may take ("" is what comes before the first)."""
    reads, writes = os.pipe()
    process = os.fork()
    if process == 0:
        code = 70
        try:
            os.setpgid(0, 0)
            os.close(reads)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = work(writes)
        finally:
            os.write(writes, f"ended {code}\n".encode())
            os._exit(code)
    os.close(writes)
    told = Told(passed=False)
    rest, at, since = b"", "", time.monotonic()
    while not told.failed and select.select([reads], [], [], max(0.0, since + patience(at) - time.monotonic()))[0]:
        got = os.read(reads, 65536)
        *lines, rest = (rest + got).split(b"\n")
        for word, _, what in (line.decode().partition(" ") for line in lines):
            told.seconds.setdefault(at, time.monotonic() - since)
            at, since = what if word == "begun" else at, time.monotonic()
            if word == "called":
                test, _, names = what.partition("\t")
                told.called[test] = set(names.split(" "))
            told.passed |= (word, what) == ("ended", "0")
            told.failed = told.failed or (what if word == "failed" else "")
        if not got or told.passed:
            break
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(reads)
    told.failed = "" if told.passed else told.failed or at
    return told


def _go_into(tree: Path) -> None:
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path).resolve() != PROJECT)]


def _shell(code: CodeType) -> tuple[object, ...]:
    """All that a piece of code does by itself, without what is defined inside it, and without its place."""
    return (
        *(code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        *(code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_exceptiontable),
        tuple((type(value), repr(value)) for value in code.co_consts if not isinstance(value, CodeType)),
    )


def _inner(code: CodeType) -> list[CodeType]:
    return [value for value in code.co_consts if isinstance(value, CodeType)]


def _same(before: CodeType, after: CodeType) -> bool:
    ones, others = _inner(before), _inner(after)
    return _shell(before) == _shell(after) and len(ones) == len(others) and all(map(_same, ones, others))


@cache
def _compiled(source: str) -> CodeType:
    return compile(source, "module", "exec")


def is_same_program(before: str, after: str) -> bool:
    """Whether Python makes the same of both."""
    return _same(_compiled(before), compile(after, "module", "exec"))


def changed_functions(before: CodeType, after: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """Functions whose inside differs, outermost ones; None when something outside functions differs, too."""
    ones, others = _inner(before), _inner(after)
    if _shell(before) != _shell(after) or len(ones) != len(others):
        return None
    found = []
    for one, other in zip(ones, others, strict=True):
        if one.co_flags & 2 and one.co_name != "<module>":  # CO_NEWLOCALS: a function, no class
            found += [] if _same(one, other) else [(one, other)]
            continue
        inside = changed_functions(one, other)
        if inside is None:
            return None
        found += inside
    return found


class _Collected:
    """Pytest's plugin in the process that has collected the tests: it answers what it is asked through ``line``."""

    def __init__(self, file: Path, line: Connection) -> None:
        self._file, self._line = file, line
        self._watch = _Watch(str(file))
        self._before = compile(file.read_text("utf-8"), str(file), "exec")
        self._watch.begin()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._watch.end()
        self._ran = frozenset(self._watch.ran)
        self._watch.ran.clear()
        gc.unfreeze()
        live: dict[CodeType, list[FunctionType]] = {}
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and one.__code__.co_filename == str(self._file):
                live.setdefault(one.__code__, []).append(one)
        gc.freeze()
        with suppress(EOFError):
            while True:
                told = self._answer(session, live, *self._line.recv())
                self._line.send(told and asdict(told))  # the class itself is another one there
        return True

    def _answer(
        self,
        session: pytest.Session,
        live: Mapping[CodeType, list[FunctionType]],
        after: str | None,
        tests: Sequence[str],
        limits: Mapping[str, float],
    ) -> Told | None:
        watch = self._watch if after is None else None
        changed = [] if after is None else changed_functions(self._before, compile(after, str(self._file), "exec"))
        if changed is None or any(old in self._ran or old not in live for old, _ in changed):
            return None
        functions = [(one, new) for old, new in changed for one in live[old]]
        return _split_off(
            lambda to: _run(session, _Teller(to, watch=watch), functions, tests), lambda test: limits.get(test, _LONG)
        )


def _run(
    session: pytest.Session, teller: _Teller, functions: list[tuple[FunctionType, CodeType]], tests: Sequence[str]
) -> int:
    for function, code in functions:
        function.__code__ = code
    session.config.pluginmanager.register(teller)
    order = {test: place for place, test in enumerate(tests)}
    if teller.watch is None:
        session.items[:] = sorted(
            (item for item in session.items if item.nodeid in order), key=lambda item: order[item.nodeid]
        )
    else:
        teller.watch.begin()
    with suppress(session.Failed):
        run_tests(session)
    return min(session.testsfailed, 1)


class Bench:
    """The tests of one module, and the changes that they are to notice."""

    def __init__(self, tree: Path, module: str, tests: Sequence[str]) -> None:
        """Raises RuntimeError when the tests fail as things are."""
        self._tree, self._file, self._tests = tree, tree / module, tests
        self._before = self._file.read_text("utf-8")
        self._order: list[str] = []
        self._limits: dict[str, float] = {}
        report = tree / "libraries"
        started = self._must_pass(self._afresh(report))
        plugins = {found.value.partition(".")[0].partition(":")[0] for found in entry_points(group="pytest11")}
        for name in report.read_text("utf-8").split():
            if name.partition(".")[0] not in {*_OURS, *plugins, "__main__"}:
                with suppress(Exception):  # what can't be had here each of them loads for itself
                    importlib.import_module(name)
        self._line, theirs = multiprocessing.Pipe()
        self._collected = os.fork()
        if self._collected == 0:
            self._line.close()
            self._collect(theirs)
        theirs.close()
        learnt = self._must_pass(self._ask(None))
        self._called = learnt.called
        self._order = sorted(learnt.seconds, key=lambda test: learnt.seconds[test])
        for test in self._order:
            longest = max(started.seconds.get(test, 0.0), learnt.seconds[test])
            self._limits[test] = _SPARE + _TIMES * longest
        self._limits[""] = 3 * _SPARE + _TIMES * started.seconds[""]

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        os.waitpid(self._collected, 0)

    def notices(self, after: str) -> bool:
        """Whether a test fails, or takes for ever, when the file is this text."""
        write(self._file, after)
        told = self._ask(after) or self._afresh()
        write(self._file, self._before)
        if told.failed in self._order:
            self._order.remove(told.failed)
            self._order.insert(0, told.failed)
        return not told.passed

    def _must_pass(self, told: Told | None) -> Told:
        if told is None or not told.passed:
            raise RuntimeError(f"{' '.join(self._tests)} fail before anything is changed: {told and told.failed}")
        return told

    def _ask(self, after: str | None) -> Told | None:
        tests: Sequence[str] = ()
        if after is not None:
            ones, others = (compile(text, "module", "exec") for text in (self._before, after))
            changed = {_outermost(code) for code, _ in changed_functions(ones, others) or ()}
            tests = [test for test in self._order if changed & self._called.get(test, set())]
        self._line.send((after, tests, self._limits))
        told = self._line.recv()
        return told and Told(**told)

    def _afresh(self, report: Path | None = None) -> Told:
        order = {test: place for place, test in enumerate(self._order)}

        def work(to: int) -> int:
            _go_into(self._tree)
            code = int(pytest.main([*_PYTEST, *self._tests], plugins=[_Teller(to, order)]))
            if report is not None:
                report.write_text("\n".join(sys.modules), "utf-8")
            return code

        return _split_off(work, lambda test: self._limits.get(test, _LONG))

    def _collect(self, line: Connection) -> None:
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            _go_into(self._tree)
            pytest.main([*_PYTEST, *self._tests], plugins=[_Collected(self._file, line)])
        finally:
            os._exit(0)
