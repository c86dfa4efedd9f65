"""Two lists side by side, an invoice's total, and the statement for a dispute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.usage.audit import compare
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.audit.statement import markdown
from nexctl.usage.reading import Row


def row(request: str | None, charge: str | None, **more: str) -> Row:
    made = {"created_at": "2026-11-21T00:00:00Z", "model_served": "m", "key_name": "k", **more}
    return Row(request_id=request, charge=charge, **made)


def test_lists_are_joined_by_request_id_where_both_have_it() -> None:
    here = [row("a", "1"), row("b", "2"), row("c", "0.5")]
    there = [row("a", "1"), row("b", "1.25"), row("d", "4")]
    found = compare.lists(here, there, "theirs")
    assert (found["by"], found["differs"], found["difference"]) == ("request", True, "-2.75")
    # The largest gap first; what one side lacks is unknown there, not zero.
    assert [(gap["request"], gap["billed"], gap["against"]) for gap in found["gaps"]] == [
        ("d", None, "4"),
        ("b", "2", "1.25"),
        ("c", "0.5", None),
    ]


def test_lists_without_ids_are_joined_by_day_model_and_key() -> None:
    here = [row("a", "1"), row("b", "2"), row("c", "3", key_name="other")]
    there = [row(None, "3"), row(None, "3", key_name="other")]
    found = compare.lists(here, there, "theirs")
    assert (found["by"], found["differs"]) == ("day+model+key", False)
    # A list that knows no keys is compared without them.
    unnamed = compare.lists(here, [row(None, "6.5", key_name="")], "theirs")
    assert unnamed["by"] == "day+model"
    assert [gap["difference"] for gap in unnamed["gaps"]] == ["-0.5"]


def test_a_charge_that_is_not_given_is_not_0() -> None:
    here = [row("a", "1"), row("b", None), row("c", None)]
    found = compare.lists(here, [row("a", "1"), row("b", "0"), row("c", "2")], "theirs")
    assert (found["billed"], found["against"], found["differs"]) == ("1", "3", True)
    assert [(gap["request"], gap["billed"], gap["against"]) for gap in found["gaps"]] == [
        ("c", None, "2"),
        ("b", None, "0"),
    ]
    # Of a day it makes that day's sum unknown, and is left out of the total alone.
    by_day = compare.lists(here, [row(None, "1")], "theirs")
    assert (by_day["billed"], by_day["differs"]) == ("1", True)
    assert [gap["billed"] for gap in by_day["gaps"]] == [None]
    # What one list has without a charge, the other one not at all.
    assert compare.lists(here[:2], here[:1], "theirs")["differs"]
    # What neither gives is nothing that they agree on.
    (gap,) = compare.lists(here[:2], here[:2], "theirs")["gaps"]
    assert (gap["request"], gap["billed"], gap["against"], gap["difference"]) == ("b", *[None] * 3)


def test_days_are_those_of_utc() -> None:
    here = [row(None, "1", created_at="2026-11-22T05:00:00+08:00")]
    assert not compare.lists(here, [row(None, "1")], "theirs")["differs"]


def test_lists_of_two_currencies_are_not_compared() -> None:
    here = [row("a", "1", currency="USD"), row("b", "1", currency="usd"), row("c", "1")]
    assert not compare.lists(here, here, "theirs")["differs"]
    with pytest.raises(UsageError, match="EUR and USD"):
        compare.lists(here, [row("a", "1", currency="EUR")], "theirs")


def test_a_charge_that_is_no_amount_is_named() -> None:
    with pytest.raises(UsageError, match=r"record 2 of theirs: charge: 'much'"):
        compare.lists([row("a", "1")], [row("a", "1"), row("b", "much")], "theirs")
    with pytest.raises(UsageError, match=r"record 1 of the list audited"):
        compare.lists([row("a", "1.2.3")], [row("a", "1")], "theirs")


def test_equal_lists_agree_in_any_order() -> None:
    rows = [row(f"r{n}", f"0.00{n}") for n in range(1, 50)]
    assert not compare.lists(rows, reversed(rows), "theirs")["differs"]


def test_an_invoice_agrees_to_the_last_unit() -> None:
    assert not compare.with_amount(10**12, "USD", 10**12)["differs"]
    off = compare.with_amount(10**12, "USD", 10**12 - 1)
    assert (off["differs"], off["difference"]) == (True, "0.000000000001")


def test_a_statement_shows_both_numbers_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    nasty = "x|y`<b>@team [a](http://e) \x1b[31m"
    record = {
        "created_at": "2026-11-26T12:00:00Z",
        "request_id": nasty,
        "model_served": "nex-pro",
        "status": "ok",
        "input_tokens": 1000,
        "output_tokens": 100,
        "charge": "0.5",
        "currency": "USD",
        "price_book": "nextoken@2026-11-20",
    }
    path.write_text(json.dumps(record) + "\n")
    text = markdown(audit(Task(str(path), "a|b.jsonl", Shelf())), "2026-12-01T00:00:00Z")
    (line,) = [one for one in text.splitlines() if "nex-pro" in one and one.startswith("|")]
    assert line.replace("\\|", "").count("|") == 10
    assert "| 0.5 | 0.00014 | 0.49986 |" in line
    assert "<b>" not in text
    assert "\x1b" not in text
    assert "a&#124;b.jsonl" in text
