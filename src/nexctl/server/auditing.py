"""Every write leaves a row in the audit log: who, what, before and after, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server.ledger import audit_log
from nexctl.server.ledger.audit_log import Actor

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.ledger.port import Transaction


def record(tx: Transaction, call: Call, answer: Any) -> None:
    """Write down what a call has just done. `call.before` is what its handler found there.

    Each of many codes has a row of its own, which `gateway verify` holds against it.
    """
    caller = call.caller
    actor = Actor(caller.kind, caller.id, caller.name, caller.address)
    made = _plain(answer)
    for after in made["data"] if call.route.name == "codes.create" else [made]:
        audit_log.write(
            tx,
            _chain(call, after),
            actor,
            call.route.name,
            _object(call, after),
            before=_plain(call.before),
            after=after,
            request_id=call.trace_id,
        )


def _plain(value: Any) -> Any:
    if value is None:
        return None
    from nexctl.server.calls import without_secrets

    return msgspec.to_builtins(without_secrets(value))


def _object(call: Call, after: Any) -> str | None:
    """What was acted upon: the id of what was made, else the last one in the path."""
    found = after.get("id") if isinstance(after, dict) else None
    if call.values and (found is None or not call.route.name.endswith((".add", ".create"))):
        return call.values[-1]
    return str(found) if found is not None else None


def _chain(call: Call, after: Any) -> str | None:
    """Whose log it stands in: the customer's that it concerns, else the gateway's."""
    if call.account is not None:
        return call.account
    if call.caller.customer is not None:
        return call.caller.customer.id
    named = after.get("customer_id") if isinstance(after, dict) else None
    if named is None and call.route.path.startswith("/admin/v1/customers"):
        named = call.values[0] if call.values else after.get("id")
    return str(named) if named is not None else None
