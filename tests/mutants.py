"""``python -m tests.mutants [MODULE ...] [--minutes N]``: change what people's safety hangs on, and see a test fail.

The changes are mutmut's, each one alone, in a copy of the tree, with the module's own tests. mutmut itself leaves out
what stands outside functions or below a decorator, and here that is half of what matters: SQL statements, limits,
properties. With ``--minutes`` each module gets so long, and of its changes those that chance draws (``--seed``).
"""

import argparse
import builtins
import difflib
import random
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import libcst as cst
import libcst.matchers as match
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tests.conftest import PROJECT
from tests.mutant_bench import Bench, is_same_program
from tests.trees import copied_tree

_STORAGE, _BOT, _INFERENCE = "tests/unit/storage", "tests/unit/bot", "tests/unit/inference"
MODULES: Mapping[str, tuple[str, ...]] = {
    "inference/decision.py": (f"{_INFERENCE}/test_decision.py",),
    "storage/inbox.py": tuple(f"{_STORAGE}/test_{name}.py" for name in ("inbox", "dead_letters", "sealing")),
    "storage/people.py": tuple(f"{_STORAGE}/test_{name}.py" for name in ("people", "deleting", "access")),
    "storage/scans.py": (f"{_STORAGE}/test_scans.py", f"{_STORAGE}/test_hiding.py", f"{_STORAGE}/test_deleting.py"),
    "bot/delivery/inbox.py": (f"{_BOT}/test_deliveries.py", f"{_BOT}/test_inbox.py"),
    "bot/delivery/rate_limiter.py": (
        f"{_BOT}/test_send_retries.py",
        f"{_BOT}/test_rate_limiter.py",
        f"{_BOT}/test_receipts.py",
    ),
    "inference/decode/imaging.py": tuple(
        f"{_INFERENCE}/test_{name}.py" for name in ("imaging", "formats", "film_sheet", "photo_repair")
    ),
    "bot/knowledge/red_flags.py": (f"{_BOT}/test_red_flag_rules.py", f"{_BOT}/test_red_flags.py"),
    "bot/knowledge/cries.py": (f"{_BOT}/test_cries.py",),
}
"""What people's safety hangs on, and the tests that say what it promises."""

_KNOWN = PROJECT / "tests" / "data" / "known_mutants.toml"


@cache
def known() -> Mapping[str, Mapping[tuple[str, str], str]]:
    """Changes that no test can or need notice: file -> (the lines before, the lines after) -> why."""
    listed = tomllib.loads(_KNOWN.read_text("utf-8"))
    return {
        module: {(one["before"], after): one["why"] for one in ones for after in one["after"]}
        for module, ones in listed.items()
    }


_SAYS_NOTHING = match.Call(match.Attribute(match.Name("_log"))) | match.SimpleStatementLine(
    [match.Expr(match.SimpleString() | match.ConcatenatedString())]
)
# What only mypy reads, and mypy is what notices it.
_TYPES = match.OneOf(*map(match.Name, ("Callable", "Literal", "Mapping", "Sequence", "dict", "frozenset", "tuple")))
_IS_OF_TYPES = match.Subscript(_TYPES) | match.BinaryOperation(operator=match.BitOr(), right=match.Subscript(_TYPES))
_LEFT_OUT = (
    match.Annotation()
    | match.Decorator()
    | match.Import()
    | match.ImportFrom()
    | match.Assign([match.AssignTarget(match.Name("__all__") | match.Name("_log"))])
    | match.Assign(value=_IS_OF_TYPES)
    | _SAYS_NOTHING
)
_TEXT = match.SimpleString() | match.FormattedString() | match.ConcatenatedString()
# An error of Python's own takes anything for its words.
_WORDED = match.Call(match.Name(match.MatchIfTrue(lambda name: hasattr(builtins, name))), [match.Arg(_TEXT)])
# A member of an enumeration is compared by itself; what it holds is for who prints it.
_ENUMERATION = match.ClassDef(bases=[match.Arg(match.Name("Enum"))])
_MEMBER = match.Assign(value=match.SimpleString())


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
        self._raised = self._depth = self._enumerations = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if match.matches(node, _LEFT_OUT) or (self._enumerations and match.matches(node, _MEMBER)):
            return False
        self._count(node, 1)
        if not (self._raised and (isinstance(node, cst.BaseString) or match.matches(node, _WORDED))):
            self._note(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        self._count(original_node, -1)

    def _count(self, node: cst.CSTNode, by: int) -> None:
        """How deep it stands in what is raised, in classes and functions, in enumerations."""
        self._raised += by * isinstance(node, cst.Raise)
        self._depth += by * isinstance(node, cst.ClassDef | cst.FunctionDef)
        self._enumerations += by * match.matches(node, _ENUMERATION)

    def _note(self, node: cst.CSTNode) -> None:
        for kind, operator in mutation_operators:
            if not isinstance(node, kind):
                continue
            others = [other for other in operator(node) if not _is_none(other, outside=not self._depth)]
            if others:
                span = self.get_metadata(PositionProvider, node)
                begin, end = (span.start.line, span.start.column), (span.end.line, span.end.column)
                # Of a text one other is enough.
                others = others[:1] if isinstance(node, cst.BaseString) else others
                self.changes += [Change(begin, end, self._module.code_for_node(other)) for other in others]


def _is_none(node: cst.CSTNode, *, outside: bool) -> bool:
    """Whether a name is given None and mypy notices: it has another type or, ``outside`` functions, a use."""
    if isinstance(node, cst.AnnAssign) and match.matches(node, match.AnnAssign(value=match.Name("None"))):
        return outside or not match.findall(node.annotation, match.Name("None") | match.Name("Any"))
    return outside and match.matches(node, match.Assign(value=match.Name("None")))


def _made(source: str) -> list[Change]:
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder(wrapper.module)
    wrapper.visit(finder)
    return list(dict.fromkeys(finder.changes))


def changes_of(source: str) -> list[Change]:
    """All changes of a file that leave it a program, and make another one of it, in its order."""
    return [change for change in _made(source) if _is_program(change.made_in(source), source)]


def _is_program(text: str, before: str) -> bool:
    try:
        compile(text, "changed", "exec")
    except (SyntaxError, ValueError):
        return False
    return not is_same_program(before, text)


def difference(before: str, after: str) -> tuple[str, str]:
    """What the lines were that a change touches, and what they are, without their indentation."""
    ones, others = before.splitlines(), after.splitlines()
    same = _alike(ones, others)
    ones, others = ones[same:], others[same:]
    left = _alike(ones[::-1], others[::-1])
    changed = list(difflib.ndiff(ones[: len(ones) - left], others[: len(others) - left]))
    return (
        " ".join(line[2:].strip() for line in changed if line.startswith("- ")),
        " ".join(line[2:].strip() for line in changed if line.startswith("+ ")),
    )


def _alike(ones: Sequence[str], others: Sequence[str]) -> int:
    """How many of their first lines are the same."""
    pairs = enumerate(zip(ones, others, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(ones), len(others)))


def stale(module: str, source: str) -> list[tuple[str, str]]:
    """Known changes of a file that are made no more, and are to go from the list."""
    made = {difference(source, change.made_in(source)) for change in _made(source)}
    return [lines for lines in known().get(module, {}) if lines not in made]


def tries(
    tree: Path, module: str, tests: Sequence[str], minutes: float, chance: random.Random
) -> Iterator[tuple[bool, str, str]]:
    """For each change that was tried: whether a test noticed, the lines before, and after. Known ones are left out."""
    source = (tree / module).read_text("utf-8")
    changes = changes_of(source)
    if minutes:
        chance.shuffle(changes)
    ends = time.monotonic() + minutes * 60
    with Bench(tree, module, tests) as bench:
        for change in changes:
            if minutes and time.monotonic() > ends:
                return
            after = change.made_in(source)
            lines = difference(source, after)
            if lines not in known().get(module, {}):
                yield bench.notices(after), *lines


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
            for before, after in stale(module, (tree / module).read_text("utf-8")):
                parser.error(f"{_KNOWN.name}: {module} has no such change any more:\n  - {before}\n  + {after}")
            tried = killed = 0
            chance = random.Random(options.seed)  # noqa: S311
            for noticed, before, after in tries(tree, module, MODULES[module], options.minutes, chance):
                tried, killed = tried + 1, killed + noticed
                if not noticed:
                    print(f"{module}: no test notices\n  - {before}\n  + {after}", flush=True)
            lived += tried - killed
            print(f"{module}: {killed} of {tried} changes noticed, {len(known().get(module, {}))} known", flush=True)
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
