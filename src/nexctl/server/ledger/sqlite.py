"""The port to SQLite: WAL, synchronous=FULL, one writer at a time, fair among processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from nexctl.errors import ConfigError
from nexctl.server.ledger.errors import Busy, Full, Refused, Unavailable
from nexctl.server.ledger.gate import Gate
from nexctl.server.ledger.mounts import network_kind
from nexctl.server.ledger.port import Cursor, Memory

T = TypeVar("T")
Execute = Callable[[str, Sequence[Any]], Cursor]

OLDEST = (3, 37, 0)  # STRICT tables
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# The log is copied into the database after so many pages, then written again from its start.
PAGES = 2000
# A flush takes half as long where the file need not grow. Whoever commits this often makes the log
# its full size at once.
OFTEN = 16
_LOG_BYTES = 32 + PAGES * (24 + 4096)
_PRAGMAS = (
    "PRAGMA busy_timeout=0",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
    f"PRAGMA wal_autocheckpoint={PAGES}",
    "PRAGMA cache_size=-16000",
)


class Sqlite:
    """One connection to one file. `timeout` is in milliseconds."""

    dialect = "sqlite"

    def __init__(self, path: str, *, create: bool = False, timeout: int = 10_000) -> None:
        if sqlite3.sqlite_version_info < OLDEST:
            raise ConfigError(
                f"SQLite {sqlite3.sqlite_version} is too old for the ledger",
                hint="use a Python built with SQLite 3.37 or newer",
            )
        self.place = path
        self.memory: Memory | None = Memory(self._version)
        self._timeout = timeout * 1_000_000
        _check_place(path, create)
        self._gate = Gate(path)
        self._begun = 0
        self._files: list[tuple[int, int] | None] = []
        self._moved = False
        try:
            self.raw = self._connect()
        except sqlite3.Error as error:
            self._gate.close()
            raise unavailable(error) from error

    def _connect(self) -> sqlite3.Connection:
        if self._moved:
            raise Unavailable(
                "the ledger's file was replaced, or its log removed, while it was in use",
                hint="end this gateway, put the right file in its place, then serve again",
            )
        self._files = []
        raw = sqlite3.connect(
            self.place,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=self._timeout / 1_000_000_000,  # not money: while the pragmas are set
        )
        for pragma in _PRAGMAS[1:]:
            raw.execute(pragma)
        raw.execute(_PRAGMAS[0])
        return raw

    def _version(self) -> int:
        try:
            version: int = self.raw.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            self._roll_back()
            raise unavailable(error) from error
        return version

    def look(self) -> None:
        """See that the files in use are still those at the place; where not, work no more.

        Whoever opens the place next sees others, so what is written here would be lost.
        """
        found: list[tuple[int, int] | None] = []
        for name in (self.place, f"{self.place}-wal"):
            try:
                file = os.stat(name)
            except OSError:
                found.append(None)
            else:
                found.append((file.st_dev, file.st_ino))
        self._files = self._files or found
        if found != self._files:
            self._moved = True
            with contextlib.suppress(sqlite3.Error):
                # All into the file that is open, so that the log fits no other file's pages.
                self.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.raw.close()

    def write(self, body: Callable[[Execute], T], *, wait: bool = True) -> T:
        """Run `body` in one BEGIN IMMEDIATE and commit; without `wait` raises Locked at once."""
        raw = self.raw
        enter = self._gate.enter if wait else self._gate.glance
        try:
            try:
                if not enter(self._begin, self._timeout):
                    raise Busy
                result = body(raw.execute)
                raw.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return result

    def _begin(self) -> bool:
        try:
            self.raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _BUSY:
                return False
            raise
        self._begun += 1
        if self._begun == OFTEN:
            self._widen()
        return True

    def _widen(self) -> None:
        """Write zeros behind the log's end. SQLite takes no page of it that has no checksum.

        Only under the write lock: nobody else appends meanwhile.
        """
        with contextlib.suppress(OSError):
            log = os.open(f"{self.place}-wal", os.O_WRONLY)
            try:
                size = os.lseek(log, 0, os.SEEK_END)
                while size < _LOG_BYTES:
                    size += os.write(log, bytes(min(1 << 20, _LOG_BYTES - size)))
            finally:
                os.close(log)

    def _roll_back(self) -> None:
        """End the transaction; where even that fails, so must the connection."""
        try:
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self.raw.close()
            self.raw = self._connect()
            self.memory = Memory(self._version)

    def read(self, body: Callable[[Execute], T]) -> T:
        """Run `body` on one snapshot."""
        try:
            try:
                self.raw.execute("BEGIN")
                return body(self.raw.execute)
            finally:
                self._roll_back()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def ends(self, error: BaseException) -> bool:
        """Whether SQLite itself rolled the transaction back (full disk, I/O error)."""
        return not self.raw.in_transaction

    def meant(self, error: Exception) -> Exception:
        """What a fault of one statement means to the caller."""
        return unavailable(error) if isinstance(error, sqlite3.Error) else error

    def again(self) -> Sqlite:
        """Another connection to the same file."""
        return type(self)(self.place, timeout=self._timeout // 1_000_000)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[Execute]:
        """One transaction under the write lock, in which tables may change their shape."""
        try:
            # A table is reshaped by moving its rows: nothing is to follow its old name meanwhile.
            self.raw.execute("PRAGMA foreign_keys=OFF")
            self.raw.execute("PRAGMA legacy_alter_table=ON")
            try:
                if not self._gate.enter(self._begin, self._timeout):
                    raise Busy
                yield self.raw.execute
                self.raw.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self.raw.execute("PRAGMA legacy_alter_table=OFF")
                self.raw.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def grant(self) -> None:
        """Nothing to do: a file has no roles."""

    def overwrite(self, tables: Sequence[str], fill: Callable[[Execute], None]) -> None:
        """Not needed here: SQLite's backup step replaces the whole file at once."""
        raise NotImplementedError

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other connection out, reading and writing, over several transactions."""
        self.raw.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            if not self._gate.enter(self._begin, self._timeout):
                raise Busy
            self.raw.execute("COMMIT")
            yield
        finally:
            self.raw.execute("PRAGMA locking_mode=NORMAL")
            self.raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def script(self, statements: Iterator[str]) -> None:
        """Run the statements in one transaction."""

        def body(execute: Execute) -> None:
            for statement in statements:
                execute(statement, ())

        self.write(body)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(sqlite3.Error):
            self.raw.close()
        self._gate.close()


def unavailable(error: sqlite3.Error) -> Exception:
    """What a fault of SQLite means to the caller."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if isinstance(error, sqlite3.IntegrityError):
        return Refused("state_conflict", f"the database's own guard refused that: {error}")
    # A full disk is told first by the index of the log that cannot grow.
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return Full()
    if code & 0xFF in _BUSY:
        return Busy()
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return Unavailable(
            f"the ledger's file is damaged: {error}", hint="restore a backup: gateway restore"
        )
    denied = code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
    hint = "it and its folder must be yours to read and write" if denied else "see the disk"
    return Unavailable(f"the ledger's database failed: {error}", hint=f"{hint}; then try again")


def _check_place(path: str, create: bool) -> None:
    kind = network_kind(path)
    if kind is not None:
        raise ConfigError(
            f"{path} lies on a network file system ({kind}), where SQLite's WAL is not safe",
            hint="use a local disk, or PostgreSQL: --database postgresql://...",
        )
    if os.path.exists(path):
        return
    if not create:
        raise ConfigError(f"there is no ledger at {path}", hint="make one: nexctl gateway init")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, flags, 0o600))
