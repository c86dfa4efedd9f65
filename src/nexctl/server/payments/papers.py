"""Which paper follows: an invoice for each credited order and fee, a note for each refund.

They are issued in the transaction of the money itself (`Shared.papers`), so that none is missing
and none is without it. Everything printed is kept with the paper: seller, customer, tax, wording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.money import round_half_even, text_of
from nexctl.server.ledger import customers, invoices, profiles
from nexctl.server.ledger.invoices import INVOICE, NOTE
from nexctl.server.payments import recharged
from nexctl.server.payments.figures import CENT_UNITS
from nexctl.server.payments.rules import Rules, rules_of

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.invoices import Paper
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.subscriptions import Fee

# Play money has papers too, to try them out; they are in a series of their own and say so.
PLAY = "PLAY"


class Papers:
    """Called by the ledger with (transaction, what, subject)."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self, tx: Transaction, what: str, subject: Any) -> None:
        """Issue what follows from an order, a refund, an order that ended unpaid, or a fee."""
        if what == "order":
            recharged.credited(tx, self._house, subject)
            _invoice(tx, rules_of(tx, self._house), subject)
        elif what == "refund":
            _credit_note(tx, rules_of(tx, self._house), subject)
        elif what == "ended":
            there = invoices.about(tx, subject.id)
            if there is not None and there.void is None:
                invoices.void(tx, there.number, reason=f"the order was {subject.state}", by="-")
        elif what == "fee":
            _fee(tx, rules_of(tx, self._house), subject)


def series_of(rules: Rules, order: Order) -> str:
    """The series of an order's papers."""
    return PLAY if order.sandbox else rules.series


def _invoice(tx: Transaction, rules: Rules, order: Order) -> None:
    tax = order.details.get("tax")
    tax = tax if isinstance(tax, dict) else {}
    unit = rules.house.unit
    bought = text_of(order.credits, rules.house.scale)
    what = f"{bought} {unit} of usage credits"
    if order.details.get("pack"):
        what += f" (pack {order.details['pack']})"
    lines = [_line(what, order.subtotal, order.tax, tax)]
    if order.fee:
        lines.append(_line("payment fee", order.fee, 0, {}))
    # An order that was paid after it had ended has a void one: what is paid has one that counts.
    before = invoices.about(tx, order.id)
    part = 0 if before is None else before.part + (before.void is not None)
    invoices.issue(
        tx,
        series_of(rules, order),
        INVOICE,
        customer=order.customer,
        subject=order.id,
        part=part,
        currency=order.currency,
        total=order.total,
        body={
            "lines": lines,
            "net": text_of(order.subtotal + order.fee),
            "tax": text_of(order.tax),
            "tax_note": tax.get("note"),
            "seller": rules.seller(),
            "customer": _customer(tx, order.customer, int(tax.get("profile") or 0)),
            "paid_by": order.method,
            "bonus": text_of(order.bonus, rules.house.scale) if order.bonus else None,
            "policies": {
                name: f"{row['version']} (sha256 {row['sha256']})"
                for name, row in (order.details.get("policies") or {}).items()
            },
            "sandbox": order.sandbox,
        },
    )


def _credit_note(tx: Transaction, rules: Rules, order: Order) -> None:
    invoice = invoices.about(tx, order.id)
    if invoice is None:
        return
    before = invoices.notes(tx, order.id)
    done = sum(note.total or 0 for note in before)
    part = order.refunded - done
    if part <= 0:
        return
    # The tax and the fee of all that went back so far in whole cents, less what earlier notes gave:
    # no cent is lost, and none is split.
    tax = min(part, _share(order, order.tax, before, "tax_units"))
    fee = min(part - tax, _share(order, order.fee, before, "fee_units"))
    kept = order.details.get("tax")
    kept = kept if isinstance(kept, dict) else {}
    lines = [_line(f"refund of {invoice.number}", part - tax - fee, tax, kept)]
    if fee:
        lines.append(_line(f"refund of the payment fee of {invoice.number}", fee, 0, {}))
    body = {
        **invoice.body,
        "lines": lines,
        "net": text_of(part - tax),
        "tax": text_of(tax),
        "tax_units": str(tax),
        "fee_units": str(fee),
    }
    invoices.issue(
        tx,
        invoice.series,
        NOTE,
        customer=order.customer,
        subject=order.id,
        part=order.refunded,
        corrects=invoice.number,
        currency=order.currency,
        total=part,
        body=body,
    )


def _share(order: Order, units: int, before: list[Paper], name: str) -> int:
    """What of a part of an order is in all that went back and in no earlier note."""
    whole = round_half_even(units * order.refunded, order.total * CENT_UNITS) * CENT_UNITS
    return max(0, whole - sum(int(note.body.get(name, 0)) for note in before))


def _fee(tx: Transaction, rules: Rules, fee: Fee) -> None:
    tax = fee.details.get("tax") or {}
    title = fee.details.get("title") or fee.plan
    currency = str(fee.details.get("currency"))
    invoices.issue(
        tx,
        PLAY if fee.details.get("sandbox") else rules.series,
        INVOICE,
        customer=fee.customer,
        subject=f"fee:{fee.customer}:{fee.period}:{fee.plan}",
        currency=currency,
        total=fee.fee_money + fee.tax_money,
        body={
            "lines": [_line(f"plan {title}, {fee.period}", fee.fee_money, fee.tax_money, tax)],
            "net": text_of(fee.fee_money),
            "tax": text_of(fee.tax_money),
            "tax_note": tax.get("note"),
            "seller": rules.seller(),
            "customer": _customer(tx, fee.customer, int(tax.get("profile") or 0)),
            "paid_by": "wallet",
            "policies": {},
            "sandbox": bool(fee.details.get("sandbox")),
        },
    )


def _line(text: str, net: int, tax: int, rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": text,
        "net": text_of(net),
        "tax": text_of(tax),
        "gross": text_of(net + tax),
        "tax_percent": rule.get("percent") if tax else None,
        "tax_name": rule.get("name") if tax else None,
    }


def _customer(tx: Transaction, customer: str, version: int) -> dict[str, Any]:
    """The customer as printed: by the profile that was in force with the order, else its name."""
    row = customers.get(tx, customer)
    found: dict[str, Any] = {"name": row.name if row else customer, "id": customer}
    profile, current = profiles.current(tx, customer)
    if profile is not None and version:
        if version != current:
            profile = profiles.version(tx, customer, version) or profile
        names = ("name", "address", "country", "tax_id", "email", "purchase_order")
        found.update({name: profile[name] for name in names if profile.get(name)})
    return found
