"""The pieces a price-book schema is made of: each checks one TOML value and reports every fault.

A checker is called with (value, path, report) and returns the value as the compiled form keeps
it: tables stay mappings, arrays become tuples, dates become ISO text. `report(path, message)`
may be called many times, so that one reading of a file finds all of its faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Report = Callable[[tuple["str | int", ...], str], None]
Checker = Callable[[Any, tuple["str | int", ...], Report], Any]

_MONEY = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)
_NEGATIVE = re.compile(r"-[0-9.]+", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}", re.ASCII)
_TAG = re.compile(r"(page|docs|reading|ours|data)(?:@([a-z0-9_-]+))?(?:: *(\S.*))?", re.S)
MOST = 2**63 - 1


class FloatText(str):
    """A number that TOML would read as a float, kept as its text: prices are never floats."""


def near(word: str, known: Any) -> str:
    """Return `; did you mean X?` for the names in `known` that look like `word`, else ''."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=3)
    return f"; did you mean {', '.join(close)}?" if close else ""


def kind_of(value: Any) -> str:
    """Name a TOML value's type the way TOML does."""
    if isinstance(value, FloatText):
        return "a float"
    names = {str: "text", bool: "a boolean", int: "a number", dict: "a table", list: "an array"}
    return names.get(type(value), "a date")


def text(value: Any, path: Any, report: Report) -> Any:
    """Check plain text: not empty, no control characters, at most 2,000 characters."""
    if type(value) is not str:
        report(path, f"{path[-1]}: text is wanted, this is {kind_of(value)}")
    elif not value.strip() or len(value) > 2000:
        report(path, f"{path[-1]}: text of 1 to 2,000 characters is wanted")
    elif any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        report(path, f"{path[-1]}: control characters are not allowed")
    return value


def ident(value: Any, path: Any, report: Report) -> Any:
    """Check an id: ASCII letters, digits and `._:/@+-`, at most 100 characters."""
    if type(value) is not str or _ID.fullmatch(value) is None:
        report(path, f"{path[-1]}: an id of ASCII letters, digits and ._:/@+- is wanted")
    return value


def flag(value: Any, path: Any, report: Report) -> Any:
    """Check true or false."""
    if type(value) is not bool:
        report(path, f"{path[-1]}: true or false is wanted, this is {kind_of(value)}")
    return value


def whole(low: int = 0, high: int = 10**15) -> Checker:
    """Check a whole number within low..high, both included."""

    def check(value: Any, path: Any, report: Report) -> Any:
        if type(value) is not int:
            report(path, f"{path[-1]}: a whole number is wanted, this is {kind_of(value)}")
        elif not low <= value <= high:
            report(
                path,
                f"{path[-1]}: {_short(value)} is outside {low} to {high}",
            )
        return value

    return check


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**20 else "this number"


def money(value: Any, path: Any, report: Report) -> Any:
    """Check an amount or price: a decimal string of at most 12 + 12 digits, not negative."""
    problem = _not_money(value)
    if problem:
        report(path, f"{path[-1]}: {problem}")
    return value


def _not_money(value: Any) -> str | None:
    if isinstance(value, FloatText):
        return f'{value} is a float: write the price as a decimal string, "{value}"'
    if type(value) is int:
        return f'write the price as a decimal string, "{value if abs(value) < 10**20 else "..."}"'
    if type(value) is not str:
        return f"a decimal string is wanted, this is {kind_of(value)}"
    if _MONEY.fullmatch(value):
        return None
    if _NEGATIVE.fullmatch(value):
        return f"{value} is negative: a price cannot be"
    shown = value if len(value) <= 40 else value[:40] + "..."
    return f"{shown!r} is not a plain decimal number (at most 12 digits, one dot, 12 decimals)"


def factor(low: str = "0", high: str = "1") -> Checker:
    """Check a multiplier: a decimal string within low..high, both included."""

    def check(value: Any, path: Any, report: Report) -> Any:
        problem = _not_money(value)
        if problem is None and not scaled(low) <= scaled(value) <= scaled(high):
            problem = f"{value} is outside {low} to {high}"
        if problem:
            report(path, f"{path[-1]}: {problem}")
        return value

    return check


def scaled(amount: str) -> int:
    """Return a checked decimal string as an integer of 10**-12."""
    whole_part, _, fraction = amount.partition(".")
    return int(whole_part + fraction.ljust(12, "0"))


def date(value: Any, path: Any, report: Report) -> Any:
    """Check a date, or a date and time with its offset; returns ISO text in UTC."""
    import datetime

    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            report(path, f"{path[-1]}: a time needs its offset, like 2026-11-20T00:00:00Z")
            return None
        moment = value.astimezone(datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    report(path, f"{path[-1]}: a date like 2026-11-20 is wanted, this is {kind_of(value)}")
    return None


def word(*choices: str) -> Checker:
    """Check one of the given words."""

    def check(value: Any, path: Any, report: Report) -> Any:
        if type(value) is not str or value not in choices:
            shown = f"{value!r} is" if type(value) is str else "this is"
            hint = near(value, choices) if type(value) is str else ""
            report(path, f"{path[-1]}: {shown} not one of {', '.join(choices)}{hint}")
        return value

    return check


def either(*checkers: Checker) -> Checker:
    """Check that one of several shapes fits; the faults of the last are reported."""

    def check(value: Any, path: Any, report: Report) -> Any:
        for one in checkers[:-1]:
            faults: list[str] = []

            def note(_path: Any, message: str, faults: list[str] = faults) -> None:
                faults.append(message)

            kept = one(value, path, note)
            if not faults:
                return kept
        return checkers[-1](value, path, report)

    return check


def many(item: Checker, least: int = 0) -> Checker:
    """Check an array whose elements all fit `item`; returns a tuple."""

    def check(value: Any, path: Any, report: Report) -> Any:
        if type(value) is not list:
            report(path, f"{path[-1]}: an array is wanted, this is {kind_of(value)}")
            return ()
        if len(value) < least:
            report(path, f"{path[-1]}: at least {least} elements are wanted")
        return tuple(item(element, (*path, index), report) for index, element in enumerate(value))

    return check


def mapping(item: Checker, key: Checker = ident) -> Checker:
    """Check a table with free keys whose values all fit `item`; `said` and `notes` may join."""

    def check(value: Any, path: Any, report: Report) -> Any:
        if type(value) is not dict:
            report(path, f"{path[-1]}: a table is wanted, this is {kind_of(value)}")
            return {}
        kept = {}
        for name, element in value.items():
            here = (*path, name)
            if name in _EVERYWHERE:
                kept[name] = _EVERYWHERE[name](element, here, report)
                continue
            key(name, here, report)
            kept[name] = item(element, here, report)
        _said_keys(value, path, report)
        return kept

    return check


def table(fields: dict[str, Checker], *, need: tuple[str, ...] = ()) -> Checker:
    """Check a table with known keys only; a key that nobody reads is a fault with near names."""

    def check(value: Any, path: Any, report: Report) -> Any:
        if type(value) is not dict:
            report(path, f"{path[-1]}: a table is wanted, this is {kind_of(value)}")
            return {}
        kept = {}
        for name, element in value.items():
            here = (*path, name)
            checker = fields.get(name) or _EVERYWHERE.get(name)
            if checker is None:
                report(here, f"unknown key {name!r}{near(name, [*fields, *_EVERYWHERE])}")
            else:
                kept[name] = checker(element, here, report)
        for name in need:
            if name not in value:
                report(path, f"{'.'.join(map(str, path)) or 'the book'}: {name!r} is missing")
        _said_keys(value, path, report)
        return kept

    return check


def said(value: Any, path: Any, report: Report) -> Any:
    """Check a source: `TAG[@ADDRESS][: words]`, or a table of them by key with `default`.

    Returns `{key or "*": (tag, address or None, words or None)}`.
    """
    rows = value if type(value) is dict else {"default": value}
    kept = {}
    for name, element in rows.items():
        found = _TAG.fullmatch(element) if type(element) is str else None
        if found is None:
            here = (*path, name) if type(value) is dict else path
            report(
                here,
                "said: page, docs, reading, ours or data is wanted, then @ADDRESS and : words",
            )
        else:
            kept["*" if name == "default" else name] = found.groups()
    return kept


def _said_keys(value: dict[str, Any], path: Any, report: Report) -> None:
    spoken = value.get("said")
    if type(spoken) is dict:
        for name in spoken:
            if name != "default" and name not in value:
                report(
                    (*path, "said", name),
                    f"said: there is no {name!r} beside it{near(name, value)}",
                )


def fits_64_bits(value: Any, path: Any, report: Report) -> Any:
    """Check a free value: text, boolean, date, or a number that fits 64 bits; never a float."""
    if isinstance(value, FloatText):
        report(path, f'{path[-1]}: {value} is a float: write it as a decimal string, "{value}"')
    elif type(value) is int and abs(value) > MOST:
        report(path, f"{path[-1]}: this number does not fit 64 bits")
    elif type(value) is str:
        return text(value, path, report)
    elif type(value) is list:
        return many(fits_64_bits)(value, path, report)
    elif type(value) is dict:
        report(path, f"{path[-1]}: a table is not wanted here")
    elif type(value) not in (int, bool):
        return date(value, path, report)
    return value


_EVERYWHERE: dict[str, Checker] = {"said": said, "notes": many(text)}
