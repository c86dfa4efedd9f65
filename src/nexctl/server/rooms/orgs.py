"""Organisations: made by a customer, managed by their owners and admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.safety.addresses import network_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.inference.policy import find
from nexctl.server.ledger import budgets, customers, events, keys, orgs, pools, wallets
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans, secrets
from nexctl.server.shapes import page_of, units_of
from nexctl.wire import orgs as wire
from nexctl.wire.base import UNSET

if TYPE_CHECKING:
    from nexctl.server.ledger.orgs import Member, Org, Project
    from nexctl.server.ledger.pools import Pool
    from nexctl.server.ledger.port import Transaction

MANAGEMENT = "management"
MOST = 50


def need_organisations(call: Call) -> None:
    """Refuse where the book has no organisations, or the plan lacks them."""
    if "organisations" not in call.house.book.data:
        raise Refuse("not_offered", "this gateway has no organisations")
    plans.need_feature(call, "organisations", "organisations")


def managed(tx: Transaction, call: Call, name: str) -> Org:
    """An active organisation that the caller manages: its own key, or an owner's or admin's."""
    org, role = _entered(tx, call, name)
    if role not in (None, orgs.OWNER, orgs.ADMIN):
        raise Refuse("not_permitted", f"a {role} does not manage the organisation")
    if org.state != "active":
        raise Refuse("state_conflict", "the organisation is closed")
    return org


def _entered(tx: Transaction, call: Call, name: str) -> tuple[Org, str | None]:
    """An organisation that the caller is in, and in which role; None is the organisation itself."""
    need_organisations(call)
    own = call.customer.id
    org = orgs.get(tx, name)
    if org is not None and org.id == own:
        return org, _role(call)
    member = orgs.seat_of(tx, org.id, own) if org is not None else None
    if org is None or member is None:
        raise Refuse("not_found", "there is no such organisation")
    call.account = org.id
    return org, member.role


def _role(call: Call) -> str | None:
    """The role of a key that acts as the organisation: its member's, or the organisation's own."""
    seat = call.caller.seat
    return seat.role if seat is not None else None


# the organisation itself -----------------------------------------------------------------------


def listed(tx: Transaction, call: Call) -> wire.OrgPage:
    """The organisations that the customer is in."""
    need_organisations(call)
    found = orgs.of_customer(tx, call.customer.id)
    if call.query.cursor is not None:
        found = [org for org in found if org.id > call.query.cursor]
    shown, cursor = page_of(found, call.query.limit, "id")
    return wire.OrgPage(
        data=[wire.Org(**_fields(tx, call, org)) for org in shown], next_cursor=cursor
    )


def shown(tx: Transaction, call: Call) -> wire.Org:
    """One organisation."""
    org, _ = _entered(tx, call, call.id)
    return wire.Org(**_fields(tx, call, org))


def create(tx: Transaction, call: Call) -> wire.OrgCreated:
    """Make an account with a wallet and a management key; the caller's customer is the owner."""
    need_organisations(call)
    house, body, owner = call.house, call.body, call.customer
    modes = house.book.data["organisations"].get("wallet_modes", orgs.MODES)
    if body.wallet_mode not in modes:
        raise Refuse("not_offered", "this gateway has no such wallet mode", param="wallet_mode")
    if orgs.get(tx, owner.id) is not None:
        raise Refuse("invalid_request", "an organisation makes no organisations")
    if len(orgs.of_customer(tx, owner.id)) >= MOST:
        raise Refuse("plan_limit", f"a customer is in at most {MOST} organisations")
    account = customers.create(
        tx, f"org:{body.slug}", currency=house.unit, scale=house.scale, plan=owner.plan
    )
    if body.name is not None:
        customers.change(tx, account.id, labels={"title": body.name})
    org = orgs.create(tx, account.id, body.slug, owner.id, body.wallet_mode)
    secret = secrets.new("management_key")
    key = keys.create(
        tx,
        account.id,
        MANAGEMENT,
        hash=secret.hash,
        prefix=secret.prefix,
        kind="management_key",
    )
    events.emit(tx, "customer.org_created", owner.id, {"id": org.id, "slug": org.slug})
    return wire.OrgCreated(
        **_fields(tx, call, org), key_id=key.id, prefix=secret.prefix, secret=secret.value
    )


def update(tx: Transaction, call: Call) -> wire.Org:
    """Change what pays."""
    org = managed(tx, call, call.id)
    call.before = wire.Org(**_fields(tx, call, org))
    if call.body.wallet_mode is not UNSET:
        org = orgs.change(tx, org.id, wallet_mode=call.body.wallet_mode)
    return wire.Org(**_fields(tx, call, org))


def close(tx: Transaction, call: Call) -> wire.Org:
    """Close an organisation: its keys end; what is left in its wallets stays in its book."""
    org, role = _entered(tx, call, call.id)
    if role not in (None, orgs.OWNER):
        raise Refuse("not_permitted", "only an owner closes an organisation")
    if call.caller.key is not None and call.caller.key.customer == org.id:
        raise Refuse("not_permitted", "an owner closes it, not its own key")
    if org.state != "active":
        raise Refuse("state_conflict", "the organisation is closed")
    if any(pool.held or pool.balance for pool in pools.listed(tx, org.id)):
        raise Refuse("state_conflict", "there are credits left: spend them, or ask the operator")
    call.before = wire.Org(**_fields(tx, call, org))
    closed = orgs.change(tx, org.id, state="closed")
    for key in keys.listed(tx, org.id, limit=100_000):
        if key.state != "revoked" and key.parent is None:
            keys.revoke(tx, key.id)
    return wire.Org(**_fields(tx, call, closed))


def _fields(tx: Transaction, call: Call, org: Org) -> dict[str, Any]:
    house = call.house
    found = wallets.show(tx, org.id)
    member = orgs.seat_of(tx, org.id, call.customer.id)
    labels = tx.value("SELECT labels FROM customers WHERE id=?", org.id)
    title = msgspec.json.decode(labels or "{}").get("title")
    return {
        "id": org.id,
        "slug": org.slug,
        "name": title or org.slug,
        "state": org.state,
        "wallet_mode": org.wallet_mode,
        "created_at": instant(org.created_at),
        "role": member.role if member is not None else _role(call),
        "currency": found.currency,
        "balance": house.money(found.balance),
        "held": house.money(found.held),
    }


# members ---------------------------------------------------------------------------------------


def members(tx: Transaction, call: Call) -> wire.MemberPage:
    """The active members."""
    org, _ = _entered(tx, call, call.id)
    found = [m for m in orgs.members(tx, org.id) if m.id > (call.query.cursor or "")]
    shown, cursor = page_of(found, call.query.limit, "id")
    return wire.MemberPage(data=[_member(member) for member in shown], next_cursor=cursor)


def add_member(tx: Transaction, call: Call) -> wire.Member:
    """Let a customer in, with the budgets that members get."""
    org, body = managed(tx, call, call.id), call.body
    if customers.get(tx, body.customer_id) is None:
        raise Refuse("not_found", "there is no such customer", param="customer_id")
    _may_give(tx, call, org, body.role)
    made = orgs.add_member(tx, org.id, body.customer_id, body.role)
    default_budgets(tx, org, "member", made.id)
    _tell(tx, org, "added", made)
    return _member(made)


def update_member(tx: Transaction, call: Call) -> wire.Member:
    """Another role."""
    org = managed(tx, call, call.values[0])
    found = orgs.member(tx, org.id, call.values[1])
    call.before = _member(found)
    for role in (found.role, call.body.role):
        _may_give(tx, call, org, role)
    made = orgs.set_role(tx, org.id, found.id, call.body.role)
    _tell(tx, org, "changed", made)
    return _member(made)


def remove_member(tx: Transaction, call: Call) -> wire.Member:
    """Let a member go, or leave."""
    org, _ = _entered(tx, call, call.values[0])
    found = orgs.member(tx, org.id, call.values[1])
    if found.customer != call.customer.id:
        managed(tx, call, org.id)
        _may_give(tx, call, org, found.role)
    call.before = _member(found)
    gone = orgs.remove_member(tx, org.id, found.id)
    _tell(tx, org, "removed", gone)
    return _member(gone)


def _may_give(tx: Transaction, call: Call, org: Org, role: str) -> None:
    """Owners are made and unmade by owners."""
    _, own = _entered(tx, call, org.id)
    if role == orgs.OWNER and own == orgs.ADMIN:
        raise Refuse("not_permitted", "only an owner makes or unmakes an owner")


def _tell(tx: Transaction, org: Org, what: str, member: Member) -> None:
    data = {"id": member.id, "org_id": org.id, "customer_id": member.customer, "role": member.role}
    events.emit(tx, f"member.{what}", org.id, data)


def _member(member: Member) -> wire.Member:
    return wire.Member(
        id=member.id,
        customer_id=member.customer,
        role=member.role,
        state=member.state,
        created_at=str(instant(member.created_at)),
        name=member.name or None,
    )


# projects --------------------------------------------------------------------------------------


def projects(tx: Transaction, call: Call) -> wire.ProjectPage:
    """The active projects."""
    org, _ = _entered(tx, call, call.id)
    found = [p for p in orgs.projects(tx, org.id) if p.id > (call.query.cursor or "")]
    shown, cursor = page_of(found, call.query.limit, "id")
    return wire.ProjectPage(data=[_project(project) for project in shown], next_cursor=cursor)


def create_project(tx: Transaction, call: Call) -> wire.Project:
    """Make a project, with the budgets that projects get."""
    org, body = managed(tx, call, call.id), call.body
    wallet = pools.find(tx, org.id, body.pool).id if body.pool else org.id
    made = orgs.add_project(tx, org.id, body.name, wallet)
    default_budgets(tx, org, "project", made.id)
    return _project(made)


def update_project(tx: Transaction, call: Call) -> wire.Project:
    """Another name, or another pool."""
    org, body = managed(tx, call, call.values[0]), call.body
    found = _living(orgs.project(tx, org.id, call.values[1]))
    call.before = _project(found)
    changes: dict[str, str] = {}
    if body.name is not UNSET:
        changes["name"] = body.name
    if body.pool is not UNSET:
        changes["wallet"] = pools.find(tx, org.id, body.pool).id if body.pool else org.id
    return _project(orgs.change_project(tx, org.id, found.id, **changes))


def archive_project(tx: Transaction, call: Call) -> wire.Project:
    """End a project: keys that count as its own end with it."""
    org = managed(tx, call, call.values[0])
    found = _living(orgs.project(tx, org.id, call.values[1]))
    call.before = _project(found)
    for key in keys.listed(tx, org.id, limit=100_000):
        if key.project == found.id and key.state != "revoked":
            keys.revoke(tx, key.id)
    return _project(orgs.change_project(tx, org.id, found.id, state="archived"))


def _living(project: Project) -> Project:
    if project.state != "active":
        raise Refuse("state_conflict", "the project is archived")
    return project


def _project(project: Project) -> wire.Project:
    return wire.Project(
        id=project.id,
        name=project.name,
        state=project.state,
        wallet=project.wallet,
        created_at=str(instant(project.created_at)),
    )


# rules -----------------------------------------------------------------------------------------


def policies(tx: Transaction, call: Call) -> wire.Policies:
    """Rules that come before keys'."""
    org, _ = _entered(tx, call, call.id)
    return _policies(call, org)


def set_policies(tx: Transaction, call: Call) -> wire.Policies:
    """Change rules; new default budgets are given to those who are there, too."""
    org, body = managed(tx, call, call.id), call.body
    call.before = _policies(call, org)
    changes: dict[str, Any] = {}
    if body.models is not UNSET:
        changes["models"] = (
            None
            if body.models is None
            else list(dict.fromkeys(find(call.house, name).id for name in body.models))
        )
    if body.addresses is not UNSET:
        changes["addresses"] = None if body.addresses is None else _networks(body.addresses)
    if body.default_budgets is not UNSET:
        changes["default_budgets"] = [
            {
                "scope": row.scope,
                "window": row.window,
                "amount": units_of(row.amount, call.house.scale, zero=True),
                "hard": row.hard,
            }
            for row in body.default_budgets
        ]
    org = orgs.change(tx, org.id, **changes)
    if "default_budgets" in changes:
        apply_default_budgets(tx, org)
    return _policies(call, org)


def default_budgets(tx: Transaction, org: Org, scope: str, scope_id: str) -> None:
    """Make the budgets that an organisation's policy gives a new member or project."""
    for terms in _wanted(org, scope, scope_id):
        budgets.put(tx, org.id, origin=budgets.POLICY, **terms)


def apply_default_budgets(tx: Transaction, org: Org) -> None:
    """Make the policy's budgets exactly those of every member and project there is."""
    wanted: list[dict[str, Any]] = []
    for member in orgs.members(tx, org.id):
        wanted += _wanted(org, "member", member.id)
    for project in orgs.projects(tx, org.id):
        wanted += _wanted(org, "project", project.id)
    budgets.replace_all(tx, org.id, budgets.POLICY, wanted)


def _wanted(org: Org, scope: str, scope_id: str) -> list[dict[str, Any]]:
    return [
        {
            "scope": scope,
            "scope_id": scope_id,
            "name": f"policy-{scope}",
            "span": row["window"],
            "amount": row["amount"],
            "hard": row["hard"],
            "alert_at": [80, 100],
        }
        for row in org.default_budgets
        if row["scope"] == scope
    ]


def _networks(texts: list[str]) -> list[str]:
    try:
        return [str(network_of(text)) for text in texts]
    except ValueError:
        raise Refuse("invalid_request", "not an address or a network", param="addresses") from None


def _policies(call: Call, org: Org) -> wire.Policies:
    return wire.Policies(
        org_id=org.id,
        models=None if org.models is None else list(org.models),
        addresses=None if org.addresses is None else list(org.addresses),
        default_budgets=[
            wire.GivenBudget(
                scope=row["scope"],
                amount=str(call.house.money(row["amount"])),
                window=row["window"],
                hard=row["hard"],
            )
            for row in org.default_budgets
        ],
    )


# pools -----------------------------------------------------------------------------------------


def pool_list(tx: Transaction, call: Call) -> wire.PoolPage:
    """Every wallet of the organisation."""
    org, _ = _entered(tx, call, call.id)
    return wire.PoolPage(data=_pools(tx, call, org))


def create_pool(tx: Transaction, call: Call) -> wire.Pool:
    """Make a wallet that projects share."""
    org = managed(tx, call, call.id)
    if not call.house.book.data["organisations"].get("shared_pools", False):
        raise Refuse("not_offered", "this gateway has no pools")
    return _pool(call, pools.create(tx, org.id, call.body.name))


def transfer(tx: Transaction, call: Call) -> wire.Transferred:
    """Move credits between the organisation's wallets."""
    org, role = _entered(tx, call, call.id)
    if role not in (None, orgs.OWNER, orgs.ADMIN, orgs.BILLING):
        raise Refuse("not_permitted", f"a {role} does not move credits")
    if org.state != "active":
        raise Refuse("state_conflict", "the organisation is closed")
    amount = units_of(call.body.amount, call.house.scale)
    pools.transfer(tx, org.id, call.body.from_ or org.id, call.body.to, amount)
    return wire.Transferred(data=_pools(tx, call, org))


def _pools(tx: Transaction, call: Call, org: Org) -> list[wire.Pool]:
    return [_pool(call, pool) for pool in pools.listed(tx, org.id)]


def _pool(call: Call, pool: Pool) -> wire.Pool:
    return wire.Pool(
        id=pool.id,
        name=pool.name,
        currency=call.house.unit,
        balance=str(call.house.money(pool.balance)),
        held=str(call.house.money(pool.held)),
    )
