"""``python -m tests.integration.hurried`` is ``tumorscan`` with a fifth of its patience in a contest for the token."""

import sys
from dataclasses import replace

from bot.cli.main import main
from bot.delivery import polling

if __name__ == "__main__":
    usual = polling.PollingTimeouts()
    hurried = replace(usual, contest_pause=usual.contest_pause / 5, newcomer=usual.newcomer / 5)
    polling.PollingTimeouts = lambda: hurried  # type: ignore[assignment,misc]
    sys.exit(main())
