"""A short soak: the bot is killed at random moments while Telegram fails, and nobody is left without an answer."""

from pathlib import Path

import pytest

from tests.soak.report import as_table
from tests.soak.run import Plan, soak


@pytest.mark.timeout(240)
async def test_scans_are_kept_once_and_answered_despite_faults(
    tmp_path: Path,
) -> None:
    plan = Plan(seconds=8, people=6, scans=12, kill_every=4, kills=2, faults=True, seed=1, workers=1)
    result = await soak(plan, tmp_path)
    account = result.account
    assert account.scans == plan.scans
    assert result.kills == plan.kills
    assert result.injected, "no fault was drawn"
    assert (account.lost, account.double_rows, account.unanswered) == (0, 0, 0), as_table(result)
    # A text in flight at a kill, or whose connection dropped, may come again; a few are under way at once.
    unknown = sum(counts.get("drop_after", 0) for counts in result.injected.values())
    assert account.doubles <= 2 * result.kills + unknown, as_table(result)
    assert (result.left_by_itself, result.exit_status, result.leftover_processes) == (0, 0, 0), as_table(result)
