"""Rows as JSON lines: every column by its name, unknown as null."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from nexctl.usage.export.csv import LOCAL
from nexctl.usage.export.pages import PLACE, Batch, Line, Memory, json_cell
from nexctl.usage.export.window import Zone


@lru_cache(maxsize=1)
def _local_line() -> Any:
    return msgspec.defstruct(
        "LocalLine", [(name, str | None, None) for name in LOCAL], bases=(Line,), module=__name__
    )


class Jsonl:
    """Makes the bytes of one export."""

    def __init__(self, zone: Zone | None = None) -> None:
        self._zone = zone
        self._encode = msgspec.json.Encoder().encode_lines
        self._json = Memory(json_cell)

    def header(self) -> bytes:
        """Nothing: each line names its fields."""
        return b""

    def lines(self, batch: Batch) -> bytes:
        """The lines of a page."""
        # A gateway may indent what it sends; a line of JSONL has no line break.
        for row in batch.rows:
            row.labels = msgspec.Raw(self._json[bytes(row.labels)])
            row.rates = msgspec.Raw(self._json[bytes(row.rates)])
        rows = batch.rows
        if self._zone is not None:
            make, local = _local_line(), self._zone.local
            times = batch.columns[PLACE["created_at"]]
            whole = map(msgspec.structs.astuple, rows)
            rows = [make(*row, local(at)) for row, at in zip(whole, times, strict=True)]
        return self._encode(rows)
