"""``python -m tests.mutants [MODULE ...] [--minutes N]``: change what people's safety hangs on, and see a test fail.

The changes are mutmut's, each one alone, in a copy of the tree, with the module's own tests. mutmut itself leaves out
what stands outside functions or below a decorator, and here that is half of what matters: SQL statements, limits,
properties. With ``--minutes`` each module gets so long, and of its changes those that chance draws (``--seed``).
"""

import argparse
import difflib
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import libcst as cst
import libcst.matchers as match
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tests.conftest import PROJECT
from tests.trees import copied_tree, write

_STORAGE, _BOT, _INFERENCE = "tests/unit/storage", "tests/unit/bot", "tests/unit/inference"
MODULES: Mapping[str, tuple[str, ...]] = {
    "inference/decision.py": (f"{_INFERENCE}/test_decision.py",),
    "storage/inbox.py": tuple(f"{_STORAGE}/test_{name}.py" for name in ("inbox", "dead_letters", "sealing")),
    "storage/people.py": tuple(f"{_STORAGE}/test_{name}.py" for name in ("people", "deleting", "access")),
    "storage/scans.py": (f"{_STORAGE}/test_scans.py", f"{_STORAGE}/test_hiding.py", f"{_STORAGE}/test_deleting.py"),
    "bot/delivery/inbox.py": (f"{_BOT}/test_deliveries.py", f"{_BOT}/test_inbox.py"),
    "bot/delivery/rate_limiter.py": (f"{_BOT}/test_send_retries.py", f"{_BOT}/test_rate_limiter.py"),
    "inference/decode/imaging.py": tuple(
        f"{_INFERENCE}/test_{name}.py" for name in ("imaging", "formats", "film_sheet", "photo_repair")
    ),
    "bot/knowledge/red_flags.py": (f"{_BOT}/test_red_flag_rules.py", f"{_BOT}/test_red_flags.py"),
    "bot/knowledge/cries.py": (f"{_BOT}/test_cries.py",),
}
"""What people's safety hangs on, and the tests that say what it promises."""

KNOWN: Mapping[str, Mapping[tuple[str, str], str]] = {
    "inference/decision.py": {
        (
            "possible = [name for name, p in probabilities.items() if p >= 1 - card.conformal.get(name, 1.0)]",
            "possible = [name for name, p in probabilities.items() if p >= 1 - card.conformal.get(name, 2.0)]",
        ): "no chance is below 0, nor below -1",
        (
            "scaled = logits.astype(np.float64) / card.temperature",
            "scaled = logits.astype(None) / card.temperature",
        ): "NumPy takes no type to be float64",
    },
}
"""Changes that no test can or need notice: file -> (the line before, the line after) -> why."""

# A library that is loaded already can't be rewritten, and need not be: nobody reads what its assertions say.
_PYTEST = (
    *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
_OURS = ("bot", "inference", "reports", "storage", "tests")
_SAYS_NOTHING = match.Call(match.Attribute(match.Name("_log"))) | match.SimpleStatementLine(
    [match.Expr(match.SimpleString() | match.ConcatenatedString())]
)
_LEFT_OUT = (
    match.Annotation()
    | match.Decorator()
    | match.Import()
    | match.ImportFrom()
    | match.Assign([match.AssignTarget(match.Name("__all__"))])
    | _SAYS_NOTHING
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a file: from this line and column to those, other text."""

    begin: tuple[int, int]
    end: tuple[int, int]
    instead: str

    def made_in(self, source: str) -> str:
        """The file with the change."""
        lines = source.splitlines(keepends=True)
        (first, left), (last, right) = self.begin, self.end
        return "".join(
            [*lines[: first - 1], lines[first - 1][:left], self.instead, lines[last - 1][right:], *lines[last:]]
        )


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, module: cst.Module) -> None:
        super().__init__()
        self.changes: list[Change] = []
        self._module = module
        self._raised = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if match.matches(node, _LEFT_OUT):
            return False
        self._raised += isinstance(node, cst.Raise)
        if not (self._raised and isinstance(node, cst.BaseString)):  # the words of an error
            self._note(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        self._raised -= isinstance(original_node, cst.Raise)

    def _note(self, node: cst.CSTNode) -> None:
        for kind, operator in mutation_operators:
            if not isinstance(node, kind):
                continue
            others = list(operator(node))
            if others:
                span = self.get_metadata(PositionProvider, node)
                begin, end = (span.start.line, span.start.column), (span.end.line, span.end.column)
                # Of a text one other is enough.
                others = others[:1] if isinstance(node, cst.BaseString) else others
                self.changes += [Change(begin, end, self._module.code_for_node(other)) for other in others]


def changes_of(source: str) -> list[Change]:
    """All changes of a file that leave it a program, in its order."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder(wrapper.module)
    wrapper.visit(finder)
    return [change for change in dict.fromkeys(finder.changes) if _is_program(change.made_in(source), source)]


def _is_program(text: str, before: str) -> bool:
    try:
        compile(text, "changed", "exec")
    except (SyntaxError, ValueError):
        return False
    return text != before


def difference(before: str, after: str) -> tuple[str, str]:
    """What the lines were that a change touches, and what they are, without their indentation."""
    changed = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return (
        " ".join(line[2:].strip() for line in changed if line.startswith("- ")),
        " ".join(line[2:].strip() for line in changed if line.startswith("+ ")),
    )


class Bench:
    """Runs tests of a tree in processes that are split off from this one, which has loaded the libraries already."""

    def __init__(self, tree: Path, tests: Sequence[str]) -> None:
        """Raises RuntimeError when the tests fail as things are."""
        self._tree, self._tests = tree, tests
        report = tree / "libraries"
        self._must_pass(report)
        plugins = {found.value.partition(".")[0].partition(":")[0] for found in entry_points(group="pytest11")}
        for name in report.read_text("utf-8").split():
            if name.partition(".")[0] not in {*_OURS, *plugins, "__main__"}:
                with suppress(Exception):  # what can't be had here each of them loads for itself
                    importlib.import_module(name)
        began = time.monotonic()
        self._must_pass()
        self._patience = 30.0 + 10.0 * (time.monotonic() - began)

    def _must_pass(self, report: Path | None = None) -> None:
        if self._run(3600.0, report) != 0:
            raise RuntimeError(f"{' '.join(self._tests)} fail before anything is changed")

    def notices(self) -> bool:
        """Whether a test fails, or takes for ever."""
        return self._run(self._patience) != 0

    def _run(self, patience: float, report: Path | None = None) -> int:
        process = os.fork()
        if process == 0:
            self._become_tests(report)
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.05)
        else:
            code = -signal.SIGKILL
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        if code == -signal.SIGKILL:
            os.waitpid(process, 0)
        return code

    def _become_tests(self, report: Path | None) -> None:
        code = 70
        try:
            os.setpgid(0, 0)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            os.chdir(self._tree)
            os.environ["PYTHONPATH"] = str(self._tree)
            for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
                del sys.modules[name]
            sys.path[:] = [str(self._tree), *(path for path in sys.path if Path(path).resolve() != PROJECT)]
            code = int(pytest.main([*_PYTEST, *self._tests]))
            if report is not None:
                report.write_text("\n".join(sys.modules), "utf-8")
        finally:
            os._exit(code)


def tries(
    tree: Path, module: str, tests: Sequence[str], minutes: float, chance: random.Random
) -> Iterator[tuple[bool, str, str]]:
    """For each change that was tried: whether a test noticed, the lines before, and after. Known ones are left out."""
    bench = Bench(tree, tests)
    source = (tree / module).read_text("utf-8")
    changes = changes_of(source)
    if minutes:
        chance.shuffle(changes)
    ends = time.monotonic() + minutes * 60
    for change in changes:
        if minutes and time.monotonic() > ends:
            return
        after = change.made_in(source)
        lines = difference(source, after)
        if lines in KNOWN.get(module, {}):
            continue
        write(tree / module, after)
        noticed = bench.notices()
        write(tree / module, source)
        yield noticed, *lines


def main(arguments: Sequence[str]) -> int:
    """Try them; exit status 1 when a change went unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="such as storage/inbox.py; without one all of them"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="for each module (default: until all were tried)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.modules) - set(MODULES))
    if unknown:
        parser.error(f"no tests are named for {', '.join(unknown)}: known are {', '.join(MODULES)}")
    lived = 0
    with copied_tree() as tree:
        for module in options.modules or MODULES:
            tried = killed = 0
            chance = random.Random(options.seed)  # noqa: S311
            for noticed, before, after in tries(tree, module, MODULES[module], options.minutes, chance):
                tried, killed = tried + 1, killed + noticed
                if not noticed:
                    print(f"{module}: no test notices\n  - {before}\n  + {after}", flush=True)
            lived += tried - killed
            print(f"{module}: {killed} of {tried} changes noticed, {len(KNOWN.get(module, {}))} known", flush=True)
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
