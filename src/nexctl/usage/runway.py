"""How long a wallet lasts: burn a day by weekday, and credits that run out or expire.

The history is whole days in UTC, a day without usage counts as a burn of nothing, today is left
out for it is not over. Each weekday has its share of an average day; what is left of a day's burn
when its weekday's share is taken out is its level. The forecast burns the median level (or the
90th percentile) times each coming weekday's share, out of the credits in the order in which the
gateway burns them; a credit that expires first is gone with what is left of it.

All amounts are integers of one scale, all times whole seconds since 1970 in UTC.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from nexctl.errors import UsageError
from nexctl.money import round_half_even

DAY = 86_400
WINDOW_DAYS = 28
# Two of each weekday: below that a weekend cannot be told from a pause.
NEEDED_DAYS = 14
HORIZON_DAYS = 3_650
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class Credit(NamedTuple):
    """Credits of one origin, in the order of burning; `expires` None = never."""

    id: str
    kind: str
    units: int
    expires: int | None


class Limit(NamedTuple):
    """A hard limit on money that stops requests: what is left of it, and when it starts anew."""

    name: str
    remaining: int
    amount: int
    resets: int | None


class History(NamedTuple):
    """Burns of whole days in a row, the first on day number `start` (days since 1970)."""

    start: int
    burns: tuple[int, ...]

    @property
    def enough(self) -> bool:
        """Whether a forecast may rest on it."""
        return len(self.burns) >= NEEDED_DAYS


class Burn(NamedTuple):
    """What a day takes: figures of whole days, and of each weekday what the forecast burns.

    `by_weekday` are (median forecast, p90 forecast) of Monday to Sunday. `rests_on` is median, or
    mean where more than half of the days burn nothing and a median would say it lasts for ever.
    """

    median: int
    p90: int
    mean: int
    shares: tuple[Fraction, ...]
    by_weekday: tuple[tuple[int, int], ...]
    rests_on: str


class Lasts(NamedTuple):
    """When credits run out: after `seconds` (None: not within ten years), by use or by expiry.

    `unused` is what is left of each credit when it expires, by id.
    """

    seconds: int | None
    cause: str | None
    unused: Mapping[str, int]

    @property
    def days(self) -> int | None:
        """Whole days left."""
        return None if self.seconds is None else self.seconds // DAY


def day_number(created_at: str) -> int:
    """Days since 1970 of an RFC 3339 time, in UTC. UsageError where it is none."""
    try:
        if len(created_at) > 10 and created_at[-1] != "Z":
            return seconds_of(created_at) // DAY
        return _day(created_at)
    except ValueError:
        raise UsageError(
            f"{created_at[:40]!r} is not a time",
            hint="created_at is written like 2026-11-20T12:00:00Z",
            code="bad_time",
        ) from None


def _day(created_at: str) -> int:
    return datetime.date.fromisoformat(created_at[:10]).toordinal() - _EPOCH


def seconds_of(time: str) -> int:
    """Whole seconds since 1970 of an RFC 3339 time. ValueError where it is none."""
    moment = datetime.datetime.fromisoformat(time)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since.days * DAY + since.seconds


def date_of(seconds: int) -> str:
    """The day of an instant as 2026-12-31."""
    return datetime.date.fromordinal(seconds // DAY + _EPOCH).isoformat()


def instant_of(seconds: int) -> str:
    """An instant as 2026-12-31T23:59:59Z."""
    clock = seconds % DAY
    return f"{date_of(seconds)}T{clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}Z"


def history(charges: Iterable[tuple[str, int]], now: int, *, window: int = WINDOW_DAYS) -> History:
    """Burns of the last `window` whole days before `now`, from (created_at, units) in any order.

    It begins after the day of the first charge, which may not be whole, unless there is one from
    before the window.
    """
    today = now // DAY
    start = today - window
    found: dict[int, int] = {}
    first: int | None = None
    for created_at, units in charges:
        day = day_number(created_at)
        if first is None or day < first:
            first = day
        if start <= day < today:
            found[day] = found.get(day, 0) + units
    if first is None:
        return History(today, ())
    start = max(start, first + 1) if first >= start else start
    return History(start, tuple(found.get(day, 0) for day in range(start, today)))


def burn(past: History) -> Burn:
    """What a day takes, from a history with at least one day."""
    burns = past.burns
    whole, days = sum(burns), len(burns)
    sums, counts = [0] * 7, [0] * 7
    for place, units in enumerate(burns):
        weekday = _weekday(past.start + place)
        sums[weekday] += units
        counts[weekday] += 1
    shares = tuple(
        Fraction(sums[i] * days, counts[i] * whole) if counts[i] and whole else Fraction(1)
        for i in range(7)
    )
    levels = []
    for place, units in enumerate(burns):
        share = shares[_weekday(past.start + place)]
        if share:
            levels.append(Fraction(units * share.denominator, share.numerator))
    mean = Fraction(whole, days)
    middle, high = _median(levels), _rank(levels, 9, 10)
    rests_on = "median"
    if middle == 0 and whole:
        middle, rests_on = mean, "mean"
    high = max(high, middle)
    return Burn(
        _nearest(_median([Fraction(units) for units in burns])),
        int(_rank([Fraction(units) for units in burns], 9, 10)),
        _nearest(mean),
        shares,
        tuple((_nearest(middle * share), _nearest(high * share)) for share in shares),
        rests_on,
    )


def lasts(credits: Sequence[Credit], now: int, by_weekday: Sequence[int]) -> Lasts:
    """When `credits` are used up at a burn of `by_weekday` a day, spread evenly over it."""
    # In units times seconds of a day, so that every step is a whole number.
    left = [_Left(credit) for credit in credits if credit.units > 0]
    unused: dict[str, int] = {}
    time, end = now, now + HORIZON_DAYS * DAY
    cause: str | None = "empty" if not left else None
    while left and time < end:
        cause = _expire(left, time, unused) or cause
        if not left:
            break
        until = min((time // DAY + 1) * DAY, end)
        for one in left:
            if one.credit.expires is not None:
                until = min(until, one.credit.expires)
        rate = by_weekday[_weekday(time // DAY)]
        spent = _spend(left, rate, until - time)
        if not left:
            return Lasts(time + spent - now, "use", unused)
        time = until
    if left:
        return Lasts(None, None, unused)
    return Lasts(time - now, cause, unused)


def stops(limit: Limit, now: int, by_weekday: Sequence[int]) -> int | None:
    """Seconds until a limit stops requests first, at that burn; None: it does not, in a year."""
    time, end = now, now + 366 * DAY
    left, resets = limit.remaining * DAY, limit.resets
    while time < end:
        if resets is not None and time >= resets:
            left, resets = limit.amount * DAY, _next_month(resets)
        until = min((time // DAY + 1) * DAY, end, resets or end)
        rate = by_weekday[_weekday(time // DAY)]
        if rate and left <= rate * (until - time):
            return time + left // rate - now
        left -= rate * (until - time)
        time = until
    return None


def trend(past: History) -> tuple[int, int] | None:
    """(burn of the last seven days, of the seven before); None below that history."""
    if len(past.burns) < 14:
        return None
    return sum(past.burns[-7:]), sum(past.burns[-14:-7])


def without_held(credits: Sequence[Credit], held: int) -> list[Credit]:
    """Credits less what is held for requests under way, taken as they would burn."""
    found = []
    for credit in credits:
        taken = min(credit.units, max(0, held))
        held -= taken
        found.append(credit._replace(units=credit.units - taken))
    return found


class _Left:
    """What is left of a credit, in units times seconds of a day."""

    __slots__ = ("credit", "units")

    def __init__(self, credit: Credit) -> None:
        self.credit = credit
        self.units = credit.units * DAY


def _expire(left: list[_Left], time: int, unused: dict[str, int]) -> str | None:
    """Take away what has expired; says "expiry" where that was the last of it."""
    for one in list(left):
        if one.credit.expires is not None and one.credit.expires <= time:
            unused[one.credit.id] = round_half_even(one.units, DAY)
            left.remove(one)
    return None if left else "expiry"


def _spend(left: list[_Left], rate: int, seconds: int) -> int:
    """Burn `rate` for so long; returns the seconds that the credits lasted."""
    wanted = rate * seconds
    spent = 0
    while left and spent < wanted:
        taken = min(left[0].units, wanted - spent)
        spent += taken
        left[0].units -= taken
        if not left[0].units:
            left.pop(0)
    return spent // rate if rate else seconds


def _weekday(day: int) -> int:
    """Monday is 0; the first day of 1970 was a Thursday."""
    return (day + 3) % 7


def _next_month(seconds: int) -> int:
    """The same instant a month later (windows begin on the 1st)."""
    day = datetime.date.fromordinal(seconds // DAY + _EPOCH)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    later = day.replace(year=year, month=month, day=min(day.day, 28))
    return (later.toordinal() - _EPOCH) * DAY + seconds % DAY


def _median(values: Sequence[Fraction]) -> Fraction:
    ordered = sorted(values)
    if not ordered:
        return Fraction(0)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) * Fraction(1, 2)


def _rank(values: Sequence[Fraction], top: int, bottom: int) -> Fraction:
    """The nearest-rank percentile: the least value that this share of all does not exceed."""
    ordered = sorted(values)
    if not ordered:
        return Fraction(0)
    return ordered[-(-len(ordered) * top // bottom) - 1]


def _nearest(value: Fraction) -> int:
    return round_half_even(value.numerator, value.denominator)
