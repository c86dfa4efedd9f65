"""Price books as the ledger keeps them: by the hash of their text, never edited."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from nexctl.errors import ConfigError, NexctlError
from nexctl.pricing.book import Book


@lru_cache(maxsize=8)
def stored_book(body: str) -> Book:
    """A book from its kept text. ConfigError where somebody has changed it."""
    try:
        return Book(msgspec.json.decode(body))
    except (msgspec.MsgspecError, NexctlError, LookupError, TypeError, AttributeError):
        raise ConfigError(
            "a price book in the gateway's ledger is not what was kept there",
            hint="stop serving; put a backup in its place: nexctl gateway restore FILE",
        ) from None


def body_of(book: Book) -> str:
    """A book's text to keep: equal content gives equal text."""
    return msgspec.json.encode(book.data, order="deterministic").decode()
