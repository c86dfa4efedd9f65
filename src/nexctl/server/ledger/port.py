"""The port to the database: what the ledger needs of SQLite and PostgreSQL, and nothing more.

SQL is written once, with `?` for values. An operation is a function that takes a Transaction
first; it may be run again from the start when the database asks for that, so it has no effect
besides its statements (what must follow a commit is left with `Transaction.afterwards`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nexctl.server.ledger.clock import Clock
    from nexctl.server.ledger.state import Shared

Row = tuple[Any, ...]
P = ParamSpec("P")
T = TypeVar("T")
Operation = Callable[Concatenate["Transaction", P], T]


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def rowcount(self) -> int: ...  # noqa: D102 - DB-API

    def fetchone(self) -> Any: ...  # noqa: D102 - DB-API

    def fetchall(self) -> list[Any]: ...  # noqa: D102 - DB-API


class Transaction:
    """Statements inside one transaction, with the clock and what the process shares.

    `lock` is the clause that locks a selected row until commit ("" where the whole database is
    locked by its one writer).
    """

    __slots__ = ("_execute", "after", "clock", "dialect", "lock", "shared")

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], Cursor],
        dialect: str,
        clock: Clock,
        shared: Shared,
    ) -> None:
        self._execute = execute
        self.dialect, self.clock, self.shared = dialect, clock, shared
        self.lock = "" if dialect == "sqlite" else " FOR UPDATE"
        self.after: list[Callable[[], None]] = []

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row."""
        return self._execute(sql, values).fetchall()

    def run(self, sql: str, *values: Any) -> int:
        """Do a statement and return how many rows it changed."""
        return self._execute(sql, values).rowcount

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._execute(sql, values).fetchone()
        return None if row is None else row[0]

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do `act` once, after the commit."""
        self.after.append(act)


class Database(Protocol):
    """One connection of one process to one database. Not for two threads at once."""

    dialect: str
    place: str

    def write(
        self, body: Callable[[Callable[[str, Sequence[Any]], Cursor]], T], *, wait: bool = True
    ) -> T:
        """Run `body` in one write transaction and commit; rolled back where it raises.

        Runs `body` again where the database asks for it. Raises Unavailable where it cannot be
        begun, done or committed; then nothing of it has happened. Without `wait` a locked database
        raises Busy at once.
        """
        ...

    def read(self, body: Callable[[Callable[[str, Sequence[Any]], Cursor]], T]) -> T:
        """Run `body` on one snapshot that changes nothing."""
        ...

    def ends(self, error: BaseException) -> bool:
        """Whether the transaction under way cannot go on after this error of one statement."""
        ...

    def meant(self, error: Exception) -> Exception:
        """What an error of one statement means to the caller."""
        ...

    def again(self) -> Database:
        """Another connection to the same database."""
        ...

    def exclusively(self) -> AbstractContextManager[Callable[[str, Sequence[Any]], Cursor]]:
        """One transaction, as the schema's owner, that keeps all other writers out."""
        ...

    def overwrite(
        self,
        tables: Sequence[str],
        fill: Callable[[Callable[[str, Sequence[Any]], Cursor]], None],
    ) -> None:
        """Replace every row of every table in one transaction."""
        ...

    def script(self, statements: Iterator[str]) -> None:
        """Run the statements of a schema in one transaction."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
