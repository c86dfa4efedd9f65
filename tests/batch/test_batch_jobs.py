"""Jobs: the quote and its hard stop, the journal, retries, cancelling, results."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faulty_gateway import FaultyGateway
from pipeline_kit import ASK, Bench, counts, line, write_lines

from nexctl.batch import collect, limits, pipeline, quoting, results, retry
from nexctl.batch.journal import Journal
from nexctl.errors import CheckFailed, NexctlError, UsageError
from nexctl.pricing import books, engine
from nexctl.records import Usage


def test_the_quote_is_the_books_batch_price_of_each_line(bench: Bench, lines: Path) -> None:
    _, quote = pipeline.price(bench.wanted(lines))
    book = books.load("openai")
    batch = engine.pricer(book, "gpt-4o-mini", batch=True)
    sync = engine.pricer(book, "gpt-4o-mini")
    each = quote.input_tokens // 10
    assert quote.requests == 10
    assert quote.exact
    assert quote.high == 10 * batch.charge(Usage(input=each, output=20)).units
    assert quote.low == 10 * batch.charge(Usage(input=each, output=0)).units
    assert quote.sync_high == 10 * sync.charge(Usage(input=each, output=20)).units


def test_the_quote_says_whether_it_would_be_refused(bench: Bench, lines: Path) -> None:
    _, quote = pipeline.price(bench.wanted(lines))
    assert quote.refused is None
    assert quote.high is not None
    for units, refused in ((quote.high, False), (quote.high - 1, True)):
        told = quote._replace(spendable=quoting.Spendable(units, quote.currency))
        assert told.refused is refused
    other = quote._replace(spendable=quoting.Spendable(1, "EUR"))
    assert other.refused is None


def test_the_hard_stop_compares_the_most_to_the_last_nano(bench: Bench, lines: Path) -> None:
    _, quote = pipeline.price(bench.wanted(lines))
    assert quote.high is not None
    limit = quote.high * 1000
    quoting.stop(quoting.gate(quote, limit))
    with pytest.raises(CheckFailed, match="nothing was sent") as caught:
        quoting.stop(quoting.gate(quote, limit - 1))
    assert caught.value.exit == 9
    with pytest.raises(CheckFailed):
        quoting.stop(quoting.gate(quote, limit, spent=1))


def test_a_job_is_the_same_job_for_the_same_file_and_another_for_another_key(
    bench: Bench, lines: Path
) -> None:
    job = bench.planned(lines)
    assert bench.planned(lines).id == job.id
    assert bench.planned(lines, key="second").id != job.id
    copy = lines.with_name("copy.jsonl")
    copy.write_bytes(lines.read_bytes())
    assert bench.planned(copy).id == job.id


def test_the_journal_is_private_and_durable(bench: Bench, lines: Path) -> None:
    job = bench.planned(lines)
    folder = Path(bench.journal.folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert bench.journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert bench.journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert bench.journal.show(job.id[:8]).id == job.id
    with pytest.raises(NexctlError, match="there is no job") as caught:
        bench.journal.show("job_zzzz")
    assert caught.value.exit == 3


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "journal.db").write_bytes(b"not a database at all" * 400)
    with pytest.raises(NexctlError) as caught:
        Journal(str(tmp_path))
    assert caught.value.exit == 78


def test_two_processes_do_not_work_on_one_job(bench: Bench, lines: Path) -> None:
    job = bench.planned(lines)
    with bench.journal.working(job.id):
        other = Journal(str(bench.folder / "state"))
        with pytest.raises(NexctlError, match="another process") as caught, other.working(job.id):
            pass
        other.close()
    assert caught.value.exit == 8


def test_shards_hold_the_files_bytes_in_order(tmp_path: Path, faulty: FaultyGateway) -> None:
    bench = Bench(tmp_path, faulty, requests=3)
    path = write_lines(tmp_path / "r.jsonl", 10)
    job = bench.planned(path)
    sent = b"".join(
        Path(bench.journal.path_of(job.id, f"lines-{n:05d}.jsonl")).read_bytes()
        for n in range(1, 5)
    )
    assert sent == path.read_bytes()
    assert [shard.requests for shard in bench.journal.shards(job.id)] == [3, 3, 3, 1]


def test_a_job_that_the_journal_lost_is_found_again_at_the_gateway(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    first = Bench(tmp_path / "one", faulty)
    assert counts(first.run(lines)) == {"succeeded": 10}
    second = Bench(tmp_path / "two", faulty)
    assert counts(second.run(lines)) == {"succeeded": 10}
    assert len(faulty.batches) == 1


def test_of_two_batches_with_the_same_marks_the_older_one_counts(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.polls = 5
    job = bench.planned(lines)
    bench.follower(job).sender().send()
    (batch,) = faulty.batches.values()
    double = faulty.make({"input_file_id": batch["input_file_id"], "endpoint": batch["endpoint"],
                          "completion_window": "24h", "metadata": batch["metadata"]})  # fmt: skip
    again = Bench(bench.folder / "elsewhere", faulty)
    outcome = again.run(lines)
    assert counts(outcome) == {"succeeded": 10}
    assert again.journal.shards(again.planned(lines).id)[0].batch_id == batch["id"]
    assert faulty.batches[double["id"]]["status"] == "cancelling"


def test_mapped_ids_come_back_as_they_were(tmp_path: Path, faulty: FaultyGateway) -> None:
    target = limits.of("openai")._replace(id_pattern="[a-z0-9_]{1,20}", longest_id=20)
    bench = Bench(tmp_path, faulty, target=target)
    ids = ["plain", "with blank", "long" * 9, "é\n"]
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(line(one)) + "\n" for one in ids))
    assert counts(bench.run(path)) == {"succeeded": 4}
    assert [row["custom_id"] for row in bench.rows(bench.planned(path))] == ids
    assert all(len(custom_id) <= 20 for custom_id in faulty.worked)


def test_several_models_come_back_in_the_order_of_the_file(
    tmp_path: Path, faulty: FaultyGateway
) -> None:
    bench = Bench(tmp_path, faulty, split=True, requests=2)
    path = tmp_path / "f.jsonl"
    models = ["gpt-4o", "gpt-4o-mini", "gpt-4o", "gpt-4o", "gpt-4o-mini", "gpt-4o"]
    path.write_text(
        "".join(json.dumps(line(f"i{at}", model=m)) + "\n" for at, m in enumerate(models))
    )
    assert counts(bench.run(path)) == {"succeeded": 6}
    rows = bench.rows(bench.planned(path))
    assert [row["response"]["body"]["model"] for row in rows] == models
    assert [row["custom_id"] for row in rows] == [f"i{at}" for at in range(6)]


def test_a_stated_maximum_goes_into_the_lines_that_are_sent(
    tmp_path: Path, faulty: FaultyGateway
) -> None:
    bench = Bench(tmp_path, faulty, max_tokens=7)
    path = tmp_path / "f.jsonl"
    bare = line("a")
    del bare["body"]["max_tokens"]
    path.write_text(json.dumps(bare) + "\n\n" + json.dumps(line("b")))
    assert counts(bench.run(path)) == {"succeeded": 2}
    sent = [json.loads(raw) for raw in faulty.files["file-0001"][1].splitlines()]
    assert sent[0]["body"]["max_completion_tokens"] == 7
    assert "max_completion_tokens" not in sent[1]["body"]


def retried(bench: Bench, job: Any, *, with_money: bool = False) -> dict[str, Any]:
    """Choose, run and count a retry as the command does."""
    chosen = retry.choose(bench.journal, job, with_money=with_money)
    number = len(bench.journal.children(job.id)) + 1
    child = bench.planned(Path(chosen.path), parent=job.id, key=f"retry-{number}")
    bench.follower(child).until_ended()
    pipeline.finish(bench.journal, bench.journal.show(child.id))
    return pipeline.finish(bench.journal, bench.journal.show(job.id))


def test_a_retry_sends_what_may_succeed_and_never_a_line_that_did(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.some_fail = {"line-1": 429, "line-4": 400, "line-7": 503}
    outcome = bench.run(lines)
    assert counts(outcome) == {"succeeded": 7, "failed": 3}
    assert outcome["retryable"] == 2
    job = bench.planned(lines)
    assert counts(retried(bench, job)) == {"succeeded": 9, "failed": 1}
    assert sum(faulty.worked.values()) == 9
    assert max(faulty.worked.values()) == 1
    rows = bench.rows(job)
    assert [row["custom_id"] for row in rows] == [f"line-{at}" for at in range(10)]
    assert [row["status"] for row in rows].count("succeeded") == 9
    with pytest.raises(CheckFailed, match="no line that may be sent again"):
        retry.choose(bench.journal, job, with_money=False)


def test_a_retry_of_a_retry_stays_with_the_first_job(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.expire_half = True
    bench.run(lines)
    job = bench.planned(lines)
    assert counts(retried(bench, job)) == {"succeeded": 7, "expired": 3}
    faulty.faults.expire_half = False
    assert counts(retried(bench, job)) == {"succeeded": 10}
    assert len(bench.journal.children(job.id)) == 2
    assert max(faulty.worked.values()) == 1


def test_lines_that_failed_for_money_wait_for_it(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.some_fail = {"line-2": 402, "line-3": 402}
    outcome = bench.run(lines)
    assert (outcome["retryable"], outcome["for_money"]) == (0, 2)
    with pytest.raises(CheckFailed) as caught:
        results.judge("job_x", outcome)
    assert "add money" in (caught.value.hint or "")
    job = bench.planned(lines)
    assert retry.choose(bench.journal, job, with_money=False).lines == 0
    assert counts(retried(bench, job, with_money=True)) == {"succeeded": 10}


def test_cancelling_sends_nothing_more_and_keeps_what_is_done(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.polls = 3
    bench = Bench(tmp_path, faulty, requests=4)
    job = bench.planned(lines)
    bench.follower(job).sender().one(bench.journal.shards(job.id)[0])
    pipeline.cancel(bench.journal, job, bench.remote, bench.notes.append)
    bench.follower(bench.journal.show(job.id)).until_ended()
    outcome = pipeline.finish(bench.journal, bench.journal.show(job.id))
    assert counts(outcome) == {"succeeded": 4, "cancelled": 6}
    assert len(faulty.batches) == 1
    assert len(bench.rows(job)) == 10


def test_a_job_that_another_process_follows_can_be_cancelled(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.polls = 10**6
    bench = Bench(tmp_path, faulty, requests=4)
    job = bench.planned(lines)
    looks: list[float] = []

    def cancelled_meanwhile(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            other = Bench(tmp_path, faulty)
            pipeline.cancel(other.journal, job, other.remote, other.notes.append)
            other.journal.close()
            for batch in faulty.batches.values():
                batch["_polls"] = 1

    follower = bench.follower(job)
    follower.sleep = cancelled_meanwhile
    with bench.journal.working(job.id):
        follower.until_ended()
    assert [shard.status for shard in bench.journal.shards(job.id)] == ["cancelled"] * 3


def test_the_sheet_is_guarded_and_has_a_status_on_every_line(
    bench: Bench, faulty: FaultyGateway, tmp_path: Path
) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(line(one)) + "\n" for one in ("=1+1", "b")))
    faulty.faults.some_fail = {"b": 500}
    bench.run(path)
    out = tmp_path / "r.csv"
    results.write(bench.journal, bench.journal.show(bench.planned(path).id), str(out))
    first, good, bad = out.read_text().splitlines()
    assert first == ",".join(results.COLUMNS)
    assert good.startswith("'=1+1,succeeded,200,,,gpt-4o-mini,stop,2,,7,,,answer to =1+1")
    assert bad.startswith("b,failed,500,went_wrong,status 500,")
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600


def test_the_sheet_says_how_many_answers_a_request_has() -> None:
    choices = [{"message": {"content": f"answer {n}"}} for n in range(3)]

    def row(body: Any) -> str:
        response = {"status_code": 200, "body": body}
        raw = msgspec.Raw(msgspec.json.encode(response))
        return results.sheet_row(collect.Row("a", collect.SUCCEEDED, response=raw))

    assert row({"choices": choices}).endswith(",answer 0,3\r\n")
    assert row({"data": []}).endswith(",,\r\n"), "an embedding has none"


def test_results_go_to_one_of_two_formats(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written as \.jsonl or \.csv"):
        results.check_place(str(tmp_path / "x.xlsx"))
    with pytest.raises(UsageError, match="cannot be written"):
        results.check_place(str(tmp_path / "nowhere" / "x.csv"))
    assert results.default_place("a/b.jsonl") == "a/b.results.jsonl"


@pytest.mark.parametrize(
    ("name", "held", "replaced"),
    [
        ("x.jsonl", b"", True),
        ("x.jsonl", b'{"custom_id":"a \\" b","status":"succeeded","response":null}\n', True),
        ("x.csv", b"custom_id,status,status_code\r\n", True),
        ("x.jsonl", b'{"custom_id": "a", "method": "POST", "url": "/v1/responses"}\n', False),
        ("x.jsonl", b"custom_id,status,status_code\r\n", False),
        ("x.csv", b"name,budget\r\n", False),
    ],
)
def test_only_results_are_replaced_by_results(
    tmp_path: Path, name: str, held: bytes, replaced: bool
) -> None:
    (tmp_path / name).write_bytes(held)
    if replaced:
        results.check_place(str(tmp_path / name))
        return
    with pytest.raises(UsageError, match="is not replaced"):
        results.check_place(str(tmp_path / name))
    assert (tmp_path / name).read_bytes() == held


def raw(**fields: Any) -> collect.Row:
    import msgspec

    return msgspec.convert(
        {"custom_id": "x", "status": "failed"}, collect.Row
    ) if not fields else collect.Row(
        "x",
        fields.get("status", "failed"),
        msgspec.Raw(msgspec.json.encode(fields["response"])) if "response" in fields
        else collect.NULL,
        msgspec.Raw(msgspec.json.encode(fields["error"])) if "error" in fields else collect.NULL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "retryable", "money"),
    [
        (raw(response={"status_code": 429}), True, False),
        (raw(response={"status_code": 500}), True, False),
        (raw(response={"status_code": 400}), False, False),
        (raw(response={"status_code": 401}), False, False),
        (raw(response={"status_code": 402}), False, True),
        # Out of credit says 429 on some gateways: sending it again is wrong.
        (raw(response={"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}),
         False, True),
        (raw(error={"code": "budget_exceeded"}), False, True),
        (raw(error={"code": "server_error"}), True, False),
        (raw(status="expired"), True, False),
        (raw(status="cancelled"), True, False),
        (raw(status="unfinished"), True, False),
        (raw(status="succeeded", response={"status_code": 200}), False, False),
    ],
)  # fmt: skip
def test_only_what_may_succeed_later_is_sent_again(
    row: collect.Row, retryable: bool, money: bool
) -> None:
    assert (collect.is_retryable(row), collect.is_for_money(row)) == (retryable, money)


def test_a_charge_is_the_sum_of_what_each_line_says_and_unknown_where_one_is_silent() -> None:
    def paid(charge: str | None) -> collect.Row:
        nex = {"charge": charge, "currency": "USD"}
        return raw(status="succeeded", response={"status_code": 200, "body": {"nex": nex}})

    known = results.Totals()
    for charge in ("0.000000001", "1.5", "0.25"):
        known.add(paid(charge))
    assert known.as_json()["charge"] == "1.750000001"
    known.add(paid(None))
    assert known.as_json()["charge"] is None
    assert ASK.batch
