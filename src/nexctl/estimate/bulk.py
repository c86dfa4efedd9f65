"""JSONL of any size: cut at line ends, counted over processes, added up in order.

A worker never reports a fault itself. Where it meets one, the parent reads the same chunk again,
line by line with the standard library, and that raises the fault with its true line number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate import readers
from nexctl.estimate.ask import Ask
from nexctl.estimate.estimator import Estimator
from nexctl.tokens import pool

CHUNK_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024

# Below this a second process costs more than it saves.
PARALLEL_FROM_BYTES = 8 * 1024 * 1024


class Chunk(NamedTuple):
    """Whole lines of a file: by place, or (from a stream) the bytes themselves."""

    path: str
    offset: int
    length: int
    data: bytes | None

    def read(self) -> bytes:
        """Return the chunk's bytes; a file that shrank meanwhile is an error."""
        if self.data is not None:
            return self.data
        handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            parts, offset, left = [], self.offset, self.length
            while left:
                part = os.pread(handle, left, offset)
                if not part:
                    raise UsageError(
                        f"{self.path}: the file changed while it was read", code="file_changed"
                    )
                parts.append(part)
                offset += len(part)
                left -= len(part)
            return b"".join(parts)
        finally:
            os.close(handle)


def count_lines(
    estimator: Estimator,
    source: str | readers.Readable,
    name: str,
    *,
    processes: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Add every request of a JSONL file (a path, or a binary stream) to `estimator`.

    `progress` is told the bytes of each chunk when it is counted.
    """
    first = 1
    for chunk, totals in _results(estimator.ask, chunks(source), name, processes):
        if totals is None:
            lines = _careful(estimator, chunk, name, first)
        else:
            lines = totals["lines"]
            estimator.merge(totals)
        first += lines
        if progress:
            progress(chunk.length)


def _results(
    ask: Ask, pieces: Iterator[Chunk], name: str, processes: int
) -> Iterator[tuple[Chunk, dict[str, Any] | None]]:
    if processes <= 1:
        _begin(ask)
        for chunk in pieces:
            yield chunk, _count(chunk, name)
        return
    yield from pool.in_order(pieces, _count, (name,), processes, _begin_worker, (ask,))


def chunks(source: str | readers.Readable) -> Iterator[Chunk]:
    """Cut a file (by its path) or a stream at line ends, into pieces of about CHUNK_BYTES."""
    if isinstance(source, str):
        with open(source, "rb", buffering=0) as stream:
            yield from _file_chunks(source, stream)
    else:
        yield from _stream_chunks(source)


def _file_chunks(path: str, stream: IO[bytes]) -> Iterator[Chunk]:
    size = os.fstat(stream.fileno()).st_size
    start = 0
    while start < size:
        end = min(start + CHUNK_BYTES, size)
        if end < size:
            end = _line_end(stream, end, size, start, path)
        yield Chunk(path, start, end - start, None)
        start = end


def _line_end(stream: IO[bytes], position: int, size: int, start: int, path: str) -> int:
    while position < size:
        part = os.pread(stream.fileno(), 65_536, position)
        at = part.find(b"\n")
        if at >= 0:
            return position + at + 1
        position += len(part)
        if position - start > MAX_LINE_BYTES or not part:
            raise _too_long(path, start)
    return size


def _stream_chunks(stream: readers.Readable) -> Iterator[Chunk]:
    rest = b""
    offset = 0
    while block := stream.read(CHUNK_BYTES):
        rest += block
        end = rest.rfind(b"\n") + 1
        if end:
            yield Chunk("-", offset, end, rest[:end])
            offset += end
            rest = rest[end:]
        elif len(rest) > MAX_LINE_BYTES:
            raise _too_long("stdin", offset)
    if rest:
        yield Chunk("-", offset, len(rest), rest)


def _too_long(name: str, offset: int) -> UsageError:
    return UsageError(
        f"{name}: the line that holds byte {offset} is longer than {MAX_LINE_BYTES >> 20} MiB",
        hint="a .jsonl file has one request on each line; is this one JSON document (.json)?",
        code="line_too_long",
        details={"file": name, "offset": offset},
    )


def _careful(estimator: Estimator, chunk: Chunk, name: str, first: int) -> int:
    """Count a chunk with the standard library's reader; its faults carry their line."""
    raw = chunk.read()
    text = readers.decode(raw, name, chunk.offset)
    for request in readers.lines(text, name, first):
        estimator.add_request(name, request.body, request.line)
    return raw.count(b"\n")


# --- what runs in a worker -----------------------------------------------------------------------

# The estimator of this process, made once by `_begin`.
_mine: list[Estimator] = []


def _begin(ask: Ask) -> None:
    _mine[:] = [Estimator(ask, bulk=True)]


def _begin_worker(ask: Ask) -> None:
    import gc

    pool.leave_the_interrupt()
    gc.disable()
    _begin(ask)


def _count(chunk: Chunk, name: str) -> dict[str, Any] | None:
    """Return the totals of a chunk, or None where something in it needs the careful reader."""
    import msgspec

    (estimator,) = _mine
    decode = msgspec.json.Decoder().decode
    raw = chunk.read()
    try:
        for line in raw.split(b"\n"):
            if line and not line.isspace():
                estimator.add_request(name, readers.unwrap(decode(line), name))
    except (UsageError, msgspec.DecodeError, ValueError, RecursionError):
        estimator.take()
        return None
    taken = estimator.take()
    taken["lines"] = raw.count(b"\n")
    return taken
