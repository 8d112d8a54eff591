"""Who has used how much of the workers: who used less comes first, and who sent what took too long waits a while."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

HALF_LIFE: Final = 30.0
"""Seconds after which half of what somebody has used is forgotten."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 120.0
"""Seconds between a job that ran out of time, or killed its worker, and the next one's start: doubled each time."""
FORGIVEN_AFTER: Final = 1800.0
"""Seconds without such a job until the first pause is the shortest again."""
_FORGOTTEN: Final = 0.01
"""Worker seconds that are as good as none."""


@dataclass(slots=True)
class _Account:
    used: float = 0.0
    """Worker seconds, at ``at``."""
    at: float = 0.0
    failures: int = 0
    """Jobs in a row that ran out of time or killed a worker."""
    paused_until: float = 0.0
    failed_at: float = -math.inf


class WorkerTime:
    """The accounts of those for whom jobs are done, in seconds of workers. For any thread. Keeps only who is busy."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[Hashable, _Account] = {}
        self._lock = threading.Lock()

    def charge(self, client: Hashable | None, seconds: float, *, failed: bool = False) -> None:
        """Note that a worker was busy so long for a client; ``failed``: it ran out of time, or died of it."""
        if client is None:
            return
        with self._lock:
            now = self._clock()
            account = self._accounts.setdefault(client, _Account(at=now))
            account.used, account.at = self._used(account, now) + seconds, now
            if failed:
                account.failures = 1 if now - account.failed_at > FORGIVEN_AFTER else account.failures + 1
                account.failed_at = now
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(account.failures - 1, 16))
                account.paused_until = now + pause
            self._forget(now)

    def used(self, client: Hashable | None) -> float:
        """Worker seconds of late; 0 for nobody in particular."""
        account = self._accounts.get(client) if client is not None else None
        return self._used(account, self._clock()) if account else 0.0

    def pause(self, client: Hashable | None) -> float:
        """Seconds until the next job of a client may start; 0 when it may now."""
        account = self._accounts.get(client) if client is not None else None
        return max(0.0, account.paused_until - self._clock()) if account else 0.0

    def has_failed(self, client: Hashable | None) -> bool:
        """Whether a job of this client has lately run out of time, or killed its worker."""
        account = self._accounts.get(client) if client is not None else None
        return account is not None and self._clock() - account.failed_at < FORGIVEN_AFTER

    @staticmethod
    def _used(account: _Account, now: float) -> float:
        return account.used * math.exp2((account.at - now) / HALF_LIFE)

    def _forget(self, now: float) -> None:
        if len(self._accounts) < 1000:
            return
        for client, account in list(self._accounts.items()):
            if self._used(account, now) < _FORGOTTEN and now - account.failed_at > FORGIVEN_AFTER:
                del self._accounts[client]
