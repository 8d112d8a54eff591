"""The seal of a report: every change is noticed, and each kind of it is called by its name."""

import random
from dataclasses import replace
from datetime import date

import pytest

from reports import render
from reports.data import Verification
from reports.seal import EXAMPLE, Check, Sealer, State, is_report
from tests.unit.reports.examples import a_report

KEY, OTHER = b"k" * 32, b"o" * 32
SEALER = Sealer([KEY])
DAY = date(2026, 3, 29)


def a_sealed_report(sealer: Sealer = SEALER) -> bytes:
    code = sealer.code("A7K2-Q9", DAY)
    assert code is not None
    return sealer.seal(render(replace(a_report(), verification=Verification(code, f"/verify {code}"))))


REPORT = a_sealed_report()


def test_unchanged_report_is_confirmed_with_its_day() -> None:
    assert is_report(REPORT)
    assert SEALER.check(REPORT) == Check(State.UNALTERED, DAY)
    assert a_sealed_report() == REPORT


def test_no_changed_byte_of_a_report_goes_unnoticed() -> None:
    chance = random.Random(7)  # noqa: S311
    head, tail = range(512), range(len(REPORT) - 4096, len(REPORT))
    places = {*head, *tail, *chance.sample(range(len(REPORT)), 600)}

    for place in places:
        changed = bytearray(REPORT)
        changed[place] ^= 1 << chance.randrange(8)
        assert SEALER.check(bytes(changed)).state is not State.UNALTERED, place


def test_seal_in_small_letters_counts_as_a_change() -> None:
    start = REPORT.rindex(b"><") + 2
    seal = REPORT[start : start + 64]

    assert SEALER.check(REPORT.replace(seal, seal.lower())).state is State.CHANGED


@pytest.mark.parametrize(
    ("file", "state"),
    [
        (REPORT + b"\n", State.ADDED),
        (REPORT + b"12 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n", State.ADDED),
        (REPORT[:-1], State.CHANGED),
        (REPORT[: len(REPORT) // 2], State.CUT),
        (REPORT[:300], State.CUT),
        (REPORT.replace(b"/Rotate 0", b"/Rotate 9"), State.CHANGED),
    ],
)
def test_what_was_done_to_a_report_is_told_apart(file: bytes, state: State) -> None:
    assert SEALER.check(file) == Check(state, DAY if state is State.ADDED else None)


def test_another_bots_report_is_foreign_and_tells_no_day() -> None:
    assert SEALER.check(a_sealed_report(Sealer([OTHER]))) == Check(State.FOREIGN)


def test_forged_seal_around_real_code_is_a_change() -> None:
    forged = Sealer([OTHER]).seal(REPORT)

    assert SEALER.check(forged) == Check(State.CHANGED)


def test_report_of_an_unsigning_bot_is_known_as_unsealed() -> None:
    plain = Sealer().seal(render(a_report()))

    assert is_report(plain)
    assert Sealer().code("A7K2-Q9", DAY) is None
    assert SEALER.check(plain) == Check(State.UNSEALED)
    assert SEALER.check(SEALER.seal(plain)).state is State.UNALTERED


def test_what_an_older_key_has_sealed_stays_known() -> None:
    both = Sealer([OTHER, KEY])

    assert both.check(REPORT) == Check(State.UNALTERED, DAY)
    assert both.code("A7K2-Q9", DAY) == Sealer([OTHER]).code("A7K2-Q9", DAY)


def test_file_full_of_seals_is_checked_fast() -> None:
    trailer = REPORT[REPORT.rindex(b"[<") :]

    assert SEALER.check(REPORT[:200] + trailer * 20_000).state is State.CHANGED


def test_a_code_tells_its_day_however_it_is_typed() -> None:
    code = SEALER.code("A7K2-Q9", DAY)
    assert code is not None

    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", " – "), f" {code.replace('0', 'o')} "):
        assert SEALER.day_of(typed) == DAY, typed


def test_no_mistyped_sign_of_a_code_goes_unnoticed() -> None:
    code = (SEALER.code("A7K2-Q9", DAY) or "").replace("-", "")

    for place in range(len(code)):
        for sign in "0123456789ABCDEFGHJKMNPQRSTVWXYZ":
            if sign != code[place]:
                assert SEALER.day_of(code[:place] + sign + code[place + 1 :]) is None


@pytest.mark.parametrize("typed", ["", "x", EXAMPLE, EXAMPLE * 100, "٠٥MQ-7N2D-8KJC-4W0R", "\x00" * 16, "U" * 16])
def test_what_is_no_code_of_ours_is_none(typed: str) -> None:
    assert SEALER.day_of(typed) is None
