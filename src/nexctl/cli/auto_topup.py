"""`nexctl wallet auto-topup`: top up by itself when little is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.base import App, command, option
from nexctl.cli.changes import Planned, done, dry, repeatable
from nexctl.cli.facts import facts_view
from nexctl.cli.figures import money
from nexctl.cli.render import View
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.wire.funding import AutoTopUp

_WALLET = option("--wallet", metavar="ID", help="Another wallet than the first one.")


@command(
    option("--below", metavar="T", required=True, help="When less than this is free."),
    option("--amount", metavar="A", help="Top up by this much."),
    option("--target", metavar="B", help="Or top up to this much."),
    option("--monthly-budget", metavar="C", help="At most so much a month."),
    option("--method", metavar="METHOD", help="Way to pay; 'wallet packs' lists them."),
    _WALLET,
    name="set",
    changes=True,
    examples=(
        "nexctl wallet auto-topup set --below 10 --amount 50 --monthly-budget 200",
        "nexctl wallet auto-topup set --below 10 --target 100",
    ),
)
def set_(
    app: App,
    below: str,
    amount: str | None,
    target: str | None,
    monthly_budget: str | None,
    method: str | None,
    wallet: str | None,
) -> View:
    """Agree that the wallet is topped up whenever it runs low. This spends money: it is asked.

    One automatic order is open at a time; where the way to pay needs somebody, it waits for them.
    """
    from nexctl.cli.bodies import converted
    from nexctl.wire.funding import AutoTopUpSet

    if (amount is None) == (target is None):
        raise UsageError(
            "auto-topup set needs --amount or --target, not both",
            hint="--amount 50 buys 50, --target 100 what is missing to 100",
        )
    given = {"below": below, "amount": amount, "target": target, "monthly_budget": monthly_budget}
    amounts = {
        name: None
        if text is None
        else terms.parse_positive(text, what=f"--{name.replace('_', '-')}")
        for name, text in given.items()
    }
    body = converted({**amounts, "method": method, "wallet": wallet}, AutoTopUpSet)
    if app.dry_run:
        return dry(app, Planned("auto_topup.set", body=body))
    with connect.gateway(app) as gateway:
        now = gateway.funding.auto_topup(wallet)
        paid, unit = now.currency, now.unit
        part = f"by {money(amount, paid)}" if amount else f"up to {money(target, unit)}"
        most = ", without a limit"
        if monthly_budget:
            most = f", at most {money(monthly_budget, paid)} a month"
        app.confirm(
            f"Top up {part} whenever less than {money(below, unit)} is free{most}, "
            f"profile {app.profile.name}?"
        )
        with repeatable():
            return _view(app, gateway.funding.set_auto_topup(body), "automatic top-up is on")


@command(_WALLET, examples=("nexctl wallet auto-topup show",))
def show(app: App, wallet: str | None) -> View:
    """What was agreed, and what it ordered this month."""
    with connect.gateway(app) as gateway:
        found = gateway.funding.auto_topup(wallet)
    state = "on" if found.enabled else "off"
    return _view(app, found, f"automatic top-up is {state}")


@command(_WALLET, changes=True, examples=("nexctl wallet auto-topup off",))
def off(app: App, wallet: str | None) -> View:
    """Stop it. An order that is open stays open."""
    if app.dry_run:
        return dry(app, Planned("auto_topup.off"))
    with connect.gateway(app) as gateway, repeatable():
        return _view(app, gateway.funding.auto_topup_off(wallet), "automatic top-up is off")


def _view(app: App, found: AutoTopUp, said: str) -> View:
    paid, unit = found.currency, found.unit

    def shown(text: str | None, of: str) -> str | None:
        return None if text is None else money(text, of)

    pairs = (
        ("wallet", found.wallet),
        ("below", shown(found.below, unit)),
        ("amount", shown(found.amount, paid)),
        ("target", shown(found.target, unit)),
        ("monthly budget", shown(found.monthly_budget, paid)),
        ("ordered this month", shown(found.ordered_this_month, paid)),
        ("method", found.method),
        ("open order", found.open_order),
    )
    notes = [f"note: {found.note}"] if found.note else []
    return facts_view(app, found, done(app, said), pairs, name=found.wallet, notes=notes)


COMMANDS = (set_, show, off)
