"""Usage with planted faults: the audit finds each of them, and nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.usage_data import ROW_FAULTS, Made, Shape, write
from nexctl.usage.audit import run
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit

BOOKS = ("nextoken", "nexrelay", "deeptoken", "openai", "anthropic")
ROWS = 1_500


def audited(path: Path, processes: int = 1, book: str | None = None) -> Report:
    return audit(Task(str(path), path.name, Shelf(book), processes=processes))


def found(report: Report) -> Counter[tuple[str, int]]:
    return Counter((one.rule, one.row) for one in (*report.findings, *report.notes))


def told(made: Made) -> Counter[tuple[str, int]]:
    return Counter(made.truth)


@pytest.mark.parametrize("other", [False, True], ids=["own-reading", "other-reading"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("book", BOOKS)
def test_every_planted_fault_is_found_and_nothing_else(
    tmp_path: Path, book: str, kind: str, other: bool
) -> None:
    shape = Shape(ROWS, book, seed=7, other_reading=other, faults=ROW_FAULTS)
    made = write(tmp_path / f"usage.{kind}", shape)
    assert len({rule for rule, _ in made.truth}) >= 7
    assert found(audited(made.path)) == told(made)


@pytest.mark.parametrize("book", BOOKS)
def test_a_clean_file_has_no_finding(tmp_path: Path, book: str) -> None:
    # Rows share seconds, ids repeat between customers, top-ups lie between the entries.
    made = write(tmp_path / "usage.jsonl", Shape(ROWS, book))
    report = audited(made.path)
    assert report.clean
    assert report.matched == report.rows == ROWS
    assert report.totals[0].difference == 0
    assert not report.rounding or not report.rounding["inferred"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_amounts_may_be_written_as_a_spreadsheet_saves_them(tmp_path: Path, kind: str) -> None:
    made = write(tmp_path / f"usage.{kind}", Shape(ROWS, "nextoken"))
    saved = re.sub(r"\b0\.\d{7,}\b", lambda m: f"{Decimal(m[0]):E}", made.path.read_text())
    assert saved.count("E-") > ROWS / 10
    made.path.write_text(saved)
    report = audited(made.path)
    assert report.clean
    assert report.matched == ROWS


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_missing_columns_are_no_fault(tmp_path: Path, kind: str) -> None:
    made = write(tmp_path / f"usage.{kind}", Shape(ROWS, "nextoken", sparse=True))
    assert audited(made.path).clean


@pytest.mark.parametrize("book", BOOKS)
def test_a_rate_that_changes_in_time_is_one_finding(tmp_path: Path, book: str) -> None:
    rows = ROWS * 3 if book == "openai" else ROWS  # it has many models
    made = write(tmp_path / "usage.jsonl", Shape(rows, book, drift=True))
    report = audited(made.path)
    (finding,) = report.findings
    assert [(finding.rule, finding.row)] == made.truth
    assert finding.difference is not None
    assert finding.difference > 0
    assert report.totals[0].difference == finding.difference
    assert report.counts == {"drift": 1}


def test_findings_are_the_same_over_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PARALLEL_FROM_BYTES", 0)
    monkeypatch.setattr("nexctl.usage.readers.blocks.cut.__defaults__", (64 * 1024,))
    for kind in ("jsonl", "csv"):
        shape = Shape(ROWS, faults=ROW_FAULTS, drift=True, seed=3)
        made = write(tmp_path / f"usage.{kind}", shape)
        assert found(audited(made.path, processes=2)) == told(made)


def test_a_reading_that_the_book_leaves_open_only_informs(tmp_path: Path) -> None:
    made = write(tmp_path / "usage.jsonl", Shape(ROWS, "nextoken", other_reading=True))
    report = audited(made.path)
    assert report.clean
    (row,) = [row for row in report.readings if row["question"] == "cached"]
    assert (row["read"], row["book_says"]) == ("cached tokens beside input", None)
    own = audited(write(tmp_path / "own.jsonl", Shape(ROWS, "nextoken")).path)
    # The other reading's total is what a file of that reading bills, to the rounding of its rows.
    gap = own.totals[0].billed - int(row["other_total"].replace(".", "").ljust(14, "0")[:14])
    assert abs(gap) < ROWS * 1_000


def test_a_reading_that_the_book_contradicts_is_a_finding_with_its_total(tmp_path: Path) -> None:
    made = write(tmp_path / "usage.jsonl", Shape(ROWS, "openai", other_reading=True))
    own = audited(write(tmp_path / "own.jsonl", Shape(ROWS, "openai")).path)
    report = audited(made.path)
    (finding,) = report.findings
    assert (finding.rule, finding.row, finding.severity) == ("reading", 0, "error")
    assert finding.difference == report.totals[0].billed - own.totals[0].billed
    assert report.totals[0].expected == own.totals[0].billed


def rows_of(path: Path, *rows: dict[str, object]) -> Path:
    common = {"created_at": "2026-11-26T12:00:00Z", "status": "ok", "currency": "USD"}
    path.write_text("".join(json.dumps({**common, **row}) + "\n" for row in rows))
    return path


OWN_BOOK = """format = 1
[book]
id = "own"
title = "Own"
unit = "USD"
scale = 9
retrieved = 2026-01-01
said = { default = "ours" }
[rules]
input_includes_cached = { value = true }
input_includes_cache_write = { value = false }
[[models]]
id = "m"
rates = { input = "10", cached_input = "1", cache_write = "20", output = "40" }
[[models.context_tiers]]
above = 100000
rates = { input = "100", cached_input = "10", cache_write = "200", output = "400" }
"""


def test_the_other_reading_s_total_is_what_every_row_would_come_to(tmp_path: Path) -> None:
    """Written tokens stand beside input already; a longer context has its own price."""
    (tmp_path / "own.toml").write_text(OWN_BOOK)
    m = {"model_served": "m", "input_tokens": 1000, "output_tokens": 0}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**m, "cached_input_tokens": 500, "cache_write_tokens": 100, "charge": "0.0075"},
        {**m, "cache_write_tokens": 100, "charge": "0.012"},
        {**m, "input_tokens": 90_000, "cached_input_tokens": 20_000, "charge": "0.72"},
    )
    report = audited(path, book=str(tmp_path / "own.toml"))
    assert report.clean
    (row,) = report.readings
    # 0.0125 and 0.012; the third becomes a request of 110,000 tokens: 9 + 0.2.
    assert (row["other_total"], row["currency"]) == ("9.2245", "USD")


def test_the_other_reading_s_total_is_told_by_currency(tmp_path: Path) -> None:
    cached = {"input_tokens": 1000, "output_tokens": 0, "cached_input_tokens": 1000}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**cached, "price_book": "openai", "model_served": "gpt-4o", "charge": "0.00125"},
        {
            **cached,
            "price_book": "nexrelay",
            "model_served": "gpt-5.2",
            "charge": "1100",
            "currency": "credits",
        },
    )
    report = audited(path)
    assert report.clean
    assert {(row["currency"], row["other_total"]) for row in report.readings} == {
        ("USD", "0.00375"),
        ("credits", "100"),
    }


def test_a_refund_is_told_and_no_finding(tmp_path: Path) -> None:
    row = {"model_served": "gpt-4o", "input_tokens": 1000, "output_tokens": 100, "charge": "0.0035"}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**row, "request_id": "a"},
        {**row, "request_id": "a", "charge": "-0.0035"},
        {"charge": "-12.50", "request_id": "b"},
        {"charge": "-12.50", "request_id": "b"},
    )
    report = audited(path, book="openai")
    assert (report.clean, report.matched) == (True, 4)
    (total,) = report.totals
    assert (total.billed, total.difference, total.unknown) == (-25 * 10**12, 0, 0)
    assert "3 rows give back 25.0035 USD: no price tells a refund" in report.says


def test_a_rate_of_a_request_or_an_image_is_told_for_one(tmp_path: Path) -> None:
    book = tmp_path / "own.toml"
    book.write_text(
        OWN_BOOK.partition("[[models]]")[0]
        + '[[models]]\nid = "m"\nrates = { input = "10", output = "40", image = "0.04" }\n'
    )
    row = {"model_served": "m", "input_tokens": 10, "output_tokens": 0, "images": 3}
    path = rows_of(tmp_path / "usage.jsonl", {**row, "charge": "0.1501"})
    (finding,) = audited(path, book=str(book)).findings
    assert (finding.rule, finding.expected) == ("rate", 120_100_000_000)
    assert "with 0.05 per image; own@2026-01-01 says 0.04" in finding.explanation


@pytest.mark.parametrize("thought", [0, 500, 900])
def test_a_rate_of_output_is_told_whatever_part_of_it_was_reasoning(
    tmp_path: Path, thought: int
) -> None:
    """Reasoning without a rate of its own is output: the billed rate does not depend on it."""
    (tmp_path / "own.toml").write_text(OWN_BOOK)
    row = {"model_served": "m", "input_tokens": 0, "output_tokens": 1000, "charge": "0.08"}
    path = rows_of(tmp_path / "usage.jsonl", {**row, "reasoning_tokens": thought})
    (finding,) = audited(path, book=str(tmp_path / "own.toml")).findings
    assert "with 80 per million output; own@2026-01-01 says 40" in finding.explanation


def test_output_with_reasoning_in_it_is_one_component(tmp_path: Path) -> None:
    rounding = '[book.rounding]\nplaces = 4\nmode = "half_even"\nper = "component"\n'
    (tmp_path / "own.toml").write_text(OWN_BOOK.replace("[rules]", rounding + "[rules]"))
    row = {"model_served": "m", "input_tokens": 0, "output_tokens": 3, "reasoning_tokens": 1}
    # 3 x 40 / 1M = 0.00012; apart it would be 0.0001 (0.00008) and 0.0000 (0.00004).
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**row, "charge": "0.0001"},
        {**row, "output_tokens": 4, "reasoning_tokens": 2, "charge": "0.0002"},
        {**row, "output_tokens": 6, "reasoning_tokens": 5, "charge": "0.0002"},
    )
    report = audited(path, book=str(tmp_path / "own.toml"))
    assert (report.clean, report.rounding["inferred"]) == (True, False)


def test_what_costs_something_after_the_last_price_is_not_known(tmp_path: Path) -> None:
    book = tmp_path / "own.toml"
    head = OWN_BOOK.partition("[[models]]")[0]
    ended = """[[models]]
id = "m"
[[models.periods]]
valid_from = 2026-02-01
valid_to = 2026-05-01
rates = { input = "1", output = "4" }
[[models.periods]]
valid_from = 2026-05-01
valid_to = 2026-10-01
rates = { input = "3", output = "4" }
"""
    book.write_text(head + ended)
    row = {"model_served": "m", "input_tokens": 1000, "output_tokens": 0}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**row, "charge": "0.001", "created_at": "2026-01-01T00:00:00Z"},
        {**row, "charge": "0.001"},
        {**row, "charge": "0.003"},
    )
    report = audited(path, book=str(book))
    assert [(one.rule, one.row, one.expected) for one in report.findings] == [
        ("unpriced", 2, None),
        ("unpriced", 3, None),
    ]
    assert "1 row is older than the first price" in "\n".join(report.says)
    # The same of a whole book that has ended.
    book.write_text(OWN_BOOK.replace("scale = 9", "scale = 9\nvalid_to = 2026-10-01"))
    report = audited(rows_of(path, {**row, "charge": "0.01"}), book=str(book))
    assert [(one.rule, one.expected) for one in report.findings] == [("unpriced", None)]


@pytest.mark.parametrize("status", ["error", "ERROR", "Failed", "error ", "503"])
def test_a_failed_request_is_told_in_other_words_too(tmp_path: Path, status: str) -> None:
    row = {"model_served": "gpt-4o", "input_tokens": 1000, "output_tokens": 0, "charge": "0.0025"}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**row, "status": status},
        {**row, "status": "partial"},
        {**row, "status": "cancelled"},
    )
    (finding,) = audited(path, book="openai").findings
    assert (finding.rule, finding.row, finding.expected) == ("failed_charged", 1, 0)


def test_what_has_no_price_makes_no_difference_of_0(tmp_path: Path) -> None:
    row = {"input_tokens": 1000, "output_tokens": 0, "charge": "0.5"}
    path = rows_of(
        tmp_path / "usage.jsonl",
        {**row, "model_served": "gpt-4o"},
        *[{**row, "model_served": "no-such-model"}] * 3,
    )
    report = audited(path, book="openai")
    assert report.counts == {"rate": 1, "unpriced": 3}
    assert report.money == {"rate": {"USD": 497_500_000_000}}


def test_a_row_names_a_book_and_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("not a book")
    row = {"model_served": "gpt-4o", "input_tokens": 1000, "output_tokens": 0, "charge": "1"}
    path = rows_of(tmp_path / "usage.jsonl", {**row, "price_book": str(tmp_path / "own.toml")})
    (finding,) = audited(path).findings
    assert (finding.rule, finding.expected) == ("unpriced", None)


def test_another_rounding_is_inferred_with_its_places_and_mode(tmp_path: Path) -> None:
    for book in ("nextoken", "openai"):
        made = write(tmp_path / "usage.jsonl", Shape(ROWS, book, places=6))
        report = audited(made.path)
        rounding = report.rounding
        assert rounding is not None
        assert (rounding["places"], rounding["mode"], rounding["inferred"]) == (6, "up", True)
        # No shipped book states a rounding of its page, so it is told and no finding.
        assert report.clean


def test_one_nano_off_is_a_finding(tmp_path: Path) -> None:
    shape = Shape(ROWS, "nextoken", faults=("rounding",), each=1)
    (finding,) = audited(write(tmp_path / "usage.jsonl", shape).path).findings
    assert (finding.rule, finding.difference) == ("rounding", 1_000)


def test_totals_add_up_over_the_findings(tmp_path: Path) -> None:
    made = write(tmp_path / "usage.jsonl", Shape(ROWS, "nextoken", faults=ROW_FAULTS))
    report = audited(made.path)
    (total,) = report.totals
    priced = [one for one in report.findings if one.rule != "balance"]
    assert total.difference == sum(one.difference or 0 for one in priced)
    assert total.unknown == sum(one.billed or 0 for one in priced if one.expected is None)
    assert total.billed == total.expected + total.difference + total.unknown
    assert report.matched == ROWS + 3 - len(priced)


def test_words_accuse_nobody(tmp_path: Path) -> None:
    made = write(tmp_path / "usage.jsonl", Shape(ROWS, "nextoken", faults=ROW_FAULTS))
    words = " ".join(one.explanation for one in audited(made.path).findings).lower()
    for word in ("wrong", "overcharg", "fraud", "cheat", "error", "mistake", "should have"):
        assert word not in words


# --- sequences, which only a manifest makes decidable --------------------------------------------


def with_manifest(path: Path, **more: object) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    held = {row["sequence"] for row in rows}
    others = sorted(set(range(1, max(held) + 1)) - held)
    manifest = {
        "unfiltered": True,
        "other_entries": {"complete": True, "sequences": [[n, n] for n in others]},
        **more,
    }
    (path.parent / f"{path.name}.manifest.json").write_text(json.dumps(manifest))


def without_a_row(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: number - 1] + lines[number:]))


def test_an_entry_that_is_nowhere_is_a_gap(tmp_path: Path) -> None:
    path = write(tmp_path / "usage.jsonl", Shape(300, "nextoken", customers=1)).path
    with_manifest(path)
    assert audited(path).clean
    without_a_row(path, 120)
    (finding,) = audited(path).findings
    assert (finding.rule, finding.row) == ("sequence_gap", 120)
    assert re.match(r"entry \d+ is neither in the file", finding.explanation)


@pytest.mark.parametrize(
    "more", [{"unfiltered": False}, {"other_entries": None}], ids=["filtered", "unlisted"]
)
def test_without_a_full_manifest_a_gap_says_nothing(
    tmp_path: Path, more: dict[str, object]
) -> None:
    path = write(tmp_path / "usage.jsonl", Shape(300, "nextoken", customers=1)).path
    with_manifest(path, **more)
    without_a_row(path, 120)
    assert audited(path).clean


def test_a_balance_is_compared_between_consecutive_entries_only(tmp_path: Path) -> None:
    path = write(tmp_path / "usage.jsonl", Shape(300, "nextoken", customers=1)).path
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[110]["balance_after"] = "1.5"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (finding,) = audited(path).findings
    # The row alone shows another balance: the next one follows from the true balance again.
    assert (finding.rule, finding.row) == ("balance", 111)
    rows[110]["sequence"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert audited(path).clean


def test_the_chain_of_balances_goes_on_over_the_ends_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexctl.usage.readers.blocks.cut.__defaults__", (1,))
    shape = Shape(200, "nextoken", customers=2, faults=("balance", "duplicate"))
    made = write(tmp_path / "usage.jsonl", shape)
    assert found(audited(made.path)) == told(made)
