"""`nexctl subscription` and `nexctl billing-profile`: the plan, and who is invoiced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, option
from nexctl.cli.changes import Planned, done, dry, new_key, repeatable
from nexctl.cli.facts import facts_view
from nexctl.cli.figures import money
from nexctl.cli.render import View

if TYPE_CHECKING:
    from nexctl.wire.funding import Subscription
    from nexctl.wire.papers import BillingProfile


@command(examples=("nexctl subscription show",))
def show(app: App) -> View:
    """The plan, its fee with tax, and whether it is paid."""
    with connect.gateway(app) as gateway:
        found = gateway.funding.subscription()
    return _plan(app, found, f"plan {found.plan or 'none'}, profile {app.profile.name}")


@command(
    argument("plan", metavar="PLAN", required=True, help="The plan to be on."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
    name="set",
    changes=True,
    examples=("nexctl subscription set pro",),
)
def set_(app: App, plan: str, idempotency_key: str | None) -> View:
    """Be on a plan from now on: its monthly fee is debited from what was paid in.

    Each plan is paid once a month, and again on each first of the month.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.funding import SubscriptionSet

    body = converted({"plan": plan}, SubscriptionSet)
    if app.dry_run:
        return dry(app, Planned("subscription.set", body=body))
    key = new_key(idempotency_key)
    with connect.gateway(app) as gateway:
        app.confirm(f"Debit the fee of plan {plan} and be on it, profile {app.profile.name}?")
        with repeatable(key):
            found = gateway.funding.subscribe(plan, idempotency_key=key)
    return _plan(app, found, done(app, f"the plan is {found.plan}"))


def _plan(app: App, found: Subscription, title: str) -> View:
    unit = found.currency
    # Where the unit is credits a plan has no fee: it follows from what is topped up.
    unknown = "not published" if found.plan and len(unit) == len("USD") else None
    pairs = (
        ("state", found.state.replace("_", " ")),
        ("fee", money(found.fee, unit) if found.fee is not None else unknown),
        ("tax", money(found.tax, unit) if found.tax is not None else None),
        ("", found.tax_note),
        ("total", money(found.total, unit) if found.total is not None else None),
        ("paid for", found.paid_period),
        ("renews", found.renews_at),
    )
    return facts_view(app, found, title, pairs, name=found.plan or "none")


@command(examples=("nexctl subscription contract",))
def contract(app: App) -> View:
    """What is agreed with the operator: amount, term, what was paid of it, service, capacity."""
    with connect.gateway(app) as gateway:
        found = gateway.funding.contract()
    unit = found.currency or ""
    pairs = [
        (name, money(getattr(found, name), unit) if found.amount is not None else None)
        for name in ("amount", "paid", "remaining")
    ]
    pairs += [
        (name, getattr(found, name)) for name in ("starts", "ends", "sla", "capacity", "note")
    ]
    title = f"contract: {found.state.replace('_', ' ')}, profile {app.profile.name}"
    return facts_view(app, found, title, pairs, name=found.state)


@command(name="show", examples=("nexctl billing-profile show",))
def profile_show(app: App) -> View:
    """Who is invoiced, and whose country decides about tax."""
    with connect.gateway(app) as gateway:
        found = gateway.papers.profile()
    title = f"billing profile {found.version}" if found.version else "no billing profile yet"
    return _profile(app, found, f"{title}, profile {app.profile.name}")


@command(
    option("--name", metavar="NAME", required=True, help="Company or person."),
    option("--country", metavar="CC", required=True, help="Two letters, such as SG."),
    option("--kind", choices=("business", "consumer"), help="Default: business."),
    option("--tax-id", metavar="ID", help="VAT or GST number."),
    option("--address", metavar="TEXT", help="As it is printed."),
    option("--email", metavar="MAIL", help="Where papers go."),
    option("--purchase-order", metavar="PO", help="Printed on each invoice."),
    name="set",
    changes=True,
    examples=("nexctl billing-profile set --name 'Acme Pte. Ltd.' --country SG --tax-id M9-1",),
)
def profile_set(app: App, **given: Any) -> View:
    """Say who is invoiced from now on. Papers that were issued stay as they are."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.papers import BillingProfileSet

    kept = {name: value for name, value in given.items() if value is not None}
    kept["country"] = kept["country"].upper()
    body = converted(kept, BillingProfileSet)
    if app.dry_run:
        return dry(app, Planned("billing_profile.set", body=body))
    with connect.gateway(app) as gateway, repeatable():
        found = gateway.papers.set_profile(body)
    return _profile(app, found, done(app, f"billing profile {found.version} is in force"))


def _profile(app: App, found: BillingProfile, title: str) -> View:
    pairs = (
        ("name", found.name),
        ("country", found.country),
        ("kind", found.kind),
        ("tax id", found.tax_id),
        ("address", found.address),
        ("email", found.email),
        ("purchase order", found.purchase_order),
        ("changed", found.changed_at),
    )
    return facts_view(app, found, title, pairs, name=str(found.version))


SUBSCRIPTION = (show, set_, contract)
PROFILE = (profile_show, profile_set)
