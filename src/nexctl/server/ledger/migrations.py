"""An older ledger brought to this program's schema: shapes from schema.sql, meaning from steps.

What a table, an index or a trigger looks like is said once, in schema.sql. A migration makes every
one that is missing, reshapes every one that differs, and gives the old rows what the numbered steps
say. Whoever changes schema.sql adds one to `schema.VERSION` and, where old rows need more than a
column's default, a step here. Steps only lead forward: the way back is the backup.

All of it is one transaction, so a process that is killed leaves the old schema or the new one.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nexctl.server.ledger import anchors, guards, schema
from nexctl.server.ledger.anchors import Head
from nexctl.server.ledger.errors import Broken
from nexctl.server.ledger.port import Transaction

_OLD = "older_"  # SQLite: what a table is called while its rows move
_SHAPE = "nexctl_shape"  # PostgreSQL: where the new tables stand to be looked at


class Step(NamedTuple):
    """What the rows of one version mean in the next.

    `values`: (table, new column) -> SQL expression over the old row. `emptied`: tables whose rows
    cannot be brought over and need not be; they are made anew where their shape has changed.
    `follow(tx)` does what no expression can, with every table in its new shape.
    """

    values: dict[tuple[str, str], str]
    emptied: frozenset[str]
    follow: Callable[[Transaction], None]


def _prove_anew(tx: Transaction) -> None:
    """Heads get today's proof; one that no key proves was changed, and is not proved here."""
    if tx.shared.anchor_key is None:
        return
    for table, wallets in (("wallets", "id"), ("anchors", "wallet")):
        rows = tx.all(f"SELECT id, {wallets}, seq, head, mac FROM {table} ORDER BY id")
        for name, wallet, seq, head, mac in rows:
            if not anchors.proved(tx.shared, Head(wallet, seq, bytes(head), bytes(mac), 0)):
                raise Broken(
                    f"the head of wallet {wallet} is not proved: it was changed from outside",
                    hint="keep the database as it is, and see its backups",
                )
            now = tx.shared.mac(wallet, seq, bytes(head))
            tx.run(f"UPDATE {table} SET mac=? WHERE id=?", now, name)


# version -> the step to the next one
STEPS = {
    # Version 1 named every schema before the first numbered one: the first ledger's, without
    # organisations, events, papers and batches, and those that grew from it.
    1: Step(
        {
            ("lots", "live"): "CASE WHEN remaining > 0 THEN 1 ELSE 0 END",
            ("holds", "attempt"): "CASE WHEN state = 'released' THEN id ELSE 0 END",
        },
        emptied=frozenset({"semantic_entries"}),  # kept answers: they would be gone in a day
        follow=_prove_anew,
    ),
}


def migrate(tx: Transaction, found: int) -> None:
    """Bring the schema from version `found` to `schema.VERSION`, as the owner, in `tx`.

    Broken where the result is not the schema that a fresh ledger has; nothing has happened then.
    """
    values: dict[tuple[str, str], str] = {}
    emptied: set[str] = set()
    for version in range(found, schema.VERSION):
        step = STEPS[version]
        values |= step.values
        emptied |= step.emptied
    _drop_guards(tx)
    (_sqlite if tx.dialect == "sqlite" else _postgres)(tx, values, emptied)
    for version in range(found, schema.VERSION):
        STEPS[version].follow(tx)
    for _, statement in _made(tx.dialect, "index", "trigger"):
        tx.run(statement)
    tx.run("UPDATE schema_info SET version=?", schema.VERSION)
    _, faults = guards.faults(tx, as_owner=True)
    if faults:
        raise Broken(f"the migrated schema is not what it should be: {faults[0]}")


def _drop_guards(tx: Transaction) -> None:
    """Triggers and indexes go first: they are made anew, as schema.sql has them."""
    if tx.dialect == "sqlite":
        for kind, name in tx.all(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'index') "
            "AND sql IS NOT NULL"
        ):
            tx.run(f"DROP {kind} {name}")
        return
    for trigger, table in tx.all(_TRIGGERS):
        tx.run(f"DROP TRIGGER {trigger} ON {table}")
    for (index,) in tx.all(_INDEXES):
        tx.run(f"DROP INDEX {index}")


def _made(dialect: str, *kinds: str) -> Iterator[tuple[str, str]]:
    """(name, statement) of everything of these kinds that a fresh schema has."""
    for statement in schema.statements(dialect):
        words = statement.replace("CREATE UNIQUE ", "CREATE ").split()
        if words[1].lower() in kinds:
            yield words[2], statement


def _sqlite(tx: Transaction, values: dict[tuple[str, str], str], emptied: set[str]) -> None:
    there: dict[str, str] = dict(tx.all("SELECT name, sql FROM sqlite_schema WHERE type='table'"))
    for table, statement in _made("sqlite", "table"):
        text = there.get(table)
        if text == statement:
            continue
        if text is not None:
            tx.run(f"ALTER TABLE {table} RENAME TO {_OLD}{table}")
        tx.run(statement)
        if text is not None:
            if table not in emptied:
                _moved(tx, table, values)
            tx.run(f"DROP TABLE {_OLD}{table}")
    lost = tx.one("PRAGMA foreign_key_check")
    if lost is not None:
        raise Broken(f"a row of {lost[0]} refers to a row of {lost[2]} that is not there")


def _moved(tx: Transaction, table: str, values: dict[tuple[str, str], str]) -> None:
    old = {row[1] for row in tx.all(f"PRAGMA table_info({_OLD}{table})")}
    sources = {}
    for row in tx.all(f"PRAGMA table_info({table})"):
        column = row[1]
        if column in old:
            sources[column] = column
        elif (table, column) in values:
            sources[column] = values[table, column]
    tx.run(
        f"INSERT INTO {table} ({', '.join(sources)}) "
        f"SELECT {', '.join(sources.values())} FROM {_OLD}{table}"
    )


class Shape(NamedTuple):
    """One table of PostgreSQL: column -> (type, not null, default), and its constraints."""

    columns: dict[str, tuple[str, bool, str | None]]
    constraints: dict[str, str]


_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
_CONSTRAINTS = """
SELECT c.relname, n.conname, pg_get_constraintdef(n.oid)
FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
WHERE c.relnamespace = current_schema()::regnamespace
"""
_TRIGGERS = """
SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""
_INDEXES = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_constraint n WHERE n.conindid = c.oid)
"""


def _postgres(tx: Transaction, values: dict[tuple[str, str], str], emptied: set[str]) -> None:
    wanted = _wanted(tx)
    there = shapes(tx)
    for table, statement in _made("postgres", "table"):
        old = there.get(table)
        if old is not None and table in emptied and old != wanted[table]:
            tx.run(f"DROP TABLE {table}")
            old = None
        if old is None:
            tx.run(statement)
        else:
            _reshape(tx, table, old, wanted[table], values)
    for _, statement in _made("postgres", "function"):
        tx.run(statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))


def _wanted(tx: Transaction) -> dict[str, Shape]:
    """The shapes of a fresh schema, as PostgreSQL itself tells them."""
    home = tx.value("SELECT quote_ident(current_schema())")
    tx.run(f"CREATE SCHEMA {_SHAPE}")
    tx.run(f"SET LOCAL search_path TO {_SHAPE}")
    for _, statement in _made("postgres", "table"):
        tx.run(statement)
    found = shapes(tx)
    tx.run(f"DROP SCHEMA {_SHAPE} CASCADE")
    tx.run(f"SET LOCAL search_path TO {home}")
    return found


def shapes(tx: Transaction) -> dict[str, Shape]:
    """The tables of PostgreSQL as they are now."""
    found: dict[str, Shape] = {}
    for table, column, kind, needed, default in tx.all(_COLUMNS):
        found.setdefault(table, Shape({}, {})).columns[column] = (kind, needed, default)
    for table, name, text in tx.all(_CONSTRAINTS):
        found[table].constraints[name] = text
    return found


def _reshape(
    tx: Transaction, table: str, old: Shape, new: Shape, values: dict[tuple[str, str], str]
) -> None:
    """Change one table in place: its rows stay where they are."""
    kept, there = set(new.constraints.values()), set(old.constraints.values())
    for name, text in old.constraints.items():
        if text not in kept:
            tx.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for column in old.columns.keys() - new.columns.keys():
        tx.run(f"ALTER TABLE {table} DROP COLUMN {column}")
    _add_columns(tx, table, old, new, values)
    for text in new.constraints.values():
        if text not in there:
            tx.run(f"ALTER TABLE {table} ADD {text}")


def _add_columns(
    tx: Transaction, table: str, old: Shape, new: Shape, values: dict[tuple[str, str], str]
) -> None:
    """Old rows get the step's value, else the column's default; then what is needed is there."""
    added = {name: new.columns[name] for name in new.columns if name not in old.columns}
    for column, (kind, needed, default) in added.items():
        rest = f" DEFAULT {default}" if default is not None else ""
        rest += " NOT NULL" if needed and (table, column) not in values else ""
        tx.run(f"ALTER TABLE {table} ADD COLUMN {column} {kind}{rest}")
    filled = [name for name in added if (table, name) in values]
    if filled:
        given = ", ".join(f"{name}={values[table, name]}" for name in filled)
        tx.run(f"UPDATE {table} SET {given}")
    for column in filled:
        if added[column][1]:
            tx.run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")


def tables(tx: Transaction) -> dict[str, tuple[str, ...]]:
    """Every table of a ledger of any version, with its columns as they are now."""
    if tx.dialect == "postgres":
        return {name: tuple(shape.columns) for name, shape in shapes(tx).items()}
    names = tx.all("SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%'")
    return {
        name: tuple(row[1] for row in tx.all(f"PRAGMA table_info({name})")) for (name,) in names
    }
