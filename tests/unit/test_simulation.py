"""The simulation behind docs/SCALING.md does what arithmetic says where arithmetic can tell."""

import pytest

from tests.bench.simulation import Cost, Stage, simulate, smallest

COST = Cost(worker=0.2, loop=0.02, messages=3)


def test_usage_is_arrivals_times_cost() -> None:
    outcome = simulate(3600, COST, Stage(1, 2))
    assert outcome.workers_used == pytest.approx(0.2 / 2, rel=0.1)
    assert outcome.loop_used == pytest.approx(0.02, rel=0.1)
    assert outcome.telegram_used == pytest.approx(3 / 23, rel=0.01)
    assert outcome.keeps_up


def test_with_too_little_of_anything_the_wait_grows() -> None:
    enough, scarce = simulate(20_000, COST, Stage(1, 4)), simulate(20_000, COST, Stage(1, 1))
    assert enough.keeps_up
    assert not scarce.keeps_up
    assert scarce.most > 20 * enough.most
    assert not simulate(40_000, COST, Stage(1, 16)).keeps_up  # Telegram's limit


def test_the_smallest_that_keeps_up_is_found() -> None:
    stage, outcome = smallest(100_000, COST, 30, 10.0, 64)
    assert outcome.keeps_up
    assert outcome.most <= 10
    assert stage.bots == 4  # 83 messages a second, of which each bot may send 23 for long
    alone, _ = smallest(10, COST, 30, 10.0, 64)
    assert (alone.bots, alone.workers) == (1, 1)
