"""A ledger as an earlier build wrote it: the schema of version 1, with rows made by that build.

`older/version-1.sql` is the dump of a gateway that the build with that schema made and used: a
customer, keys, a budget, a paid top-up, three debits, a released hold, one without an outcome, an
anchor. `older/schema-1.sql` is its schema, from which PostgreSQL's tables are made.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nexctl.server.ledger import schema
from nexctl.server.ledger.main import database

OLDER = Path(__file__).with_name("older")
# The secrets of that gateway, which exists nowhere else.
MASTER = "8848247741fe51aefbdc7adfd6b935532c69ba04f38959cb5e884702d5dc80bc"
MANAGEMENT = "nxt_mk_y5kreryry8w8rt6bd523shyf9mjeen1yrbtjsyv2"
ANCHOR_KEY = hmac.digest(bytes.fromhex(MASTER), b"nexctl ledger anchor 1", "sha256")
CUSTOMER = "cus_ytwzwrcck9wq4jesrfw4qy9g"


@contextmanager
def version_1() -> Iterator[None]:
    """`schema` as that build had it."""
    script, number = schema.SCRIPT, schema.VERSION
    caches = (schema.statements, schema.tables)
    schema.SCRIPT, schema.VERSION = OLDER / "schema-1.sql", 1
    for cached in caches:
        cached.cache_clear()
    try:
        yield
    finally:
        schema.SCRIPT, schema.VERSION = script, number
        for cached in caches:
            cached.cache_clear()


def write_file(path: str) -> None:
    """The gateway of that build as an SQLite file."""
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((OLDER / "version-1.sql").read_text(encoding="utf-8"))
    os.chmod(path, 0o600)


def write(place: str, scratch: Path) -> None:
    """The same gateway in a file, or in PostgreSQL."""
    if "://" not in place:
        write_file(place)
        return
    copy = str(scratch / "rows.db")
    write_file(copy)
    with version_1(), closing(sqlite3.connect(copy)) as source:
        port = database(place, create=True)
        schema.create(port, 0)
        tables = schema.tables()
        with port.exclusively() as execute:
            execute("DELETE FROM schema_info", ())
            for table in tables:
                rows = source.execute(f"SELECT * FROM {table}")
                columns = [column[0] for column in rows.description]
                for row in rows:
                    marks = ",".join("?" * len(columns))
                    execute(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})", row)
            for table in ("holds", "anchors"):
                execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "
                    f"(SELECT coalesce(max(id), 1) FROM {table}))",
                    (),
                )
        port.close()
