"""Making a batch: what fails it and where, what refuses it at once, and what is held for it."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from batch_kit import CHAT, EMBED, Batches, embed, jsonl, line, proved
from server_kit import Rig

from nexctl.money import text_of
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.server.batches import admission
from nexctl.server.inference.metering import _most as most_of


@pytest.fixture
def kit(rig: Rig) -> Batches:
    return Batches(rig)


def quote(*lines: tuple[int, int], model: str = "nex-pro") -> str:
    pricer = engine.pricer(books.load("nextoken"), model, batch=True)
    return text_of(sum(pricer.charge(Usage(input=i, output=o)).units for i, o in lines))


def left_with(kit: Batches, units: int) -> None:
    """Take away all but so many nano-dollars."""
    ledger = kit.rig.house.ledger
    balance = ledger.wallet(kit.rig.made.customer).balance
    ledger.adjust(kit.rig.made.customer, units - balance, note="test", by="test")


# what fails it -----------------------------------------------------------------------------------

DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("rows", "code", "number", "param"),
    [
        ([line(1), b"not json"], "invalid_json_line", 2, None),
        ([line(1), b'{"a": 1, "a": 2}'], "invalid_json_line", 2, None),
        ([b'{"custom_id": ' + DEEP], "invalid_json_line", 1, None),
        ([b'{"n": NaN}'], "invalid_json_line", 1, None),
        ([line(1), b'{"custom_id": "\xff\xfe"}'], "invalid_utf8", 2, None),
        ([gzip.compress(jsonl([line(1)]))], "invalid_utf8", 1, None),
        ([line(1), b"", line(1)], "duplicate_custom_id", 3, "custom_id"),
        ([line(1), line(2, url=EMBED)], "url_mismatch", 2, "url"),
        ([line(1), line(2, model="nex-max")], "model_mismatch", 2, "body.model"),
        ([line(1, stream=True)], "stream_not_allowed", 1, "body.stream"),
        ([{**line(1), "method": "GET"}], "invalid_method", 1, "method"),
        ([{**line(1), "custom_id": "a\x00b"}], "invalid_custom_id", 1, "custom_id"),
        ([b"x" * (admission.RULES.max_line_bytes + 1)], "line_too_large", 1, None),
        ([], "empty_file", None, None),
        ([b"", b"  "], "empty_file", None, None),
    ],
)
def test_a_line_that_is_none_fails_the_batch(
    kit: Batches, rows: list[Any], code: str, number: int | None, param: str | None
) -> None:
    batch = kit.made(rows)
    assert (batch["status"], batch["errors"]) == ("validating", None)
    found = kit.done(batch["id"])
    assert found["status"] == "failed"
    assert found["failed_at"] >= found["created_at"]
    assert found["errors"]["object"] == "list"
    first = found["errors"]["data"][0]
    assert (first["code"], first["line"], first["param"]) == (code, number, param)
    assert first["message"]
    assert found["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert (found["output_file_id"], found["error_file_id"]) == (None, None)
    assert kit.rig.wallet()["held"] == "0"
    assert kit.results(batch["id"]) == []
    proved(kit.rig)


def test_every_fault_is_told_with_its_line(kit: Batches) -> None:
    rows = [line(1), b"{", line(1), {**line(4), "url": EMBED}, line(5)]
    found = kit.run(rows)
    told = [(e["code"], e["line"]) for e in found["errors"]["data"]]
    assert told == [("invalid_json_line", 2), ("duplicate_custom_id", 3), ("url_mismatch", 4)]


def test_more_lines_than_a_batch_takes(kit: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_LINES", 3)
    assert kit.run([line(n) for n in range(3)])["status"] == "completed"
    found = kit.run([line(n) for n in range(4)])
    assert [e["code"] for e in found["errors"]["data"]] == ["too_many_tasks"]


# what refuses it at once -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input_file_id"),
        ({"input_file_id": "file_none", "endpoint": CHAT}, 404, "input_file_id"),
        ({"input_file_id": "x", "items": []}, 400, "input_file_id"),
        ({"input_file_id": "x"}, 400, "endpoint"),
        ({"input_file_id": "x", "endpoint": "/v1/videos"}, 400, "endpoint"),
        ({"input_file_id": "x", "endpoint": CHAT, "completion_window": "7d"}, 400, None),
        ({"items": [], "metadata": {str(n): "x" for n in range(17)}}, 400, "metadata"),
        ({"items": [], "metadata": {"k" * 65: "x"}}, 400, None),
        ({"items": [], "metadata": {"k": "v" * 513}}, 400, None),
        ({"items": [], "metadata": {"k": "a\x00"}}, 400, "metadata"),
        ({"items": [], "wanted": 1}, 400, "wanted"),
        ({"items": {}}, 400, None),
    ],
)
def test_a_body_that_asks_for_no_batch(
    kit: Batches, body: dict[str, Any], status: int, param: str | None
) -> None:
    got = kit.rig.ask("POST", "/v1/batches", body)
    assert got.status == status
    if param is not None:
        assert got.body["error"]["param"] == param


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'{"items": [}',
        b'{"items": [], "items": []}',
        b'{"items": [], "endpoint": "a", "endpoint": "b"}',
        b'{"items": ' + DEEP + b"}",
        b'{"metadata": ' + DEEP + b"}",
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_json_object(kit: Batches, raw: bytes) -> None:
    got = kit.rig.raw("POST", "/v1/batches", raw, key=kit.key)
    assert (got.status, got.code) == (400, "invalid_request")


def test_money_refuses_at_once_and_nothing_is_left(kit: Batches) -> None:
    left_with(kit, 1_000)
    before = kit.rig.wallet()
    got = kit.make([line(n) for n in range(20)])
    assert (got.status, got.code) == (402, "insufficient_balance")
    assert kit.rig.wallet() == before
    assert kit.rig.ask("GET", "/v1/batches").body["data"] == []
    ledger = kit.rig.house.ledger
    for table in ("batches", "batch_lines", "holds"):  # not even what was refused
        assert ledger.read(lambda tx, t=table: tx.value(f"SELECT count(*) FROM {t}")) == 0


def test_a_budget_refuses_at_once_and_is_named(kit: Batches) -> None:
    kit.rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "0.0001"})
    got = kit.make([line(n, max_tokens=1000) for n in range(5)])
    assert (got.status, got.code) == (403, "budget_exceeded")
    assert got.details["layer"] == "customer"
    assert kit.make([line(1)]).status == 200
    proved(kit.rig)


def test_items_refused_for_money_leave_no_file(kit: Batches) -> None:
    left_with(kit, 1_000)
    got = kit.rig.ask("POST", "/v1/batches", {"items": [line(1)]})
    assert (got.status, got.code) == (402, "insufficient_balance")
    assert kit.rig.ask("GET", "/v1/files").body["data"] == []


# what is held ------------------------------------------------------------------------------------


def test_the_quote_is_counted_input_and_stated_output_at_the_batch_price(kit: Batches) -> None:
    alone = {"model": "nex-pro", "messages": line(1)["body"]["messages"]}
    told = kit.rig.ask("POST", "/v1/tokenize", alone).body
    counted = most_of(told["input_tokens"], told["count"]["error"])
    batch = kit.made([line(1, max_tokens=100), line(2, max_tokens=7, n=3)])
    expected = quote((counted, 100), (counted, 21))
    assert batch["nex"]["quote"] == batch["nex"]["held"] == expected
    assert kit.rig.wallet()["held"] == expected
    assert batch["nex"]["multiplier"] == "0.7"
    assert batch["nex"]["currency"] == "USD"
    proved(kit.rig)


def test_lines_without_a_maximum_take_a_quarter_of_what_is_left(kit: Batches) -> None:
    left_with(kit, 10_000_000)
    rows = [line(n, max_tokens=None) for n in range(10)]
    certain = kit.made([line(n, max_tokens=1) for n in range(10)])
    inputs = Decimal(certain["nex"]["quote"])
    kit.done(certain["id"])
    batch = kit.made(rows)
    outputs = Decimal(batch["nex"]["quote"]) - inputs
    quarter = (Decimal("0.01") - inputs) / 4
    assert quarter * Decimal("0.98") < outputs <= quarter
    assert kit.done(batch["id"])["status"] == "completed"
    assert kit.rig.wallet()["held"] == "0"


def test_a_maximum_that_hardly_anything_is_left_for_is_refused(kit: Batches) -> None:
    kit.rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "0.000001"})
    got = kit.make([line(n, max_tokens=None) for n in range(10)])
    assert (got.status, got.code) == (403, "budget_exceeded")


def test_both_forms_are_one(kit: Batches) -> None:
    rows = [line(1), line(2)]
    inline = kit.rig.ask("POST", "/v1/batches", {"items": rows, "metadata": {"job": "7"}}).body
    upload = kit.made(rows, metadata={"job": "7"})
    assert inline["metadata"] == upload["metadata"] == {"job": "7"}
    assert inline["nex"]["quote"] == upload["nex"]["quote"]
    assert inline["endpoint"] == upload["endpoint"] == CHAT
    ours = kit.done(inline["id"])
    theirs = kit.done(upload["id"])

    def said(batch: dict[str, Any]) -> list[Any]:
        rows = kit.lines(batch["output_file_id"])
        return [(r["custom_id"], r["response"]["body"]["choices"]) for r in rows]

    assert said(ours) == said(theirs)
    raw = kit.rig.raw("GET", f"/v1/files/{inline['input_file_id']}/content", key=kit.key).body
    assert [json.loads(row) for row in raw.splitlines()] == rows


def test_items_may_be_written_over_many_lines(kit: Batches) -> None:
    raw = json.dumps({"items": [embed(1), embed(2)]}, indent=3).replace("\n", "\r\n").encode()
    batch = kit.rig.raw("POST", "/v1/batches", raw, key=kit.key)
    done = kit.done(batch.body["id"])
    assert (done["endpoint"], done["request_counts"]["completed"]) == (EMBED, 2)


def test_the_same_idempotency_key_makes_one_batch(kit: Batches) -> None:
    file = kit.upload([line(1)]).body["id"]
    body = {"input_file_id": file, "endpoint": CHAT}
    sent = {"idempotency-key": "once"}
    first = kit.rig.ask("POST", "/v1/batches", body, headers=sent)
    held = kit.rig.wallet()["held"]
    again = kit.rig.ask("POST", "/v1/batches", body, headers=sent)
    assert (again.status, again.body) == (200, first.body)
    assert kit.rig.wallet()["held"] == held
    other = kit.rig.ask("POST", "/v1/batches", {**body, "metadata": {"a": "b"}}, headers=sent)
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert len(kit.rig.ask("GET", "/v1/batches").body["data"]) == 1


def test_a_refused_batch_may_be_asked_for_again_under_its_idempotency_key(kit: Batches) -> None:
    kit.rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "0"})
    file = kit.upload([line(1)]).body["id"]
    body = {"input_file_id": file, "endpoint": CHAT}
    sent = {"idempotency-key": "later"}
    assert kit.rig.ask("POST", "/v1/batches", body, headers=sent).code == "budget_exceeded"
    kit.rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "5"})
    assert kit.rig.ask("POST", "/v1/batches", body, headers=sent).status == 200


def test_what_a_process_left_half_admitted_is_taken_away(kit: Batches) -> None:
    from nexctl.server.ledger import batch_lines, batches

    house = kit.rig.house
    file = kit.upload([line(1)]).body["id"]
    who = (kit.rig.made.customer, "key", None)
    house.ledger.write(
        batches.begin,
        "batch_half",
        who,
        endpoint=CHAT,
        input_file=file,
        metadata=None,
        keep_seconds=3600,
    )
    house.ledger.write(
        batch_lines.add_lines,
        "batch_half",
        [batch_lines.NewLine(n, f"l{n}", 0, 1) for n in range(1, 121)],
    )
    assert kit.rig.ask("GET", "/v1/batches").body["data"] == []
    assert kit.rig.ask("GET", "/v1/batches/batch_half").status == 404
    house.ledger.write(lambda tx: tx.run("UPDATE batches SET owner='gone'"))
    kit.made([line(1)])
    rows = house.ledger.read(lambda tx: tx.all("SELECT DISTINCT batch_id FROM batch_lines"))
    assert [row[0] for row in rows] != ["batch_half"]
    assert len(rows) == 1


def test_items_whose_commit_was_only_thought_lost_keep_their_file(
    kit: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was made though its caller is told that it was not: its input must stay."""
    from nexctl.server.ledger.errors import Unavailable

    house = kit.rig.house
    write = house.ledger.write

    def losing(operation: Any, *args: Any, **named: Any) -> Any:
        found = write(operation, *args, **named)
        if operation.__name__ == "_admitted":
            raise Unavailable("the connection was lost during COMMIT")
        return found

    monkeypatch.setattr(house.ledger, "write", losing)
    got = kit.rig.ask("POST", "/v1/batches", {"items": [line(1)]})
    assert (got.status, got.code) == (503, "ledger_unavailable")
    monkeypatch.undo()
    (batch,) = kit.rig.ask("GET", "/v1/batches").body["data"]
    assert kit.done(batch["id"])["request_counts"]["completed"] == 1
    proved(kit.rig)


def test_lists_come_newest_first_in_pages(kit: Batches) -> None:
    made = [kit.made([embed(n)], EMBED)["id"] for n in range(5)][::-1]
    page = kit.rig.ask("GET", "/v1/batches?limit=3").body
    assert [row["id"] for row in page["data"]] == made[:3]
    assert (page["object"], page["has_more"], page["last_id"]) == ("list", True, made[2])
    rest = kit.rig.ask("GET", f"/v1/batches?after={page['last_id']}").body
    assert [row["id"] for row in rest["data"]] == made[3:]
    assert rest["has_more"] is False
    other = kit.rig.key("other")
    assert kit.rig.ask("GET", "/v1/batches", key=other).body["data"] == []


def test_a_plan_of_another_book_bills_batches_at_its_normal_price(make: Any) -> None:
    rig = make(book="nexrelay", plan=None)
    rig.house.ledger.adjust(rig.made.customer, 10**9, note="test", by="test")
    kit = Batches(rig)
    model = rig.ask("GET", "/v1/models").body["data"][0]["id"]
    done = kit.run([line(1, model=model)])
    assert done["status"] == "completed", done
    assert done["nex"]["multiplier"] in (None, "1")
    proved(rig)
