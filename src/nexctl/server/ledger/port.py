"""The port to the database: what the ledger needs of SQLite and PostgreSQL, and nothing more.

SQL is written once, with `?` for values. An operation is a function that takes a Transaction
first; it may be run again from the start when the database asks for that, so it has no effect
besides its statements (what must follow a commit is left with `Transaction.afterwards`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nexctl.server.ledger.clock import Clock
    from nexctl.server.ledger.state import Shared

Row = tuple[Any, ...]
P = ParamSpec("P")
T = TypeVar("T")
MOST_KEPT = 10_000


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def rowcount(self) -> int: ...  # noqa: D102 - DB-API

    def fetchone(self) -> Any: ...  # noqa: D102 - DB-API

    def fetchall(self) -> list[Any]: ...  # noqa: D102 - DB-API


def quiet(operation: T) -> T:
    """Mark an operation that changes nothing which `Transaction.remember` may keep.

    What is kept: keys, customers, operators, budgets. The operations of one request are quiet.
    """
    operation.__dict__["quiet"] = True
    return operation


def is_quiet(operation: Any) -> bool:
    """Whether it is marked so; only such a one may itself use what is remembered."""
    return "quiet" in getattr(operation, "__dict__", ())


def for_many(
    many: Callable[[Transaction, list[tuple[Any, ...]]], list[Any]],
) -> Callable[[T], T]:
    """Mark an operation that group commit may do for many callers at once, by `many`.

    `many` takes the arguments of each call and answers a result for each, as one after the other
    would. Whatever it raises undoes all of it; then each is done by itself.
    """

    def marked(operation: T) -> T:
        operation.__dict__["many"] = many
        return operation

    return marked


def many_of(operation: Any) -> Callable[[Transaction, list[tuple[Any, ...]]], list[Any]] | None:
    """The operation's form for many callers, if it has one."""
    found: Callable[..., list[Any]] | None = getattr(operation, "__dict__", {}).get("many")
    return found


class Memory:
    """What one connection has read and need not read again until something else is written.

    SQLite counts the commits of all other connections (`data_version`); this connection's own
    writes are counted here. Where either has moved, everything is forgotten. Who reads outside a
    transaction may set `looked` for a moment in which the others' commits are not looked for again.
    """

    __slots__ = ("_at", "_kept", "_version", "looked", "writes")

    def __init__(self, version: Callable[[], int]) -> None:
        self.writes = 0
        self.looked = False
        self._version = version
        self._kept: dict[Any, Any] = {}
        self._at: tuple[int, int] = (-1, -1)

    def kept(self) -> dict[Any, Any]:
        """What is still true, by name."""
        at = (self.writes, self._version())
        if at != self._at or len(self._kept) > MOST_KEPT:
            self._kept, self._at = {}, at
        return self._kept

    def seen(self) -> dict[Any, Any]:
        """`kept`, where a look at the others' commits a moment ago is good enough."""
        return self._kept if self.looked and self._at[0] == self.writes else self.kept()

    def about(self, operation: Any) -> None:
        """Note that an operation has run."""
        if not is_quiet(operation):
            self.writes += 1


class Transaction:
    """Statements inside one transaction, with the clock and what the process shares.

    `lock` is the clause that locks a selected row until commit ("" where the whole database is
    locked by its one writer).
    """

    __slots__ = ("_execute", "_kept", "_memory", "after", "clock", "dialect", "lock", "shared")

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], Cursor],
        dialect: str,
        clock: Clock,
        shared: Shared,
        memory: Memory | None = None,
    ) -> None:
        self._execute = execute
        self.dialect, self.clock, self.shared = dialect, clock, shared
        self.lock = "" if dialect == "sqlite" else " FOR UPDATE"
        self.after: list[Callable[[], None]] = []
        self._memory = memory
        self._kept: dict[Any, Any] | None = None

    def remember(self, name: Any, find: Callable[[], T]) -> T:
        """`find()`, or what it found before, where nothing but quiet operations came since."""
        kept = self._kept
        if kept is None:
            if self._memory is None:
                return find()
            kept = self._kept = self._memory.kept()
        if name not in kept:
            kept[name] = find()
        found: T = kept[name]
        return found

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
    memory: Memory | None

    def write(
        self, body: Callable[[Callable[[str, Sequence[Any]], Cursor]], T], *, wait: bool = True
    ) -> T:
        """Run `body` in one write transaction and commit; rolled back where it raises.

        Runs `body` again where the database asks for it. Raises Unavailable where it cannot be
        begun, done or committed; then nothing of it has happened. Without `wait` a locked database
        raises Locked at once, and Busy where it has been so for too long.
        """
        ...

    def read(self, body: Callable[[Callable[[str, Sequence[Any]], Cursor]], T]) -> T:
        """Run `body` on one snapshot that changes nothing."""
        ...

    def look(self) -> None:
        """Where the database is no longer in its place, be Unavailable from now on."""
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
        """One transaction, as the schema's owner, that keeps all other writers out.

        Tables may change their shape in it; the caller checks that their references hold.
        """
        ...

    def grant(self) -> None:
        """Give the runtime role its rights on every table; inside `exclusively`."""
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
