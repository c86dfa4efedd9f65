"""The port to PostgreSQL: READ COMMITTED with checked row counts, retries, and no lost commit.

The runtime works as a role that owns no table, so that it can neither drop a trigger nor truncate.
A connection lost during COMMIT leaves the outcome open; it is read back from the server under the
transaction's own id before anybody is told, so a request is neither lost nor done twice.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from nexctl.errors import ConfigError, MissingExtra
from nexctl.server.ledger import schema
from nexctl.server.ledger.errors import Busy, Full, Refused, Unavailable
from nexctl.server.ledger.port import Cursor, Memory

try:
    import psycopg
    from psycopg import errors as pg
except ImportError as error:
    raise MissingExtra("a ledger on PostgreSQL", "serve") from error

T = TypeVar("T")
Execute = Callable[[str, Sequence[Any]], Cursor]

ROLE = "nexctl_runtime"
TRIES, LOST = 12, 2
_AGAIN = (pg.SerializationFailure, pg.DeadlockDetected)
_LOCK = 4_202_111_004  # the advisory lock of migrations: any number that is only ours
_OWNED = "SELECT tableowner = current_user FROM pg_tables WHERE schemaname=current_schema() "


class Postgres:
    """One connection. `timeout` (milliseconds) bounds the wait for a row's lock."""

    dialect = "postgres"
    memory: Memory | None = None

    def __init__(self, url: str, *, create: bool = False, timeout: int = 10_000) -> None:
        self._url, self._timeout = url, timeout
        self.raw = self._connect()
        self.place = _shown(self.raw)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            raw = psycopg.connect(self._url, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise Unavailable(
                f"PostgreSQL does not answer: {_first_line(error)}", hint="see the database's URL"
            ) from error
        try:
            self._prepare(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    def _prepare(self, raw: psycopg.Connection[Any]) -> None:
        raw.execute("SET default_transaction_isolation TO 'read committed'")
        raw.execute(f"SET lock_timeout TO {int(self._timeout)}")
        raw.execute("SET timezone TO 'UTC'")
        raw.execute("SET client_min_messages TO warning")
        found = raw.execute("SHOW synchronous_commit").fetchone()
        if found is None or found[0] == "off":
            raise ConfigError(
                "PostgreSQL runs with synchronous_commit=off: a commit may be lost",
                hint="set synchronous_commit to on (or remote_write, local, remote_apply)",
            )
        owned = raw.execute(_OWNED + "AND tablename='entries'").fetchone()
        if owned is not None and owned[0]:
            self._become_runtime(raw)

    def _become_runtime(self, raw: psycopg.Connection[Any]) -> None:
        """Put the owner's rights aside; the login keeps them for migrations only."""
        try:
            raw.execute(f"SET ROLE {ROLE}")
        except psycopg.Error as error:
            raise ConfigError(
                f"the database login owns the ledger and cannot become {ROLE}",
                hint=f"GRANT {ROLE} TO the login, or log in as a role that owns no table",
            ) from error

    def write(self, body: Callable[[Execute], T], *, wait: bool = True) -> T:
        """Run `body` in one transaction and commit; again after a deadlock or a lost connection."""
        for attempt in range(TRIES):
            try:
                return self._once(body)
            except _AGAIN as error:
                if attempt == TRIES - 1:
                    raise Busy from error
            except psycopg.Error as error:
                # A line that broke before COMMIT, or a COMMIT known to have failed with it.
                if attempt >= LOST or not self.raw.closed:
                    raise unavailable(error) from error
            time.sleep(min(50, 1 << attempt) / 1000)  # not money: a pause
        raise Busy

    def _once(self, body: Callable[[Execute], T]) -> T:
        raw = self._alive()
        try:
            cursor = raw.execute("BEGIN; SELECT pg_current_xact_id()::text")
            cursor.nextset()
            (xact,) = cursor.fetchone() or (None,)
            result = body(self._execute)
        except BaseException:
            self._roll_back()
            raise
        try:
            raw.execute("COMMIT")
        except psycopg.Error as error:
            if not raw.closed and raw.info.transaction_status == 0 and error.sqlstate:
                raise  # the server said no: nothing was committed
            if not self._committed(str(xact)):
                self.raw.close()
                raise
        return result

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        # Without values psycopg reads no marks, so a per cent sign stays what it is.
        return self.raw.execute(_marked(sql), values) if values else self.raw.execute(sql)

    def _committed(self, xact: str) -> bool:
        """What became of a transaction whose COMMIT nobody answered."""
        with contextlib.suppress(psycopg.Error):
            self.raw.close()
        for attempt in range(60):
            try:
                self.raw = self._connect()
                row = self.raw.execute("SELECT pg_xact_status(%s::xid8)", (xact,)).fetchone()
            except (Unavailable, psycopg.Error):
                row = ("in progress",)
            if row is not None and row[0] in ("committed", "aborted"):
                return bool(row[0] == "committed")
            time.sleep(min(1000, 20 << attempt) / 1000)  # not money: a pause
        raise Unavailable(
            "the connection was lost during COMMIT and the server does not come back",
            hint="the request's outcome is in the database: ask for it by its id",
        )

    def _alive(self) -> psycopg.Connection[Any]:
        if self.raw.closed or self.raw.broken:
            self.raw = self._connect()
        return self.raw

    def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            if not self.raw.closed:
                self.raw.execute("ROLLBACK")

    def read(self, body: Callable[[Execute], T]) -> T:
        """Run `body` on one snapshot."""
        for last in (False, True):
            try:
                raw = self._alive()
                try:
                    raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    return body(self._execute)
                finally:
                    self._roll_back()
            except psycopg.OperationalError as error:
                if last or not self.raw.closed:
                    raise unavailable(error) from error
            except psycopg.Error as error:
                raise unavailable(error) from error
        raise AssertionError  # the loop returns or raises

    def look(self) -> None:
        """Nothing to do: its files are the server's."""

    def ends(self, error: BaseException) -> bool:
        """Whether the whole transaction must be run again, or cannot go on."""
        return self.raw.closed or isinstance(error, (*_AGAIN, psycopg.OperationalError))

    def meant(self, error: Exception) -> Exception:
        """What an error of one statement means to the caller."""
        return unavailable(error) if isinstance(error, psycopg.Error) else error

    def again(self) -> Postgres:
        """Another connection to the same database."""
        return type(self)(self._url, timeout=self._timeout)

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[Execute]:
        """As the owner, in one transaction that locks every table against other writers."""
        raw = self._alive()
        try:
            raw.execute("RESET ROLE")
            raw.execute("BEGIN")
            try:
                raw.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
                for table in self._tables():
                    raw.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
                yield self._execute
                raw.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                if not raw.closed:
                    self._prepare(raw)
        except psycopg.Error as error:
            raise unavailable(error) from error

    def _tables(self) -> list[str]:
        rows = self.raw.execute(
            "SELECT quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname=current_schema() ORDER BY tablename"
        ).fetchall()
        return [row[0] for row in rows]

    def overwrite(self, tables: Sequence[str], fill: Callable[[Execute], None]) -> None:
        """Replace every row in one transaction, past the guards, as only the owner can."""
        with self.exclusively() as execute:
            for table in tables:
                execute(f"ALTER TABLE {table} DISABLE TRIGGER USER", ())
            for table in reversed(tables):
                execute(f"DELETE FROM {table}", ())
            fill(execute)
            for table in schema.numbered():
                execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "
                    f"(SELECT coalesce(max(id), 1) FROM {table}))",
                    (),
                )
            execute("SET CONSTRAINTS ALL IMMEDIATE", ())
            for table in tables:
                execute(f"ALTER TABLE {table} ENABLE TRIGGER USER", ())

    def script(self, statements: Iterator[str]) -> None:
        """Make the schema as its owner, then work on as the runtime role."""
        try:
            self.raw.execute("BEGIN")
            self.raw.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            for statement in statements:
                self.raw.execute(statement)
            self.grant()
            self.raw.execute("COMMIT")
        except psycopg.Error as error:
            self._roll_back()
            raise unavailable(error) from error
        self._prepare(self.raw)

    def grant(self) -> None:
        """The runtime role may read everything, add everywhere, and change what is not the book."""
        raw = self.raw
        raw.execute(
            f"DO $$ BEGIN CREATE ROLE {ROLE} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        raw.execute(f"GRANT {ROLE} TO CURRENT_USER")
        (home,) = raw.execute("SELECT quote_ident(current_schema())").fetchone() or ("public",)
        raw.execute(f"GRANT USAGE ON SCHEMA {home} TO {ROLE}")
        raw.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {home} TO {ROLE}")
        raw.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {home} TO {ROLE}"
        )
        for (table,) in raw.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgname LIKE '%_no_change'"
        ).fetchall():
            raw.execute(f"REVOKE DELETE ON {table} FROM {ROLE}")
        for (table,) in raw.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgname LIKE '%_no_change' AND (tgtype & 16) <> 0"
        ).fetchall():
            raw.execute(f"REVOKE UPDATE ON {table} FROM {ROLE}")
        raw.execute(f"REVOKE UPDATE, DELETE ON schema_info FROM {ROLE}")

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(psycopg.Error):
            self.raw.close()


@lru_cache(maxsize=1024)
def _marked(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _shown(raw: psycopg.Connection[Any]) -> str:
    info = raw.info
    return f"postgresql://{info.host}:{info.port}/{info.dbname}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def unavailable(error: psycopg.Error) -> Exception:
    """What a fault of PostgreSQL means to the caller; never its connection string."""
    if isinstance(error, psycopg.errors.IntegrityError):
        return Refused("state_conflict", f"the database's own guard refused: {_first_line(error)}")
    if isinstance(error, (pg.LockNotAvailable, *_AGAIN)):
        return Busy()
    if isinstance(error, pg.DiskFull):
        return Full()
    return Unavailable(
        f"the ledger's database failed: {_first_line(error)}", hint="see PostgreSQL's log"
    )
