"""`nexctl wallet list`, `create`, `set`, `grants`: several wallets, credits to be claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, option
from nexctl.cli.changes import Planned, done, dry, new_key, repeatable
from nexctl.cli.facts import facts_view, rows_view
from nexctl.cli.figures import money
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexctl.wire.funding import WalletFacts
    from nexctl.wire.wallet import Grant, Task

_FIELDS = ("id", "name", "balance", "held", "currency", "state", "first", "keys")


@command(name="list", examples=("nexctl wallet list",))
def list_(app: App) -> View:
    """The customer's wallets, the first one first."""
    with connect.gateway(app) as gateway:
        rows = gateway.funding.wallets()
    view = rows_view(rows, _FIELDS, ("balance", "held"))
    cells = [
        [", ".join(row.keys) if name == "keys" else getattr(row, name) for name in _FIELDS]
        for row in rows
    ]
    view.table = lambda: Table([Column(n, right=n in ("balance", "held")) for n in _FIELDS], cells)
    return view


@command(
    argument("name", metavar="NAME", required=True, help="What to call it."),
    option("--key", many=True, metavar="ID", help="A key that spends from it; repeatable."),
    changes=True,
    examples=("nexctl wallet create research --key key_123",),
)
def create(app: App, name: str, key: tuple[str, ...]) -> View:
    """Make one more wallet. Keys that are given to it, and their sub-keys, spend from it alone."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.funding import WalletCreate

    body = converted({"name": name, "keys": list(key) or None}, WalletCreate)
    if app.dry_run:
        return dry(app, Planned("wallets.create", body=body))
    with connect.gateway(app) as gateway, repeatable():
        made = gateway.funding.create_wallet(body)
    hint = [f"top it up: nexctl wallet topup AMOUNT --wallet {made.id}"]
    return _shown(app, made, f"wallet {made.id} is made", hint)


@command(
    argument("wallet", metavar="ID", required=True, help="Which one: 'wallet list' shows them."),
    option("--name", metavar="NAME", help="Another name."),
    option("--key", many=True, metavar="ID", help="The keys that spend from it; repeatable."),
    flag("--no-keys", help="No key spends from it alone."),
    name="set",
    changes=True,
    examples=(
        "nexctl wallet set wal_123 --name research",
        "nexctl wallet set wal_123 --key key_1 --key key_2",
    ),
)
def set_(app: App, wallet: str, name: str | None, key: tuple[str, ...], no_keys: bool) -> View:
    """Rename a wallet, or choose its keys: those that are named, and no others."""
    from nexctl.cli.bodies import converted
    from nexctl.wire.funding import WalletUpdate

    if key and no_keys:
        raise UsageError("--key and --no-keys exclude each other", hint="give one of them")
    given = {"name": name, "keys": list(key) if key or no_keys else None}
    body = converted(
        {word: value for word, value in given.items() if value is not None}, WalletUpdate
    )
    if name is None and not key and not no_keys:
        raise UsageError("nothing to change", hint="give --name, --key or --no-keys")
    if app.dry_run:
        return dry(app, Planned("wallets.update", wallet, body=body))
    with connect.gateway(app) as gateway:
        made = gateway.funding.update_wallet(wallet, body)
    return _shown(app, made, f"wallet {made.id} is changed")


def _shown(app: App, made: WalletFacts, said: str, notes: Sequence[str] = ()) -> View:
    pairs = (
        ("name", made.name),
        ("balance", money(made.balance, made.currency)),
        ("keys", ", ".join(made.keys)),
    )
    return facts_view(app, made, done(app, said), pairs, name=made.id, notes=notes)


@command(
    argument("action", metavar="[claim]", help="claim: get a task's credits."),
    argument("task", metavar="[TASK]", help="Which task."),
    changes=True,
    examples=("nexctl wallet grants", "nexctl wallet grants claim daily_bonus"),
)
def grants(app: App, action: str | None, task: str | None) -> View:
    """Credits that were given and can be had; with 'claim TASK' get some."""
    if action not in (None, "claim") or (action == "claim") != (task is not None):
        raise UsageError(
            "wallet grants takes nothing, or: claim TASK", hint="nexctl wallet grants lists tasks"
        )
    if task is not None:
        return _claim(app, task)
    with connect.gateway(app) as gateway:
        given, tasks = gateway.funding.grants()
    return _grants(app, given, tasks)


def _claim(app: App, task: str) -> View:
    if app.dry_run:
        return dry(app, Planned("grants.claim", task))
    key = new_key(None)
    with connect.gateway(app) as gateway, repeatable(key):
        got = gateway.funding.claim(task, idempotency_key=key)
    pairs = (
        ("amount", money(got.amount, got.currency)),
        ("balance", money(got.balance, got.currency)),
        ("period", got.period),
        ("expires", got.expires_at),
    )
    return facts_view(app, got, done(app, f"{task} is claimed"), pairs, name=got.grant_id)


def _grants(app: App, given: list[Grant], tasks: list[Task]) -> View:
    from nexctl.wire.base import plain

    rows = [
        (row.id, row.kind, row.amount, row.remaining, row.currency, row.state, row.expires_at)
        for row in given
    ]
    table = Table(
        (
            *("id", "kind", Column("amount", right=True), Column("remaining", right=True)),
            *("currency", "state", "expires_at"),
        ),
        rows,
    )

    def write(screen: Screen) -> None:
        screen.line((f"credits given, profile {app.profile.name}", "bold"))
        if rows:
            screen.table(table)
        else:
            screen.line("none")
        if tasks:
            screen.blank()
            screen.line(("to claim: nexctl wallet grants claim TASK", "bold"))
            can = [
                (
                    row.id,
                    row.title,
                    money(row.amount, row.currency or ""),
                    row.every,
                    "now" if row.claimable else row.next_at or "no more",
                )
                for row in tasks
            ]
            screen.table(
                Table(("task", "title", Column("gives", right=True), "every", "claimable"), can)
            )

    return View(
        lambda: {
            "grants": [plain(row) for row in given],
            "tasks": [plain(row) for row in tasks],
        },
        text=write,
        table=lambda: table,
        names=lambda: [row.id for row in given],
    )
