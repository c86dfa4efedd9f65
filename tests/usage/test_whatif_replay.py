"""What-if: recorded usage on other books, by the one engine; what is unknown is never a zero."""

from __future__ import annotations

import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json, structs

from nexctl.errors import UsageError
from nexctl.money import parse_units, text_of
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.reading import Inside, Row
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
        ({"charge": "-0.01"}, "a refund, which no price tells"),
    ],
)
def test_a_record_that_cannot_be_priced_is_in_no_total_and_said(
    fields: dict[str, Any], why: str
) -> None:
    data = replayed(record(), record(**fields)).data()
    assert data["usage"]["unusable"] == {why: 1}
    assert data["books"][0]["rows"] == 1
    # What it billed is in no total either, so that both can be compared.
    assert data["usage"]["billed"] == {"USD": "0.01"}


def test_an_output_that_is_not_counted_has_no_price_where_the_model_sells_output() -> None:
    untold = record(output_tokens=None)
    found = books_of(replayed(record(), untold, record(output_tokens=0)))["nextoken"]
    assert found["charge"] is None
    assert (found["rows"], found["unpriced_rows"]) == (2, 1)
    assert found["why"] == "no count of output is given, and it has a price"
    embeds = record(model_served="text-embedding-3-small", output_tokens=None)
    assert books_of(replayed(embeds, on=("openai",)))["openai"]["unpriced_rows"] == 0


def test_what_a_failed_request_billed_is_saved_elsewhere() -> None:
    data = replayed(record(), record(status="error", charge="5")).data()
    assert data["usage"]["billed"] == {"USD": "5.01"}
    compared = data["books"][0]["compared"]
    assert (compared["billed"], compared["rows"]) == ("5.01", 1)


def test_a_source_that_is_known_to_count_inside_stands_before_the_book() -> None:
    fields = {"model_served": "gpt-4o", "input_tokens": 1000, "cached_input_tokens": 400}
    litellm = Inside(created_at="2026-11-26T12:00:00Z", output_tokens=100, **fields)
    own = Readings(books.load("anthropic"))
    given = books_of(replayed(litellm, readings=own))["nextoken"]["charge"]
    assert given == books_of(replayed(record(cached_input_tokens=400)))["nextoken"]["charge"]
    assert (own.assumed, replayed(litellm).data()["usage"]["reading_assumed_rows"]) == (0, 0)


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
    assert any("normal rate" in note for note in normal["notes"])


def test_a_model_is_mapped_where_asked_and_it_is_said() -> None:
    row = record()
    unmapped = books_of(replayed(row, on=("nexrelay",)))["nexrelay"]
    assert unmapped["charge"] is None
    answer = replayed(row, on=("nexrelay", "nextoken"), maps={("nexrelay", "gpt-4o"): "gpt-5.2"})
    found = books_of(answer)
    assert found["nexrelay"]["models"][0]["priced_as"] == "gpt-5.2"
    assert found["nextoken"]["models"][0]["priced_as"] == "gpt-4o"
    assert any("priced as another model" in note for note in found["nexrelay"]["notes"])


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
    assert any("semantic-cache hits" in note for note in found["openai"]["notes"])


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
    assert any("before the first price" in note for note in assumed["notes"])
    fixed = books_of(replayed(early, late, on=(name,), at="2026-06-01"))["own"]
    assert fixed["charge"]["expected"] == "0.0044"


def test_after_the_last_price_nothing_is_known(tmp_path: Path) -> None:
    book = tmp_path / "own.toml"
    row = record(model_served="m", created_at="2026-09-15T00:00:00Z")
    book.write_text(
        OWN.replace("valid_from = 2026-06-01", "valid_from = 2026-06-01\nvalid_to = 2026-09-01")
    )
    assert books_of(replayed(row, on=(str(book),)))["own"]["charge"] is None
    book.write_text(OWN.replace("scale = 9", "scale = 9\nvalid_to = 2026-09-01"))
    assert books_of(replayed(row, on=(str(book),)))["own"]["charge"] is None
    book.write_text(OWN.replace("scale = 9", "scale = 9\nvalid_from = 2027-01-01"))
    assumed = books_of(replayed(row, on=(str(book),)))["own"]
    assert assumed["charge"]["expected"] == "0.0022"
    assert any("before the first price" in note for note in assumed["notes"])


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


@pytest.mark.parametrize("named", [True, False])
def test_a_bill_in_credits_is_compared_by_what_the_credits_are_worth(named: bool) -> None:
    row = record(
        input_tokens=600,
        cached_input_tokens=400,
        charge="740",
        currency="credits",
        price_book="nexrelay@2026-11-20" if named else None,
    )
    own = None if named else Readings(books.load("nexrelay"))
    compared = books_of(replayed(row, readings=own))["nextoken"]["compared"]
    assert (compared["billed"], compared["currency"]) == ("0.00074", "USD")


def test_amounts_in_several_currencies_are_never_added() -> None:
    answer = replayed(record(), record(currency="EUR"))
    assert answer.data()["usage"]["billed"] == {"EUR": "0.01", "USD": "0.01"}
    assert answer.data()["books"][0]["compared"] is None


def test_a_record_of_a_whole_day_has_no_price_where_each_requests_size_decides() -> None:
    tiered = next(
        model.id
        for model in books.load("google").models.values()
        if model.kind == "chat" and len(engine.pricer(books.load("google"), model).forms[0]) > 1
    )
    one, day = (record(model_served=tiered, requests=n, input_tokens=900_000) for n in (1, 9))
    assert books_of(replayed(one, on=("google",)))["google"]["charge"] is not None
    whole = books_of(replayed(day, on=("google",)))["google"]
    assert whole["charge"] is None
    assert "several requests" in whole["why"]
    assert books_of(replayed(record(requests=9)))["nextoken"]["charge"] is not None


def test_a_version_that_begins_within_a_day_counts_from_then(tmp_path: Path) -> None:
    shipped = (Path(books.__file__).parent / "books" / "nextoken.toml").read_text()
    row = '[[models]]\nid = "new"\nprovider = "x"\nrates = { input = "%s", output = "0" }\n'
    for start, price in (("2026-10-05T09:00:00Z", "1"), ("2026-10-05T14:30:05Z", "2")):
        dated = f"valid_from = {start}\nretrieved = 2026-10-05"
        text = shipped.replace("retrieved = 2026-11-20", dated, 1) + row % price
        (tmp_path / f"nextoken@{start.replace(':', '')}.toml").write_text(text)
    for hour, charge in (("10:00", "0.001"), ("14:00", "0.001"), ("14:31", "0.002")):
        made = record(model_served="new", created_at=f"2026-10-05T{hour}:00Z")
        found = books_of(replayed(made, folder=str(tmp_path)))["nextoken"]
        assert found["charge"]["expected"] == charge


def test_hours_of_a_day_have_their_own_prices_and_few_sums() -> None:
    book = books.load("deepseek")
    name = next(m.id for m in book.models.values() if any("hours" in p for p in m.periods))
    replay = WhatIf(("deepseek",))
    expected = 0
    for minute in range(0, 24 * 60, 7):
        at = f"2026-10-05T{minute // 60:02d}:{minute % 60:02d}:59Z"
        replay.add(record(model_served=name, created_at=at))
        usage = Usage(input=1000, output=100)
        expected += engine.pricer(book, name, at=at).charge(usage).units
    assert replay.answer().totals[0].high == expected
    assert len(replay.buckets) <= 48


def test_what_is_kept_does_not_grow_with_the_records() -> None:
    replay = WhatIf(("nextoken", "openai"))
    for number in range(2000):
        replay.add(record(request_id=str(number), input_tokens=number + 1))
    assert len(replay.buckets) == 1


def test_an_unknown_book_and_a_bad_time_are_refused() -> None:
    with pytest.raises(UsageError):
        WhatIf(("nobody",))
    for fields in ({"created_at": "yesterday"}, {"charge": "1e3"}):
        with pytest.raises(UsageError) as caught:
            replayed(record(**fields))
        assert caught.value.message.startswith("record r1: ")


# ---------------------------------------------------------------- the property

BOOKS = ("nextoken", "nexrelay", "deepseek", "anthropic")
CHATS = {
    name: [model.id for model in books.load(name).models.values() if model.kind == "chat"]
    for name in BOOKS
}
INSIDE = {name: books.load(name).input_includes_cached for name in BOOKS}
counts = st.integers(0, 200_000)
MIN = datetime.datetime(2026, 9, 1)
lines = st.tuples(
    counts, counts, counts, st.integers(0, 100), st.integers(0, 80 * 24 * 60), st.booleans()
)


@st.composite
def files(draw: Any) -> tuple[str, list[Row]]:
    name = draw(st.sampled_from(BOOKS))
    rows = []
    for number, (into, cached, output, model, minutes, hit) in enumerate(
        draw(st.lists(lines, min_size=1, max_size=8))
    ):
        rows.append(
            record(
                request_id=f"r{number}",
                customer_id="ab"[model % 2],
                model_served=CHATS[name][model % len(CHATS[name])],
                created_at=(MIN + datetime.timedelta(minutes=minutes)).isoformat() + "Z",
                price_book=f"{name}@2026-11-20",
                input_tokens=into + cached if INSIDE[name] else into,
                cached_input_tokens=cached,
                output_tokens=output,
                semantic_cache_hit=hit and name == "nextoken",
            )
        )
    return name, rows


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
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


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=25)
@given(files())
def test_a_file_under_its_own_book_is_what_its_audit_expects(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[str, list[Row]]
) -> None:
    """Two ways through the one engine: record by record, and the audit's coefficients."""
    name, rows = made
    billed = []
    for number, row in enumerate(rows):
        total = replayed(row, on=(name,)).totals[0]
        if total.rows:
            units = text_of(total.gross, total.book.scale)
            unit = total.book.unit
            billed.append(
                structs.replace(row, charge=units, currency=unit, request_id=f"q{number}")
            )
    if not billed:
        return
    path = tmp_path_factory.mktemp("audit") / "billed.jsonl"
    path.write_bytes(b"".join(json.encode(row) + b"\n" for row in billed))
    report = audit(Task(str(path), "billed", Shelf())).data()
    total = replayed(*billed, on=(name,)).totals[0]
    assert report["totals"]["expected"] == text_of(total.gross, total.book.scale)
    assert report["totals"]["difference"] == "0"
