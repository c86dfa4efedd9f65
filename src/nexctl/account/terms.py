"""How people write budgets, ages, labels and limits, on the command line and in sheets alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from nexctl.errors import UsageError
from nexctl.money import parse_units, text_of
from nexctl.wire.faults import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexctl.wire.keys import BudgetTerms

_AGE = re.compile(r"([0-9]{1,6})\s*(s|m|min|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LONGEST_SECONDS = 3_650 * 86_400
WINDOWS: dict[str, Literal["month", "lifetime", "5h", "1d", "7d"]] = {
    "month": "month",
    "mo": "month",
    "lifetime": "lifetime",
    "total": "lifetime",
    "5h": "5h",
    "1d": "1d",
    "7d": "7d",
}


def parse_budget(text: str, *, what: str = "--budget") -> BudgetTerms:
    """`20/month`, `500/lifetime`, `5/5h`, or `20` (a month's), in the wallet's currency.

    The windows 5h, 1d and 7d roll.
    """
    from nexctl.wire.keys import BudgetTerms

    amount, _, window = text.strip().partition("/")
    chosen = WINDOWS.get(window.strip().lower() or "month")
    if chosen is None:
        raise UsageError(
            f"{what}: {window.strip()!r} is no window",
            hint="write 20/month or 500/lifetime, or with a rolling window 5/5h, 5/1d, 5/7d",
            code="bad_budget",
        )
    return BudgetTerms(
        amount=parse_positive(amount, what=what),
        window=chosen,
    )


def parse_positive(text: str, *, what: str) -> str:
    """An amount of zero or more as the contract spells it."""
    units = parse_units(text.strip(), 12, what=what)
    if units < 0:
        raise UsageError(f"{what}: an amount cannot be negative", code="bad_amount")
    return text_of(units, 12)


def parse_age(text: str, *, what: str, smallest: int = 1) -> int:
    """Seconds of `90d`, `24h`, `30m`, `2w`, `45s`; a number needs its unit. `0` where allowed."""
    written = text.strip().lower()
    if written == "0" and smallest == 0:
        return 0
    found = _AGE.fullmatch(written)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
    if not smallest <= seconds <= LONGEST_SECONDS:
        raise UsageError(
            f"{what}: {text!r} is not a length of time",
            hint="write 90d, 24h, 30m or 2w, at most 10 years",
            code="bad_age",
        )
    return seconds


def fault(error: Exception) -> tuple[str, str]:
    """(field, what is wrong with it) where a value is not the contract's (msgspec's error).

    The field is "" where none is named; the words are for who does not know the contract's types.
    """
    said, _, place = str(error).partition(" - at `$.")
    field = place.rstrip("`").partition("[")[0].partition(".")[0]
    return field, in_words(said)


def named_fault(error: Exception) -> str:
    """The same as one text: `amount: it is missing`."""
    field, said = fault(error)
    return f"{field.replace('_', ' ')}: {said}" if field else said


def parse_network(text: str, *, what: str = "--ip") -> str:
    """An address or a network as it was written. UsageError (exit 2) where it is none."""
    from nexctl.safety.addresses import network_of

    try:
        network_of(text)
    except ValueError:
        raise UsageError(
            f"{what}: {text!r} is not an address or a network",
            hint="write it like 10.0.0.5 or 10.0.0.0/24",
        ) from None
    return text


def parse_label(text: str, *, what: str = "--label") -> tuple[str, str]:
    """`team=search` as a pair."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name or len(name) > 64 or len(value) > 512:
        raise UsageError(
            f"{what}: {text!r} is not NAME=VALUE",
            hint="write it like team=search",
            code="bad_label",
        )
    return name, value


def parse_labels(texts: Iterable[str], *, what: str = "--label") -> dict[str, str]:
    """Labels by name. UsageError where one has two values."""
    return one_each((parse_label(text, what=what) for text in texts), what=what)


def one_each(pairs: Iterable[tuple[str, str]], *, what: str) -> dict[str, str]:
    """Pairs as a mapping. UsageError where a name has two values: which one is meant?"""
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise UsageError(
                f"{what}: {name!r} is given twice, as {found[name]!r} and {value!r}",
                hint="leave one of them out",
            )
    return found
