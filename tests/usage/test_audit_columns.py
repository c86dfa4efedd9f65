"""Columns of a block read at once: the same integers as one by one, or a refusal."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.usage.audit import repeats
from nexctl.usage.readers.numbers import amounts, counts

REFUSED = r"amount|literal|count"
FRACTIONS = st.text("0123456789", min_size=1, max_size=12)
WHOLES = st.one_of(st.just("0"), st.integers(0, 10**12 - 1).map(str))


def alike(place: int) -> st.SearchStrategy[list[str]]:
    """Amounts whose dots stand at one place."""
    whole = st.integers(10 ** (place - 1), 10**place - 1).map(str)
    one = st.tuples(whole, FRACTIONS).map(".".join)
    return st.lists(one, min_size=1, max_size=20)


below_one = st.lists(st.one_of(st.just("0"), FRACTIONS.map("0.{}".format)), max_size=20)
mixed = st.lists(
    st.tuples(
        st.sampled_from(["", "-"]), WHOLES, st.one_of(st.just(""), FRACTIONS.map(".{}".format))
    ).map("".join),
    max_size=20,
)


@given(st.one_of(below_one, st.integers(1, 12).flatmap(alike), mixed))
def test_amounts_are_exact_pico_however_they_are_written(texts: list[str]) -> None:
    assert amounts(texts) == [int(Decimal(text) * 10**12) for text in texts]


@given(mixed)
def test_amounts_in_a_spreadsheet_s_words_are_the_same(texts: list[str]) -> None:
    saved = [f"{Decimal(text):E}" for text in texts]
    assert amounts(saved) == amounts(texts)


@given(below_one)
def test_an_amount_that_is_not_known_counts_as_nothing(texts: list[str]) -> None:
    column = [None if text == "0" else text for text in texts]
    assert amounts(column) == amounts(texts)


@pytest.mark.parametrize(
    "text",
    ["", ".", "1e99", "1e-13", "1_0", "+1", "0.1.2", "0.1-2", "0.-1", "1.0.0", "0.0000000000001",
     "12.0000000000001", "--1", "\u0661", "0.1,0.2", " 1"],
)  # fmt: skip
@pytest.mark.parametrize("beside", [[], ["0.5"], ["0"], ["12.5"], ["1"]])
def test_what_is_no_plain_decimal_is_refused(text: str, beside: list[str]) -> None:
    for column in ([text, *beside], [*beside, text]):
        with pytest.raises(ValueError, match=REFUSED):
            amounts(column)


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=20), st.booleans())
def test_counts_are_exact_and_an_empty_cell_is_not_known(numbers: list[int], some: bool) -> None:
    cells = [str(number) for number in numbers] + ([""] if some else [])
    assert list(counts(cells)) == [*numbers, *([None] if some else [])]


@pytest.mark.parametrize("cell", ["-1", "1.0", "1e3", " 1", "\u0661", "x", "1,2"])
def test_a_cell_that_is_no_count_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        counts(["1", cell])


@pytest.mark.parametrize("customers", [["a", "a"], ["a", "b"], [None, None]])
def test_the_hash_of_a_row_does_not_hang_on_its_block(customers: list[str | None]) -> None:
    requests = ["r1", "r2"]
    wanted = [repeats.hash_of(*pair) for pair in zip(customers, requests, strict=True)]
    assert list(repeats.hashes(customers, requests)) == wanted
    assert list(repeats.hashes(customers, ["r1", None])) == wanted[:1]
