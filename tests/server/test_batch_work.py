"""Working on a batch: each line is served and billed once as its caller may, or says why not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_kit import CHAT, EMBED, Batches, embed, line, proved
from server_kit import Rig

from nexctl.money import parse_units, text_of
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.server.ledger import batch_lines, batches, holds
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import place, postgres

__all__ = ["place", "postgres"]  # fixtures


@pytest.fixture
def kit(rig: Rig) -> Batches:
    return Batches(rig)


@pytest.fixture
def both(place: str, tmp_path: Path) -> Iterator[Batches]:
    """The same on SQLite and on PostgreSQL."""
    rig = Rig(tmp_path, place=place if "://" in place else None)
    yield Batches(rig)
    rig.close()


def units(text: str) -> int:
    return parse_units(text, 9)


def charge(used: dict[str, Any], model: str = "nex-pro") -> int:
    pricer = engine.pricer(books.load("nextoken"), model, batch=True)
    usage = Usage(input=used["prompt_tokens"], output=used.get("completion_tokens", 0))
    return pricer.charge(usage).units


# what is billed ----------------------------------------------------------------------------------


def test_every_line_is_served_and_billed_once_to_the_last_unit(both: Batches) -> None:
    before = units(both.rig.wallet()["balance"])
    batch = both.run([line(n, metadata={"team": f"t{n % 2}"}) for n in range(30)])
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 30, "completed": 30, "failed": 0}
    assert batch["error_file_id"] is None
    rows = both.lines(batch["output_file_id"])
    assert [row["custom_id"] for row in rows] == [f"line-{n}" for n in range(30)]
    assert all(row["response"]["status_code"] == 200 and row["error"] is None for row in rows)
    assert rows[7]["response"]["body"]["choices"][0]["message"]["content"] == "hello 7"
    wanted = {
        row["response"]["request_id"]: charge(row["response"]["body"]["usage"]) for row in rows
    }
    told = {
        row["response"]["request_id"]: units(row["response"]["body"]["nex"]["charge"])
        for row in rows
    }
    records = both.records(batch["id"])
    assert told == wanted == {r["request_id"]: units(r["charge"]) for r in records}
    assert units(batch["nex"]["charge"]) == sum(wanted.values())
    wallet = both.rig.wallet()
    assert (before - units(wallet["balance"]), wallet["held"]) == (sum(wanted.values()), "0")
    assert batch["nex"]["held"] == "0"
    usage = batch["usage"]
    assert usage["input_tokens"] == sum(r["input_tokens"] for r in records)
    assert usage["output_tokens"] == sum(r["output_tokens"] for r in records)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    first = records[0]
    assert (first["batch_id"], first["multiplier"]) == (batch["id"], "0.7")
    assert (first["endpoint"], first["status"]) == (CHAT, "ok")
    assert first["labels"]["team"] in ("t0", "t1")
    assert first["key_id"] == batch["nex"]["key_id"]
    assert both.results(batch["id"]) == rows
    proved(both.rig)


def test_vectors_in_a_batch(both: Batches) -> None:
    batch = both.run([embed(n) for n in range(5)], EMBED)
    rows = both.lines(batch["output_file_id"])
    assert [len(row["response"]["body"]["data"]) for row in rows] == [1] * 5
    assert units(batch["nex"]["charge"]) == sum(
        charge(row["response"]["body"]["usage"], "nex-embed-zh") for row in rows
    )
    proved(both.rig)


def test_cached_input_and_the_batch_price_stack_as_the_book_says(kit: Batches) -> None:
    told = {"echo.usage": "input=30,output=4,cached=20"}
    batch = kit.run([line(1, model="gpt-4o-mini", metadata=told)])
    # 10 plain and 20 cached input tokens and 4 of output, each at 0.7 of its price.
    exact = 7 * (10 * 160 + 20 * 80 + 4 * 650)
    assert units(batch["nex"]["charge"]) == exact // 10
    assert batch["usage"]["input_tokens"] == 30
    assert batch["usage"]["input_tokens_details"]["cached_tokens"] == 20
    proved(kit.rig)


def test_a_routing_model_picks_for_each_line(kit: Batches) -> None:
    batch = kit.run([line(1, model="nex-auto")])
    (row,) = kit.lines(batch["output_file_id"])
    router = row["response"]["body"]["nex"]["smart_router"]
    assert router["target_model"] != "nex-auto"
    (record,) = kit.records(batch["id"])
    assert (record["model_requested"], record["rate_input"]) == ("nex-auto", "0.3")
    proved(kit.rig)


def test_a_line_is_one_request_id_whatever_its_custom_id(kit: Batches) -> None:
    names = ["plain-1", "with blank", "h_hidden", "ü", "x" * 400, "a:b", "echo.fail"]
    rows = [{**line(n), "custom_id": name} for n, name in enumerate(names)]
    batch = kit.run(rows)
    results = kit.results(batch["id"])
    assert [row["custom_id"] for row in results] == names
    ids = [row["id"] for row in results]
    assert len(set(ids)) == len(names)
    assert ids[0] == f"{batch['id']}:plain-1"
    assert all(len(name) <= 128 for name in ids)
    for name in ids:
        assert kit.rig.ask("GET", f"/v1/usage/{name}").body["batch_id"] == batch["id"]


def test_a_request_id_that_was_billed_alone_is_never_billed_again(kit: Batches) -> None:
    batch = kit.made([line(1), line(2)])
    taken = f"{batch['id']}:line-1"
    assert kit.rig.chat(request_id=taken).status == 200
    done = kit.done(batch["id"])
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (error,) = kit.lines(done["error_file_id"])
    assert error["custom_id"] == "line-1"
    assert error["response"]["status_code"] == 409
    assert error["response"]["body"]["error"]["code"] == "already_billed"
    assert [r["request_id"] for r in kit.records(batch["id"])] == [f"{batch['id']}:line-2"]
    proved(kit.rig)


# what a line may not -----------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"max_tokens": 99_000_000}, 400, "context_length_exceeded"),
    ({"wanted": True}, 400, "unsupported_parameter"),
    ({"temperature": 9}, 400, "invalid_request"),
    ({"request_id": "mine"}, 400, "invalid_request"),
    ({"messages": []}, 400, "invalid_request"),
]


@pytest.mark.parametrize(("fields", "status", "code"), WRONG, ids=[row[2] for row in WRONG])
def test_a_line_that_would_be_refused_alone_is_an_error_line(
    kit: Batches, fields: dict[str, Any], status: int, code: str
) -> None:
    batch = kit.run([line(1), line(2, **fields), line(3)])
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    (error,) = kit.lines(batch["error_file_id"])
    assert (error["custom_id"], error["error"]) == ("line-2", None)
    assert error["response"]["status_code"] == status
    assert error["response"]["body"]["error"]["code"] == code
    assert [row["custom_id"] for row in kit.results(batch["id"])] == ["line-1", "line-2", "line-3"]
    proved(kit.rig)


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"model": "no-such-model"}, "model_not_found"), ({"model": "nex-embed-zh"}, "unsupported_")],
)
def test_a_batch_of_nothing_but_refused_lines_is_completed_without_output(
    kit: Batches, fields: dict[str, Any], code: str
) -> None:
    batch = kit.run([line(n, **fields) for n in range(3)])
    assert (batch["status"], batch["output_file_id"]) == ("completed", None)
    assert batch["request_counts"] == {"total": 3, "completed": 0, "failed": 3}
    codes = [row["response"]["body"]["error"]["code"] for row in kit.lines(batch["error_file_id"])]
    assert all(found.startswith(code) for found in codes)
    assert batch["nex"]["quote"] == batch["nex"]["charge"] == "0"
    proved(kit.rig)


def test_the_models_of_the_key_bind_inside_the_file(kit: Batches) -> None:
    key = kit.rig.key("narrow", models=["nex-embed-zh"])
    narrow = Batches(kit.rig, key)
    batch = narrow.run([line(1)])
    (error,) = narrow.lines(batch["error_file_id"])
    assert error["response"]["status_code"] == 403
    assert error["response"]["body"]["error"]["code"] == "model_not_allowed"


def test_a_key_that_loses_a_model_loses_it_for_the_lines_to_come(kit: Batches) -> None:
    key = Batches(kit.rig, kit.rig.key("k"))
    batch = key.made([line(1)])
    path = f"/v1/keys/{kit.rig.key_id('k')}"
    kit.rig.ask("PATCH", path, {"models": ["nex-embed-zh"]})
    done = key.done(batch["id"])
    (error,) = key.lines(done["error_file_id"])
    assert error["response"]["body"]["error"]["code"] == "model_not_allowed"
    assert kit.rig.wallet()["held"] == "0"
    proved(kit.rig)


def test_the_budget_of_a_key_binds_the_whole_batch_and_its_parent_too(kit: Batches) -> None:
    rig = kit.rig
    rig.key("parent")
    sub = rig.ask("POST", "/v1/keys", {"name": "sub", "parent_id": rig.key_id("parent")}).body
    budget = {"scope": "key", "scope_id": rig.key_id("parent"), "amount": "0.0005"}
    rig.ask("PUT", "/v1/budgets", budget)
    mine = Batches(rig, str(sub["secret"]))
    assert mine.make([line(n, max_tokens=500) for n in range(10)]).code == "budget_exceeded"
    batch = mine.made([line(n, max_tokens=50) for n in range(10)])
    (found,) = rig.ask("GET", "/v1/budgets").body["data"]
    assert found["held"] == batch["nex"]["quote"]
    proved(rig)
    done = mine.done(batch["id"])
    (found,) = rig.ask("GET", "/v1/budgets").body["data"]
    assert (found["held"], found["spent"]) == ("0", done["nex"]["charge"])
    proved(rig)


@pytest.mark.parametrize("act", ["revoke", "disable", "suspend"])
def test_lines_that_were_not_begun_end_with_their_key(both: Batches, act: str) -> None:
    rig = both.rig
    owner = Batches(rig, rig.key("k"))
    batch = owner.made([line(n) for n in range(10)])
    path = f"/v1/keys/{rig.key_id('k')}"
    if act == "revoke":
        rig.ask("POST", f"{path}/revoke")
    elif act == "disable":
        rig.ask("PATCH", path, {"disabled": True})
    else:
        rig.house.ledger.write(lambda tx: tx.run("UPDATE customers SET state='suspended'"))
    done = both.done(batch["id"])
    assert (done["status"], done["request_counts"]["failed"]) == ("completed", 10)
    codes = {row["response"]["body"]["error"]["code"] for row in both.results(batch["id"])}
    assert codes == {"customer_suspended" if act == "suspend" else "invalid_api_key"}
    assert (done["nex"]["charge"], done["nex"]["held"]) == ("0", "0")
    proved(rig)


# providers ---------------------------------------------------------------------------------------


def test_what_a_provider_refuses_is_an_error_line_and_not_billed(both: Batches) -> None:
    told = {"echo.fail": "400"}
    batch = both.run([line(1), line(2, metadata=told)])
    (error,) = both.lines(batch["error_file_id"])
    assert error["response"]["status_code"] == 502
    assert error["response"]["body"]["error"]["code"] == "upstream_refused"
    assert len(both.records(batch["id"])) == 1
    assert both.rig.wallet()["held"] == "0"
    proved(both.rig)


def test_a_provider_that_fails_for_now_is_asked_again(
    kit: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexctl.server.batches import working
    from nexctl.server.providers.echo import Echo
    from nexctl.server.providers.port import Fault

    monkeypatch.setattr(working, "PAUSES", (0, 0))
    asked: list[str] = []
    whole = Echo.complete

    async def failing(self: Echo, work: Any) -> Any:
        asked.append(work.request_id)
        if asked.count(work.request_id) < 3 or "line-2" in work.request_id:
            raise Fault("upstream_error", "for now")
        return await whole(self, work)

    monkeypatch.setattr(Echo, "complete", failing)
    batch = kit.run([line(1), line(2)])
    assert len(asked) == 6
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (error,) = kit.lines(batch["error_file_id"])
    assert error["response"]["body"]["error"]["code"] == "upstream_error"
    proved(kit.rig)


def test_numbers_of_a_provider_are_checked_as_in_a_request_alone(kit: Batches) -> None:
    batch = kit.run([line(1, metadata={"echo.usage": "output=99999"})])
    (row,) = kit.lines(batch["output_file_id"])
    assert row["response"]["body"]["usage"]["completion_tokens"] == 20
    assert row["response"]["body"]["nex"]["counted_by"] == "gateway"
    proved(kit.rig)


# cancelling and expiring -------------------------------------------------------------------------


def some_done(kit: Batches, rows: list[Any]) -> dict[str, Any]:
    """A batch of which the limits of its key have let exactly four lines be done."""
    rig = kit.rig
    owner = Batches(rig, rig.key("four", rpm=4))
    batch = owner.made(rows)
    until = time.monotonic() + 60
    while owner.show(batch["id"], 1)["request_counts"]["completed"] < 4:
        assert time.monotonic() < until
    return owner.show(batch["id"], 1)


def test_a_budget_set_while_a_batch_is_under_way_counts_all_of_it(kit: Batches) -> None:
    """What its lines still hold, and what they are charged after it was set, as one set before."""
    rig = kit.rig
    tokens = {"scope": "customer", "unit": "tokens", "meters": ["input", "output"], "amount": "999"}
    rig.ask("PUT", "/v1/budgets", {**tokens, "name": "before"})
    batch = some_done(kit, [line(n) for n in range(10)])
    before = units(rig.wallet()["held"])
    scope = {"scope": "key", "scope_id": rig.key_id("four"), "amount": "1"}
    made = rig.ask("PUT", "/v1/budgets", scope).body
    assert (units(made["held"]), before > 0) == (before, True)
    rig.ask("PUT", "/v1/budgets", {**tokens, "name": "after"})

    def same() -> int:
        rows = {row["name"]: row for row in rig.ask("GET", "/v1/budgets").body["data"]}
        figures = [(rows[name]["spent"], rows[name]["held"]) for name in ("before", "after")]
        assert figures[0] == figures[1]
        return int(figures[0][1])

    assert same() > 0
    rig.ask("PATCH", f"/v1/keys/{scope['scope_id']}", {"rpm": None})
    done = kit.done(batch["id"])
    assert same() == 0
    shown = rig.ask("GET", f"/v1/budgets/{made['id']}").body
    assert (shown["spent"], shown["held"]) == (done["nex"]["charge"], "0")
    proved(rig)


def ended(kit: Batches, batch: dict[str, Any], status: str, code: str) -> None:
    done = kit.done(batch["id"])
    assert done["status"] == status
    assert done["request_counts"] == {"total": 10, "completed": 4, "failed": 6}
    assert [r["custom_id"] for r in kit.results(batch["id"])] == [f"line-{n}" for n in range(10)]
    errors = kit.lines(done["error_file_id"])
    assert {row["error"]["code"] for row in errors} == {code}
    assert all(row["response"] is None for row in errors)
    assert len(kit.lines(done["output_file_id"])) == 4
    records = kit.records(batch["id"])
    assert units(done["nex"]["charge"]) == sum(units(r["charge"]) for r in records)
    assert len(records) == 4
    assert (done["nex"]["held"], kit.rig.wallet()["held"]) == ("0", "0")
    proved(kit.rig)


def test_the_rpm_of_a_key_bounds_its_batches(both: Batches) -> None:
    batch = some_done(both, [line(n) for n in range(10)])
    assert batch["status"] == "in_progress"
    assert batch["request_counts"]["completed"] == 4
    proved(both.rig)  # in the middle of it
    cancelled = both.rig.ask("POST", f"/v1/batches/{batch['id']}/cancel")
    assert cancelled.body["status"] == "cancelling"
    assert cancelled.body["cancelling_at"]
    ended(both, batch, "cancelled", "batch_cancelled")
    again = both.rig.ask("POST", f"/v1/batches/{batch['id']}/cancel")
    assert (again.status, again.code) == (409, "state_conflict")


def test_what_is_not_done_after_its_window_expires_unbilled(both: Batches) -> None:
    batch = some_done(both, [line(n) for n in range(10)])
    both.rig.house.ledger.write(lambda tx: tx.run("UPDATE batches SET expires_at=created_at"))
    ended(both, batch, "expired", "batch_expired")


def test_a_batch_may_be_cancelled_before_anything_is_done(kit: Batches) -> None:
    batch = kit.made([line(n) for n in range(3)])
    kit.rig.ask("POST", f"/v1/batches/{batch['id']}/cancel")
    done = kit.done(batch["id"])
    assert (done["status"], done["request_counts"]["failed"]) == ("cancelled", 3)
    assert done["nex"]["charge"] == "0"
    proved(kit.rig)


def test_lines_under_way_end_as_they_would_and_are_billed(kit: Batches) -> None:
    rows = [line(n, metadata={"echo.stall": "0.4"}) for n in range(40)]
    batch = kit.made(rows)
    kit.show(batch["id"], 0)
    worker = threading.Thread(target=kit.show, args=(batch["id"], 1))
    worker.start()
    until = time.monotonic() + 60
    ledger = kit.rig.house.ledger
    while not ledger.read(holds.listed, None, ("dispatched",)):  # sent, and stalling
        assert time.monotonic() < until
        time.sleep(0.01)
    kit.rig.ask("POST", f"/v1/batches/{batch['id']}/cancel")
    worker.join()
    done = kit.done(batch["id"])
    counts = done["request_counts"]
    assert done["status"] == "cancelled"
    assert counts["completed"] + counts["failed"] == 40
    assert 0 < counts["completed"] < 40
    assert len(kit.records(batch["id"])) == counts["completed"]
    proved(kit.rig)


# limits and waiting ------------------------------------------------------------------------------


def test_the_concurrency_of_a_key_bounds_its_lines(kit: Batches) -> None:
    owner = Batches(kit.rig, kit.rig.key("two"))
    kit.rig.house.ledger.write(lambda tx: tx.run("UPDATE keys SET concurrency=2"))
    batch = owner.made([line(n, metadata={"echo.stall": "0.05"}) for n in range(8)])
    most = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal most
        ledger = kit.rig.house.ledger
        while not stop.is_set():
            found = ledger.read(holds.listed, kit.rig.made.customer, ("dispatched",))
            most = max(most, len(found))

    watcher = threading.Thread(target=watch)
    watcher.start()
    done = owner.done(batch["id"])
    stop.set()
    watcher.join()
    assert done["request_counts"]["completed"] == 8
    assert 1 <= most <= 2
    proved(kit.rig)


def test_a_frozen_wallet_stops_lines_until_it_is_free(kit: Batches) -> None:
    ledger = kit.rig.house.ledger
    batch = kit.made([line(1)])
    ledger.write(lambda tx: tx.run("UPDATE wallets SET state='frozen'"))
    assert kit.show(batch["id"], 1)["status"] == "in_progress"
    ledger.write(lambda tx: tx.run("UPDATE wallets SET state='active'"))
    kit.rig.house.crew._not_before.clear()
    assert kit.done(batch["id"])["status"] == "completed"


def test_who_looks_works_and_who_will_not_wait_does_not(kit: Batches) -> None:
    batch = kit.made([line(1)])
    assert kit.show(batch["id"], 0)["status"] == "validating"
    assert kit.show(batch["id"])["status"] == "completed"


def test_results_are_told_when_all_are_there(kit: Batches) -> None:
    batch = kit.made([line(1)])
    got = kit.rig.raw("GET", f"/v1/batches/{batch['id']}/results", key=kit.key)
    assert (got.status, got.code) == (409, "state_conflict")
    kit.done(batch["id"])
    assert len(kit.results(batch["id"])) == 1


def test_output_is_kept_as_long_as_was_asked(kit: Batches) -> None:
    keep = {"output_expires_after": {"anchor": "created_at", "seconds": 7200}}
    batch = kit.run([line(1)], **keep)
    file = kit.rig.ask("GET", f"/v1/files/{batch['output_file_id']}").body
    assert file["expires_at"] - file["created_at"] == 7200
    assert (file["purpose"], file["filename"]) == ("batch_output", f"{batch['id']}_output.jsonl")
    raw = kit.rig.raw("GET", f"/v1/files/{file['id']}/content", key=kit.key).body
    assert len(raw) == file["bytes"]
    got = kit.make(b"")
    asked = {"input_file_id": file["id"], "endpoint": CHAT}
    assert got.status == 200
    assert kit.rig.ask("POST", "/v1/batches", asked).status == 400


def test_a_batch_is_charged_at_its_quote_whatever_book_is_in_force_later(kit: Batches) -> None:
    """The prices of the snapshot count: those of the day on which the quote was held."""
    from nexctl.server.kept_books import body_of
    from nexctl.server.ledger import books as kept

    batch = kit.made([line(1, metadata={"echo.tokens": "20"})])
    dearer = books.load("openai")
    ledger = kit.rig.house.ledger
    ledger.write(kept.add, dearer.id, dearer.version, body_of(dearer))
    kit.rig.again()
    assert kit.rig.house.book.id == "openai"
    done = kit.done(batch["id"])
    (row,) = kit.lines(done["output_file_id"]) if done["output_file_id"] else (None,)
    if row is None:  # the new book does not know the model: refused, and not billed
        assert done["nex"]["charge"] == "0"
    else:
        assert done["nex"]["charge"] == text_of(charge(row["response"]["body"]["usage"]))
    proved(kit.rig)


TAMPERED = [
    "UPDATE batch_lines SET charge=charge+1 WHERE n=2",
    "UPDATE batch_lines SET state='error', seq=NULL, charge=0 WHERE n=2",
    "UPDATE batch_lines SET amount=amount+1 WHERE n=2",
    "UPDATE batch_lines SET hold=NULL WHERE n=2",
    "UPDATE batches SET completed=completed-1",
    "UPDATE batches SET output_file=NULL",
]


@pytest.mark.parametrize("sql", TAMPERED)
def test_verify_names_what_does_not_fit(kit: Batches, sql: str) -> None:
    kit.run([line(n) for n in range(3)])
    proved(kit.rig)
    kit.rig.house.ledger.write(lambda tx: tx.run(sql))
    assert {v.check for v in verify(kit.rig.house.ledger).violations} == {"batches"}


def test_a_batch_in_the_middle_survives_backup_and_restore(kit: Batches, tmp_path: Path) -> None:
    from nexctl.server.ledger import backup

    batch = some_done(kit, [line(n) for n in range(10)])
    ledger = kit.rig.house.ledger
    copy = str(tmp_path / "copy.backup")
    backup.backup(ledger, copy)
    kit.rig.close()
    anchor = ledger.shared.anchor_key
    backup.restore(kit.rig.place, copy, anchor_key=anchor)
    kit.rig.again()
    kit.rig.house.ledger.write(lambda tx: tx.run("UPDATE batches SET expires_at=created_at"))
    ended(kit, batch, "expired", "batch_expired")


def test_a_waiting_line_is_not_taken_twice(kit: Batches) -> None:
    """What `start` leases is leased: a second call takes others, and none is left at the end."""
    batch = kit.made([line(n) for n in range(5)])
    ledger = kit.rig.house.ledger
    ledger.write(batches.check, batch["id"])
    row = ledger.read(batches.get, batch["id"])
    assert row is not None

    def nobody(*_: Any) -> None:
        raise AssertionError

    taken: list[int] = []
    for wanted in (2, 2, 2):
        begun = ledger.write(batch_lines.start, row, wanted, (), nobody)
        taken += [found.n for found in begun.lines]
        proved(kit.rig)
    assert taken == [1, 2, 3, 4, 5]
