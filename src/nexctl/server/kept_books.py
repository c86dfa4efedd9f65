"""Price books as the ledger keeps them: by the hash of their text, never edited."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from nexctl.pricing.book import Book


@lru_cache(maxsize=8)
def stored_book(body: str) -> Book:
    """A book from its kept text."""
    return Book(msgspec.json.decode(body))


def body_of(book: Book) -> str:
    """A book's text to keep: equal content gives equal text."""
    return msgspec.json.encode(book.data, order="deterministic").decode()
