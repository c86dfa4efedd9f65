"""Repeated failures of one customer's requests: beyond a rate they are refused and flagged.

Only where the book says that high retry rates are limited and reviewed. What counts is a request
that no provider answered; after MOST of them within a minute further ones wait.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.house import House

MOST = 20
WINDOW_SECONDS = 60.0  # not money: seconds
MOST_KEPT = 10_000


class Failures:
    """The failed requests of the last minute by customer, in this process."""

    def __init__(self, house: House) -> None:
        billing = house.book.data.get("billing", {})
        self._limits = billing.get("high_retry_rates_limited_and_reviewed") is True
        self._seen: dict[str, deque[float]] = {}  # not money: seconds

    def __bool__(self) -> bool:
        return bool(self._seen)

    def note(self, call: Call) -> None:
        """A request of the caller's customer failed."""
        if not self._limits or call.caller.customer is None:
            return
        if len(self._seen) >= MOST_KEPT:
            self._seen.clear()
        seen = self._seen.setdefault(call.customer.id, deque(maxlen=MOST))
        seen.append(time.monotonic())
        if len(seen) == MOST and seen[-1] - seen[0] < WINDOW_SECONDS:
            call.house.alarm(f"customer {call.customer.id}: repeated failures, to be reviewed")

    def check(self, call: Call) -> None:
        """Refuse a customer whose requests keep failing, for a while."""
        seen = self._seen.get(call.customer.id)
        if seen is None:
            return
        left = WINDOW_SECONDS - (time.monotonic() - seen[0])
        if len(seen) < MOST or left <= 0:
            if time.monotonic() - seen[-1] > WINDOW_SECONDS:
                del self._seen[call.customer.id]
            return
        seconds = int(left) + 1
        raise Refuse(
            "rate_limited",
            "too many requests failed within a minute",
            seconds=seconds,
            details={"retry_after_seconds": seconds},
        )
