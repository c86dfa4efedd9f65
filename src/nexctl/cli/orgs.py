"""`nexctl orgs`, `projects`, `members`: organisations, where the gateway's book has them."""

from __future__ import annotations

from typing import Any

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, into, option
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.deliver import Delivery
from nexctl.cli.figures import money as shown
from nexctl.cli.render import View
from nexctl.cli.rows import listing, one, secret
from nexctl.cli.tree import Entry
from nexctl.errors import UsageError

ORG = ("id", "slug", "name", "role", "state", "wallet_mode", "balance", "held", "currency")
MEMBER = ("id", "name", "customer_id", "role", "state", "created_at")
PROJECT = ("id", "name", "state", "wallet", "created_at")
POOL = ("id", "name", "balance", "held", "currency")
POLICY = ("org_id", "models", "addresses", "default_budgets")
ROLES = ("owner", "admin", "member", "billing")
_MONEY = ("balance", "held")
_ORG = argument("org", metavar="ORG", required=True, help="The organisation's id or slug.")
_IN = option("--org", metavar="ORG", required=True, help="The organisation's id or slug.")
_IDEMPOTENCY = option(
    "--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."
)

# organisations -----------------------------------------------------------------------------------


@command(name="list", examples=("nexctl orgs list",))
def orgs_list(app: App) -> View:
    """The organisations that you are in, with their balances."""
    with connect.gateway(app) as gateway:
        return listing(list(gateway.orgs.list()), ORG, right=_MONEY)


@command(_ORG, name="show", examples=("nexctl orgs show acme",))
def orgs_show(app: App, org: str) -> View:
    """One organisation."""
    with connect.gateway(app) as gateway:
        found = gateway.orgs.show(org)
    return one(app, found, ORG, f"organisation {found.slug}")


@command(
    argument("slug", metavar="SLUG", required=True, help="Its short name: a-z, 0-9 and dashes."),
    option("--name", metavar="NAME", help="What people call it."),
    option(
        "--wallet",
        metavar="MODE",
        choices=("strict", "fallback"),
        help="strict: only its wallet pays; fallback: then the member's.",
    ),
    into("--write", help="Keep its key in FILE (0600)."),
    _IDEMPOTENCY,
    name="create",
    changes=True,
    examples=("nexctl orgs create acme --write acme.key",),
)
def orgs_create(
    app: App,
    slug: str,
    name: str | None,
    wallet: str | None,
    write: str | None,
    idempotency_key: str | None,
) -> View:
    """Make an organisation with a wallet of its own; you are its owner.

    Its management key is shown once: with it every command acts for the organisation.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import OrgCreate

    delivery = Delivery(app, write)
    body = converted({"slug": slug, "name": name, "wallet_mode": wallet or "strict"}, OrgCreate)
    if app.dry_run:
        return dry(app, Planned("orgs.create", body=body))
    delivery.refuse_taken()
    key = new_key(idempotency_key)
    with connect.gateway(app) as gateway, repeatable(key):
        made = gateway.orgs.create(body, idempotency_key=key)
    shown = None
    if made.secret is not None:
        shown = delivery.deliver(
            made.secret,
            f"organisation {made.slug} ({made.id}) is made",
            id=made.id,
            remedy=f"'nexctl keys create --org {made.slug} --name NAME' makes another key for it",
            what="its key is",
        )
    return secret(app, made, (*ORG, "key_id"), f"organisation {made.slug} is made", shown)


@command(
    _ORG,
    option(
        "--wallet",
        metavar="MODE",
        choices=("strict", "fallback"),
        required=True,
        help="strict: only its wallet pays; fallback: then the member's.",
    ),
    name="set",
    changes=True,
    examples=("nexctl orgs set acme --wallet fallback",),
)
def orgs_set(app: App, org: str, wallet: str) -> View:
    """Change which wallet pays; the next request meets it."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import OrgUpdate

    body = converted({"wallet_mode": wallet}, OrgUpdate)
    if app.dry_run:
        return dry(app, Planned("orgs.update", org, body=body))
    with connect.gateway(app) as gateway:
        found = gateway.orgs.update(org, body)
    return one(app, found, ORG, f"organisation {found.slug} is changed")


@command(_ORG, name="close", changes=True, examples=("nexctl orgs close acme",))
def orgs_close(app: App, org: str) -> View:
    """Close an empty organisation for ever: its keys end."""
    if app.dry_run:
        return dry(app, Planned("orgs.close", org))
    with connect.gateway(app) as gateway:
        app.confirm(f"Close organisation {org} for ever, profile {app.profile.name}?")
        found = gateway.orgs.close(org)
    return one(app, found, ORG, f"organisation {found.slug} is closed")


@command(
    _ORG,
    option("--model", many=True, metavar="M", help="Only these models; repeatable."),
    option("--ip", many=True, metavar="CIDR", help="Only from these addresses; repeatable."),
    option("--member-budget", metavar="A[/WINDOW]", help="What each member gets."),
    option("--project-budget", metavar="A[/WINDOW]", help="What each project gets."),
    flag("--soft", help="These budgets only warn."),
    flag("--all-models", help="Allow every model."),
    flag("--all-ips", help="Allow every address."),
    flag("--no-budgets", help="Give no budgets any more."),
    name="policy",
    changes=True,
    examples=(
        "nexctl orgs policy acme",
        "nexctl orgs policy acme --model gpt-4.1-mini --member-budget 50/month",
    ),
)
def orgs_policy(app: App, org: str, **given: Any) -> View:
    """Show the rules that come before keys', or change some of them.

    A rule that is not named stays as it is. Budgets given here are made for those who are there,
    too, and only change here.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import PoliciesSet

    fields = _rules(given)
    if not fields:
        with connect.gateway(app) as gateway:
            return one(app, gateway.orgs.policies(org), POLICY, f"rules of {org}", name="org_id")
    body = converted(fields, PoliciesSet)
    if app.dry_run:
        return dry(app, Planned("policies.set", org, body=body))
    with connect.gateway(app) as gateway:
        found = gateway.orgs.set_policies(org, body)
    return one(app, found, POLICY, f"rules of {org} are changed", name="org_id")


def _rules(given: dict[str, Any]) -> dict[str, Any]:
    for named, rest in (("model", "all_models"), ("ip", "all_ips")):
        if given[named] and given[rest]:
            raise UsageError(f"--{named} and --{rest.replace('_', '-')} contradict each other")
    fields: dict[str, Any] = {}
    if given["model"] or given["all_models"]:
        fields["models"] = list(given["model"]) or None
    if given["ip"] or given["all_ips"]:
        fields["addresses"] = list(given["ip"]) or None
    rows = []
    for scope in ("member", "project"):
        text = given[f"{scope}_budget"]
        if text is not None:
            wanted = terms.parse_budget(text, what=f"--{scope}-budget")
            rows.append(
                {
                    "scope": scope,
                    "amount": wanted.amount,
                    "window": wanted.window,
                    "hard": not given["soft"],
                }
            )
    if rows or given["no_budgets"]:
        fields["default_budgets"] = [] if given["no_budgets"] else rows
    return fields


# pools -------------------------------------------------------------------------------------------


@command(_ORG, name="list", examples=("nexctl orgs pools list acme",))
def pools_list(app: App, org: str) -> View:
    """The organisation's wallets: its own and its pools."""
    with connect.gateway(app) as gateway:
        return listing(gateway.orgs.pools(org), POOL, right=_MONEY)


@command(
    _ORG,
    argument("name", metavar="NAME", required=True, help="The pool's name."),
    name="create",
    changes=True,
    examples=("nexctl orgs pools create acme research",),
)
def pools_create(app: App, org: str, name: str) -> View:
    """Make a wallet that projects share."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import PoolCreate

    body = converted({"name": name}, PoolCreate)
    if app.dry_run:
        return dry(app, Planned("pools.create", org, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.orgs.create_pool(org, body)
    return one(app, made, POOL, f"pool {made.name} is made")


@command(
    _ORG,
    argument("amount", metavar="AMOUNT", required=True, help="How much."),
    option("--to", metavar="POOL", required=True, help="Into this pool (id or name)."),
    option("--from", metavar="POOL", help="Out of this pool; default: its own wallet."),
    _IDEMPOTENCY,
    name="transfer",
    changes=True,
    examples=("nexctl orgs pools transfer acme 100 --to research",),
)
def pools_transfer(
    app: App, org: str, amount: str, to: str, idempotency_key: str | None, **given: Any
) -> View:
    """Move credits between the organisation's wallets; each keeps its end."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import Transfer

    source = given["from"]
    money = terms.parse_positive(amount, what="AMOUNT")
    body = converted({"to": to, "from": source, "amount": money}, Transfer)
    if app.dry_run:
        return dry(app, Planned("pools.transfer", org, body=body))
    key = new_key(idempotency_key)
    with connect.gateway(app) as gateway:
        unit = gateway.orgs.pools(org)[0].currency
        app.confirm(
            f"Move {shown(money, unit)} from {source or 'main'} to {to} in {org}, "
            f"profile {app.profile.name}?"
        )
        with repeatable(key):
            rows = gateway.orgs.transfer(org, body, idempotency_key=key)
    return listing(rows, POOL, right=_MONEY)


# projects ----------------------------------------------------------------------------------------


@command(_IN, name="list", examples=("nexctl projects list --org acme",))
def projects_list(app: App, org: str) -> View:
    """Projects that keys can count for."""
    with connect.gateway(app) as gateway:
        return listing(list(gateway.orgs.projects(org)), PROJECT)


@command(
    argument("name", metavar="NAME", required=True, help="The project's name."),
    _IN,
    option("--pool", metavar="POOL", help="The pool that pays for it (id or name)."),
    name="create",
    changes=True,
    examples=("nexctl projects create search --org acme",),
)
def projects_create(app: App, name: str, org: str, pool: str | None) -> View:
    """Make a project."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import ProjectCreate

    body = converted({"name": name, "pool": pool}, ProjectCreate)
    if app.dry_run:
        return dry(app, Planned("projects.create", org, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.orgs.create_project(org, body)
    return one(app, made, PROJECT, f"project {made.name} is made")


@command(
    argument("project", metavar="PROJECT", required=True, help="The project's id or name."),
    _IN,
    option("--name", metavar="NAME", help="Another name."),
    option("--pool", metavar="POOL", help="The pool that pays for it; main is its own wallet."),
    name="set",
    changes=True,
    examples=("nexctl projects set search --org acme --pool research",),
)
def projects_set(app: App, project: str, org: str, name: str | None, pool: str | None) -> View:
    """Change a project's name or the pool that pays for it."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import ProjectUpdate

    given = {field: value for field, value in (("name", name), ("pool", pool)) if value}
    if not given:
        raise UsageError("nothing to change", hint="give --name or --pool")
    body = converted(given, ProjectUpdate)
    if app.dry_run:
        return dry(app, Planned("projects.update", org, project, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.orgs.update_project(org, project, body)
    return one(app, made, PROJECT, f"project {made.name} is changed")


@command(
    argument("project", metavar="PROJECT", required=True, help="The project's id or name."),
    _IN,
    name="archive",
    changes=True,
    examples=("nexctl projects archive search --org acme",),
)
def projects_archive(app: App, project: str, org: str) -> View:
    """End a project; its keys end with it, its records stay."""
    if app.dry_run:
        return dry(app, Planned("projects.archive", org, project))
    with connect.gateway(app) as gateway:
        app.confirm(f"Archive project {project} of {org}, profile {app.profile.name}?")
        gone = gateway.orgs.archive_project(org, project)
    return one(app, gone, PROJECT, f"project {gone.name} is archived")


# members -----------------------------------------------------------------------------------------


@command(_IN, name="list", examples=("nexctl members list --org acme",))
def members_list(app: App, org: str) -> View:
    """Members and their roles."""
    with connect.gateway(app) as gateway:
        return listing(list(gateway.orgs.members(org)), MEMBER)


@command(
    argument("customer", metavar="CUSTOMER", required=True, help="The customer's id."),
    _IN,
    option("--role", metavar="ROLE", choices=ROLES, help="owner, admin, member or billing."),
    name="add",
    changes=True,
    examples=("nexctl members add cus_123 --org acme --role billing",),
)
def members_add(app: App, customer: str, org: str, role: str | None) -> View:
    """Let a customer in; members get the budgets of the organisation's rules."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import MemberAdd

    body = converted({"customer_id": customer, "role": role or "member"}, MemberAdd)
    if app.dry_run:
        return dry(app, Planned("members.add", org, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.orgs.add_member(org, body)
    return one(app, made, MEMBER, f"{made.customer_id} is {made.role} of {org}")


@command(
    argument("member", metavar="MEMBER", required=True, help="The member's id."),
    _IN,
    option("--role", metavar="ROLE", choices=ROLES, required=True, help="The new role."),
    name="set",
    changes=True,
    examples=("nexctl members set mem_123 --org acme --role admin",),
)
def members_set(app: App, member: str, org: str, role: str) -> View:
    """Give a member another role. An organisation keeps an owner."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.orgs import MemberUpdate

    body = converted({"role": role}, MemberUpdate)
    if app.dry_run:
        return dry(app, Planned("members.update", org, member, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.orgs.update_member(org, member, body)
    return one(app, made, MEMBER, f"{made.customer_id} is {made.role} of {org}")


@command(
    argument("member", metavar="MEMBER", required=True, help="The member's id."),
    _IN,
    name="remove",
    changes=True,
    examples=("nexctl members remove mem_123 --org acme",),
)
def members_remove(app: App, member: str, org: str) -> View:
    """Let a member go; keys that count as the member's end."""
    if app.dry_run:
        return dry(app, Planned("members.remove", org, member))
    with connect.gateway(app) as gateway:
        app.confirm(f"Remove member {member} of {org}, profile {app.profile.name}?")
        gone = gateway.orgs.remove_member(org, member)
    return one(app, gone, MEMBER, f"{gone.customer_id} is no member of {org} any more")


POOLS = (pools_list, pools_create, pools_transfer)
ORGS = (
    orgs_list,
    orgs_show,
    orgs_create,
    orgs_set,
    orgs_close,
    orgs_policy,
    Entry("pools", "nexctl.cli.orgs:POOLS", "Its wallets: list, create, transfer.", group=True),
)
PROJECTS = (projects_list, projects_create, projects_set, projects_archive)
MEMBERS = (members_list, members_add, members_set, members_remove)
