"""Calendar months of a declared zone: what a moment belongs to, and when that ends."""

from __future__ import annotations

import time
from functools import lru_cache

from nexctl.errors import ConfigError
from nexctl.server.ledger.clock import DAY, SECOND, month_of


def month_in(zone: str, at: int) -> tuple[str, int, int]:
    """(YYYY-MM, first instant, first instant of the next) of the month of `zone` with `at` in it.

    Instants are microseconds since 1970 UTC. ConfigError for a zone that is not known here.
    """
    if zone == "UTC":
        start, end = month_of(at)
        return _name(start // SECOND), start, end
    return _zoned(zone, at // DAY, at)


@lru_cache(maxsize=256)
def _zoned(zone: str, _day: int, at: int) -> tuple[str, int, int]:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"the time zone {zone!r} is not known on this machine",
            hint="name one of the IANA zones, such as Asia/Singapore, or UTC",
        ) from None
    here = datetime.fromtimestamp(at // SECOND, UTC).astimezone(place)
    first = datetime(here.year, here.month, 1, tzinfo=place)
    after = datetime(here.year + here.month // 12, here.month % 12 + 1, 1, tzinfo=place)
    start, end = (int(moment.astimezone(UTC).timestamp()) * SECOND for moment in (first, after))
    return f"{here.year:04d}-{here.month:02d}", start, end


def start_of(zone: str, month: str) -> int:
    """The first instant of a month that is given as YYYY-MM."""
    import calendar

    year, number = int(month[:4]), int(month[5:7])
    middle = calendar.timegm((year, number, 15, 12, 0, 0)) * SECOND
    return month_in(zone, middle)[1]


@lru_cache(maxsize=64)
def _name(seconds: int) -> str:
    return time.strftime("%Y-%m", time.gmtime(seconds))
