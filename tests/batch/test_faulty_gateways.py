"""Each thing that a gateway does wrong ends in a right and stated result."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from faulty_gateway import FaultyGateway
from pipeline_kit import Bench, counts

from nexctl.batch import results
from nexctl.batch.collect import Unverified
from nexctl.errors import CheckFailed, NexctlError

ONCE = Counter({f"line-{at}": 1 for at in range(10)})


def test_a_good_gateway_gives_every_line_once_and_in_order(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    outcome = bench.run(lines)
    assert (outcome["state"], counts(outcome)) == ("completed", {"succeeded": 10})
    rows = bench.rows(bench.planned(lines))
    assert [row["custom_id"] for row in rows] == [f"line-{at}" for at in range(10)]
    assert rows[3]["response"]["body"]["choices"][0]["message"]["content"] == "answer to line-3"
    assert faulty.worked == ONCE
    results.judge("job", outcome)


def test_results_in_another_order_are_put_back(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.reverse = True
    bench.run(lines)
    rows = bench.rows(bench.planned(lines))
    assert [row["custom_id"] for row in rows] == [f"line-{at}" for at in range(10)]


def test_a_dropped_line_is_unfinished_and_said(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.drop = 1
    outcome = bench.run(lines)
    assert (outcome["state"], counts(outcome)) == ("partial", {"succeeded": 9, "unfinished": 1})
    assert bench.rows(bench.planned(lines))[0]["error"]["code"] == "unfinished"
    assert any("10 results; its files hold 9" in note for note in bench.notes)
    with pytest.raises(CheckFailed, match="9 succeeded, 1 unfinished") as caught:
        results.judge("job", outcome)
    assert caught.value.exit == 9


@pytest.mark.parametrize(
    ("fault", "value", "words"),
    [("double", 2, "2 came back twice"), ("foreign", True, "1 were never sent")],
)
def test_a_doubled_or_foreign_line_is_a_hard_error_and_nothing_is_merged(
    bench: Bench, faulty: FaultyGateway, lines: Path, fault: str, value: object, words: str
) -> None:
    setattr(faulty.faults, fault, value)
    with pytest.raises(Unverified, match=words) as caught:
        bench.run(lines)
    assert caught.value.exit == 9
    job = bench.planned(lines)
    assert bench.journal.show(job.id).found is None
    # What was paid for is kept as it came.
    assert Path(bench.journal.path_of(job.id, "output-00001.jsonl")).exists()
    with pytest.raises(NexctlError, match="is not finished"):
        results.refuse_unfetched(bench.journal, job)


def test_one_batch_that_cannot_be_trusted_does_not_keep_the_others_from_being_fetched(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    bench = Bench(tmp_path, faulty, requests=5)
    faulty.faults.foreign = True
    job = bench.planned(lines)
    first = bench.follower(job)
    first.sender().one(bench.journal.shards(job.id)[0])
    faulty.faults.foreign = False
    with pytest.raises(Unverified):
        bench.follower(job).until_ended()
    assert [shard.state for shard in bench.journal.shards(job.id)] == ["ended", "collected"]


@pytest.mark.parametrize("status", [400, 500])
def test_a_batch_whose_lines_all_failed_is_not_completed(
    bench: Bench, faulty: FaultyGateway, lines: Path, status: int
) -> None:
    faulty.faults.all_fail = status
    outcome = bench.run(lines)
    assert (outcome["state"], counts(outcome)) == ("failed", {"failed": 10})
    with pytest.raises(CheckFailed):
        results.judge("job", outcome)


def test_a_batch_that_vanishes_for_ten_polls_is_waited_for(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.vanish = 10
    assert bench.run(lines)["state"] == "completed"
    assert faulty.worked == ONCE


def test_a_batch_that_never_comes_back_is_pending_and_kept(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.vanish = 1000
    with pytest.raises(NexctlError, match="has not known batch") as caught:
        bench.run(lines)
    assert caught.value.exit == 8
    faulty.faults.vanish = 0
    assert bench.run(lines)["state"] == "completed"
    assert faulty.worked == ONCE


def test_500s_while_polling_are_borne(bench: Bench, faulty: FaultyGateway, lines: Path) -> None:
    faulty.faults.poll_500 = 17
    assert bench.run(lines)["state"] == "completed"


def test_a_500_after_the_batch_was_made_does_not_make_a_second_one(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.create_500 = 1
    assert bench.run(lines)["state"] == "completed"
    assert len(faulty.batches) == 1
    assert faulty.worked == ONCE


def test_where_nothing_can_be_listed_an_unknown_outcome_is_not_tried_again(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.create_500 = 1
    faulty.faults.lists = False
    for _ in range(2):
        with pytest.raises(NexctlError, match="is not known, and it lists none") as caught:
            bench.run(lines)
        assert caught.value.exit == 8
    assert len(faulty.batches) == 1


def test_an_expired_half_is_kept_and_the_other_half_is_said(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.expire_half = True
    outcome = bench.run(lines)
    assert (outcome["state"], counts(outcome)) == ("partial", {"succeeded": 5, "expired": 5})
    assert outcome["retryable"] == 5


def test_a_cancelled_half_is_kept_and_the_rest_is_unfinished(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.cancel_half = True
    outcome = bench.run(lines)
    assert counts(outcome) == {"succeeded": 5, "unfinished": 5}


def test_a_batch_that_fails_its_validation_says_why_on_every_line(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.fail_batch = True
    outcome = bench.run(lines)
    assert (outcome["state"], counts(outcome)) == ("unfinished", {"unfinished": 10})
    assert "token_limit_exceeded" in bench.rows(bench.planned(lines))[0]["error"]["message"]


@pytest.mark.parametrize("fault", ["cut", "cut_line"])
def test_a_download_that_breaks_off_is_made_again(
    bench: Bench, faulty: FaultyGateway, lines: Path, fault: str
) -> None:
    setattr(faulty.faults, fault, 2)
    assert counts(bench.run(lines)) == {"succeeded": 10}


@pytest.mark.parametrize("fault", ["cut", "cut_line"])
def test_a_download_that_always_breaks_off_is_never_taken_for_whole(
    bench: Bench, faulty: FaultyGateway, lines: Path, fault: str
) -> None:
    setattr(faulty.faults, fault, 1_000)
    with pytest.raises(NexctlError) as caught:
        bench.run(lines)
    assert caught.value.exit == 7
    setattr(faulty.faults, fault, 0)
    assert counts(bench.run(lines)) == {"succeeded": 10}


def test_a_changed_key_is_taken_up_and_without_one_it_stops(
    bench: Bench, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.polls = 3
    job = bench.planned(lines)
    bench.follower(job).sender().send()
    faulty.faults.key = "sk-new"
    with pytest.raises(NexctlError) as caught:
        bench.follower(job).until_ended()
    assert caught.value.exit == 4
    bench.follower(job, reopened=lambda: bench.opened("sk-new")).until_ended()
    assert bench.journal.shards(job.id)[0].state == "collected"


def test_a_refusal_for_money_stops_and_the_same_job_goes_on_later(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    bench = Bench(tmp_path, faulty, requests=5)
    job = bench.planned(lines)
    bench.follower(job).sender().one(bench.journal.shards(job.id)[0])
    faulty.faults.refuse_create = [(402, {"code": "insufficient_balance"})]
    with pytest.raises(NexctlError) as caught:
        bench.follower(job).until_ended()
    assert caught.value.exit == 5
    assert counts(bench.run(lines)) == {"succeeded": 10}
    assert faulty.worked == ONCE


def test_a_full_queue_is_waited_for(tmp_path: Path, faulty: FaultyGateway, lines: Path) -> None:
    bench = Bench(tmp_path, faulty, requests=5)
    job = bench.planned(lines)
    bench.follower(job).sender().one(bench.journal.shards(job.id)[0])
    faulty.faults.refuse_create = [(429, {"code": "rate_limit_exceeded"})] * 3
    assert counts(bench.run(lines)) == {"succeeded": 10}


def test_queue_tokens_let_one_batch_wait_at_a_time(
    tmp_path: Path, faulty: FaultyGateway, lines: Path
) -> None:
    faulty.faults.polls = 2
    bench = Bench(tmp_path, faulty, requests=2, queue=40)
    job = bench.planned(lines)
    assert all(shard.tokens <= 40 for shard in bench.journal.shards(job.id))
    assert bench.follower(job).sender().send() is False
    assert len(faulty.batches) < 5
    assert counts(bench.run(lines)) == {"succeeded": 10}
