"""`nexctl budgets`: limits on what may be spent, by key and for the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.changes import Planned, done, dry, named
from nexctl.cli.figures import money
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.budgets import Budget

FIELDS = (
    *("id", "scope", "scope_id", "scope_name", "window", "meter", "kind", "amount", "currency"),
    *("spent", "held", "remaining", "resets_at"),
)


@command(
    option("--key", metavar="KEY", help="Only the budgets of this key (id or name)."),
    name="list",
    examples=("nexctl budgets list", "nexctl budgets list --key ci -o json"),
)
def list_(app: App, key: str | None) -> View:
    """Every budget with what is left of it and when it resets."""
    from nexctl.account import keys as keys_workflow
    from nexctl.wire.budgets import BudgetQuery

    with connect.gateway(app) as gateway:
        query = None
        if key is not None:
            found = keys_workflow.find(gateway, key)
            query = BudgetQuery(scope="key", scope_id=found.id)
        return _list(list(gateway.budgets.list(query)))


def _list(rows: Sequence[Budget]) -> View:
    right = ("amount", "spent", "held", "remaining")
    return View(
        lambda: [{name: getattr(row, name) for name in FIELDS} for row in rows],
        table=lambda: Table(
            [Column(name, right=name in right) for name in FIELDS],
            [[getattr(row, name) for name in FIELDS] for row in rows],
        ),
        names=lambda: named(rows),
    )


@command(
    argument("budget", metavar="A[/WINDOW]", required=True, help="20/month or 500/lifetime."),
    option("--key", metavar="KEY", help="For this key (id or name); default: the customer."),
    name="set",
    changes=True,
    examples=("nexctl budgets set 200/month", "nexctl budgets set 20/month --key ci"),
)
def set_(app: App, budget: str, key: str | None) -> View:
    """Set a budget, or change one; what is spent in its window stays counted.

    Without --key it holds for all of the customer's keys together.
    """
    from nexctl.account import keys as keys_workflow
    from nexctl.account import terms
    from nexctl.wire.budgets import BudgetSet

    wanted = terms.parse_budget(budget, what="A[/WINDOW]")

    def body(scope_id: str | None) -> BudgetSet:
        return BudgetSet(
            scope="customer" if key is None else "key",
            scope_id=scope_id,
            amount=wanted.amount,
            window=wanted.window,
        )

    if app.dry_run:
        return dry(app, Planned("budgets.set", body=body(key)))
    with connect.gateway(app) as gateway:
        scope_id = None if key is None else keys_workflow.find(gateway, key).id
        return _one(app, gateway.budgets.set(body(scope_id)))


def _one(app: App, row: Budget) -> View:
    who = f"{row.scope} {row.scope_name or row.scope_id or ''}".strip()
    per = "in all" if row.window == "lifetime" else f"a {row.window}"

    def write(screen: Screen) -> None:
        amount = money(row.amount, row.currency)
        screen.line((done(app, f"budget of {who} is {amount} {per}"), "bold"))
        left = f"  {money(row.remaining, row.currency)} left"
        screen.line(left + (f" until {row.resets_at}" if row.resets_at else ""))

    view = _list([row])
    return View(
        lambda: {**{name: getattr(row, name) for name in FIELDS}, "profile": app.profile.name},
        text=write,
        table=view.table,
        names=[row.id],
    )


@command(
    argument("budget", metavar="BUDGET", required=True, help="The budget's id."),
    changes=True,
    examples=("nexctl budgets remove bud_123",),
)
def remove(app: App, budget: str) -> View:
    """Take a budget away: nothing limits that spending any more but the wallet."""
    if app.dry_run:
        return dry(app, Planned("budgets.remove", budget))
    with connect.gateway(app) as gateway:
        rows = [row for row in gateway.budgets.list() if row.id == budget]
        what = budget
        if rows:
            row = rows[0]
            amount = money(row.amount, row.currency)
            what = f"{budget} ({row.scope} {row.scope_name or ''}, {amount} a {row.window})"
        app.confirm(f"Remove budget {what}, profile {app.profile.name}?")
        gone = gateway.budgets.remove(budget)
    return View(
        {"id": gone.id, "removed": gone.removed, "profile": app.profile.name},
        text=lambda screen: screen.line(done(app, f"budget {gone.id} is removed")),
        table=Table(("id", "removed"), [(gone.id, gone.removed)]),
        names=[gone.id],
    )


COMMANDS = (list_, set_, remove)
