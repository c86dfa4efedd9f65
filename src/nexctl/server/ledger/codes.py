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
    """`state` is open, redeemed, expired or void. The code itself is kept as a hash.

    `kind` is "credit" (gives `amount`, once) or "promo" (goes with a top-up: a bonus of `percent`
    of it, else of `amount`; `uses` customers may use it, each once, `used` have).
    """

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
    kind: str
    percent: str | None
    uses: int
    used: int


_FIELDS = (
    "id, prefix, amount, currency, state, note, created_by, created_at, expires_at, "
    "credits_expire_at, redeemed_by, redeemed_at, grant_id, kind, percent, uses, used"
)


# What `_code` says, of the time that is both of its parameters. A code that could only give credits
# which have ended has ended too.
_STATE = (
    "CASE WHEN state<>'open' THEN state "
    "WHEN kind='promo' AND used>=uses THEN 'redeemed' "
    "WHEN expires_at<=? OR credits_expire_at<=? THEN 'expired' ELSE 'open' END"
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
    promo: bool = False,
    percent: str | None = None,
    uses: int = 1,
) -> Code:
    """Keep a new code under the SHA-256 of its normal form.

    With `promo` it goes with a top-up: a bonus of `percent`, where that is None of `amount`.
    """
    made = ids.new("cod")
    tx.run(
        f"INSERT INTO codes ({_FIELDS}, hash) VALUES (?,?,?,?,'open',?,?,?,?,?,NULL,NULL,NULL,"
        "?,?,?,0,?)",
        *(made, prefix, amount, currency, note, by, tx.clock.now(), expires_at),
        *(credits_expire_at, "promo" if promo else "credit", percent, uses, hash),
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
    if found.kind != "credit":
        raise Refused(
            "code_not_found", "this code goes with a top-up", hint="nexctl wallet topup --promo -"
        )
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


def promo(tx: Transaction, customer: str, currency: str, hash: bytes) -> Code:
    """A promotional code that a customer may use now: code_not_found, code_used."""
    row = tx.one(f"SELECT {_FIELDS} FROM codes WHERE hash=?" + tx.lock, hash)
    found = None if row is None else _code(row, tx.clock.now())
    if found is None or found.kind != "promo" or found.currency != currency:
        raise Refused("code_not_found", "there is no such promotional code")
    mine = tx.one("SELECT 1 FROM code_uses WHERE code_id=? AND customer_id=?", found.id, customer)
    if found.state != "open" or mine is not None:
        raise Refused("code_used", "you have used it" if mine else f"the code is {found.state}")
    return found


def use(tx: Transaction, found: Code, customer: str, order: str) -> None:
    """Use a promotional code for an order; the caller has its row from `promo`."""
    tx.run(
        "INSERT INTO code_uses (code_id, customer_id, order_id, created_at) VALUES (?,?,?,?)",
        *(found.id, customer, order, tx.clock.now()),
    )
    tx.run("UPDATE codes SET used=used+1 WHERE id=?", found.id)


def give_back(tx: Transaction, order: str) -> None:
    """An order has ended unpaid: its promotional code may be used again."""
    code = tx.value("SELECT code_id FROM code_uses WHERE order_id=?", order)
    if code is not None:
        tx.run("UPDATE codes SET used=used-1 WHERE id=?", code)
        tx.run("DELETE FROM code_uses WHERE order_id=?", order)


def is_used(tx: Transaction, order: str) -> bool:
    """Whether an order still has its promotional code."""
    return tx.one("SELECT 1 FROM code_uses WHERE order_id=?", order) is not None


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
    rows = tx.all(
        f"SELECT {_FIELDS} FROM codes WHERE id>? AND (({_STATE})=? OR ?=1) ORDER BY id LIMIT ?",
        *(after or "", now, now, state or "", int(state is None), limit),
    )
    return [_code(row, now) for row in rows]


def _there(tx: Transaction, code: str) -> Code:
    row = tx.one(f"SELECT {_FIELDS} FROM codes WHERE id=?", code)
    if row is None:
        raise Refused("not_found", f"there is no code {code}")
    return _code(row, tx.clock.now())


def _code(row: Row, now: int) -> Code:
    found = Code(*row)
    if found.state == "open" and found.kind == "promo" and found.used >= found.uses:
        return found._replace(state="redeemed")
    ends = (found.expires_at, found.credits_expire_at)
    if found.state == "open" and any(end is not None and end <= now for end in ends):
        return found._replace(state="expired")
    return found
