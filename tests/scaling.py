"""How time grows with size, measured so that a busy machine cannot fail the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TRIES = 4


def grows_at_most(work: Callable[[T], object], small: T, large: T, *, factor: float) -> bool:
    """Whether `work(large)` takes at most `factor` times the processor time of `work(small)`.

    Processor time, not the clock; below 50 ms nothing is judged; one good try of four is enough,
    for a square of time shows itself in each.
    """
    for _ in range(TRIES):
        started = time.process_time()
        work(small)
        between = time.process_time()
        work(large)
        took = time.process_time() - between
        if took <= factor * max(between - started, 0.05):
            return True
    return False
