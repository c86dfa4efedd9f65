"""Files counted as plain text on one tokenizer, with their ids and pieces where asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate import readers
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
    workers = processes or os.cpu_count() or 1
    found = []
    for source in sources:
        stream: readers.Readable | None = None
        try:
            stream = _stdin(stdin) if source.is_stdin else open(source.path, "rb")  # noqa: SIM115
            path = None if source.size is None else source.path
            found.append(_count(source.display, path, stream, choice, ids, pieces, workers))
        except OSError as error:
            raise unreadable(source.display, error) from None
        finally:
            if stream is not None and not source.is_stdin:
                stream.close()  # type: ignore[attr-defined]
    return found


def _count(
    name: str,
    path: str | None,
    stream: readers.Readable,
    choice: registry.Choice,
    ids: bool,
    pieces: bool,
    workers: int,
) -> Tokenized:
    listed = ids or pieces
    limit = MAX_LISTED_BYTES + 1 if listed else readers.BULK_FROM_BYTES
    head = stream.read(limit)
    if len(head) < limit:
        return _small(name, head, registry.counter(choice), ids, pieces)
    if listed:
        raise UsageError(
            f"{name}: ids and pieces are listed up to {MAX_LISTED_BYTES >> 20} MiB",
            hint="leave out --ids and --pieces to count it",
            code="too_large",
        )
    from nexctl.tokens import blocks

    # By its path where it has one: processes then read their own parts.
    whole = path or readers.Joined(head, stream)
    counted = blocks.count_file(whole, choice, processes=workers, name=name)
    return Tokenized(name, counted.bytes, counted.characters, counted.tokens, None, None)


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


def _stdin(stdin: IO[bytes] | None) -> IO[bytes]:
    if stdin is None:
        raise UsageError(
            "standard input is closed",
            hint="name a file, or pipe one in: nexctl ... - < FILE",
            code="no_stdin",
        )
    return stdin
