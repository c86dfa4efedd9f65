"""One pass over a file: every fault with its line, the same in one process or several."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_kit import ASK, MODEL, line

from nexctl.batch import limits, scan
from nexctl.batch.ids import Uniqueness, digest_of, wire_id
from nexctl.batch.scan import Terms
from nexctl.batch.shards import Group, Limits, Planner, limits_of
from nexctl.errors import UsageError

# How busy the machine is proves nothing.
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

OPENAI = limits.of("openai")
ANTHROPIC = limits.of("anthropic")
NONE = Limits(None, None, None, None)


def scanned(path: Path, *, target: Any = OPENAI, processes: int = 1, **terms: Any) -> scan.Scan:
    bounds = limits_of(target, requests=terms.pop("requests", None))
    return scan.scan(str(path), Terms(target, **terms), bounds, name="f", processes=processes)


def write(path: Path, *lines: Any) -> Path:
    raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return path


def told(found: scan.Scan) -> list[tuple[int | None, str]]:
    return [(fault.line, fault.code) for fault in found.faults]


def test_all_faults_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f",
        line("a"),
        b"{broken",
        b"",
        line("a"),
        line("b", stream=True),
        b'{"custom_id": "\xff"}',
        {**line("c"), "url": "/v1/embeddings"},
        {**line("d"), "body": {**line("d")["body"], "model": "gpt-4o"}},
        {**line("e"), "body": {"model": MODEL, "messages": []}},
    )
    found = scanned(path)
    assert told(found) == [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "stream_not_allowed"),
        (6, "invalid_utf8"),
        (7, "url_mismatch"),
        (8, "model_mismatch"),
        (9, "max_tokens_missing"),
    ]
    with pytest.raises(UsageError, match=r"f:2: broken JSON.*and 6 more") as caught:
        found.refuse()
    assert len(caught.value.details["faults"]) == 7


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"n": 0}, "body.n: less than 1"),
        ({"messages": None}, "body.messages: it is missing"),
        ({"temperature": "hot"}, "body.temperature: it must be float, not str"),
        ({"top_k": 3}, "body.top_k: there is no such field"),
    ],
)
def test_a_body_that_the_gateway_would_refuse_is_a_fault_before_it_is_sent(
    tmp_path: Path, body: dict[str, Any], words: str
) -> None:
    """Read with the types that the gateway reads it with; the check and the quote agree."""
    path = write(tmp_path / "f", line("a"), line("b", **body))
    for ask in (None, ASK):
        found = scanned(path, target=limits.of("nexctl"), ask=ask)
        assert [(fault.line, fault.message) for fault in found.faults] == [(2, words)]


@pytest.mark.parametrize("body", [{"n": 0}, {"messages": None}, {"messages": [{"role": "user"}]}])
def test_the_check_finds_what_cannot_be_counted_without_counting(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    path = write(tmp_path / "f", line("a"), line("b", **body))
    assert told(scanned(path)) == told(scanned(path, ask=ASK)) == [(2, "bad_request_file")]


def test_split_takes_several_models_and_endpoints(tmp_path: Path) -> None:
    embed = {"custom_id": "e", "method": "POST", "url": "/v1/embeddings",
             "body": {"model": "text-embedding-3-small", "input": ["x", "y"]}}  # fmt: skip
    path = write(tmp_path / "f", line("a"), embed, line("b"))
    found = scanned(path, split=True)
    assert found.ok
    assert [(shard.group.url, shard.requests, shard.inputs) for shard in found.shards] == [
        ("/v1/chat/completions", 2, 0),
        ("/v1/embeddings", 1, 2),
    ]


def test_an_empty_file_and_a_missing_one_are_told_apart(tmp_path: Path) -> None:
    assert told(scanned(write(tmp_path / "f", b"", b"  "))) == [(None, "empty_file")]
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        scanned(tmp_path / "nowhere")


def test_a_stated_maximum_stands_in_for_a_missing_one_and_nothing_else(tmp_path: Path) -> None:
    bare = line("a")
    del bare["body"]["max_tokens"]
    path = write(tmp_path / "f", bare, line("b"))
    found = scanned(path, max_tokens=9)
    assert (found.ok, found.verbatim) == (True, False)
    assert scan.rewritten(bare, "a", 9)["body"]["max_completion_tokens"] == 9  # type: ignore[index]
    assert scan.rewritten(line("b"), "b", 9) is None


def test_what_cannot_be_counted_is_a_fault_of_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "f", line("a"), line("b", messages="no list"))
    assert [fault.line for fault in scanned(path, ask=ASK).faults] == [2]
    unknown = write(tmp_path / "g", line("a", model="no-such-model"))
    assert told(scanned(unknown, ask=ASK)) == [(1, "unknown_model")]


def test_illegal_ids_are_mapped_and_those_that_collide_are_found(tmp_path: Path) -> None:
    ids = ["ok-1", "not ok", "x" * 65, "é"]
    path = write(tmp_path / "f", *(line(one) for one in ids))
    found = scanned(path, target=ANTHROPIC)
    assert (found.ok, found.mapped, found.verbatim) == (True, 3, False)
    sent = wire_id("not ok", ANTHROPIC.wire_rules)
    assert sent.startswith("h_")
    assert len(sent) <= 64
    clash = write(tmp_path / "g", line("not ok"), line(sent))
    assert told(scanned(clash, target=ANTHROPIC)) == [(2, "duplicate_custom_id")]


def test_several_processes_say_what_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexctl.estimate import bulk

    monkeypatch.setattr(bulk, "CHUNK_BYTES", 4096)
    monkeypatch.setattr(scan, "PARALLEL_FROM_BYTES", 0)
    lines: list[Any] = [line(f"id-{at}", f"word {at}") for at in range(300)]
    lines[37], lines[251] = b"nothing", line("id-3")
    path = write(tmp_path / "f", *lines)
    one, two = (scanned(path, processes=n, ask=ASK, requests=100) for n in (1, 2))
    assert told(one) == told(two) == [(38, "invalid_json_line"), (252, "duplicate_custom_id")]
    assert [repr(shard) for shard in one.shards] == [repr(shard) for shard in two.shards]


def test_more_faults_than_are_kept_are_still_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MOST_FAULTS", 5)
    found = scanned(write(tmp_path / "f", *([b"{"] * 30)))
    assert (len(found.faults), found.fault_counts) == (5, {"invalid_json_line": 30})


@BUSY
@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 7))
def test_duplicates_are_found_however_the_ids_are_spilled(ids: list[int], run: int) -> None:
    unique = Uniqueness(run)
    first: dict[int, int] = {}
    expected = []
    for number, one in enumerate(ids, 1):
        unique.add(digest_of(str(one)), number)
        if one in first:
            expected.append((number, first[one]))
        first.setdefault(one, number)
    assert sorted(unique.duplicates()) == expected
    unique.close()


@BUSY
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 50), st.integers(0, 40), st.integers(0, 3)),
        max_size=80,
    ),
    st.integers(1, 9),
    st.integers(50, 200),
    st.integers(40, 90),
)
def test_every_line_is_in_one_batch_in_order_and_no_batch_is_over_a_limit(
    lines: list[tuple[int, int, int, int]], requests: int, size: int, tokens: int
) -> None:
    bounds = Limits(requests, size, 6, tokens)
    planner = Planner(bounds)
    placed = [
        (planner.add(Group("/u", f"m{group}"), at, length, count, inputs), group)
        for at, (group, length, count, inputs) in enumerate(lines)
    ]
    shards = planner.shards
    assert [shard.number for shard in shards] == list(range(1, len(shards) + 1))
    for shard in shards:
        own = [(at, lines[at]) for at, (one, _) in enumerate(placed) if one is shard]
        assert shard.requests == len(own) <= requests
        assert shard.bytes == sum(one[1] for _, one in own) <= size
        assert shard.tokens == sum(one[2] for _, one in own) <= tokens
        assert shard.inputs == sum(one[3] for _, one in own) <= 6
        assert shard.offset == own[0][0]
    for group in range(3):
        numbers = [shard.number for shard, own in placed if own == group]
        assert numbers == sorted(numbers)
        # A batch ends only where the next line of its group did not fit.
        mine = [shard for shard in shards if shard.group.model == f"m{group}"]
        for before, after in pairwise(mine):
            length, count, inputs = lines[after.offset][1:]
            assert not bounds.lets(before, length, count, inputs)


def test_every_row_of_the_limits_is_whole() -> None:
    for name in limits.names():
        row = limits.of(name)
        assert row.source
        assert row.form in ("files", "items")
    assert (OPENAI.requests, OPENAI.bytes, OPENAI.inputs) == (50_000, 200_000_000, 50_000)
    assert (ANTHROPIC.requests, ANTHROPIC.bytes) == (100_000, 256_000_000)
    assert limits.of("nextoken")[3:5] == ("items", 50_000)
    assert limits.of("embedded") is limits.of("nexctl")
    with pytest.raises(UsageError, match="no batch limits are known"):
        limits.of("nobody")
