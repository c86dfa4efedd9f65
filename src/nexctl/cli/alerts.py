"""`nexctl alerts`: who is told when a budget or the balance passes a threshold."""

from __future__ import annotations

from typing import Any

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.base import App, command, flag, option, whole
from nexctl.cli.changes import Planned, dry
from nexctl.cli.render import View
from nexctl.cli.rows import one
from nexctl.errors import UsageError

FIELDS = ("percents", "webhooks", "email", "balance_below", "currency")


@command(name="show", examples=("nexctl alerts show", "nexctl alerts show -o json"))
def show(app: App) -> View:
    """Who is told of what."""
    with connect.gateway(app) as gateway:
        return one(app, gateway.alerts.show(), FIELDS, "alerts", name="currency")


@command(
    option("--email", metavar="ADDRESS", help="Write to this address."),
    flag("--no-email", help="Write to nobody."),
    flag("--webhooks/--no-webhooks", default=None, help="Tell the webhook endpoints, or do not."),
    option(
        "--percent",
        many=True,
        metavar="N",
        value=whole(1, 1000),
        help="Threshold of budgets set from now on; repeatable.",
    ),
    option("--below", metavar="AMOUNT", help="Tell when the balance falls below AMOUNT; 0: never."),
    name="set",
    changes=True,
    examples=(
        "nexctl alerts set --email ops@example.com --percent 50 --percent 90",
        "nexctl alerts set --below 5",
    ),
)
def set_(app: App, email: str | None, no_email: bool, **given: Any) -> View:
    """Change who is told of what; what is not named stays as it is.

    Each threshold is told once in each window of its budget.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.alerts import AlertsSet

    if email and no_email:
        raise UsageError("--email and --no-email contradict each other")
    fields: dict[str, Any] = {}
    if email or no_email:
        fields["email"] = email
    if given["webhooks"] is not None:
        fields["webhooks"] = given["webhooks"]
    if given["percent"]:
        fields["percents"] = sorted(set(given["percent"]))
    if given["below"] is not None:
        below = terms.parse_positive(given["below"], what="--below")
        fields["balance_below"] = None if below == "0" else below
    if not fields:
        raise UsageError("nothing to change", hint="see nexctl alerts set --help")
    body = converted(fields, AlertsSet)
    if app.dry_run:
        return dry(app, Planned("alerts.set", body=body))
    with connect.gateway(app) as gateway:
        return one(app, gateway.alerts.set(body), FIELDS, "alerts are set", name="currency")


COMMANDS = (show, set_)
