"""`nexctl admin payments`: orders of all customers, and what is decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, named, new_key, repeatable
from nexctl.cli.figures import money
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.admin import Payment

FIELDS = (
    *("id", "state", "customer_id", "customer_name", "method", "total", "currency", "credits"),
    *("refunded", "transaction", "sender", "submitted_at", "decided_by", "decided_at", "note"),
    *("created_at", "credited_at", "transfer", "network"),
)
# A manual order of which nobody has said that it is paid.
_NOT_SUBMITTED = ("created", "opened", "expired")
_ORDER = argument("order", metavar="ORDER", required=True, help="The order's id.")


@command(
    option("--state", metavar="STATE", help="Only orders in this state, such as submitted."),
    option("--customer", metavar="ID", help="Only this customer's."),
    name="list",
    examples=("nexctl admin payments list --state submitted",),
)
def list_(app: App, state: str | None, customer: str | None) -> View:
    """Orders of all customers, newest first."""
    from nexctl.wire.admin import PaymentQuery
    from nexctl.wire.topups import STATES

    if state is not None and state not in STATES:
        raise UsageError(f"--state: {state!r} is not one of {', '.join(STATES)}")
    with connect.gateway(app, OPERATOR) as gateway:
        query = converted({"state": state, "customer_id": customer}, PaymentQuery)
        return _list(list(gateway.payments.list(query)))


def _list(rows: Sequence[Payment]) -> View:
    from nexctl.wire.base import plain

    right = ("total", "credits", "refunded", "transfer")
    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: Table(
            [Column(name, right=name in right) for name in FIELDS],
            [
                [_transfer(row) if n == "transfer" else getattr(row, n) for n in FIELDS]
                for row in rows
            ],
        ),
        names=lambda: named(rows),
    )


@command(
    _ORDER,
    option("--transaction", metavar="REF", required=True, help="Hash or reference of it."),
    option("--sender", metavar="WHO", help="Who sent it."),
    changes=True,
    examples=("nexctl admin payments submit ord_123 --transaction 'statement 17, line 4'",),
)
def submit(app: App, order: str, transaction: str, sender: str | None) -> View:
    """Note a payment that you saw for a customer. Another operator approves it."""
    from nexctl.wire.topups import TopUpSubmit

    body = converted({"transaction": transaction, "sender": sender}, TopUpSubmit)
    if app.dry_run:
        return dry(app, Planned("payments.submit", order, body=body))
    with connect.gateway(app, OPERATOR) as gateway, repeatable():
        return _one(app, gateway.payments.submit(order, body))


@command(
    _ORDER,
    option("--transaction", metavar="REF", help="What was received, where spelled otherwise."),
    option("--note", metavar="TEXT", help="A remark to keep."),
    changes=True,
    examples=("nexctl admin payments approve ord_123",),
)
def approve(app: App, order: str, transaction: str | None, note: str | None) -> View:
    """Credit a manual order whose payment has come. Who submitted it cannot approve it."""
    from nexctl.wire.admin import Approve

    body = converted({"transaction": transaction, "note": note}, Approve)
    if app.dry_run:
        return dry(app, Planned("payments.approve", order, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.payments.show(order)
        looked = found.state == "under_review" and (found.pay_to is None or transaction is None)
        _ask(app, found, "Let the customer pay" if looked else "Credit")
        try:
            return _one(app, gateway.payments.approve(order, body))
        except NexctlError as error:
            if found.pay_to is not None and found.state in _NOT_SUBMITTED:
                error.hint = (
                    f"its payment is noted first: nexctl wallet submit {order} --transaction REF; "
                    "or nexctl admin payments submit, by another operator"
                )
            raise


@command(
    _ORDER,
    option("--reason", metavar="TEXT", required=True, help="Why; the customer reads it."),
    changes=True,
    examples=("nexctl admin payments reject ord_123 --reason 'no transfer has come'",),
)
def reject(app: App, order: str, reason: str) -> View:
    """Refuse a manual order."""
    from nexctl.wire.admin import Reject

    body = converted({"reason": reason}, Reject)
    if app.dry_run:
        return dry(app, Planned("payments.reject", order, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        _ask(app, gateway.payments.show(order), "Reject")
        return _one(app, gateway.payments.reject(order, body))


@command(
    _ORDER,
    option("--amount", metavar="AMOUNT", help="How much of the total; default: all that can."),
    option("--reason", metavar="TEXT", help="What for."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
    changes=True,
    examples=("nexctl admin payments refund ord_123 --amount 10",),
)
def refund(app: App, order: str, amount: str | None, **given: Any) -> View:
    """Give back what is not spent; bonus that was used up is taken off."""
    from nexctl.wire.admin import Refund

    if amount is not None:
        amount = terms.parse_positive(amount, what="--amount")
    body = converted({"amount": amount, "reason": given["reason"]}, Refund)
    if app.dry_run:
        return dry(app, Planned("payments.refund", order, body=body))
    key = new_key(given["idempotency_key"])
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.payments.show(order)
        part = f"{money(amount, found.currency)} of" if amount else "what is left of"
        _ask(app, found, f"Refund {part}")
        with repeatable(key):
            return _one(app, gateway.payments.refund(order, body, idempotency_key=key))


def _ask(app: App, found: Payment, verb: str) -> None:
    who = found.customer_name or found.customer_id
    told = f"{found.method} order {found.id} of {who}"
    if found.pay_to is not None:
        over = f" over {found.network}" if found.network else ""
        seen = f", transaction {found.transaction}" if found.transaction else ""
        told += f", exactly {money(found.pay_to.amount, found.currency)}{over}{seen}"
    app.confirm(
        f"{verb} {money(found.total, found.currency)} ({told}), profile {app.profile.name}?"
    )


def _transfer(row: Payment) -> str | None:
    """The exact amount of a manual order's transfer, by which it is known."""
    return None if row.pay_to is None else row.pay_to.amount


def _amount(amount: str | None, row: Payment) -> str | None:
    return money(amount, row.currency) if amount else None


def _one(app: App, row: Payment) -> View:
    from nexctl.wire.base import plain

    def write(screen: Screen) -> None:
        said = f"order {row.id} is {row.state.replace('_', ' ')}"
        screen.line((done(app, said), "bold"))
        pairs = (
            ("customer", row.customer_name or row.customer_id),
            ("total", money(row.total, row.currency)),
            ("transfer", _amount(_transfer(row), row)),
            ("transaction", row.transaction),
            ("credits", money(row.credits, row.credit_unit or row.currency)),
            ("refunded", _amount(row.refunded, row)),
            ("decided by", row.decided_by),
            ("reason", row.reason),
            ("note", row.note),
        )
        rows = [(name, str(value)) for name, value in pairs if value]
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)

    return View(
        lambda: {**plain(row), "profile": app.profile.name},
        text=write,
        table=_list([row]).table,
        names=[row.id or ""],
    )


COMMANDS = (list_, submit, approve, reject, refund)
