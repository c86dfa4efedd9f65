"""The gates of `--max-cost` and `--fail-over`: what is compared, with what, by which rule."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate.lanes import Range
from nexctl.money import parse_units, round_half_even, text_of

# A limit from the command line has at most 12 decimals; every comparison is made at that scale.
LIMIT_SCALE = 12

EXPECTED = "expected"
HIGH = "high"
INPUT_ONLY = "input only"
PERCENT = "percent"
UNLIMITED = "unlimited"


class Gate(NamedTuple):
    """The answer of a gate. `compared` and `limit` are amounts of `unit` as decimal text.

    `rule` names the figure that was compared, `unit` is a currency, a credit unit or "percent".
    """

    passed: bool
    compared: str
    limit: str
    rule: str
    unit: str

    @property
    def words(self) -> str:
        """Say what was compared: `0.52 USD (input only)`."""
        unit = "%" if self.unit == PERCENT else f" {self.unit}"
        if self.compared == UNLIMITED:
            return f"growth from nothing against {self.limit}{unit} ({self.rule})"
        return f"{self.compared}{unit} against {self.limit}{unit} ({self.rule})"

    def as_json(self) -> dict[str, Any]:
        """Return the gate's documented fields."""
        return {
            "passed": self.passed,
            "compared": self.compared,
            "limit": self.limit,
            "rule": self.rule,
            "unit": self.unit,
        }


class Limit(NamedTuple):
    """A limit on growth: money in units of 10**-12, or parts per million of the base."""

    money: int | None
    millionths: int | None
    text: str


def figure(charge: Range, high_is_asked: bool) -> tuple[int | None, str]:
    """Return the figure that a gate compares, and the rule that chose it.

    Expected where it is known; else high where every request states its maximum; else low, which
    is the input alone.
    """
    if charge.expected is not None:
        return charge.expected, EXPECTED
    if high_is_asked and charge.high is not None:
        return charge.high, HIGH
    return charge.low, INPUT_ONLY


def max_cost(compared: int, scale: int, unit: str, rule: str, limit: int) -> Gate:
    """Compare an amount of `scale` decimals with a limit in units of 10**-12."""
    at_limit_scale = compared * 10 ** (LIMIT_SCALE - scale)
    return Gate(
        passed=at_limit_scale <= limit,
        compared=text_of(compared, scale),
        limit=text_of(limit, LIMIT_SCALE),
        rule=rule,
        unit=unit,
    )


def parse_max_cost(text: str) -> int:
    """Read `--max-cost`: a plain amount that is not negative, as units of 10**-12."""
    units = parse_units(text, LIMIT_SCALE, what="--max-cost")
    if units < 0:
        raise UsageError(
            f"--max-cost: {text} is negative",
            hint="give the most that this may cost, such as 0.50",
            code="bad_amount",
        )
    return units


_PERCENT = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,4}))?%", re.ASCII)


def parse_fail_over(text: str) -> Limit:
    """Read `--fail-over`: growth in per cent of the base (`5%`) or in money (`0.02`)."""
    text = text.strip()
    if text.endswith("%"):
        match = _PERCENT.fullmatch(text)
        if match is None:
            raise UsageError(
                f"--fail-over: {text!r} is not a percentage",
                hint="write --fail-over 5% or --fail-over 0.02",
                code="bad_amount",
            )
        return Limit(None, int(match[1] + (match[2] or "").ljust(4, "0")), text)
    units = parse_units(text, LIMIT_SCALE, what="--fail-over")
    if units < 0:
        raise UsageError(
            f"--fail-over: {text} is negative",
            hint="give the growth that is still accepted: 5% or 0.02",
            code="bad_amount",
        )
    return Limit(units, None, text)


def fail_over(before: int, after: int, scale: int, unit: str, limit: Limit, rule: str) -> Gate:
    """Compare the growth from `before` to `after` (units of 10**-scale) with a limit.

    A share is taken of `before`; where that is zero no share exists, so any growth fails and only
    a limit in money can pass it.
    """
    growth = after - before
    if limit.millionths is None:
        passed = growth * 10 ** (LIMIT_SCALE - scale) <= (limit.money or 0)
        return Gate(passed, text_of(growth, scale), limit.text, rule, unit)
    text = limit.text.removesuffix("%")
    share = percent_text(before, after)
    if share is None:
        return Gate(growth <= 0, "0" if growth == 0 else UNLIMITED, text, rule, PERCENT)
    return Gate(growth * 1_000_000 <= limit.millionths * before, share, text, rule, PERCENT)


def percent_text(before: int, after: int) -> str | None:
    """Return the growth in per cent, two decimals at most, half-even; None where before is 0."""
    if before == 0:
        return None
    return text_of(round_half_even((after - before) * 10_000, before), 2)
