"""Reading an export of usage back: CSV in its three styles, JSONL, Parquet.

    export = open_export("october.csv")
    for row in export.rows():
        print(row.sequence, row.charge)

The guard of text cells is undone, a decimal comma becomes a point. Files that lack columns are
read too: what they lack is None. `cells` is the faster way for whoever needs a few columns.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from nexctl.errors import MissingExtra, UsageError
from nexctl.usage.columns import COLUMNS, NAMES
from nexctl.usage.styles import EXCEL, EXCEL_DE, RFC4180, Style

MANIFEST = ".manifest.json"
BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 20
# How a list begins, a printed object, or what `-o json` writes.
_DOCUMENT = re.compile(r'\[|\{\s*(\n|"(schema|data)"\s*:)')
MONEY = ("charge", "balance_delta", "balance_after")
MAX_LINE_BYTES = 64 * 1024 * 1024
_KINDS = {column.name: column.kind for column in COLUMNS}
_SCIENTIFIC = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,24})?[eE](-[0-9]{1,2}|[+]?[01]?[0-9])").fullmatch
# How lists say that a request failed: a word, a status of HTTP, "success: false".
_FAILED = re.compile(r"fail\w*|err\w*|[45][0-9][0-9]|false", re.ASCII | re.IGNORECASE).fullmatch


class Row(msgspec.Struct, omit_defaults=True):
    """One record of an export, its fields in the order of its columns. None is not known.

    Times are text (RFC 3339 UTC), money and factors plain decimal text, counts integers.
    """

    created_at: str | None = None
    request_id: str | None = None
    gateway: str | None = None
    customer_id: str | None = None
    org_id: str | None = None
    project: str | None = None
    member_id: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    parent_key_id: str | None = None
    labels: dict[str, str] | None = None
    endpoint: str | None = None
    model_requested: str | None = None
    model_served: str | None = None
    provider: str | None = None
    status: str | None = None
    requests: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    images: int | None = None
    videos: int | None = None
    seconds: int | None = None
    gpu_seconds: int | None = None
    semantic_cache_hit: bool | None = None
    batch_id: str | None = None
    rate_input: str | None = None
    rate_cached_input: str | None = None
    rate_output: str | None = None
    rates: dict[str, Any] | None = None
    multiplier: str | None = None
    tier: str | None = None
    charge: str | None = None
    currency: str | None = None
    credits: str | None = None
    balance_delta: str | None = None
    balance_after: str | None = None
    sequence: int | None = None
    price_book: str | None = None
    latency_ms: int | None = None
    ttft_ms: int | None = None


class Inside(Row, omit_defaults=True):
    """A record whose source counts cached tokens in input and reasoning tokens in output.

    It does so for every provider, whatever that one's own usage report does.
    """


class Export:
    """A file of usage records that nexctl wrote, or one with the same column names.

    kind      "csv", "jsonl" or "parquet"
    style     of a CSV
    columns   the known columns that it has, in its order; of JSONL all of them
    manifest  what lies beside it in FILE.manifest.json, None where there is none
    """

    def __init__(
        self, path: str, kind: str, style: Style = RFC4180, columns: tuple[str, ...] = NAMES
    ) -> None:
        self.path = path
        self.kind = kind
        self.style = style
        self.columns = columns
        self.manifest = read_manifest(path)

    def rows(self) -> Iterator[Row]:
        """Every record, in the file's order. UsageError naming file and line where one is none."""
        if self.kind == "jsonl":
            yield from _jsonl_rows(self.path)
        elif self.kind == "parquet":
            yield from _parquet_rows(self.path, self.columns)
        else:
            make = _row_maker(self.columns)
            for number, cells in enumerate(self.cells(), 2):
                try:
                    yield make(cells)
                except (ValueError, msgspec.DecodeError) as error:
                    raise _malformed(self.path, number, str(error)) from None

    def cells(self) -> Iterator[list[str]]:
        """Each record of a CSV as the plain text of `columns`; "" stands for None."""
        if self.kind != "csv":
            raise ValueError("only a CSV has cells")
        return _csv_cells(self.path, self.style, self.columns)


def says_jsonl(path: str) -> bool:
    """Whether an empty file is an export in JSONL, which has no header: its manifest says so."""
    found = read_manifest(path)
    return found is not None and found.get("format") == "jsonl"


def text_of(head: bytes, path: str) -> str:
    """The beginning of a file as text. UsageError (exit 2) where it is none, in plain words."""
    for mark, what, advice in _NO_TEXT:
        if head.startswith(mark):
            raise UsageError(f"{path}: it is {what}", hint=advice, code="malformed")
    if b"\0" in head[:2048]:
        raise UsageError(
            f"{path}: it is no text", hint="name a CSV or JSONL file of usage", code="malformed"
        )
    return head.removeprefix(BOM).decode("utf-8", "replace")


_NO_TEXT = (
    (b"\x1f\x8b", "compressed by gzip", "unpack it first: gunzip -k FILE"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first: unzstd FILE"),
    (b"PK\x03\x04", "an archive or a workbook", "unpack it, or save its sheet as CSV in UTF-8"),
    (b"\xff\xfe", "written in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "written in UTF-16", "save it as UTF-8"),
)


def open_export(path: str) -> Export:
    """Look at a file and say how it is read. UsageError (exit 2) where it is no export."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(1 << 16)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}", hint="name a file that 'usage export' wrote"
        ) from None
    if head[:4] == b"PAR1":
        return Export(path, "parquet", columns=_parquet_columns(path))
    bom = head.startswith(BOM)
    text = text_of(head, path)
    document = _DOCUMENT.match(text.lstrip())
    if document:
        records = ".[]" if document[0] == "[" else ".data[]"
        raise UsageError(
            f"{path}: this is one JSON document, not a record on each line",
            hint=f"jq -c '{records}' FILE > usage.jsonl writes them so",
            code="not_an_export",
        )
    if text.lstrip()[:1] == "{" or (not head and says_jsonl(path)):
        return Export(path, "jsonl")
    line = text.partition("\n")[0].rstrip("\r")
    style = EXCEL_DE if line.count(";") > line.count(",") else EXCEL if bom else RFC4180
    names = next(csv.reader([line], delimiter=style.delimiter), [])
    columns = tuple(name for name in names if name in _KINDS)
    if not columns:
        tabs = "\t" in line and not {*line.split("\t")}.isdisjoint(_KINDS)
        raise UsageError(
            f"{path}: this is no export of usage: its first line names none of its columns",
            hint="its cells are separated by tabs: save it with commas"
            if tabs
            else "'nexctl usage export FILE' writes one; --map reads other files",
            code="not_an_export",
        )
    if len(set(columns)) != len(columns):
        raise UsageError(f"{path}: a column is named twice", hint="remove one of them")
    if style is EXCEL_DE and _writes_points(text, names):
        style = EXCEL_DE._replace(decimal=".")
    return Export(path, "csv", style, columns)


def _writes_points(head: str, names: list[str]) -> bool:
    """Whether the amounts at the head of a list with semicolons have decimal points, no commas."""
    whole = head[: head.rfind("\n") + 1].splitlines()
    places = [place for place, name in enumerate(names) if name in MONEY]
    cells = [
        found[place]
        for found in csv.reader(whole[1:], delimiter=";")
        for place in places
        if place < len(found)
    ]
    return any("." in cell for cell in cells) and not any("," in cell for cell in cells)


def with_point(cell: str) -> str:
    """An amount written with a decimal comma. ValueError for one that has a point too."""
    if "." in cell:
        raise ValueError(f"{cell[:40]!r} has a point, where other amounts have a decimal comma")
    return cell.replace(",", ".")


def rows(path: str) -> Iterator[Row]:
    """Every record of an export."""
    return open_export(path).rows()


def says_failed(status: str | None) -> bool:
    """Whether a status says that the request failed, also in the words of other gateways."""
    return status == "error" or bool(status and _FAILED(status.strip()))


def plain(text: str) -> str:
    """An amount as a spreadsheet saves it (`1.5E-07`) as a plain decimal; other text as it is."""
    return f"{Decimal(text):f}" if _SCIENTIFIC(text) else text


def read_manifest(path: str) -> dict[str, Any] | None:
    """The manifest beside an export; None where there is none. UsageError for a broken one."""
    beside = path + MANIFEST
    try:
        with open(beside, "rb") as stream:
            found = msgspec.json.decode(stream.read(64 << 20))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{beside}: {error}", hint="export again, or remove it") from None
    if not isinstance(found, dict):
        raise UsageError(f"{beside}: this is no manifest", hint="export again, or remove it")
    return found


# JSONL -------------------------------------------------------------------------------------------


def _jsonl_rows(path: str) -> Iterator[Row]:
    decode = msgspec.json.Decoder(Row).decode
    number = 0
    with open(path, "rb") as stream:
        for line in stream:
            number += 1
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if not line.strip():
                    continue
                raise _malformed(path, number, str(error)) from None


# CSV ---------------------------------------------------------------------------------------------


def _csv_cells(path: str, style: Style, columns: tuple[str, ...]) -> Iterator[list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=style.delimiter, strict=True)
        try:
            names = next(reader, [])
            places = [names.index(name) for name in columns]
            whole = len(names) == len(columns)
            text = [i for i, name in enumerate(columns) if _KINDS[name] in ("text", "json")]
            comma = style.decimal == ","
            decimals = [i for i, n in enumerate(columns) if comma and _KINDS[n] == "decimal"]
            amounts = [i for i in decimals if columns[i] in MONEY]
            for cells in reader:
                if len(cells) != len(names):
                    if not cells:
                        continue
                    raise _malformed(
                        path, reader.line_num, f"it has {len(cells)} cells, not {len(names)}"
                    )
                found = cells if whole else [cells[i] for i in places]
                for i in text:
                    cell = found[i]
                    if cell[:1] == "'":
                        found[i] = style.unguarded(cell)
                for i in amounts:
                    found[i] = with_point(found[i])
                for i in decimals:
                    found[i] = found[i].replace(",", ".")
                yield found
        except (csv.Error, ValueError) as error:
            raise _malformed(path, reader.line_num, str(error)) from None


def _row_maker(columns: tuple[str, ...]) -> Callable[[list[str]], Row]:
    readers = [(name, _READERS[_KINDS[name]]) for name in columns]
    if columns == NAMES:
        in_order = [read for _, read in readers]
        return lambda cells: Row(*[f(c) if c else None for f, c in zip(in_order, cells)])  # noqa: B905
    return lambda cells: Row(
        **{name: read(c) if c else None for (name, read), c in zip(readers, cells, strict=True)}
    )


def _truth(cell: str) -> bool:
    if cell in ("true", "TRUE", "True"):
        return True
    if cell in ("false", "FALSE", "False"):
        return False
    raise ValueError(f"{cell[:40]!r} is neither true nor false")


def _whole(cell: str) -> int:
    if not (cell.isascii() and cell.removeprefix("-").isdigit() and len(cell) < 20):
        raise ValueError(f"{cell[:40]!r} is not a whole number")
    return int(cell)


@lru_cache(maxsize=4096)
def _object(cell: str) -> dict[str, Any]:
    """An object from its JSON text. Rows with the same text share it: do not change it."""
    found: dict[str, Any] = msgspec.json.decode(cell, type=dict[str, Any])
    return found


_READERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "time": str,
    "decimal": plain,
    "whole": _whole,
    "truth": _truth,
    "json": _object,
}


# Parquet -----------------------------------------------------------------------------------------


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingExtra("Parquet", "analytics") from None
    return duckdb


def _parquet_columns(path: str) -> tuple[str, ...]:
    duckdb = _duckdb()
    try:
        found = duckdb.sql("SELECT name FROM parquet_schema($path)", params={"path": path})
        names = {row[0] for row in found.fetchall()}
    except duckdb.Error as error:
        raise UsageError(f"{path}: {str(error)[:200]}", hint="export it again") from None
    columns = tuple(name for name in NAMES if name in names)
    if not columns:
        raise UsageError(f"{path}: this is no export of usage", code="not_an_export")
    return columns


def _parquet_rows(path: str, columns: tuple[str, ...]) -> Iterator[Row]:
    duckdb = _duckdb()
    shown = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in columns)
    make = _row_maker(columns)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {shown} FROM read_parquet($path)", {"path": path})  # noqa: S608
        number = 0
        while batch := found.fetchmany(2048):
            for cells in batch:
                number += 1
                texts = [_plain(name, cell) for name, cell in zip(columns, cells, strict=True)]
                try:
                    row = make(texts)
                except (ValueError, msgspec.DecodeError) as error:
                    raise _malformed(path, number, str(error)) from None
                yield row


def _plain(name: str, cell: str | None) -> str:
    """A decimal of fixed scale as the export's text has it: without needless zeros.

    A count may come from a column of doubles, as tables have it where some counts are missing.
    """
    if cell is None:
        return ""
    if _KINDS[name] == "decimal" and "." in cell and "e" not in cell:
        return cell.rstrip("0").rstrip(".")
    return cell.removesuffix(".0") if _KINDS[name] == "whole" else cell


def _malformed(path: str, number: int, why: str) -> UsageError:
    return UsageError(
        f"{os.path.basename(path)}, line {number}: {why}",
        hint="the file was changed or cut; export it again",
        code="malformed",
    )
