"""`nexctl admin reconcile` and `admin subscriptions`: do the books agree, who is on which plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, flag, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.figures import plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.cli.rows import listing, one
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from nexctl.wire.checks import Reconciled

FINDING = ("rule", "subject", "customer_id", "expected", "found", "currency", "text")
PLAN = ("customer_id", "name", "plan", "state", "fee", "currency", "paid_period")
_MONTH = re.compile(r"2[01][0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


@command(
    option("--month", metavar="YYYY-MM", help="Only this month; default: everything."),
    examples=("nexctl admin reconcile --month 2026-11", "nexctl admin reconcile -o json"),
)
def reconcile(app: App, month: str | None) -> View:
    """Check order - payment - credit - tax - invoice, and debits - statement; exit 9 on findings.

    Nothing is mended: each finding names its order, entry, paper or wallet.
    """
    from nexctl.wire.base import plain

    if month is not None and not _MONTH.fullmatch(month):
        raise UsageError(
            f"--month {month}: a month is YYYY-MM, from 2000-01 on", hint="--month 2026-11"
        )
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.editions.reconcile(month)
    view = View(
        {**plain(found), "profile": app.profile.name},
        text=lambda screen: _write(app, screen, found),
        table=lambda: Table(
            FINDING, [[getattr(row, n) for n in FINDING] for row in found.findings]
        ),
        names=lambda: [row.subject for row in found.findings],
        lines=lambda: [plain(row) for row in found.findings],
    )
    if found.clean:
        return view
    app.emit(view)
    raise CheckFailed(
        f"{plural(len(found.findings), 'finding')}: the books do not agree",
        hint="'nexctl admin payments list' and 'nexctl gateway verify' show more",
        code="not_reconciled",
        details={"findings": len(found.findings)},
    )


def _write(app: App, screen: Screen, found: Reconciled) -> None:
    screen.line((f"{found.month or 'everything'}, profile {app.profile.name}", "bold"))
    bad: dict[str, int] = {}
    for row in found.findings:
        bad[row.rule] = bad.get(row.rule, 0) + 1
    screen.table(
        Table(
            (
                Column("check"),
                Column("looked at", right=True),
                Column("found", right=True),
                Column("", ""),
            ),
            [(row.rule, row.looked, bad.get(row.rule, 0), row.says) for row in found.checks],
        )
    )
    for row in found.findings:
        figures = f": {row.expected} expected, {row.found} found" if row.expected else ""
        screen.line(f"{row.rule} {row.subject}: {row.text}{figures} {row.currency or ''}".rstrip())


@command(
    option(
        "--state",
        metavar="STATE",
        choices=("given", "active", "past_due", "cancelled", "none"),
        help="Only these: given, active, past_due, cancelled, none.",
    ),
    name="list",
    examples=("nexctl admin subscriptions list --state past_due",),
)
def list_(app: App, state: str | None) -> View:
    """Customers' plans: given by the operator, or paid for, and up to which month."""
    from nexctl.wire.checks import PlanQuery

    with connect.gateway(app, OPERATOR) as gateway:
        rows = list(gateway.editions.plans(PlanQuery(state=state)))  # type: ignore[arg-type]
    return listing(rows, PLAN, right=("fee",), name="customer_id")


@command(
    argument("customer", metavar="CUSTOMER", required=True, help="The customer's id."),
    argument("plan", metavar="PLAN|none", required=True, help="The plan, or none."),
    flag("--charge", help="Debit its fee now and each month; else it is given."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
    name="set",
    changes=True,
    examples=("nexctl admin subscriptions set cus_123 business --charge",),
)
def set_(app: App, customer: str, plan: str, charge: bool, idempotency_key: str | None) -> View:
    """Put a customer on a plan: as a gift, or for its fee."""
    from nexctl.wire.checks import PlanSet

    body = converted({"plan": None if plan == "none" else plan, "charge": charge}, PlanSet)
    if app.dry_run:
        return dry(app, Planned("admin_subscriptions.set", customer, body=body))
    key = new_key(idempotency_key)
    with connect.gateway(app, OPERATOR) as gateway:
        how = "for its fee" if charge else "as a gift"
        app.confirm(f"Put customer {customer} on {plan} {how}, profile {app.profile.name}?")
        with repeatable(key):
            found = gateway.editions.set_plan(customer, body, idempotency_key=key)
    said = f"customer {found.name} is on {found.plan or 'no plan'} ({found.state})"
    return one(app, found, PLAN, said, name="customer_id")


SUBSCRIPTIONS = (list_, set_)
