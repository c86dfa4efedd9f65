"""Sums are exact, whatever they are grouped by, and equal the sum of the records."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.usage.export.run import to_file
from nexctl.usage.reading import Row, rows
from nexctl.usage.summary import GROUPS, Summary, names_of, seen_in, week_of
from tests.usage.export_kit import Recorded, ask, book_of

AMOUNTS = st.integers(-(10**15), 10**15).map(lambda n: f"{Decimal(n).scaleb(-9):f}")
ROWS = st.builds(
    Row,
    created_at=st.sampled_from(["2026-10-01T00:00:00Z", "2026-12-31T23:59:59.9Z"]),
    model_served=st.sampled_from(["a", "b"]),
    key_name=st.sampled_from(["k", None]),
    labels=st.sampled_from([{"team": "x"}, {}]),
    requests=st.just(1),
    input_tokens=st.integers(0, 10**9),
    charge=AMOUNTS,
    currency=st.sampled_from(["USD", "EUR"]),
)


@given(records=st.lists(ROWS, max_size=30), by=st.lists(st.sampled_from(GROUPS), min_size=1))
def test_groups_add_up_to_the_total_of_their_currency(records: list[Row], by: list[str]) -> None:
    found = Summary(dict.fromkeys(by))
    for seen in seen_in(records):
        found.add(seen)
    totals = {total.currency: Decimal(total.charge) for total in found.totals()}
    groups: dict[str, Decimal] = {}
    for group in found.groups():
        groups[group.currency] = groups.get(group.currency, Decimal(0)) + Decimal(group.charge)
    records_ = {
        unit: sum(Decimal(r.charge or "") for r in records if r.currency == unit) for unit in totals
    }
    assert totals == groups == records_


def test_a_summary_of_a_file_equals_its_manifest(tmp_path: Path) -> None:
    target = tmp_path / "u.csv"
    manifest = to_file(ask(totals=True), Recorded(book_of()), str(target))
    found = Summary(("model",))
    for seen in seen_in(rows(str(target))):
        found.add(seen)
    (total,) = found.totals()
    assert Decimal(total.charge) == Decimal(manifest["sums"]["USD"])
    (row,) = manifest["totals"]
    assert (row["requests"], row["input_tokens"]) == total.figures[:2]
    assert Decimal(row["charge"]) == Decimal(total.charge)


def test_weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() -> None:
    assert week_of("2026-12-31") == "2026-W53"
    assert week_of("2027-01-03") == "2026-W53"
    assert week_of("2027-01-04") == "2027-W01"


@pytest.mark.parametrize(
    "by", ["colour", "label:", "", ",", ",".join(f"label:{i}" for i in range(9))]
)
def test_what_nothing_is_summed_by_is_refused(by: str) -> None:
    with pytest.raises(UsageError):
        names_of(by)


def test_fields_combine_and_come_once() -> None:
    assert names_of("model, day,label:team,model") == ("model", "day", "label:team")


def test_a_charge_that_is_not_known_is_not_zero() -> None:
    with pytest.raises(UsageError, match="no charge that is known"):
        list(seen_in([Row(request_id="r")]))
