"""Codes: credits that whoever knows the code redeems once."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger import funds, ids, rates
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Credit

ATTEMPTS, WITHIN = 10, 3600  # tries of one customer, and the seconds that they count for


class Code(NamedTuple):
    """`state` is open, redeemed, expired or void. The code itself is kept as a hash."""

    id: str
    prefix: str
    amount: int
    currency: str
    state: str
    note: str | None
    created_by: str | None
    created_at: int
    expires_at: int | None
    credits_expire_at: int | None
    redeemed_by: str | None
    redeemed_at: int | None
    grant_id: str | None


_FIELDS = (
    "id, prefix, amount, currency, state, note, created_by, created_at, expires_at, "
    "credits_expire_at, redeemed_by, redeemed_at, grant_id"
)


def normal(text: str) -> str:
    """A code as it is hashed: blanks, dashes and case do not matter."""
    return "".join(text.split()).replace("-", "").upper()


def create(
    tx: Transaction,
    hash: bytes,
    prefix: str,
    amount: int,
    currency: str,
    *,
    expires_at: int | None = None,
    credits_expire_at: int | None = None,
    note: str | None = None,
    by: str | None = None,
) -> Code:
    """Keep a new code under the SHA-256 of its normal form."""
    made = ids.new("cod")
    tx.run(
        f"INSERT INTO codes ({_FIELDS}, hash) VALUES (?,?,?,?,'open',?,?,?,?,?,NULL,NULL,NULL,?)",
        *(made, prefix, amount, currency, note, by, tx.clock.now(), expires_at),
        *(credits_expire_at, hash),
    )
    return _there(tx, made)


def attempt(tx: Transaction, customer: str) -> None:
    """Count one try, in a transaction of its own before `redeem`; rate_limited after too many."""
    rates.attempt(tx, f"redeem:{customer}", ATTEMPTS, WITHIN)


def redeem(tx: Transaction, customer: str, wallet: str, hash: bytes) -> tuple[Code, Credit]:
    """Give the code's credits, once for ever: code_not_found, code_used, payment_mismatch."""
    now = tx.clock.now()
    row = tx.one(f"SELECT {_FIELDS} FROM codes WHERE hash=?" + tx.lock, hash)
    if row is None:
        raise Refused("code_not_found", "there is no such code", hint="check its spelling")
    found = _code(row, now)
    if found.state != "open":
        raise Refused("code_used", f"the code is {found.state}")
    currency = tx.value(
        "SELECT currency FROM wallets WHERE id=? AND customer_id=?", wallet, customer
    )
    if currency != found.currency:
        raise Refused("payment_mismatch", f"the code is in {found.currency}, not in {currency}")
    made = funds.grant(
        tx,
        wallet,
        found.amount,
        kind="code",
        reference=found.id,
        note=found.note,
        expires_at=found.credits_expire_at,
    )
    if made is None:
        raise AssertionError("a grant without a period is always new")
    grant = tx.value("SELECT id FROM grants WHERE wallet=? AND lot=?", wallet, made.seq)
    tx.run(
        "UPDATE codes SET state='redeemed', redeemed_by=?, redeemed_at=?, grant_id=? WHERE id=?",
        *(customer, now, grant, found.id),
    )
    return _there(tx, found.id), made


def void(tx: Transaction, code: str) -> Code:
    """Take an open code out of use."""
    if not tx.run("UPDATE codes SET state='void' WHERE id=? AND state='open'", code):
        raise Refused("code_used", f"the code is {_there(tx, code).state}")
    return _there(tx, code)


def listed(
    tx: Transaction, *, after: str | None = None, limit: int = 100, state: str | None = None
) -> list[Code]:
    """Codes by id."""
    now = tx.clock.now()
    kept = "open" if state == "expired" else state
    ended = "(expires_at IS NOT NULL AND expires_at<=?)"
    only = {"open": f" AND NOT {ended}", "expired": f" AND {ended}"}.get(state or "", "")
    rows = tx.all(
        f"SELECT {_FIELDS} FROM codes WHERE id>? AND (state=? OR ?=1){only} ORDER BY id LIMIT ?",
        *(after or "", kept or "", int(kept is None), *((now,) if only else ()), limit),
    )
    return [_code(row, now) for row in rows]


def _there(tx: Transaction, code: str) -> Code:
    row = tx.one(f"SELECT {_FIELDS} FROM codes WHERE id=?", code)
    if row is None:
        raise Refused("not_found", f"there is no code {code}")
    return _code(row, tx.clock.now())


def _code(row: Row, now: int) -> Code:
    found = Code(*row)
    if found.state == "open" and found.expires_at is not None and found.expires_at <= now:
        return found._replace(state="expired")
    return found
