"""`nexctl budgets`: limits on money or tokens, of a key, the customer, an organisation's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect, rows
from nexctl.cli.base import App, argument, command, flag, option, whole
from nexctl.cli.changes import Planned, done, dry, named
from nexctl.cli.figures import in_words, money
from nexctl.cli.render import Column, Screen, Table, View, for_people, screen_for
from nexctl.cli.rows import cell
from nexctl.errors import EXIT_NOT_FOUND, NexctlError, UsageError
from nexctl.money import parse_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.gateways.port import Gateway
    from nexctl.wire.budgets import Budget, Scope

FIELDS = (
    *("id", "scope", "scope_id", "scope_name", "window", "meter", "kind", "amount", "currency"),
    *("spent", "held", "remaining", "resets_at", "name", "models", "alert_at", "set_by"),
)
GAUGE = 10
_SCOPES = (
    option(
        "--key", metavar="KEY", suggest="keys", help="Of this key and its sub-keys (id or name)."
    ),
    option("--org", metavar="ORG", help="Of this organisation (id or slug)."),
    option("--project", metavar="PROJECT", help="Of a project (id, or name with --org)."),
    option("--member", metavar="MEMBER", help="Of a member of an organisation (id)."),
)


@command(
    *_SCOPES,
    name="list",
    examples=("nexctl budgets list", "nexctl budgets list --key ci -o json"),
)
def list_(app: App, **given: str | None) -> View:
    """Every budget with what is left of it and when it resets."""
    from nexctl.wire.budgets import BudgetQuery

    with connect.gateway(app) as gateway:
        query = None
        if any(given.values()):
            scope, scope_id = _scope(gateway, given)
            query = BudgetQuery(scope=scope, scope_id=scope_id)
        return _list(app, list(gateway.budgets.list(query)))


def _scope(gateway: Gateway, given: dict[str, str | None]) -> tuple[Scope, str | None]:
    """(scope, its id) of what was named; the customer where nothing was."""
    from nexctl.account import keys as keys_workflow

    key, org, project, member = (given[name] for name in ("key", "org", "project", "member"))
    named = [name for name in ("key", "project", "member") if given[name]]
    if len(named) > 1 or (key and org):
        raise UsageError("a budget has one scope", hint="name a key, an org, a project or a member")
    if key is not None:
        return "key", keys_workflow.find(gateway, key).id
    if member is not None:
        return "member", member
    if project is not None:
        if org is None:
            return "project", project
        for row in gateway.orgs.projects(org):
            if project in (row.id, row.name):
                return "project", row.id
        raise NexctlError(
            f"there is no project {project!r} in {org}",
            hint=f"nexctl projects list --org {org}",
            exit=EXIT_NOT_FOUND,
            code="not_found",
        )
    if org is not None:
        return "org", gateway.orgs.show(org).id
    return "customer", None


def _list(app: App, rows: Sequence[Budget]) -> View:
    return View(
        lambda: [{name: getattr(row, name) for name in FIELDS} for row in rows],
        table=lambda: _gauges(app, rows) if for_people(app) else _sheet(rows),
        names=lambda: named(rows),
    )


def _sheet(rows: Sequence[Budget]) -> Table:
    right = ("amount", "spent", "held", "remaining")
    return Table(
        [Column(name, right=name in right) for name in FIELDS],
        [[cell(getattr(row, name)) for name in FIELDS] for row in rows],
    )


def _gauges(app: App, rows: Sequence[Budget]) -> Table:
    """How full each budget is, to look at."""
    screen = screen_for(app)
    columns = (
        Column("scope"),
        Column("window"),
        Column("spent", right=True),
        Column("of", right=True),
        Column("used", right=True),
        *((Column("gauge", "", right=True),) if screen.pictures else ()),
        Column("resets_at", "RESETS", spare=1),
        Column("id", spare=2),
    )
    lines = []
    for row in sorted(rows, key=lambda row: (row.scope, row.scope_name or "", row.window)):
        unit = row.currency if row.meter == "money" else "tokens"
        spent = parse_units(row.spent) if row.spent is not None else None
        most = parse_units(row.amount)
        soft = "" if row.kind == "hard" else f", {row.kind}"
        lines.append(
            (
                " ".join(part for part in (row.scope, row.scope_name) if part),
                row.window + soft,
                money(row.spent, unit),
                money(row.amount, unit),
                f"{spent * 100 // most}%" if most and spent is not None else None,
                *(("".join(screen.gauge(spent or 0, most, GAUGE)),) if screen.pictures else ()),
                row.resets_at,
                row.id,
            )
        )
    return Table(columns, lines)


@command(
    argument("budget", metavar="A[/WINDOW]", required=True, help="20/month, 500/lifetime, 5/5h."),
    *_SCOPES,
    option("--name", metavar="NAME", help="Tells budgets of one scope and window apart."),
    option(
        "--meter", many=True, metavar="METER", help="Count these tokens, not money; repeatable."
    ),
    option("--model", many=True, metavar="M", help="Count only these models; repeatable."),
    flag("--soft", help="Warn, and let pass."),
    option(
        "--alert-at",
        many=True,
        metavar="PERCENT",
        value=whole(1, 1000),
        help="Tell at this share; repeatable. Default: 'alerts show'.",
    ),
    flag("--no-alerts", help="Tell nobody."),
    name="set",
    changes=True,
    examples=(
        "nexctl budgets set 200/month",
        "nexctl budgets set 5/5h --key ci --alert-at 80",
        "nexctl budgets set 1000000/month --meter input --meter output --project search --org acme",
    ),
)
def set_(
    app: App,
    budget: str,
    name: str | None,
    meter: tuple[str, ...],
    model: tuple[str, ...],
    soft: bool,
    alert_at: tuple[int, ...],
    no_alerts: bool,
    **given: str | None,
) -> View:
    """Set a budget, or change one; what is spent in its window stays counted.

    Without a scope it holds for all of the customer's keys together. Months are calendar months in
    UTC; 5h, 1d and 7d roll.
    """
    from nexctl.account import terms
    from nexctl.cli.bodies import converted
    from nexctl.wire.budgets import BudgetSet

    wanted = terms.parse_budget(budget, what="A[/WINDOW]")
    if no_alerts and alert_at:
        raise UsageError("--alert-at and --no-alerts contradict each other")
    fields: dict[str, Any] = {
        "amount": wanted.amount,
        "window": wanted.window,
        "name": name,
        "unit": "tokens" if meter else "money",
        "meters": list(meter) or None,
        "models": list(model) or None,
        "hard": not soft,
        "alert_at": [] if no_alerts else (sorted(set(alert_at)) or None),
    }
    if app.dry_run:
        return dry(app, Planned("budgets.set", body=converted(_unsent(given) | fields, BudgetSet)))
    with connect.gateway(app) as gateway:
        scope, scope_id = _scope(gateway, given)
        body = converted({"scope": scope, "scope_id": scope_id, **fields}, BudgetSet)
        return _one(app, gateway.budgets.set(body))


def _unsent(given: dict[str, str | None]) -> dict[str, str | None]:
    """The scope as far as it is known without asking: --dry-run sends nothing."""
    for name in ("key", "member", "project", "org"):
        if given[name] is not None:
            return {"scope": name, "scope_id": given[name] if name != "key" else None}
    return {"scope": "customer", "scope_id": None}


def _one(app: App, row: Budget) -> View:
    who = f"{row.scope} {row.scope_name or row.scope_id or ''}".strip()
    per = in_words(row.window)

    def write(screen: Screen) -> None:
        amount = money(row.amount, row.currency)
        screen.line((done(app, f"budget of {who} is {amount} {per}"), "bold"))
        left = f"  {money(row.remaining, row.currency)} left"
        screen.line(left + (f" until {row.resets_at}" if row.resets_at else ""))

    view = _list(app, [row])
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
        row = next((row for row in gateway.budgets.list() if row.id == budget), None)
        if row is None:
            raise NexctlError(
                f"there is no budget {budget!r}",
                hint="'nexctl budgets list -o csv' shows their ids",
                exit=EXIT_NOT_FOUND,
                code="not_found",
            )
        amount = money(row.amount, row.currency)
        of = " ".join(part for part in (row.scope, row.scope_name) if part)
        what = f"{budget} ({of}, {amount}/{row.window})"
        app.confirm(f"Remove budget {what}, profile {app.profile.name}?")
        gone = gateway.budgets.remove(budget)
    return rows.removed(app, gone, "budget")


COMMANDS = (list_, set_, remove)
