"""Orders: from the wish to credits, each credited once, whatever comes in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.server.ledger import incoming, orders, pools, refunds, wallets
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.incoming import Event
from tests.server.ledger.kit import Hands, proved

_ids = itertools.count()


def order(hands: Hands, **named: Any) -> orders.Order:
    given = {
        "method": "card",
        "provider": "sandbox",
        "currency": "USD",
        "amount": 50,
        "credits": 50,
        "subtotal": 50,
        "tax": 5,
        "fee": 0,
        "total": 55,
        "bonus": 4,
        **named,
    }
    return hands.ledger.write(orders.create, hands.customer, **given)


def event(found: orders.Order, kind: str = "succeeded", **named: Any) -> Event:
    given = {
        "provider": "sandbox",
        "id": f"ev{next(_ids)}",
        "kind": f"payment.{kind}",
        "order": found.id,
        "payment": f"pay-{found.id}",
        "amount": found.total,
        "currency": found.currency,
        **named,
    }
    return Event(**given)


def receive(hands: Hands, what: Event) -> str:
    return hands.ledger.write(incoming.receive, what).outcome


def test_a_signed_payment_credits_the_pack_and_its_bonus(hands: Hands) -> None:
    made = order(hands)
    assert made.state == "created"
    opened = hands.ledger.write(orders.open_checkout, made.id, "https://pay.test/1")
    assert (opened.state, opened.checkout_url) == ("opened", "https://pay.test/1")
    assert receive(hands, event(made)) == "credited"
    done = hands.ledger.read(orders.get, made.id)
    assert done is not None
    assert (done.state, done.paid_lot, done.bonus_lot) == ("credited", 2, 3)
    assert hands.figures == (154, 0, 0)
    assert proved(hands.ledger)


def test_an_event_and_a_payment_count_once(hands: Hands) -> None:
    made = order(hands)
    first = event(made)
    assert receive(hands, first) == "credited"
    assert receive(hands, first) == "repeated"
    assert receive(hands, event(made)) == "already_credited"
    assert receive(hands, event(made, payment="another")) == "paid_twice"
    other = order(hands)
    assert receive(hands, event(other, payment=first.payment)) == "paid_twice"
    assert hands.figures == (154, 0, 0)


@pytest.mark.parametrize(
    "named",
    [{"amount": 54}, {"amount": 56}, {"amount": 50}, {"currency": "EUR"}],
)
def test_only_the_orders_amount_and_currency_credit(hands: Hands, named: dict[str, Any]) -> None:
    made = order(hands)
    assert receive(hands, event(made, **named)) == "mismatch"
    assert hands.figures == (100, 0, 0)
    assert receive(hands, event(made)) == "credited"


def test_another_providers_event_does_nothing(hands: Hands) -> None:
    made = order(hands)
    assert receive(hands, event(made, provider="stripe")) == "unknown_order"
    assert receive(hands, event(made)._replace(order="ord_nobody")) == "unknown_order"
    assert hands.figures == (100, 0, 0)


def test_manual_orders_are_credited_on_approval_by_somebody_else(hands: Hands) -> None:
    made = order(hands, method="usdt", provider="manual")
    with pytest.raises(Refused):
        hands.ledger.write(orders.approve, made.id, by="op_1")
    sent = hands.ledger.write(orders.submit, made.id, transaction="0xabc", sender="me", by="op_1")
    assert sent.state == "submitted"
    with pytest.raises(Refused) as said:
        hands.ledger.write(orders.approve, made.id, by="op_1")
    assert said.value.code == "approver_is_submitter"
    done, credit = hands.ledger.write(orders.approve, made.id, by="op_2", note="seen")
    assert (done.state, done.decided_by, credit.amount) == ("credited", "op_2", 50)
    with pytest.raises(Refused):
        hands.ledger.write(orders.approve, made.id, by="op_2")
    assert hands.figures == (154, 0, 0)


def test_a_transaction_is_good_for_one_order_until_rejected(hands: Hands) -> None:
    first, second = (order(hands, method="usdt", provider="manual") for _ in range(2))
    submit = lambda o: hands.ledger.write(  # noqa: E731
        orders.submit, o.id, transaction="0xabc", sender=None, by=hands.customer
    )
    submit(first)
    with pytest.raises(Refused):
        submit(second)
    rejected = hands.ledger.write(orders.reject, first.id, by="op", reason="not ours")
    assert (rejected.state, rejected.reason) == ("rejected", "not ours")
    submit(second)


def test_large_orders_wait_for_review(hands: Hands) -> None:
    made = order(hands, state="under_review")
    assert receive(hands, event(made)) == "order_under_review"
    opened = hands.ledger.write(orders.open_checkout, made.id, "https://pay.test/2")
    assert opened.state == "opened"
    assert receive(hands, event(made)) == "credited"


def test_orders_expire_but_late_money_is_money(hands: Hands) -> None:
    made = order(hands, expires_at=hands.ledger.clock.now() + 1_000_000)
    hands.wall.wait(2)
    assert hands.ledger.write(orders.expire_due) == 1
    assert hands.ledger.write(orders.expire_due) == 0
    assert receive(hands, event(made)) == "credited"


def test_the_operator_refunds_what_is_left(hands: Hands) -> None:
    made = order(hands, bonus=0, tax=0, total=50)
    receive(hands, event(made))
    hands.spend(120)  # FIFO: 20 of the order's 50
    part = hands.ledger.write(refunds.refund, made.id, 10, by="op")
    assert (part.state, part.refunded) == ("credited", 10)
    rest = hands.ledger.write(refunds.refund, made.id, by="op")
    assert (rest.state, rest.refunded) == ("credited", 30)
    with pytest.raises(Refused) as said:
        hands.ledger.write(refunds.refund, made.id, by="op")
    assert said.value.code == "not_refundable"
    assert hands.figures == (0, 0, 0)
    assert proved(hands.ledger)


def test_a_whole_refund_ends_the_order(hands: Hands) -> None:
    made = order(hands)
    receive(hands, event(made))
    done = hands.ledger.write(refunds.refund, made.id, by="op")
    assert (done.state, done.refunded) == ("refunded", 55)
    assert hands.figures == (100, 0, 0)
    assert receive(hands, event(made)) == "already_credited"


def test_disputes_freeze_and_come_back_when_won(hands: Hands) -> None:
    made = order(hands)
    receive(hands, event(made))
    assert receive(hands, event(made, "disputed", amount=56)) == "mismatch"
    assert receive(hands, event(made, "disputed")) == "disputed"
    assert hands.wallet.state == "frozen"
    assert hands.figures == (100, 0, 0)
    with pytest.raises(Refused):
        hands.ledger.write(refunds.refund, made.id, by="op")
    assert receive(hands, event(made, "dispute_won")) == "dispute_won"
    hands.ledger.write(wallets.freeze, hands.customer, frozen=False)
    assert hands.figures == (150, 0, 0)
    assert proved(hands.ledger)


@pytest.mark.parametrize("back", [22, 55])
def test_a_dispute_of_what_was_refunded_freezes_and_is_owed(hands: Hands, back: int) -> None:
    """The bank has taken it a second time; won, the refund alone stays."""
    made = order(hands, bonus=0)
    receive(hands, event(made))
    assert hands.ledger.write(refunds.refund, made.id, back, by="op").refunded == back
    assert receive(hands, event(made, "disputed")) == "disputed"
    assert hands.wallet.state == "frozen"
    assert hands.figures == (100, 0, back * 50 // 55)
    assert receive(hands, event(made, "disputed", amount=1)) == "mismatch"
    assert proved(hands.ledger)
    assert receive(hands, event(made, "dispute_won")) == "dispute_won"
    assert hands.figures == (150 - back * 50 // 55, 0, 0)
    assert hands.wallet.state == "active"
    assert proved(hands.ledger)


@pytest.mark.parametrize("by_provider", [True, False])
def test_what_a_won_dispute_has_given_back_can_be_refunded(hands: Hands, by_provider: bool) -> None:
    """It is a lot of its own, but the same order's money: none of it is owed."""
    made = order(hands, bonus=0)
    receive(hands, event(made))
    hands.spend(110)  # all of the first pack, and 10 of the order's 50
    assert receive(hands, event(made, "disputed", amount=44)) == "disputed"
    assert hands.figures == (0, 0, 0)
    assert receive(hands, event(made, "dispute_won", amount=44)) == "dispute_won"
    assert hands.figures == (40, 0, 0)
    if by_provider:
        assert receive(hands, event(made, "refunded", amount=33)) == "refunded"
    else:
        assert hands.ledger.write(refunds.refund, made.id, 33, by="op").refunded == 33
    assert hands.figures == (10, 0, 0)
    assert hands.wallet.state == "active"
    assert receive(hands, event(made, "disputed", amount=22)) == "disputed"
    assert hands.figures == (0, 0, 10)
    assert proved(hands.ledger)


def test_a_dispute_freezes_the_wallet_that_its_credits_were_moved_to(hands: Hands) -> None:
    """Else whoever moves what was bought before the bank takes it back spends it all the same."""
    made, other = order(hands, bonus=0), order(hands, bonus=0)
    receive(hands, event(made))
    receive(hands, event(other))
    pool = hands.ledger.write(pools.create, hands.customer, "pool").id
    hands.ledger.write(pools.transfer, hands.customer, hands.customer, pool, 200)

    def states() -> set[str]:
        names = (hands.customer, pool)
        return {hands.ledger.read(wallets.show, hands.customer, wallet=n).state for n in names}

    assert receive(hands, event(made, "disputed")) == "disputed"
    assert receive(hands, event(other, "disputed")) == "disputed"
    assert states() == {"frozen"}
    assert receive(hands, event(made, "dispute_won")) == "dispute_won"
    assert states() == {"frozen"}
    assert receive(hands, event(other, "dispute_won")) == "dispute_won"
    assert states() == {"active"}
    assert proved(hands.ledger)


def test_a_refund_made_at_the_provider_is_owed_where_it_is_spent(hands: Hands) -> None:
    made = order(hands, bonus=0)
    receive(hands, event(made))
    hands.spend(120)
    assert receive(hands, event(made, "refunded")) == "refunded"
    assert hands.figures == (0, 0, 20)
    assert hands.wallet.state == "blocked"
    assert proved(hands.ledger)


def test_orders_are_listed_newest_first(hands: Hands) -> None:
    made = []
    for _ in range(5):
        made.append(order(hands).id)
        hands.wall.wait(1)
    first = hands.ledger.read(orders.listed, hands.customer, limit=2)
    last = first[-1]
    rest = hands.ledger.read(
        orders.listed, hands.customer, before=(last.created_at, last.id), limit=10
    )
    assert [o.id for o in first + rest] == made[::-1]
    assert hands.ledger.read(orders.listed, "cus_other") == []


KINDS = ("succeeded", "failed", "refunded", "disputed", "dispute_won")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_events_in_any_order_and_number_credit_at_most_once(hands: Hands, data: Any) -> None:
    """Whatever a provider sends, the books balance and the order is credited at most once."""
    made = order(hands)
    sent: list[Event] = []
    for _ in range(data.draw(st.integers(1, 8))):
        if sent and data.draw(st.booleans()):
            what = data.draw(st.sampled_from(sent))
        else:
            what = event(
                made,
                data.draw(st.sampled_from(KINDS)),
                amount=data.draw(st.sampled_from([0, 1, 20, 55, 56])),
            )
            sent.append(what)
        receive(hands, what)
    topups = [
        entry
        for entry in hands.ledger.entries(hands.customer, kind="topup", limit=1000).rows
        if entry.reference == made.id
    ]
    assert len(topups) <= 1
    assert proved(hands.ledger)
