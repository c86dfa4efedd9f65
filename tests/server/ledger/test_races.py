"""Eight processes on one wallet and on each budget layer: nothing is ever spent twice."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from nexctl.server.ledger import alerts, budgets, events
from tests.server.ledger.conftest import Opener
from tests.server.ledger.crowd import begun, finished
from tests.server.ledger.kit import Hands, Wall, proved
from tests.server.ledger.worker import work

PROCESSES = 8


def workers(place: str, customer: str, job: str) -> list[Future[dict[str, Any]]]:
    return begun(work, *((place, customer, number, job) for number in range(PROCESSES)))


@pytest.fixture
def real(place: str) -> Hands:
    """On the real clock: the workers are real processes."""
    import time

    from nexctl.server.ledger.main import open_ledger
    from tests.server.ledger.kit import KEY

    wall = Wall()
    wall.offset = int(time.time())
    return Hands(open_ledger(place, create=True, anchor_key=KEY), wall, money=10_000)


LAYERS = {
    "wallet": None,
    "key": ("key", [f"sub_{number}" for number in range(10)], 40, "month"),
    "parent": ("key", ["parent"], 400, "lifetime"),
    "customer": ("customer", None, 400, "month"),
    "customer-rolling": ("customer", None, 400, "5h"),
    "key-rolling": ("key", [f"sub_{number}" for number in range(10)], 40, "1d"),
    "member": ("member", ["member"], 400, "month"),
    "member-rolling": ("member", ["member"], 400, "7d"),
    "project": ("project", ["project"], 400, "lifetime"),
    "project-rolling": ("project", ["project"], 400, "5h"),
    "org": ("org", None, 400, "month"),
    "org-rolling": ("org", None, 400, "1d"),
}
TOKENS = {"member": "member", "project": "project", "org": None}


@pytest.mark.parametrize("layer", LAYERS)
def test_eight_processes_overspend_nothing(real: Hands, place: str, layer: str) -> None:
    ledger, customer = real.ledger, real.customer
    if layer == "wallet":
        ledger.adjust(customer, -9_600, note="leave 400", by="test")
    else:
        scope, names, amount, span = LAYERS[layer]  # type: ignore[misc]
        for name in names or [customer]:
            ledger.put_budget(customer, scope, name, amount, span=span)
    before = real.wallet.balance
    told = finished(workers(place, customer, "spend"))
    charged = sum(found["charged"] for found in told)
    assert {name for found in told for name in found["layers"]} == {layer.partition("-")[0]}
    assert real.figures == (before - charged, 0, 0)
    # How much is left in the end depends on who was last; that most is spent shows that they ran.
    assert 300 < charged <= 400
    for state in ledger.read(budgets.listed, customer):
        assert state.held == 0
        assert state.spent <= state.budget.amount
    assert proved(ledger)
    ledger.close()


@pytest.mark.parametrize("scope", TOKENS)
def test_eight_processes_use_no_more_tokens_than_an_allowance(
    real: Hands, place: str, scope: str
) -> None:
    ledger, customer = real.ledger, real.customer
    name = TOKENS[scope] or customer
    ledger.put_budget(
        customer, scope, name, 150, unit="tokens", meters=["input", "output"], name="allowance"
    )
    told = finished(workers(place, customer, "spend"))
    (state,) = ledger.read(budgets.listed, customer)
    assert {name for found in told for name in found["layers"]} == {scope}
    assert 100 < state.spent <= 150
    assert state.held == 0
    assert proved(ledger)
    ledger.close()


@pytest.mark.parametrize("span", ["month", "5h"])
def test_a_threshold_that_eight_processes_cross_at_once_is_told_once(
    real: Hands, place: str, span: str
) -> None:
    ledger, customer = real.ledger, real.customer
    ledger.put_budget(
        customer, "customer", customer, 100, span=span, hard=False, alert_at=[10, 50, 100, 200]
    )
    ledger.write(alerts.put, alerts.Wish(customer, balance_below=real.wallet.balance - 150))
    finished(workers(place, customer, "storm"))
    told = ledger.read(events.listed, customer, "budget.alert")
    assert sorted(event.data["percent"] for event in told) == [10, 50, 100, 200]
    assert len(ledger.read(events.listed, customer, "balance.low")) == 1
    assert proved(ledger)
    ledger.close()


def test_eight_processes_send_each_event_once(real: Hands, place: str) -> None:
    ledger, customer = real.ledger, real.customer
    for number in range(60):
        ledger.write(events.emit, "order.paid", customer, {"id": f"ord_{number}"})
    told = finished(workers(place, customer, "deliver"))
    taken = [name for found in told for name in found["taken"]]
    assert len(taken) == len(set(taken)) == 60
    assert sum(found["spread"] for found in told) == 60
    ledger.close()


def test_twenty_equal_request_ids_are_billed_once(real: Hands, place: str) -> None:
    told = finished(workers(place, real.customer, "same"))
    assert sum(found["charged"] for found in told) == 50
    codes = {code for found in told for code in found["codes"]}
    assert codes <= {"already_billed", "request_in_progress"}
    assert real.figures == (9_950, 0, 0)
    assert proved(real.ledger)
    real.ledger.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_nobody_waits_long_for_one_file(real: Hands, place: str, opening: Opener) -> None:
    """Fair turns: SQLite's own busy handler lets one hog keep the others out for seconds."""
    told = finished(workers(place, real.customer, "spend"))
    # 0.5 s on an idle machine: see benchmarks. On a slow one every turn is long, none much longer.
    mean = max(found["mean"] for found in told)
    assert max(found["longest"] for found in told) < max(2, 50 * mean), told
    real.ledger.close()
