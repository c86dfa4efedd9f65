"""Amounts in whole units and the head of a small book, for the pricing tests."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from nexctl.pricing import books, engine
from nexctl.pricing.book import Book
from nexctl.records import Usage

SHIPPED = Path(books.__file__).parent / "books"
Edit = Callable[..., Book]

HEAD = """format = 1
[book]
id = "mine"
title = "Mine"
unit = "USD"
scale = 9
retrieved = 2026-11-20
#MORE
[defaults]
rates = { request = "not_applicable" }
"""


def charged(book: str | Book, model: str, usage: Usage, **conditions: object) -> Fraction:
    """The rounded charge of one request in whole units of the book."""
    loaded = books.load(book) if isinstance(book, str) else book
    charge = engine.pricer(loaded, model, **conditions).charge(usage)  # type: ignore[arg-type]
    return Fraction(charge.units, 10**loaded.scale)
