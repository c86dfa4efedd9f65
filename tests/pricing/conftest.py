"""Edited copies of shipped books, and small books of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pricing_kit import HEAD, SHIPPED, Edit

from nexctl.pricing import books
from nexctl.pricing.book import Book


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """Load a shipped book with some of its text replaced, as a user's own file."""

    def edit(name: str, *changes: tuple[str, str]) -> Book:
        text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return books.load(str(path))

    return edit


@pytest.fixture
def book_of(tmp_path: Path) -> Callable[..., Book]:
    """Load a book from a head (id mine, USD, scale 9) and the TOML text of the rest."""

    def make(rest: str, head: str = "") -> Book:
        path = tmp_path / "mine.toml"
        path.write_text(HEAD.replace("#MORE", head) + rest, encoding="utf-8")
        return books.load(str(path))

    return make
