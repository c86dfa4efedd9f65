"""`nexctl admin`: operate the gateway of the profile in force, with the operator's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, into, option, whole
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, done, dry, named, new_key, repeatable
from nexctl.cli.deliver import Delivery
from nexctl.cli.figures import money, plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.cli.tree import Entry
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.admin import Code, Customer, CustomerCreated

OPERATOR = "operator"
_IDEMPOTENCY = option(
    "--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."
)

# customers ---------------------------------------------------------------------------------------


@command(
    option("--name", metavar="N", help="Only the customer of this name."),
    option("--state", metavar="STATE", choices=("active", "suspended"), help="Only in this state."),
    name="list",
    examples=("nexctl admin customers list",),
)
def customers_list(app: App, name: str | None, state: str | None) -> View:
    """Customers with their balances."""
    from nexctl.wire.admin import CustomerQuery
    from nexctl.wire.base import plain

    with connect.gateway(app, OPERATOR) as gateway:
        rows = list(gateway.customers.list(CustomerQuery(name=name, state=state)))
    return View(
        lambda: [plain(row) for row in rows],
        table=lambda: _customers(rows),
        names=lambda: named(rows),
    )


def _customers(rows: Sequence[Customer]) -> Table:
    fields = ("id", "name", "state", "plan", "balance", "held", "currency", "email", "external_id")
    right = ("balance", "held")
    return Table(
        [Column(name, right=name in right) for name in (*fields, "created_at")],
        [[getattr(row, name) for name in (*fields, "created_at")] for row in rows],
    )


@command(
    argument("name", metavar="NAME", required=True, help="The customer's name."),
    option("--plan", metavar="PLAN", help="Plan of the price book."),
    option("--email", metavar="EMAIL", help="Where to write to."),
    option("--external-id", metavar="ID", help="Your own name for the customer."),
    option("--label", many=True, metavar="K=V", help="Label; repeatable."),
    into("--write", help="Keep its key in FILE (0600)."),
    _IDEMPOTENCY,
    name="create",
    changes=True,
    examples=("nexctl admin customers create acme --plan pro --write acme.key",),
)
def customers_create(
    app: App, name: str, label: tuple[str, ...], write: str | None, **given: Any
) -> View:
    """Make a customer with its wallet and its management key, which is shown once."""
    from nexctl.wire.admin import CustomerCreate

    idempotency_key = given.pop("idempotency_key")
    delivery = Delivery(app, write)
    labels = terms.parse_labels(label) or None
    body = converted({"name": name, "labels": labels, **given}, CustomerCreate)
    if app.dry_run:
        return dry(app, Planned("customers.create", body=body))
    delivery.refuse_taken()
    key = new_key(idempotency_key)
    with connect.gateway(app, OPERATOR) as gateway, repeatable(key):
        made = gateway.customers.create(body, idempotency_key=key)
    return _made(app, made, delivery)


def _made(app: App, made: CustomerCreated, delivery: Delivery) -> View:
    from nexctl.account.customers import UNREACHED
    from nexctl.wire.base import plain

    if made.secret is None and app.quiet and app.format in ("auto", "table"):
        raise NexctlError(
            f"customer {made.name} was made before; its key cannot be shown again",
            hint="the customer's own keys are made with 'nexctl keys create'",
            code="secret_not_shown_again",
            details={"id": made.id},
        )
    shown = None
    if made.secret is not None:
        shown = delivery.deliver(
            made.secret,
            f"customer {made.name} ({made.id}) is made",
            id=made.id,
            remedy=UNREACHED.format(made.id),
            what="its key is",
        )

    def write(screen: Screen) -> None:
        if app.quiet:
            if shown is not None:
                screen.line(shown)
            return
        plan = f" on plan {made.plan}" if made.plan else ""
        screen.line((done(app, f"customer {made.name} is made{plan}"), "bold"))
        rows = [("id", made.id), ("key", f"{made.prefix}... ({made.key_id})")]
        rows.append(("balance", money(made.balance, made.currency or "")))
        screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)
        if shown is not None:
            screen.blank()
            screen.line(("  management key  ", "bold"), shown)

    if shown is not None and not app.quiet and app.format in ("auto", "table"):
        app.note("note: the key is shown this once; hand it over now")
    elif delivery.path is not None:
        app.note(f"note: the key is in {delivery.path}")
    columns = ("id", "name", "plan", "key_id", "prefix", "secret")
    data = {**plain(made), "secret": shown}
    return View(
        {**data, "profile": app.profile.name, "written_to": delivery.path},
        text=write,
        table=Table(columns, [[data[name] for name in columns]]),
        names=[made.id],
    )


# codes -------------------------------------------------------------------------------------------

CODE = (
    *("id", "prefix", "state", "amount", "currency", "created_at", "expires_at"),
    *("credits_expire_at", "redeemed_by", "redeemed_at", "note"),
)


@command(
    option(
        "--state",
        metavar="STATE",
        choices=("open", "redeemed", "expired", "void"),
        help="Only codes in this state: open, redeemed, expired, void.",
    ),
    name="list",
    examples=("nexctl admin codes list --state open",),
)
def codes_list(app: App, state: str | None) -> View:
    """Codes and their states; a code itself is shown when it is made."""
    from nexctl.wire.admin import CodeQuery

    with connect.gateway(app, OPERATOR) as gateway:
        rows = list(gateway.codes.list(CodeQuery(state=state)))  # type: ignore[arg-type]
    return View(
        lambda: [{name: getattr(row, name) for name in CODE} for row in rows],
        table=lambda: Table(
            [Column(name, right=name == "amount") for name in CODE],
            [[getattr(row, name) for name in CODE] for row in rows],
        ),
        names=lambda: named(rows),
    )


@command(
    argument("amount", metavar="AMOUNT", required=True, help="What each gives: 10; promo also 8%."),
    flag("--promo", help="Codes for a top-up's bonus instead of credits."),
    option(
        "--uses", metavar="N", value=whole(1, 10**6), help="Customers per promo code; default 1."
    ),
    option("--count", metavar="N", value=whole(1, 1000), help="How many; default: 1."),
    option("--expires", metavar="AGE", help="How long they can be redeemed: 30d."),
    option("--credits-expire", metavar="AGE", help="How long from now their credits last: 365d."),
    option("--note", metavar="TEXT", help="What they are for."),
    into("--write", help="Keep the codes in FILE (0600)."),
    _IDEMPOTENCY,
    name="create",
    changes=True,
    examples=("nexctl admin codes create 10 --count 20 --write codes.txt",),
)
def codes_create(
    app: App,
    amount: str,
    promo: bool,
    uses: int | None,
    count: int | None,
    expires: str | None,
    credits_expire: str | None,
    note: str | None,
    write: str | None,
    idempotency_key: str | None,
) -> View:
    """Make codes that give credits once each. They are shown once; -q prints them alone.

    They are worth money, so it is asked.
    """
    from nexctl.wire.admin import CodesCreate

    delivery = Delivery(app, write)
    body = converted(
        {
            **_value(amount, promo, uses),
            "count": count or 1,
            "expires_at": _later(app, expires, "--expires"),
            "credits_expire_at": _later(app, credits_expire, "--credits-expire"),
            "note": note,
        },
        CodesCreate,
    )
    if app.dry_run:
        return dry(app, Planned("codes.create", body=body))
    delivery.refuse_taken()
    key = new_key(idempotency_key)
    with connect.gateway(app, OPERATOR) as gateway:
        unit = gateway.me().currency or ""
        app.confirm(
            f"Make {plural(body.count, 'code')} of "
            f"{body.percent + ' %' if body.percent else money(body.amount, unit)} each, "
            f"profile {app.profile.name}?"
        )
        with repeatable(key):
            rows = gateway.codes.create(body, idempotency_key=key).data
    return _codes(app, rows, delivery)


def _value(amount: str, promo: bool, uses: int | None) -> dict[str, Any]:
    """What a code is worth: an amount, or as a promotional one also a share of the top-up."""
    if uses is not None and not promo:
        raise UsageError("--uses goes with --promo", hint="a code of credits is used once")
    kind = {"kind": "promo", "uses": uses or 1} if promo else {}
    if not amount.endswith("%"):
        return {**kind, "amount": terms.parse_positive(amount, what="AMOUNT")}
    if not promo:
        raise UsageError("AMOUNT: a percentage goes with --promo", hint="or give an amount")
    return {**kind, "percent": terms.parse_positive(amount.removesuffix("%"), what="AMOUNT")}


def _later(app: App, text: str | None, what: str) -> str | None:
    if text is None:
        return None
    import time

    seconds = terms.parse_age(text, what=what)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(app.now()) + seconds))


def _codes(app: App, rows: Sequence[Code], delivery: Delivery) -> View:
    from nexctl.wire.base import plain

    texts = [row.code for row in rows if row.code is not None]
    if len(texts) < len(rows):
        raise NexctlError(
            "these codes were made before and cannot be shown again",
            hint="'nexctl admin codes list' names them",
            code="secret_not_shown_again",
        )
    made = delivery.deliver(
        "\n".join(texts),
        f"{plural(len(rows), 'code')} made",
        id=rows[0].id,
        remedy="'nexctl admin codes list' names them; nobody can redeem them, make others",
        what="the text is",
    )
    shown = made is not None

    def write(screen: Screen) -> None:
        if not app.quiet:
            screen.line((done(app, f"{plural(len(rows), 'code')} made"), "bold"))
        if shown:
            for text in texts:
                screen.line(text if app.quiet else f"  {text}")

    if delivery.path is not None:
        app.note(f"note: the codes are in {delivery.path}")
    columns = ("id", "code", "amount", "currency", "expires_at", "credits_expire_at")
    data = [{**plain(row), "code": row.code if shown else None} for row in rows]
    return View(
        data,
        text=write,
        table=Table(columns, [[row[name] for name in columns] for row in data]),
        names=[row.id for row in rows],
    )


CUSTOMERS = (customers_list, customers_create)
CODES = (codes_list, codes_create)

COMMANDS = (
    Entry(
        "customers",
        "nexctl.cli.admin_customers:COMMANDS",
        "Customers: list, create, import, suspend, credit, policy.",
        group=True,
    ),
    Entry("keys", "nexctl.cli.admin_keys:COMMANDS", "Customers' keys: list, stop.", group=True),
    Entry(
        "operators",
        "nexctl.cli.admin_operators:COMMANDS",
        "Who runs the gateway: list, create, revoke.",
        group=True,
    ),
    Entry(
        "webhooks",
        "nexctl.cli.admin_webhooks:COMMANDS",
        "Who is told of events; deliveries, replay.",
        group=True,
    ),
    Entry(
        "audit-log",
        "nexctl.cli.audit_log:ADMIN",
        "Who did what: list, export, verify.",
        group=True,
    ),
    Entry(
        "payments",
        "nexctl.cli.admin_payments:COMMANDS",
        "Orders: list, approve, reject, refund.",
        group=True,
    ),
    Entry(
        "providers",
        "nexctl.cli.admin_providers:COMMANDS",
        "Where requests go: list, add, set, remove, cost.",
        group=True,
    ),
    Entry(
        "models",
        "nexctl.cli.admin_models:COMMANDS",
        "Which models are served: list, set.",
        group=True,
    ),
    Entry(
        "routes",
        "nexctl.cli.admin_routes:COMMANDS",
        "Names and the models tried for them: list, set, remove.",
        group=True,
    ),
    Entry(
        "prices",
        "nexctl.cli.admin_prices:COMMANDS",
        "Prices from costs, in dated versions: list, draft, diff, apply.",
        group=True,
    ),
    Entry("margin", "nexctl.cli.admin_margin:margin", "What was charged and what it cost."),
    Entry("usage", "nexctl.cli.admin_margin:usage", "Usage of all customers with its cost."),
    Entry("reconcile", "nexctl.cli.admin_reconcile:reconcile", "Whether money and papers agree."),
    Entry(
        "subscriptions",
        "nexctl.cli.admin_reconcile:SUBSCRIPTIONS",
        "Customers' plans: list, set.",
        group=True,
    ),
    Entry("codes", "nexctl.cli.admin:CODES", "Codes that give credits: list, create.", group=True),
    Entry(
        "terms",
        "nexctl.cli.admin_terms:COMMANDS",
        "Loyalty, fees, tax, policies: show, set.",
        group=True,
    ),
    Entry(
        "invoices", "nexctl.cli.papers:ADMIN", "Papers of all customers: list, void.", group=True
    ),
)
