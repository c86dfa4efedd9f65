"""Counting a file or a stream of any size, in constant memory and over processes.

The text is cut where the counter says that parts add up to the whole (`bpe.cuts` for the shipped
vocabularies). Text in which no such place comes for megabytes is counted as one endless piece
(`bpe.bulk`); where that is not possible either, it is counted in memory up to `LARGEST`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO, Any, NamedTuple, Protocol

from nexctl.errors import UsageError
from nexctl.tokens import faults, pool

# Bytes that are counted at once; how far a cut is looked for at a time; from where on a stretch
# without a cut is counted as endless; and what is held in memory at most where it cannot be.
BLOCK = 1 << 20
WINDOW = 1 << 16
ENDLESS = 8 << 20
LARGEST = 16 << 20

# Below the first an engine takes longer to load than the table to count, below the second another
# process costs more than it saves.
BULK_FROM = 1 << 20
PARALLEL_FROM = 16 << 20


class Counted(NamedTuple):
    """What a text amounts to."""

    tokens: int
    bytes: int
    characters: int


class Readable(Protocol):
    """What a stream is asked for."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""


class Fault(NamedTuple):
    """Why a block is no text, and at which byte of the whole."""

    code: str
    offset: int
    detail: str = ""


class _Part(NamedTuple):
    """A stretch of the text: its bytes, or the file where they are (`at` is its place there)."""

    offset: int
    size: int
    last: bool
    data: bytes | None = None
    path: str = ""
    at: int = 0


def count_file(
    source: str | os.PathLike[str] | Readable,
    choice: Any,
    processes: int | None = None,
    *,
    name: str | None = None,
) -> Counted:
    """Tokens, bytes and characters of a path or a binary stream, counted with `choice`.

    `choice` is a registry.Choice. `processes` is how many may count, None for one a CPU; a small
    file is counted in this one. `name` is what errors call the source.

    UsageError: the file is missing, is a folder or may not be read (code "unreadable"), is no
    strict UTF-8 ("bad_utf8", with the byte's offset), holds a NUL byte ("binary", likewise),
    shrank while it was read ("file_changed"), or cannot be cut ("uncuttable", see LARGEST).
    """
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    shown = name or path or "stdin"
    with ExitStack() as stack:
        stream: Any = source
        size = None
        if path is not None:
            stream = stack.enter_context(_opened(path, shown))
            info = os.fstat(stream.fileno())
            # Files of the kernel say 0 and have text all the same.
            if stat.S_ISREG(info.st_mode) and info.st_size:
                size = info.st_size
        if size is not None and path is not None:
            parts = _file_parts(stream, path, size, shown, choice)
        else:
            parts = _stream_parts(stream, choice, stack)
        workers = processes or os.cpu_count() or 1
        if size is not None and size < PARALLEL_FROM:
            workers = 1
        tokens, total, characters = 0, 0, 0
        for part, result in _results(parts, choice, workers, known_large=size is not None):
            if isinstance(result, Fault):
                raise _error(result, shown)
            tokens += result[0]
            characters += result[1]
            total += part.size
    return Counted(_counter(choice).scaled(tokens), total, characters)


def _opened(path: str, shown: str) -> IO[bytes]:
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise UsageError(
            f"{shown}: {(error.strerror or 'cannot be read').lower()}",
            hint="name a text file that you may read, or - for standard input",
            code="unreadable",
        ) from error


def _results(
    parts: Iterator[_Part], choice: Any, workers: int, *, known_large: bool
) -> Iterator[tuple[_Part, tuple[int, int] | Fault]]:
    """Each part and what came of it, in order. Processes start when there is enough to share."""
    if workers > 1:
        first: list[_Part] = []
        held = 0
        while not known_large and held < PARALLEL_FROM:
            part = next(parts, None)
            if part is None:
                workers = 1
                break
            first.append(part)
            held += part.size
        parts = _chain(first, parts)
    if workers == 1:
        for part in parts:
            yield part, _count(part, choice)
        return
    _counter(choice, bulk=True)  # loaded before the fork, its memory is shared
    yield from pool.in_order(parts, _count, (choice,), workers, pool.leave_the_interrupt)


def _chain(first: list[_Part], rest: Iterator[_Part]) -> Iterator[_Part]:
    while first:
        yield first.pop(0)
    yield from rest


def _counter(choice: Any, *, bulk: bool = False) -> Any:
    from nexctl.tokens import registry

    return registry.counter(choice, bulk=bulk)


# --- where to cut -------------------------------------------------------------------------------


def _file_parts(
    stream: IO[bytes], path: str, size: int, shown: str, choice: Any
) -> Iterator[_Part]:
    handle = stream.fileno()

    def read(offset: int, length: int) -> bytes:
        return os.pread(handle, length, offset)

    find = _counter(choice).find_cut
    start = 0
    while True:
        end = size if size - start <= BLOCK else _cut(read, start + BLOCK, size, find)
        if os.fstat(handle).st_size < end:
            raise UsageError(f"{shown}: the file changed while it was read", code="file_changed")
        yield _Part(start, end - start, end == size, path=path, at=start)
        if end == size:
            return
        start = end


def _cut(
    read: Callable[[int, int], bytes], offset: int, size: int, find: Callable[[str, int], int]
) -> int:
    """The first cut at or after `offset`, `size` where there is none."""
    while offset < size:
        window = read(offset, WINDOW)
        place, step = _cut_in(window, find)
        if place >= 0:
            return offset + place
        if step <= 0:
            return min(offset + len(window), size)
        offset += step
    return size


def _cut_in(window: bytes, find: Callable[[str, int], int]) -> tuple[int, int]:
    """Where `window` may be cut, -1 for nowhere; and how far the next window is.

    What is binary or no UTF-8 is cut anywhere: whoever counts it finds the fault.
    """
    zero = window.find(b"\0")
    if zero >= 0:
        return zero + 1, 0
    first = 0
    while first < 4 and first < len(window) and window[first] & 0xC0 == 0x80:
        first += 1
    try:
        text = window[first:].decode()
    except UnicodeDecodeError as error:
        if error.start + first < len(window) - 3:
            return -1, 0
        text = window[first : first + error.start].decode()
    place = find(text, 0)
    if place >= 0:
        return first + len(text[:place].encode()), 0
    # The last character is looked at again: a cut may follow it.
    return -1, len(window) - 8 if len(window) == WINDOW else len(window)


def _stream_parts(stream: Readable, choice: Any, stack: ExitStack) -> Iterator[_Part]:
    find = _counter(choice).find_cut
    rest, offset, ended = b"", 0, False
    while True:
        while not ended and len(rest) < BLOCK + WINDOW:
            block = stream.read(BLOCK)
            ended = not block
            rest += block
        if ended and len(rest) <= BLOCK:
            yield _Part(offset, len(rest), True, data=rest)
            return

        def read(at: int, length: int, held: bytes = rest) -> bytes:
            return held[at : at + length]

        end = _cut(read, BLOCK, len(rest), find)
        if end < len(rest):
            yield _Part(offset, end, False, data=rest[:end])
        elif not ended and len(rest) >= ENDLESS:
            # Without a cut for so long, the stretch goes to a file until one comes.
            part, rest, ended = _spooled(stream, rest, offset, find, stack)
            yield part
            if part.last:
                return
            offset += part.size
            continue
        elif ended:
            yield _Part(offset, len(rest), True, data=rest)
            return
        else:
            block = stream.read(BLOCK)
            ended = not block
            rest += block
            continue
        rest = rest[end:]
        offset += end


def _spooled(
    stream: Readable,
    head: bytes,
    offset: int,
    find: Callable[[str, int], int],
    stack: ExitStack,
) -> tuple[_Part, bytes, bool]:
    """The stretch that begins with `head`, up to the next cut: in a file; and what follows it."""
    import tempfile

    # Closed by `stack`, when all is counted.
    spool = stack.enter_context(tempfile.NamedTemporaryFile(prefix="nexctl-"))  # noqa: SIM115
    spool.write(head)
    size, tail = len(head), head[-8:]
    while block := stream.read(WINDOW):
        window = tail + block
        place, _ = _cut_in(window, find)
        if place >= len(tail):
            place -= len(tail)
            spool.write(block[:place])
            spool.flush()
            return _Part(offset, size + place, False, path=spool.name), block[place:], False
        spool.write(block)
        size += len(block)
        tail = window[-8:]
    spool.flush()
    return _Part(offset, size, True, path=spool.name), b"", True


# --- counting -----------------------------------------------------------------------------------


def _count(part: _Part, choice: Any) -> tuple[int, int] | Fault:
    """Tokens and characters of a part, or why it is no text. Runs in a worker."""
    alone = part.last and part.offset == 0
    counter = _counter(choice, bulk=not alone or part.size > BULK_FROM)
    if part.data is None and part.size > ENDLESS:
        return _count_endless(part, counter)
    data = part.data if part.data is not None else _read(part.path, part.at, part.size)
    if len(data) < part.size:
        return Fault("file_changed", part.offset + len(data))
    text = _decoded(data, part.offset)
    if isinstance(text, Fault):
        return text
    tokens: int = counter.count_part(text, part.offset == 0, part.last)
    return tokens, len(text)


def _decoded(data: bytes, offset: int) -> str | Fault:
    """The text of bytes that begin at `offset` of the whole, without its byte-order mark."""
    null = data.find(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if 0 <= null < error.start:
            return Fault("binary", offset + null)
        return Fault("bad_utf8", offset + error.start, f"0x{data[error.start]:02x}")
    if null >= 0:
        return Fault("binary", offset + null)
    return text.removeprefix("\ufeff") if offset == 0 else text


def _read(path: str, offset: int, size: int) -> bytes:
    with open(path, "rb", buffering=0) as stream:
        stream.seek(offset)
        parts = []
        while size > 0 and (block := stream.read(size)):
            parts.append(block)
            size -= len(block)
    return b"".join(parts)


def _count_endless(part: _Part, counter: Any) -> tuple[int, int] | Fault:
    """A stretch without cuts that is too long to hold."""
    texts = _Texts(part)
    endless = getattr(counter.engine, "endless", None)
    tokens: int | None = None
    if endless is not None:
        tokens = endless(iter(texts))
        if texts.fault is not None:
            return texts.fault
        if tokens is not None:
            return tokens, texts.characters
    if part.size > LARGEST:
        return Fault("uncuttable", part.offset, str(part.size))
    text = _decoded(_read(part.path, part.at, part.size), part.offset)
    if isinstance(text, Fault):
        return text
    tokens = counter.count_part(text, part.offset == 0, part.last)
    return tokens or 0, len(text)


class _Texts:
    """The text of a part, a megabyte at a time; a fault ends it."""

    def __init__(self, part: _Part) -> None:
        self._part = part
        self.characters = 0
        self.fault: Fault | None = None

    def __iter__(self) -> Iterator[str]:
        part = self._part
        rest = b""
        done = 0
        while done < part.size:
            data = rest + _read(part.path, part.at + done, min(1 << 20, part.size - done))
            done += len(data) - len(rest)
            keep = len(data) if done >= part.size else _whole(data)
            text = _decoded(data[:keep], part.offset + done - len(data))
            if isinstance(text, Fault) or not data:
                self.fault = text if isinstance(text, Fault) else Fault("file_changed", done)
                return
            rest = data[keep:]
            self.characters += len(text)
            yield text


def _whole(data: bytes) -> int:
    """How many bytes of `data` are whole characters, but for one cut off at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if width > back else len(data)
    return len(data)


def _error(fault: Fault, shown: str) -> UsageError:
    if fault.code == "bad_utf8":
        return faults.bad_utf8(shown, fault.offset, int(fault.detail, 16))
    if fault.code == "binary":
        return faults.binary(shown, fault.offset)
    if fault.code == "uncuttable":
        return UsageError(
            f"{shown}: {int(fault.detail):,} bytes from offset {fault.offset} on are one word or "
            f"one run of white space; no more than {LARGEST:,} can be counted",
            hint="break the text into lines",
            code=fault.code,
            details={"offset": fault.offset},
        )
    return UsageError(f"{shown}: the file changed while it was read", code=fault.code)
