"""Reads a price book's TOML: every fault with file and line, else the compiled literal form.

The literal is nested dicts and tuples of text, whole numbers and booleans. Shipped books are
compiled to it ahead of time; a user's book goes through here when it is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple

from nexctl.pricing import normal
from nexctl.pricing.scan import line_of, positions
from nexctl.pricing.schema import BOOK, RULES
from nexctl.pricing.shape import FloatText, near

MOST_BYTES = 8_000_000
Resolver = Callable[[str, str, "str | None"], "tuple[str, str] | None"]
Path = tuple["str | int", ...]


class Fault(NamedTuple):
    """One thing wrong with a price book: where, and what."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def read(file: str, resolve: Resolver) -> tuple[dict[str, Any] | None, list[Fault]]:
    """Read the TOML price book at `file`; return (literal, []) or (None, its faults by line).

    `resolve(book, model, at)` answers the list prices (input, output) of a reference book's model,
    which relative rates need. OSError passes through.
    """
    with open(file, "rb") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        return None, [Fault(file, 1, f"larger than {MOST_BYTES} bytes: no price book is")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return None, [Fault(file, line, f"not UTF-8 at byte {error.start}")]
    literal, faults = compile_text(text, resolve)
    return literal, [Fault(file, line, message) for line, message in faults]


def compile_text(
    text: str, resolve: Resolver
) -> tuple[dict[str, Any] | None, list[tuple[int, str]]]:
    """Compile a price book's TOML text; return (literal, []) or (None, [(line, message)...])."""
    import hashlib
    import tomllib

    try:
        data = tomllib.loads(text, parse_float=FloatText)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_fault(str(error), text)]
    except (RecursionError, ValueError) as error:
        return None, [(1, f"not TOML: {str(error)[:100]}")]
    lines = positions(text)
    faults: list[tuple[int, str]] = []

    def report(path: Path, message: str) -> None:
        fault = (line_of(lines, path), _printable(message))
        if fault not in faults:
            faults.append(fault)

    checked = BOOK(data, (), report)
    _check_rules(checked, report)
    with _as_shapes_allow(faults):
        _check_addresses(checked, checked, (), report)
    with _as_shapes_allow(faults):
        normal.check(checked, report)
    if faults:
        return None, sorted(faults)
    literal = normal.book(checked, resolve, report)
    literal["sha256"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return (None, sorted(faults)) if faults else (literal, [])


def _as_shapes_allow(faults: Sequence[Any]) -> AbstractContextManager[bool | None]:
    """What more is wrong is worth telling where values are, if the shapes still allow it."""
    wrong = (LookupError, TypeError, ValueError, AttributeError)
    return suppress(*wrong) if faults else nullcontext()


def _printable(message: str) -> str:
    """A file's keys come into messages: nothing in them may steer a terminal."""
    return "".join(
        letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in message
    )


def _syntax_fault(message: str, text: str) -> tuple[int, str]:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if found is None:
        return 1, f"not TOML: {message}"
    line = int(found[1]) if found[1] else text.count("\n") + 1
    where = f" at column {found[2]}" if found[2] else " at the end of the file"
    return line, _printable(f"not TOML: {message[: found.start()]}{where}")


def _check_rules(checked: dict[str, Any], report: Callable[[Path, str], None]) -> None:
    for name, row in checked.get("rules", {}).items():
        if name in ("said", "notes") or not isinstance(row, dict):
            continue
        checker = RULES.get(name)
        if checker is None:
            report(("rules", name), f"unknown rule {name!r}{near(name, RULES)}")
            continue
        values = [row.get("value"), *row.get("other", ())]
        for value in values:
            kept = list(value) if isinstance(value, tuple) else value
            checker(kept, ("rules", name), report)


def _check_addresses(
    book: dict[str, Any], value: Any, path: Path, report: Callable[[Path, str], None]
) -> None:
    known = book.get("addresses", {})
    if isinstance(value, tuple):
        for index, element in enumerate(value):
            _check_addresses(book, element, (*path, index), report)
    if not isinstance(value, dict):
        return
    for name, element in value.items():
        if name != "said":
            _check_addresses(book, element, (*path, name), report)
            continue
        for source in element.values():
            if source[1] is not None and source[1] not in known:
                report(
                    (*path, "said"),
                    f"said: address {source[1]!r} is not in [addresses]{near(source[1], known)}",
                )
