"""The proof: clean after honest work, and every kind of tampering is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from nexctl.records import Usage
from nexctl.server.ledger import anchors, codes, funds, invoices, orders, pools, refunds, wallets
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.state import digest
from nexctl.server.ledger.verify import CHECKS, verify
from nexctl.server.payments import outbox
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import KEY, Hands, new_code, proved
from tests.server.ledger.test_orders import event, order, receive


def work(hands: Hands) -> None:
    """A bit of everything."""
    write = hands.ledger.write
    hands.topup(50, bonus=5)
    hands.ledger.put_budget(hands.customer, "customer", hands.customer, 1000)
    for charge in (3, 4, 5):
        hands.spend(charge)
    write(funds.grant, hands.customer, 7, kind="included", period="2026-11")
    write(funds.adjust, hands.customer, -2, note="test", by="op")
    hands.settle(hands.sent(10), 6, Usage(10, output=1))
    hands.reserve(5)
    hands.ledger.release(hands.sent(5), "failed")


def test_honest_work_is_proved_whole(hands: Hands) -> None:
    work(hands)
    proof = verify(hands.ledger, page=3)
    assert proof.violations == ()
    assert proof.clean
    assert set(proof.skipped) == {"recompute"}
    assert set(proof.proved) <= set(CHECKS)
    for check in ("chain", "double_entry", "lots", "held", "budgets", "exactly_once", "schema"):
        assert proof.proved[check] > 0


def test_a_page_boundary_changes_nothing(hands: Hands) -> None:
    work(hands)
    assert len({str(verify(hands.ledger, page=page).violations) for page in (1, 2, 1000)}) == 1


def test_charges_are_recomputed_where_a_pricer_is_given(hands: Hands) -> None:
    hands.settle(hands.sent(10), 3, Usage(1, output=2))
    hands.settle(hands.sent(10), 4, Usage(1, output=2))
    proof = verify(hands.ledger, reprice=lambda _, usage: usage.input + usage.output)
    assert [(v.check, v.text) for v in proof.violations] == [("recompute", "charged 4, priced 3")]


Break = Callable[[Any, str], object]


def rewritten(run: Any, customer: str) -> None:
    """One amount changed and its own hash made again, the entry after left as it is."""
    row = run("SELECT at, balance FROM entries WHERE seq=3").fetchone()
    run(f"UPDATE entries SET amount=-1, balance=154, hash=x'{digest(b'x').hex()}' WHERE seq=3")
    assert row is not None


def cut(run: Any, customer: str) -> None:
    """The newest entry taken away, and everything that points at it made to fit."""
    last = run("SELECT max(seq) FROM entries").fetchone()[0]
    before, at, balance = run(
        f"SELECT hash, at, balance FROM entries WHERE seq={last - 1}"
    ).fetchone()
    run(f"DELETE FROM postings WHERE seq={last}")
    run(f"DELETE FROM usage_records WHERE seq={last}")
    run(f"DELETE FROM entries WHERE seq={last}")
    run(f"UPDATE holds SET state='released', attempt=id, seq=NULL WHERE seq={last}")
    run(
        f"UPDATE wallets SET seq={last - 1}, head=x'{before.hex()}', last_at={at}, "
        f"balance={balance}"
    )
    run("UPDATE lots SET remaining=remaining+6, live=1 WHERE lot=7")


TABLE: dict[str, tuple[Break, set[str]]] = {
    "an entry's amount edited": (
        lambda run, _: run("UPDATE entries SET amount=amount+1 WHERE seq=3"),
        {"chain", "balance"},
    ),
    "an entry rewritten and rehashed": (rewritten, {"chain"}),
    "the tail cut": (cut, {"head"}),
    "an entry deleted": (lambda run, _: run("DELETE FROM entries WHERE seq=4"), {"chain"}),
    "an entry replaced": (
        lambda run, _: run(
            "INSERT OR REPLACE INTO entries SELECT wallet, seq, at, kind, amount, balance, "
            "'another', note, reverses, hash FROM entries WHERE seq=4"
        ),
        {"chain"},
    ),
    "a posting edited": (
        lambda run, _: run("UPDATE postings SET amount=amount-1 WHERE seq=4 AND line=1"),
        {"double_entry"},
    ),
    "a posting moved to another lot": (
        lambda run, _: run("UPDATE postings SET lot=1 WHERE seq=5 AND line=0"),
        {"chain", "lots"},
    ),
    "a usage record edited": (
        lambda run, _: run("UPDATE usage_records SET model='cheap' WHERE seq=5"),
        {"chain"},
    ),
    "a usage record deleted": (
        lambda run, _: run("DELETE FROM usage_records WHERE seq=5"),
        {"usage", "exactly_once"},
    ),
    "the balance edited": (
        lambda run, _: run("UPDATE wallets SET balance=balance+1000"),
        {"balance", "conservation"},
    ),
    "what is held edited": (lambda run, _: run("UPDATE wallets SET held=0"), {"held"}),
    "the debt edited": (lambda run, _: run("UPDATE wallets SET debt=3"), {"debt"}),
    "a lot edited": (
        lambda run, _: run("UPDATE lots SET remaining=remaining-1 WHERE lot=1"),
        {"lots", "conservation"},
    ),
    "a budget's spent edited": (lambda run, _: run("UPDATE buckets SET spent=0"), {"budgets"}),
    "a hold forgotten": (
        lambda run, _: run("UPDATE holds SET state='released', attempt=id WHERE state='reserved'"),
        {"held"},
    ),
    "a debit's hold opened again": (
        lambda run, _: run("UPDATE holds SET state='reserved', seq=NULL WHERE seq=5"),
        {"exactly_once", "held"},
    ),
    "a price snapshot edited": (
        lambda run, _: run("UPDATE price_snapshots SET body='{\"free\":true}'"),
        {"prices"},
    ),
    "a usage record made unreadable": (
        lambda run, _: run("UPDATE usage_records SET record='x' WHERE seq=5"),
        {"chain", "usage"},
    ),
    "an open hold's budgets made unreadable": (
        lambda run, _: run("UPDATE holds SET layers='[x]' WHERE state='reserved'"),
        {"held", "budgets"},
    ),
    "a settled hold's budgets made unreadable": (
        lambda run, _: run("UPDATE holds SET layers='[x]' WHERE seq=5"),
        {"usage", "budgets"},
    ),
    "a budget made unreadable": (
        lambda run, _: run("UPDATE budgets SET models='x'"),
        {"budgets"},
    ),
    "a budget deleted": (lambda run, _: run("DELETE FROM budgets"), {"budgets"}),
    "a bucket deleted": (lambda run, _: run("DELETE FROM buckets"), {"budgets"}),
    "a wallet deleted": (lambda run, _: run("DELETE FROM wallets"), {"belongs"}),
    "a wallet given to another customer": (
        lambda run, _: (
            run(
                "INSERT INTO customers SELECT 'mallory', 'mallory', state, plan, email, "
                "external_id, labels, policy, created_at FROM customers"
            )
            and run("UPDATE wallets SET customer_id='mallory'")
        ),
        {"belongs"},
    ),
    "a wallet said to be in another unit": (
        lambda run, _: run("UPDATE wallets SET currency='JPY'"),
        {"prices"},
    ),
    "a wallet said to have other decimals": (
        lambda run, _: run("UPDATE wallets SET scale=scale-1"),
        {"prices"},
    ),
    "the lifetime edited": (lambda run, _: run("UPDATE wallets SET lifetime=9"), {"orders"}),
    "a hold given to another key": (
        lambda run, _: run("UPDATE holds SET key_id='key_x' WHERE seq=5"),
        {"exactly_once"},
    ),
    "a lot given to another order": (
        lambda run, _: run("UPDATE lots SET order_id='ord_y' WHERE kind='paid'"),
        {"lots"},
    ),
    "a secret of a key that is gone": (
        lambda run, _: run(
            "INSERT INTO key_secrets (hash, key_id, prefix, created_at) VALUES (x'00', 'k', 'p', 0)"
        ),
        {"storage"},
    ),
    "a batch taken away from its lines": (
        lambda run, _: run(
            "INSERT INTO batch_lines (batch_id, n, custom_id, request_id, state, start, size, "
            "input, most, output, answers, amount) "
            "VALUES ('b', 1, 'x', 'r', 'waiting', 0, 1, 1, 1, 1, 1, 1)"
        ),
        {"batches"},
    ),
    "postings of no entry": (
        lambda run, customer: run(
            f"INSERT INTO postings VALUES ('{customer}', 99, 0, 'wallet', 1, 5)"
        ),
        {"belongs"},
    ),
    "a given lot said to be paid": (
        lambda run, _: run("UPDATE lots SET kind='paid' WHERE kind='included'"),
        {"grants"},
    ),
    "a bonus said to be paid": (
        lambda run, _: run("UPDATE lots SET kind='paid' WHERE kind='bonus'"),
        {"lots"},
    ),
    "a grant deleted, so that it may be given again": (
        lambda run, _: run("DELETE FROM grants"),
        {"grants"},
    ),
    "a grant without credit": (
        lambda run, customer: run(
            f"INSERT INTO grants VALUES ('g', '{customer}', 999, 'grant', NULL, NULL, 0)"
        ),
        {"grants"},
    ),
}


def attack(place: str, attempt: Break, customer: str) -> None:
    """Tamper as someone who holds the file: past the triggers, which are put back afterwards."""
    with sqlite3.connect(place) as raw:
        triggers = raw.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type='trigger'"
        ).fetchall()
        for name, _ in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        attempt(raw.execute, customer)
        for _, text in triggers:
            raw.execute(text)
    raw.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", TABLE)
def test_tampering_is_found(hands: Hands, place: str, what: str) -> None:
    work(hands)
    assert proved(hands.ledger)
    attempt, checks = TABLE[what]
    attack(place, attempt, hands.customer)
    found = {violation.check for violation in verify(hands.ledger).violations}
    assert checks <= found


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_chain_rewritten_as_a_whole_is_found_by_the_key(
    opening: Opener, hands: Hands, place: str
) -> None:
    """Every hash fits again, but whoever wrote them did not have the key."""
    work(hands)
    hands.ledger.close()
    forger = opening(anchor_key=b"another key, of the forger's own")
    forged = Hands(forger, hands.wall, "forger", 5)
    with sqlite3.connect(place) as raw:
        raw.execute("UPDATE wallets SET mac=x'00'")
    raw.close()
    assert forged.spend(1)
    found = verify(opening(anchor_key=KEY)).violations
    assert {violation.check for violation in found} == {"head"}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_chain_set_back_to_an_older_state_is_found_by_a_kept_head(
    opening: Opener, hands: Hands, place: str, tmp_path: Any
) -> None:
    old = tmp_path / "old.db"
    with sqlite3.connect(place) as source, sqlite3.connect(old) as copy:
        source.backup(copy)
    hands.spend(30)
    outside = anchors.exported(hands.ledger.write(anchors.anchor))
    hands.ledger.close()
    with sqlite3.connect(old) as source, sqlite3.connect(place) as target:
        source.backup(target)
    again = opening()
    assert verify(again).clean  # an older truth: only what is kept elsewhere tells
    found = verify(again, kept_anchors=anchors.imported(outside)).violations
    assert [(v.check, v.text) for v in found] == [("anchors", "the chain ends before its anchor")]


def test_anchors_stay_true_as_the_book_grows(hands: Hands) -> None:
    hands.spend(1)
    hands.ledger.write(anchors.anchor)
    hands.spend(1)
    outside = anchors.imported(anchors.exported(hands.ledger.write(anchors.anchor)))
    hands.spend(1)
    proof = verify(hands.ledger, kept_anchors=outside)
    assert proof.clean
    assert proof.proved["anchors"] == 3


def test_an_anchor_that_was_forged_is_not_believed(hands: Hands) -> None:
    head = hands.ledger.write(anchors.anchor)[0]
    forged = head._replace(head=b"\1" * 32)
    found = verify(hands.ledger, kept_anchors=[forged]).violations
    assert [violation.check for violation in found] == ["anchors"]


APPEND_ONLY = ("entries", "postings", "usage_records", "price_snapshots", "anchors", "grants")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_book_refuses_update_delete_and_replace(hands: Hands, place: str, table: str) -> None:
    work(hands)
    hands.ledger.write(anchors.anchor)
    raw = sqlite3.connect(place)  # recursive_triggers is off here, as for any stranger
    for statement in (
        f"UPDATE {table} SET rowid=rowid" if table == "usage_records" else None,
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        if statement is not None:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
    raw.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_replacing_by_another_unique_key_is_refused_too(hands: Hands, place: str) -> None:
    work(hands)
    raw = sqlite3.connect(place)
    columns = "hold, created_at, customer_id, request_id, key_id, model, status, charge, snapshot"
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(
            f"INSERT OR REPLACE INTO usage_records (rowid, wallet, seq, {columns}, record) "
            f"SELECT rowid, wallet, seq+100, {columns}, '{{}}' FROM usage_records"
        )
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(
            "INSERT OR REPLACE INTO grants SELECT 'new', wallet, lot, kind, period, note, "
            "created_at FROM grants"
        )
    raw.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_dropped_or_weakened_trigger_is_found(hands: Hands, place: str) -> None:
    raw = sqlite3.connect(place)
    raw.execute("DROP TRIGGER entries_no_update")
    raw.execute("DROP TRIGGER postings_no_delete")
    raw.execute("CREATE TRIGGER postings_no_delete BEFORE DELETE ON postings BEGIN SELECT 1; END")
    raw.execute("CREATE TRIGGER sly AFTER INSERT ON entries BEGIN SELECT 1; END")
    raw.close()
    found = {violation.text for violation in verify(hands.ledger).violations}
    assert found == {
        "trigger entries_no_update is gone",
        "trigger postings_no_delete was changed",
        "trigger sly was added",
    }


def test_a_budget_of_two_wallets_counts_what_was_charged_as_its_models_alone(hands: Hands) -> None:
    """A request that may be answered as one of its models is held for it, and maybe not spent."""
    hands.ledger.write(wallets.create, hands.customer, "USD", 9, wallet="second", name="second")
    hands.ledger.put_budget(hands.customer, "customer", hands.customer, 50, models=["dear"])
    hands.settle(hands.sent(9, model="cheap", others=("dear",)), 4, charged="cheap")
    hands.settle(hands.sent(9, model="cheap", others=("dear",)), 6, charged="dear")
    assert proved(hands.ledger)


def trade(hands: Hands) -> None:
    """Money in and back by a provider and by hand, with codes and papers."""
    write = hands.ledger.write
    bought = order(hands)
    assert receive(hands, event(bought)) == "credited"
    ends = hands.ledger.clock.now() + 10**9
    write(funds.grant, hands.customer, 7, kind="included", period="2026-11", expires_at=ends)
    write(wallets.create, hands.customer, "USD", 9, wallet="second", name="second")
    write(pools.transfer, hands.customer, hands.customer, "second", 1)
    assert receive(hands, event(bought, kind="disputed", amount=11)) == "disputed"
    assert receive(hands, event(bought, kind="dispute_won", amount=6)) == "dispute_won"
    paid = order(hands, method="transfer", provider="manual", bonus=0)
    write(orders.submit, paid.id, transaction="t-1", sender=None, by="key")
    write(orders.approve, paid.id, by="op")
    lines = [{"text": "credits", "net": "0.00000005", "tax": "0.000000005", "gross": "0.000000055"}]
    body = {"lines": lines, "net": "0.00000005", "tax": "0.000000005"}
    about = {"customer": hands.customer, "subject": paid.id, "currency": "USD"}
    write(invoices.issue, "INV", invoices.INVOICE, total=55, body=body, **about)
    write(refunds.refund, paid.id, 11, by="op")
    lines = [{"text": "back", "net": "0.00000001", "tax": "0.000000001", "gross": "0.000000011"}]
    body = {"lines": lines, "net": "0.00000001", "tax": "0.000000001"}
    write(invoices.issue, "INV", invoices.NOTE, total=11, body=body, corrects="INV-000001", **about)
    code = new_code(hands.ledger, b"c" * 32, "CODE", 3)
    write(codes.redeem, hands.customer, hands.customer, b"c" * 32)
    promo = new_code(hands.ledger, b"p" * 32, "PROM", 2, promo=True)
    new_code(hands.ledger, b"o" * 32, "OPEN", 4)
    write(codes.use, promo, hands.customer, order(hands).id)
    write(outbox.put, "sandbox", "refund", bought.id, 0)
    assert code.state == "open"


MONEY_IN = {
    "a credited order's total": ("orders SET total=total+1 WHERE provider='manual'", "orders"),
    "an order's tax": ("orders SET tax=tax+1 WHERE state='created'", "orders"),
    "an order's provider": ("orders SET provider='stripe' WHERE paid_lot=2", "orders"),
    "an order's currency": ("orders SET currency='EUR' WHERE paid_lot=2", "orders"),
    "an order's payment": ("orders SET payment_id='x' WHERE paid_lot=2", "orders"),
    "a payment said to be by hand": ("orders SET paid_at=NULL WHERE paid_lot=2", "orders"),
    "a transfer said to be an event's": ("orders SET paid_at=1 WHERE provider='manual'", "orders"),
    "another's bonus": ("orders SET bonus_lot=2 WHERE provider='manual'", "orders"),
    "an unpaid order's lot": ("orders SET paid_lot=2 WHERE state='created'", "orders"),
    "an unpaid order's refund": ("orders SET refunded=5 WHERE state='created'", "orders"),
    "what is disputed": ("orders SET disputed=0, refunded=5 WHERE paid_lot=2", "orders"),
    "a payment's amount": ("payment_events SET amount=54 WHERE outcome='credited'", "orders"),
    "a payment's currency": ("payment_events SET currency='EUR' WHERE amount=55", "orders"),
    "what an event did": ("payment_events SET outcome='noted' WHERE amount=55", "orders"),
    "a dispute's amount": ("payment_events SET amount=12 WHERE outcome='disputed'", "orders"),
    "what a provider is to pay back": ("provider_calls SET amount=50", "orders"),
    "real money made play": ("lots SET sandbox=1 WHERE lot=2", "lots"),
    "the order of burning": ("lots SET priority=60 WHERE lot=1", "lots"),
    "who has redeemed a code": ("codes SET redeemed_by='x' WHERE kind='credit'", "codes"),
    "a redeemed code's currency": ("codes SET currency='EUR' WHERE kind='credit'", "codes"),
    "how long a code's credits last": ("lots SET expires_at=1 WHERE kind='code'", "codes"),
    "an open code's amount": ("codes SET amount=40 WHERE prefix='OPEN'", "codes"),
    "an open code's end": ("codes SET expires_at=1 WHERE prefix='OPEN'", "codes"),
    "a promo code's uses": ("codes SET uses=9 WHERE kind='promo'", "codes"),
    "a code that nobody made": ("codes SET id='cod_new' WHERE prefix='OPEN'", "codes"),
    "how long a plan's credits last": ("lots SET expires_at=1 WHERE kind='included'", "grants"),
    "a plan's credits for ever": (f"lots SET expires_at={NEVER} WHERE kind='included'", "grants"),
    "a pack that ends": ("lots SET expires_at=1 WHERE kind='paid'", "lots"),
    "moved credits for ever": (f"lots SET expires_at={NEVER} WHERE wallet='second'", "lots"),
    "a grant's month": ("grants SET period='2026-10' WHERE kind='included'", "grants"),
    "a grant of no month": ("grants SET period=NULL WHERE kind='included'", "grants"),
    "what a grant is": ("grants SET note='x' WHERE kind='included'", "grants"),
    "a grant's name": ("grants SET id='grt_x' WHERE kind='included'", "grants"),
    "who has used a promo code": ("code_uses SET customer_id='x'", "codes"),
    "a paper's total": ("invoices SET total=total+1 WHERE place=1", "papers"),
    "a paper's lines": ("invoices SET body=replace(body, '055', '054') WHERE place=1", "papers"),
    "a paper's form": ("invoices SET body='x' WHERE place=1", "papers"),
    "a paper's number": ("invoices SET number='INV-9' WHERE place=2", "papers"),
    "a paper's customer": ("invoices SET customer_id='x' WHERE place=1", "papers"),
    "a paper's currency": ("invoices SET currency='EUR' WHERE place=1", "papers"),
    "what a note corrects": ("invoices SET corrects='INV-000002' WHERE place=2", "papers"),
    "what a note gives back": ("invoices SET total=10 WHERE place=2", "papers"),
}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", MONEY_IN)
def test_tampering_with_orders_payments_codes_and_papers_is_found(
    hands: Hands, place: str, what: str
) -> None:
    trade(hands)
    assert verify(hands.ledger).violations == ()
    changed, check = MONEY_IN[what]
    attack(place, lambda run, _: run(f"UPDATE {changed}"), hands.customer)
    proof = verify(hands.ledger)
    assert check in {found.check for found in proof.violations}, proof.violations


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("table", "check"), [("payment_events", "orders"), ("invoice_series", "papers")]
)
def test_what_proves_money_in_cannot_be_taken_away(
    hands: Hands, place: str, table: str, check: str
) -> None:
    trade(hands)
    attack(place, lambda run, _: run(f"DELETE FROM {table}"), hands.customer)
    assert check in {found.check for found in verify(hands.ledger).violations}
