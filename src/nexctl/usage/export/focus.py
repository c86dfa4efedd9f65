"""Rows in FOCUS 1.2, the FinOps Foundation's columns: one row for each meter of a request.

A wallet is prepaid, so usage is billed with the top-up that paid it: `BilledCost` is 0 here and
`EffectiveCost` is the charge. The parts of a request add up to its charge to the last digit. Which
part belongs to which meter follows from the recorded rates; where they do not explain the charge
(a foreign gateway, rates not published), the request is one row. What FOCUS has no column for
stands in `x_` columns.

Costs are in money, as FOCUS wants them: credits whose value their book publishes are converted, and
stand as they are in the `PricingCurrency` columns.

Source: FOCUS 1.2, columns and attributes (focus.finops.org).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec

from nexctl.safety.sheets import csv_cell
from nexctl.usage.export.pages import Batch, json_cell
from nexctl.usage.styles import Style

FOCUS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargeFrequency", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice"),
    *("EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory"),
    *("PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
    *(
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "ResourceId",
    ),
    *("ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter"),
    *("SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags"),
    *("x_RequestId", "x_Sequence", "x_Meter", "x_Status", "x_ModelRequested", "x_Endpoint"),
    *("x_BatchId", "x_PriceBook", "x_RequestCharge", "x_BalanceAfter"),
)
NUMBERS = frozenset(
    name
    for name in FOCUS
    if name.endswith(("Cost", "Quantity", "UnitPrice"))
    or name in ("x_Sequence", "x_RequestCharge", "x_BalanceAfter")
)
_METERS = {
    "input": ("input_tokens", "Tokens"),
    "cached_input": ("cached_input_tokens", "Tokens"),
    "cache_write": ("cache_write_tokens", "Tokens"),
    "output": ("output_tokens", "Tokens"),
    "reasoning": ("reasoning_tokens", "Tokens"),
    "request": ("requests", "Requests"),
    "image": ("images", "Images"),
    "second": ("seconds", "Seconds"),
    "video": ("videos", "Videos"),
    "gpu_second": ("gpu_seconds", "GPU Seconds"),
}
_MONEY = ("ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost", "ListUnitPrice")
_SCALE = 12
_UNIT = 10**_SCALE


class Focus:
    """Makes the bytes of one export."""

    def __init__(self, style: Style) -> None:
        self._style = style

    def header(self) -> bytes:
        """The first line."""
        line = self._style.delimiter.join(FOCUS) + "\r\n"
        return (b"\xef\xbb\xbf" if self._style.bom else b"") + line.encode()

    def lines(self, batch: Batch) -> bytes:
        """The rows of a page."""
        found = [self._line(row) for record in batch.rows for row in rows_of(record)]
        return "".join(found).encode("utf-8", "replace")

    def _line(self, row: dict[str, str]) -> str:
        cells = []
        for name in FOCUS:
            cell = row.get(name, "")
            if name in NUMBERS:
                cells.append(cell.replace(".", self._style.decimal))
            else:
                cells.append(csv_cell(self._style.guarded(cell)))
        return self._style.delimiter.join(cells) + "\r\n"


def rows_of(record: Any) -> list[dict[str, str]]:
    """The FOCUS rows of one record."""
    worth = _worth(record.price_book or "", record.currency or "")
    return [_in_money(row, worth) for row in _charged(record)]


def _in_money(row: dict[str, str], worth: tuple[Fraction, str] | None) -> dict[str, str]:
    """A row in what it was priced in, with its costs in money where that is something else."""
    pricing = {
        f"PricingCurrency{name}": row.get(name, "")
        for name in ("ContractedUnitPrice", "EffectiveCost", "ListUnitPrice")
    }
    found = {**row, **pricing, "PricingCurrency": row["BillingCurrency"]}
    if worth is not None:
        each, found["BillingCurrency"] = worth
        for name in _MONEY:
            if found.get(name):
                found[name] = _plain(Fraction(found[name]) * each)
    return found


@lru_cache(maxsize=256)
def _worth(price_book: str, currency: str) -> tuple[Fraction, str] | None:
    """What one credit of a shipped book is in money; None for money, or where nobody tells."""
    from nexctl.pricing import books

    name = price_book.partition("@")[0]
    if name not in books.shipped():
        return None
    book = books.load(name)
    value = book.credit_value if book.is_credit and book.unit == currency else None
    return None if value is None else (Fraction(Fraction(value[0]), Fraction(value[2])), value[1])


def _charged(record: Any) -> list[dict[str, str]]:
    """The rows of one record, every amount in the currency or credits of its charge."""
    shared = _shared(record)
    charge = record.charge
    parts = _parts(record) if charge is not None else []
    if not parts:
        quantity = record.requests if record.requests is not None else 1
        cost = charge or ""
        whole = {"ConsumedQuantity": str(quantity), "ConsumedUnit": "Requests"}
        return [{**shared, **whole, **_costs(cost), "x_Meter": "request"}]
    return [
        {
            **shared,
            **_costs(cost),
            **_priced(rate, quantity, unit),
            "SkuMeter": meter,
            "SkuId": f"{shared['SkuId']}/{meter}",
            "SkuPriceId": f"{record.price_book or ''}/{shared['SkuId']}/{meter}",
            "x_Meter": meter,
        }
        for meter, rate, quantity, unit, cost in parts
    ]


def _shared(record: Any) -> dict[str, str]:
    start = f"{record.created_at[:19]}Z"
    month, after = _month(record.created_at[:7])
    model = record.model_served or record.model_requested or ""
    text = {
        "BilledCost": "0",
        "BillingAccountId": record.customer_id,
        "BillingAccountName": record.customer_id,
        "BillingCurrency": record.currency,
        "BillingPeriodStart": month,
        "BillingPeriodEnd": after,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{model} at {record.endpoint or record.gateway or ''}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": _second_after(start),
        "InvoiceIssuerName": record.gateway,
        "PricingCategory": "Standard",
        "ProviderName": record.gateway,
        "PublisherName": record.provider or record.gateway,
        "ResourceId": record.key_id,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": model,
        "ServiceSubcategory": "Generative AI",
        "SkuId": model,
        "SubAccountId": record.project or record.key_id,
        "SubAccountName": record.project or record.key_name,
        "Tags": json_cell(bytes(record.labels)),
        "x_RequestId": record.request_id,
        "x_Sequence": None if record.sequence is None else str(record.sequence),
        "x_Status": record.status,
        "x_ModelRequested": record.model_requested,
        "x_Endpoint": record.endpoint,
        "x_BatchId": record.batch_id,
        "x_PriceBook": record.price_book,
        "x_RequestCharge": record.charge,
        "x_BalanceAfter": record.balance_after,
    }
    return {name: value or "" for name, value in text.items()}


def _costs(cost: str) -> dict[str, str]:
    return {"EffectiveCost": cost, "ContractedCost": cost, "ListCost": cost}


def _priced(rate: dict[str, Any], quantity: int, unit: str) -> dict[str, str]:
    price, per = Fraction(str(rate["price"])), int(rate["per"])
    contracted = price * Fraction(str(rate.get("factor") or "1"))
    return {
        "ConsumedQuantity": str(quantity),
        "ConsumedUnit": unit,
        "PricingQuantity": _plain(Fraction(quantity, per)),
        "PricingUnit": unit if per == 1 else f"{per} {unit}",
        "ListUnitPrice": _plain(price),
        "ContractedUnitPrice": _plain(contracted),
        "SkuPriceDetails": msgspec.json.encode(
            {"x_Factor": str(rate.get("factor") or "1"), "x_Per": str(per)}
        ).decode(),
    }


def _parts(record: Any) -> list[tuple[str, dict[str, Any], int, str, str]]:
    """(meter, rate, quantity, unit, cost) of each meter; none where the rates explain nothing."""
    try:
        rates = _rates(bytes(record.rates))
        for inside in (True, False):
            found = _metered(record, rates, inside)
            exact = sum((weight for *_, weight in found), Fraction(0))
            # The charge was rounded once, to the ledger's unit.
            off = abs(exact - Fraction(record.charge))
            if exact and off * 2 <= Fraction(1, 10 ** _places(record.charge)):
                return _shares(found, exact, Decimal(record.charge))
    except (ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError):
        return []
    return []


def _metered(
    record: Any, rates: dict[str, Any], inside: bool
) -> list[tuple[str, dict[str, Any], int, str, Fraction]]:
    found = []
    for meter, rate in rates.items():
        column, unit = _METERS[meter]
        quantity = getattr(record, column) or 0
        if meter == "input" and inside and "cached_input" in rates:
            quantity -= record.cached_input_tokens or 0
        if meter == "output" and inside and "reasoning" in rates:
            quantity -= record.reasoning_tokens or 0
        if quantity > 0:
            price = Fraction(Fraction(str(rate["price"])), int(rate["per"]))
            weight = quantity * price * Fraction(str(rate.get("factor") or "1"))
            found.append((meter, rate, quantity, unit, weight))
    return found


def _shares(
    found: list[tuple[str, dict[str, Any], int, str, Fraction]], exact: Fraction, charge: Decimal
) -> list[tuple[str, dict[str, Any], int, str, str]]:
    """Divide the charge by weight, to 12 places; the heaviest part takes what is left."""
    units = int(charge.scaleb(_SCALE))
    parts = [units * weight // exact for *_, weight in found]
    heaviest = max(range(len(found)), key=lambda i: found[i][4])
    parts[heaviest] += units - sum(parts)
    return [
        (meter, rate, quantity, unit, _plain(Fraction(part, _UNIT)))
        for (meter, rate, quantity, unit, _), part in zip(found, parts, strict=True)
    ]


def _places(text: str) -> int:
    """Decimals of the ledger's unit: nine, or as many as the charge shows."""
    return max(9, len(text.partition(".")[2]))


def _plain(value: Fraction) -> str:
    """A fraction as decimal text without exponent; 18 places hold every rate and quantity."""
    from nexctl.money import round_half_even, text_of

    return text_of(round_half_even(value.numerator * 10**18, value.denominator), 18)


@lru_cache(maxsize=4096)
def _rates(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    return found


@lru_cache(maxsize=64)
def _month(text: str) -> tuple[str, str]:
    year, month = int(text[:4]), int(text[5:7])
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return f"{text}-01T00:00:00Z", f"{after[0]:04d}-{after[1]:02d}-01T00:00:00Z"


@lru_cache(maxsize=4096)
def _second_after(start: str) -> str:
    from datetime import datetime, timedelta

    at = datetime.strptime(start, "%Y-%m-%dT%H:%M:%SZ") + timedelta(seconds=1)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
