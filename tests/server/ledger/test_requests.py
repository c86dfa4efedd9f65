"""One request: reserve, dispatch, settle, release, and never a second charge."""

from __future__ import annotations

import pytest

from nexctl.records import Usage
from nexctl.server.ledger.errors import Refused
from tests.server.ledger.kit import Hands


def test_a_hold_lies_inside_the_balance_until_it_is_settled(hands: Hands) -> None:
    held = hands.reserve(30)
    assert (held.balance, held.held) == (100, 30)
    hands.ledger.dispatch(held.hold)
    settled = hands.settle(held.hold, 12)
    assert (settled.paid, settled.debt, settled.balance, settled.held) == (12, 0, 88, 0)
    assert hands.figures == (88, 0, 0)


def test_what_is_held_cannot_be_held_again(hands: Hands) -> None:
    hands.reserve(70)
    said = hands.refused(31)
    assert said.code == "insufficient_balance"
    assert said.layer is not None
    assert (said.layer.layer, said.layer.remaining) == ("wallet", 30)
    hands.reserve(30)


def test_a_released_hold_gives_everything_back_once(hands: Hands) -> None:
    held = hands.reserve(40)
    assert hands.ledger.release(held.hold, "upstream failed") is True
    assert hands.ledger.release(held.hold, "upstream failed") is False
    assert hands.figures == (100, 0, 0)


def test_settling_twice_debits_once_and_answers_the_same(hands: Hands) -> None:
    hold = hands.sent(10)
    first, second = hands.settle(hold, 7), hands.settle(hold, 9)
    assert second.replayed
    assert not first.replayed
    assert (second.seq, second.charge, second.balance, second.draws) == (
        first.seq,
        7,
        93,
        first.draws,
    )


def test_a_settled_hold_cannot_be_released(hands: Hands) -> None:
    hold = hands.sent(10)
    hands.settle(hold, 7)
    with pytest.raises(Refused) as said:
        hands.ledger.release(hold, "too late")
    assert said.value.code == "state_conflict"
    assert hands.figures == (93, 0, 0)


def test_the_same_request_id_runs_once(hands: Hands) -> None:
    hold = hands.sent(10, "r1")
    assert hands.refused(10, "r1").code == "request_in_progress"
    assert hands.refused(10, "r1", body_hash=b"x" * 32).code == "idempotency_conflict"
    hands.settle(hold, 4)
    done = hands.refused(10, "r1")
    assert done.code == "already_billed"
    assert (done.record.charge, done.record.request_id) == (4, "r1")
    assert hands.refused(10, "r1", body_hash=b"x" * 32).code == "idempotency_conflict"
    assert hands.figures == (96, 0, 0)


def test_a_request_that_was_given_back_may_be_sent_again(hands: Hands) -> None:
    hands.ledger.release(hands.sent(10, "r1"), "upstream failed")
    hands.settle(hands.sent(10, "r1"), 4)
    assert hands.refused(10, "r1").code == "already_billed"


def test_two_customers_may_use_the_same_request_id(hands: Hands) -> None:
    other = Hands(hands.ledger, hands.wall, "bob")
    hands.sent(10, "r1")
    other.sent(10, "r1")


def test_dispatch_tells_who_has_lost_the_hold(hands: Hands) -> None:
    held = hands.reserve(10)
    hands.ledger.dispatch(held.hold)
    hands.ledger.dispatch(held.hold)
    lost = hands.reserve(10)
    hands.ledger.release(lost.hold, "gone")
    with pytest.raises(Refused) as said:
        hands.ledger.dispatch(lost.hold)
    assert said.value.code == "hold_lost"


def test_more_than_the_hold_is_still_charged_from_what_is_free(hands: Hands) -> None:
    settled = hands.settle(hands.sent(10), 60)
    assert (settled.paid, settled.debt, settled.balance) == (60, 0, 40)


def test_what_nothing_covers_becomes_debt_and_blocks_until_paid(hands: Hands) -> None:
    other = hands.sent(80)
    settled = hands.settle(hands.sent(10), 50)
    assert (settled.paid, settled.debt, settled.balance, settled.held) == (20, 30, 80, 80)
    assert hands.refused(0).code == "wallet_frozen"
    assert hands.wallet.state == "blocked"
    assert hands.wallet.spendable == 0
    hands.settle(other, 80)
    paid, _ = hands.topup(100)
    assert paid.repaid == 30
    assert hands.figures == (70, 0, 0)
    hands.reserve(70)


def test_the_record_keeps_the_quantities_and_the_price(hands: Hands) -> None:
    hands.settle(hands.sent(10, "r1", key="key_1"), 3, Usage(100, cached_input=20, output=7))
    row = hands.ledger.usage_of(hands.customer, "r1")
    assert row is not None
    assert (row.charge, row.amount, row.balance, row.key) == (3, -3, 97, "key_1")
    assert row.record["usage"] == {"input": 100, "cached_input": 20, "output": 7, "request": 1}
    assert row.record["endpoint"] == "/v1/chat/completions"


def test_a_free_request_has_a_record_too(hands: Hands) -> None:
    settled = hands.settle(hands.sent(0), 0)
    assert (settled.charge, settled.balance) == (0, 100)
    page = hands.ledger.usage(hands.customer)
    assert [row.charge for row in page.rows] == [0]


@pytest.mark.parametrize("amount", [-1, 2**63])
def test_amounts_that_do_not_fit_are_refused(hands: Hands, amount: int) -> None:
    assert hands.refused(amount).code == "invalid_request"
    assert hands.figures == (100, 0, 0)


def test_credits_fit_sixty_four_bits(hands: Hands) -> None:
    hands.topup(2**63 - 101)
    with pytest.raises(Refused) as said:
        hands.topup(1)
    assert said.value.code == "amount_too_large"
    assert hands.figures == (2**63 - 1, 0, 0)
    hands.spend(2**63 - 1)
    assert hands.figures == (0, 0, 0)
