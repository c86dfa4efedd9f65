"""In whose name a key calls: its own customer's, or an organisation's that the caller is in.

A key of the organisation's own acts for it as it stands. A member's own key acts for it where the
request names it in the header that the book gives; the member's role says what it may do there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nexctl.server.ledger import orgs
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.orgs import Seat

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.ledger.keys import Key
    from nexctl.server.ledger.port import Transaction
    from nexctl.wire.routes import Route

# Nouns of routes that a role may call for the organisation; owner and admin call all of them.
_READS = frozenset(("me", "prices", "models"))
_MAY = {
    orgs.MEMBER: _READS,
    orgs.BILLING: _READS
    | {
        *("wallet", "topups", "grants", "usage", "invoices", "statements", "subscription"),
        *("billing_profile", "auto_topup", "audit_log"),
    },
}
_MEMBERS = frozenset(("wallet.show",))
_BILLING = frozenset(("budgets.list", "budgets.show"))


def header_of(book: Book) -> str | None:
    """The header that names an organisation, lower case; None where the book has none."""
    found = book.data.get("organisations", {}).get("header")
    return str(found).lower() if found else None


def may(route: Route, role: str, *, infers: bool) -> bool:
    """Whether a role calls a route for its organisation; `infers` says that it uses models."""
    if role in (orgs.OWNER, orgs.ADMIN):
        return True
    noun = route.name.partition(".")[0]
    if role == orgs.MEMBER:
        return infers or noun in _MAY[role] or route.name in _MEMBERS
    return not infers and (noun in _MAY[role] or route.name in _BILLING)


def of_own_key(tx: Transaction, key: Key, parent: Key | None) -> Seat | None:
    """The seat of an organisation's own key. None where it no longer may act."""
    org = orgs.get(tx, key.customer)
    if org is None or org.state != "active":
        return None
    whose = parent or key
    member = None
    if whose.member is not None:
        member = orgs.member(tx, org.id, whose.member)
        if member.state != "active":
            return None
    try:
        return orgs.seat(tx, org, member, whose.project, own=False)
    except Refused:  # its project was archived
        return None


class Place(NamedTuple):
    """A member's seat, and the organisation's account: its state, plan and policy."""

    seat: Seat
    state: str
    plan: str | None
    policy: str


def of_member(tx: Transaction, named: str, key: Key) -> Place | None:
    """The seat of a member's own key in the organisation of a name; None where it has none."""
    org = orgs.get(tx, named)
    member = orgs.seat_of(tx, org.id, key.customer) if org is not None else None
    if org is None or org.state != "active" or member is None:
        return None
    row = tx.one("SELECT state, plan, policy FROM customers WHERE id=?", org.id)
    return None if row is None else Place(orgs.seat(tx, org, member, None, own=True), *row)
