"""Who may call: Host names, keys, roles, addresses, and a rough brake on attempts.

Nothing in the transport makes a caller trusted: a call in this process brings a bearer like any
other, and has no address, so that no allow-list of addresses lets it in.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from nexctl.server import policies, seats
from nexctl.server.calls import Call, Caller, Holder
from nexctl.server.http import Request
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.keys import Key
    from nexctl.server.ledger.orgs import Seat
    from nexctl.server.ledger.port import Transaction
    from nexctl.wire.routes import Route

LONGEST_SECRET = 256
# Tries a minute that one key may make where its plan has no RPM limit; beyond are only accidents.
SPARE_ATTEMPTS = 20


def check_host(house: House, request: Request) -> None:
    """Refuse a Host that is not served here: no page of another site may call this machine."""
    allowed = house.options.hosts
    if allowed is None:
        return
    host = request.headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in allowed and host not in allowed:
        raise Refuse("host_not_allowed")


def authenticate(house: House, route: Route, request: Request) -> Caller:
    """The caller of a route that asks for a key, or the refusal that it meets."""
    # Callers in Claude's shape bring their key without a scheme.
    given = request.headers.get("authorization") or f"Bearer {request.headers.get('x-api-key', '')}"
    scheme, _, secret = given.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not 0 < len(secret) <= LONGEST_SECRET or not secret.isascii():
        raise Refuse("invalid_api_key")
    digest = hashlib.sha256(secret.encode()).digest()
    address = address_of(house, request)
    known = _operator if secret.startswith("nxt_op_") else _customer_key
    found = house.ledger.recall((known, digest), known, digest)
    caller = found.caller(house.now(), address) if found is not None else None
    if caller is None:
        raise Refuse("invalid_api_key")
    if caller.kind not in route.callers:
        raise Refuse("not_permitted")
    if not caller.is_operator:
        caller = _seated(house, route, request, caller)
        _check_key(house, route, caller)
    return caller


def _seated(house: House, route: Route, request: Request, caller: Caller) -> Caller:
    """A member's caller as it acts for the organisation that the request names in a header."""
    header = seats.header_of(house.book)
    named = request.headers.get(header) if header is not None else None
    key = caller.key
    if named is None or key is None or caller.seat is not None:
        return caller
    if caller.customer is None or caller.customer.state != "active":
        raise Refuse("customer_suspended")
    found = house.ledger.recall((seats.of_member, named, key.customer), seats.of_member, named, key)
    if found is None:
        raise Refuse("not_permitted", "the customer is no member of that organisation")
    role = str(found.seat.role)
    if not seats.may(route, role, infers=is_counted(route)):
        raise Refuse("not_permitted", f"a {role} may not do that for the organisation")
    customer = Holder(found.seat.org.id, found.state, found.plan)
    return replace(caller, customer=customer, policy=policies.parsed(found.policy), seat=found.seat)


class Known(NamedTuple):
    """What a secret's hash belongs to, and since it was read nothing has changed."""

    kind: str
    id: str
    prefix: str
    name: str | None
    key: Key | None = None
    parent: Key | None = None
    customer: Holder | None = None
    secret_expires_at: int | None = None
    seat: Seat | None = None
    policy: policies.Policy = policies.EVERYTHING

    def caller(self, now: int, address: str | None) -> Caller | None:
        """The caller, None where a key or its secret has ended by now."""
        if self.secret_expires_at is not None and self.secret_expires_at <= now:
            return None
        for found in (self.key, self.parent):
            if found is not None and not is_live(found, now):
                return None
        return Caller(*self[:7], address, self.seat, self.policy)


def _operator(tx: Transaction, digest: bytes) -> Known | None:
    """The operator whose key that is, unless it was revoked."""
    from nexctl.server.ledger import operators

    found = operators.by_secret(tx, digest)
    if found is None or found.state != "active":
        return None
    return Known(f"operator:{found.role}", found.id, found.prefix, found.name)


def _customer_key(tx: Transaction, digest: bytes) -> Known | None:
    """The customer's key, its parent and the customer."""
    from nexctl.server.ledger import keys

    known = keys.by_secret(tx, digest)
    if known is None:
        return None
    key, parent = known.key, known.parent
    customer = Holder(key.customer, known.customer_state, known.plan)
    seat = seats.of_own_key(tx, key, parent) if known.is_org else None
    if known.is_org and seat is None:
        return None
    return Known(
        *(key.kind, key.id, known.prefix, key.name, key, parent, customer),
        known.secret_expires_at,
        seat,
        policies.parsed(known.policy),
    )


def is_live(key: Key, now: int) -> bool:
    """Whether a key works: active, and not expired."""
    return key.state == "active" and (key.expires_at is None or key.expires_at > now)


def _check_key(house: House, route: Route, caller: Caller) -> None:
    for key in (caller.key, caller.parent):
        allowed = key.ip_allowlist if key is not None else None
        if allowed is not None and not inside(caller.address, tuple(allowed)):
            raise Refuse("ip_not_allowed")
    ruled = caller.seat.org.addresses if caller.seat is not None else None
    if ruled is not None and not inside(caller.address, ruled):
        raise Refuse("ip_not_allowed")
    customer = caller.customer
    if customer is None or (customer.state != "active" and (route.writes or is_paid(route))):
        raise Refuse("customer_suspended")


def is_paid(route: Route) -> bool:
    """Whether a route sends something to a provider."""
    return "upstream_error" in route.refusals


def is_counted(route: Route) -> bool:
    """Whether a route counts a prompt, which is never stored."""
    return "context_length_exceeded" in route.refusals


def brake(house: House, call: Call) -> None:
    """Refuse a key that tries far more often than its limits allow, before its body is read."""
    caller = call.caller
    if caller.customer is None or not is_counted(call.route):
        return
    plan = call.plan
    limits = [key.rpm for key in (caller.key, caller.parent) if key is not None and key.rpm]
    most = plan.limit("rpm") if plan is not None else None
    if most is not None:
        limits.append(most)
    if not limits:
        return
    seconds = house.attempts.wait(caller.id, 2 * min(limits) + SPARE_ATTEMPTS)
    if seconds:
        raise Refuse("rate_limited", seconds=seconds, details={"retry_after_seconds": seconds})


def address_of(house: House, request: Request) -> str | None:
    """The caller's address: the peer's, or what a trusted proxy says that it forwards for."""
    peer = request.peer
    proxies = house.options.proxies
    if peer is None or not proxies or not inside(peer, proxies):
        return peer
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]
    for address in reversed(forwarded):
        if not address:
            continue
        if not inside(address, proxies):
            return address if _parsed(address) is not None else None
    return peer


def inside(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks; no address lies nowhere."""
    found = _parsed(address) if address else None
    if found is None:
        return False
    return any(network is not None and found in network for network in map(_network, networks))


@lru_cache(maxsize=4096)
def _parsed(address: str) -> Any:
    import ipaddress

    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=4096)
def _network(text: str) -> Any:
    from nexctl.safety.addresses import network_of

    try:
        return network_of(text)
    except ValueError:
        return None
