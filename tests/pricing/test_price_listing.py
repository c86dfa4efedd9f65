"""Rows for listing, comparing, dated history and implied markup."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from pricing_kit import SHIPPED

from nexctl.errors import UsageError
from nexctl.pricing import books, listing, markup
from nexctl.pricing.compare import compare, usage_of

PROMISED = (
    "gateway model aliases provider context max_output capabilities rates multipliers markup "
    "valid_from valid_to source retrieved notes"
)


@pytest.mark.parametrize("name", books.shipped())
def test_show_has_the_promised_fields_and_is_json_safe(name: str) -> None:
    book = books.load(name)
    for model in list(book.models)[:200]:
        shown = listing.show(book, model)
        assert set(PROMISED.split()) <= set(shown)
        json.dumps(shown, allow_nan=False)
        for rate in shown["rates"].values():
            assert {"price", "per", "unit", "state"} <= set(rate)
            assert (rate["price"] is None) == (rate["state"] != "number")


def test_filters() -> None:
    book = books.load("nextoken")
    names = [row["model"] for row in listing.rows(book, tag="native")]
    assert names == ["nex-pro", "nex-auto", "nex-reasoning", "nex-embed-zh"]
    assert [row["model"] for row in listing.rows(book, kind="embedding")] == ["nex-embed-zh"]
    assert len(listing.rows(book, provider="openai")) == 4
    assert {row["model"] for row in listing.rows(book, capability="vision")} >= {"gpt-4o"}
    assert [row["model"] for row in listing.rows(book, text="smart")] == ["nex-pro"]


@pytest.mark.parametrize("key", ["input", "output", "context", "model", "provider"])
def test_sorting_puts_the_unknown_last_either_way(key: str) -> None:
    book = books.load("nextoken")
    for reverse in (False, True):
        values = [row[key] for row in listing.rows(book, sort=key, reverse=reverse)]
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known))
        order = [Fraction(value) if key in ("input", "output") else value for value in known]
        assert order == sorted(order, reverse=reverse)
    with pytest.raises(UsageError):
        listing.rows(book, sort="colour")


def test_compare_is_cheapest_first_and_unknown_last() -> None:
    pairs = [
        (books.load("tokenok"), "gpt-4o"),
        (books.load("nexu"), "mimo-v2-pro"),
        (books.load("nextoken"), "gpt-4o"),
        (books.load("openai"), "gpt-4o"),
        (books.load("nexrelay"), "gpt-5.4"),
        (books.load("nexu"), "no-such"),
    ]
    rows = compare(pairs, input_tokens=10_000, output=1000, requests=10)
    assert [row["gateway"] for row in rows] == [
        "nexrelay",
        "openai",
        "nextoken",
        "nexu",
        "tokenok",
        "nexu",
    ]
    assert rows[0]["money"] == {"amount": "0.11", "currency": "USD"}
    assert rows[2]["charge"] == {"low": "0.364", "expected": "0.364", "high": "0.364"}
    assert rows[3]["charge"] == {"low": "4", "expected": None, "high": "40"}
    assert rows[4]["charge"] is None
    assert "publishes no prices" in rows[4]["why"]


def test_one_workload_is_counted_as_each_book_counts() -> None:
    tokens = {"input_tokens": 1000, "cached": 400, "output": 100, "reasoning": 60}
    inside = usage_of(books.load("nextoken"), **tokens)
    assert (inside.input, inside.cached_input, inside.output) == (1000, 400, 100)
    beside = usage_of(books.load("nexrelay"), **tokens)
    assert (beside.input, beside.cached_input) == (600, 400)
    apart = usage_of(books.load("google"), **tokens)
    assert (apart.output, apart.reasoning) == (40, 60)
    with pytest.raises(UsageError):
        usage_of(books.load("nexrelay"), input_tokens=10, cached=11)


def test_history_of_a_dated_model() -> None:
    rows = listing.history([books.load("openai")], "o3")
    assert [(row["valid_from"], row["valid_to"]) for row in rows] == [
        (None, "2025-06-10"),
        ("2025-06-10", None),
    ]
    assert [row["rates"]["input"]["price"] for row in rows] == ["10", "2"]
    assert rows[1]["batch_from"] == "2026-10-14"
    with pytest.raises(UsageError):
        listing.history([books.load("openai")], "nex-pro")


def test_history_over_book_versions_lies_within_each() -> None:
    book = books.load(str(SHIPPED / "nextoken.toml"))
    book.head = {**book.head, "valid_from": "2027-01-01"}
    rows = listing.history([books.load("nextoken"), book], "nex-smart")
    assert [row["valid_from"] for row in rows] == [None, "2027-01-01"]


def test_markup_and_margin_are_both_given_exactly() -> None:
    rows = {(row["model"], row["meter"]): row for row in markup.table(books.load("nextoken"))}
    o1 = rows["o1", "input"]
    assert (o1["price"], o1["upstream"]) == ("16.2", "15")
    assert (o1["markup_percent"], o1["margin_percent"]) == ("8", "7.407407407407")
    assert o1["agrees"] == "exact"
    assert rows["gpt-4o", "output"]["markup_percent"] == "4"
    assert rows["gpt-4o-mini", "input"]["agrees"] == "rounded"
    assert rows["gemini-2.5-flash", "input"]["markup_percent"] == "-75"


def test_ten_of_twelve_nextoken_rows_contradict_their_own_markup_column() -> None:
    book = books.load("nextoken")
    routed = [name for name, model in book.models.items() if model.markup["stated"]]
    assert len(routed) == 12
    contradicting = {row["model"] for row in markup.table(book) if row["agrees"] == "no"}
    assert set(routed) - contradicting == {"gpt-4o-mini", "o1"}


def test_markup_of_credits_is_in_money_and_of_unknown_credits_absent() -> None:
    rows = markup.implied(books.load("nexrelay"), books.load("nexrelay").find("gpt-5.4"))
    assert [(row["meter"], row["price"], row["upstream"]) for row in rows] == [
        ("input", "1", "2.5"),
        ("cached_input", "0.1", "0.25"),
        ("output", "1", "15"),
    ]
    assert markup.table(books.load("nexu")) == []
