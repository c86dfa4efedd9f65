"""Papers: numbered without a gap, tax as it was, corrections as papers of their own, as PDF."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from server_kit import Rig
from test_gateway_bonuses import ordered, paid, proved, refund, set_terms, topup

from nexctl.server.ledger import invoices
from nexctl.server.ledger.verify import verify

PROFILE = {"name": "Acme Pte. Ltd.", "country": "SG", "kind": "business", "tax_id": "M90312345A"}
TAXED = {
    "tax": [
        {"on": "usage_credits", "percent": "19", "name": "VAT", "country": "DE"},
        {
            "on": "usage_credits",
            "percent": "0",
            "name": "VAT",
            "country": "FR",
            "kind": "business",
            "wording": "Reverse charge: the customer owes the tax",
        },
        {"on": "usage_credits", "percent": "20", "name": "VAT", "country": "FR"},
    ],
    "invoice_series": "NT",
    "refund_policy": {"version": "3", "text": "Unspent credits within 30 days."},
}


def papers(rig: Rig, key: str | None = None) -> list[dict[str, Any]]:
    return list(rig.ask("GET", "/v1/invoices?limit=1000", key=key).body["data"])


def set_profile(rig: Rig, **fields: Any) -> None:
    got = rig.ask("PUT", "/v1/billing-profile", {**PROFILE, **fields})
    assert got.status == 200, got


def manual(make: Callable[..., Rig]) -> Rig:
    rig = make(plan="developer", payments="manual")
    set_terms(rig, TAXED)
    return rig


def credited(rig: Rig, amount: str) -> dict[str, Any]:
    made = ordered(rig, amount, method="usdt")
    proof = {"transaction": f"ref-{made['id']}"}
    assert rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", proof).status == 200
    path = f"/admin/v1/payments/{made['id']}/approve"
    got = rig.ask("POST", path, {}, key=rig.operator)
    assert got.body["state"] == "credited", got
    return dict(got.body)


def test_every_credited_order_has_one_invoice_and_no_other_has(make: Callable[..., Rig]) -> None:
    rig = manual(make)
    ordered(rig, "10", method="usdt")
    made = credited(rig, "50")
    (paper,) = papers(rig)
    assert (paper["number"], paper["subject"], paper["total"]) == ("NT-000001", made["id"], "50")
    assert (paper["state"], paper["sandbox"]) == ("paid", False)
    assert paper["seller"] == {
        "name": "Cete Ventures Pte. Ltd.",
        "id": "UEN 202421160G",
        "address": None,
        "country": None,
        "tax_id": None,
        "email": None,
        "tax_status": "GST-registered in Singapore",
    }
    assert paper["policies"]["refund_policy"].startswith("3 (sha256 ")
    assert proved(rig)


def test_tax_follows_the_billing_profile_and_stays_as_it_was(make: Callable[..., Rig]) -> None:
    rig = manual(make)
    set_profile(rig, country="DE")
    preview = ordered(rig, "50", preview=True)
    assert (preview["tax"], preview["total"], preview["tax_note"]) == ("9.5", "59.5", "VAT 19 %")
    made = ordered(rig, "50", method="usdt")
    set_profile(rig, country="FR", name="Autre SA")
    proof = {"transaction": "ref-1"}
    rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", proof)
    rig.ask("POST", f"/admin/v1/payments/{made['id']}/approve", {}, key=rig.operator)
    (paper,) = papers(rig)
    assert (paper["net"], paper["tax"], paper["total"]) == ("50", "9.5", "59.5")
    assert (paper["customer"]["name"], paper["customer"]["country"]) == ("Acme Pte. Ltd.", "DE")
    assert ordered(rig, "50", preview=True)["tax_note"].startswith("Reverse charge")
    set_profile(rig, country="FR", kind="consumer")
    assert ordered(rig, "50", preview=True)["tax"] == "10"
    set_profile(rig, country="US")
    assert ordered(rig, "50", preview=True)["tax"] == "0"
    assert rig.wallet()["balance"] == "55"
    assert proved(rig)


def test_refunds_make_credit_notes_whose_tax_adds_up(make: Callable[..., Rig]) -> None:
    rig = manual(make)
    set_profile(rig, country="DE")
    made = credited(rig, "50")
    for part in ("10.01", "0.03", "20"):
        assert refund(rig, made, amount=part).status == 200
    assert refund(rig, made).body["refunded"] == "59.5"
    notes = [row for row in papers(rig) if row["kind"] == "credit_note"]
    assert [row["number"] for row in reversed(notes)] == [f"NT-00000{n}" for n in range(2, 6)]
    assert all(row["corrects"] == "NT-000001" for row in notes)
    assert sum(Decimal(row["tax"]) for row in notes) == Decimal("9.5")
    cents = [Decimal(row[name]) * 100 for row in notes for name in ("net", "tax", "total")]
    assert [cent % 1 for cent in cents] == [0] * 12, "no paper splits a cent"
    assert sum(Decimal(row["total"]) for row in notes) == Decimal("59.5")
    invoice = next(row for row in papers(rig) if row["kind"] == "invoice")
    assert (invoice["state"], invoice["total"]) == ("credited", "59.5")
    assert proved(rig)


def test_play_money_has_a_series_of_its_own(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    set_terms(rig, TAXED)
    topup(rig, "50")
    (paper,) = papers(rig)
    assert (paper["number"], paper["sandbox"]) == ("PLAY-000001", True)


def test_numbers_have_no_gap_when_many_pay_at_once(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    made = [ordered(rig, str(10 + n)) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda row: paid(rig, row), made))
    numbers = sorted(row["number"] for row in papers(rig))
    assert numbers == [f"PLAY-{n:06d}" for n in range(1, 13)]
    assert proved(rig)


def test_what_fails_takes_its_number_back(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")

    def issue_and_fail(tx: Any) -> None:
        issued(tx)
        raise RuntimeError("after the number was taken")

    def issued(tx: Any) -> Any:
        named = {"customer": rig.made.customer, "subject": None, "currency": "USD"}
        one = "0.000000001"
        body = {"lines": [{"gross": one}], "net": one, "tax": "0"}
        return invoices.issue(tx, "T", "invoice", total=1, body=body, **named)

    ledger = rig.house.ledger
    with pytest.raises(RuntimeError):
        ledger.write(issue_and_fail)
    assert ledger.write(issued).number == "T-000001"
    assert ledger.write(invoices.skip_past, "T", 4) == 3
    assert next(row.kind for row in ledger.read(invoices.listed)) == "void"
    assert ledger.write(issued).number == "T-000005"
    assert proved(rig)


def test_papers_are_never_edited_and_a_gap_is_found(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    topup(rig, "50")
    ledger = rig.house.ledger
    for sql in (
        "UPDATE invoices SET total=1",
        "DELETE FROM invoices",
        "INSERT OR REPLACE INTO invoices SELECT * FROM invoices",
        "DELETE FROM invoice_series",
    ):
        if "REPLACE" in sql and ledger.executor.database.dialect != "sqlite":
            continue  # only SQLite has it
        with pytest.raises(Exception, match=r"append-only|never-deleted|denied"):
            ledger.write(lambda tx, sql=sql: tx.run(sql))
    ledger.write(lambda tx: tx.run("UPDATE invoice_series SET last=7"))
    assert {row.check for row in verify(ledger).violations} == {"papers"}


def test_only_an_unpaid_invoice_is_voided(make: Callable[..., Rig]) -> None:
    rig = make(book="deeptoken", plan=None, payments="manual")
    made = ordered(rig, "5000", method="invoice")
    (paper,) = papers(rig)
    path = f"/admin/v1/invoices/{paper['number']}/void"
    got = rig.ask("POST", path, {"reason": "ordered twice"}, key=rig.operator)
    assert (got.body["state"], got.body["void_reason"]) == ("void", "ordered twice")
    assert rig.ask("POST", path, {"reason": "again"}, key=rig.operator).code == "state_conflict"
    rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", {"transaction": "wire-1"})
    other = credited_by_wire(rig)
    (paid_paper,) = [row for row in papers(rig) if row["subject"] == other["id"]]
    path = f"/admin/v1/invoices/{paid_paper['number']}/void"
    assert rig.ask("POST", path, {"reason": "no"}, key=rig.operator).code == "state_conflict"
    refunded = f"/admin/v1/payments/{other['id']}/refund"
    assert rig.ask("POST", refunded, {"amount": "1"}, key=rig.operator).status == 200
    note = next(row["number"] for row in papers(rig) if row["kind"] == "credit_note")
    got = rig.ask("POST", f"/admin/v1/invoices/{note}/void", {"reason": "no"}, key=rig.operator)
    assert got.body["error"]["message"] == "only an invoice that counts can be voided"


def credited_by_wire(rig: Rig) -> dict[str, Any]:
    made = ordered(rig, "6000", method="invoice", pack="business")
    if made["state"] == "under_review":
        rig.ask("POST", f"/admin/v1/payments/{made['id']}/approve", {}, key=rig.operator)
    rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", {"transaction": "wire-2"})
    rig.ask("POST", f"/admin/v1/payments/{made['id']}/approve", {}, key=rig.operator)
    return made


def test_another_customers_papers_are_not_there(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    topup(rig, "50")
    other = rig.customer("other")
    number = papers(rig)[0]["number"]
    assert papers(rig, other) == []
    for path in (f"/v1/invoices/{number}", f"/v1/invoices/{number}.pdf"):
        assert rig.ask("GET", path, key=other).status == 404
        assert rig.ask("GET", path).status == 200


def test_the_pdf_is_one_page_with_what_the_paper_says(make: Callable[..., Rig]) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    rig = manual(make)
    set_profile(rig, country="DE", address="Straße 1\n10115 Berlin", purchase_order="PO-77")
    credited(rig, "50")
    got = rig.ask("GET", "/v1/invoices/NT-000001.pdf")
    assert got.headers["content-type"] == "application/pdf"
    document = pdfium.PdfDocument(got.body)
    assert len(document) == 1
    text = document[0].get_textpage().get_text_range()
    for part in ("Invoice", "NT-000001", "Acme Pte. Ltd.", "Straße 1", "PO-77", "UEN 202421160G"):
        assert part in text, part
    for part in (
        "GST-registered in Singapore",
        "50.00",
        "9.50 (19 %)",
        "59.50",
        "VAT 19 %",
        "Refund policy: version 3",
    ):
        assert part in text, part
    assert "PLAY" not in text


def test_a_long_paper_goes_over_pages_and_strange_letters_do_no_harm() -> None:
    pdfium = pytest.importorskip("pypdfium2")
    from nexctl.server.payments.pdf import rendered
    from nexctl.wire.papers import Invoice, Line, Party

    paper = Invoice(
        number="X-1",
        kind="invoice",
        state="paid",
        issued_at="2026-11-26T17:35:56.009484Z",
        currency="USD",
        net="1",
        tax="0",
        total="1",
        lines=[
            Line(text=f"line {n} " + "word " * 30, net="1", tax="0", gross="1") for n in range(60)
        ],
        customer=Party(name="株式会社 \x1b[31m\u202e Ωmega"),
    )
    document = pdfium.PdfDocument(rendered(paper))
    assert len(document) > 2
    text = document[len(document) - 1].get_textpage().get_text_range()
    assert "Total USD" in text


def test_a_credit_note_keeps_what_is_taxed_from_the_fee_that_is_not(
    make: Callable[..., Rig],
) -> None:
    """Printed beside 19 %, the tax was not that of its line."""
    rig = make(plan="developer", payments="manual")
    fee = {"method": "usdt", "percent": "1.5", "fixed": "0.10"}
    set_terms(rig, {**TAXED, "payment_fees": [fee]})
    set_profile(rig, country="DE", tax_id=None)
    order = credited(rig, "33.33")
    assert (order["tax"], order["fee"], order["total"]) == ("6.33", "0.6", "40.26")
    for amount in ("10", "0.01", "7.77", "22.48"):
        assert refund(rig, order, amount=amount).status == 200
    notes = [row for row in papers(rig) if row["kind"] == "credit_note"]
    lines = [line for note in notes for line in note["lines"]]
    taxed = [line for line in lines if "payment fee" not in line["text"]]
    for line in taxed:
        net, tax = Decimal(line["net"]), Decimal(line["tax"])
        assert abs(net * 19 / 100 - tax) <= Decimal("0.02"), line
    assert sum(Decimal(line["net"]) for line in taxed) == Decimal("33.33")
    rest = [line for line in lines if line not in taxed]
    assert sum(Decimal(line["gross"]) for line in rest) == Decimal("0.60")
    assert {line["tax_percent"] for line in rest} == {None}
    assert sum(Decimal(line["gross"]) for line in lines) == Decimal("40.26")
    assert rig.ask("GET", "/admin/v1/reconcile", key=rig.operator).body["findings"] == []


def test_a_letter_that_no_font_has_is_a_question_mark_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name in letters that the one font of a machine lacks was nothing but blank."""
    pdfium = pytest.importorskip("pypdfium2")
    from nexctl.server.payments import pdf
    from nexctl.wire.papers import Invoice, Party

    found = [path for path in pdf._FONTS if os.path.exists(path) and "DejaVu" in path]
    if not found:
        pytest.skip("this machine has no font that lacks Chinese letters")
    monkeypatch.setattr(pdf, "_FONTS", tuple(found))
    paper = Invoice(
        number="X-1",
        kind="invoice",
        state="paid",
        issued_at="2026-11-26T17:35:56.009484Z",
        customer=Party(name="株式会社 Ωmega", address="רחוב 5"),
    )
    text = pdfium.PdfDocument(pdf.rendered(paper))[0].get_textpage().get_text_range()
    assert "???? Ωmega" in text
    # The paper is read as it is printed, from the left: the street's name from its other end.
    assert "5 בוחר" in text or "רחוב 5" in text


def test_a_lines_amounts_stand_on_its_page() -> None:
    pdfium = pytest.importorskip("pypdfium2")
    from nexctl.server.payments.pdf import rendered
    from nexctl.wire.papers import Invoice, Line

    lines = [
        Line(text=f"start{n} " + "word " * 60 + f"end{n}", net=f"{n}.11", tax="0", gross="1")
        for n in range(40)
    ]
    paper = Invoice(
        number="X-1",
        kind="invoice",
        state="paid",
        issued_at="2026-11-26T17:35:56.009484Z",
        currency="USD",
        net="1",
        tax="0",
        total="1",
        lines=lines,
    )
    document = pdfium.PdfDocument(rendered(paper))
    pages = [page.get_textpage().get_text_range() for page in document]
    for n in range(40):
        (page,) = (text for text in pages if f"start{n} " in text)
        assert f"end{n}\r" in page or f"end{n} " in page, n
        assert f"{n}.11" in page, n


def test_a_statement_adds_up(make: Callable[..., Rig]) -> None:
    rig = make()
    topup(rig, "50")
    rig.chat()
    month = rig.ask("GET", "/v1/me").body["server_time"][:7]
    got = rig.ask("GET", f"/v1/statements?month={month}").body
    parts = {name: Decimal(got[name]) for name in ("opening", "credits", "debits", "expired")}
    closing = parts["opening"] + parts["credits"] - parts["debits"] - parts["expired"]
    assert closing == Decimal(got["closing"]) == Decimal(rig.wallet()["balance"])
    assert {row["kind"] for row in got["sums"]} == {"grant", "topup", "usage"}
    assert got["closed"] is False
    before = rig.ask("GET", "/v1/statements?month=2020-01").body
    assert (before["entries"], before["closing"], before["closed"]) == (0, "0", True)
    for month in ("2026-13", "2026-1", "0000-01", "9999-12", "x"):
        assert rig.ask("GET", f"/v1/statements?month={month}").status == 400


def test_real_invoices_have_no_series_of_play_moneys(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer", payments="manual")
    got = rig.ask("PUT", "/admin/v1/terms", {**TAXED, "invoice_series": "PLAY"}, key=rig.operator)
    assert (got.code, got.body["error"]["param"]) == ("invalid_request", "invoice_series")
