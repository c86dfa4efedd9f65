"""What an order costs and brings: packs, limits, credits at the book's rate, tax, fee, bonus.

Amounts of payment are in 10**-9 of the payment's currency, with at most two decimals; credits are
in the wallet's unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import NexctlError
from nexctl.money import NANO, parse_units, round_half_even, text_of
from nexctl.pricing.exact import ratio_of
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.pricing.book import Book

CENT = 2
CENT_UNITS = 10_000_000  # 10**-9 in a hundredth


class Figures(NamedTuple):
    """An order's figures: total = subtotal + tax + fee; the wallet gets credits + bonus."""

    currency: str
    amount: int
    credits: int
    rate: str
    subtotal: int
    tax: int
    fee: int
    bonus: int
    total: int
    pack: str | None
    review: str | None


def figures(
    book: Book,
    table: Mapping[str, Any],
    *,
    amount: str | None,
    pack: str | None,
    currency: str | None,
    scale: int,
    agreed: int | None = None,
) -> Figures:
    """The figures of an order for `amount` or a pack, before tax and bonus.

    `table` is the book's table of top-ups with the operator's limits; `agreed` is what is still
    open of a contract, up to which nothing needs a look (None: there is none). Refused below and
    outside what is sold.
    """
    money = str(table.get("currency") or book.unit)
    if currency not in (None, money):
        raise Refuse("invalid_request", f"top-ups are paid in {money}", param="currency")
    units = _amount(table, amount, pack)
    if agreed is None and _is_contract(table, pack):
        raise Refuse(
            "invalid_request", "this pack needs a contract with the operator", param="pack"
        )
    review = _limits(table, units)
    if agreed is not None and units <= agreed:
        review = None
    brought, rate = _credits(book, units, money, scale)
    return Figures(money, units, brought, rate, units, 0, 0, 0, units, pack, review)


def _credit_value(book: Book, money: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many credits are sold for how much, both as exact ratios; Refuse where nobody says."""
    value = book.credit_value
    if value is None or value[1] != money:
        raise Refuse(
            "not_offered", "what a credit costs is not published: the operator sets it first"
        )
    return ratio_of(value[2]), ratio_of(value[0])


def money_for(book: Book, units: int, money: str, scale: int) -> int:
    """The least amount in 10**-9, in whole cents, that brings so many credits."""
    if not book.is_credit:
        return -(-units * 100 // int(10**scale)) * CENT_UNITS
    (top, bottom), (cost_top, cost_bottom) = _credit_value(book, money)
    return -(-units * cost_top * bottom * 100 // int(10**scale * cost_bottom * top)) * CENT_UNITS


def number(value: Any) -> int | None:
    """A published amount in 10**-9; None for unpublished, custom and the like."""
    text = str(value) if value is not None else ""
    return parse_units(text, NANO) if text.replace(".", "", 1).isdigit() else None


def _amount(table: Mapping[str, Any], amount: str | None, pack: str | None) -> int:
    given = None
    if amount is not None:
        try:
            given = parse_units(amount, CENT) * CENT_UNITS
        except NexctlError as error:
            raise Refuse("invalid_request", error.message, param="amount") from None
        if given <= 0:
            raise Refuse("topup_below_minimum", param="amount")
    if pack is None:
        if given is None:
            raise Refuse("invalid_request", "an amount or a pack is needed", param="amount")
        return given
    row = next((row for row in table.get("packs", ()) if row["id"] == pack), None)
    if row is None:
        raise Refuse("invalid_request", "there is no such pack", param="pack")
    fixed = number(row.get("amount"))
    if fixed is None or (row.get("or_more") and given is not None and given >= fixed):
        if given is None:
            raise Refuse("invalid_request", "this pack needs an amount", param="amount")
        return given
    if given not in (None, fixed):
        raise Refuse("invalid_request", "the amount is not the pack's", param="amount")
    return fixed


def _is_contract(table: Mapping[str, Any], pack: str | None) -> bool:
    """Whether a pack's amount is what is agreed with the customer."""
    return any(
        row["id"] == pack and row.get("amount") == "custom" for row in table.get("packs", ())
    )


def _limits(table: Mapping[str, Any], units: int) -> str | None:
    """Why an order must be looked at first, None where it need not."""
    least, most = number(table.get("minimum")), number(table.get("maximum"))
    if least is not None and units < least:
        raise Refuse(
            "topup_below_minimum",
            f"the least is {text_of(least)}",
            param="amount",
            details={"minimum": text_of(least)},
        )
    exact = [number(value) for value in table.get("exact", ())]
    if exact and units not in exact:
        shown = ", ".join(text_of(value) for value in exact if value is not None)
        raise Refuse("invalid_request", f"only {shown} can be bought", param="amount")
    if most is not None and units > most:
        if table.get("above_maximum") == "refused":
            raise Refuse("invalid_request", f"the most is {text_of(most)}", param="amount")
        return f"above self-service ({text_of(most)})"
    return None


def _credits(book: Book, units: int, money: str, scale: int) -> tuple[int, str]:
    """Credits for an amount, and the rate as text: credits for one unit of money."""
    if not book.is_credit:
        if money != book.unit:
            raise Refuse("not_offered", f"no rate from {money} to {book.unit} is known")
        return round_half_even(units * 10**scale, 10**NANO), "1"
    (top, bottom), (cost_top, cost_bottom) = _credit_value(book, money)
    rate_top, rate_bottom = top * cost_bottom, bottom * cost_top
    brought = round_half_even(units * 10**scale * rate_top, 10**NANO * rate_bottom)
    rate = text_of(round_half_even(rate_top * 10**NANO, rate_bottom))
    return brought, rate
