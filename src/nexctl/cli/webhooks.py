"""`nexctl webhooks`: endpoints that are told of the customer's events."""

from __future__ import annotations

from typing import Any

from nexctl.cli import connect, rows
from nexctl.cli.base import App, argument, command, flag, into, option
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.deliver import Delivery
from nexctl.cli.render import View
from nexctl.cli.rows import listing, secret
from nexctl.cli.tree import Entry

FIELDS = ("id", "url", "kinds", "state", "prefix", "note", "created_at")
URL = argument("url", metavar="URL", required=True, help="An https address.")
ADD = (
    URL,
    option("--event", many=True, metavar="KIND", help="order.paid, order.* or *; repeatable."),
    option("--note", metavar="TEXT", help="What it is for."),
    into("--write", help="Keep its secret in FILE (0600)."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
)
ENDPOINT = argument("endpoint", metavar="ENDPOINT", required=True, help="The endpoint's id.")


@command(name="list", examples=("nexctl webhooks endpoints list",))
def list_(app: App) -> View:
    """Endpoints and which events they are told of."""
    with connect.gateway(app) as gateway:
        return listing(list(gateway.webhook_endpoints.list()), FIELDS)


@command(
    *ADD,
    name="add",
    changes=True,
    examples=("nexctl webhooks endpoints add https://example.com/hook --event 'budget.*'",),
)
def add(app: App, **given: Any) -> View:
    """Have an address told of events, signed as Standard Webhooks says.

    The secret that proves the signatures is shown once; -q prints it alone.
    """
    return added(app, **given, kind="key")


def added(
    app: App,
    url: str,
    event: tuple[str, ...],
    note: str | None,
    write: str | None,
    idempotency_key: str | None,
    *,
    kind: str,
    allow_private: bool = False,
) -> View:
    """Add an endpoint of the customer's, or with the operator's key one of the gateway's."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.alerts import EndpointCreate

    delivery = Delivery(app, write)
    given = {"url": url, "kinds": list(event), "note": note, "allow_private": allow_private}
    body = converted(given, EndpointCreate)
    noun = "webhook_endpoints" if kind == "key" else "operator_endpoints"
    if app.dry_run:
        return dry(app, Planned(f"{noun}.add", body=body))
    delivery.refuse_taken()
    key = new_key(idempotency_key)
    with connect.gateway(app, kind) as gateway, repeatable(key):
        made = getattr(gateway, noun).add(body, idempotency_key=key)
    shown = None
    if made.secret is not None:
        group = "webhooks" if kind == "key" else "admin webhooks"
        shown = delivery.deliver(
            made.secret,
            f"endpoint {made.id} is added",
            id=made.id,
            remedy=f"'nexctl {group} endpoints remove {made.id}', then add it again",
        )
    return secret(app, made, FIELDS, f"endpoint {made.id} is added", shown)


@command(
    ENDPOINT,
    name="remove",
    changes=True,
    examples=("nexctl webhooks endpoints remove whe_123",),
)
def remove(app: App, endpoint: str) -> View:
    """Tell an endpoint nothing any more; what waits for it is dropped."""
    return removed(app, endpoint, kind="key")


def removed(app: App, endpoint: str, *, kind: str) -> View:
    """Remove an endpoint of the customer's, or of the gateway's."""
    noun = "webhook_endpoints" if kind == "key" else "operator_endpoints"
    if app.dry_run:
        return dry(app, Planned(f"{noun}.remove", endpoint))
    with connect.gateway(app, kind) as gateway:
        app.confirm(f"Remove endpoint {endpoint}, profile {app.profile.name}?")
        gone = getattr(gateway, noun).remove(endpoint)
    return rows.removed(app, gone, "endpoint")


PRIVATE = flag("--allow-private", help="It may be in a private network.")
ENDPOINTS = (list_, add, remove)
COMMANDS = (
    Entry(
        "endpoints",
        "nexctl.cli.webhooks:ENDPOINTS",
        "Who is told: list, add, remove.",
        group=True,
    ),
)
