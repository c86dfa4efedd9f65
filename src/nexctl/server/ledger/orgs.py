"""Organisations: accounts of their own, with members, projects and rules that come before keys'.

An organisation is a customer with a wallet, keys and a book like any other; a row here makes it one
that others are members of. A member is another customer in a role. A project counts what its keys
spend, and may be paid from a pool: a further wallet of the organisation.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import ids
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction

ROLES = OWNER, ADMIN, MEMBER, BILLING = ("owner", "admin", "member", "billing")
MODES = ("strict", "fallback")


class Org(NamedTuple):
    """One organisation. `models` and `addresses` None allow all that keys allow.

    `wallet_mode` strict: only its own wallet pays; fallback: the member's pays where it is empty.
    `default_budgets` are made for each member and project: scope, window, amount, hard.
    """

    id: str
    slug: str
    state: str
    wallet_mode: str
    models: tuple[str, ...] | None
    addresses: tuple[str, ...] | None
    default_budgets: tuple[dict[str, Any], ...]
    created_at: int
    name: str = ""


class Member(NamedTuple):
    """A customer in an organisation."""

    id: str
    org: str
    customer: str
    role: str
    state: str
    created_at: int
    removed_at: int | None
    name: str = ""


class Project(NamedTuple):
    """A project; `wallet` pays for it: the organisation's own or one of its pools."""

    id: str
    org: str
    name: str
    state: str
    wallet: str
    created_at: int


class Seat(NamedTuple):
    """In which place of an organisation a caller acts.

    `payer` is the member's own account where the organisation falls back on it. `wallet` pays.
    """

    org: Org
    role: str | None
    member: str | None
    project: str | None
    project_name: str | None
    wallet: str
    payer: str | None

    def facts(self) -> dict[str, str]:
        """What a usage record says about it."""
        found = {
            "org_id": self.org.id,
            "member_id": self.member,
            "project_id": self.project,
            "project": self.project_name,
        }
        return {name: value for name, value in found.items() if value is not None}


_ORG = (
    "o.id, o.slug, o.state, o.wallet_mode, o.models, o.addresses, o.default_budgets, "
    "o.created_at, c.name"
)
_MEMBER = (
    "m.id, m.org_id, m.customer_id, m.role, m.state, m.created_at, m.removed_at, c.name "
    "FROM members m JOIN customers c ON c.id=m.customer_id"
)
_PROJECT = "id, org_id, name, state, wallet, created_at"
_JSON = msgspec.json.decode


def _org(row: Row) -> Org:
    lists = [None if text is None else tuple(_JSON(text)) for text in row[4:6]]
    return Org._make((*row[:4], *lists, tuple(_JSON(row[6])), *row[7:]))


def create(tx: Transaction, account: str, slug: str, owner: str, wallet_mode: str) -> Org:
    """Make an account an organisation whose owner is a customer."""
    if tx.one("SELECT 1 FROM orgs WHERE slug=?", slug) is not None:
        raise Refused("name_taken", f"there is an organisation {slug!r} already")
    tx.run(
        "INSERT INTO orgs (id, slug, state, wallet_mode, models, addresses, default_budgets, "
        "created_at) VALUES (?,?,'active',?,NULL,NULL,'[]',?)",
        *(account, slug, wallet_mode, tx.clock.now()),
    )
    add_member(tx, account, owner, OWNER)
    return there(tx, account)


def get(tx: Transaction, org: str) -> Org | None:
    """One organisation by its id or slug."""
    row = tx.one(
        f"SELECT {_ORG} FROM orgs o JOIN customers c ON c.id=o.id WHERE o.id=? OR o.slug=?",
        *(org, org),
    )
    return None if row is None else _org(row)


def there(tx: Transaction, org: str) -> Org:
    """One organisation; Refused not_found where there is none."""
    found = get(tx, org)
    if found is None:
        raise Refused("not_found", "there is no such organisation")
    return found


def of_customer(tx: Transaction, customer: str) -> list[Org]:
    """The organisations that a customer is a member of, and the one that it is."""
    rows = tx.all(
        f"SELECT {_ORG} FROM orgs o JOIN customers c ON c.id=o.id WHERE o.id=? OR o.id IN "
        "(SELECT org_id FROM members WHERE customer_id=? AND state='active') ORDER BY o.id",
        *(customer, customer),
    )
    return [_org(row) for row in rows]


def change(tx: Transaction, org: str, **fields: Any) -> Org:
    """Set state, wallet_mode, models, addresses or default_budgets."""
    for field, value in fields.items():
        if field in ("models", "addresses"):
            kept = None if value is None else _text(list(value))
        elif field == "default_budgets":
            kept = _text(list(value))
        elif field in ("state", "wallet_mode"):
            kept = value
        else:
            raise TypeError(field)
        tx.run(f"UPDATE orgs SET {field}=? WHERE id=?", kept, org)
    return there(tx, org)


# members ---------------------------------------------------------------------------------------


def add_member(tx: Transaction, org: str, customer: str, role: str) -> Member:
    """Let a customer in; name_taken where it is a member."""
    if seat_of(tx, org, customer) is not None:
        raise Refused("name_taken", "that customer is a member already")
    if tx.one("SELECT 1 FROM orgs WHERE id=?", customer) is not None:
        raise Refused("invalid_request", "an organisation is no member of another")
    made = ids.new("mem")
    tx.run(
        "INSERT INTO members (id, org_id, customer_id, role, state, created_at) "
        "VALUES (?,?,?,?,'active',?)",
        *(made, org, customer, role, tx.clock.now()),
    )
    return member(tx, org, made)


def member(tx: Transaction, org: str, name: str) -> Member:
    """One member by its id; Refused not_found where it is none of this organisation."""
    row = tx.one(f"SELECT {_MEMBER} WHERE m.id=? AND m.org_id=?", name, org)
    if row is None:
        raise Refused("not_found", "there is no such member")
    return Member(*row)


def seat_of(tx: Transaction, org: str, customer: str) -> Member | None:
    """The active membership of a customer."""
    row = tx.one(
        f"SELECT {_MEMBER} WHERE m.org_id=? AND m.customer_id=? AND m.state='active'",
        *(org, customer),
    )
    return None if row is None else Member(*row)


def members(tx: Transaction, org: str) -> list[Member]:
    """The active members."""
    rows = tx.all(f"SELECT {_MEMBER} WHERE m.org_id=? AND m.state='active' ORDER BY m.id", org)
    return [Member(*row) for row in rows]


def set_role(tx: Transaction, org: str, name: str, role: str) -> Member:
    """Give a member another role; the last owner stays one."""
    found = _active(tx, org, name)
    if found.role == OWNER and role != OWNER:
        _keep_an_owner(tx, org, name)
    tx.run("UPDATE members SET role=? WHERE id=?", role, name)
    return member(tx, org, name)


def remove_member(tx: Transaction, org: str, name: str) -> Member:
    """Let a member go; the last owner stays. Keys that count as the member's end with it."""
    found = _active(tx, org, name)
    if found.role == OWNER:
        _keep_an_owner(tx, org, name)
    now = tx.clock.now()
    tx.run("UPDATE members SET state='removed', removed_at=? WHERE id=?", now, name)
    tx.run(
        "UPDATE keys SET state='revoked', revoked_at=? WHERE customer_id=? AND state<>'revoked' "
        "AND (member_id=? OR parent_id IN (SELECT id FROM keys WHERE member_id=?))",
        *(now, org, name, name),
    )
    return member(tx, org, name)


def _active(tx: Transaction, org: str, name: str) -> Member:
    found = member(tx, org, name)
    if found.state != "active":
        raise Refused("state_conflict", "that member was removed")
    return found


def _keep_an_owner(tx: Transaction, org: str, name: str) -> None:
    # Two owners that let each other go must not both succeed: the organisation's row is locked.
    tx.one("SELECT id FROM orgs WHERE id=?" + tx.lock, org)
    others = tx.value(
        "SELECT count(*) FROM members WHERE org_id=? AND role='owner' AND state='active' AND id<>?",
        *(org, name),
    )
    if not others:
        raise Refused("state_conflict", "an organisation needs an owner", hint="name another first")


# projects --------------------------------------------------------------------------------------


def add_project(tx: Transaction, org: str, name: str, wallet: str) -> Project:
    """Make a project; name_taken where there is one of that name."""
    if tx.one("SELECT 1 FROM projects WHERE org_id=? AND name=? AND state='active'", org, name):
        raise Refused("name_taken", f"there is a project {name!r} already")
    made = ids.new("prj")
    tx.run(
        f"INSERT INTO projects ({_PROJECT}) VALUES (?,?,?,'active',?,?)",
        *(made, org, name, wallet, tx.clock.now()),
    )
    return project(tx, org, made)


def project(tx: Transaction, org: str, name: str) -> Project:
    """One project by id, or by name where it is active."""
    row = tx.one(
        f"SELECT {_PROJECT} FROM projects WHERE org_id=? AND (id=? OR (name=? AND state='active'))",
        *(org, name, name),
    )
    if row is None:
        raise Refused("not_found", "there is no such project")
    return Project(*row)


def projects(tx: Transaction, org: str) -> list[Project]:
    """The active projects."""
    rows = tx.all(
        f"SELECT {_PROJECT} FROM projects WHERE org_id=? AND state='active' ORDER BY id", org
    )
    return [Project(*row) for row in rows]


def change_project(tx: Transaction, org: str, name: str, **fields: Any) -> Project:
    """Set name, state or wallet."""
    found = project(tx, org, name)
    for field, value in fields.items():
        if field not in ("name", "state", "wallet"):
            raise TypeError(field)
        if (
            field == "name"
            and value != found.name
            and tx.one(
                "SELECT 1 FROM projects WHERE org_id=? AND name=? AND state='active'", org, value
            )
        ):
            raise Refused("name_taken", f"there is a project {value!r} already")
        tx.run(f"UPDATE projects SET {field}=? WHERE id=?", value, found.id)
    return project(tx, org, found.id)


def seat(
    tx: Transaction, org: Org, member: Member | None, project: str | None, *, own: bool
) -> Seat:
    """The place of a caller: `own` says that its own key came, so that its wallet may fall in."""
    wallet, name = org.id, None
    if project is not None:
        row = tx.one(
            "SELECT name, wallet, state FROM projects WHERE id=? AND org_id=?", project, org.id
        )
        if row is None or row[2] != "active":
            raise Refused("not_found", "there is no such project")
        name, wallet = row[0], row[1]
    payer = member.customer if member is not None and org.wallet_mode == "fallback" else None
    return Seat(
        org,
        member.role if member is not None else None,
        member.id if member is not None else None,
        *(project, name, wallet, payer if own else None),
    )


def _text(value: Sequence[Any]) -> str:
    return msgspec.json.encode(value).decode()
