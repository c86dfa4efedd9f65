"""Tables that leave as CSV or TSV, guarded against cells that a spreadsheet would run as formulas.

`unguard` is the exact inverse of `guard`, so what was exported can be read back. Numbers are never
touched: a column of amounts stays a column of amounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

Cell = str | int | bool | None

# OWASP "CSV Injection": = + - @ TAB CR LF, and the full-width forms that spreadsheets normalise.
_FORMULA = r"[=+\-@\t\r\n＝＋－＠﹢﹣﹦﹫−]"
# What a spreadsheet may drop before it looks: blanks and invisible characters.
_SKIPPED = r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"


@lru_cache(maxsize=1)
def _risky() -> re.Pattern[str]:
    # Quotes before a formula count as risky too: else a cell that really begins with one would
    # lose it on the way back.
    return re.compile(rf"'*(?:{_FORMULA}|{_SKIPPED}+{_FORMULA})")


def is_number(cell: str) -> bool:
    """Whether `cell` is a plain ASCII number, `-?digits[.digits]`, which no spreadsheet runs."""
    body = cell[1:] if cell[:1] == "-" else cell
    whole, point, part = body.partition(".")
    return body.isascii() and whole.isdigit() and (part.isdigit() if point else True)


def _needs_guard(cell: str) -> bool:
    return not is_number(cell) and _risky().match(cell) is not None


def guard(cell: str) -> str:
    """Return `cell` with a `'` before it where a spreadsheet could take it for a formula."""
    if cell.isalnum() or not cell:
        return cell
    return "'" + cell if _needs_guard(cell) else cell


def unguard(cell: str) -> str:
    """Undo `guard`: `unguard(guard(x)) == x` for every text. Other leading quotes stay."""
    if cell[:1] == "'" and _needs_guard(cell[1:]):
        return cell[1:]
    return cell


def _plain(value: Cell) -> str:
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return guard(value) if isinstance(value, str) else str(value)


@lru_cache(maxsize=1)
def _controls() -> re.Pattern[str]:
    return re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def csv_row(cells: Iterable[Cell], delimiter: str = ",") -> str:
    """One RFC 4180 record with its CR LF.

    None is an empty cell, booleans are `true` / `false`, text is guarded. Control characters
    other than TAB, LF and CR have no spelling in CSV and lone surrogates none in UTF-8: each
    becomes U+FFFD, so that a sheet printed on a terminal cannot steer it.
    """
    parts = [csv_cell(_plain(cell)) for cell in cells]
    # A record of one empty cell would be a blank line, which readers skip.
    return ('""' if parts == [""] else delimiter.join(parts)) + "\r\n"


def csv_cell(text: str) -> str:
    """One cell as `csv_row` spells it, its text guarded already."""
    if text.isalnum() and text.isascii():
        return text
    if not text.isprintable():
        text = _controls().sub("\ufffd", text)
    # Semicolons and tabs are quoted too: other locales split there. A quote begins the guard.
    if any(c in text for c in ',;\t"\r\n') or text[:1] == " " or text[-1:] == " ":
        return '"' + text.replace('"', '""') + '"'
    return text


_TSV_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@lru_cache(maxsize=1)
def _tsv_special() -> re.Pattern[str]:
    return re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def tsv_row(cells: Iterable[Cell]) -> str:
    r"""One line of tab-separated values, ended by LF; exactly one tab between two cells.

    Inside a cell a tab, LF, CR and backslash are written `\t`, `\n`, `\r`, `\\`, other control
    characters `\xNN` (as PostgreSQL's COPY reads them) and lone surrogates U+FFFD. Text is
    guarded as in CSV; None is empty.
    """

    def put(match: re.Match[str]) -> str:
        c = match[0]
        if c >= "\ud800":
            return "\ufffd"
        return _TSV_ESCAPES.get(c) or f"\\x{ord(c):02x}"

    parts = []
    for cell in cells:
        text = _plain(cell)
        plain = text.isprintable() and "\\" not in text
        parts.append(text if plain else _tsv_special().sub(put, text))
    return "\t".join(parts) + "\n"
