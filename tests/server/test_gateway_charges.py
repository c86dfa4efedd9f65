"""What is charged: to the last unit what the estimate says, whatever a provider or caller does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from server_kit import BODY, Rig

from nexctl.estimate.ask import Ask
from nexctl.estimate.estimator import Estimator
from nexctl.money import parse_units, text_of
from nexctl.pricing import books, engine
from nexctl.pricing.book import Book
from nexctl.records import Usage
from nexctl.safety.http import Call


def words(count: int) -> list[dict[str, str]]:
    """A message that echo answers with that many tokens."""
    return [{"role": "user", "content": "word" + " word" * (count - 1)}]


TEXT = "All happy families are alike; each unhappy family is unhappy in its own way. 幸福な家庭"


def priced(model: str, into: int, out: int) -> str:
    pricer = engine.pricer(books.load("nextoken"), model)
    return text_of(pricer.charge(Usage(input=into, output=out)).units)


STREAMING = ("nex-pro", "nex-auto", "gpt-4o", "claude-sonnet-4")


@pytest.mark.parametrize(
    ("model", "stream"),
    [*((m, False) for m in (*STREAMING, "o1")), *((m, True) for m in STREAMING)],
)
def test_a_charge_is_what_the_estimate_says(rig: Rig, model: str, stream: bool) -> None:
    body = {**BODY, "model": model, "messages": [{"role": "user", "content": TEXT}]}
    if stream:
        body["stream_options"] = {"include_usage": True}
        *_, last, done = list(rig.events(**body))
        assert done == "DONE"
        got = last
    else:
        got = rig.chat(**body).body
    usage, charge = got["usage"], got["nex"]["charge"]
    estimator = Estimator(Ask(books=("nextoken",), output_tokens=usage["completion_tokens"]))
    estimator.add_request("request", {k: v for k, v in body.items() if k != "stream_options"})
    (lane,) = estimator.lanes.values()
    assert lane.input_tokens == usage["prompt_tokens"]
    assert text_of(lane.charge.expected) == charge
    assert charge == priced(model, usage["prompt_tokens"], usage["completion_tokens"])
    record = rig.usage()[0]
    assert record["charge"] == charge
    assert record["balance_delta"] == f"-{charge}"
    assert record["currency"] == "USD"
    quote = rig.ask(
        "POST",
        "/v1/estimate-cost",
        {
            "model": model,
            "messages": body["messages"],
            "expected_output_tokens": usage["completion_tokens"],
        },
    ).body
    assert quote["charge"]["expected"] == charge
    assert quote["input_tokens"] == usage["prompt_tokens"]
    rig.settled()


def test_embeddings_are_charged_for_input_alone(rig: Rig) -> None:
    got = rig.ask("POST", "/v1/embeddings", {"model": "nex-embed-zh", "input": ["你好", "hello"]})
    assert [len(row["embedding"]) for row in got.body["data"]] == [1024, 1024]
    tokens = got.body["usage"]["prompt_tokens"]
    assert got.body["nex"]["charge"] == priced("nex-embed-zh", tokens, 0)
    assert rig.usage()[0]["output_tokens"] == 0
    coded = {"model": "nex-embed-zh", "input": "x", "encoding_format": "base64", "dimensions": 8}
    assert isinstance(rig.ask("POST", "/v1/embeddings", coded).body["data"][0]["embedding"], str)


def test_every_answer_of_n_is_charged(rig: Rig) -> None:
    one = rig.chat().body
    many = rig.chat(n=5).body
    assert len(many["choices"]) == 5
    assert many["usage"]["completion_tokens"] == 5 * one["usage"]["completion_tokens"]
    assert many["nex"]["charge"] == priced(
        "nex-pro", many["usage"]["prompt_tokens"], many["usage"]["completion_tokens"]
    )


def test_the_hold_covers_n_answers(rig: Rig) -> None:
    key = rig.key("a", budget={"amount": "0.004"})
    got = rig.chat(key, n=10, max_tokens=2000, metadata={"echo.tokens": "2000"})
    assert got.status == 200
    assert float(got.body["nex"]["charge"]) <= 0.004
    assert rig.wallet(key)["state"] == "active"


LIES = {
    "nothing": "omit",
    "zero": "input=0,output=0",
    "negative": "input=-5,output=-9",
    "huge": "input=99999999999,output=99999999999",
    "a huge number": "input=99999999999999999999,output=99999999999999999999",
    "more cached than input": "cached=9999",
    "negative cached": "cached=-1",
    "more reasoning than output": "reasoning=99999",
    "too little output": "output=1",
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_lying_provider_is_held_to_our_bounds(rig: Rig, lie: str, stream: bool) -> None:
    told = {"echo.usage": LIES[lie]}
    fields: dict[str, Any] = {"metadata": told, "max_tokens": 400, "messages": words(300)}
    if stream:
        *_, last, _ = list(rig.events(**fields))
        nex = last["nex"]
    else:
        nex = rig.chat(**fields).body["nex"]
    true = rig.chat(messages=words(300), max_tokens=400).body
    into, out = true["usage"]["prompt_tokens"], true["usage"]["completion_tokens"]
    charge = parse_units(nex["charge"], 9)
    assert charge >= parse_units(priced("nex-pro", into, out), 9)
    assert charge <= parse_units(priced("nex-pro", into, 400), 9)
    assert nex["counted_by"] == "gateway"
    assert rig.ask("GET", "/admin/v1/health", key=rig.operator).body["status"] == "degraded"
    assert rig.wallet()["held"] == "0"


def test_cached_input_without_a_price_is_charged_as_input(rig: Rig) -> None:
    got = rig.chat(metadata={"echo.usage": "cached=4"}).body
    assert got["nex"]["charge"] == priced("nex-pro", 10, 2)
    assert got["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ("500", 502, "upstream_error"),
        ("429", 502, "upstream_error"),
        ("401", 502, "upstream_refused"),
        ("refused", 502, "upstream_refused"),
        ("timeout", 504, "upstream_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_an_answer_is_not_billed(
    rig: Rig, told: str, status: int, code: str, stream: bool
) -> None:
    got = rig.chat(metadata={"echo.fail": told}, stream=stream, request_id="once")
    assert (got.status, got.code) == (status, code)
    assert got.body["error"]["type"] == "upstream"
    assert rig.usage() == []
    assert rig.wallet()["held"] == "0"
    assert rig.chat(request_id="once").status == 200


def test_a_stream_that_breaks_off_is_billed_for_what_came(rig: Rig) -> None:
    *events, last = list(rig.events(messages=words(200), metadata={"echo.break": "3"}))
    assert last["error"]["code"] == "upstream_error"
    text = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
    assert 0 < len(text) < 200
    record = rig.usage()[0]
    assert record["status"] == "partial"
    assert record["output_tokens"] > 0
    assert record["charge"] == priced("nex-pro", record["input_tokens"], record["output_tokens"])
    rig.settled()


def test_a_stream_that_breaks_before_any_text_is_free(rig: Rig) -> None:
    *_, last = list(rig.events(metadata={"echo.break": "0"}))
    assert last["error"]["code"] == "upstream_error"
    assert rig.usage() == []
    rig.settled()


@pytest.mark.parametrize("after", [1, 3, -1])
def test_who_leaves_a_stream_pays_all_the_same(rig: Rig, after: int) -> None:
    events = rig.events(messages=words(100), metadata={"echo.pause": "0.002"})
    if after < 0:
        for event in events:
            if event != "DONE" and any(c["finish_reason"] for c in event["choices"]):
                break
    else:
        for _ in range(after):
            next(events)
    events.close()
    rig.settled()
    (record,) = rig.usage()
    assert (record["status"], record["output_tokens"]) == ("ok", 100)


def test_draining_has_an_end(make: Callable[..., Rig]) -> None:
    from nexctl.server.house import Options

    rig = make(options=Options(draining_seconds=0.2))
    events = rig.events(messages=words(400), metadata={"echo.pause": "0.05"})
    for _ in range(4):
        next(events)
    events.close()
    started = time.monotonic()
    rig.settled()
    assert time.monotonic() - started < 15  # the stream itself would last 20 s
    (record,) = rig.usage()
    assert record["status"] == "partial"
    assert 0 < record["output_tokens"] < 200


def test_a_command_that_ends_waits_for_its_stream(rig: Rig) -> None:
    events = rig.events(messages=words(50), metadata={"echo.pause": "0.01"})
    next(events)
    events.close()
    rig.again()
    assert [row["output_tokens"] for row in rig.usage()] == [50]
    rig.settled()


def test_twenty_at_once_with_one_id_are_billed_once(rig: Rig) -> None:
    body = {**BODY, "request_id": "same", "metadata": {"echo.stall": "0.2"}}
    raw = json.dumps(body).encode()
    sent = {"content-type": "application/json", "authorization": f"Bearer {rig.management}"}
    found: list[tuple[int, str]] = []
    rig.house  # noqa: B018 - opened before the threads use it

    def call() -> None:
        reply = rig.transport.send(
            Call("POST", "/v1/chat/completions", sent, raw), time.monotonic() + 20
        )
        answer = json.loads(reply.read())
        found.append((reply.status, answer.get("error", {}).get("code", "")))

    rig.chat()
    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in found) == [200, *[409] * 19]
    assert {code for status, code in found if status == 409} <= {
        "request_in_progress",
        "already_billed",
    }
    assert sum(row["request_id"] == "same" for row in rig.usage()) == 1
    rig.settled()


def test_an_id_is_served_once(rig: Rig) -> None:
    first = rig.chat(request_id="r-1").body
    again = rig.chat(request_id="r-1")
    assert (again.status, again.code) == (409, "already_billed")
    assert again.details["usage"]["charge"] == first["nex"]["charge"]
    other = rig.chat(request_id="r-1", max_tokens=5)
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert rig.usage()[0]["request_id"] == "r-1"
    assert rig.ask("GET", "/v1/usage/r-1").body["charge"] == first["nex"]["charge"]
    assert rig.chat(request_id="bad id").status == 400


def test_two_customers_may_use_one_id(rig: Rig) -> None:
    other = rig.customer("other")
    assert rig.chat(request_id="r-1").status == 200
    assert rig.chat(other, request_id="r-1").status == 200
    assert len(rig.usage()) == 1
    assert rig.ask("GET", "/v1/usage/r-1", key=other).body["customer_id"] != rig.made.customer


def test_the_tracing_header_is_no_id(rig: Rig) -> None:
    for _ in range(2):
        got = rig.ask("POST", "/v1/chat/completions", BODY, headers={"x-request-id": "trace-1"})
        assert got.status == 200
        assert got.headers["x-request-id"] == "trace-1"
        assert got.body["nex"]["request_id"] != "trace-1"


def test_a_ledger_that_fails_while_settling_stops_new_work(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexctl.server.ledger import holds
    from nexctl.server.ledger.errors import Unavailable

    rig.chat()
    real = holds.settle

    def broken(*args: Any, **named: Any) -> Any:
        raise Unavailable("the disk is full: the ledger cannot be written")

    monkeypatch.setattr(holds, "settle", broken)
    got = rig.chat(request_id="owed")
    assert (got.status, got.code) == (503, "ledger_unavailable")
    assert rig.chat(request_id="next").code == "ledger_unavailable"
    assert rig.wallet()["held"] != "0"
    monkeypatch.setattr(holds, "settle", real)
    assert rig.chat(request_id="next").status == 200
    assert [row["request_id"] for row in rig.usage()][1:] == ["owed", "next"]
    rig.settled()


def test_health_says_that_the_ledger_cannot_be_written_until_it_can(rig: Rig) -> None:
    def health() -> tuple[str, str]:
        shown = rig.ask("GET", "/admin/v1/health", key=rig.operator).body
        assert shown["status"] == rig.raw("GET", "/health").body["status"]
        return shown["status"], shown["checks"]["ledger"]

    rig.chat()
    assert health() == ("ok", "ok")
    database = rig.house.ledger.executor.database
    (pages,) = database.raw.execute("PRAGMA page_count").fetchone()
    database.raw.execute(f"PRAGMA max_page_count={pages}")  # as full as a disk
    labels = {"text": "x" * 400}
    answers = (rig.chat(metadata=labels) for _ in range(200))
    got = next(got for got in answers if got.status != 200)
    assert (got.status, got.code) == (503, "ledger_unavailable")
    assert health() == ("failing", "the disk is full: the ledger cannot be written")
    database.raw.execute("PRAGMA max_page_count=1000000")
    assert rig.chat().status == 200
    assert health() == ("ok", "ok")


def test_the_ledger_proves_itself_after_all_this(rig: Rig) -> None:
    from nexctl.server.ledger import verify

    for told in ({}, {"echo.usage": "omit"}, {"echo.fail": "500"}, {"echo.usage": "cached=3"}):
        rig.chat(metadata=told)
        if "echo.fail" not in told:
            list(rig.events(metadata=told))
    report = verify.verify(rig.house.ledger)
    assert not report.violations, report.violations


def test_a_model_is_counted_as_the_book_in_force_says(rig: Rig) -> None:
    shipped = books.load("nextoken")
    rows = [dict(row) for row in shipped.data["models"]]
    rows[0]["tokenizer"] = {"name": "cl100k_base", "method": "exact"}
    later = Book({**shipped.data, "models": rows, "sha256": "later"})
    name = rows[0]["id"]
    meters = rig.house.meters
    assert meters.choice(shipped.find(name), name).tokenizer == "qwen2.5"
    assert meters.choice(later.find(name), name).tokenizer == "cl100k_base"
    assert meters.choice(shipped.find(name), name).tokenizer == "qwen2.5"
