"""When a provider is left alone for a while: one circuit for each provider and model.

    closed     everything goes there
    open       nothing goes there as long as another place can answer
    half open  its rest is over: one request goes there as a probe; its outcome closes or opens it

It opens after three faults in a row, or when half of at least ten requests of the last minute
failed. Each opening without a success in between doubles the rest. State is one process's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
IN_A_ROW = 3
LEAST = 10
SHARE = 2  # one of so many
SLICE_SECONDS = 10
SLICES = 6
REST_SECONDS = 5.0  # not money: seconds
LONGEST_REST = 60.0  # not money: seconds


class Breaker:
    """One circuit. `clock` gives seconds that only grow."""

    __slots__ = ("_clock", "_probing", "_rest", "_row", "_slices", "_until")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:  # not money: seconds
        self._clock = clock
        self._slices: dict[int, list[int]] = {}
        self._row = 0
        self._rest = REST_SECONDS
        self._until: float | None = None  # not money: seconds
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if self._until is None:
            return CLOSED
        return OPEN if self._clock() < self._until else HALF_OPEN

    @property
    def counts(self) -> tuple[int, int]:
        """(requests, faults) of the last minute."""
        self._forget()
        rows = self._slices.values()
        return sum(row[0] for row in rows), sum(row[1] for row in rows)

    @property
    def is_closed(self) -> bool:
        """Whether it never has to be asked twice."""
        return self._until is None

    def offers(self) -> bool:
        """Whether a request may go there before others: closed, or a probe that nobody runs."""
        return self._until is None or (not self._probing and self._clock() >= self._until)

    def begin(self) -> None:
        """A request goes there now; the first one of a half-open circuit is its probe."""
        if self._until is not None and self._clock() >= self._until:
            self._probing = True

    def end(self) -> None:
        """A request ended without telling anything about the place."""
        self._probing = False

    def succeeded(self) -> None:
        """It answered."""
        self._count(0)
        self._row = 0
        if self._until is not None:
            self._until, self._rest, self._probing = None, REST_SECONDS, False
            self._slices.clear()

    def failed(self) -> None:
        """It failed in a way that speaks against the place."""
        self._count(1)
        self._row += 1
        requests, faults = self.counts
        if self._until is not None:
            if self._clock() >= self._until:
                self._rest = min(LONGEST_REST, self._rest * 2)
                self._until = self._clock() + self._rest
            self._probing = False
        elif self._row >= IN_A_ROW or (requests >= LEAST and faults * SHARE >= requests):
            self._until = self._clock() + self._rest

    def _count(self, fault: int) -> None:
        row = self._slices.setdefault(int(self._clock()) // SLICE_SECONDS, [0, 0])
        row[0] += 1
        row[1] += fault
        if len(self._slices) > SLICES:
            self._forget()

    def _forget(self) -> None:
        oldest = int(self._clock()) // SLICE_SECONDS - SLICES
        for name in [name for name in self._slices if name <= oldest]:
            del self._slices[name]
