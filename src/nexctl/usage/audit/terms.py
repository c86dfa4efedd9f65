"""The words of an audit: readings, roundings, findings, and the unit in which they count.

Every amount of an audit is an integer of 10**-12 of its currency or credit unit (pico), so that
what a row bills and what a book says are compared exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.money import text_of
from nexctl.records import METERS

PICO = 12
ONE = 10**PICO

RULES = (
    "rate",
    "multiplier",
    "cached_counted_twice",
    "reasoning_counted_twice",
    "duplicate",
    "failed_charged",
    "usage_missing",
    "model_substituted",
    "tier",
    "balance",
    "sequence_gap",
    "drift",
    "rounding",
    "reading",
    "unpriced",
    "over_limit",
)
MODES = ("half_even", "half_up", "up", "down")


TOKEN_METERS = frozenset(METERS[: METERS.index("request")])


class Reading(NamedTuple):
    """How a gateway reads its own counts and prices.

    cached_inside     cached and cache-write tokens lie inside input (else beside it)
    reasoning_inside  reasoning tokens lie inside output
    markup_added      the stated markup comes on top of the listed price
    """

    cached_inside: bool
    reasoning_inside: bool
    markup_added: bool = False

    def other(self, field: str) -> Reading:
        """The reading that answers one question the other way."""
        return self._replace(**{field: not getattr(self, field)})


class Rounding(NamedTuple):
    """One rounding: to multiples of `step` pico, by `mode`, per request or per component."""

    step: int
    mode: str
    component: bool = False

    @property
    def places(self) -> int | None:
        """Decimal places, None where the step is no power of ten."""
        digits = str(self.step)
        return PICO - len(digits) + 1 if digits.strip("0") == "1" else None

    def data(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "places": self.places,
            "step": text_of(self.step, PICO),
            "mode": self.mode,
            "per": "component" if self.component else "request",
        }

    def words(self) -> str:
        """For a report."""
        how = {
            "half_even": "half to even",
            "half_up": "half up",
            "up": "always up",
            "down": "always down",
        }[self.mode]
        per = "each component" if self.component else "once a request"
        places = self.places
        what = f"{places} decimals" if places is not None else f"steps of {text_of(self.step, 12)}"
        return f"to {what}, {how}, {per}"


class Finding(NamedTuple):
    """One thing that does not agree. Amounts are pico, None where unknown.

    row       number of the row in the file, from 1; 0 for what is about the file as a whole
    severity  error (costs the customer), warning (does not, or cannot be told), note
    causes    (meter, rate as `rate_per` says) of each rate that would explain it alone
    """

    rule: str
    severity: str
    row: int
    request_id: str | None
    billed: int | None
    expected: int | None
    explanation: str
    currency: str | None = None
    model: str | None = None
    created_at: str | None = None
    customer_id: str | None = None
    causes: tuple[tuple[str, str], ...] = ()

    @property
    def difference(self) -> int | None:
        """Billed less expected; None where one is unknown."""
        if self.billed is None or self.expected is None:
            return None
        return self.billed - self.expected

    def data(self) -> dict[str, Any]:
        """JSON-safe form; money as decimal text."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "request_id": self.request_id,
            "billed": amount(self.billed),
            "expected": amount(self.expected),
            "difference": amount(self.difference),
            "explanation": self.explanation,
            "row": self.row or None,
            "currency": self.currency,
            "model": self.model,
            "created_at": self.created_at,
            "customer_id": self.customer_id,
        }


def rate_per(meter: str) -> int:
    """How many of a meter the words name a rate for: a million tokens, one of anything else."""
    return 10**6 if meter in TOKEN_METERS else 1


def amount(units: int | None) -> str | None:
    """Pico units as plain decimal text, None for unknown."""
    return None if units is None else text_of(units, PICO)
