"""Money in and out: top-ups, grants, adjustments, refunds, disputes, and paying off debt.

Nothing is ever edited: a correction is a new entry that names the one it reverses.
"""

from __future__ import annotations

from typing import Any

from nexctl.server.ledger import bonuses, ids, lots, settings
from nexctl.server.ledger.chain import DEBT, MOST, WALLET, Head, Line, locked, post
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Credit

PAYMENTS, BONUS, GRANTS, ADJUSTMENTS, WRITE_OFF = (
    "payments",
    "bonus",
    "grants",
    "adjustments",
    "written_off",
)
FEES = "subscription_fees"
PAID = ("paid", "adjustment")
_SOURCE = {"included": GRANTS, "grant": GRANTS, "code": "codes", "bonus": BONUS}


def credit(
    tx: Transaction,
    head: Head,
    kind: str,
    amount: int,
    source: str,
    *,
    lot_kind: str,
    reference: str | None = None,
    note: str | None = None,
    expires_at: int | None = None,
    priority: int | None = None,
    order_id: str | None = None,
    sandbox: bool = False,
    lifetime: int = 0,
) -> tuple[Head, Credit]:
    """Post one credit that makes a lot; open debt is paid from it at once."""
    if not 0 < amount <= MOST:
        raise Refused("invalid_request", "a credit is more than nothing and fits 64 bits")
    lot = lots.open_lot(
        tx,
        head,
        lot_kind,
        amount,
        tx.clock.now(),
        priority=priority,
        expires_at=expires_at,
        order_id=order_id,
        sandbox=sandbox,
    )
    head = post(
        tx,
        head,
        kind,
        [(WALLET, lot, amount), (source, None, -amount)],
        reference=reference,
        note=note,
        lifetime=lifetime,
        next_expiry=min(head.next_expiry, expires_at or head.next_expiry),
    )
    head, repaid = _repaid(tx, head, lot, amount, reference)
    return head, Credit(head.wallet, lot, amount, head.balance, repaid)


def _repaid(
    tx: Transaction, head: Head, lot: int, amount: int, reference: str | None
) -> tuple[Head, int]:
    """Pay open debt from what a lot has just brought."""
    repaid = min(head.debt, amount, head.balance - head.held)
    if repaid <= 0:
        return head, 0
    lots.take(tx, head.wallet, lot, repaid)
    lines: list[Line] = [(WALLET, lot, -repaid), (DEBT, None, repaid)]
    return post(tx, head, "debt_paid", lines, reference=reference, reverses=lot), repaid


def topup(
    tx: Transaction,
    wallet: str,
    amount: int,
    *,
    provider: str,
    bonus: int = 0,
    reference: str | None = None,
    sandbox: bool = False,
) -> tuple[Credit, Credit | None]:
    """Credit a paid order: its pack, and its bonus as a lot of its own. Once is the order's matter.

    The bonus counts in neither the lifetime top-up nor refunds. Neither of them ever expires.
    """
    head = locked(tx, wallet)
    head, paid = credit(
        tx,
        head,
        "topup",
        amount,
        f"{PAYMENTS}:{provider}",
        lot_kind="paid",
        reference=reference,
        order_id=reference,
        sandbox=sandbox,
        lifetime=amount,
    )
    extra = None
    if bonus:
        head, extra = credit(
            tx,
            head,
            "bonus",
            bonus,
            BONUS,
            lot_kind="bonus",
            reference=reference,
            order_id=reference,
            sandbox=sandbox,
        )
    return paid, extra


def grant(
    tx: Transaction,
    wallet: str,
    amount: int,
    *,
    kind: str = "grant",
    period: str | None = None,
    expires_at: int | None = None,
    note: str | None = None,
    reference: str | None = None,
) -> Credit | None:
    """Give credits. With `period` (such as "2026-12") at most once for it: None where it was given.

    Raises Refused `clock_stopped` for a periodic grant while a clock jump is not resolved.
    """
    head = locked(tx, wallet)
    if period is not None:
        there = tx.one(
            "SELECT 1 FROM grants WHERE wallet=? AND kind=? AND period=?", wallet, kind, period
        )
        if there is not None:
            return None
        if settings.clock_stopped(tx):
            raise Refused(
                "clock_stopped",
                "the clock has jumped: expiry and grants stand still",
                hint="check the time, then: nexctl gateway resume",
            )
    name = grant_id(wallet, head.seq + 1, kind, period, expires_at or NEVER, note)
    _, made = credit(
        tx,
        head,
        "grant",
        amount,
        _SOURCE.get(kind, GRANTS),
        lot_kind=kind,
        reference=reference or name,
        note=note,
        expires_at=expires_at,
    )
    tx.run(
        "INSERT INTO grants (id, wallet, lot, kind, period, note, created_at) "
        "VALUES (?,?,?,?,?,?,?)",
        *(name, wallet, made.seq, kind, period, note, tx.clock.now()),
    )
    return made


def grant_id(
    wallet: str, lot: int, kind: str, period: str | None, expires_at: int, note: str | None
) -> str:
    """A grant's name follows from what it is, and its entry's hash keeps the name."""
    return ids.of("grt", wallet, lot, kind, period, expires_at, note)


def adjust(tx: Transaction, wallet: str, amount: int, *, note: str, by: str) -> Credit:
    """The operator adds (a lot of its own) or takes away (at most what no hold keeps)."""
    head = locked(tx, wallet)
    if amount > 0:
        _, made = credit(
            tx,
            head,
            "adjustment",
            amount,
            ADJUSTMENTS,
            lot_kind="adjustment",
            reference=by,
            note=note,
        )
        return made
    if not amount or -amount > head.balance - head.held:
        raise Refused(
            "insufficient_balance", "an adjustment takes at most what is there and not held"
        )
    draws = lots.burn(tx, wallet, -amount)
    head = post(
        tx,
        head,
        "adjustment",
        lots.lines(draws, ADJUSTMENTS),
        reference=by,
        note=note,
    )
    return Credit(wallet, head.seq, amount, head.balance)


def reverse_usage(
    tx: Transaction, wallet: str, seq: int, amount: int, *, note: str, by: str
) -> Credit:
    """Give back part or all of a debit: a reversing entry that makes a lot and names the debit."""
    head = locked(tx, wallet)
    row = tx.one("SELECT kind, amount FROM entries WHERE wallet=? AND seq=?", wallet, seq)
    given = tx.value(
        "SELECT coalesce(sum(amount), 0) FROM entries "
        "WHERE wallet=? AND kind='reversal' AND reverses=?",
        *(wallet, seq),
    )
    if row is None or row[0] != "usage":
        raise Refused("not_found", "there is no such debit")
    if not 0 < amount <= -row[1] - int(given):
        raise Refused("not_refundable", "that is more than the debit that it reverses")
    lot = lots.open_lot(tx, head, "adjustment", amount, tx.clock.now())
    head = post(
        tx,
        head,
        "reversal",
        [(WALLET, lot, amount), ("usage", None, -amount)],
        reference=by,
        note=note,
        reverses=seq,
    )
    head, repaid = _repaid(tx, head, lot, amount, by)
    return Credit(wallet, lot, amount, head.balance, repaid)


def refundable(
    tx: Transaction, wallet: str, paid_lot: int, bonus_lot: int | None, *, clawed: int = 0
) -> int:
    """What of a top-up can go back now: what is left of it, less the bonus that was consumed.

    `clawed` units of that bonus were taken back before (see `claw`).
    """
    head = locked(tx, wallet)
    paid, spent_bonus, _ = _order_lots(tx, wallet, paid_lot, bonus_lot, clawed)
    return max(0, min(paid - spent_bonus, _free_after(tx, head, wallet, bonus_lot) - spent_bonus))


def _free_after(tx: Transaction, head: Head, wallet: str, bonus_lot: int | None) -> int:
    """What no hold keeps, once the rest of the bonus is taken back."""
    bonus = _remaining(tx, wallet, bonus_lot)[1] if bonus_lot is not None else 0
    return head.balance - head.held - bonus


def _order_lots(
    tx: Transaction, wallet: str, paid_lot: int, bonus_lot: int | None, clawed: int
) -> tuple[int, int, int]:
    """(left of the packs, consumed and not yet taken back of the bonus, left of the bonus)."""
    paid = sum(left for _, left in _packs(tx, wallet, paid_lot))
    if bonus_lot is None:
        return paid, 0, 0
    amount, left = _remaining(tx, wallet, bonus_lot)
    back = bonuses.is_ended(tx, wallet, bonus_lot)
    return paid, 0 if back else max(0, amount - left - clawed), 0 if back else left


def _packs(tx: Transaction, wallet: str, lot: int) -> list[tuple[int, int]]:
    """(lot, left) of a top-up's pack, and of those that disputes which were won have given back."""
    _remaining(tx, wallet, lot)
    rows = tx.all(
        "SELECT lot, remaining FROM lots WHERE wallet=? AND (lot=? OR (kind='paid' AND order_id="
        "(SELECT order_id FROM lots WHERE wallet=? AND lot=? AND kind='paid'))) ORDER BY lot",
        *(wallet, lot, wallet, lot),
    )
    return [(row[0], row[1]) for row in rows]


def _remaining(tx: Transaction, wallet: str, lot: int) -> tuple[int, int]:
    row = tx.one("SELECT amount, remaining FROM lots WHERE wallet=? AND lot=?", wallet, lot)
    if row is None:
        raise Refused("not_found", "there is no such top-up in this wallet")
    return row[0], row[1]


def refund(
    tx: Transaction,
    wallet: str,
    amount: int,
    *,
    provider: str,
    paid_lot: int,
    bonus_lot: int | None,
    reference: str,
    note: str | None = None,
    clawed: int = 0,
) -> Credit:
    """Pay a top-up back, at most `refundable`. It ends the whole bonus of that top-up.

    What is left of the bonus is taken back; what was consumed of it is taken from the pack. The
    lifetime top-up falls by `amount`.
    """
    most = refundable(tx, wallet, paid_lot, bonus_lot, clawed=clawed)
    if not 0 < amount <= most:
        raise Refused(
            "not_refundable",
            "that much cannot be refunded any more",
            hint="what is spent or held, and consumed bonus, stays",
        )
    head = locked(tx, wallet)
    _, spent, left = _order_lots(tx, wallet, paid_lot, bonus_lot, clawed)
    if spent or left:
        draws = lots.take_from(tx, wallet, [(bonus_lot or 0, left)], left)
        draws += lots.take_from(tx, wallet, _packs(tx, wallet, paid_lot), spent)
        head = post(
            tx,
            head,
            "bonus_reversal",
            lots.lines(draws, BONUS),
            reference=reference,
            reverses=bonus_lot,
            note=note,
        )
    draws = lots.take_from(tx, wallet, _packs(tx, wallet, paid_lot), amount)
    head = post(
        tx,
        head,
        "refund",
        lots.lines(draws, f"{PAYMENTS}:{provider}"),
        reference=reference,
        note=note,
        reverses=paid_lot,
        lifetime=-amount,
    )
    return Credit(wallet, head.seq, -amount, head.balance)


def dispute(
    tx: Transaction,
    wallet: str,
    amount: int,
    *,
    provider: str,
    paid_lot: int,
    bonus_lot: int | None,
    reference: str,
    note: str | None = None,
    freeze: bool = True,
    clawed: int = 0,
) -> Credit:
    """A bank has taken a payment back: take what is left of it, the rest becomes debt.

    It freezes every wallet of the account. Its bonus goes with it, the consumed part as debt too.
    """
    head = locked(tx, wallet)
    before = head.balance
    _, spent, left = _order_lots(tx, wallet, paid_lot, bonus_lot, clawed)
    if bonus_lot is not None and spent + left:
        head = _take_back(
            tx,
            head,
            [(bonus_lot, left)],
            spent + left,
            "bonus_reversal",
            BONUS,
            reverses=bonus_lot,
            reference=reference,
            note=note,
        )
    head = _take_back(
        tx,
        head,
        _packs(tx, wallet, paid_lot),
        amount,
        "dispute" if freeze else "refund",
        f"{PAYMENTS}:{provider}",
        reverses=paid_lot,
        reference=reference,
        note=note,
        lifetime=-amount,
    )
    if freeze:
        # All of its account's: credits may have been moved to another one.
        tx.run(
            "UPDATE wallets SET state='frozen' "
            "WHERE customer_id=(SELECT customer_id FROM wallets WHERE id=?)",
            wallet,
        )
    return Credit(wallet, head.seq, head.balance - before, head.balance)


def _take_back(
    tx: Transaction,
    head: Head,
    packs: list[tuple[int, int]],
    amount: int,
    kind: str,
    to: str,
    **more: Any,
) -> Head:
    """Take `amount` from lots as far as they go and no hold keeps it; the rest becomes debt."""
    part = min(sum(left for _, left in packs), amount, head.balance - head.held)
    if head.debt + amount - part > MOST:
        raise Refused("amount_too_large", "the debt would not fit the ledger's 64 bits")
    lines: list[Line] = [
        (WALLET, draw.lot, -draw.amount) for draw in lots.take_from(tx, head.wallet, packs, part)
    ]
    lines += [(DEBT, None, part - amount), (to, None, amount)]
    return post(tx, head, kind, lines, **more)


def claw(
    tx: Transaction, wallet: str, lot: int, amount: int, *, reference: str, reverses: int | None
) -> None:
    """Take back a bonus that another top-up's refund has ended: `amount` of what a lot has left.

    What the lot or the holds do not give becomes debt.
    """
    head = locked(tx, wallet)
    _take_back(
        tx,
        head,
        _packs(tx, wallet, lot),
        amount,
        "bonus_clawback",
        BONUS,
        reverses=reverses,
        reference=reference,
    )


def fee(tx: Transaction, wallet: str, amount: int, *, reference: str, note: str) -> Credit:
    """Debit a plan's fee from what was paid in: never from credits that were given.

    Refused `insufficient_balance` where paid packs do not cover it.
    """
    head = lots.expire(tx, locked(tx, wallet), tx.clock.now())
    packs = [lot for lot in lots.listed(tx, wallet) if lot.kind in PAID]
    free = min(head.balance - head.held, sum(lot.remaining for lot in packs))
    if head.state != "active" or head.debt or amount > free:
        raise Refused(
            "insufficient_balance",
            "what was paid in does not cover the plan's fee",
            hint="top up; given credits do not pay fees",
        )
    draws = lots.take_from(tx, wallet, [(lot.lot, lot.remaining) for lot in packs], amount)
    head = post(
        tx,
        head,
        "subscription_fee",
        lots.lines(draws, FEES),
        reference=reference,
        note=note,
    )
    return Credit(wallet, head.seq, -amount, head.balance)


def dispute_won(
    tx: Transaction, wallet: str, amount: int, *, provider: str, reference: str, sandbox: bool
) -> Credit:
    """The bank has given a disputed payment back: a new pack, which pays the debt first."""
    head = locked(tx, wallet)
    _, made = credit(
        tx,
        head,
        "dispute_won",
        amount,
        f"{PAYMENTS}:{provider}",
        lot_kind="paid",
        reference=reference,
        order_id=reference,
        sandbox=sandbox,
        lifetime=amount,
    )
    return made


def forgive_debt(tx: Transaction, wallet: str, *, note: str, by: str) -> int:
    """The operator writes a wallet's debt off, which unblocks it; how much it was."""
    head = locked(tx, wallet)
    if head.debt:
        post(
            tx,
            head,
            "debt_forgiven",
            [(DEBT, None, head.debt), (WRITE_OFF, None, -head.debt)],
            reference=by,
            note=note,
        )
    return head.debt
