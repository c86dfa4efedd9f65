"""Budgets: every layer in the same reserve, every window, money and tokens."""

from __future__ import annotations

import pytest

from nexctl.records import Usage
from nexctl.server.ledger import budgets
from nexctl.server.ledger.clock import DAY, HOUR, SECOND
from nexctl.server.ledger.errors import Refused
from tests.server.ledger.kit import START, Hands, proved


def put(hands: Hands, scope: str, amount: int, scope_id: str | None = None, **named: object) -> str:
    made = hands.ledger.put_budget(
        hands.customer, scope, scope_id or hands.customer, amount, **named
    )
    return made.id


def test_the_layer_that_says_no_is_named_with_what_is_left_and_when_it_resets(
    hands: Hands,
) -> None:
    put(hands, "customer", 50)
    put(hands, "key", 20, "key_p", span="lifetime")
    put(hands, "key", 5, "key_s", name="small")
    said = hands.refused(6, key="key_s", parent="key_p")
    assert said.code == "budget_exceeded"
    assert said.layer is not None
    assert said.layer[:3] == ("key", said.layer.id, "small")
    assert (said.layer.remaining, said.layer.span) == (5, "month")
    assert said.layer.resets_at == 1_796_083_200 * SECOND  # 2026-12-01
    for _ in range(4):
        hands.spend(5, key="key_o", parent="key_p")
    said = hands.refused(1, key="key_o", parent="key_p")
    assert said.layer is not None
    assert (said.layer.layer, said.layer.resets_at, said.retry_at) == ("parent", None, None)
    hands.spend(30)
    said = hands.refused(1, key="key_x")
    assert said.layer is not None
    assert said.layer.layer == "customer"
    assert said.retry_at == said.layer.resets_at
    assert proved(hands.ledger)


def test_a_refusal_by_one_layer_takes_nothing_of_the_others(hands: Hands) -> None:
    put(hands, "key", 50, "key_1")
    put(hands, "customer", 10)
    hands.refused(11, key="key_1")
    states = hands.ledger.read(budgets.listed, hands.customer)
    assert [(state.spent, state.held) for state in states] == [(0, 0), (0, 0)]
    assert hands.figures == (100, 0, 0)


def test_held_counts_and_what_was_not_used_comes_back(hands: Hands) -> None:
    put(hands, "customer", 50)
    hold = hands.sent(40)
    assert hands.refused(11).code == "budget_exceeded"
    hands.settle(hold, 10)
    assert hands.wallet.spendable == 40
    hands.ledger.release(hands.sent(40), "failed")
    assert hands.wallet.spendable == 40


def test_a_request_belongs_to_the_month_of_its_reservation(hands: Hands) -> None:
    put(hands, "customer", 50)
    hands.wall.wait((1_796_083_200 - START) - 10)
    late = hands.sent(50)
    hands.wall.wait(20)
    fresh = hands.sent(50)
    hands.settle(late, 30)
    hands.settle(fresh, 5)
    (state,) = hands.ledger.read(budgets.listed, hands.customer)
    assert (state.spent, state.held) == (5, 0)
    assert proved(hands.ledger)


@pytest.mark.parametrize(("span", "hours"), [("5h", 5), ("1d", 24), ("7d", 168)])
def test_rolling_windows_never_hold_more_and_forget_in_time(
    hands: Hands, span: str, hours: int
) -> None:
    put(hands, "customer", 10, span=span)
    hands.spend(6)
    hands.wall.wait(hours * 1800)
    hands.spend(4)
    said = hands.refused(1)
    assert said.layer is not None
    assert said.layer.remaining == 0
    assert said.layer.resets_at is not None
    first_out = said.layer.resets_at // SECOND - (hands.wall.passed + START)
    assert 0 < first_out <= hours * 3600 * 33 // 32
    hands.wall.wait(first_out - 1)
    assert hands.refused(1).code == "budget_exceeded"
    hands.wall.wait(1)
    assert hands.wallet.spendable == 6
    hands.spend(6)
    assert hands.refused(1).code == "budget_exceeded"
    assert proved(hands.ledger)


@pytest.mark.parametrize("span", ["5h", "1d", "7d"])
def test_a_rolling_window_is_at_most_32_buckets(span: str) -> None:
    length, width = budgets.ROLLING[span]
    assert length % width == 0
    assert length // width + 1 <= 32


def test_tokens_are_counted_by_meter_and_refused_as_an_allowance(hands: Hands) -> None:
    put(hands, "customer", 100, unit="tokens", meters=["input", "output"], name="tokens")
    hands.settle(hands.sent(1, usage=Usage(50, output=50)), 1, Usage(40, output=20, reasoning=9))
    said = hands.refused(1, usage=Usage(30, output=11))
    assert said.code == "allowance_exceeded"
    assert said.layer is not None
    assert (said.layer.name, said.layer.unit, said.layer.remaining) == ("tokens", "tokens", 40)
    hands.sent(1, usage=Usage(30, cached_input=500, output=10))
    assert hands.wallet.spendable == 98, "a budget in tokens does not bind money"
    assert proved(hands.ledger)


def test_a_budget_of_some_models_leaves_the_others_alone(hands: Hands) -> None:
    put(hands, "customer", 5, models=["dear"], name="high_cost")
    said = hands.refused(6, model="dear")
    assert said.layer is not None
    assert said.layer.name == "high_cost"
    hands.sent(6, model="cheap")


def test_a_soft_budget_warns_and_lets_pass(hands: Hands) -> None:
    put(hands, "customer", 10, hard=False, alert_at=[50, 100])
    assert hands.spend(4).alerts == ()
    assert [alert.percent for alert in hands.spend(1).alerts] == [50]
    assert [alert.percent for alert in hands.spend(50).alerts] == [100]
    assert hands.spend(1).alerts == ()


def test_an_overrun_is_counted_whole(hands: Hands) -> None:
    put(hands, "customer", 10)
    hands.settle(hands.sent(5), 25)
    (state,) = hands.ledger.read(budgets.listed, hands.customer)
    assert (state.spent, state.remaining) == (25, 0)
    assert hands.refused(0).code == "budget_exceeded"


def test_setting_a_budget_again_keeps_what_is_spent(hands: Hands) -> None:
    first = put(hands, "customer", 10)
    hands.spend(6)
    assert put(hands, "customer", 100) == first
    (state,) = hands.ledger.read(budgets.listed, hands.customer)
    assert (state.spent, state.remaining) == (6, 94)
    put(hands, "customer", 3)
    assert hands.refused(1).code == "budget_exceeded"


def test_a_new_budget_counts_what_its_window_has_seen(hands: Hands) -> None:
    hands.spend(7, key="key_1")
    hands.spend(2, key="key_2", parent="key_1")
    hands.spend(4, key="key_3")
    put(hands, "key", 10, "key_1")
    put(hands, "customer", 50)
    spent = {s.budget.scope: s.spent for s in hands.ledger.read(budgets.listed, hands.customer)}
    assert spent == {"key": 9, "customer": 13}
    assert proved(hands.ledger)


def test_a_new_budget_counts_what_is_still_held_in_its_window(hands: Hands) -> None:
    ours = hands.sent(7, key="key_1", usage=Usage(40, output=20))
    under = hands.sent(2, key="key_2", parent="key_1")
    hands.sent(4, key="key_3")
    put(hands, "key", 10, "key_1")
    tokens = {"unit": "tokens", "meters": ["output"], "name": "out"}
    put(hands, "customer", 100, models=["nex-pro"], **tokens)
    put(hands, "customer", 100, models=["nex-auto"], span="5h", name="other")

    def figures() -> dict[str, tuple[int, int]]:
        rows = hands.ledger.read(budgets.listed, hands.customer)
        return {s.budget.name: (s.spent, s.held) for s in rows}

    assert figures() == {"key-month": (0, 9), "out": (0, 20), "other": (0, 0)}
    assert proved(hands.ledger)
    assert hands.refused(2, key="key_1").code == "budget_exceeded"
    hands.settle(ours, 5, Usage(40, output=11))
    assert hands.ledger.release(under, "no answer")
    assert figures() == {"key-month": (5, 0), "out": (11, 0), "other": (0, 0)}
    assert proved(hands.ledger)


def test_a_removed_budget_stops_nothing_and_still_settles_its_holds(hands: Hands) -> None:
    name = put(hands, "customer", 10)
    hold = hands.sent(10)
    assert hands.ledger.write(budgets.remove, hands.customer, name)
    hands.settle(hold, 8)
    hands.sent(50)
    assert proved(hands.ledger)


def test_another_customers_budget_cannot_be_removed(hands: Hands) -> None:
    name = put(hands, "customer", 10)
    assert not hands.ledger.write(budgets.remove, "cus_other", name)


@pytest.mark.parametrize(
    "named",
    [
        {"span": "2h"},
        {"unit": "tokens"},
        {"meters": ["input"]},
        {"unit": "tokens", "meters": ["tea"]},
        {"amount": -1},
        {"amount": 2**63},
    ],
)
def test_budgets_that_mean_nothing_are_refused(hands: Hands, named: dict[str, object]) -> None:
    amount = named.get("amount", 1)
    named = {name: value for name, value in named.items() if name != "amount"}
    with pytest.raises(Refused) as said:
        put(hands, "customer", amount, **named)  # type: ignore[arg-type]
    assert said.value.code == "invalid_request"


def test_the_wallet_names_the_layer_that_binds(hands: Hands) -> None:
    put(hands, "customer", 80)
    put(hands, "key", 30, "key_1")
    show = hands.ledger.wallet
    assert show(hands.customer).binding.layer == "customer"
    seen = show(hands.customer, key="key_1")
    assert (seen.spendable, seen.binding.layer) == (30, "key")
    seen = show(hands.customer, key="key_9", parent="key_1")
    assert (seen.spendable, seen.binding.layer) == (30, "parent")
    hands.reserve(75, key="key_2")
    seen = show(hands.customer, key="key_1")
    assert (seen.spendable, seen.binding.layer, seen.held) == (5, "customer", 75)
    assert [layer.layer for layer in seen.layers] == ["wallet", "key", "customer"]


def test_spans_are_what_they_say() -> None:
    at = 1_795_000_000 * SECOND
    assert budgets.start_of("lifetime", at) == 0
    assert budgets.start_of("month", at) == 1_793_491_200 * SECOND
    assert at - budgets.start_of("1d", at) < HOUR
    assert at - budgets.start_of("7d", at) < DAY // 4
