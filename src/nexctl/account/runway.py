"""What a forecast needs from a gateway: the wallet's credits and limits, and what was burned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.money import parse_units
from nexctl.usage import runway
from nexctl.usage.runway_answer import (
    SCALE,
    Forecast,
    Funds,
    charges_of,
    credit,
    limit,
)

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.wallet import Wallet

Say = Callable[[str], None]


def forecast(
    gateway: Gateway,
    now: int,
    *,
    window: int = runway.WINDOW_DAYS,
    rows: Iterable[Any] | None = None,
    say: Say = lambda _: None,
) -> tuple[Forecast, str]:
    """(forecast, where its history is from: usage, ledger or file).

    `rows` are usage records from elsewhere, a file; else the gateway's own, and where it keeps
    them for less than `window` days, the wallet's book. `say` is told what a person should know.
    """
    facts = gateway.me()
    alone = facts.key.kind != "management_key"
    if alone:
        say("this key sees its own usage only: other keys may burn the same wallet")
    wallet = gateway.wallet.show()
    odd: list[str] = []
    if rows is not None:
        source = "file"
        past = _past(charges_of(rows, wallet.currency, odd), now, window)
    else:
        source, past = _asked(gateway, wallet, now, window, alone, odd, say)
    for what in dict.fromkeys(odd):
        count = odd.count(what)
        say(f"{count:,} {'record' if count == 1 else 'records'} left out of the burn: {what}")
    return Forecast(_funds(gateway, wallet, alone), past, now), source


def _past(charges: Iterable[tuple[str, int]], now: int, window: int) -> runway.History:
    return runway.history(charges, now, window=window)


def _asked(
    gateway: Gateway, wallet: Wallet, now: int, window: int, alone: bool, odd: list[str], say: Say
) -> tuple[str, runway.History]:
    from nexctl.wire.usage import UsageQuery

    # One day more, to see whether there was usage before the window.
    start = (now // runway.DAY - window - 1) * runway.DAY
    since = runway.instant_of(start)
    try:
        rows = gateway.usage.list(UsageQuery(from_=since, limit=1000, wallet=wallet.id))
        return "usage", _past(charges_of(rows, wallet.currency, odd), now, window)
    except NexctlError as error:
        if error.code != "plan_limit":
            raise
        if not alone:
            return "ledger", _past(_book(gateway, since, wallet.id), now, window)
        oldest = error.details.get("oldest")
        if not isinstance(oldest, str):
            raise
        say(f"{gateway.name} keeps usage records since {oldest[:10]} only")
        odd.clear()
        rows = gateway.usage.list(UsageQuery(from_=oldest, limit=1000, wallet=wallet.id))
        return "usage", _past(charges_of(rows, wallet.currency, odd), now, window)


def _book(gateway: Gateway, since: str, wallet: str | None) -> Iterator[tuple[str, int]]:
    """What usage took from the wallet, by its book."""
    from nexctl.wire.wallet import LedgerQuery

    query = LedgerQuery(from_=since, kind="usage", limit=1000, wallet=wallet)
    for entry in gateway.wallet.ledger(query):
        yield entry.created_at, -parse_units(entry.amount, SCALE)


def _funds(gateway: Gateway, wallet: Wallet, alone: bool) -> Funds:
    balance = parse_units(wallet.balance, SCALE)
    held = parse_units(wallet.held, SCALE)
    lots = [credit(lot.id, lot.kind, lot.remaining, lot.expires_at) for lot in wallet.lots]
    if not lots and not alone:
        # A gateway that does not list lots: what was given expires, the rest does not.
        lots = [
            credit(one.id, one.kind, one.remaining, one.expires_at)
            for one in gateway.wallet.grants()
            if one.currency == wallet.currency and one.state == "active"
        ]
        lots.sort(key=lambda one: (one.expires is None, one.expires or 0))
    rest = balance - sum(one.units for one in lots)
    if rest > 0:
        lots.append(credit("rest", "paid", "0", None)._replace(units=rest))
    limits = [
        limit(
            f"{layer.layer} {layer.name or layer.id or ''}".strip(),
            layer.remaining,
            layer.amount or layer.remaining,
            layer.resets_at,
        )
        for layer in wallet.layers
        if layer.hard and layer.unit == "money" and layer.layer != "wallet"
    ]
    return Funds(wallet.currency, balance, held, tuple(lots), tuple(limits))
