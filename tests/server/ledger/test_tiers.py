"""Billing tiers: the page's maxima to the unit, once a threshold, by the reservation's month."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.pricing.book import Book
from nexctl.server.ledger import customers, tiers
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import KEY, UNIT, Hands, Wall
from tests.server.ledger.tier_kit import BOOK, reprice, spend, with_tiers

MONTH = "2026-11"


@pytest.fixture
def rich(hands: Hands) -> Hands:
    hands.topup(200_000 * UNIT)
    with_tiers(hands.ledger)
    return hands


def saved(hands: Hands, month: str = MONTH) -> int:
    """What the tiers have given back of a month: cuts and credits."""
    found = hands.ledger.read(tiers.month, hands.customer, month)
    return found.cut + found.credited


def proved(hands: Hands) -> bool:
    proof = verify(hands.ledger, reprice=reprice)
    assert proof.violations == ()
    return proof.proved["tiers"] > 0


def test_fifty_dollars_at_exactly_five_thousand_and_1250_at_fifty_thousand(rich: Hands) -> None:
    """nextoken.biz/pricing.html: 'Up to $50/mo' at $5,000, 'Up to $1,250/mo' at $50,000."""
    for number in range(50):
        spend(rich.ledger, rich.customer, 100_00, f"a{number}")
    assert saved(rich) == 50 * UNIT
    for number in range(90):
        spend(rich.ledger, rich.customer, 500_00, f"b{number}")
    assert saved(rich) == 1250 * UNIT
    found = rich.ledger.read(tiers.credits_of, rich.customer)
    assert [(row.tier, row.threshold // UNIT) for row in found] == [
        ("pro", 500),
        ("business", 5000),
    ]
    assert proved(rich)


def test_a_threshold_itself_is_still_the_lower_tier(rich: Hands) -> None:
    for number in range(5):
        settled = spend(rich.ledger, rich.customer, 100_00, f"a{number}")
        assert settled.charge == 100 * UNIT
    assert rich.ledger.read(tiers.credits_of, rich.customer) == []
    spend(rich.ledger, rich.customer, 1, "over")
    (row,) = rich.ledger.read(tiers.credits_of, rich.customer)
    assert (row.gross, row.amount) == (500 * UNIT + UNIT // 100, 5 * UNIT + UNIT // 10_000)
    assert spend(rich.ledger, rich.customer, 100_00, "next").charge == 99 * UNIT


def test_each_debit_keeps_its_tier_and_recomputes(rich: Hands) -> None:
    spend(rich.ledger, rich.customer, 600_00, "first")
    spend(rich.ledger, rich.customer, 100_00, "second")
    rows = rich.ledger.usage(rich.customer).rows
    kept = [rich.ledger.read(_snapshot, row.snapshot)["tier"] for row in rows]
    assert kept == ["developer", "pro"]
    assert [row.record["gross"] // UNIT for row in rows] == [600, 100]
    assert proved(rich)


def _snapshot(tx: Any, hash_: str) -> Any:
    from nexctl.server.ledger import snapshots

    return snapshots.read(tx, hash_)


def test_one_debit_over_two_thresholds_settles_both(rich: Hands) -> None:
    before = rich.wallet.balance
    spend(rich.ledger, rich.customer, 6_000_00, "at once")
    found = rich.ledger.read(tiers.credits_of, rich.customer)
    assert [row.amount // UNIT for row in found] == [60, 90]
    assert before - rich.wallet.balance == 5_850 * UNIT
    kinds = [row.kind for row in rich.ledger.entries(rich.customer).rows]
    assert kinds[-3:] == ["usage", "tier_credit", "tier_credit"]
    assert proved(rich)


def test_a_new_month_begins_at_nothing_and_a_late_settle_counts_in_the_old_one(
    rich: Hands, wall: Wall
) -> None:
    spend(rich.ledger, rich.customer, 600_00, "november")
    from nexctl.records import Usage
    from nexctl.server.ledger.types import Outcome
    from tests.server.ledger.tier_kit import PRICES, TOKENS

    late = rich.ledger.reserve(rich.ask(100 * UNIT, "late", dispatched=True))
    wall.wait(13 * 86_400)
    assert spend(rich.ledger, rich.customer, 100_00, "december").charge == 100 * UNIT
    outcome = Outcome(100 * UNIT, Usage(input=TOKENS * 100), PRICES, "ok", "nex-pro", {})
    assert rich.ledger.settle(late.hold, outcome).charge == 99 * UNIT
    assert rich.ledger.read(tiers.month, rich.customer, "2026-12").gross == 100 * UNIT
    assert rich.ledger.read(tiers.month, rich.customer, MONTH).gross == 700 * UNIT
    assert proved(rich)


def test_a_months_end_is_the_books_zones_midnight(hands: Hands, wall: Wall) -> None:
    data = copy.deepcopy(BOOK.data)
    rule = data["rules"]["month_zone"]
    zone = "Asia/Singapore"
    data["rules"]["month_zone"] = {**rule, "value": zone} if isinstance(rule, dict) else zone
    book = Book(data)
    assert book.rule("month_zone") == "Asia/Singapore"
    tiering = with_tiers(hands.ledger, book=book).shared.tiering
    assert tiering is not None
    midnight = _utc(2026, 11, 30, 16)  # 2026-12-01 00:00 in Singapore
    assert tiering.month(midnight - 1) == "2026-11"
    assert tiering.month(midnight) == "2026-12"


def _utc(*parts: int) -> int:
    import calendar

    return calendar.timegm((*parts, 0, 0)[:6]) * 10**6


def test_above_the_last_tier_the_operators_percent_counts_else_he_is_told(
    rich: Hands,
) -> None:
    told: list[str] = []
    with_tiers(rich.ledger, told)
    spend(rich.ledger, rich.customer, 50_001_00, "huge")
    assert len(told) == 1
    assert "set its percent" in told[0]
    assert saved(rich) == 50_001 * UNIT * 25 // 1000
    assert spend(rich.ledger, rich.customer, 100_00, "more").charge == 100 * UNIT * 975 // 1000
    other = Hands(rich.ledger, rich.wall, "bob", 200_000 * UNIT)
    rich.ledger.write(customers.change, other.customer, policy={"tier_percent": "15"})
    spend(rich.ledger, other.customer, 60_000_00, "huge too")
    assert saved(other) == 9_000 * UNIT
    assert spend(rich.ledger, other.customer, 100_00, "m").charge == 85 * UNIT
    assert len(told) == 1
    assert proved(rich)


def test_repeated_settles_and_promised_outcomes_count_once(rich: Hands) -> None:
    from nexctl.records import Usage
    from nexctl.server.ledger.types import Outcome
    from tests.server.ledger.tier_kit import PRICES, TOKENS

    held = rich.sent(600 * UNIT, "one", snapshot=PRICES)
    outcome = Outcome(600 * UNIT, Usage(input=TOKENS * 600), PRICES, "ok", "nex-pro", {})
    first = rich.ledger.settle(held, outcome)
    again = rich.ledger.settle(held, outcome)
    assert again.replayed
    assert (first.charge, again.charge) == (600 * UNIT, 600 * UNIT)
    assert len(rich.ledger.read(tiers.credits_of, rich.customer)) == 1
    assert saved(rich) == 6 * UNIT


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(cents=st.lists(st.integers(1, 900_000), min_size=1, max_size=12))
def test_any_month_saves_its_tiers_percent_of_all_of_it(
    cents: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever order: what is saved is the last tier's percent of the gross, but for one nano a
    debit."""
    place = str(tmp_path_factory.mktemp("tiers") / "gateway.db")
    wall = Wall()
    from nexctl.server.ledger.clock import Clock

    ledger = open_ledger(place, create=True, anchor_key=KEY, clock=Clock(wall.wall, wall.steady))
    hands = Hands(with_tiers(ledger), wall, money=200_000 * UNIT)
    for number, part in enumerate(cents):
        spend(ledger, hands.customer, part, f"r{number}")
    from nexctl.pricing.tiers import month_credit

    gross = sum(cents) * UNIT // 100
    due = month_credit(BOOK, gross).credit
    assert abs(saved(hands) - due) <= len(cents)
    assert proved(hands)
    ledger.close()


def test_eight_processes_crossing_at_once_credit_each_threshold_once(place: str) -> None:
    wall = Wall()
    wall.offset = int(time.time())
    ledger = with_tiers(open_ledger(place, create=True, anchor_key=KEY))
    hands = Hands(ledger, wall, money=100_000 * UNIT)
    root = Path(__file__).parents[3]
    command = (sys.executable, "-m", "tests.server.ledger.tier_kit", place, hands.customer)
    started = [
        subprocess.Popen([*command, str(n), "80", "10"], cwd=root, stdout=subprocess.PIPE)
        for n in range(8)
    ]
    for process in started:
        process.communicate(timeout=120)
        assert process.returncode == 0
    month = time.strftime("%Y-%m", time.gmtime())
    found = ledger.read(tiers.credits_of, hands.customer)
    assert [(row.tier, row.month) for row in found] == [("pro", month), ("business", month)]
    assert saved(hands, month) == 6_400 * UNIT * 25 // 1000
    assert proved(hands)
    ledger.close()


def test_verify_names_a_month_that_was_tampered_with(rich: Hands, opening: Opener) -> None:
    spend(rich.ledger, rich.customer, 600_00, "one")
    rich.ledger.write(
        lambda tx: tx.run("UPDATE tier_months SET gross=gross+1 WHERE customer_id=?", rich.customer)
    )
    found = verify(rich.ledger, reprice=reprice).violations
    assert {row.check for row in found} == {"tiers"}


def test_a_crossing_without_its_credit_is_found(rich: Hands) -> None:
    spend(rich.ledger, rich.customer, 600_00, "one")
    rich.ledger.shared.tiering = None
    spend(rich.ledger, rich.customer, 100_00, "unseen")
    with_tiers(rich.ledger)
    rich.ledger.write(
        lambda tx: tx.run(
            "UPDATE tier_months SET gross=gross+? WHERE customer_id=?",
            *(9_000 * UNIT, rich.customer),
        )
    )
    found = verify(rich.ledger, reprice=reprice).violations
    assert any("settled" in row.text for row in found)
