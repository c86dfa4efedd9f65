"""A recorded request as every price book can read it: what was counted, when, for how much.

Records come as objects with the fields of an export (`usage.reading.Row`, the wire's record). Where
cached tokens and reasoning stand is the reading of the book that billed them; here they lie inside.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.errors import NexctlError
from nexctl.money import parse_units
from nexctl.pricing import books
from nexctl.pricing.book import Book
from nexctl.records import METERS
from nexctl.usage.reading import Inside, says_failed

# Amounts from files are held at 10**-12 of their currency.
SCALE = 12


class Counted(NamedTuple):
    """Quantities of one request: cached and written tokens lie inside `input`, reasoning in output.

    The order is that of the sums that what-if keeps.
    """

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    requests: int
    images: int
    seconds: int
    videos: int
    gpu_seconds: int


class Reading(NamedTuple):
    """How the billing book counts: whether cached, written and reasoning tokens lie inside."""

    cached: bool
    write: bool
    reasoning: bool


OPENAI = Reading(True, True, True)


class Readings:
    """The readings of the books that records name in `price_book`, each book loaded once.

    `book` is for records that name none. Without either, tokens are read as lying inside.
    """

    def __init__(self, book: Book | None = None, folder: str | None = None) -> None:
        self._folder = folder
        self.book = book
        self._own = _reading(book) if book is not None else None
        self._found: dict[str | None, Reading] = {}
        self.assumed = 0
        self._unknown: set[str | None] = set()

    def of(self, row: Any) -> Reading:
        """How a record counts: as its source is known to, else as its book says.

        `assumed` counts records of which neither is known.
        """
        if isinstance(row, Inside):
            return OPENAI
        price_book = row.price_book
        found = self._found.get(price_book)
        if found is None:
            found = self._found[price_book] = self._find(price_book)
        if price_book in self._unknown:
            self.assumed += 1
        return found

    def _find(self, price_book: str | None) -> Reading:
        name = (price_book or "").partition("@")[0]
        if name and not name.endswith(".toml"):
            try:
                return _reading(books.load(name, folder=self._folder))
            except NexctlError:
                pass
        if self._own is None:
            self._unknown.add(price_book)
        return self._own or OPENAI


def _reading(book: Book) -> Reading:
    return Reading(
        book.input_includes_cached,
        book.input_includes_cache_write,
        book.output_includes_reasoning,
    )


def counted(row: Any, reading: Reading) -> Counted | str:
    """The quantities of a record, or in words why they cannot be priced.

    A record without input and output, and without any other meter, has unknown usage: that is not
    a usage of 0.
    """
    into, output = row.input_tokens, row.output_tokens
    others = (row.images, row.seconds, row.videos, row.gpu_seconds)
    if into is None and output is None and not any(others):
        return "its usage is missing"
    if into is None and output is not None:
        return "its input is not counted"
    into, output = into or 0, output or 0
    cached, write = row.cached_input_tokens or 0, row.cache_write_tokens or 0
    reasoning = row.reasoning_tokens or 0
    into += (0 if reading.cached else cached) + (0 if reading.write else write)
    output += 0 if reading.reasoning else reasoning
    requests = 1 if row.requests is None else row.requests
    found = Counted(into, cached, write, output, reasoning, requests, *(n or 0 for n in others))
    if min(found) < 0:
        return "a quantity is negative"
    if cached + write > into:
        return "more cached tokens than input"
    if reasoning > output:
        return "more reasoning tokens than output"
    return found


def untold(row: Any) -> tuple[int, ...]:
    """The meters of input and output whose own count a record does not give."""
    counts = {"input": row.input_tokens, "output": row.output_tokens}
    return tuple(METERS.index(meter) for meter, count in counts.items() if count is None)


def billed(row: Any) -> tuple[str, int] | None:
    """(currency, units of 10**-12) that a record was charged; None where either is unknown."""
    if row.charge is None or not row.currency:
        return None
    return row.currency, parse_units(row.charge, SCALE, what="charge")


def refunded(row: Any) -> bool:
    """Whether a record gives money back: no request that another gateway would charge."""
    text = str(row.charge or "")
    return text.startswith("-") and bool(text.strip("-0."))


def failed(row: Any) -> bool:
    """Whether the request failed before a usable answer: no gateway of ours charges for that."""
    return says_failed(row.status)


def batched(row: Any) -> bool:
    """Whether the request was a line of a batch."""
    return bool(row.batch_id)
