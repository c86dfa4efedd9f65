"""Files counted as plain text on one tokenizer, with their ids and pieces where asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate import readers
from nexctl.estimate.quote import BULK_FROM_BYTES
from nexctl.estimate.sources import Source, unreadable
from nexctl.tokens import registry

# Ids and pieces are held whole; a file beyond this is counted, not listed.
MAX_LISTED_BYTES = 64 * 1024 * 1024


class Tokenized(NamedTuple):
    """One file: sizes, its count and, where asked for, its token ids and the bytes of each."""

    path: str
    size: int
    characters: int
    tokens: int
    ids: list[int] | None
    pieces: list[bytes] | None


def tokenize(
    sources: Sequence[Source],
    choice: registry.Choice,
    *,
    stdin: IO[bytes] | None = None,
    ids: bool = False,
    pieces: bool = False,
    processes: int | None = None,
) -> list[Tokenized]:
    """Count each source as it stands, whatever its suffix. Raises UsageError naming the file."""
    large = any(source.size is None or source.size >= BULK_FROM_BYTES for source in sources)
    listed = ids or pieces
    counter = registry.counter(choice, bulk=large and not listed)
    workers = processes or os.cpu_count() or 1
    found = []
    for source in sources:
        try:
            if listed or (source.size is not None and source.size < BULK_FROM_BYTES):
                raw = _read(source, stdin, listed)
                found.append(_small(source.display, raw, counter, ids, pieces))
            else:
                found.append(_large(source, choice, stdin, workers))
        except OSError as error:
            raise unreadable(source.display, error) from None
    return found


def _read(source: Source, stdin: IO[bytes] | None, listed: bool) -> bytes:
    stream: IO[bytes]
    if source.is_stdin:
        raw = _stdin(stdin).read(MAX_LISTED_BYTES + 1)
    else:
        with open(source.path, "rb") as stream:
            raw = stream.read(MAX_LISTED_BYTES + 1)
    if listed and len(raw) > MAX_LISTED_BYTES:
        raise UsageError(
            f"{source.display}: ids and pieces are listed up to {MAX_LISTED_BYTES >> 20} MiB",
            hint="leave out --ids and --pieces to count it",
            code="too_large",
        )
    return raw


def _small(name: str, raw: bytes, counter: registry.Counter, ids: bool, pieces: bool) -> Tokenized:
    text = readers.decode(raw, name)
    if not (ids or pieces):
        return Tokenized(name, len(raw), len(text), counter.count(text), None, None)
    found = counter.encode(text)
    return Tokenized(
        name,
        len(raw),
        len(text),
        len(found),
        found if ids else None,
        counter.pieces(text) if pieces else None,
    )


def _large(
    source: Source, choice: registry.Choice, stdin: IO[bytes] | None, workers: int
) -> Tokenized:
    from nexctl.tokens import blocks

    origin: Any = _stdin(stdin) if source.is_stdin else source.path
    counted = blocks.count_file(origin, choice, processes=workers, name=source.display)
    return Tokenized(source.display, counted.bytes, counted.characters, counted.tokens, None, None)


def _stdin(stdin: IO[bytes] | None) -> IO[bytes]:
    if stdin is None:
        raise UsageError("standard input is closed", code="no_stdin")
    return stdin
