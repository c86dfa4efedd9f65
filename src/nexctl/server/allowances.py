"""Budgets that come with a plan of the book: allowances in tokens, money for some models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.money import parse_units
from nexctl.pricing.exact import ratio_of

if TYPE_CHECKING:
    from nexctl.pricing.book import Book


def plan_budgets(book: Book, plan: str | None) -> list[dict[str, Any]]:
    """A plan's budget records as arguments of `budgets.put`, without the customer.

    Money is in the wallet's unit: an amount in the currency that credits are sold for becomes
    credits at the book's rate; one that has no rate raises, for a limit must not be dropped.
    """
    found = book.plans.get(plan) if plan else None
    if found is None:
        return []
    return [_terms(book, row) for row in found.budgets]


def _terms(book: Book, row: dict[str, Any]) -> dict[str, Any]:
    tokens = row["unit"] == "tokens"
    return {
        "name": row["name"],
        "span": row["window"],
        "unit": "tokens" if tokens else "money",
        "meters": list(row["meters"]) if tokens else None,
        "models": list(row["models"]) if row.get("models") else None,
        "amount": int(row["amount"]) if tokens else units(book, str(row["amount"]), row["unit"]),
        "hard": bool(row.get("hard", True)),
        "alert_at": [_percent(str(share)) for share in row.get("alert_at", ())],
    }


def _percent(share: str) -> int:
    top, bottom = ratio_of(share)
    return int(top * 100 // bottom)


def units(book: Book, amount: str, unit: str) -> int:
    """An amount of the book's unit, or of the currency its credits are sold for, in ledger units.

    Rounded down to the ledger's unit: a limit never grows by a conversion.
    """
    if unit == book.unit:
        return parse_units(amount, book.scale)
    value = book.credit_value
    if value is None or value[1] != unit:
        raise ValueError(f"{book.id}: {unit} has no rate to {book.unit}")
    price = parse_units(value[0], 12)
    limit: int = parse_units(amount, 12) * int(value[2]) * 10**book.scale // price
    return limit
