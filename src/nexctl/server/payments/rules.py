"""What money in is governed by: the price book, and the operator's terms where the book is silent.

The terms are kept in the ledger's settings; what they give goes before the book's word.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.money import NANO, parse_units, round_half_even
from nexctl.pricing.exact import ratio_of
from nexctl.server.ledger import settings
from nexctl.server.payments.figures import CENT_UNITS, number

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction

TERMS = "terms"
# What a text that was in force once is kept under, with its SHA-256 behind it.
POLICY = "policy:"
NAMES = ("refund_policy", "terms_of_sale")
CREDITS, FEE = "usage_credits", "subscription_fee"


class Tax(NamedTuple):
    """A tax as it is kept with an order or an invoice: `units` in 10**-9 of the payment's currency.

    `note` says by which rule, or why there is none.
    """

    units: int
    percent: str
    name: str | None
    note: str
    country: str | None
    tax_id: str | None
    profile: int

    def snapshot(self) -> dict[str, Any]:
        """JSON-safe."""
        return {**self._asdict(), "units": str(self.units)}


class Rules:
    """A book with the operator's terms over it."""

    def __init__(self, house: House, terms: dict[str, Any]) -> None:
        self.house, self.book, self.terms = house, house.book, terms

    @property
    def topup(self) -> dict[str, Any]:
        """The book's top-up table, its limits as the operator has set them."""
        table = dict(self.book.data.get("topup", {}))
        for name in ("minimum", "maximum"):
            if self.terms.get(name) is not None:
                table[name] = self.terms[name]
        return table

    def levels(self) -> list[list[Any]]:
        """Loyalty levels of which everything is known: [id, units, percent]."""
        rows = {
            row["id"]: (row["at_least"], row["bonus_percent"])
            for row in self.book.data.get("loyalty", {}).get("levels", ())
        }
        for row in self.terms.get("loyalty") or ():
            rows[row["id"]] = (row["at_least"], row["bonus_percent"])
        return [
            [name, parse_units(least, self.book.scale), percent]
            for name, (least, percent) in rows.items()
            if number(least) is not None and percent[0].isdigit()
        ]

    def unset(self) -> list[str]:
        """What the book leaves open and the operator has not set."""
        found = []
        known = {row[0] for row in self.levels()}
        for row in self.book.data.get("loyalty", {}).get("levels", ()):
            if row["id"] not in known:
                found.append(f"loyalty level {row['id']}: from which lifetime top-up on")
        if self.book.is_credit:  # plans are not sold for credits
            if self.book.credit_value is None:
                found.append("what a credit costs")
            return found
        return found + [
            f"plan {name}: its fee" for name in self.book.plans if self.fee(name) is None
        ]

    def fee(self, plan: str) -> int | None:
        """A plan's monthly fee in 10**-9, None where nobody has said it."""
        own = (self.terms.get("plan_fees") or {}).get(plan)
        found = self.book.plans.get(plan)
        return number(own if own is not None else found.data.get("fee") if found else None)

    def payment_fee(self, method: str) -> tuple[str, str] | None:
        """(percent, fixed part) of paying by a method; None where the operator takes nothing."""
        for row in self.terms.get("payment_fees") or ():
            if row["method"] == method:
                return str(row.get("percent", "0")), str(row.get("fixed", "0"))
        return None

    def fee_of(self, method: str, units: int) -> int:
        """The fee of paying `units` (10**-9) by a method, rounded to cents half-even."""
        found = self.payment_fee(method)
        if found is None:
            return 0
        top, bottom = ratio_of(found[0])
        percent = round_half_even(units * top, bottom * 100 * CENT_UNITS) * CENT_UNITS
        return percent + parse_units(found[1], NANO)

    def tax(self, on: str, units: int, profile: dict[str, Any] | None, version: int) -> Tax:
        """The tax on `units` for a customer by its billing profile, rounded to cents.

        The first rule that fits counts, the operator's before the book's.
        """
        country = (profile or {}).get("country")
        kind = (profile or {}).get("kind")
        tax_id = (profile or {}).get("tax_id")
        book = [row for row in self.book.data.get("tax", {}).get("rates", ()) if row["on"] == on]
        own = [row for row in self.terms.get("tax") or () if row["on"] == on]
        for row in (*own, *book):
            percent = str(row["percent"])
            if not percent[0].isdigit():
                continue
            if row.get("country") not in (None, country) or row.get("kind") not in (None, kind):
                continue
            top, bottom = ratio_of(percent)
            cents = round_half_even(units * top, bottom * 100 * CENT_UNITS)
            name = row.get("name", "tax")
            note = row.get("wording") or f"{name} {percent} %"
            return Tax(cents * CENT_UNITS, percent, name, note, country, tax_id, version)
        known = any(row.get("country") for row in (*own, *book))
        note = "no tax: no rule for this customer's country"
        if known and country is None:
            note = "no tax: the customer has no billing profile"
        elif not known:
            note = "no tax: none is stated"
        return Tax(0, "0", None, note, country, tax_id, version)

    def seller(self) -> dict[str, Any]:
        """Who sells: the operator's word, else the book's."""
        own = self.terms.get("seller")
        if own is not None:
            return {name: value for name, value in own.items() if value is not None}
        table = self.book.data.get("tax", {})
        found = {"name": table.get("seller") or self.book.title, "id": table.get("seller_id")}
        status = table.get("seller_tax_status")
        return {**found, "tax_status": status} if status else found

    @property
    def series(self) -> str:
        """The series of invoice numbers."""
        return str(self.terms.get("invoice_series") or "INV")

    def policies(self) -> dict[str, dict[str, str]]:
        """Version and SHA-256 of the texts shown before a purchase."""
        return {
            name: {"version": row["version"], "sha256": row["sha256"]} for name, row in self.texts()
        }

    def texts(self) -> list[tuple[str, dict[str, str]]]:
        """(name, {version, sha256, text}) of the texts in force."""
        found = []
        for name in NAMES:
            row = self.terms.get(name)
            if row:
                digest = hashlib.sha256(row["text"].encode()).hexdigest()
                found.append((name, {"version": row["version"], "sha256": digest, **row}))
        return found


def rules_of(tx: Transaction, house: House) -> Rules:
    """The rules in force now."""
    return Rules(house, settings.get(tx, TERMS) or {})


def with_promo(book: Book) -> str:
    """Whether a promotional code replaces the loyalty bonus or adds to it."""
    return str(book.rule("loyalty_with_promo", "replaced"))
