"""Nothing on a request's way reads a whole table that grows with every request."""

from __future__ import annotations

import pytest

from tests.server.ledger.kit import Hands

GROWING = ("holds", "usage_records", "entries", "postings", "lots", "buckets", "tier_months")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_request_scans_no_table_that_grows(hands: Hands) -> None:
    hands.ledger.put_budget(hands.customer, "key", "key_1", 50, span="month")
    raw = hands.ledger.executor.database.raw  # type: ignore[attr-defined]
    said: list[str] = []
    raw.set_trace_callback(said.append)
    hold = hands.sent(5, key="key_1")
    hands.settle(hold, 3)
    hands.ledger.wallet(hands.customer)
    hands.ledger.release(hands.reserve(2, key="key_1").hold, "test")
    raw.set_trace_callback(None)
    asked = {text for text in said if text.split()[0] in ("SELECT", "INSERT", "UPDATE")}
    assert len(asked) > 10
    grown = {
        text: row[3]
        for text in asked
        for row in raw.execute(f"EXPLAIN QUERY PLAN {text}")
        if grows(row[3])
    }
    assert grown == {}


def grows(step: str) -> bool:
    """Whether a step of a plan reads all, or all of one customer, of what every request adds to.

    An index of what is open or live alone stays small.
    """
    verb, table = step.split()[:2] if len(step.split()) > 1 else (step, "")
    if table not in GROWING or any(small in step for small in ("holds_open", "lots_burn")):
        return False
    return verb == "SCAN" or step.endswith(("(customer_id=?)", "(wallet=?)"))
