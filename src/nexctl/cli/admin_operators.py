"""`nexctl admin operators`: who runs the gateway, and in which role."""

from __future__ import annotations

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, into, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.deliver import Delivery
from nexctl.cli.render import View
from nexctl.cli.rows import listing, one, secret

FIELDS = ("id", "name", "role", "state", "prefix", "created_at", "revoked_at")
ROLES = {"owner": "owner", "billing": "billing", "support": "support", "read-only": "read_only"}


@command(name="list", examples=("nexctl admin operators list",))
def list_(app: App) -> View:
    """Everybody who runs the gateway, or did."""
    with connect.gateway(app, OPERATOR) as gateway:
        return listing(list(gateway.operators.list()), FIELDS)


@command(
    argument("name", metavar="NAME", required=True, help="Who it is."),
    option(
        "--role",
        metavar="ROLE",
        required=True,
        choices=tuple(ROLES),
        help="owner, billing, support or read-only.",
    ),
    into("--write", help="Keep the key in FILE (0600)."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
    name="create",
    changes=True,
    examples=("nexctl admin operators create sam --role support --write sam.key",),
)
def create(app: App, name: str, role: str, write: str | None, idempotency_key: str | None) -> View:
    """Make an operator; its key is shown once.

    owner does everything; billing moves money; support stops what goes wrong; read-only looks.
    """
    from nexctl.wire.operators import OperatorCreate

    delivery = Delivery(app, write)
    body = converted({"name": name, "role": ROLES[role]}, OperatorCreate)
    if app.dry_run:
        return dry(app, Planned("operators.create", body=body))
    delivery.refuse_taken()
    key = new_key(idempotency_key)
    with connect.gateway(app, OPERATOR) as gateway, repeatable(key):
        made = gateway.operators.create(body, idempotency_key=key)
    shown = None
    if made.secret is not None:
        shown = delivery.deliver(
            made.secret,
            f"operator {made.name} ({made.id}) is made",
            id=made.id,
            remedy=f"'nexctl admin operators revoke {made.id}', then make it again",
            what="its key is",
        )
    return secret(app, made, FIELDS, f"operator {made.name} is made", shown)


@command(
    argument("operator", metavar="OPERATOR", required=True, help="The operator's id."),
    name="revoke",
    changes=True,
    examples=("nexctl admin operators revoke opr_123",),
)
def revoke(app: App, operator: str) -> View:
    """End an operator's key for ever; the last owner's stays."""
    if app.dry_run:
        return dry(app, Planned("operators.revoke", operator))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Revoke operator {operator} for ever, profile {app.profile.name}?")
        found = gateway.operators.revoke(operator)
    return one(app, found, FIELDS, f"operator {found.name} is revoked")


COMMANDS = (list_, create, revoke)
