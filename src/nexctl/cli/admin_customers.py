"""`nexctl admin customers suspend / credit / review / policy / contract / import`: its terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.admin import CUSTOMERS, OPERATOR
from nexctl.cli.base import App, argument, command, flag, into, option, whole
from nexctl.cli.bodies import converted
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.figures import plural
from nexctl.cli.render import Screen, Table, View
from nexctl.cli.rows import one
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.account.customers import Imported

CUSTOMER = ("id", "name", "state", "plan", "balance", "held", "currency")
ADJUSTED = ("customer_id", "sequence", "amount", "balance", "currency", "reverses")
POLICY = (
    "customer_id",
    "models",
    "providers",
    "providers_denied",
    "rpm",
    "concurrency",
    "quota",
    "discount_percent",
)
REVIEWED = ("customer_id", "wallet", "state", "forgiven", "debt", "balance", "currency")
CONTRACT = (
    *("customer_id", "state", "amount", "paid", "remaining", "currency", "starts", "ends"),
    *("sla", "capacity", "note"),
)
_ID = argument("customer", metavar="CUSTOMER", required=True, help="The customer's id.")


@command(
    _ID,
    flag("--resume", help="Let it work again."),
    option("--reason", metavar="TEXT", help="Why."),
    name="suspend",
    changes=True,
    examples=(
        "nexctl admin customers suspend cus_123 --reason 'unpaid'",
        "nexctl admin customers suspend cus_123 --resume",
    ),
)
def suspend(app: App, customer: str, resume: bool, reason: str | None) -> View:
    """Stop a customer's keys from spending and changing anything, or let them again."""
    from nexctl.wire.operators import Suspend

    body = converted({"suspended": not resume, "reason": reason}, Suspend)
    if app.dry_run:
        return dry(app, Planned("customers.suspend", customer, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        if not resume:
            app.confirm(f"Suspend customer {customer}, profile {app.profile.name}?")
        found = gateway.customer_rules.suspend(customer, body)
    return one(app, found, CUSTOMER, f"customer {found.name} is {found.state}")


@command(
    _ID,
    argument("amount", metavar="AMOUNT", required=True, help="How much, like 10."),
    option("--note", metavar="TEXT", required=True, help="What for; the customer reads it."),
    flag("--take", help="Take it away instead of giving it."),
    option("--request-id", metavar="ID", help="Give it back of what this request was charged."),
    option("--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."),
    name="credit",
    changes=True,
    examples=(
        "nexctl admin customers credit cus_123 10 --note 'outage of May 3'",
        "nexctl admin customers credit cus_123 0.02 --request-id req_7 --note 'billed twice'",
    ),
)
def credit(
    app: App,
    customer: str,
    amount: str,
    note: str,
    take: bool,
    request_id: str | None,
    idempotency_key: str | None,
) -> View:
    """Give a customer credits, or take some that nothing holds; an entry in its book says why.

    With --request-id it corrects a debit: at most what that request was charged, to the wallet that
    paid, and the entry names the debit that it reverses.
    """
    from nexctl.wire.operators import Adjustment

    money = terms.parse_positive(amount, what="AMOUNT")
    if take and request_id is not None:
        raise UsageError(
            "--take and --request-id exclude each other", hint="a correction only gives back"
        )
    signed = f"-{money}" if take else money
    body = converted({"amount": signed, "note": note, "request_id": request_id}, Adjustment)
    if app.dry_run:
        return dry(app, Planned("customers.adjust", customer, body=body))
    key = new_key(idempotency_key)
    with connect.gateway(app, OPERATOR) as gateway:
        unit = gateway.me().currency or ""
        verb = "Take" if take else "Give"
        app.confirm(
            f"{verb} {money} {unit} {'from' if take else 'to'} customer {customer}, "
            f"profile {app.profile.name}?"
        )
        with repeatable(key):
            made = gateway.customer_rules.adjust(customer, body, idempotency_key=key)
    said = f"the balance of {made.customer_id} is {made.balance} {made.currency}"
    return one(app, made, ADJUSTED, said, name="customer_id")


@command(
    _ID,
    option("--note", metavar="TEXT", required=True, help="Why; it is kept with the entry."),
    option("--wallet", metavar="ID", help="Another wallet of the customer than its first."),
    flag("--forgive-debt", help="Write off what the wallet still owes."),
    name="review",
    changes=True,
    examples=(
        "nexctl admin customers review cus_123 --note 'bank settled case 17'",
        "nexctl admin customers review cus_123 --forgive-debt --note 'goodwill'",
    ),
)
def review(app: App, customer: str, note: str, wallet: str | None, forgive_debt: bool) -> View:
    """Let a wallet that a dispute froze spend again; while it owes, it stays blocked."""
    from nexctl.wire.operators import Review

    body = converted({"note": note, "wallet": wallet, "forgive_debt": forgive_debt}, Review)
    if app.dry_run:
        return dry(app, Planned("customers.review", customer, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        writes = ", and write off what it owes" if forgive_debt else ""
        app.confirm(f"Free the wallet of customer {customer}{writes}, profile {app.profile.name}?")
        found = gateway.customer_rules.review(customer, body)
    owes = f", {found.debt} {found.currency} owed" if found.state == "blocked" else ""
    said = f"wallet {found.wallet} is {found.state}{owes}"
    return one(app, found, REVIEWED, said, name="customer_id")


@command(
    _ID,
    option("--model", many=True, metavar="M", help="Only these models; repeatable."),
    option("--provider", many=True, metavar="ID", help="Only these providers; repeatable."),
    option("--deny-provider", many=True, metavar="ID", help="Never these; repeatable."),
    option("--rpm", metavar="N", value=whole(1, 10**9), help="Requests a minute."),
    option("--concurrency", metavar="N", value=whole(1, 10**9), help="Requests at once."),
    option("--quota", metavar="A[/WINDOW]", help="A hard budget, like 500/month."),
    option("--discount", metavar="P%", help="Off its charges, where the book leaves it open."),
    option(
        "--clear",
        many=True,
        metavar="RULE",
        choices=("models", "providers", "denied", "rpm", "concurrency", "quota", "discount"),
        help="Take a rule away; repeatable.",
    ),
    name="policy",
    changes=True,
    examples=(
        "nexctl admin customers policy cus_123",
        "nexctl admin customers policy cus_123 --provider main --quota 500/month",
    ),
)
def policy(app: App, customer: str, clear: tuple[str, ...], **given: Any) -> View:
    """Show what a customer is allowed, or change some of it; the next request meets it."""
    from nexctl.wire.operators import PolicySet

    fields = _rules(given, clear)
    if not fields:
        with connect.gateway(app, OPERATOR) as gateway:
            found = gateway.customer_rules.policy(customer)
        return one(app, found, POLICY, f"policy of {customer}", name="customer_id")
    body = converted(fields, PolicySet)
    if app.dry_run:
        return dry(app, Planned("customers.set_policy", customer, body=body))
    with connect.gateway(app, OPERATOR) as gateway:
        found = gateway.customer_rules.set_policy(customer, body)
    return one(app, found, POLICY, f"policy of {customer} is changed", name="customer_id")


def _rules(given: dict[str, Any], clear: tuple[str, ...]) -> dict[str, Any]:
    names = {"denied": "providers_denied", "discount": "discount_percent"}
    fields: dict[str, Any] = {
        names.get(rule, rule): [] if rule == "denied" else None for rule in clear
    }
    lists = {"model": "models", "provider": "providers", "deny_provider": "providers_denied"}
    for option_, field in lists.items():
        if given[option_]:
            fields[field] = list(given[option_])
    for field in ("rpm", "concurrency"):
        if given[field] is not None:
            fields[field] = given[field]
    if given["discount"] is not None:
        fields["discount_percent"] = given["discount"].removesuffix("%").strip()
    if given["quota"] is not None:
        wanted = terms.parse_budget(given["quota"], what="--quota")
        fields["quota"] = {"amount": wanted.amount, "window": wanted.window}
    return fields


@command(
    _ID,
    option("--amount", metavar="A", help="What is committed, before tax, like 60000."),
    option("--from", metavar="DATE", help="The first day, in UTC."),
    option("--to", metavar="DATE", help="The last day."),
    option("--sla", metavar="TEXT", help="The service level that was agreed."),
    option("--capacity", metavar="TEXT", help="The capacity that was agreed."),
    option("--note", metavar="TEXT", help="What else; the customer reads it."),
    flag("--end", help="End the contract now."),
    name="contract",
    changes=True,
    examples=(
        "nexctl admin customers contract cus_123",
        "nexctl admin customers contract cus_123 --amount 60000 --from 2026-12-01 --to 2027-11-30 "
        "--sla 99.9%",
    ),
)
def contract(app: App, customer: str, end: bool, **given: Any) -> View:
    """Show what is agreed with a customer, or agree on it: amount, term, service, capacity.

    While it lasts the customer's orders up to what is still open of the amount need no review and
    may be paid by invoice. Its discount is a rule: admin customers policy --discount.
    """
    from nexctl.wire.funding import ContractSet

    names = {"from": "starts", "to": "ends"}
    fields = {names.get(k, k): v for k, v in given.items() if v is not None}
    if end and fields:
        raise UsageError("--end takes no terms", hint="end it, or agree on another one")
    if not fields and not end:
        with connect.gateway(app, OPERATOR) as gateway:
            found = gateway.customer_rules.contract(customer)
        said = f"contract with {customer}: {found.state.replace('_', ' ')}"
        return one(app, found, CONTRACT, said, name="customer_id")
    body = None if end else converted(fields, ContractSet)
    if app.dry_run:
        route = "customers.end_contract" if end else "customers.set_contract"
        return dry(app, Planned(route, customer, body=body))
    with connect.gateway(app, OPERATOR) as gateway, repeatable():
        if body is None:
            app.confirm(f"End the contract with {customer}, profile {app.profile.name}?")
            found = gateway.customer_rules.end_contract(customer)
            said = f"the contract with {customer} is ended"
        else:
            found = gateway.customer_rules.set_contract(customer, body)
            said = f"contract with {customer}: {found.state.replace('_', ' ')}"
    return one(app, found, CONTRACT, said, name="customer_id")


@command(
    argument("file", metavar="FILE", required=True, suggest="files", help="A CSV of customers."),
    into("--write", help="Their keys (0600).", required=True),
    name="import",
    changes=True,
    examples=("nexctl admin customers import customers.csv --write keys.csv",),
)
def import_(app: App, file: str, write: str) -> View:
    """Make many customers from a CSV with the columns name, plan, email, external_id, labels.

    The whole file is checked first. Each management key is on disk before the next customer is
    made, and names that the key file has already are left alone: the same command resumes.
    """
    from nexctl.account import customers, results

    rows = customers.read(file)
    if write == file:
        raise UsageError("--write names the sheet itself", hint="name another file")
    missing = results.unmade(rows, write, customers.RESULT)
    if app.dry_run:
        return dry(app, *(Planned("customers.create", body=row.wanted) for row in missing))
    with connect.gateway(app, OPERATOR) as gateway:
        if missing:
            app.confirm(f"Make {plural(len(missing), 'customer')}, profile {app.profile.name}?")
        answers = customers.make(gateway, rows, write)
    return _imported(app, answers, write)


def _imported(app: App, answers: list[Imported], path: str) -> View:
    failed = [answer for answer in answers if answer.error is not None]

    def line(screen: Screen) -> None:
        screen.line((f"{plural(len(answers) - len(failed), 'customer')} made", "bold"))
        for answer in failed:
            screen.line(f"  line {answer.line}: {answer.name}: {answer.error}")
        screen.line(f"  keys are in {path}")

    columns = ("name", "id", "prefix", "error")
    data = [{name: getattr(answer, name) for name in columns} for answer in answers]
    view = View(
        {"customers": data, "written_to": path, "profile": app.profile.name},
        text=line,
        table=Table(columns, [[row[name] for name in columns] for row in data]),
        names=[str(row["id"]) for row in data if row["id"]],
    )
    if failed:
        from nexctl.errors import CheckFailed

        app.emit(view)
        raise CheckFailed(
            f"{plural(len(failed), 'customer')} could not be made: {failed[0].error}",
            hint="correct them and run the command again",
        )
    return view


COMMANDS = (*CUSTOMERS, suspend, credit, review, policy, contract, import_)
