"""Replicas as real processes behind a balancer, some of them killed at random moments while people send."""

from pathlib import Path

import pytest

from tests.services import postgresql
from tests.soak.report import as_table
from tests.soak.run import Plan, soak

pytestmark = pytest.mark.skipif(postgresql.programs() is None, reason=postgresql.MISSING)


@pytest.mark.timeout(400)
async def test_three_replicas_lose_nothing_when_one_is_killed(tmp_path: Path) -> None:
    plan = Plan(seconds=13, people=8, scans=16, kill_every=5, kills=2, faults=False, seed=1, workers=1, replicas=3)
    result = await soak(plan, tmp_path)
    account = result.account
    assert account.scans == plan.scans
    assert result.kills == plan.kills
    assert len(result.takeovers) == result.kills, as_table(result)
    assert max(result.takeovers) <= 10, as_table(result)
    assert (account.lost, account.double_rows, account.unanswered, account.out_of_order) == (0, 0, 0, 0), as_table(
        result
    )
    assert account.doubles <= 2 * result.kills, as_table(result)  # a text in flight at a kill may come again
    assert (result.left_by_itself, result.exit_status, result.leftover_processes) == (0, 0, 0), as_table(result)
