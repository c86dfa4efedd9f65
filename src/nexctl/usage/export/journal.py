"""The part file of an export and the journal of how far it is.

Both lie beside the target: `.NAME.part` and `.NAME.part.journal`. A line of the journal follows
the bytes that it speaks of, with their number and SHA-256. After a kill the part is cut to the last
line that still fits; whether its bytes are the ones that were hashed is looked at, so a journal
that reached the disk before its data did is found out. A lock keeps a second export away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import IO, Any

import msgspec

from nexctl.errors import NexctlError, UsageError
from nexctl.files import sync_folder

ROTATED = 1 << 20
_BLOCK = 1 << 20


class State(msgspec.Struct):
    """How far an export is, after a page. Amounts are decimal text.

    `cursor` asks for the next page, `ended` says that there is none. `ledger` is what `gaps` knows,
    `uncharged` how many records of a group came without a charge.
    """

    rows: int = 0
    offset: int = 0
    sha256: str = ""
    cursor: str | None = None
    ended: bool = False
    closed: bool | None = None
    first: int | None = None
    last: int | None = None
    repeated: int = 0
    sums: dict[str, str] = msgspec.field(default_factory=dict)
    books: list[str] = msgspec.field(default_factory=list)
    groups: dict[str, list[str]] = msgspec.field(default_factory=dict)
    uncharged: dict[str, int] = msgspec.field(default_factory=dict)
    ledger: Any = None
    sealed: dict[str, Any] | None = None


class Busy(NexctlError):
    """Another export writes to the same target (exit 1)."""

    code = "busy"


def cannot(path: str, error: OSError) -> NexctlError:
    """The error of a disk that takes no more, or a folder that cannot be written."""
    return NexctlError(
        f"cannot write {path}: {error.strerror or error}",
        hint="make room or choose another place; --resume goes on where it stopped",
        code="output",
    )


class Part:
    """Bytes on their way to `target`."""

    def __init__(self, target: str, ask: dict[str, Any]) -> None:
        self.target = os.path.abspath(target)
        folder, name = os.path.split(self.target)
        self.folder = folder
        self.path = os.path.join(folder, f".{name}.part")
        self.journal_path = self.path + ".journal"
        self._ask = msgspec.to_builtins(ask)
        self._hash = hashlib.sha256()
        self._data: IO[bytes] | None = None
        self._journal: IO[bytes] | None = None
        self.offset = 0

    def open(self, *, resume: bool) -> State:
        """Begin, or take up again what was interrupted; the state it is in.

        UsageError (exit 2) where what lies there is of another window, filter or format; Busy
        while another process writes. Nothing to resume is a beginning.
        """
        try:
            self._journal = self._opened(self.journal_path)
            self._lock(self.journal_path)
            found = self._read() if resume else None
            self._data = self._opened(self.path) if found is None else self._kept(found)
            if found is None or self._data is None:
                self._restart()
                return State()
            return found
        except OSError as error:
            self.close()
            raise cannot(self.target, error) from None
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add bytes."""
        stream = self._data
        if stream is None:
            raise ValueError("the part is not open")
        try:
            _write_all(stream, data)
        except OSError as error:
            raise cannot(self.target, error) from None
        self._hash.update(data)
        self.offset += len(data)

    def checkpoint(self, state: State) -> None:
        """Remember that everything written so far belongs to `state`."""
        state.offset, state.sha256 = self.offset, self._hash.hexdigest()
        journal = self._journal
        if journal is None:
            raise ValueError("the part is not open")
        try:
            line = msgspec.json.encode(state) + b"\n"
            if journal.tell() > ROTATED:
                # The newest line alone says it all. A kill in between leaves an older one.
                _write_all(journal, line)
                self._rotate(line)
            else:
                _write_all(journal, line)
        except OSError as error:
            raise cannot(self.target, error) from None

    def sync(self) -> None:
        """Bring the part to the disk."""
        try:
            if self._data is not None:
                os.fsync(self._data.fileno())
        except OSError as error:
            raise cannot(self.target, error) from None

    def publish(self, finished: str, beside: str, manifest: bytes) -> None:
        """Put the finished file (`finished`, the part itself or made from it) at the target."""
        try:
            draft = f"{self.path}.manifest"
            _private_file(draft, manifest)
            if os.path.lexists(finished):
                os.replace(finished, self.target)
            os.replace(draft, beside)
            sync_folder(self.folder)
        except OSError as error:
            raise cannot(self.target, error) from None
        self.remove()

    def remove(self) -> None:
        """Take part and journal away."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.journal_path)
        self.close()

    def close(self) -> None:
        """Let go of both; they stay for --resume."""
        for stream in (self._data, self._journal):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._data = self._journal = None

    def _opened(self, path: str) -> IO[bytes]:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags, 0o600)
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o600)
        return os.fdopen(handle, "r+b", buffering=0)

    def _busy(self) -> Busy:
        return Busy(f"another export writes {self.target}", hint="wait for it, or choose a name")

    def _lock(self, path: str) -> None:
        if self._journal is None:
            return
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise self._busy() from None
            # What was opened may have been taken away by the one that has just finished.
            here = os.fstat(self._journal.fileno())
            if not os.path.exists(path) or not os.path.samestat(here, os.stat(path)):
                raise self._busy()

    def _read(self) -> State | None:
        """The newest state of the journal whose bytes are all there."""
        if self._journal is None:
            return None
        lines = _blocks(self._journal).split(b"\n")
        try:
            head = msgspec.json.decode(lines[0])
        except msgspec.DecodeError:
            return None
        if head != self._ask:
            raise UsageError(
                f"what was interrupted at {self.target} is another export",
                hint="ask for the same window, filters and format, or leave out --resume",
                code="another_export",
            )
        size = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        for line in reversed(lines[1:]):
            try:
                state = msgspec.json.decode(line, type=State)
            except msgspec.DecodeError:
                continue
            if state.sealed is not None or state.offset <= size:
                return state
        return None

    def _kept(self, state: State) -> IO[bytes] | None:
        """The part, cut to what `state` speaks of; None where its bytes are others."""
        stream = self._opened(self.path)
        if state.sealed is not None:
            return stream
        left = state.offset
        while left and (block := stream.read(min(left, _BLOCK))):
            self._hash.update(block)
            left -= len(block)
        if left or self._hash.hexdigest() != state.sha256:
            stream.close()
            self._hash = hashlib.sha256()
            self._data = None
            return None
        stream.truncate(state.offset)
        stream.seek(state.offset)
        self.offset = state.offset
        if self._journal is not None:
            self._journal.seek(0, os.SEEK_END)
            _write_all(self._journal, b"\n")  # a half line before it stays alone
        return stream

    def _restart(self) -> None:
        if self._data is None:
            self._data = self._opened(self.path)
        self._data.truncate(0)
        self._data.seek(0)
        self.offset = 0
        journal = self._journal
        if journal is not None:
            journal.truncate(0)
            journal.seek(0)
            _write_all(journal, msgspec.json.encode(self._ask) + b"\n")

    def _rotate(self, line: bytes) -> None:
        """Replace the journal by its head and newest line, under the same lock."""
        head = msgspec.json.encode(self._ask) + b"\n"
        draft = self.journal_path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        fresh = self._opened(draft)
        _write_all(fresh, head + line)
        old, self._journal = self._journal, fresh
        self._lock(draft)
        os.replace(draft, self.journal_path)
        if old is not None:
            old.close()


class Stream:
    """The same for standard output: nothing is kept, nothing can be resumed."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.offset = 0

    def write(self, data: bytes) -> None:
        """Add bytes. BrokenPipeError where the reader has gone."""
        try:
            self._out.write(data)
            self._out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise NexctlError(
                f"cannot write to standard output: {error.strerror or error}",
                hint="make room or send the output elsewhere",
                code="output",
            ) from None
        self._hash.update(data)
        self.offset += len(data)

    def checkpoint(self, state: State) -> None:
        """Only count."""
        state.offset, state.sha256 = self.offset, self._hash.hexdigest()


def _write_all(stream: IO[bytes], data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def _blocks(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    found = []
    while block := stream.read(_BLOCK):
        found.append(block)
    return b"".join(found)


def _private_file(path: str, data: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
