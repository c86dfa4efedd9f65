"""Rows as CSV, a page at a time.

Lines are built by columns: every cell of a column is made the same way, and a value that was seen
before is looked up. Text is guarded and quoted as `safety.sheets` does it; numbers are what the
page's check left through, and are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nexctl.safety.sheets import csv_cell
from nexctl.usage.columns import COLUMNS, NAMES
from nexctl.usage.export.pages import PLACE, Batch, Memory, json_cell
from nexctl.usage.export.window import Zone
from nexctl.usage.styles import Style

LOCAL = ("created_at_local",)
_TRUTH = {True: "true", False: "false", None: ""}
# What needs neither guard nor quotes in any style: not a number, nor a date, nor a formula.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*\Z", re.ASCII)


class Csv:
    """Makes the bytes of one export; `header` comes first, once."""

    def __init__(self, style: Style, zone: Zone | None = None) -> None:
        self.style = style
        self._zone = zone
        self._text = Memory(self._text_cell)
        self._json = Memory(lambda raw: csv_cell(json_cell(raw)))
        self._whole = Memory(lambda number: "" if number is None else str(number))

    def header(self) -> bytes:
        """The first line, after the BOM where the style has one."""
        names = [*NAMES, *(LOCAL if self._zone else ())]
        line = self.style.delimiter.join(names) + "\r\n"
        return (b"\xef\xbb\xbf" if self.style.bom else b"") + line.encode()

    def lines(self, batch: Batch) -> bytes:
        """The lines of a page."""
        cells = [self._cells(i, batch) for i in range(len(COLUMNS))]
        if self._zone is not None:
            cells.append(map(self._zone.local, batch.column("created_at")))
        text = "\r\n".join(map(self.style.delimiter.join, zip(*cells, strict=True)))
        return (text + "\r\n").encode("utf-8", "replace") if text else b""

    def _cells(self, place: int, batch: Batch) -> Iterable[str]:
        values, column = batch.columns[place], COLUMNS[place]
        if place == PLACE["request_id"]:
            return map(self._rare, values)
        if place == PLACE["sequence"] and None not in values:
            return map(str, values)
        if column.kind == "text":
            return map(self._text.__getitem__, values)
        if column.kind == "whole":
            return map(self._whole.__getitem__, values)
        if column.kind == "json":
            return map(self._json.__getitem__, map(bytes, values))
        if column.kind == "truth":
            return map(_TRUTH.__getitem__, values)
        if column.kind == "decimal":
            return self._decimals(values)
        return values

    def _decimals(self, values: Iterable[str | None]) -> Iterable[str]:
        if self.style.decimal == ".":
            return [value or "" for value in values]
        sign = self.style.decimal
        return [value.replace(".", sign) if value else "" for value in values]

    def _rare(self, value: str | None) -> str:
        """A text that hardly comes twice."""
        if value is None:
            return ""
        return value if _PLAIN.match(value) else self._text_cell(value)

    def _text_cell(self, value: str | None) -> str:
        return "" if value is None else csv_cell(self.style.guarded(value))
