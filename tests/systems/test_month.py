"""A random month of mixed traffic on each system: every figure agrees, each planted fault is found.

Quote, hold, debit, statement, export, audit, invoice and order agree to the last unit, in each of
the five units; the charges follow from the pages' numbers by this test's own arithmetic.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.money import parse_units
from nexctl.server import bootstrap
from tests import places
from tests.systems import month_checks as checks
from tests.systems.month_kit import DAY, Month
from tests.systems.month_sold import Sold
from tests.systems.month_systems import SYSTEMS, ratio_book
from tests.systems.shop_kit import Shop

Step = tuple[str, int, int, int]
TRAFFIC = ("chat", "chat", "shapes", "tools", "near", "embed", "media", "batch", "fail", "again")
MONEY = (
    *("topup", "promo", "refund", "dispute", "code", "claim", "adjust", "automatic", "subscribe"),
    "agree",
)
STEP = st.tuples(
    st.sampled_from((*TRAFFIC, *TRAFFIC, *MONEY, "correct", "spend", "spend", "rest")),
    st.integers(0, 2),
    st.integers(0, 99),
    st.integers(0, 39),
)
QUIET: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def opened(sold: Sold, folder: Path) -> Month:
    """The system's gateway; a book of one's own is written first."""
    if sold.book is not None:
        sold = dataclasses.replace(sold, book=str(ratio_book(folder)))
    return Month(folder, sold, places.fresh())


def lived(sold: Sold, steps: list[Step], folder: Path) -> Month:
    """A month with these steps, over and closed; nothing has been checked at its end."""
    month = opened(sold, folder)
    for step in steps:
        month.step(*step)
    month.wait(10 * DAY)
    return month


def agrees(sold: Sold, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        month = lived(sold, steps, Path(folder))
        try:
            checks.agree(month)
        finally:
            month.rig.close()


@pytest.mark.parametrize("unit", SYSTEMS)
@settings(max_examples=6, **QUIET)
@given(steps=st.lists(STEP, min_size=10, max_size=40))
def test_any_month_agrees(unit: str, steps: list[Step]) -> None:
    agrees(SYSTEMS[unit], steps)


@pytest.mark.slow
@pytest.mark.parametrize("unit", SYSTEMS)
@settings(max_examples=400, **QUIET)
@given(steps=st.lists(STEP, min_size=20, max_size=120))
def test_any_long_month_agrees(unit: str, steps: list[Step]) -> None:
    agrees(SYSTEMS[unit], steps)


def full_month() -> list[Step]:
    """Every kind of thing several times, in an order of no meaning."""
    drawn = random.Random(7)
    names = [*TRAFFIC, *MONEY, "spend", "rest"] * 3
    drawn.shuffle(names)
    mixed = [
        (name, n % 3, drawn.randrange(100), drawn.randrange(40)) for n, name in enumerate(names)
    ]
    thresholds = [("topup", 0, 3, 1), *[("spend", 0, 5, 39) for _ in range(3)]]
    corrected = [("correct", who, who, times) for who in range(3) for times in (0, 1, 2)]
    return [*mixed, *thresholds, ("topup", 1, 0, 1), ("code", 1, 1, 20), *corrected]


@pytest.fixture(scope="module", params=SYSTEMS)
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Month]:
    month = lived(SYSTEMS[request.param], full_month(), tmp_path_factory.mktemp("month"))
    yield month
    month.rig.close()


def test_a_month_with_everything_in_it_agrees(full: Month) -> None:
    """Nothing was left out: what the random months are made of happens here, and is told apart."""
    rows = [row for person in full.people for row in person.rows]
    assert {"/v1/chat/completions", "/v1/responses", "/v1/messages"} <= {
        r["endpoint"] for r in rows
    }
    assert {"ok", "partial"} <= {row["status"] for row in rows}
    assert any(row["batch_id"] for row in rows)
    assert any(row["cached_input_tokens"] for row in rows) or full.sold.name == "nexu"
    sold = full.sold
    assert any(row["semantic_cache_hit"] for row in rows) is (sold.semantic is not None)
    assert any(row["images"] for row in rows) is bool(sold.has("image"))
    assert any(row["gpu_seconds"] for row in rows) is bool(sold.has("gpu_second"))
    if sold.tiers:
        assert {"crossed 500", "crossed 5000"} <= set(full.done)
    if sold.agreed:
        assert sold.agreed in {row["tier"] for row in rows}
    if sold.amounts:
        assert full.done["refunded"]
        assert full.done["disputed"]
    assert full.done["corrected"]
    assert full.done["not_refundable"], "what was given back is not given twice"
    kinds = {e["kind"] for who in range(3) for e in checks.entries_of(full, who)}
    assert {"grant", "expiry", "usage", "reversal"} <= kinds
    assert len(checks.months(full)) > 1
    checks.agree(full)


def test_the_installed_program_says_the_same(full: Month, tmp_path: Path) -> None:
    """Verify, reconcile, export, audit and statement, each as its command."""
    shop = Shop(tmp_path / "home", full.sold.name)
    hers = {"NEXCTL_API_KEY": full.people[1].key, "NEXCTL_OPERATOR_KEY": full.rig.operator}
    folder = shop.folder
    if places.moved():
        (folder / "database").write_text(full.rig.place + "\n")
    else:
        shutil.copy(copied_file(full.rig.place, tmp_path), folder / "gateway.db")
    (folder / "master.key").write_text(full.rig.secrets["master"] + "\n")
    shop.verified()
    assert shop.data("admin", "reconcile", **hers)["findings"] == []
    day = full.people[1].rows[-1]["created_at"][:10]
    update = ("prices", "update", "--yes", "--at", day, "-o", "json")
    served = shop(*update, **hers)
    if served.exit:
        assert shop(*update, "--accept", served.data["accept"], **hers).exit == 0
    person, scale = full.people[1], full.sold.scale
    done = shop.data("usage", "export", "month.jsonl", "--totals", **hers)
    charges = [parse_units(row["charge"], scale) for row in done["totals"]]
    assert (done["rows"], sum(charges)) == (len(person.rows), person.charged)
    lines = [json.loads(line) for line in (shop.home / "month.jsonl").read_text().splitlines()]
    assert [row["request_id"] for row in lines] == [row["request_id"] for row in person.rows]
    audit = shop.data("usage", "audit", "month.jsonl", **hers)
    assert (audit["matched"], audit["counts"]) == (len(person.rows), {})
    for name in checks.months(full):
        said = shop.data("statement", "--month", name, **hers)
        there = full.ask(1, "GET", f"/v1/statements?month={name}").body
        figures = ("opening", "credits", "debits", "expired", "closing", "sums")
        assert {key: said[key] for key in figures} == {key: there[key] for key in figures}


# ------------------------------------------------------------ planted faults


def of_order(month: Month) -> str:
    """An order that was credited, without refunds or disputes, not the last in its series."""
    for person in month.people:
        for order in person.credited:
            row = month.rig.ask("GET", f"/v1/wallet/top-ups/{order}", key=person.key).body
            if row["refunded"] in (None, "0") and order not in person.disputed:
                return order
    raise AssertionError("no order is untouched")


def unpaid(month: Month) -> str:
    """A fresh order that nobody has paid."""
    return month.order(0, 0)


Plant = tuple[str, str, Callable[[Month], str]]
BY_RECONCILE: dict[str, Plant] = {
    "paid_not_credited": (
        *("orders", "UPDATE orders SET state='paid', paid_at=created_at WHERE id=?"),
        unpaid,
    ),
    "credited_without_event": (
        *("payment_events", "DELETE FROM payment_events WHERE order_id=?"),
        of_order,
    ),
    "invoice_differs": ("invoices", "UPDATE invoices SET total=total+1 WHERE subject=?", of_order),
    "number_gap": ("invoices", "DELETE FROM invoices WHERE subject=?", of_order),
}


def copied(month: Month, folder: Path) -> Month:
    """The month's gateway once more, from a copy of its database."""
    from tests.server.server_kit import Calendar, Rig

    twin = Month.__new__(Month)
    twin.__dict__ = {**month.__dict__, "folder": folder}
    rig = Rig.__new__(Rig)
    rig.__dict__ = dict(month.rig.__dict__)
    if places.moved():
        rig.place = places.copied(month.rig.place)
    else:
        rig.place = copied_file(month.rig.place, folder)
    passed = month.calendar.passed
    rig.app = bootstrap.gateway(rig.place, rig.secrets, rig.options)
    rig.transport = type(month.rig.transport)(rig.app)
    twin.rig = rig
    twin.calendar = Calendar(rig)
    twin.calendar.passed = passed
    return twin


def copied_file(place: str, folder: Path) -> str:
    """Copy a database that is open, by SQLite's own backup."""
    import sqlite3

    target = str(folder / "ledger.sqlite")
    with sqlite3.connect(place) as raw, sqlite3.connect(target) as copy:
        raw.backup(copy)
    raw.close()
    copy.close()
    return target


@pytest.fixture
def twin(full: Month, tmp_path: Path) -> Iterator[Month]:
    found = copied(full, tmp_path)
    yield found
    found.rig.close()


@pytest.mark.parametrize("rule", BY_RECONCILE)
def test_reconcile_finds(twin: Month, rule: str) -> None:
    if not twin.sold.amounts:
        return  # nexu sells no credits: there is no order
    table, sql, chosen = BY_RECONCILE[rule]
    subject = chosen(twin)
    assert checks.findings(twin) == []
    places.unguard(twin.rig.place, table)
    assert places.outside(twin.rig.place, sql, subject) == 1
    found = checks.findings(twin)
    if rule == "number_gap":
        assert found == [("invoice_missing", subject), (rule, "PLAY")]
    else:
        assert found == [(rule, subject)]


def test_a_changed_debit_is_found_by_all_three(twin: Month) -> None:
    """The record's charge is one unit more: its chain, its statement and its price say so."""
    person = max(twin.people, key=lambda one: len(one.rows))
    row = person.rows[len(person.rows) // 2]
    places.unguard(twin.rig.place, "usage_records")
    sql = "UPDATE usage_records SET charge=charge+1 WHERE wallet=? AND seq=?"
    assert places.outside(twin.rig.place, sql, person.id, row["sequence"]) == 1
    place = f"{person.id} {row['sequence']}"
    assert {("chain", place), ("usage", place), ("recompute", place)} <= set(
        checks.violations(twin)
    )
    assert checks.findings(twin) == [("statement_differs", person.id)]
    report = checks.audited(twin, checks.exported(twin, person, "jsonl")[0])
    assert [one.request_id for one in report.findings] == [row["request_id"]]
