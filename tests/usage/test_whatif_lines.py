"""What-if: which lines of a list are records, and of which month they are."""

from __future__ import annotations

from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.usage.reading import Row
from nexctl.usage.whatif import WhatIf
from nexctl.usage.whatif_answer import Answer


def record(**given: Any) -> Row:
    """A record of nextoken's gateway with some fields of its own."""
    made = {"created_at": "2026-10-05T10:00:00Z", "request_id": "r1", "model_served": "gpt-4o"}
    counts = {"input_tokens": 1000, "output_tokens": 100, "charge": "0.01", "currency": "USD"}
    return Row(**{**made, **counts, **given})


def replayed(*rows: Row) -> Answer:
    replay = WhatIf(("nextoken",))
    for row in rows:
        replay.add(row)
    return replay.answer()


@pytest.mark.parametrize("time", ["2026-11-01T01:30:00+02:00", "20261031T233000Z"])
def test_a_month_is_that_of_utc(time: str) -> None:
    rows = [
        record(input_tokens=10**9, output_tokens=10**8, created_at=created)
        for created in (time, "2026-10-31T23:30:00Z")
    ]
    answer = replayed(*rows)
    (month,) = answer.data()["books"][0]["tiers"]
    assert (month["month"], month["gross"]) == ("2026-10", "7280")
    assert (answer.replay.first, answer.replay.last) == ("2026-10-31T23:30:00Z",) * 2


def test_a_line_of_totals_is_no_record() -> None:
    answer = replayed(record(), record(created_at=None, model_served=None, request_id=None))
    assert (answer.data()["usage"]["billed"], answer.replayed) == ({"USD": "0.01"}, 1)
    assert list(answer.data()["usage"]["unusable"].values()) == [1]


def test_a_charge_of_minus_nothing_is_no_refund() -> None:
    usage = replayed(record(charge="-0.0"), record(charge="-0.01")).data()["usage"]
    assert (usage["replayed"], usage["billed"]) == (1, {"USD": "0"})


def test_a_time_beyond_the_calendar_is_told() -> None:
    with pytest.raises(UsageError, match="is not a date"):
        replayed(record(created_at="0001-01-01T00:00:00+14:00"))
