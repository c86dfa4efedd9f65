"""A book as a gateway serves it: its prices and rules in the form of a price book's source.

The gateway writes the form, the customer's side reads it through the very checks that a price book
in TOML goes through: nothing that is served is believed unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.pricing.exact import decimal_text, ratio_of

if TYPE_CHECKING:
    from nexctl.pricing.book import Book

_LEFT_OUT = ("said", "notes", "rates_said")
_SECTIONS = (
    *("addresses", "conflicts", "models", "sha256", "operator", "surface", "refusals"),
    "edition",
)
_DAYS = ("valid_from", "valid_to", "retrieved", "batch_from")


class BadPrices(NexctlError):
    """What a gateway served as its prices is none."""

    code = "bad_prices"


def sheet(book: Book) -> dict[str, Any]:
    """JSON-safe: everything that charges follow, without the sources beside the values."""
    kept = {name: _bare(part) for name, part in book.data.items() if name not in _SECTIONS}
    kept["book"]["said"] = "data"
    kept["models"] = [_model(row) for row in book.data["models"]]
    return kept


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _bare(one)
            for key, one in value.items()
            if key not in _LEFT_OUT and one is not None
        }
    if isinstance(value, (list, tuple)):
        return [_bare(one) for one in value]
    return value


def _model(row: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _bare({key: value for key, value in row.items() if key != "periods"})
    if "relative" in kept:
        return kept  # what is charged follows from it
    kept["periods"] = [_period(period) for period in row["periods"]]
    return kept


def _period(row: dict[str, Any]) -> dict[str, Any]:
    names = {"from": "valid_from", "to": "valid_to"}
    kept: dict[str, Any] = {
        names.get(key, key): _bare(value)
        for key, value in row.items()
        if key not in ("rates", "batch", "tiers", "variants", "sum", "grouped") and value
    }
    kept["rates"] = _rates(row["rates"])
    if row.get("batch"):
        kept["batch"] = _rates(row["batch"])
    if row.get("variants"):
        kept["variants"] = {name: _rates(rates) for name, rates in row["variants"].items()}
    tiers = []
    for bound, inclusive, rates, batch, variants in row.get("tiers", ()):
        tier: dict[str, Any] = {"from" if inclusive else "above": bound, "rates": _rates(rates)}
        if batch:
            tier["batch"] = _rates(batch)
        if variants:
            tier["variants"] = {name: _rates(one) for name, one in variants.items()}
        tiers.append(tier)
    if tiers:
        kept["context_tiers"] = tiers
    return kept


def _rates(rates: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for meter, (state, price, per, unit, _words) in rates.items():
        if price is None:
            kept[meter] = state
        else:
            text = decimal_text(*ratio_of(price)) if "/" in price else price
            kept[meter] = {"price": text, "per": per, "unit": unit}
    return kept


def read(served: Any, sha256: str | None) -> Book:
    """The book of a served sheet, checked as a price book's source is. BadPrices where it is none.

    `sha256` is what the gateway calls the version.
    """
    import datetime
    import re

    import tomli_w

    from nexctl.pricing.book import Book
    from nexctl.pricing.books import list_prices
    from nexctl.pricing.source import compile_text

    def day(text: str) -> datetime.date:
        if len(text) == len("2026-11-20"):
            return datetime.date.fromisoformat(text)
        return datetime.datetime.fromisoformat(text)

    def dated(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: day(one) if key in _DAYS and isinstance(one, str) else dated(one)
                for key, one in value.items()
                if one is not None
            }
        return [dated(one) for one in value] if isinstance(value, list) else value

    try:
        if not isinstance(served, dict):
            raise TypeError("no table")
        text = tomli_w.dumps(dated(served))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadPrices(
            f"the gateway's prices cannot be read: {str(error)[:100]}",
            hint="tell the gateway's operator; nothing was changed",
        ) from None
    literal, faults = compile_text(text, list_prices)
    if literal is None:
        raise BadPrices(
            f"the gateway's prices are not valid: {faults[0][1]}",
            hint="tell the gateway's operator; nothing was changed",
            details={"faults": [message for _line, message in faults[:20]]},
        )
    if sha256 is not None and re.fullmatch("[0-9a-f]{64}", sha256):
        literal["sha256"] = sha256
    return Book(literal)
