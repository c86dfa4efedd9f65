"""Money in and out: packs, bonus, grants, expiry, refunds, disputes, adjustments."""

from __future__ import annotations

import pytest

from nexctl.server.ledger import funds, lots, wallets
from nexctl.server.ledger.clock import DAY, SECOND
from nexctl.server.ledger.errors import Refused
from tests.server.ledger.kit import START, Hands, proved


def at(hands: Hands, seconds: int) -> int:
    return (START + hands.wall.passed + seconds) * SECOND


def refund(hands: Hands, amount: int, paid: int, bonus: int | None) -> funds.Credit:
    return hands.ledger.write(
        funds.refund,
        hands.customer,
        amount,
        provider="sandbox",
        paid_lot=paid,
        bonus_lot=bonus,
        reference="ord",
    )


def refundable(hands: Hands, paid: int, bonus: int | None) -> int:
    return hands.ledger.write(funds.refundable, hands.customer, paid, bonus)


@pytest.fixture
def broke(hands: Hands) -> Hands:
    """A second customer with nothing."""
    return Hands(hands.ledger, hands.wall, "broke", 0)


def test_lots_burn_by_priority_then_expiry_then_age(broke: Hands) -> None:
    write = broke.ledger.write
    broke.topup(10)  # 1
    broke.topup(10, bonus=4)  # 2, 3
    write(funds.grant, broke.customer, 5, expires_at=at(broke, 2000))  # 4
    write(funds.grant, broke.customer, 5, expires_at=at(broke, 1000))  # 5
    write(funds.grant, broke.customer, 5)  # 6
    settled = broke.spend(30)
    assert [(draw.lot, draw.amount) for draw in settled.draws] == [
        (5, 5),
        (4, 5),
        (6, 5),
        (3, 4),
        (1, 10),
        (2, 1),
    ]
    assert proved(broke.ledger)


def test_each_debit_lists_the_lots_that_it_drew_from(broke: Hands) -> None:
    broke.topup(3)
    broke.topup(9)
    seq = broke.spend(5).seq
    entry = broke.ledger.entries(broke.customer, after=seq - 1).rows[0]
    assert [(line.account, line.lot, line.amount) for line in entry.postings] == [
        ("wallet", 1, -3),
        ("wallet", 2, -2),
        ("usage", None, 5),
    ]


def test_many_small_lots_make_one_debit(broke: Hands) -> None:
    for _ in range(150):
        broke.topup(1)
    assert len(broke.spend(150).draws) == 150
    assert proved(broke.ledger)


def test_expired_credits_are_written_off_and_cannot_be_spent(broke: Hands) -> None:
    broke.ledger.write(funds.grant, broke.customer, 8, expires_at=at(broke, 100))
    broke.topup(5)
    broke.wall.wait(100)
    assert broke.wallet.spendable == 5
    assert broke.refused(6).code == "insufficient_balance"
    assert broke.ledger.sweep().expired == 1
    assert broke.figures == (5, 0, 0)
    (entry,) = broke.ledger.entries(broke.customer, kind="expiry").rows
    assert (entry.amount, entry.reverses) == (-8, 1)
    assert proved(broke.ledger)


def test_what_a_hold_keeps_outlives_its_lots_end(broke: Hands) -> None:
    broke.ledger.write(funds.grant, broke.customer, 10, expires_at=at(broke, 100))
    hold = broke.sent(8)
    broke.wall.wait(200)
    assert broke.refused(1).code == "insufficient_balance"
    settled = broke.settle(hold, 5)
    assert settled.paid == 5
    assert broke.ledger.sweep().expired <= 1
    assert broke.figures == (0, 0, 0)
    assert proved(broke.ledger)


def test_a_periodic_grant_is_given_once_a_period(hands: Hands) -> None:
    give = lambda period: hands.ledger.write(  # noqa: E731
        funds.grant, hands.customer, 30, kind="included", period=period
    )
    assert give("2026-11") is not None
    assert give("2026-11") is None
    assert give("2026-12") is not None
    assert hands.figures == (160, 0, 0)


def test_a_bonus_is_no_lifetime_topup(hands: Hands) -> None:
    hands.topup(1000, bonus=80)
    assert (hands.wallet.balance, hands.wallet.lifetime) == (1180, 1100)


@pytest.mark.parametrize(
    ("spent", "left"),
    [(0, 100), (5, 95), (8, 92), (50, 50), (108, 0)],
)
def test_a_refund_is_reduced_by_consumed_bonus(broke: Hands, spent: int, left: int) -> None:
    """Whoever spends 50 of 100 + 8 gets 50 back, whichever lot the 50 came from."""
    paid, bonus = broke.topup(100, bonus=8)
    if spent:
        broke.spend(spent)
    assert refundable(broke, paid.seq, bonus.seq) == left
    if left:
        with pytest.raises(Refused) as said:
            refund(broke, left + 1, paid.seq, bonus.seq)
        assert said.value.code == "not_refundable"
        refund(broke, left, paid.seq, bonus.seq)
        assert broke.figures == (0, 0, 0)
        assert broke.wallet.lifetime == 100 - left
    assert proved(broke.ledger)


def test_a_part_may_be_refunded_and_ends_the_bonus(broke: Hands) -> None:
    paid, bonus = broke.topup(100, bonus=8)
    broke.spend(3)
    refund(broke, 40, paid.seq, bonus.seq)
    assert broke.figures == (57, 0, 0)
    assert refundable(broke, paid.seq, bonus.seq) == 57
    refund(broke, 57, paid.seq, bonus.seq)
    kinds = [entry.kind for entry in broke.ledger.entries(broke.customer).rows]
    assert kinds == ["topup", "bonus", "usage", "bonus_reversal", "refund", "refund"]
    assert broke.ledger.entries(broke.customer).rows[-1].reverses == paid.seq
    assert proved(broke.ledger)


def test_what_is_held_is_not_refunded(broke: Hands) -> None:
    paid, _ = broke.topup(100)
    broke.reserve(70)
    assert refundable(broke, paid.seq, None) == 30
    with pytest.raises(Refused):
        refund(broke, 31, paid.seq, None)


def test_a_dispute_takes_what_is_left_owes_the_rest_and_freezes(broke: Hands) -> None:
    paid, bonus = broke.topup(100, bonus=10)
    broke.spend(60)
    broke.ledger.write(
        funds.dispute,
        broke.customer,
        100,
        provider="sandbox",
        paid_lot=paid.seq,
        bonus_lot=bonus.seq,
        reference="ord",
    )
    assert broke.figures == (0, 0, 60)
    assert broke.refused(0).code == "wallet_frozen"
    assert (broke.wallet.state, broke.wallet.spendable, broke.wallet.lifetime) == ("frozen", 0, 0)
    broke.ledger.write(
        funds.dispute_won, broke.customer, 100, provider="sandbox", reference="ord", sandbox=False
    )
    broke.ledger.write(wallets.freeze, broke.customer, frozen=False)
    assert broke.figures == (40, 0, 0)
    assert proved(broke.ledger)


def test_a_frozen_wallet_still_settles_what_is_open(broke: Hands) -> None:
    paid, _ = broke.topup(100)
    hold = broke.sent(30)
    broke.ledger.write(
        funds.dispute,
        broke.customer,
        100,
        provider="sandbox",
        paid_lot=paid.seq,
        bonus_lot=None,
        reference="ord",
    )
    assert broke.figures == (30, 30, 30)
    assert broke.settle(hold, 30).paid == 30
    assert broke.figures == (0, 0, 30)
    assert proved(broke.ledger)


def test_the_operator_adjusts_but_never_below_what_is_held(hands: Hands) -> None:
    adjust = hands.ledger.adjust
    adjust(hands.customer, 20, note="goodwill", by="op")
    hands.reserve(100)
    with pytest.raises(Refused):
        adjust(hands.customer, -21, note="mistake", by="op")
    adjust(hands.customer, -20, note="mistake", by="op")
    assert hands.figures == (100, 100, 0)
    assert proved(hands.ledger)


def test_a_debit_is_reversed_by_a_new_entry_at_most_once_whole(hands: Hands) -> None:
    seq = hands.spend(10).seq
    back = lambda amount: hands.ledger.write(  # noqa: E731
        funds.reverse_usage, hands.customer, seq, amount, note="wrong", by="op"
    )
    back(4)
    back(6)
    with pytest.raises(Refused):
        back(1)
    assert hands.figures == (100, 0, 0)
    assert hands.ledger.entries(hands.customer).rows[-1].reverses == seq
    assert proved(hands.ledger)


def test_what_is_given_back_of_a_debit_pays_the_debt_first(hands: Hands) -> None:
    """Else a wallet whose overcharge was corrected stays blocked beside the credits it got."""
    seq = hands.settle(hands.sent(100), 130).seq
    assert hands.figures == (0, 0, 30)
    given = hands.ledger.write(funds.reverse_usage, hands.customer, seq, 40, note="wrong", by="op")
    assert (given.balance, hands.wallet.state) == (10, "active")
    assert hands.figures == (10, 0, 0)
    assert proved(hands.ledger)


def test_debt_can_be_forgiven(hands: Hands) -> None:
    hands.settle(hands.sent(100), 130)
    assert hands.figures == (0, 0, 30)
    assert hands.ledger.write(funds.forgive_debt, hands.customer, note="ours", by="op") == 30
    assert hands.figures == (0, 0, 0)
    assert proved(hands.ledger)


def test_lots_are_listed_in_the_order_in_which_they_burn(broke: Hands) -> None:
    broke.topup(10, bonus=2)
    broke.ledger.write(funds.grant, broke.customer, 5, expires_at=at(broke, 86_400))
    found = broke.ledger.read(lots.listed, broke.customer)
    assert [(lot.kind, lot.remaining) for lot in found] == [
        ("grant", 5),
        ("bonus", 2),
        ("paid", 10),
    ]
    assert [lot.expires_at for lot in found] == [at(broke, 0) + DAY, None, None]
