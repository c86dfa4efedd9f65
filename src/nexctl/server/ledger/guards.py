"""Is the schema still the one that was made: tables, indexes, and the triggers that guard them?"""

from __future__ import annotations

from functools import cache

from nexctl.server.ledger import schema
from nexctl.server.ledger.port import Transaction

_POSTGRES_TRIGGERS = """
SELECT c.relname || '.' || t.tgname, t.tgenabled::text, t.tgtype, p.prosrc
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""
_POSTGRES_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
"""
# BEFORE ROW UPDATE OR DELETE, BEFORE ROW DELETE, BEFORE STATEMENT TRUNCATE in pg_trigger.tgtype
_CHANGE, _DELETE, _TRUNCATE = 1 | 2 | 8 | 16, 1 | 2 | 8, 2 | 32


def faults(tx: Transaction, *, as_owner: bool = False) -> tuple[int, list[str]]:
    """(how many objects were looked at, what is not as it was made).

    The role that looks must not own the book, other than while it migrates.
    """
    return _sqlite(tx) if tx.dialect == "sqlite" else _postgres(tx, as_owner)


@cache
def _made() -> dict[tuple[str, str], str]:
    """(type, name) -> text of everything that a fresh SQLite schema has."""
    import sqlite3

    with sqlite3.connect(":memory:") as fresh:
        for statement in schema.statements("sqlite"):
            fresh.execute(statement)
        rows = fresh.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    return {(kind, name): text for kind, name, text in rows}


def _sqlite(tx: Transaction) -> tuple[int, list[str]]:
    there = {
        (kind, name): text
        for kind, name, text in tx.all("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")
    }
    found = []
    for (kind, name), text in _made().items():
        if (kind, name) not in there:
            found.append(f"{kind} {name} is gone")
        elif there[kind, name] != text:
            found.append(f"{kind} {name} was changed")
    found += [
        f"{kind} {name} was added"
        for kind, name in there
        if kind == "trigger" and (kind, name) not in _made()
    ]
    return len(_made()), found


def _postgres(tx: Transaction, as_owner: bool) -> tuple[int, list[str]]:
    there = {name: rest for name, *rest in tx.all(_POSTGRES_TRIGGERS)}
    indexes = {row[0] for row in tx.all(_POSTGRES_INDEXES)}
    body = schema.statements("postgres")[0].split("$body$")[1]
    found, looked = [], 0
    for statement in schema.statements("postgres"):
        words = statement.split()
        if words[:2] == ["CREATE", "TRIGGER"]:
            looked += 1
            table = words[words.index("ON") + 1]
            found += _trigger_faults(f"{table}.{words[2]}", statement, there, body)
        elif words[0] == "CREATE" and "INDEX" in words[1:3]:
            looked += 1
            name = words[words.index("INDEX") + 1]
            if name not in indexes:
                found.append(f"index {name} is gone")
    owned = tx.value(
        "SELECT count(*) FROM pg_tables WHERE schemaname=current_schema() "
        "AND pg_has_role(current_user, tableowner, 'USAGE') "
        "AND tablename IN ('entries', 'postings')"
    )
    if owned and not as_owner:
        found.append("the runtime role owns the book")
    return looked + 1, found


def _trigger_faults(
    name: str, statement: str, there: dict[str, list[object]], body: str
) -> list[str]:
    if name not in there:
        return [f"trigger {name} is gone"]
    enabled, kind, source = there[name]
    wanted = (
        _TRUNCATE
        if "TRUNCATE" in statement
        else _CHANGE
        if "UPDATE OR DELETE" in statement
        else _DELETE
    )
    found = []
    if enabled not in ("O", "A"):
        found.append(f"trigger {name} is disabled")
    if kind != wanted:
        found.append(f"trigger {name} was changed")
    if source != body:
        found.append(f"the function of trigger {name} was changed")
    return found
