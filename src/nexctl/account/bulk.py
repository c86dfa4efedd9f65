"""Many keys from a sheet: checked whole before the first is made, resumable, no secret lost.

Columns: name, and where wanted budget, models, ip, rpm, expires, parent, labels. Several values in
a cell are separated by blanks or semicolons; labels are NAME=VALUE.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.account import keys as workflow
from nexctl.account import results, terms
from nexctl.errors import NexctlError, UsageError
from nexctl.safety import sheets

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.keys import KeyCreate

COLUMNS = ("name", "budget", "models", "ip", "rpm", "expires", "parent", "labels")
RESULT = ("name", "id", "prefix", "secret", "created", "error")
MOST_ROWS = 10_000
LARGEST_FILE = 10_000_000


class Row(NamedTuple):
    """One wanted key and the line that it stands in."""

    line: int
    wanted: KeyCreate


class Done(NamedTuple):
    """What became of a row: the key, or why there is none."""

    row: Row
    made: workflow.Made | None
    error: NexctlError | None


def read(path: str) -> list[Row]:
    """The rows of a sheet. UsageError (exit 2) with every fault's line, before anything is made."""
    try:
        with open(path, "rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a CSV file") from error
    if len(raw) > LARGEST_FILE:
        raise UsageError(f"{path}: larger than {LARGEST_FILE:,} bytes", hint="split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8", hint="save it as CSV UTF-8") from error
    return parse(text, path)


def parse(text: str, path: str) -> list[Row]:
    """The rows of a sheet's text; `path` is named in faults."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(header, path)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = reader.line_num
            try:
                row = _row(header, cells, line)
            except NexctlError as error:
                faults.append(f"{path}:{line}: {error.message}")
                continue
            if row.wanted.name in seen:
                first = seen[row.wanted.name]
                faults.append(f"{path}:{line}: {row.wanted.name!r} stands in line {first} too")
            seen.setdefault(row.wanted.name, line)
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise UsageError(f"{path}: more than {MOST_ROWS:,} keys", hint="split it")
    except csv.Error as error:
        faults.append(f"{path}:{reader.line_num}: {error}")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UsageError(
            faults[0] + more,
            hint="correct the sheet; no key was made",
            code="bad_sheet",
            details={"faults": faults[:100]},
        )
    if not rows:
        raise UsageError(f"{path}: no keys in it", hint="the first line names the columns")
    return rows


def make(
    gateway: Gateway,
    rows: list[Row],
    result: str,
    *,
    done: Callable[[Done], object] = lambda _: None,
) -> list[Done]:
    """Make the keys of `rows`, writing each with its secret to the file `result` before the next.

    The file is for its owner only. Names that it already holds with a secret are left alone, so
    the same command resumes; a key that exists elsewhere is told as such, without a secret. A key
    that the gateway refuses does not stop the others; NetworkError, an empty wallet or a refused
    login do (the next run goes on).
    """
    answers: list[Done] = []
    missing = results.unmade(rows, result, RESULT)
    with results.ResultFile(result, RESULT) as file:
        for row in missing:
            try:
                made = workflow.make(gateway, row.wanted, if_not_exists=True)
                answer = Done(row, made, None)
            except NexctlError as error:
                if error.exit not in (1, 2, 3):
                    raise
                answer = Done(row, None, error)
            _keep(file, answer, result)
            answers.append(answer)
            done(answer)
    return answers


def _keep(file: results.ResultFile, answer: Done, path: str) -> None:
    made, error = answer.made, answer.error
    try:
        file.write(
            (
                answer.row.wanted.name,
                made.key.id if made else None,
                made.key.prefix if made else None,
                made.secret if made else None,
                made.created if made else None,
                error.message if error else None,
            )
        )
    except OSError as failure:
        if made is None or made.secret is None:
            raise
        raise results.lost(
            f"key {made.key.name} ({made.key.id}) is made",
            f"cannot write to {path}: {failure.strerror}",
            id=made.key.id,
            remedy=f"'nexctl keys rotate {made.key.id}' gives it a new one",
        ) from failure


def _check_header(header: list[str], path: str) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    if "name" not in header or unknown or len(set(header)) != len(header):
        wrong = f"unknown column {unknown[0]!r}" if unknown else "it needs the column 'name' once"
        raise UsageError(
            f"{path}:1: {wrong}", hint=f"columns are {', '.join(COLUMNS)}", code="bad_sheet"
        )


def _rpm(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"rpm: {text!r} is not a whole number", code="bad_sheet")
    return int(text)


def _words(text: str) -> list[str]:
    return text.replace(";", " ").split()


def _budget(text: str) -> dict[str, str]:
    budget = terms.parse_budget(text, what="budget")
    return {"amount": budget.amount, "window": budget.window}


# Column -> (field of the request, its value).
_READERS: dict[str, Callable[[str], tuple[str, Any]]] = {
    "name": lambda text: ("name", text),
    "budget": lambda text: ("budget", _budget(text)),
    "models": lambda text: ("models", _words(text)),
    "ip": lambda text: (
        "ip_allowlist",
        [terms.parse_network(one, what="ip") for one in _words(text)],
    ),
    "rpm": lambda text: ("rpm", _rpm(text)),
    "expires": lambda text: ("expires_in_seconds", terms.parse_age(text, what="expires")),
    "parent": lambda text: ("parent_id", text),
    "labels": lambda text: ("labels", terms.parse_labels(_words(text), what="labels")),
}


def _row(header: list[str], cells: list[str], line: int) -> Row:
    import msgspec

    from nexctl.wire.keys import KeyCreate

    if len(cells) > len(header):
        raise UsageError("more cells than columns", code="bad_sheet")
    given = {
        name: sheets.unguard(cell).strip()
        for name, cell in zip(header, cells, strict=False)
        if cell.strip()
    }
    if "name" not in given:
        raise UsageError("a key without a name", code="bad_sheet")
    found = dict(_READERS[column](text) for column, text in given.items())
    try:
        return Row(line, msgspec.convert(found, KeyCreate))
    except msgspec.ValidationError as error:
        raise UsageError(terms.named_fault(error), code="bad_sheet") from None


def failed(answers: list[Done]) -> Iterator[Done]:
    """Those rows that have no key."""
    return (answer for answer in answers if answer.error is not None)
