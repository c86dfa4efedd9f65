"""`nexctl admin webhooks`: the gateway's own endpoints, and what was delivered to whom."""

from __future__ import annotations

from typing import Any

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry
from nexctl.cli.render import Screen, Table, View
from nexctl.cli.rows import listing, one
from nexctl.cli.tree import Entry
from nexctl.cli.webhooks import ADD, ENDPOINT, FIELDS, PRIVATE, added, removed

DELIVERY = (
    *("id", "kind", "channel", "target", "state", "attempts", "customer_id", "created_at"),
    *("due_at", "ended_at", "event_id"),
)


@command(name="list", examples=("nexctl admin webhooks endpoints list",))
def endpoints_list(app: App) -> View:
    """The gateway's own endpoints, which are told of all customers' events."""
    with connect.gateway(app, OPERATOR) as gateway:
        return listing(list(gateway.operator_endpoints.list()), FIELDS)


@command(
    *ADD,
    PRIVATE,
    name="add",
    changes=True,
    examples=("nexctl admin webhooks endpoints add https://ops.example.com/hook",),
)
def endpoints_add(app: App, **given: Any) -> View:
    """Have an address told of every customer's events. Its secret is shown once."""
    return added(app, **given, kind=OPERATOR)


@command(
    ENDPOINT,
    name="remove",
    changes=True,
    examples=("nexctl admin webhooks endpoints remove whe_123",),
)
def endpoints_remove(app: App, endpoint: str) -> View:
    """Tell one of the gateway's endpoints nothing any more."""
    return removed(app, endpoint, kind=OPERATOR)


@command(
    option(
        "--state",
        metavar="STATE",
        choices=("pending", "delivered", "failed", "dropped"),
        help="Only in this state.",
    ),
    option("--endpoint", metavar="ID", help="Only to this endpoint."),
    option("--customer", metavar="ID", help="Only about this customer."),
    name="deliveries",
    examples=("nexctl admin webhooks deliveries --state failed",),
)
def deliveries(app: App, state: str | None, endpoint: str | None, customer: str | None) -> View:
    """What was told to whom; every try is in the JSON."""
    from nexctl.wire.alerts import DeliveryQuery

    given = {"state": state, "endpoint_id": endpoint, "customer_id": customer, "limit": 1000}
    with connect.gateway(app, OPERATOR) as gateway:
        rows = list(gateway.deliveries.list(converted(given, DeliveryQuery)))
    return listing(rows, DELIVERY, right=("attempts",))


@command(name="deliver", changes=True, examples=("nexctl admin webhooks deliver",))
def deliver(app: App) -> View:
    """Send what is due now. A served gateway does so by itself."""
    if app.dry_run:
        return dry(app, Planned("deliveries.send"))
    with connect.gateway(app, OPERATOR) as gateway:
        sent = gateway.deliveries.send()
    fields = ("spread", "delivered", "failed")
    row = [getattr(sent, field) for field in fields]

    def write(screen: Screen) -> None:
        screen.line(done(app, f"{sent.delivered} delivered, {sent.failed} to be tried again"))

    return View(
        {**dict(zip(fields, row, strict=True)), "profile": app.profile.name},
        text=write,
        table=Table(fields, [row]),
        names=[],
    )


@command(
    argument("delivery", metavar="DELIVERY", required=True, help="The delivery's id."),
    name="replay",
    changes=True,
    examples=("nexctl admin webhooks replay dlv_123",),
)
def replay(app: App, delivery: str) -> View:
    """Send one delivery again now, whatever came of it; the event keeps its id."""
    if app.dry_run:
        return dry(app, Planned("deliveries.replay", delivery))
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.deliveries.replay(delivery)
    return one(app, found, DELIVERY, f"delivery {found.id} is {found.state}")


ENDPOINTS = (endpoints_list, endpoints_add, endpoints_remove)
COMMANDS = (
    Entry(
        "endpoints",
        "nexctl.cli.admin_webhooks:ENDPOINTS",
        "Who is told: list, add, remove.",
        group=True,
    ),
    deliveries,
    deliver,
    replay,
)
