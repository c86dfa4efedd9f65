"""Many customers from a sheet: checked whole before the first is made, resumable, no key lost."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.account import results, terms
from nexctl.errors import NexctlError, UsageError
from nexctl.safety import sheets

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.admin import CustomerCreate

COLUMNS = ("name", "plan", "email", "external_id", "labels")
RESULT = ("name", "id", "key_id", "secret")
MOST_ROWS = 10_000
LARGEST_FILE = 10_000_000
# The way out for a customer whose key nobody has.
UNREACHED = "'nexctl admin customers suspend {}', then make it under another name"


class Row(NamedTuple):
    """One wanted customer and the line that it stands in."""

    line: int
    wanted: CustomerCreate


class Imported(NamedTuple):
    """What became of a row."""

    line: int
    name: str
    id: str | None
    prefix: str | None
    error: str | None


def read(path: str) -> list[Row]:
    """The rows of a sheet. UsageError (exit 2) names the line of a fault; nothing is made then."""
    try:
        with open(path, "rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a CSV file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8", hint="save it as CSV UTF-8") from error
    if len(raw) > LARGEST_FILE:
        raise UsageError(f"{path}: larger than {LARGEST_FILE:,} bytes", hint="split it")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        unknown = [name for name in header if name not in COLUMNS]
        if "name" not in header or unknown or len(set(header)) != len(header):
            wrong = f"unknown column {unknown[0]!r}" if unknown else "it needs the column 'name'"
            raise UsageError(f"{path}:1: {wrong}", hint=f"columns are {', '.join(COLUMNS)}")
        rows = [
            _row(path, header, cells, reader.line_num)
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: {error}") from error
    seen: dict[str, int] = {}
    for row in rows:
        if row.wanted.name in seen:
            first = seen[row.wanted.name]
            raise UsageError(f"{path}:{row.line}: {row.wanted.name!r} stands in line {first} too")
        seen[row.wanted.name] = row.line
    if not rows or len(rows) > MOST_ROWS:
        raise UsageError(f"{path}: between 1 and {MOST_ROWS:,} customers, not {len(rows):,}")
    return rows


def _row(path: str, header: list[str], cells: list[str], line: int) -> Row:
    import msgspec

    from nexctl.wire.admin import CustomerCreate

    if len(cells) > len(header):
        raise UsageError(f"{path}:{line}: more cells than columns")
    given: dict[str, Any] = {
        name: sheets.unguard(cell).strip()
        for name, cell in zip(header, cells, strict=False)
        if cell.strip()
    }
    try:
        if "labels" in given:
            pairs = given["labels"].replace(";", " ").split()
            given["labels"] = terms.parse_labels(pairs, what="labels")
        return Row(line, msgspec.convert(given, CustomerCreate))
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}:{line}: {terms.named_fault(error)}") from None
    except NexctlError as error:
        raise UsageError(f"{path}:{line}: {error.message}") from None


def make(gateway: Gateway, rows: list[Row], result: str) -> list[Imported]:
    """Make the customers, each key in the file `result` (0600) before the next is made.

    Those whose name `result` has already are left alone. One that the gateway refuses does not
    stop the others; a failing network or a refused login does.
    """
    answers: list[Imported] = []
    missing = results.unmade(rows, result, RESULT)
    with results.ResultFile(result, RESULT) as file:
        for row in missing:
            name = row.wanted.name
            try:
                made = gateway.customers.create(row.wanted)
            except NexctlError as error:
                if error.exit not in (1, 2, 3):
                    raise
                answers.append(Imported(row.line, name, None, None, error.message))
                continue
            try:
                file.write((name, made.id, made.key_id, made.secret))
            except OSError as failure:
                raise results.lost(
                    f"customer {made.name} ({made.id}) is made",
                    f"cannot write to {result}: {failure.strerror}",
                    id=made.id,
                    remedy=UNREACHED.format(made.id),
                    what="its key is",
                ) from failure
            answers.append(Imported(row.line, name, made.id, made.prefix, None))
    return answers
