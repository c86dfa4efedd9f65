"""What-if: recorded usage on other books, by the one engine; what is unknown is never a zero."""

from __future__ import annotations

import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.money import parse_units, text_of
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.usage.reading import Row
from nexctl.usage.whatif import WhatIf
from nexctl.usage.whatif_answer import Answer
from nexctl.usage.whatif_rows import Readings


def record(**given: Any) -> Row:
    """A record of nextoken's gateway with some fields of its own."""
    return Row(
        **{
            "created_at": "2026-10-05T10:00:00Z",
            "request_id": "r1",
            "model_served": "gpt-4o",
            "status": "ok",
            "requests": 1,
            "input_tokens": 1000,
            "cached_input_tokens": 0,
            "output_tokens": 100,
            "charge": "0.01",
            "currency": "USD",
            "price_book": "nextoken@2026-11-20",
            **given,
        }
    )


def replayed(*rows: Row, on: tuple[str, ...] = ("nextoken",), **options: Any) -> Answer:
    replay = WhatIf(on, **options)
    for row in rows:
        replay.add(row)
    return replay.answer()


def books_of(answer: Answer) -> dict[str, dict[str, Any]]:
    return {row["gateway"]: row for row in answer.data()["books"]}


def test_the_published_example_of_a_credit_book_is_replayed_to_the_digit() -> None:
    """100,000 + 20,000 + 50,000 cached beside = 125,000 credits = $0.1250."""
    row = record(
        model_served="gpt-5.2",
        price_book="nexrelay@2026-11-20",
        input_tokens=100_000,
        cached_input_tokens=50_000,
        output_tokens=20_000,
    )
    found = books_of(replayed(row, on=("nexrelay",)))["nexrelay"]
    assert found["charge"]["expected"] == "125000"
    assert found["money"] == {"amount": "0.125", "currency": "USD"}


def test_cached_tokens_beside_the_input_go_inside_it_on_a_book_that_counts_so() -> None:
    beside = record(price_book="nexrelay@2026-11-20", input_tokens=600, cached_input_tokens=400)
    inside = record(input_tokens=1000, cached_input_tokens=400)
    assert (
        books_of(replayed(beside))["nextoken"]["charge"]
        == books_of(replayed(inside))["nextoken"]["charge"]
    )


def test_a_record_that_names_no_book_is_read_by_the_book_given_and_counted() -> None:
    row = record(price_book=None, input_tokens=600, cached_input_tokens=400)
    own = Readings(books.load("nexrelay"))
    given = books_of(replayed(row, readings=own))["nextoken"]["charge"]
    assert given == books_of(replayed(record(cached_input_tokens=400)))["nextoken"]["charge"]
    assert replayed(row).data()["usage"]["reading_assumed_rows"] == 1
    assert own.assumed == 0


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"input_tokens": None, "output_tokens": None}, "its usage is missing"),
        ({"input_tokens": 10, "cached_input_tokens": 11}, "more cached tokens than input"),
        ({"input_tokens": -1}, "a quantity is negative"),
        ({"reasoning_tokens": 101}, "more reasoning tokens than output"),
    ],
)
def test_a_record_that_cannot_be_priced_is_in_no_total_and_said(
    fields: dict[str, int], why: str
) -> None:
    data = replayed(record(), record(**fields)).data()
    assert data["usage"]["unusable"] == {why: 1}
    assert data["books"][0]["rows"] == 1


def test_an_unknown_model_makes_the_total_unknown_and_sorts_last() -> None:
    answer = replayed(
        record(), record(model_served="nobodys-7b"), on=("tokenok", "nextoken", "openai")
    )
    assert [row["gateway"] for row in answer.data()["books"]] == ["nextoken", "openai", "tokenok"]
    first, last = answer.data()["books"][0], answer.data()["books"][-1]
    assert first["charge"] is None
    assert (first["rows"], first["unpriced_rows"]) == (1, 1)
    assert first["priced_charge"]["expected"] == "0.00364"
    assert "nobodys-7b" in first["why"]
    assert last["charge"] is last["priced_charge"] is last["compared"] is None
    assert last["cached"] == []


def test_a_part_is_compared_with_what_was_billed_for_that_part() -> None:
    answer = replayed(record(), record(model_served="nobodys-7b", charge="5"))
    compared = answer.data()["books"][0]["compared"]
    assert (compared["rows"], compared["billed"]) == (1, "0.01")


def test_a_missing_cached_rate_is_unknown_unless_the_normal_one_is_asked_for() -> None:
    row = record(model_served="nex-pro", cached_input_tokens=500)
    strict = books_of(replayed(row))["nextoken"]
    assert strict["charge"] is None
    assert "cached_input" in strict["why"]
    normal = books_of(replayed(row, normal=True))["nextoken"]
    plain = books_of(replayed(record(model_served="nex-pro")))["nextoken"]
    assert normal["charge"] == plain["charge"]
    assert "normal rate" in normal["notes"][0]


def test_a_model_is_mapped_where_asked_and_it_is_said() -> None:
    row = record()
    unmapped = books_of(replayed(row, on=("nexrelay",)))["nexrelay"]
    assert unmapped["charge"] is None
    answer = replayed(row, on=("nexrelay", "nextoken"), maps={("nexrelay", "gpt-4o"): "gpt-5.2"})
    found = books_of(answer)
    assert found["nexrelay"]["models"][0]["priced_as"] == "gpt-5.2"
    assert found["nextoken"]["models"][0]["priced_as"] == "gpt-4o"
    assert "priced as another model" in found["nexrelay"]["notes"][0]


def test_a_failed_request_is_not_charged_anywhere() -> None:
    data = replayed(record(), record(status="error", charge="0")).data()
    assert data["usage"]["failed"] == 1
    assert data["books"][0]["rows"] == 1


def test_a_batch_line_has_the_batch_rate_and_a_cache_hit_the_full_price_elsewhere() -> None:
    plain = parse_units("0.00364")
    batch = books_of(replayed(record(batch_id="b1")))["nextoken"]
    assert parse_units(batch["charge"]["expected"]) == plain * 7 // 10
    hit = record(semantic_cache_hit=True)
    found = books_of(replayed(hit, on=("nextoken", "openai")))
    assert parse_units(found["nextoken"]["charge"]["expected"]) == plain // 20
    assert "semantic-cache hits" in found["openai"]["notes"][0]


def test_billing_tiers_follow_each_customers_month() -> None:
    """$3,640 a month is Pro: 1 % off all of it; half of it in two months is 1 % off each."""
    one = [record(input_tokens=10**9, output_tokens=10**8, customer_id="c")]
    found = books_of(replayed(*one))["nextoken"]
    assert found["tiers"] == [
        {
            "customer_id": "c",
            "month": "2026-10",
            "gross": "3640",
            "tier": "pro",
            "percent": "1",
            "credit": "36.4",
        }
    ]
    assert found["charge"]["expected"] == "3603.6"
    small = [record(input_tokens=10**8, output_tokens=10**7, customer_id=f"c{i}") for i in range(2)]
    apart = books_of(replayed(*small))["nextoken"]
    assert [month["tier"] for month in apart["tiers"]] == ["developer", "developer"]
    assert apart["tier_credit"] == "0"


def test_prices_are_those_of_the_records_time(tmp_path: Path) -> None:
    book = tmp_path / "own.toml"
    book.write_text(OWN)
    early = record(model_served="m", created_at="2026-01-15T00:00:00Z")
    late = record(model_served="m", created_at="2026-06-15T00:00:00Z")
    before = record(model_served="m", created_at="2025-06-15T00:00:00Z")
    name = str(book)
    assert books_of(replayed(early, on=(name,)))["own"]["charge"]["expected"] == "0.0011"
    assert books_of(replayed(late, on=(name,)))["own"]["charge"]["expected"] == "0.0022"
    assumed = books_of(replayed(before, on=(name,)))["own"]
    assert assumed["charge"]["expected"] == "0.0011"
    assert "before the first price" in assumed["notes"][0]
    fixed = books_of(replayed(early, late, on=(name,), at="2026-06-01"))["own"]
    assert fixed["charge"]["expected"] == "0.0044"


OWN = """format = 1
[book]
id = "own"
title = "Own"
unit = "USD"
scale = 9
retrieved = 2026-11-20
[defaults]
rates = { request = "not_applicable" }
[[models]]
id = "m"
[[models.periods]]
valid_from = 2026-01-01
valid_to = 2026-06-01
rates = { input = "1", output = "1" }
[[models.periods]]
valid_from = 2026-06-01
rates = { input = "2", output = "2" }
"""


def test_a_book_that_publishes_only_a_sum_gives_a_range() -> None:
    ranged = next(
        model.id
        for model in books.load("nexu").models.values()
        if not engine.pricer(books.load("nexu"), model).known
    )
    found = books_of(replayed(record(model_served=ranged), on=("nexu",)))["nexu"]
    assert found["charge"]["expected"] is None
    low, high = (parse_units(found["charge"][end]) for end in ("low", "high"))
    assert 0 <= low < high


def test_the_share_of_cached_input_moves_each_total_and_shows_where_they_meet() -> None:
    row = record(input_tokens=1_000_000, output_tokens=0)
    answer = replayed(row, on=("nextoken", "openai"))
    for name, total in books_of(answer).items():
        curve = {c["cached_percent"]: parse_units(c["charge"]) for c in total["cached"]}
        for share, units in curve.items():
            model = books.load(name).find("gpt-4o")
            cached = parse_units(share, 0) * 10_000 if "." not in share else None
            assert cached is not None
            usage = Usage(input=1_000_000, cached_input=cached)
            exact = engine.pricer(books.load(name), model, at="2026-10-05").charge(usage).exact
            assert Fraction(units, 10**12) == Fraction(*exact)


def test_break_even_is_where_both_cost_the_same(tmp_path: Path) -> None:
    for name, into, cached in (("flat", "1", "1"), ("steep", "2", "0")):
        text = OWN.replace('"own"', f'"{name}"').partition("[[models.periods]]")[0]
        rates = f'rates = {{ input = "{into}", cached_input = "{cached}", output = "0" }}\n'
        (tmp_path / f"{name}.toml").write_text(text + rates)
    on = (str(tmp_path / "flat.toml"), str(tmp_path / "steep.toml"))
    answer = replayed(record(model_served="m", input_tokens=1_000_000), on=on)
    assert answer.data()["break_even"] == [
        {"cached_percent": "50", "cheaper_below": "flat", "cheaper_above": "steep"}
    ]


def test_break_even_prices_and_bonus_bring_the_total_to_what_was_billed() -> None:
    compared = replayed(record(charge="0.00182")).data()["books"][0]["compared"]
    assert compared["percent"] == "100"
    assert compared["break_even_price_percent"] == "-50"
    assert compared["break_even_bonus_percent"] == "100"


def test_a_published_bonus_makes_the_same_usage_cheaper() -> None:
    found = books_of(replayed(record(input_tokens=10**8, output_tokens=10**7)))["nextoken"]
    gold = next(bonus for bonus in found["bonuses"] if bonus["id"] == "gold")
    assert (found["charge"]["expected"], gold["percent"]) == ("364", "8")
    assert gold["paid"] == text_of(364 * 10**11 // 108, 9)


def test_amounts_in_several_currencies_are_never_added() -> None:
    answer = replayed(record(), record(currency="EUR"))
    assert answer.data()["usage"]["billed"] == {"EUR": "0.01", "USD": "0.01"}
    assert answer.data()["books"][0]["compared"] is None


def test_an_unknown_book_and_a_bad_time_are_refused() -> None:
    with pytest.raises(UsageError):
        WhatIf(("nobody",))
    with pytest.raises(UsageError):
        replayed(record(created_at="yesterday"))


# ---------------------------------------------------------------- the property

BOOKS = ("nextoken", "nexrelay", "deepseek", "anthropic")
PRICED = [
    (name, model.id)
    for name in BOOKS
    for model in books.load(name).models.values()
    if model.kind == "chat"
]
counts = st.integers(0, 200_000)


@st.composite
def files(draw: Any) -> tuple[str, list[Row]]:
    name = draw(st.sampled_from(BOOKS))
    models = [model for book, model in PRICED if book == name]
    rows = []
    for number in range(draw(st.integers(1, 8))):
        into, cached = draw(counts), draw(counts)
        if books.load(name).input_includes_cached:
            into += cached
        rows.append(
            record(
                request_id=f"r{number}",
                customer_id=draw(st.sampled_from(["a", "b"])),
                model_served=draw(st.sampled_from(models)),
                created_at=draw(st.datetimes(MIN, MAX)).isoformat() + "Z",
                price_book=f"{name}@2026-11-20",
                input_tokens=into,
                cached_input_tokens=cached,
                output_tokens=draw(counts),
                semantic_cache_hit=draw(st.booleans()) and name == "nextoken",
                batch_id=None,
            )
        )
    return name, rows


MIN, MAX = datetime.datetime(2026, 9, 1), datetime.datetime(2026, 11, 20)


@given(files())
def test_a_file_under_its_own_book_is_the_sum_of_its_lines_repriced_one_by_one(
    made: tuple[str, list[Row]],
) -> None:
    """What an audit expects of each line, less what the months' tiers give back."""
    name, rows = made
    answer = replayed(*rows, on=(name,))
    total = answer.totals[0]
    expected = priced = 0
    for row in rows:
        book = books.load(name, at=row.created_at)
        usage = Usage(
            input=row.input_tokens or 0,
            cached_input=row.cached_input_tokens or 0,
            output=row.output_tokens or 0,
        )
        try:
            model = book.find(str(row.model_served))
            pricer = engine.pricer(
                book, model, at=row.created_at, semantic_hit=bool(row.semantic_cache_hit)
            )
            units = pricer.charge(usage).units
        except UsageError:
            continue
        expected, priced = expected + units, priced + 1
    assert total.rows == priced
    assert total.gross == expected
    assert total.high == expected - total.tier_credit
