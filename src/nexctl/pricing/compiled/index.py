"""Made by scripts/build_books.py: id -> (title, kind, ((module, from, to), ...))."""

from __future__ import annotations

BOOKS: dict[str, tuple[str, str, tuple[tuple[str, str | None, str | None], ...]]] = {'nextoken': ('NexToken', 'gateway', (('nextoken', None, None),))}
