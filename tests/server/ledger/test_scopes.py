"""Budgets of projects, members and organisations, allowances, who pays, and pools."""

from __future__ import annotations

from typing import Any

import pytest

from nexctl.records import Usage
from nexctl.server.ledger import alerts, budgets, customers, events, funds, keys, orgs, pools
from nexctl.server.ledger.clock import DAY, SECOND
from nexctl.server.ledger.errors import Refused
from tests.server.ledger.kit import START, Hands, Wall, proved

DECEMBER = 1_796_083_200 * SECOND


@pytest.fixture
def member(hands: Hands, wall: Wall) -> Hands:
    """Another customer with 30, the owner of hands' account as an organisation."""
    found = Hands(hands.ledger, wall, "bob", 30)
    hands.ledger.write(orgs.create, hands.customer, "acme", found.customer, "fallback")
    return found


def layer_of(said: Refused) -> str:
    assert said.layer is not None
    return said.layer.layer


def spent_by_scope(hands: Hands, *customers: str) -> dict[str, int]:
    found = [s for name in customers for s in hands.ledger.read(budgets.listed, name)]
    return {state.budget.scope: state.spent for state in found}


def test_every_scope_of_a_request_is_a_layer_of_one_reserve(hands: Hands) -> None:
    for scope, name, amount in (
        ("key", "key_1", 50),
        ("member", "mem_1", 40),
        ("project", "prj_1", 30),
        ("org", hands.customer, 60),
        ("customer", hands.customer, 70),
    ):
        hands.ledger.put_budget(hands.customer, scope, name, amount)
    place = {"key": "key_1", "member": "mem_1", "project": "prj_1"}
    assert layer_of(hands.refused(31, **place)) == "project"
    hands.spend(30, **place)
    seen = hands.ledger.wallet(hands.customer, key="key_1", member="mem_1", project="prj_1")
    assert [layer.layer for layer in seen.layers] == [
        *("wallet", "key", "member", "project", "org", "customer"),
    ]
    assert seen.binding is not None
    assert (seen.spendable, seen.binding.layer) == (0, "project")
    assert layer_of(hands.refused(11, key="key_1", member="mem_1")) == "member"
    assert spent_by_scope(hands, hands.customer) == dict.fromkeys(
        ("key", "member", "project", "org", "customer"), 30
    )
    assert proved(hands.ledger)


def test_a_new_budget_of_a_project_counts_what_its_window_has_seen(hands: Hands) -> None:
    for amount, project in ((7, "prj_1"), (2, "prj_2")):
        facts = {"project_id": project, "member_id": "mem_1"}
        hands.ledger.settle(hands.sent(amount), hands.outcome(amount, record=facts))
    hands.ledger.put_budget(hands.customer, "project", "prj_1", 50)
    hands.ledger.put_budget(hands.customer, "member", "mem_1", 50, span="7d")
    assert spent_by_scope(hands, hands.customer) == {"project": 7, "member": 9}


def test_what_its_setter_did_not_set_it_does_not_change(hands: Hands) -> None:
    whose = (hands.customer, "customer", hands.customer)
    made = hands.ledger.put_budget(*whose, 10, name="quota", origin="operator")
    with pytest.raises(Refused) as said:
        hands.ledger.put_budget(*whose, 99, name="quota")
    assert said.value.code == "not_permitted"
    with pytest.raises(Refused) as said:
        hands.ledger.write(budgets.remove, hands.customer, made.id)
    assert said.value.code == "not_permitted"
    assert hands.refused(11).code == "budget_exceeded"


def test_an_allowance_of_cached_tokens_holds_all_input_for_any_of_it_may_be_cached(
    hands: Hands,
) -> None:
    hands.ledger.put_budget(
        *(hands.customer, "customer", hands.customer, 100),
        unit="tokens",
        meters=["cached_input"],
        name="allowance_cached_input",
    )
    hold = hands.sent(1, usage=Usage(80, output=5))
    said = hands.refused(1, usage=Usage(30, output=5))
    assert said.code == "allowance_exceeded"
    assert "cached_input" in said.message
    assert said.layer is not None
    assert (said.layer.meters, said.layer.resets_at) == (("cached_input",), DECEMBER)
    hands.settle(hold, 1, Usage(70, cached_input=10, output=5))
    (state,) = hands.ledger.read(budgets.listed, hands.customer)
    assert (state.spent, state.held) == (10, 0)
    assert proved(hands.ledger)


def test_a_rolling_budget_tells_its_threshold_once_a_window(hands: Hands, wall: Wall) -> None:
    hands.ledger.put_budget(
        hands.customer, "customer", hands.customer, 10, span="1d", hard=False, alert_at=[50]
    )
    for _ in range(4):
        hands.spend(2)
        wall.wait(3600)  # another bucket of the same window
    asked = (events.listed, hands.customer, "budget.alert")
    assert len(hands.ledger.read(*asked)) == 1
    wall.wait(3 * 86_400)
    hands.spend(6)
    assert len(hands.ledger.read(*asked)) == 2


def test_a_low_balance_is_told_when_it_is_crossed_and_once_a_day(hands: Hands) -> None:
    hands.ledger.write(alerts.put, alerts.Wish(hands.customer, balance_below=50))
    asked = (events.listed, hands.customer, "balance.low")
    hands.spend(40)
    assert hands.ledger.read(*asked) == []
    hands.spend(15)
    hands.spend(5)
    (told,) = hands.ledger.read(*asked)
    assert told.data["balance"] == "0.000000045"
    for count in (1, 2):
        hands.topup(20)
        hands.spend(20)
        assert len(hands.ledger.read(*asked)) == count
        hands.wall.wait(DAY // SECOND)


def test_an_event_happens_with_its_transaction_or_not_at_all(hands: Hands) -> None:
    def fails(tx: Any) -> None:
        events.emit(tx, "order.paid", hands.customer, {})
        raise Refused("state_conflict", "no")

    with pytest.raises(Refused):
        hands.ledger.write(fails)
    assert hands.ledger.read(events.listed, hands.customer) == []
    with pytest.raises(ValueError, match="no kind of event"):
        hands.ledger.write(events.emit, "weather.bad", None, {})


# who pays ----------------------------------------------------------------------------------------


def test_a_members_own_wallet_pays_where_the_organisations_has_not_enough(
    hands: Hands, member: Hands
) -> None:
    hands.ledger.put_budget(hands.customer, "org", hands.customer, 1000)
    hands.ledger.put_budget(member.customer, "customer", member.customer, 20)
    hands.ledger.put_budget(member.customer, "key", "key_b", 125)
    ask = {"member": "mem_1", "fallback": member.customer, "key": "key_b"}
    hands.settle(hands.sent(90, **ask), 90)
    assert (hands.figures, member.figures) == ((10, 0, 0), (30, 0, 0))
    hold = hands.sent(15, **ask)
    assert (hands.figures, member.figures) == ((10, 0, 0), (30, 15, 0))
    hands.settle(hold, 15)
    assert (hands.figures, member.figures) == ((10, 0, 0), (15, 0, 0))
    # The member's own budget binds what the member pays; the key's binds both.
    said = hands.refused(12, **ask)
    assert said.layer is not None
    assert (said.code, said.layer.layer, said.layer.remaining) == ("budget_exceeded", "customer", 5)
    assert spent_by_scope(hands, hands.customer, member.customer) == {
        "org": 90,
        "customer": 15,
        "key": 105,
    }
    (row,) = hands.ledger.usage(member.customer).rows
    assert (row.charge, row.customer) == (15, hands.customer)
    assert proved(hands.ledger)


def test_a_request_id_is_billed_once_whoever_pays(hands: Hands, member: Hands) -> None:
    ask = {"request": "r-1", "fallback": member.customer}
    hands.spend(95)
    hands.settle(hands.sent(15, **ask), 15)
    assert member.figures == (15, 0, 0)
    hands.topup(100)
    assert hands.refused(15, **ask).code == "already_billed"
    assert (hands.figures, member.figures) == ((105, 0, 0), (15, 0, 0))


def test_without_a_fallback_nobody_elses_wallet_is_touched(hands: Hands, member: Hands) -> None:
    hands.spend(95)
    assert hands.refused(15).code == "insufficient_balance"
    assert member.figures == (30, 0, 0)


def test_a_frozen_organisation_does_not_fall_back(hands: Hands, member: Hands) -> None:
    freeze = "UPDATE wallets SET state='frozen' WHERE id=?"
    hands.ledger.write(lambda tx: tx.run(freeze, hands.customer))
    assert hands.refused(5, fallback=member.customer).code == "wallet_frozen"
    assert member.figures == (30, 0, 0)


def test_an_open_hold_keeps_the_payers_window_open(hands: Hands, member: Hands) -> None:
    hands.spend(95)
    hands.sent(15, fallback=member.customer)
    hands.wall.wait(60)
    assert not hands.ledger.usage(member.customer, end=(START + 30) * SECOND).closed


# organisations -----------------------------------------------------------------------------------


def test_an_organisation_keeps_an_owner(hands: Hands, member: Hands) -> None:
    seat = hands.ledger.read(orgs.seat_of, hands.customer, member.customer)
    assert seat is not None
    for operation, more in ((orgs.remove_member, ()), (orgs.set_role, ("admin",))):
        with pytest.raises(Refused) as said:
            hands.ledger.write(operation, hands.customer, seat.id, *more)  # type: ignore[arg-type]
        assert said.value.code == "state_conflict"


def test_keys_that_count_as_a_members_end_with_the_membership(hands: Hands, member: Hands) -> None:
    ledger = hands.ledger
    carl = ledger.write(customers.create, "carl", currency="USD").id
    seat = ledger.write(orgs.add_member, hands.customer, carl, "member")

    def key(name: str, **more: Any) -> str:
        return ledger.write(
            keys.create, hands.customer, name, hash=name.encode() * 32, prefix="nxt_sk_x", **more
        ).id

    own = key("a", member=seat.id)
    made = [own, key("b", kind="sub_key", parent=own), key("c")]
    ledger.write(orgs.remove_member, hands.customer, seat.id)
    states = [found.state for name in made if (found := ledger.read(keys.get, name))]
    assert states == ["revoked", "revoked", "active"]


# pools -------------------------------------------------------------------------------------------


def test_a_transfer_moves_lots_with_their_ends_and_nothing_is_lost(hands: Hands) -> None:
    ledger, account = hands.ledger, hands.customer
    end = (START + 86_400) * SECOND
    ledger.write(funds.grant, account, 20, expires_at=end)
    pool = ledger.write(pools.create, account, "research")
    ledger.write(pools.transfer, account, "main", "research", 50)
    shown = ledger.read(lambda tx: [(p.name, p.balance) for p in pools.listed(tx, account)])
    assert shown == [("main", 70), ("research", 50)]
    lots = ledger.wallet(account, wallet=pool.id).lots
    assert [(lot.kind, lot.amount, lot.expires_at) for lot in lots] == [
        ("grant", 20, end),
        ("paid", 30, None),
    ]
    hands.settle(hands.sent(40, wallet=pool.id), 40)
    assert ledger.wallet(account, wallet=pool.id).balance == 10
    assert ledger.wallet(account).balance == 70
    assert proved(ledger)
    hands.wall.wait(2 * 86_400)
    ledger.sweep()
    assert proved(ledger)


def test_a_transfer_takes_nothing_that_is_held_or_not_there(hands: Hands) -> None:
    hands.ledger.write(pools.create, hands.customer, "research")
    hands.sent(60)
    for source, target, amount, code in (
        ("main", "research", 41, "insufficient_balance"),
        ("research", "main", 1, "insufficient_balance"),
        ("main", "main", 1, "invalid_request"),
        ("main", "elsewhere", 1, "not_found"),
        ("main", "research", 0, "invalid_request"),
    ):
        with pytest.raises(Refused) as said:
            hands.ledger.write(pools.transfer, hands.customer, source, target, amount)
        assert said.value.code == code
    hands.ledger.write(pools.transfer, hands.customer, "main", "research", 40)
    assert proved(hands.ledger)
