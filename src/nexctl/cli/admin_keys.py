"""`nexctl admin keys`: customers' keys, as an operator sees and stops them."""

from __future__ import annotations

from nexctl.cli import connect
from nexctl.cli.admin import OPERATOR
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, dry
from nexctl.cli.render import View
from nexctl.cli.rows import listing, one

FIELDS = (
    *("id", "customer_id", "name", "kind", "state", "prefix", "parent_id", "last_used_at"),
    *("created_at", "expires_at"),
)
_KEY = argument("key", metavar="KEY", required=True, help="The key's id.")


@command(
    option("--customer", metavar="ID", help="Only this customer's."),
    option(
        "--state",
        metavar="STATE",
        choices=("active", "disabled", "revoked", "expired"),
        help="Only keys in this state.",
    ),
    name="list",
    examples=("nexctl admin keys list --customer cus_123",),
)
def list_(app: App, customer: str | None, state: str | None) -> View:
    """Keys of all customers; never their secrets."""
    from nexctl.wire.operators import CustomerKeyQuery

    query = converted({"customer_id": customer, "state": state}, CustomerKeyQuery)
    with connect.gateway(app, OPERATOR) as gateway:
        return listing(list(gateway.customer_keys.list(query)), FIELDS)


@command(_KEY, name="disable", changes=True, examples=("nexctl admin keys disable key_123",))
def disable(app: App, key: str) -> View:
    """Stop a key for now; it is enabled again with 'admin keys enable'."""
    return _state(app, key, disabled=True)


@command(_KEY, name="enable", changes=True, examples=("nexctl admin keys enable key_123",))
def enable(app: App, key: str) -> View:
    """Let a disabled key work again."""
    return _state(app, key, disabled=False)


def _state(app: App, key: str, *, disabled: bool) -> View:
    from nexctl.wire.operators import KeyState

    body = KeyState(disabled=disabled)
    if app.dry_run:
        return dry(app, Planned("customer_keys.update", key, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.customer_keys.update(key, body)
    return one(app, found, FIELDS, f"key {found.name} is {found.state}")


@command(_KEY, name="revoke", changes=True, examples=("nexctl admin keys revoke key_123",))
def revoke(app: App, key: str) -> View:
    """End a key for ever, its sub-keys with it."""
    if app.dry_run:
        return dry(app, Planned("customer_keys.revoke", key))
    with connect.gateway(app, OPERATOR) as gateway:
        app.confirm(f"Revoke key {key} for ever, profile {app.profile.name}?")
        found = gateway.customer_keys.revoke(key)
    return one(app, found, FIELDS, f"key {found.name} is revoked")


COMMANDS = (list_, disable, enable, revoke)
