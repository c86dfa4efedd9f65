"""Parquet and XLSX, made from the finished JSONL rows of an export.

Neither can be continued in the middle, so `--resume` continues the rows and makes them from those.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import msgspec

from nexctl.errors import MissingExtra, NexctlError, UsageError
from nexctl.usage.columns import COLUMNS, NAMES
from nexctl.usage.export.csv import LOCAL
from nexctl.usage.export.pages import EXACT

# XLSX has 1,048,576 rows, the first holds the names.
XLSX_ROWS = 1_048_575
# A cell of XLSX is a double: more digits would be rounded, so they are written as text.
XLSX_DIGITS = 15
XLSX_TEXT = 32_767
_BLOCK = 1 << 20
# decimal128 with 12 places: what `money.parse_units` reads fits.
_DUCK = {"whole": "BIGINT", "truth": "BOOLEAN", "decimal": "DECIMAL(38,12)", "json": "JSON"}


def convert(kind: str, rows: str, made: str, *, zone: bool, sums: dict[str, str]) -> None:
    """Make `made` (Parquet or XLSX) of the JSONL file `rows`, readable by its owner alone.

    `sums` are the charges by currency; what was made is read back and must have them. MissingExtra
    where the package is not installed; UsageError for more rows than XLSX holds.
    """
    before = os.umask(0o077)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)
        if kind == "parquet":
            _parquet(rows, made, zone=zone, sums=sums)
        else:
            _xlsx(rows, made, zone=zone)
        with open(made, "rb") as stream:
            os.fsync(stream.fileno())
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)
        if isinstance(error, OSError):
            from nexctl.usage.export.journal import cannot

            raise cannot(made, error) from None
        raise
    finally:
        os.umask(before)


def digest(path: str) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    found, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
            size += len(block)
    return found.hexdigest(), size


def _names(*, zone: bool) -> tuple[str, ...]:
    return (*NAMES, *LOCAL) if zone else NAMES


def require(kind: str) -> None:
    """MissingExtra before the first page, not after the last."""
    from importlib.util import find_spec

    needed = {"parquet": ("duckdb", "Parquet"), "xlsx": ("xlsxwriter", "XLSX")}.get(kind)
    if needed is not None and find_spec(needed[0]) is None:
        raise MissingExtra(needed[1], "analytics")


# Parquet -----------------------------------------------------------------------------------------


def _parquet(rows: str, made: str, *, zone: bool, sums: dict[str, str]) -> None:
    require("parquet")
    import duckdb

    kinds = {column.name: column.kind for column in COLUMNS}
    types = {name: _DUCK.get(kinds.get(name, "text"), "VARCHAR") for name in _names(zone=zone)}
    # Decimals are read as text and cast: through a double they would lose digits.
    read = {name: "VARCHAR" if kind.startswith("DEC") else kind for name, kind in types.items()}
    shown = ", ".join(
        f'CAST("{name}" AS {kind if kind != "JSON" else "VARCHAR"}) AS "{name}"'
        for name, kind in types.items()
    )
    spill = tempfile.mkdtemp(prefix=".nexctl-", dir=os.path.dirname(made))
    try:
        with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as connection:
            connection.execute("SET temp_directory=$1", [spill])
            connection.execute("SET preserve_insertion_order=true")
            connection.execute(
                f"COPY (SELECT {shown} FROM read_json($rows, format='newline_delimited', "  # noqa: S608
                "columns=$columns, maximum_object_size=33554432)) "
                f"TO {_quoted(made)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)",
                {"rows": rows, "columns": read},
            )
            _same_sums(connection, made, sums)
    except duckdb.Error as error:
        raise NexctlError(
            f"Parquet could not be made: {str(error)[:300]}", hint="--format csv or jsonl work"
        ) from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _same_sums(connection: Any, made: str, sums: dict[str, str]) -> None:
    found = connection.execute(
        "SELECT coalesce(currency, ''), CAST(sum(charge) AS VARCHAR) FROM read_parquet($1) "
        "WHERE charge IS NOT NULL GROUP BY 1",
        [made],
    ).fetchall()
    with localcontext(EXACT):
        read = {currency: Decimal(text) for currency, text in found}
        wanted = {currency: Decimal(text) for currency, text in sums.items()}
    if read != wanted:
        raise NexctlError("Parquet has other sums than the records", hint="use --format csv")


# XLSX --------------------------------------------------------------------------------------------


def _xlsx(rows: str, made: str, *, zone: bool) -> None:
    require("xlsx")
    from datetime import datetime

    import xlsxwriter  # type: ignore[import-untyped]

    names = _names(zone=zone)
    kinds = {column.name: column.kind for column in COLUMNS}
    book = xlsxwriter.Workbook(
        made,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": os.path.dirname(made),
        },
    )
    # The same rows make the same file, whenever they are exported.
    book.set_properties({"created": datetime(2026, 1, 1)})
    sheet = book.add_worksheet("usage")
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(names):
        sheet.write_string(0, place, name)
    number = 0
    for number, row in enumerate(_objects(rows), 1):
        if number > XLSX_ROWS:
            raise UsageError(
                f"XLSX holds {XLSX_ROWS:,} records and there are more",
                hint="export a shorter window, or --format csv or parquet",
                code="too_many_rows",
            )
        for place, name in enumerate(names):
            value = row.get(name)
            if value is not None:
                _write(sheet, number, place, value, kinds.get(name, "text"))
    sheet.autofilter(0, 0, max(number, 1), len(names) - 1)
    try:
        book.close()
    except xlsxwriter.exceptions.FileCreateError as error:
        raise OSError(None, str(error)) from None


def _write(sheet: Any, row: int, place: int, value: Any, kind: str) -> None:
    if kind == "truth":
        sheet.write_boolean(row, place, value)
    elif kind in ("whole", "decimal") and _exact_in_a_cell(str(value)):
        sheet.write_number(row, place, Decimal(value))
    elif kind == "json":
        sheet.write_string(row, place, msgspec.json.encode(value).decode()[:XLSX_TEXT])
    else:
        sheet.write_string(row, place, str(value)[:XLSX_TEXT])


def _exact_in_a_cell(text: str) -> bool:
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    return len(digits) <= XLSX_DIGITS


def _objects(path: str) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with open(path, "rb") as stream:
        for line in stream:
            yield decode(line)
