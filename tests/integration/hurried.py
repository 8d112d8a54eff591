"""``python -m tests.integration.hurried`` is ``tumorscan`` with a fifth of its patience in a contest for the token."""

import sys
from dataclasses import dataclass

from bot.delivery import polling

_USUAL = polling.PollingTimeouts()


@dataclass(frozen=True, slots=True)
class Hurried(polling.PollingTimeouts):
    """How long to wait for what, in seconds."""

    contest_pause: float = _USUAL.contest_pause / 5
    newcomer: float = _USUAL.newcomer / 5


if __name__ == "__main__":
    polling.PollingTimeouts = Hurried  # type: ignore[misc]
    from bot.cli.main import main  # others take the name from there only now

    sys.exit(main())
