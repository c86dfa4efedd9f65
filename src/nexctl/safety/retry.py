"""When a call is made again, and after how long."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

RETRIED_STATUS = frozenset((408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529))
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 8.0
# A gateway that asks for more than this is not waited for; the caller is told the time instead.
RETRY_AFTER_CAP = 60.0
# More seconds than anybody waits; any number of digits fits below it.
FOR_EVER = 1e11

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]{1,9})?", re.ASCII)


def retried_status(status: int) -> bool:
    """Whether a status alone says that the same call may succeed later. 402, 403, 409: never."""
    return status in RETRIED_STATUS


def back_off(attempt: int) -> float:
    """Seconds before try `attempt` + 1 (the first is 1): doubled each time, between half and all.

    Jitter keeps clients that failed together from coming back together.
    """
    whole: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempt - 1, 10))
    return whole * (0.5 + int.from_bytes(os.urandom(2), "big") / 131_072)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that an answer asks to wait; None where it says nothing that can be used.

    `retry-after-ms`, then `Retry-After` as seconds (whole or decimal) or as a date. A date is
    taken against the answer's own `Date`, so that a wrong clock here does no harm; `now` is the
    wall clock for answers without one. Never negative.
    """
    millis = headers.get("retry-after-ms", "").strip()
    if _SECONDS.fullmatch(millis):
        return min(float(millis) / 1000, FOR_EVER)
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), FOR_EVER)
    if not value or value[:1].isdigit() or value[:1] in "+-.":
        return None
    until = _date(value)
    if until is None:
        return None
    here = _date(headers.get("date", ""))
    if here is None:
        import time

        here = time.time() if now is None else now
    return max(0.0, until - here)


def _date(text: str) -> float | None:
    """An HTTP date as seconds since 1970."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
