"""Where the gateways that tests make keep their ledger: files, or databases of one PostgreSQL.

`pytest --gateways-on postgresql` chooses the latter for every gateway that a kit makes.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHOICES = ("sqlite", "postgresql")
_servers: list[Any] = []


def fresh() -> str | None:
    """The address of an empty database, None where a gateway is a file."""
    return _servers[-1].fresh() if _servers else None


def moved() -> bool:
    """Whether gateways are kept in PostgreSQL."""
    return bool(_servers)


def option() -> tuple[str, ...]:
    """The same as options of `nexctl gateway init`."""
    place = fresh()
    return () if place is None else ("--database", place)


def outside(place: str, sql: str, *values: Any) -> int:
    """Run a statement as somebody with the whole database in hand; how many rows it changed."""
    if "://" not in place:
        with sqlite3.connect(place) as raw:
            found = raw.execute(sql, values).rowcount
        raw.close()
        return found
    import psycopg

    with psycopg.connect(place, autocommit=True) as line:
        return line.execute(sql.replace("?", "%s"), values or None).rowcount


def unguard(place: str, table: str) -> None:
    """Take a table's guards away, as such a one could."""
    if "://" in place:
        outside(place, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    with sqlite3.connect(place) as raw:
        sql = "SELECT name FROM sqlite_schema WHERE type='trigger' AND tbl_name=?"
        for (name,) in raw.execute(sql, (table,)).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
    raw.close()


@contextmanager
def shut(place: str) -> Iterator[None]:
    """Meanwhile a PostgreSQL database takes nobody in."""
    main, _, name = place.rpartition("/")
    hands = f"{main}/postgres"
    outside(hands, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=?"
        outside(hands, sql, name)
        yield
    finally:
        outside(hands, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def on(choice: str) -> Iterator[None]:
    """Keep the gateways made meanwhile there; the server is made for it and ends with it."""
    if choice == "sqlite":
        yield
        return
    from tests.server.ledger.conftest import Server, need_postgresql

    need_postgresql()
    with tempfile.TemporaryDirectory(prefix="nexctl-gateways-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        _servers.append(server)
        try:
            yield
        finally:
            _servers.pop()
            server.stop("immediate")


def copied(place: str) -> str:
    """Another PostgreSQL database with the same in it; nobody may be connected meanwhile."""
    found = fresh()
    assert found is not None
    main, _, name = place.rpartition("/")
    new = found.rpartition("/")[2]
    hands = f"{main}/postgres"
    outside(hands, f"DROP DATABASE {new}")
    with shut(place):
        outside(hands, f"CREATE DATABASE {new} TEMPLATE {name}")
    return found
