"""Rows from anywhere, written to a private temporary file that the audit reads in blocks."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from nexctl.usage.columns import NAMES

PIECE = 1000


@contextlib.contextmanager
def spooled(rows: Iterable[Any]) -> Iterator[str]:
    """The path of a JSONL file with the rows (Structs with the fields of an export)."""
    handle, path = tempfile.mkstemp(prefix="nexctl-usage-", suffix=".jsonl")
    try:
        encode = msgspec.json.Encoder().encode_lines
        with os.fdopen(handle, "wb") as stream:
            held: list[Any] = []
            for row in rows:
                held.append(row)
                if len(held) == PIECE:
                    stream.write(encode(held))
                    held.clear()
            stream.write(encode(held))
            if not stream.tell():
                # A list without a row still tells its columns.
                stream.write(",".join(NAMES).encode() + b"\r\n")
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
