"""Money, credits and papers agree over any month; each planted fault is found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operator_kit import operate
from server_kit import Rig
from test_gateway_money_in import deliver, order

from nexctl.server import bootstrap
from nexctl.server.ledger import verify


def findings(rig: Rig, month: str | None = None) -> list[tuple[str, str]]:
    got = operate(rig, "GET", f"/reconcile{'' if month is None else f'?month={month}'}")
    assert got.status == 200, got
    assert got.body["clean"] is not bool(got.body["findings"])
    return [(row["rule"], row["subject"]) for row in got.body["findings"]]


def bought(rig: Rig) -> str:
    made = order(rig)
    assert deliver(rig, made["id"]).body["credited"]
    return str(made["id"])


def outside(rig: Rig, sql: str, *values: Any) -> int:
    """A statement of somebody with the whole database in hand."""
    if not bootstrap.is_url(rig.place):
        return int(rig.house.ledger.write(lambda tx: tx.run(sql, *values)))
    import psycopg

    with psycopg.connect(rig.place, autocommit=True) as line:
        return line.execute(sql.replace("?", "%s"), values or None).rowcount


def free(rig: Rig, table: str) -> None:
    """Take a table's guards away, as such a one could."""
    if bootstrap.is_url(rig.place):
        outside(rig, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    sql = "SELECT name FROM sqlite_schema WHERE type='trigger' AND tbl_name=?"
    for (name,) in rig.house.read(lambda tx: tx.all(sql, table)):
        outside(rig, f"DROP TRIGGER {name}")


def plant(rig: Rig, sql: str, *values: Any) -> None:
    assert outside(rig, sql, *values) == 1


def test_an_ordinary_day_agrees(kept: Rig) -> None:
    rig = kept
    bought(rig)
    rig.chat()
    open_ = order(rig)
    assert open_["state"] == "opened"
    refunded = bought(rig)
    assert operate(rig, "POST", f"/payments/{refunded}/refund", {"amount": "10"}).status == 200
    assert findings(rig) == []


def test_paid_and_not_credited(kept: Rig) -> None:
    made = order(kept)["id"]
    plant(kept, "UPDATE orders SET state='paid', paid_at=created_at WHERE id=?", made)
    assert findings(kept) == [("paid_not_credited", made)]


def test_credited_without_an_event(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    free(rig, "payment_events")
    plant(rig, "DELETE FROM payment_events WHERE order_id=?", made)
    assert findings(rig) == [("credited_without_event", made)]


def test_credited_without_anybody(kept: Rig) -> None:
    from nexctl.server.ledger import orders

    rig, made = kept, order(kept)["id"]

    def credit(tx: Any) -> None:
        orders.move(tx, orders.there(tx, made), "paid")
        orders.credit(tx, orders.there(tx, made))

    rig.house.ledger.write(credit)
    assert findings(rig) == [("credited_without_event", made)]


def test_an_invoice_that_is_not_the_order(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    free(rig, "invoices")
    plant(rig, "UPDATE invoices SET total=total+1 WHERE subject=?", made)
    assert findings(rig) == [("invoice_differs", made)]


@pytest.mark.parametrize(
    ("there", "instead"),
    [('"net":"', '"net":"1'), ('"gross":"', '"gross":"1'), ('"lines":[{', '"rows":[{')],
)
def test_an_invoice_that_prints_something_else(kept: Rig, there: str, instead: str) -> None:
    """The customer reads the lines, not the total that stands beside them in the database."""
    rig, made = kept, bought(kept)
    free(rig, "invoices")
    plant(rig, "UPDATE invoices SET body=replace(body, ?, ?)", there, instead)
    assert findings(rig) == [("invoice_differs", made)]


def test_a_number_past_the_last_is_named_and_no_count_is_shown_as_money(kept: Rig) -> None:
    bought(kept)
    free(kept, "invoices")
    plant(kept, "UPDATE invoices SET place=3")
    rows = operate(kept, "GET", "/reconcile").body["findings"]
    assert [row["text"] for row in rows] == [
        "numbers 1 to 2 of series PLAY are missing",
        "series PLAY has given 1 numbers, there is one 3",
    ]
    figures = ("expected", "found", "currency")
    assert not any(row[name] is not None for row in rows for name in figures)


def test_a_last_entry_that_went_and_a_balance_that_was_set(kept: Rig) -> None:
    """Without a month's entries beside them both are seen by the wallet's own balance alone."""
    rig = kept
    bought(rig)
    rig.chat()
    plant(rig, "UPDATE wallets SET balance=balance+3 WHERE id=?", rig.made.customer)
    assert findings(rig) == [("statement_differs", rig.made.customer)]
    plant(rig, "UPDATE wallets SET balance=balance-3 WHERE id=?", rig.made.customer)
    assert findings(rig) == []
    for table in ("entries", "postings", "usage_records", "price_snapshots", "usage_costs"):
        free(rig, table)
    plant(rig, "DELETE FROM entries WHERE kind='usage'")
    assert ("statement_differs", rig.made.customer) in findings(rig)


def test_no_invoice_is_a_missing_one_and_a_gap(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    bought(rig)
    free(rig, "invoices")
    plant(rig, "DELETE FROM invoices WHERE subject=?", made)
    assert findings(rig) == [("invoice_missing", made), ("number_gap", "PLAY")]


def test_a_number_that_was_given_and_is_nowhere(kept: Rig) -> None:
    bought(kept)
    plant(kept, "UPDATE invoice_series SET last=last+1 WHERE series='PLAY'")
    assert findings(kept) == [("number_gap", "PLAY")]


def test_a_payment_of_another_amount(kept: Rig) -> None:
    made = order(kept)["id"]
    deliver(kept, made, amount="1")
    assert findings(kept) == [("event_differs", made)]


def test_credits_that_are_not_the_order(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    plant(rig, "UPDATE orders SET credits=credits+1 WHERE id=?", made)
    assert findings(rig) == [("credit_differs", made)]


def test_a_tax_that_is_not_its_snapshot(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    plant(rig, "UPDATE orders SET tax=tax+5, subtotal=subtotal-5 WHERE id=?", made)
    assert findings(rig) == [("tax_differs", made), ("invoice_differs", made)]


def test_a_refund_without_its_note(kept: Rig) -> None:
    rig, made = kept, bought(kept)
    plant(rig, "UPDATE orders SET refunded=5 WHERE id=?", made)
    assert findings(rig) == [("credit_note_differs", made)]


def test_a_debit_that_the_statement_does_not_have(kept: Rig) -> None:
    rig = kept
    rig.chat()
    free(rig, "usage_records")
    plant(rig, "UPDATE usage_records SET charge=charge+1")
    assert findings(rig) == [("statement_differs", rig.made.customer)]


def test_a_month_looks_at_its_own_orders(rig: Rig) -> None:
    made = order(rig)["id"]
    plant(rig, "UPDATE orders SET state='paid', paid_at=created_at WHERE id=?", made)
    month = str(rig.ask("GET", f"/v1/wallet/top-ups/{made}").body["created_at"])[:7]
    assert findings(rig, month) == [("paid_not_credited", made)]
    assert findings(rig, "2101-01") == []
    assert operate(rig, "GET", "/reconcile?month=2026-13").status == 400


STEP = st.one_of(
    st.tuples(st.just("chat"), st.integers(1, 400)),
    st.tuples(st.just("order"), st.integers(10, 300)),
    st.tuples(st.just("pay"), st.integers(0, 9)),
    st.tuples(st.just("pay_twice"), st.integers(0, 9)),
    st.tuples(st.just("refund"), st.integers(0, 9)),
    st.tuples(st.just("adjust"), st.integers(-3, 9)),
    st.tuples(st.just("plan"), st.sampled_from(["pro", "business"])),
    st.tuples(st.just("code"), st.integers(1, 9)),
)


def step(rig: Rig, orders: list[str], what: str, how: Any) -> None:
    if what == "chat":
        rig.chat(max_tokens=how)
    elif what == "order":
        orders.append(order(rig, amount=str(how))["id"])
    elif what == "plan":
        path = f"/subscriptions/{rig.made.customer}"
        operate(rig, "PUT", path, {"plan": how, "charge": True})
    elif what == "adjust":
        body = {"amount": str(how), "note": "n"}
        operate(rig, "POST", f"/customers/{rig.made.customer}/wallet/adjustments", body)
    elif what == "code":
        code = operate(rig, "POST", "/codes", {"amount": str(how)}).body["data"][0]["code"]
        assert rig.ask("POST", "/v1/wallet/redeem", {"code": code}).status == 200
    elif orders:
        chosen = orders[how % len(orders)]
        if what == "refund":
            operate(rig, "POST", f"/payments/{chosen}/refund", {"amount": str(1 + how)})
        else:
            for _ in range(2 if what == "pay_twice" else 1):
                deliver(rig, chosen)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=5, max_size=30))
def test_any_month_of_traffic_agrees(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        try:
            operate(rig, "PUT", "/terms", {"plan_fees": {"pro": "20", "business": "29"}})
            orders: list[str] = []
            for what, how in steps:
                step(rig, orders, what, how)
            assert findings(rig) == []
            assert verify.verify(rig.house.ledger).clean
        finally:
            rig.close()


def test_findings_name_figures_in_their_currency(make: Callable[..., Rig]) -> None:
    rig = make()
    made = bought(rig)
    free(rig, "invoices")
    plant(rig, "UPDATE invoices SET total=total+10000000 WHERE subject=?", made)
    (row,) = operate(rig, "GET", "/reconcile").body["findings"]
    assert set(row) == {
        *("rule", "subject", "text", "customer_id", "expected", "found", "currency")
    }
    assert (row["expected"], row["found"], row["currency"]) == ("50", "50.01", "USD")
