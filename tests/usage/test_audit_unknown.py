"""What an audit cannot know is said, and never counted as 0; and every total is told."""

from __future__ import annotations

import json
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.audit.statement import MOST_LINES, markdown
from nexctl.usage.reading import Row, rows
from nexctl.usage.whatif_rows import OPENAI, counted


def audited(path: Path, *rows: dict[str, Any], book: str = "nextoken") -> Report:
    usual = {"created_at": "2026-11-21T10:00:00Z", "currency": "USD", "status": "ok"}
    path.write_text("".join(json.dumps(usual | row) + "\n" for row in rows))
    return audit(Task(str(path), path.name, Shelf(book)))


@pytest.mark.parametrize("count", ["input_tokens", "output_tokens"])
def test_a_count_that_is_not_given_is_not_0(tmp_path: Path, count: str) -> None:
    row = {"model_served": "nex-pro", "input_tokens": 1000, "output_tokens": 500, count: None}
    report = audited(tmp_path / "usage.jsonl", {**row, "charge": "0.0003"})
    (finding,) = report.findings
    assert (finding.rule, finding.expected) == ("usage_missing", None)
    assert count.partition("_")[0] in finding.explanation
    assert report.totals[0].unknown == finding.billed


def test_a_meter_that_is_not_sold_needs_no_count(tmp_path: Path) -> None:
    row = {"model_served": "nex-embed-zh", "input_tokens": 100, "charge": "0.000002"}
    (finding,) = audited(tmp_path / "usage.jsonl", row).findings
    assert (finding.rule, finding.expected) == ("rate", 1_000_000)


@pytest.mark.parametrize(
    ("tokens", "charge", "words"),
    [
        (250_000, "0.4125", "requests of up to 200,000 tokens of input"),
        (100_000, "0.4", "requests of 200,001 tokens of input and more"),
    ],
)
def test_the_prices_of_another_size_of_request_are_named(
    tmp_path: Path, tokens: int, charge: str, words: str
) -> None:
    """Gemini 2.5 Pro: $1.25 and $10 up to 200,000 tokens of input, $2.50 and $15 above."""
    row = {"model_served": "gemini-2.5-pro", "input_tokens": tokens, "output_tokens": 10_000}
    (finding,) = audited(tmp_path / "u.jsonl", {**row, "charge": charge}, book="google").findings
    assert finding.rule == "tier"
    assert f"by the prices of {words};" in finding.explanation


def test_what_has_no_price_is_not_worth_0_where_nothing_is_billed(tmp_path: Path) -> None:
    row = {"input_tokens": 1000, "output_tokens": 500, "charge": "0"}
    report = audited(
        tmp_path / "usage.jsonl",
        {**row, "model_served": "no-such-model"},
        {**row, "model_served": "no-such-model", "status": "error"},
        {"model_served": "no-such-model", "charge": "0"},
    )
    assert [(one.rule, one.row, one.expected) for one in report.findings] == [("unpriced", 1, None)]
    assert report.matched == 2


def test_an_own_key_is_free_also_where_only_a_range_is_published(tmp_path: Path) -> None:
    rates = {"input": {"price": "0", "per": 1}, "output": {"price": "0", "per": 1}}
    row = {"model_served": "mimo-v2-pro", "input_tokens": 1000, "output_tokens": 500}
    row |= {"charge": "0", "currency": "credits"}
    path = tmp_path / "usage.jsonl"
    assert audited(path, {**row, "rates": rates}, book="nexu").clean
    assert not audited(path, row, book="nexu").clean


def test_what_another_rounding_comes_to_is_told(tmp_path: Path) -> None:
    billed = []
    exact = Decimal(0)
    for tokens in range(1000, 1050):
        charge = Decimal(tokens) * Decimal("2.6") / 10**6
        exact += charge
        cents = str(charge.quantize(Decimal("0.01"), ROUND_UP))
        billed.append({"model_served": "gpt-4o", "input_tokens": tokens, "output_tokens": 0})
        billed[-1] |= {"charge": cents}
    report = audited(tmp_path / "usage.jsonl", *billed)
    assert report.clean
    assert report.rounding is not None
    assert (report.rounding["places"], report.rounding["mode"]) == (2, "up")
    assert Decimal(report.rounding["other_total"]) == exact
    assert report.rounding["currency"] == "USD"
    assert f"rounded as the book does the total is {exact.normalize():f}" in markdown(report, "now")
    # One row at the book's own rounding is still one that is rounded otherwise than the rest.
    odd = {"model_served": "gpt-4o", "input_tokens": 1000, "output_tokens": 0, "charge": "0.0026"}
    (finding,) = audited(tmp_path / "usage.jsonl", *billed, odd).findings
    assert finding.rule == "rounding"


def test_a_statement_says_how_many_differences_it_leaves_out(tmp_path: Path) -> None:
    row = {"model_served": "nex-pro", "input_tokens": 1000, "output_tokens": 500}
    report = audited(tmp_path / "usage.jsonl", {**row, "charge": "0.0003"})
    gap = {"request": "r", "billed": "1", "against": "2", "difference": "-1"}
    sums = {"kind": "list", "billed": "1", "against": "2", "difference": "-1"}
    many = {**sums, "gaps": [gap] * (MOST_LINES + 2), "gaps_left_out": 3}
    assert "5 more differ." in markdown(report._replace(against=many), "now")


def test_whatif_leaves_out_what_has_no_count_of_its_input() -> None:
    assert counted(Row(output_tokens=5), OPENAI) == "its input is not counted"
    assert not isinstance(counted(Row(input_tokens=5), OPENAI), str)
    assert not isinstance(counted(Row(images=1), OPENAI), str)


HEAD = "created_at;request_id;model_served;status;input_tokens;output_tokens;charge;currency\n"


def listed(path: Path, *charges: str) -> Path:
    lines = (
        f"2026-11-21T10:00:00Z;r{number};nex-pro;ok;1000;500;{charge};USD\n"
        for number, charge in enumerate(charges)
    )
    path.write_text(HEAD + "".join(lines))
    return path


def test_with_semicolons_one_sign_of_decimals_holds_for_the_whole_list(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    for charge in ("0.0003", "0,0003"):
        same = listed(path, *[charge] * 3)
        assert audit(Task(str(same), path.name, Shelf("nextoken"))).clean
        assert [row.charge for row in rows(str(same))] == ["0.0003"] * 3
    # A point beside commas parts thousands: 1.234 is no amount a thousand times smaller.
    mixed = listed(path, "0,0003", "1.234")
    for read in (
        lambda: audit(Task(str(mixed), path.name, Shelf("nextoken"))),
        lambda: list(rows(str(mixed))),
    ):
        with pytest.raises(UsageError, match=r"line 3: .*has a point"):
            read()
    with pytest.raises(UsageError, match="line 2"):
        audit(Task(str(listed(path, "1.234", "0,0003")), path.name, Shelf("nextoken")))
