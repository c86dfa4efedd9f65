"""The wallet as its owner sees it: what is there, what is held, what can be spent and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.server.ledger import budgets, lots, settings
from nexctl.server.ledger.chain import GENESIS, Head, locked
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.errors import Layer, Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Wallet


def create(
    tx: Transaction,
    customer: str,
    currency: str,
    scale: int,
    *,
    wallet: str | None = None,
    name: str = "main",
) -> str:
    """Make a customer's wallet; the first one bears the customer's own id."""
    at = tx.clock.now()
    made = wallet or customer
    tx.run(
        "INSERT INTO wallets (id, customer_id, name, currency, scale, state, balance, held, debt, "
        "lifetime, seq, head, mac, last_at, next_expiry, created_at) "
        "VALUES (?,?,?,?,?,'active',0,0,0,0,0,?,?,?,?,?)",
        *(made, customer, name, currency, scale, GENESIS, tx.shared.mac(made, 0, GENESIS)),
        *(at, NEVER, at),
    )
    return made


class Means(NamedTuple):
    """What may be spent from a wallet: `free` by the wallet itself, and every layer's word."""

    head: Head
    currency: str
    scale: int
    state: str
    free: int
    layers: tuple[Layer, ...]

    @property
    def binding(self) -> Layer:
        """The layer in money that has least left."""
        hard = [layer for layer in self.layers if layer.hard and layer.unit == budgets.MONEY]
        return min(hard, key=lambda layer: layer.remaining)

    @property
    def spendable(self) -> int:
        """Units that a request may take now."""
        return self.binding.remaining if self.state == "active" else 0


def means(
    tx: Transaction,
    customer: str,
    *,
    wallet: str | None = None,
    key: str | None = None,
    parent: str | None = None,
    model: str | None = None,
    member: str | None = None,
    project: str | None = None,
) -> Means:
    """What a key may spend, its own budgets and its parent's among the layers.

    Without a key every budget of the customer itself is a layer. Lots that have expired and that
    nobody has written off yet are not counted.
    """
    found = wallet or of_key(tx, customer, key, parent)
    row = tx.one(
        "SELECT id, customer_id, balance, held, debt, seq, head, last_at, state, next_expiry, "
        "lifetime, currency, scale FROM wallets WHERE id=?",
        found,
    )
    if row is None or row[1] != customer:
        raise Refused("not_found", f"there is no wallet {found}")
    head = Head(*row[:11])
    now = tx.clock.now()
    state = "blocked" if head.state == "active" and head.debt else head.state
    ended = _ended(tx, head, now)
    free = max(0, head.balance - head.held - ended) if state == "active" else 0
    own = Layer("wallet", found, "wallet", budgets.MONEY, head.balance, 0, head.held, free)
    met = budgets.applying(tx, customer, key, parent, model, member, project)
    layers = (own, *(budgets.layer_of(budgets.state(tx, one, now), key) for one in met))
    return Means(head, row[11], row[12], state, free, layers)


def show(tx: Transaction, /, customer: str, **seen: Any) -> Wallet:
    """A wallet with what is in it; `seen` are the names of `means`."""
    found = means(tx, customer, **seen)
    head = found.head
    unknown = tx.value(
        # One list of accounts, so that the index on open holds serves it.
        "SELECT coalesce(sum(amount), 0) FROM holds WHERE customer_id IN "
        "(SELECT ? UNION ALL SELECT org_id FROM members WHERE customer_id=?) "
        "AND state IN ('reserved', 'dispatched', 'unknown') AND state='unknown' AND wallet=?",
        *(customer, customer, head.wallet),
    )
    return Wallet(
        *(head.wallet, customer, found.currency, found.scale, found.state),
        *(head.balance, head.held, int(unknown), head.debt, head.lifetime),
        *(found.spendable, found.binding, found.layers, lots.listed(tx, head.wallet), head.seq),
    )


def _ended(tx: Transaction, head: Head, now: int) -> int:
    if head.next_expiry > now or settings.clock_stopped_seen(tx):
        return 0
    return int(
        tx.value(
            "SELECT coalesce(sum(remaining), 0) FROM lots "
            "WHERE wallet=? AND live=1 AND expires_at<=?",
            *(head.wallet, now),
        )
    )


def of_key(tx: Transaction, customer: str, key: str | None, parent: str | None) -> str:
    """The wallet that a key spends from: its own, its parent's, else the customer's first."""
    if key is None:
        return customer
    found = tx.value(
        "SELECT wallet FROM key_wallets WHERE key_id IN (?,?) "
        "ORDER BY CASE WHEN key_id=? THEN 0 ELSE 1 END LIMIT 1",
        *(key, parent or key, key),
    )
    return customer if found is None else str(found)


def keys_of(tx: Transaction, wallet: str) -> list[str]:
    """The keys that were bound to a wallet."""
    rows = tx.all("SELECT key_id FROM key_wallets WHERE wallet=? ORDER BY key_id", wallet)
    return [row[0] for row in rows]


def bind(tx: Transaction, customer: str, wallet: str, keys: list[str]) -> None:
    """Let exactly these keys spend from a wallet; the customer's first one has all the others."""
    tx.run("DELETE FROM key_wallets WHERE wallet=?", wallet)
    for key in keys:
        if tx.one("SELECT 1 FROM keys WHERE id=? AND customer_id=?", key, customer) is None:
            raise Refused("not_found", "there is no such key")
        tx.run("DELETE FROM key_wallets WHERE key_id=?", key)
        if wallet != customer:
            tx.run("INSERT INTO key_wallets (key_id, wallet) VALUES (?,?)", key, wallet)


def rename(tx: Transaction, customer: str, wallet: str, name: str) -> None:
    """Another name; unique among the customer's."""
    taken = tx.one(
        "SELECT 1 FROM wallets WHERE customer_id=? AND name=? AND id<>?", customer, name, wallet
    )
    if taken is not None:
        raise Refused("name_taken", f"there is a wallet {name!r} already", hint="choose another")
    tx.run("UPDATE wallets SET name=? WHERE id=?", name, wallet)


def of_customer(tx: Transaction, customer: str) -> list[str]:
    """The ids of a customer's wallets, its own first."""
    rows = tx.all(
        "SELECT id FROM wallets WHERE customer_id=? "
        "ORDER BY CASE WHEN id=customer_id THEN 0 ELSE 1 END, created_at, id",
        customer,
    )
    return [row[0] for row in rows]


def freeze(tx: Transaction, wallet: str, *, frozen: bool) -> None:
    """Stop a wallet from taking new holds, or let it again. Open requests settle all the same."""
    if not tx.run(
        "UPDATE wallets SET state=? WHERE id=?", "frozen" if frozen else "active", wallet
    ):
        raise Refused("not_found", f"there is no wallet {wallet}")


def expire_due(tx: Transaction, most: int = 50) -> int:
    """Write off ended lots of up to `most` wallets; how many entries that made."""
    now = tx.clock.now()
    count = 0
    for (wallet,) in tx.all(
        "SELECT id FROM wallets WHERE next_expiry<=? AND held<balance ORDER BY id LIMIT ?",
        *(now, most),
    ):
        head = locked(tx, wallet)
        count += lots.expire(tx, head, now).seq - head.seq
    return count


def has_due(tx: Transaction) -> bool:
    """Whether `expire_due` would find something."""
    row = tx.one(
        "SELECT 1 FROM wallets WHERE next_expiry<=? AND held<balance LIMIT 1", tx.clock.now()
    )
    return row is not None
