"""A forecast of a wallet as a result: figures as text, and the gate that a cron job asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nexctl.errors import CheckFailed, UsageError
from nexctl.money import parse_units, round_half_even, text_of
from nexctl.usage import runway
from nexctl.usage.runway import DAY, NEEDED_DAYS, Burn, Credit, History, Lasts, Limit

SCALE = 12
LEVELS = ("median", "p90")


class Funds(NamedTuple):
    """What a forecast burns: credits in the order of burning, in units of 10**-12 of a currency."""

    currency: str
    balance: int
    held: int
    credits: tuple[Credit, ...]
    limits: tuple[Limit, ...]


class Forecast:
    """How long `funds` last after `past`. `lasts` has "median" and "p90", None without history."""

    def __init__(self, funds: Funds, past: History, now: int) -> None:
        self.funds = funds
        self.past = past
        self.now = now
        self.credits = runway.without_held(funds.credits, funds.held)
        self.available = sum(credit.units for credit in self.credits)
        # What holds whatever is burned: credits that expire do not outlast their day.
        self.idle = runway.lasts(self.credits, now, (0,) * 7)
        self.burn: Burn | None = runway.burn(past) if past.enough else None
        self.lasts: Mapping[str, Lasts | None] = dict.fromkeys(LEVELS)
        self.stops: list[tuple[Limit, int]] = []
        if self.burn is not None:
            self.lasts = {
                level: runway.lasts(self.credits, now, self.rates(place))
                for place, level in enumerate(LEVELS)
            }
            for limit in funds.limits:
                seconds = runway.stops(limit, now, self.rates(0))
                if seconds is not None:
                    self.stops.append((limit, seconds))
            self.stops.sort(key=lambda pair: pair[1])

    def rates(self, level: int) -> tuple[int, ...]:
        """Burn of Monday to Sunday at a level: 0 median, 1 p90."""
        return tuple(pair[level] for pair in self.burn.by_weekday) if self.burn else (0,) * 7

    def gate(self, min_days: int, by: str) -> dict[str, Any]:
        """The gate as JSON: passed is None where there is not enough data to say so."""
        lasting = self.lasts[by]
        passed: bool | None = None
        if self.idle.seconds is not None and self.idle.seconds < min_days * DAY:
            # Without any burn at all it is too short: no history is needed to say so.
            passed = False
        elif lasting is not None:
            passed = lasting.seconds is None or lasting.seconds >= min_days * DAY
        days = lasting.days if lasting is not None else None
        if passed is False and lasting is None:
            days = self.idle.days
        return {"passed": passed, "min_days": min_days, "by": by, "days": days}

    def check(self, min_days: int, by: str) -> None:
        """Raise what the gate has to say: too short (exit 9), or not enough data to tell (2)."""
        gate = self.gate(min_days, by)
        if gate["passed"]:
            return
        if gate["passed"] is None:
            raise UsageError(
                f"--min-days {min_days}: not enough data to tell, {self.data_words()}",
                hint="a gate that cannot look does not pass; give --usage FILE, or wait",
                code="not_enough_data",
                details={"gate": gate},
            )
        raise CheckFailed(
            f"the wallet lasts {gate['days']} days, fewer than {min_days}",
            hint="nexctl wallet topup AMOUNT adds money",
            code="runway_too_short",
            details={"gate": gate},
        )

    def data_words(self) -> str:
        """How much history there is, against what is needed."""
        days = len(self.past.burns)
        return f"{days} whole {'day' if days == 1 else 'days'} of usage, {NEEDED_DAYS} are needed"

    def text(self, units: int) -> str:
        """Units as decimal text, at most 9 decimals."""
        return text_of(round_half_even(units, 1000), SCALE - 3)

    def data(self) -> dict[str, Any]:
        """The documented `data`, without what only the caller knows."""
        past, burn = self.past, self.burn
        days = len(past.burns)
        return {
            "currency": self.funds.currency,
            "balance": self.text(self.funds.balance),
            "held": self.text(self.funds.held),
            "available": self.text(self.available),
            "now": runway.instant_of(self.now),
            "history": {
                "days": days,
                "needed": NEEDED_DAYS,
                "enough": past.enough,
                "from": runway.date_of(past.start * DAY) if days else None,
                "to": runway.date_of((past.start + days - 1) * DAY) if days else None,
            },
            "burn": burn
            and {
                "median": self.text(burn.median),
                "p90": self.text(burn.p90),
                "mean": self.text(burn.mean),
                "rests_on": burn.rests_on,
            },
            "weekdays": [
                {
                    "day": name,
                    "share": text_of(round_half_even(share.numerator * 100, share.denominator), 2),
                    "median": self.text(pair[0]),
                    "p90": self.text(pair[1]),
                }
                for name, share, pair in zip(
                    runway.WEEKDAYS, burn.shares, burn.by_weekday, strict=True
                )
            ]
            if burn
            else [],
            "days_left": {level: one and one.days for level, one in self.lasts.items()},
            "runs_out": {level: self._when(one) for level, one in self.lasts.items()},
            "cause": {level: one and one.cause for level, one in self.lasts.items()},
            "credits": [self._credit(credit) for credit in self.credits],
            "stops": [
                {
                    "limit": limit.name,
                    "days": seconds // DAY,
                    "at": runway.instant_of(self.now + seconds),
                }
                for limit, seconds in self.stops
            ],
            "trend": self._trend(),
        }

    def _when(self, lasting: Lasts | None) -> str | None:
        if lasting is None or lasting.seconds is None:
            return None
        return runway.instant_of(self.now + lasting.seconds)

    def _credit(self, credit: Credit) -> dict[str, Any]:
        unused = {
            level: None if one is None else self.text(one.unused.get(credit.id, 0))
            for level, one in self.lasts.items()
        }
        return {
            "id": credit.id,
            "kind": credit.kind,
            "available": self.text(credit.units),
            "expires_at": None if credit.expires is None else runway.instant_of(credit.expires),
            "expires_unused": unused,
        }

    def _trend(self) -> dict[str, str | None] | None:
        found = runway.trend(self.past)
        if found is None:
            return None
        last, before = found
        percent = None
        if before:
            percent = text_of(round_half_even((last - before) * 100, before), 0)
        return {
            "last_7_days": self.text(last),
            "previous_7_days": self.text(before),
            "percent": percent,
        }


def credit(id: str, kind: str, remaining: str, expires_at: str | None) -> Credit:
    """A credit from a gateway's words. UsageError for an amount or a time that is none."""
    return Credit(id, kind, parse_units(remaining, SCALE), _seconds(expires_at))


def limit(name: str, remaining: str, amount: str, resets_at: str | None) -> Limit:
    """A limit from a gateway's words."""
    return Limit(
        name,
        max(0, parse_units(remaining, SCALE)),
        parse_units(amount, SCALE),
        _seconds(resets_at),
    )


def charges_of(rows: Sequence[Any] | Any, currency: str, odd: list[str]) -> Any:
    """(created_at, units) of usage records; `odd` gets the currencies that are another's.

    What moved the balance counts, else the charge; a record that has neither burned nothing known
    and is told of as "unknown", one that gave money back as "refunds".
    """
    for row in rows:
        if row.created_at is None:
            odd.append("no time")
            continue
        if row.currency is not None and row.currency != currency:
            odd.append(row.currency)
            continue
        if row.balance_delta is not None:
            units = -parse_units(row.balance_delta, SCALE)
        elif row.charge is not None:
            units = parse_units(row.charge, SCALE)
        else:
            odd.append("unknown")
            continue
        if units < 0:
            # Money that comes back once burns nothing, and says nothing of days to come.
            odd.append("refunds")
        else:
            yield row.created_at, units


def _seconds(time: str | None) -> int | None:
    if time is None:
        return None
    try:
        return runway.seconds_of(time)
    except ValueError:
        raise UsageError(
            f"{time[:40]!r} is not a time",
            hint="times are written like 2026-11-20T12:00:00Z",
            code="bad_time",
        ) from None
