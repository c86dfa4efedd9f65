"""`nexctl wallet`: what is there, what can be spent, and adding money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, option, whole
from nexctl.cli.changes import Planned, dry, new_key, repeatable
from nexctl.cli.render import View
from nexctl.cli.tree import Entry
from nexctl.cli.wallet_report import (
    ledger_row,
    ledger_table,
    order_view,
    packs_view,
    redeemed_view,
    topups_view,
    wallet_view,
    write_preview,
)
from nexctl.cli.wallet_runway import runway
from nexctl.cli.wallets import create, grants, list_, set_
from nexctl.errors import ConfirmationNeeded, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.topups import TopUp, TopUpCreate

WAIT_SECONDS = 900
_IDEMPOTENCY = option(
    "--idempotency-key", metavar="KEY", help="Ask again under the key of an earlier try."
)
_TOPUP = (
    argument("amount", metavar="[AMOUNT]", help="What the credits cost before tax, like 50."),
    option("--pack", metavar="PACK", help="A pack of the gateway; 'wallet packs' lists them."),
    option("--method", metavar="METHOD", help="Way to pay; 'wallet packs' lists them."),
    option("--promo", metavar="CODE", help="Promotional code."),
    option("--network", metavar="CHAIN", help="Chain of a transfer; 'wallet packs' lists them."),
    option("--wallet", metavar="ID", help="Another wallet than the first one."),
    flag("--wait", help="Follow the order until it is credited (15 minutes, or --timeout)."),
    _IDEMPOTENCY,
)


@command(acts=True, examples=("nexctl wallet show", "nexctl wallet show -o json"))
def show(app: App) -> View:
    """Balance, held, and what can be spent now, with the limit that binds.

    Spendable is the least that wallet, key, parent and the customer's budgets leave.
    """
    from nexctl.account import wallet as workflow

    with connect.gateway(app) as gateway:
        found = workflow.summary(gateway)
        facts = gateway.me() if app.format in ("auto", "table") else None
    for note in found.notes:
        app.note(f"note: {note}")
    return wallet_view(app, found, facts)


@command(
    *_TOPUP,
    changes=True,
    acts=True,
    examples=("nexctl wallet topup 50", "nexctl wallet topup --pack builder --wait"),
)
def topup(app: App, **given: Any) -> View | None:
    """Order credits: shows every part of the total, makes the order, tells how to pay it.

    Never pays by itself, so nothing is asked. Exit 8 for an order that has to be reviewed, and
    with --wait where it is not credited in time.
    """
    return _order(app, **given)


@command(
    *_TOPUP,
    changes=True,
    acts=True,
    examples=("nexctl recharge 50",),
)
def recharge(app: App, **given: Any) -> View | None:
    """Order credits: another name of 'nexctl wallet topup'."""
    return _order(app, **given)


def _order(
    app: App,
    amount: str | None,
    pack: str | None,
    method: str | None,
    promo: str | None,
    network: str | None,
    wallet: str | None,
    wait: bool,
    idempotency_key: str | None,
) -> View | None:
    from nexctl.account import topups as workflow

    wanted = _wanted(amount, pack, method, promo, network, wallet)
    if app.dry_run:
        return dry(app, Planned("topups.create", body=wanted, hide=("promo_code",)))
    key = new_key(idempotency_key)
    with connect.gateway(app) as gateway:
        figures = workflow.preview(gateway, wanted)
        if app.format in ("auto", "table"):
            write_preview(app, figures)
        with repeatable(key):
            order = workflow.order(gateway, wanted, idempotency_key=key)
        waiting: NexctlError | None = None
        try:
            workflow.check_state(order)
            if wait:
                order, waiting = _followed(app, gateway, order)
        except NexctlError as error:
            waiting = error
    app.emit(order_view(app, order))
    if waiting is not None:
        raise waiting
    return None


def _followed(app: App, gateway: Gateway, order: TopUp) -> tuple[TopUp, NexctlError | None]:
    """The order when it is credited, or as it was last seen with the reason why it is not."""
    from nexctl.account import topups as workflow

    last = [order]

    def changed(found: TopUp) -> None:
        last.append(found)
        app.note(f"order {found.id}: {found.state}")

    _how_to_pay(app, order)
    seconds = int(app.timeout or WAIT_SECONDS)
    try:
        return workflow.follow(gateway, str(order.id), seconds=seconds, changed=changed), None
    except NexctlError as error:
        return last[-1], error


def _how_to_pay(app: App, order: TopUp) -> None:
    from nexctl.cli.wallet_report import payment_lines

    for line in payment_lines(app, order):
        app.note(line)


def _wanted(
    amount: str | None,
    pack: str | None,
    method: str | None,
    promo: str | None,
    network: str | None,
    wallet: str | None,
) -> TopUpCreate:
    from nexctl.account import terms
    from nexctl.cli.bodies import converted
    from nexctl.wire.topups import TopUpCreate

    if amount is None and pack is None:
        raise UsageError("wallet topup needs an AMOUNT or --pack", hint="nexctl wallet packs")
    given = {
        "amount": terms.parse_positive(amount, what="AMOUNT") if amount is not None else None,
        "pack": pack,
        "method": method,
        "promo_code": promo,
        "network": network,
        "wallet": wallet,
    }
    return converted(given, TopUpCreate)  # type: ignore[no-any-return]


@command(
    argument("order", metavar="[ORDER]", help="One order; default: all, newest first."),
    option("--state", metavar="STATE", help="Only orders in this state, such as opened."),
    acts=True,
    examples=("nexctl wallet topups", "nexctl wallet topups ord_123"),
)
def topups(app: App, order: str | None, state: str | None) -> View:
    """Orders of credits and their states."""
    from nexctl.wire.topups import STATES, TopUpQuery

    if state is not None and state not in STATES:
        raise UsageError(f"--state: {state!r} is not one of {', '.join(STATES)}")
    with connect.gateway(app) as gateway:
        if order is not None:
            return order_view(app, gateway.topups.show(order))
        return topups_view(list(gateway.topups.list(TopUpQuery(state=state))))


@command(
    argument("order", metavar="ORDER", required=True, help="The order's id."),
    option("--transaction", metavar="REF", required=True, help="Its hash or reference."),
    option("--sender", metavar="WHO", help="Account or address that paid."),
    changes=True,
    examples=("nexctl wallet submit ord_123 --transaction 0xabc... --sender 0xdef...",),
)
def submit(app: App, order: str, transaction: str, sender: str | None) -> View:
    """Tell that a manual order was paid; the operator approves it then."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.topups import TopUpSubmit

    proof = converted({"transaction": transaction, "sender": sender}, TopUpSubmit)
    if app.dry_run:
        return dry(app, Planned("topups.submit", order, body=proof))
    with connect.gateway(app) as gateway, repeatable():
        return order_view(app, gateway.topups.submit(order, proof))


@command(
    argument("order", metavar="[ORDER]", help="The texts that this order was made under."),
    examples=("nexctl wallet policies", "nexctl wallet policies ord_123"),
)
def policies(app: App, order: str | None) -> View:
    """The refund policy and terms of sale: those in force, or those kept with an order."""
    from nexctl.cli.wallet_report import policies_view

    with connect.gateway(app) as gateway:
        if order is None:
            found = gateway.funding.policies()
        else:
            kept = gateway.topups.show(order).policies
            found = [gateway.funding.policy(row.sha256) for row in kept.values()]
    return policies_view(app, found, order)


@command(examples=("nexctl wallet packs",))
def packs(app: App) -> View:
    """What can be bought, the ways to pay, and the limits of self-service."""
    with connect.gateway(app) as gateway:
        return packs_view(app, gateway.wallet.methods())


@command(
    argument("code", metavar="[CODE|-]", help="The code; - or nothing reads it from stdin."),
    _IDEMPOTENCY,
    changes=True,
    acts=True,
    examples=("nexctl wallet redeem ABCDE-FGHJK-...", "pbpaste | nexctl wallet redeem -"),
)
def redeem(app: App, code: str | None, idempotency_key: str | None) -> View:
    """Turn a code into credits."""
    text = _code(app, code)
    if app.dry_run:
        from nexctl.wire.wallet import Redeem

        return dry(app, Planned("wallet.redeem", body=Redeem(code=text), hide=("code",)))
    key = new_key(idempotency_key)
    with connect.gateway(app) as gateway, repeatable(key):
        return redeemed_view(app, gateway.wallet.redeem(text, idempotency_key=key))


def _code(app: App, code: str | None) -> str:
    if code not in (None, "-"):
        text = str(code)
    elif app.is_terminal("stdin"):
        text = app.ask_secret("Code", hint="pass CODE, or pipe it in")
    elif app.stdin_buffer is None:
        raise ConfirmationNeeded("Code: nobody is there to ask", hint="pass CODE, or pipe it in")
    else:
        text = app.stdin_buffer.read(4096).decode("utf-8", "replace")
    text = text.strip()
    if not 4 <= len(text) <= 64:
        raise UsageError("a code has 4 to 64 characters", hint="check it for a slip")
    return text


@command(
    option("--from", metavar="TIME", help="From this instant on: 2026-12-01T00:00:00Z."),
    option("--to", metavar="TIME", help="Up to this instant, itself not."),
    option("--kind", metavar="KIND", help="Only entries of this kind, such as usage."),
    option("--wallet", metavar="ID", help="Another wallet than the first; 'wallet list' shows it."),
    option("--limit", metavar="N", value=whole(1, 10**9), help="At most so many entries."),
    acts=True,
    examples=("nexctl wallet ledger", "nexctl wallet ledger --kind usage -o csv > spent.csv"),
)
def ledger(app: App, kind: str | None, limit: int | None, to: str | None, **rest: Any) -> None:
    """Every posting in the wallet's book, in its order."""
    from itertools import islice

    from nexctl.cli.bodies import converted
    from nexctl.wire.wallet import LedgerQuery

    asked = {"from": _day(rest["from"]), "to": _day(to), "kind": kind, "wallet": rest["wallet"]}
    query = converted({**asked, "limit": min(limit or 1000, 1000)}, LedgerQuery)
    with connect.gateway(app) as gateway:
        rows = islice(gateway.wallet.ledger(query), limit)
        # Printed as it comes: a book may be long.
        app.emit(
            View(
                lambda: [ledger_row(row) for row in rows],
                table=lambda: ledger_table(rows),
                names=lambda: (str(row.sequence) for row in rows),
                lines=lambda: (ledger_row(row) for row in rows),
            )
        )


def _day(text: str | None) -> str | None:
    """A day stands for its first instant."""
    if text is not None and len(text) == 10:
        return f"{text}T00:00:00Z"
    return text


COMMANDS = (
    show,
    topup,
    topups,
    submit,
    redeem,
    ledger,
    packs,
    policies,
    list_,
    create,
    set_,
    grants,
    runway,
    Entry(
        "auto-topup",
        "nexctl.cli.auto_topup:COMMANDS",
        "Top up when little is left: set, show, off.",
        group=True,
    ),
)
