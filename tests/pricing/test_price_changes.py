"""Which changes of prices need a second look, and books as a gateway serves them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.pricing import books, changes, served
from nexctl.pricing.book import Book
from nexctl.pricing.exact import plain


def priced(price: str | None, **head: Any) -> Book:
    """A book of one model with one input price."""
    models = []
    if price is not None:
        rates = {"input": ("number", price, 1_000_000, "token", None)}
        models = [{"id": "m", "periods": ({"rates": rates},)}]
    kept = {"id": "b", "title": "B", "unit": "USD", "scale": 9, "retrieved": "2026-11-20"}
    return Book({"book": {**kept, **head}, "models": models, "sha256": "0" * 64})


def why(before: str | None, after: str | None) -> str | None:
    (change,) = changes.between(priced(before), priced(after))
    return change.why


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("1", "1.25", None),
        ("1", "1.250000001", "large"),
        ("1", "0.75", None),
        ("1", "0.749999999", "large"),
        ("1", "0", "zero"),
        (None, "0.000", "zero"),
        (None, "3", None),
        ("0", "0.01", "large"),
        ("1", None, "removed"),
    ],
)
def test_a_drop_to_zero_a_loss_and_more_than_a_quarter_need_a_second_look(
    before: str | None, after: str | None, reason: str | None
) -> None:
    assert why(before, after) == reason


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_the_quarter_is_exact(before: int, after: int) -> None:
    if before != after:
        wanted = "large" if 4 * abs(after - before) > before else None
        assert why(plain(before, 6), plain(after, 6)) == wanted


def test_equal_prices_are_no_change_however_they_are_written() -> None:
    assert changes.between(priced("1"), priced("1.00")) == []


def test_a_rule_of_charging_needs_a_second_look_a_date_does_not() -> None:
    found = changes.between(priced("1"), priced("1", scale=6))
    assert [(row.meter, row.why) for row in found] == [("scale", "rule")]
    assert changes.between(priced("1"), priced("1", retrieved="2026-12-01")) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.5", "0.5"),
        ('{"amount": "1", "currency": "USD", "per": "100"}', "100 for 1 USD"),
        ('{"state": "operator"}', "operator"),
        ('["cached", "batch"]', "cached, batch"),
        ('{"first": "a", "then": "b"}', "first a, then b"),
        *((text, text) for text in ("[]", '{"a": {"b": "c"}}', "{no JSON", "null", "")),
    ],
)
def test_a_rule_is_told_as_people_read_it(text: str, shown: str) -> None:
    assert changes.told(text) == shown


def test_the_hash_accepts_one_change_and_no_other() -> None:
    one, two = priced("1"), priced("2")
    found = changes.accept_hash(one, two)
    assert found == changes.accept_hash(one, priced("2", valid_from="2026-12-01"))
    assert found != changes.accept_hash(one, priced("2.1"))
    other = Book({**one.data, "sha256": "1" * 64})
    assert found != changes.accept_hash(other, two)


@pytest.mark.parametrize("name", books.shipped())
def test_a_served_book_charges_as_the_book_itself(name: str) -> None:
    book = books.load(name)
    again = served.read(json.loads(json.dumps(served.sheet(book))), book.sha256)
    assert changes.between(book, again) == []
    assert (again.id, again.unit, again.scale) == (book.id, book.unit, book.scale)
    assert (again.sha256, again.version) == (book.sha256, book.version)


def spoilt(change: Any) -> Any:
    sheet = copy.deepcopy(served.sheet(books.load("nextoken")))
    change(sheet)
    return sheet


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["models"][0]["periods"][0]["rates"].update(input="-1"),
        lambda s: s["models"][0]["periods"][0]["rates"].update(input="1e3"),
        lambda s: s["models"][0]["periods"][0]["rates"].update(input="9" * 20),
        lambda s: s["models"][0]["periods"][0]["rates"].update(input=0.5),
        lambda s: s["models"][0]["periods"][0]["rates"].update(surprise="1"),
        lambda s: s["book"].update(scale=99),
        lambda s: s["book"].update(valid_from="tomorrow"),
        lambda s: s["multipliers"].update(batch="7"),
        lambda s: s.pop("book"),
    ],
)
def test_what_is_no_price_book_is_refused_whole(change: Any) -> None:
    with pytest.raises(served.BadPrices):
        served.read(spoilt(change), None)


@pytest.mark.parametrize("value", [None, [], "x", 1, {"book": None}])
def test_what_is_no_table_is_refused(value: Any) -> None:
    with pytest.raises(served.BadPrices):
        served.read(value, None)
