"""How money looks: the wallet with its limits, an order with every part of its total, the book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.changes import done, named
from nexctl.cli.figures import money
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.money import parse_units

if TYPE_CHECKING:
    from nexctl.account.wallet import Summary
    from nexctl.cli.context import App
    from nexctl.wire.funding import PolicyText
    from nexctl.wire.me import Me
    from nexctl.wire.topups import PaymentMethods, TopUp
    from nexctl.wire.wallet import Layer, LedgerEntry, Redeemed, Tier

GAUGE = 10
LEDGER = (
    *("sequence", "created_at", "kind", "amount", "currency", "balance_after", "reference"),
    *("key_id", "description", "reverses"),
)
# What a terminal that is not wide does without: the highest goes first.
_SPARE = {"key_id": 5, "reverses": 4, "reference": 3, "currency": 2, "description": 1}


def headline(app: App, facts: Me | None) -> str:
    """The first line of a report about an account."""
    name = app.profile.name
    if facts is None:
        return f"profile {name}"
    customer = facts.customer
    parts = [facts.gateway, f"price book {facts.price_book}" if facts.price_book else ""]
    parts.append(f"profile {name}")
    if customer is not None:
        plan = f" ({customer.plan})" if customer.plan else ""
        parts.append(f"customer {customer.name}{plan}")
    return " · ".join(part for part in parts if part)


def wallet_view(app: App, found: Summary, facts: Me | None) -> View:
    """The wallet and what binds."""
    from nexctl.account.wallet import public

    wallet = found.wallet

    def write(screen: Screen) -> None:
        unit = wallet.currency
        screen.line((headline(app, facts), "bold"))
        screen.blank()
        figures = [("balance", wallet.balance), ("held", wallet.held)]
        rows = [(name, money(text, unit), "") for name, text in figures]
        bound = _words(found.binding) if found.binding is not None else ""
        rows.append(("spendable", money(wallet.spendable, unit), f"bound by {bound}"))
        screen.table(Table((Column("", ""), Column("", "", right=True), Column("", "")), rows))
        if wallet.tier is not None:
            screen.line(_tier_line(wallet.tier, unit))
        if wallet.state != "active":
            screen.line((f"the wallet is {wallet.state}", "bold red"))
        if wallet.layers:
            screen.blank()
            screen.table(_layers(screen, wallet.layers, unit))
        if wallet.lots:
            screen.blank()
            screen.table(_lots(found, unit))

    return View(
        lambda: {**public(found), "profile": app.profile.name},
        text=write,
        table=lambda: Table(
            ("layer", "id", "name", "remaining", "amount", "spent", "held", "window", "resets_at"),
            [_cells(layer) for layer in wallet.layers],
        ),
        names=lambda: [layer.id or layer.layer for layer in wallet.layers],
    )


def _tier_line(tier: Tier, unit: str) -> str:
    percent = "negotiated" if tier.percent is None else f"{tier.percent} %"
    line = f"billing tier {tier.id} ({percent}): {money(tier.gross, unit)} gross in {tier.month}"
    line += f", {money(tier.saved, unit)} saved"
    if tier.next_tier is not None:
        line += f"; {tier.next_tier} above {money(tier.next_at, unit)}"
    return line


def _cells(layer: Layer) -> list[Any]:
    return [
        layer.layer,
        layer.id,
        layer.name,
        layer.remaining,
        layer.amount,
        layer.spent,
        layer.held,
        layer.window,
        layer.resets_at,
    ]


def _words(layer: Layer) -> str:
    name = f" {layer.name or layer.id}" if layer.name or layer.id else ""
    reset = f", resets {layer.resets_at}" if layer.resets_at else ""
    return f"{layer.layer}{name}{reset}" if layer.layer != "wallet" else f"the wallet{reset}"


def _layers(screen: Screen, layers: Sequence[Layer], unit: str) -> Table:
    def left(layer: Layer) -> str:
        if layer.remaining is None or layer.amount is None:
            return ""
        part, whole = parse_units(layer.remaining), parse_units(layer.amount)
        return "".join(screen.gauge(part, whole, GAUGE))

    def shown(layer: Layer, text: str | None) -> str:
        return money(text, unit if layer.unit == "money" else "tokens")

    return Table(
        (
            "layer",
            "name",
            Column("remaining", right=True),
            Column("of", right=True),
            *((Column("gauge", "", spare=1),) if screen.pictures else ()),
            "window",
            Column("resets_at", "RESETS"),
        ),
        [
            (
                layer.layer,
                layer.name or layer.id,
                shown(layer, layer.remaining),
                shown(layer, layer.amount),
                *((left(layer),) if screen.pictures else ()),
                layer.window,
                layer.resets_at,
            )
            for layer in layers
        ],
    )


def _lots(found: Summary, unit: str) -> Table:
    return Table(
        (
            Column("kind", "CREDITS"),
            Column("remaining", right=True),
            Column("of", right=True),
            Column("expires_at", "EXPIRE"),
        ),
        [
            (
                f"{lot.kind}, play money" if lot.sandbox else lot.kind,
                money(lot.remaining, unit),
                money(lot.amount, unit),
                lot.expires_at,
            )
            for lot in found.wallet.lots
        ],
    )


# orders ------------------------------------------------------------------------------------------


def write_preview(app: App, order: TopUp) -> None:
    """What an order would be, before it is made; on standard error, for it is not the result."""
    pack = f" ({order.pack})" if order.pack else ""
    app.note(f"preview for profile {app.profile.name}: {_totals(order)}{pack}")
    for note in (order.bonus_note, order.tax_note):
        if note:
            app.note(f"  {note}")


def _totals(order: TopUp) -> str:
    unit = order.credit_unit or order.currency
    what = "" if unit != order.currency else " of credits"
    return (
        f"{money(order.credits, unit)}{what} for {money(order.subtotal, order.currency)}"
        f" + tax {money(order.tax, order.currency)} + fee {money(order.fee, order.currency)}"
        f", bonus {money(order.bonus, unit)}: total {money(order.total, order.currency)}"
    )


def order_view(app: App, order: TopUp) -> View:
    """An order with every part of its total and how it is paid."""
    from nexctl.account.topups import public

    return View(
        lambda: {**public(order), "sandbox": order.sandbox, "profile": app.profile.name},
        text=lambda screen: _write_order(app, order, screen),
        table=lambda: _orders([order]),
        names=lambda: [order.id or ""],
    )


def _write_order(app: App, order: TopUp, screen: Screen) -> None:
    unit = order.credit_unit or order.currency
    screen.line((done(app, f"order {order.id} is {order.state.replace('_', ' ')}"), "bold"))
    rate = f" at {order.rate} a {order.currency}" if order.rate not in (None, "1") else ""
    rows = [
        ("credits", money(order.credits, unit) + rate),
        ("subtotal", money(order.subtotal, order.currency)),
        ("tax", money(order.tax, order.currency)),
        ("fee", money(order.fee, order.currency)),
        ("bonus", money(order.bonus, unit)),
        ("total", money(order.total, order.currency)),
    ]
    more = (
        ("bonus by", order.bonus_note),
        ("tax", order.tax_note),
        ("method", order.method),
        ("pack", order.pack),
        ("reason", order.reason),
        ("expires", order.expires_at if order.state not in ("credited", "refunded") else None),
        ("credited", order.credited_at),
        ("refunded", order.refunded),
    )
    rows += [(name, str(value)) for name, value in more if value]
    if order.policies and order.id:
        rows.append(("terms", f"nexctl wallet policies {order.id}"))
    screen.table(Table((Column("", ""), Column("", "")), rows), indent=2)
    for line in payment_lines(app, order):
        screen.line(line)


def payment_lines(app: App, order: TopUp) -> list[str]:
    """How an unpaid order is paid: the checkout's address, the exact transfer, or play money."""
    if order.state not in ("created", "opened"):
        return []
    lines = []
    if order.checkout_url:
        lines.append(f"pay it at {order.checkout_url}")
    if order.sandbox:
        chosen = f" -p {app.profile.name}" if app.profile.origin == "option" else ""
        lines.append(f"pay it with play money: nexctl gateway pay {order.id}{chosen}")
    told = order.pay_to
    if told is not None:
        place = f" to {told.address}" if told.address else ""
        network = f" on {told.network}" if told.network else ""
        note = f", reference {told.reference}" if told.reference else ""
        lines.append(f"transfer exactly {told.amount} {told.currency}{place}{network}{note}")
        if told.instructions:
            lines.append(told.instructions)
        lines.append(f"then: nexctl wallet submit {order.id} --transaction REF")
    return lines


def topups_view(orders: Sequence[TopUp]) -> View:
    """A list of orders."""
    from nexctl.wire.base import plain

    return View(
        lambda: [plain(order) for order in orders],
        table=lambda: _orders(orders),
        names=lambda: named(orders),
    )


def _orders(orders: Sequence[TopUp]) -> Table:
    return Table(
        (
            "id",
            "state",
            Column("method", spare=2),
            Column("total", right=True),
            "currency",
            Column("credits", right=True, spare=1),
            Column("bonus", right=True, spare=3),
            Column("created_at", spare=4),
            Column("credited_at", spare=5),
        ),
        [
            (
                *(order.id, order.state, order.method, order.total, order.currency),
                *(order.credits, order.bonus, order.created_at, order.credited_at),
            )
            for order in orders
        ],
    )


def packs_view(app: App, found: PaymentMethods) -> View:
    """Packs, ways to pay and limits."""
    from nexctl.wire.base import plain

    unit = found.currency or ""

    def write(screen: Screen) -> None:
        least, most = found.minimum, found.maximum
        limits = [f"from {money(least, unit)}" if least else "", ""]
        limits[1] = f"up to {money(most, unit)}" if most else ""
        said = " ".join(part for part in limits if part) or "any amount"
        screen.line((f"top-ups in profile {app.profile.name}: {said}", "bold"))
        if found.packs:
            screen.blank()
            screen.table(_packs(found, unit))
        screen.blank()
        screen.table(
            Table(
                (Column("id", "METHOD"), "enabled", "fee", "title"),
                [
                    (
                        f"{method.id} *" if method.id == found.default_method else method.id,
                        method.enabled,
                        _fee(method.fee_percent, method.fee_fixed),
                        method.title if method.enabled else method.reason or method.title,
                    )
                    for method in found.data
                ],
            )
        )

    return View(
        lambda: plain(found),
        text=write,
        table=lambda: _packs(found, unit),
        names=lambda: [pack.id for pack in found.packs],
    )


def policies_view(app: App, found: Sequence[PolicyText], order: str | None) -> View:
    """Texts of a purchase, whole."""
    from nexctl.wire.base import plain

    def write(screen: Screen) -> None:
        whose = f"of order {order}" if order else "in force"
        screen.line((f"texts {whose}, profile {app.profile.name}", "bold"))
        if not found:
            screen.line("none: the operator has set no text")
        for row in found:
            screen.blank()
            state = "" if row.in_force else ", another one is in force now"
            screen.line((f"{row.name.replace('_', ' ')}, version {row.version}{state}", "bold"))
            for line in row.text.split("\n"):
                screen.line(line)
            screen.line((f"sha256 {row.sha256}", "dim"))

    names = ("name", "version", "sha256", "in_force")
    return View(
        [plain(row) for row in found],
        text=write,
        table=Table(names, [[getattr(row, name) for name in names] for row in found]),
        names=[row.sha256 for row in found],
    )


def _fee(percent: str | None, fixed: str | None) -> str:
    """What a way to pay costs on top."""
    if percent is None or fixed is None:
        return ""
    parts = [f"{percent} %" if percent != "0" else "", fixed if fixed != "0" else ""]
    return " + ".join(part for part in parts if part)


def _packs(found: PaymentMethods, unit: str) -> Table:
    return Table(
        (Column("id", "PACK"), "title", Column("amount", right=True), "minimum", "note"),
        [(pack.id, pack.title, pack.amount, pack.minimum, pack.note) for pack in found.packs],
    )


def redeemed_view(app: App, found: Redeemed) -> View:
    """What a code gave."""
    from nexctl.wire.base import plain

    amount = money(found.amount, found.currency)

    def write(screen: Screen) -> None:
        screen.line((done(app, f"{amount} added by the code"), "bold"))
        screen.line(f"  balance {money(found.balance, found.currency)}")
        if found.expires_at:
            screen.line(f"  it expires at {found.expires_at}")

    return View(
        lambda: {**plain(found), "profile": app.profile.name},
        text=write,
        table=lambda: Table(
            ("grant_id", "amount", "currency", "balance", "expires_at"),
            [(found.grant_id, found.amount, found.currency, found.balance, found.expires_at)],
        ),
        names=[found.grant_id],
    )


# the book ----------------------------------------------------------------------------------------


def ledger_row(entry: LedgerEntry) -> dict[str, Any]:
    """An entry as JSON shows it."""
    return {name: getattr(entry, name) for name in LEDGER}


def ledger_table(entries: Iterable[LedgerEntry]) -> Table:
    """Entries, as they come."""
    right = ("sequence", "amount", "balance_after")
    return Table(
        [Column(name, right=name in right, spare=_SPARE.get(name, 0)) for name in LEDGER],
        ([getattr(entry, name) for name in LEDGER] for entry in entries),
    )
