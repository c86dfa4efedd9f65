"""Batch files from a template and a sheet: one line a row, `{{column}}` filled in.

A row's cells go into the message as they are; the template is text, so nothing in a cell is read
as a placeholder again.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TextIO

from nexctl.errors import UsageError
from nexctl.safety.sheets import unguard
from nexctl.wire.lines import CHAT, METHOD

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_DIALECTS = {".tsv": "\t"}
MOST_TEMPLATE = 16 * 1024 * 1024
# No batch line may be larger either.
MOST_ROW = 16 * 1024 * 1024


class Recipe(NamedTuple):
    """What each line is made of. `id_column` gives the custom_ids, else they are row-N."""

    template: str
    model: str
    max_tokens: int | None = None
    system: str | None = None
    id_column: str | None = None


def placeholders(template: str) -> tuple[str, ...]:
    """The columns that a template names, each once, in order."""
    return tuple(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(template)))


def fill(template: str, row: Mapping[str, str]) -> str:
    """The template with a row's cells; every placeholder must be a column."""
    return _PLACEHOLDER.sub(lambda match: row[match[1]], template)


def lines(recipe: Recipe, rows: TextIO, name: str) -> Iterator[dict[str, Any]]:
    """Batch lines, one a row of a CSV (or, by the name's suffix, TSV) with a header line.

    UsageError (exit 2) with the line for a column that the template names and the sheet lacks, a
    row of another length, one over MOST_ROW, an empty or repeated header, and broken quoting.
    """
    delimiter = _DIALECTS.get(name[name.rfind(".") :].lower() if "." in name else "", ",")
    csv.field_size_limit(MOST_ROW)
    bounded = _Bounded(rows, name)
    reader = csv.reader(bounded, delimiter=delimiter, strict=True)
    number = 0
    try:
        header = _header(next(reader, []), recipe, name)
        bounded.taken = 0
        for cells in reader:
            bounded.taken = 0
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                raise UsageError(
                    f"{name}:{reader.line_num}: {len(cells)} cells under {len(header)} columns",
                    hint="each row has one cell a column; quote what holds a comma",
                    code="bad_rows",
                )
            row = dict(zip(header, (unguard(cell) for cell in cells), strict=True))
            yield _line(recipe, row, number, f"{name}:{reader.line_num}")
    except csv.Error as error:
        raise UsageError(
            f"{name}:{reader.line_num}: {error}", hint="save it as CSV UTF-8", code="bad_rows"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name}: not UTF-8 after line {reader.line_num}: {error.reason}",
            hint="save it as CSV UTF-8",
            code="bad_rows",
        ) from None
    if not number:
        raise UsageError(f"{name}: no rows under the header", code="empty")


class _Bounded:
    """The lines of a sheet; no row takes more memory than MOST_ROW, whatever its quoting.

    `taken` counts the characters of the row under way; its reader sets it back.
    """

    def __init__(self, rows: TextIO, name: str) -> None:
        self._rows, self._name, self._number = rows, name, 0
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._rows.readline(MOST_ROW + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self.taken += len(line)
        if self.taken > MOST_ROW:
            raise UsageError(
                f"{self._name}:{self._number}: a row of more than {MOST_ROW:,} characters",
                hint="is a quotation mark never closed, or is a line end missing?",
                code="payload_too_large",
            )
        return line


def _header(cells: list[str], recipe: Recipe, name: str) -> list[str]:
    header = [unguard(cell).strip().removeprefix("\ufeff") for cell in cells]
    if not any(header):
        raise UsageError(f"{name}: no header line", hint="the first line names the columns")
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise UsageError(f"{name}:1: two columns are called {column!r}", code="bad_rows")
        seen.add(column)
    wanted = placeholders(recipe.template) + placeholders(recipe.system or "")
    if recipe.id_column is not None:
        wanted += (recipe.id_column,)
    for column in wanted:
        if column not in header:
            raise UsageError(
                f"{name}: there is no column {column!r}, which the template names",
                hint=f"columns are {', '.join(header)}",
                code="unknown_column",
            )
    return header


def _line(recipe: Recipe, row: Mapping[str, str], number: int, place: str) -> dict[str, Any]:
    custom_id = f"row-{number}" if recipe.id_column is None else row[recipe.id_column]
    if not custom_id:
        raise UsageError(f"{place}: {recipe.id_column!r} is empty", code="bad_rows")
    messages = [{"role": "user", "content": fill(recipe.template, row)}]
    if recipe.system is not None:
        messages.insert(0, {"role": "system", "content": fill(recipe.system, row)})
    body: dict[str, Any] = {"model": recipe.model, "messages": messages}
    if recipe.max_tokens is not None:
        body["max_completion_tokens"] = recipe.max_tokens
    return {"custom_id": custom_id, "method": METHOD, "url": CHAT, "body": body}


def text_of(path: str) -> str:
    """A template's text. UsageError where it cannot be read, is too large or no text."""
    from nexctl.estimate import readers
    from nexctl.estimate.sources import display_name, unreadable

    name = display_name(path)
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MOST_TEMPLATE + 1)
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from error
    if len(raw) > MOST_TEMPLATE:
        raise UsageError(f"{name}: larger than {MOST_TEMPLATE:,} bytes", code="payload_too_large")
    return readers.decode(raw, name)


@contextlib.contextmanager
def sheet(path: str) -> Iterator[TextIO]:
    """The rows' file, opened. UsageError where it cannot be."""
    from nexctl.estimate.sources import display_name, refuse_device, unreadable

    try:
        refuse_device(path, os.stat(path).st_mode)
        stream = open(path, encoding="utf-8-sig", newline="")  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise unreadable(display_name(path), error) from error
    with stream:
        yield stream
