"""The ledger's clock: microseconds since 1970 UTC, never backwards, and wary of jumps.

A jump is the wall clock moving against the monotonic clock inside one process. Above 24 hours the
clock goes on by the monotonic one and says so, until `rebase` (`gateway resume`) takes the wall
clock's word.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
JUMP = DAY
NEVER = 2**63 - 1

# Suspended time counts: a laptop that slept is no jump.
_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def _steady() -> int:
    return time.monotonic_ns() if _BOOT is None else time.clock_gettime_ns(_BOOT)


class Clock:
    """`now()` in microseconds. `wall` and `steady` give nanoseconds."""

    __slots__ = ("_base", "_floor", "_steady", "_wall", "jumped", "resumed_seen")

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = _steady
    ) -> None:
        self._wall, self._steady = wall, steady
        self._base = wall() - steady()
        self._floor = 0
        self.jumped = False
        self.resumed_seen: int | None = None  # the gateway's resumes that this clock has followed

    def now(self) -> int:
        """The time, never below what was answered before."""
        steady, wall = self._steady() + self._base, self._wall()
        apart = (wall - steady) // 1000
        if apart > JUMP or apart < -JUMP:
            self.jumped = True
            wall = steady
        now = wall // 1000
        if now < self._floor:
            return self._floor
        self._floor = now
        return now

    def steady(self) -> int:
        """Microseconds that only ever pass, by nobody's calendar."""
        return self._steady() // 1000

    def rebase(self) -> None:
        """Take the wall clock's word from now on."""
        self._base = self._wall() - self._steady()
        self.jumped = False


def month_of(at: int) -> tuple[int, int]:
    """The UTC calendar month that `at` lies in: [first instant, first instant of the next)."""
    global _month
    if not _month[0] <= at < _month[1]:
        first = _first_of_month(at)
        _month = (first, _first_of_month(first + 32 * DAY))
    return _month


def _first_of_month(at: int) -> int:
    day = time.gmtime(at // SECOND).tm_mday
    return at // DAY * DAY - (day - 1) * DAY


_month = (0, 0)
