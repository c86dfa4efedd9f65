"""Finding and loading price books: shipped ones are compiled, a user's own are TOML."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from nexctl.errors import ConfigError, UsageError
from nexctl.pricing.book import Book, Model, Plan, Rate
from nexctl.pricing.compiled.index import BOOKS

if TYPE_CHECKING:
    from nexctl.pricing.source import Fault

__all__ = [
    "Book",
    "Model",
    "Plan",
    "Rate",
    "available",
    "compile_file",
    "every",
    "instant",
    "load",
    "load_or_first",
    "shipped",
    "unknown_model",
    "validate",
    "versions",
    "who_prices",
]

_loaded: dict[str, Book] = {}


def shipped() -> tuple[str, ...]:
    """Ids of the shipped books: the five gateways first, then the vendors' reference books."""
    return tuple(BOOKS)


def available(folder: str | None = None) -> tuple[str, ...]:
    """Ids of the shipped books, then those that only the user's `folder` has."""
    return (*BOOKS, *_own_ids(folder))


def title(name: str) -> str:
    """Title of a shipped book, without loading it."""
    return str(BOOKS[name][0])


def instant(at: Any) -> str | None:
    """Return a date, date and time (naive ones are UTC) or ISO text as comparable ISO text in UTC.

    Raises UsageError where text is no ISO date or time.
    """
    if at is None:
        return None
    given = at
    try:
        if isinstance(at, str):
            import datetime

            kind = datetime.date if len(at) == 10 else datetime.datetime
            at = kind.fromisoformat(at)
        if not hasattr(at, "hour"):
            return str(at.isoformat())
        offset = at.utcoffset()
        moment = at if offset is None else (at - offset)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{str(given)[:40]!r} is not a date", hint="write it like 2026-11-20", code="bad_date"
        ) from None
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def versions(name: str, *, folder: str | None = None) -> tuple[tuple[str | None, str | None], ...]:
    """(valid_from, valid_to) of each version of a book that is at hand, oldest first."""
    rows = [(book.valid_from, book.valid_to) for book in _own(name, folder)]
    if not rows:
        if name not in BOOKS:
            raise _unknown_book(name, folder)
        rows = [(start, end) for _module, start, end in BOOKS[name][2]]
    return tuple(sorted(rows, key=lambda row: row[0] or ""))


def load(name: str, *, at: Any = None, folder: str | None = None) -> Book:
    """Load a book by id, or by a path that ends in .toml.

    `folder` holds a user's own books (`*.toml`); one with the same id goes before the shipped one.
    `at` (date, datetime or ISO text) picks the version in force then, None now's. Raises
    UsageError for an unknown id or an instant that no version covers, ConfigError (exit 78) with
    every fault for a broken book of the user's.
    """
    moment = instant(at)
    if name.endswith(".toml"):
        return _in_force([compile_file(name)], name, moment)
    own = _own(name, folder)
    if own:
        return _in_force(own, name, moment)
    if name not in BOOKS:
        raise _unknown_book(name, folder)
    rows = BOOKS[name][2]
    if len(rows) == 1 and moment is None:
        return _compiled(rows[0][0])
    moment = moment or _now()
    for module, start, end in reversed(rows):
        if (start is None or start <= moment) and (end is None or moment < end):
            return _compiled(module)
    raise _no_version(name, moment, [row[1] for row in rows])


def load_or_first(
    name: str, at: str | None, *, folder: str | None = None, known: Book | None = None
) -> tuple[Book, bool]:
    """The version in force at an ISO instant; before the first version that one, and True.

    `known` is the book of that path, where it was read before. Raises UsageError (`no_version`)
    where the last version has ended: what a price became then is not known.
    """
    try:
        if known is not None:
            return _in_force([known], name, at), False
        return load(name, at=at, folder=folder), False
    except UsageError as error:
        if error.code != "no_version":
            raise
        if name.endswith(".toml"):
            first = known or compile_file(name)
        else:
            start = versions(name, folder=folder)[0][0]
            if start is None:
                raise
            first = load(name, at=start, folder=folder)
        if (at or _now()) >= (first.valid_from or ""):
            raise
        return first, True


def every(name: str, *, folder: str | None = None) -> list[Book]:
    """Every known version of a book by id: those of the user's folders, then those shipped."""
    shipped = BOOKS[name][2] if name in BOOKS else ()
    return [*_own(name, folder), *(_compiled(module) for module, _start, _end in shipped)]


def _compiled(module: str) -> Book:
    book = _loaded.get(module)
    if book is None:
        source = __import__(f"nexctl.pricing.compiled.{module}", fromlist=["BOOK"])
        book = _loaded[module] = Book(source.BOOK)
    return book


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _in_force(candidates: list[Book], name: str, moment: str | None) -> Book:
    ordered = sorted(candidates, key=lambda book: book.valid_from or "")
    if len(ordered) == 1 and moment is None:
        return ordered[0]
    moment = moment or _now()
    for book in reversed(ordered):
        start, end = book.valid_from, book.valid_to
        if (start is None or start <= moment) and (end is None or moment < end):
            return book
    raise _no_version(name, moment, [book.valid_from for book in ordered])


def _own(name: str, folder: str | None) -> list[Book]:
    """Books of the user's folder with this id; only files named after the id are opened.

    Of several folders (one a line) the first that has the id counts. In one that ends in a slash
    lie compiled books, whatever their files are called.
    """
    if folder is None:
        return []
    first, _, others = folder.partition("\n")
    found = _in_folder(name, first)
    return found or (_own(name, others) if others else [])


def _in_folder(name: str, folder: str) -> list[Book]:
    if not os.path.isdir(folder):
        return []
    if folder.endswith("/"):
        paths = (os.path.join(folder, entry) for entry in sorted(os.listdir(folder)))
        kept = (_compiled_file(path) for path in paths if path.endswith(".json"))
        return [book for book in kept if book.id == name]
    files = [
        entry
        for entry in sorted(os.listdir(folder))
        if entry == f"{name}.toml" or (entry.startswith(f"{name}@") and entry.endswith(".toml"))
    ]
    found = [compile_file(os.path.join(folder, entry)) for entry in files]
    for book, entry in zip(found, files, strict=True):
        if book.id != name:
            raise ConfigError(
                f"{os.path.join(folder, entry)}: its book id is {book.id!r}, not {name!r}",
                hint="name the file after its book: ID.toml or ID@DATE.toml",
            )
    return found


def _compiled_file(path: str) -> Book:
    """A book that was kept compiled, as lists instead of tuples."""
    import json

    try:
        with open(path, "rb") as stream:
            book = Book(json.loads(stream.read()), path)
        _ = book.id, book.models, book.version
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no kept price book",
            hint="remove that file; 'nexctl prices update' makes it again",
            code="broken_book",
        ) from error
    return book


def compile_file(path: str) -> Book:
    """Read and check a TOML book at `path`.

    Raises UsageError where it cannot be read, ConfigError (exit 78) listing every fault.
    """
    literal, faults = _read(path)
    if literal is None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ConfigError(
            f"price book {faults[0]}{more}",
            hint=f"nexctl prices validate {path} lists every fault",
            code="broken_book",
            details={"faults": [fault._asdict() for fault in faults]},
        )
    return Book(literal, path)


def validate(path: str) -> list[Fault]:
    """Return every fault of the TOML book at `path` as (file, line, message); [] means good.

    Raises UsageError where the file cannot be read.
    """
    return _read(path)[1]


def _read(path: str) -> tuple[dict[str, Any] | None, list[Fault]]:
    from nexctl.pricing.source import read

    try:
        return read(path, list_prices)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}",
            hint="check the path; 'nexctl prices list --books' names the books",
            code="unreadable",
        ) from error


def list_prices(book: str, model: str, at: str | None) -> tuple[str, str] | None:
    """(input, output) list prices per million of a reference book's model, None if not known."""
    if book not in BOOKS:
        return None
    try:
        rates = load(book).find(model).rates_at(at)
    except UsageError:
        return None
    into, out = rates.get("input"), rates.get("output")
    if into is None or out is None or into.price is None or out.price is None:
        return None
    return into.price, out.price


def who_prices(model: str) -> list[tuple[str, str]]:
    """(book id, model id) of each shipped book that prices `model` with numbers."""
    from nexctl.pricing.compiled.names import NAMES

    low = model.lower()
    return [(book, rows[low]) for book, rows in NAMES.items() if low in rows]


def unknown_model(book: Book, name: str) -> UsageError:
    """The error for a model that `book` does not have: near names, and who prices it."""
    import difflib

    shown = name if len(name) <= 80 else name[:80] + "..."
    known = [key for key in book.names() if not key.endswith("*")]
    close = difflib.get_close_matches(name.lower()[:100], known, n=3)
    others = [row for row in who_prices(name) if row[0] != book.id]
    parts = []
    if close:
        parts.append(f"did you mean {', '.join(close)}?")
    if others:
        parts.append("priced by " + ", ".join(f"{other} (--on {other})" for other, _ in others))
    if not parts:
        parts.append(f"nexctl prices list --on {book.id}")
    return UsageError(
        f"{book.title} has no model {shown!r}",
        hint="; ".join(parts),
        code="unknown_model",
        details={
            "model": shown,
            "book": book.id,
            "near": close,
            "books": [{"book": other, "model": found} for other, found in others],
        },
    )


def _unknown_book(name: str, folder: str | None) -> UsageError:
    import difflib

    known = [*BOOKS, *_own_ids(folder)]
    close = difflib.get_close_matches(name[:100], known, n=3)
    guess = f"did you mean {', '.join(close)}? " if close else ""
    return UsageError(
        f"no price book {name[:100]!r}",
        hint=f"{guess}books: {', '.join(known)}, or a path ending in .toml",
        code="unknown_book",
    )


def _own_ids(folder: str | None) -> list[str]:
    names = {
        entry[:-5].partition("@")[0]
        for one in (folder or "").split("\n")
        if os.path.isdir(one)
        for entry in os.listdir(one)
        if entry.endswith(".toml")
    }
    return sorted(names - set(BOOKS))


def _no_version(name: str, moment: str | None, starts: list[str | None]) -> UsageError:
    return UsageError(
        f"no version of price book {name} was in force at {moment}",
        hint=f"its versions begin at {', '.join(start or 'open' for start in starts)}",
        code="no_version",
    )
