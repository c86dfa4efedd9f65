"""One call on its way through: who makes it, to which route, with which body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from nexctl.server.http import Answer, Request
from nexctl.server.policies import EVERYTHING, Policy
from nexctl.server.refusing import Refuse
from nexctl.wire.base import encode

if TYPE_CHECKING:
    from nexctl.server.house import House, Terms
    from nexctl.server.ledger.keys import Key
    from nexctl.server.ledger.orgs import Seat
    from nexctl.server.ledger.port import Transaction
    from nexctl.wire.routes import Route

# As long as a UUID or a hash with a prefix may be.
MOST_IDEMPOTENCY = 255


class Holder(NamedTuple):
    """The customer that a key belongs to, as far as every call needs it."""

    id: str
    state: str
    plan: str | None


class Caller(Struct, frozen=True):
    """Who calls. `kind` is one of the route table's callers; keys and customers are ledger rows.

    `address` is where from, None in this process. `parent` is a sub-key's parent. `seat` is where
    the call is made for an organisation, whose account `customer` then is. `policy` is what the
    operator allows the customer.
    """

    kind: str
    id: str
    prefix: str
    name: str | None = None
    key: Key | None = None
    parent: Key | None = None
    customer: Holder | None = None
    address: str | None = None
    seat: Seat | None = None
    policy: Policy = EVERYTHING

    @property
    def is_operator(self) -> bool:
        """Whether an operator's key calls."""
        return self.kind.startswith("operator:")


class Call:
    """Everything that a handler needs."""

    __slots__ = (
        "_caller",
        "_plan",
        "account",
        "before",
        "body",
        "house",
        "plain",
        "query",
        "raw",
        "request",
        "route",
        "trace_id",
        "values",
    )

    def __init__(
        self,
        house: House,
        route: Route,
        request: Request,
        values: tuple[str, ...],
        trace_id: str,
    ) -> None:
        self.house, self.route, self.request = house, route, request
        self.values, self.trace_id = values, trace_id
        self._caller: Caller | None = None
        self._plan: Terms | None = None
        self.body: Any = None
        self.plain: Any = None
        self.query: Any = None
        self.raw = b""
        # What a handler found before it changed something, for the audit log.
        self.before: Any = None
        # Whose account it concerns, where that is not the caller's own.
        self.account: str | None = None

    @property
    def caller(self) -> Caller:
        """Who calls; only routes that ask for a key may use it."""
        if self._caller is None:
            raise AssertionError("this route asks for no key")
        return self._caller

    @caller.setter
    def caller(self, found: Caller) -> None:
        self._caller, self._plan = found, None

    @property
    def customer(self) -> Holder:
        """The calling key's customer."""
        found = self.caller.customer
        if found is None:
            raise Refuse("not_permitted")
        return found

    @property
    def plan(self) -> Terms | None:
        """The customer's plan."""
        found = self._plan
        if found is None:
            found = self._plan = self.house.plan_of(self.customer.plan)
        return found

    @property
    def id(self) -> str:
        """The value of the path's only parameter."""
        return self.values[0]

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key of a write; refused where it cannot be one."""
        key = self.request.headers.get("idempotency-key") if self.route.idempotent else None
        if key is not None and not (
            0 < len(key) <= MOST_IDEMPOTENCY and key.isascii() and key.isprintable()
        ):
            raise Refuse(
                "invalid_request", "Idempotency-Key is 1 to 255 printable ASCII characters"
            )
        return key

    async def commit(self, operation: Callable[[Transaction, Call], Any]) -> Answer:
        """Run a write as one transaction, its answer remembered under its Idempotency-Key.

        The same key and body get the first answer again, without secrets; another body is refused.
        """
        return await self.house.write(_committed, self, operation, self.idempotency_key)


def _committed(
    tx: Transaction, call: Call, operation: Callable[[Transaction, Call], Any], key: str | None
) -> Answer:
    from nexctl.server import auditing

    if key is None:
        answer = operation(tx, call)
        auditing.record(tx, call, answer)
        return Answer(encode(answer), call.route.status)
    from nexctl.server.ledger import idempotency

    caller, request = call.caller, call.request
    scope = (
        caller.customer.id if caller.customer else "",
        *(caller.id, request.method, request.path, key),
    )
    # What a query names is part of what is asked, as a body's fields are.
    digest = hashlib.sha256(request.query + call.raw).digest()
    before = idempotency.begin(tx, *scope, digest)
    if before is not None:
        return Answer(before.response, before.status)
    answer = operation(tx, call)
    auditing.record(tx, call, answer)
    status = call.route.status
    idempotency.finish(tx, *scope, status, encode(without_secrets(answer)))
    return Answer(encode(answer), status)


def without_secrets(answer: Any) -> Any:
    """The answer that a repetition gets: what is shown once is null, `replayed` is true."""
    if not isinstance(answer, msgspec.Struct):
        return answer
    fields = answer.__struct_fields__
    changed: dict[str, Any] = {}
    if "replayed" in fields:
        changed["replayed"] = True
        changed.update({name: None for name in ("secret", "code") if name in fields})
        if "data" in fields:
            rows = answer.data  # type: ignore[attr-defined]
            changed["data"] = [
                msgspec.structs.replace(row, code=None) if "code" in row.__struct_fields__ else row
                for row in rows
            ]
    return msgspec.structs.replace(answer, **changed) if changed else answer
