"""A rough brake before anything is parsed: how often one key tried in this process.

The limit that counts is the ledger's, shared by all processes. This one only keeps a caller who
is over it from making the gateway parse and count large bodies for nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0  # not money: seconds
MOST_SCOPES = 10_000


class Attempts:
    """Starts of each scope in the last minute."""

    __slots__ = ("_clock", "_seen")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:  # not money: seconds
        self._clock = clock
        self._seen: dict[str, deque[float]] = {}  # not money: seconds

    def wait(self, scope: str, most: int) -> int:
        """Count one attempt; 0, or the seconds until one more may be made."""
        now = self._clock()
        seen = self._seen.get(scope)
        if seen is None:
            if len(self._seen) >= MOST_SCOPES:
                self._seen.clear()
            seen = self._seen[scope] = deque()
        while seen and seen[0] <= now - WINDOW:
            seen.popleft()
        if len(seen) >= most:
            return int(seen[0] + WINDOW - now) + 1
        seen.append(now)
        return 0
