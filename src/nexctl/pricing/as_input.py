"""A cached or a written part that a book has no price for: it is charged as plain input."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nexctl.errors import UnpricedError

if TYPE_CHECKING:
    from nexctl.pricing.engine import Charge, Pricer
    from nexctl.records import Usage

_PARTS = (("cache_write",), ("cached_input",), ("cached_input", "cache_write"))


def charge(pricer: Pricer, usage: Usage) -> tuple[Charge, Usage]:
    """`Pricer.charge`, where a cached or written part without a price of its own is plain input.

    The second is the usage that the charge follows from. Raises as `Pricer.charge` does.
    """
    try:
        return pricer.charge(usage), usage
    except UnpricedError:
        for parts in _PARTS:
            plain = _plain(pricer, usage, parts)
            if plain != usage:
                with contextlib.suppress(UnpricedError):
                    return pricer.charge(plain), plain
        raise


def _plain(pricer: Pricer, usage: Usage, parts: tuple[str, ...]) -> Usage:
    """Usage whose named parts are plain input, which they stand in or beside by the book."""
    book = pricer.book
    inside = {"cached_input": book.input_includes_cached}
    inside["cache_write"] = book.input_includes_cache_write
    beside = sum(getattr(usage, part) for part in parts if not inside[part])
    return usage._replace(input=usage.input + beside, **dict.fromkeys(parts, 0))
