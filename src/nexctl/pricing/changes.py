"""What differs between two versions of a book's prices, and what of it needs a second look."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.pricing.exact import decimal_text, ratio_of

if TYPE_CHECKING:
    from nexctl.pricing.book import Book

# A price that moves by more than this many per cent is taken only with its hash.
MOST_PERCENT = 25
_WHOLE = ("rules", "multipliers", "billing_tiers", "groups")
_HEAD = ("unit", "unit_kind", "scale", "rounding", "credit")
_DATES = ("valid_from", "valid_to", "retrieved")


class Change(NamedTuple):
    """One price, or rule, that differs. Prices are per million tokens, else per unit, as text.

    `model` None is the book's own. `percent` is of the price before, None where that is none.
    `why` says why it needs a second look: zero, large, removed, rule; None where it does not.
    """

    model: str | None
    meter: str
    before: str | None
    after: str | None
    percent: str | None
    why: str | None


def between(before: Book, after: Book, at: str | None = None) -> list[Change]:
    """Every change of prices and of the rules that charges follow, in the new book's order."""
    found = [*_rules(before, after)]
    old, new = _listed(before, at), _listed(after, at)
    for model in (*new, *(name for name in old if name not in new)):
        was, now = old.get(model, {}), new.get(model, {})
        for meter in (*now, *(name for name in was if name not in now)):
            change = _price(model, meter, was.get(meter), now.get(meter))
            if change is not None:
                found.append(change)
    return found


def refused(changes: list[Change]) -> list[Change]:
    """The changes that need the hash to be accepted."""
    return [change for change in changes if change.why is not None]


def accept_hash(before: Book, after: Book) -> str:
    """What stands for this very change: the same whenever it is computed, and for no other."""
    body = {**after.data, "book": {k: v for k, v in after.head.items() if k not in _DATES}}
    for name in ("sha256", "edition"):  # differ with the instant alone
        body.pop(name, None)
    text = json.dumps([before.sha256, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def told(text: str) -> str:
    """A price or rule of a change as people read it: a credit's value is "100 for 1 USD"."""
    try:
        value = json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return text
    words = value.values() if isinstance(value, dict) else value
    if not words or not all(isinstance(word, str) for word in words):
        return text
    if isinstance(value, dict) and set(value) == {"amount", "currency", "per"}:
        return f"{value['per']} for {value['amount']} {value['currency']}"
    if isinstance(value, dict) and set(value) != {"state"}:
        words = map(" ".join, value.items())
    return ", ".join(words)


def _listed(book: Book, at: str | None) -> dict[str, dict[str, str]]:
    """Model -> label of a meter -> price for a million, in the period in force."""
    found: dict[str, dict[str, str]] = {}
    for name, model in book.models.items():
        prices = found.setdefault(name, {})
        for period in _periods(model.periods, at):
            hours = f" {period['hours'][0][0]}-{period['hours'][0][1]}" if "hours" in period else ""
            _rates(prices, period["rates"], hours)
            _rates(prices, period.get("batch") or {}, f" batch{hours}")
            for row in period.get("tiers", ()):
                bound = f" {'from' if row[1] else 'above'} {row[0]}{hours}"
                _rates(prices, row[2], bound)
                _rates(prices, row[3] or {}, f"{bound} batch")
            for variant, rates in (period.get("variants") or {}).items():
                _rates(prices, rates, f" {variant}{hours}")
            if period.get("sum"):
                prices["input+output"] = decimal_text(*ratio_of(period["sum"][0]))
    return found


def _periods(rows: Any, at: str | None) -> list[dict[str, Any]]:
    from nexctl.pricing.book import covers, today

    return [row for row in rows if covers(row, at or today())]


def _rates(prices: dict[str, str], rates: dict[str, Any], label: str) -> None:
    for meter, (_state, price, per, unit, _words) in rates.items():
        if price is not None:
            top, bottom = ratio_of(price)
            times = 1_000_000 if unit == "token" else 1
            prices[meter + label] = decimal_text(top * times, bottom * per)


def _price(model: str, meter: str, was: str | None, now: str | None) -> Change | None:
    if was == now:
        return None
    percent, why = None, None
    if now is None:
        why = "removed"
    elif was is None:
        why = "zero" if _is_zero(now) else None
    else:
        (old, below), (new, under) = ratio_of(was), ratio_of(now)
        moved = new * below - old * under
        if old:
            percent = decimal_text(moved * 100, old * under, 2)
        if not new:
            why = "zero"
        elif not old or abs(moved) * 100 > MOST_PERCENT * old * under:
            why = "large"
    return Change(model, meter, was, now, percent, why)


def _is_zero(text: str) -> bool:
    return not text.strip("0.")


def _rules(before: Book, after: Book) -> list[Change]:
    """Differences of what charges follow besides prices: each needs a second look."""
    found = []
    for name in _HEAD:
        was, now = (_said(book.head.get(name)) for book in (before, after))
        if was != now:
            # The first value of a credit takes nothing away from anybody.
            first = name == "credit" and before.credit_value is None
            found.append(Change(None, name, was, now, None, None if first else "rule"))
    for name in _WHOLE:
        old, new = before.data.get(name) or {}, after.data.get(name) or {}
        for key in dict.fromkeys((*old, *new)):
            was, now = _said(old.get(key)), _said(new.get(key))
            if key not in ("said", "notes") and was != now:
                found.append(Change(None, f"{name}.{key}", was, now, None, "rule"))
    return found


def _said(value: Any) -> str | None:
    """A value without its sources and notes, as text."""
    if value is None:
        return None
    bare = _bare(value)
    if isinstance(bare, dict) and set(bare) == {"value"}:
        bare = bare["value"]
    return bare if isinstance(bare, str) else json.dumps(bare, sort_keys=True)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        plain = ("said", "notes", "other")
        return {key: _bare(one) for key, one in value.items() if key not in plain}
    if isinstance(value, (list, tuple)):
        return [_bare(one) for one in value]
    return value
