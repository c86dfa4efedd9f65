"""Copies of a whole ledger, and going back to one.

A backup is always one SQLite file (0600): on SQLite its backup API's copy, on PostgreSQL every row
read on one snapshot. It holds hashes of keys and sealed secrets, never a secret.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import contextlib
import glob
import os
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from nexctl.errors import ConfigError, UsageError
from nexctl.server.ledger import anchors, invoices, migrations, owners, schema
from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.executors import Inline
from nexctl.server.ledger.life import Life
from nexctl.server.ledger.main import Ledger, database
from nexctl.server.ledger.port import Database, Transaction
from nexctl.server.ledger.sqlite import Sqlite, unavailable
from nexctl.server.ledger.state import Shared


class Copied(NamedTuple):
    """What a backup or restore wrote: where, and rows by table."""

    path: str
    rows: dict[str, int]


class Kept(NamedTuple):
    """What a restore keeps out of reuse: counts of keys ended, codes used, request ids retired.

    `deliveries` were waiting in the backup and are not sent: they may have arrived since. `orders`
    were paid, paid back or disputed since: real money of which the backup knows nothing.
    """

    keys: int
    codes: int
    requests: int
    copied: Copied
    deliveries: int = 0
    orders: tuple[str, ...] = ()


def backup(ledger: Ledger, path: str) -> Copied:
    """Write a copy of the ledger as it is now to a new file; an existing file is refused."""
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already", hint="name a new file for the backup")
    return _backup(ledger.executor, path)


def _backup(executor: Inline, path: str) -> Copied:
    part = f"{path}.part"
    _remove(part)
    try:
        if isinstance(executor.database, Sqlite):
            _copy_file(executor.database.place, part)
        else:
            version, rows = executor.read(_content)
            target = Sqlite(part, create=True)
            try:
                if version == schema.VERSION:
                    schema.create(target, 0)
                else:
                    # An older ledger's copy has its columns alone: restoring it makes the rest.
                    target.script(
                        f"CREATE TABLE {table} ({', '.join(columns)})"
                        for table, (columns, _) in rows.items()
                    )
                target.write(lambda execute: _fill(_tx(target, execute), rows))
                target.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                target.close()
        found = _finish(part)
        os.replace(part, path)
    except sqlite3.Error as error:
        raise unavailable(error) from error
    finally:
        _remove(part)
    return Copied(path, found)


def _remove(part: str) -> None:
    """Take a copy and what SQLite has put beside it away."""
    for left in (part, f"{part}-wal", f"{part}-shm", f"{part}.gate"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(left)


def _copy_file(place: str, part: str) -> None:
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        contextlib.closing(sqlite3.connect(place)) as source,
        contextlib.closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)  # one step: one snapshot, and nobody has to wait


def _finish(part: str) -> dict[str, int]:
    """Make the copy one plain file, check it, and get it to the disk."""
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")
        for (text,) in raw.execute("PRAGMA quick_check(1)"):
            if text != "ok":
                raise ConfigError(f"the copy is damaged: {text}", hint="check the disk")
        # Names are this module's own.
        tables = [
            row[0] for row in raw.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        found = {
            table: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
            if table in schema.tables()
        }
    with open(part, "rb") as stream:
        os.fsync(stream.fileno())
    return found


Content = dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]


def _content(tx: Transaction) -> tuple[int | None, Content]:
    """The schema's version, and every row of every table with its columns, in order to fill."""
    there = migrations.tables(tx)
    found: Content = {}
    for table in schema.tables():
        if table in there:
            columns = there[table]
            found[table] = (columns, tx.all(f"SELECT {', '.join(columns)} FROM {table}"))
    return schema.version(tx), found


def _fill(tx: Transaction, content: Content) -> None:
    tx.run("DELETE FROM schema_info")
    for table, (columns, values) in content.items():
        if table == "keys":  # parents before their sub-keys
            values = sorted(values, key=lambda row: row[columns.index("parent_id")] is not None)
        marks = ",".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        for row in values:
            tx.run(sql, *row)


def restore(place: str, path: str, *, anchor_key: bytes | None = None) -> Kept:
    """Put a backup in the place of a ledger, in one step that a crash does not halve.

    Refused while a lease is live. What the replaced ledger has ended stays ended: its revoked keys
    and secrets, its redeemed codes, its request ids, what payment providers have heard. The epoch
    is new, so every process that still has the old one open becomes a new owner; requests that were
    open in the backup have no known outcome and get their rule's deadline.
    """
    if not os.path.isfile(path):
        raise UsageError(f"there is no backup at {path}", hint="see gateway backup")
    fresh = not os.path.exists(place)
    port = database(place, create=True)
    beside = f"{place if isinstance(port, Sqlite) else path}.restoring-"
    part = f"{beside}{os.getpid()}"
    _remove(part)  # a killed one's that had the same number
    try:
        _copy_checked(path, part, anchor_key)
        inline = _inline(port, anchor_key)
        there = inline.read(schema.version)
        if there is None:
            if not isinstance(port, Sqlite):
                schema.create(port, 0)
            ended = _Ended({}, [], [], [], [], [], [], [], {})
            return _replace(port, part, ended, anchor_key)
        schema.check_version(there)
        inline.read(_refuse_live)
        with _alone(port):
            inline.read(_refuse_live)
            for left in glob.glob(f"{glob.escape(beside)}*"):
                if not left.startswith(part):  # killed halfway: a whole ledger's copy would stay
                    _remove(left)
            return _replace(port, part, inline.read(_ended), anchor_key)
    except BaseException as error:
        if fresh and isinstance(port, Sqlite):  # an empty ledger would be none
            port.close()
            _remove(place)
        if isinstance(error, sqlite3.Error):
            raise unavailable(error) from error
        raise
    finally:
        port.close()
        _remove(part)


def _copy_checked(path: str, part: str, anchor_key: bytes | None) -> None:
    """Copy a backup beside the ledger; one of an older schema is brought to today's there."""
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    wrong = UsageError(
        f"{path} is not a ledger's backup", hint="name a file that 'nexctl gateway backup' wrote"
    )
    try:
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(part)) as target,
        ):
            source.execute("PRAGMA schema_version")
            source.backup(target)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise wrong from None
        raise
    copy = Sqlite(part)
    try:
        found = _inline(copy, None).read(schema.version)
        if found is None:
            raise wrong
        if found < schema.VERSION:
            with copy.exclusively() as execute:
                migrations.migrate(_tx(copy, execute, anchor_key), found)
        else:
            schema.check_version(found)
        if anchor_key is not None and not _inline(copy, anchor_key).read(_is_ours):
            raise UsageError(
                f"{path} is another gateway's backup, or was changed: its chains are not proved "
                "by this gateway's key",
                hint="name a backup of this gateway, or bring back the master key it was made with",
            )
    finally:
        copy.close()


def _is_ours(tx: Transaction) -> bool:
    """Whether every wallet's head was written with this gateway's key."""
    rows = tx.all("SELECT id, seq, head, mac FROM wallets")
    heads = (anchors.Head(row[0], row[1], bytes(row[2]), bytes(row[3]), 0) for row in rows)
    return all(anchors.proved(tx.shared, head) for head in heads)


class _Ended(NamedTuple):
    secrets: dict[bytes, int]
    keys: list[tuple[str, int]]
    operators: list[tuple[str, int]]
    codes: list[tuple[str, str, int]]
    requests: list[tuple[str, str, str, bytes, str, int]]
    promos: list[tuple[str, str, str, int]]
    papers: list[tuple[str, int]]
    calls: list[tuple[str, str, str]]
    orders: dict[str, tuple[int, int]]


def _ended(tx: Transaction) -> _Ended:
    return _Ended(
        {
            bytes(hash_): at
            for hash_, at in tx.all(
                "SELECT hash, expires_at FROM key_secrets WHERE expires_at IS NOT NULL"
            )
        },
        [(r[0], r[1]) for r in tx.all("SELECT id, revoked_at FROM keys WHERE state='revoked'")],
        [
            (r[0], r[1])
            for r in tx.all("SELECT id, revoked_at FROM operators WHERE state='revoked'")
        ],
        [
            (r[0], r[1], r[2])
            for r in tx.all("SELECT id, redeemed_by, redeemed_at FROM codes WHERE state='redeemed'")
        ],
        [
            (r[0], r[1], r[2], bytes(r[3]), r[4], r[5])
            for r in tx.all(
                "SELECT customer_id, wallet, request_id, body_hash, model, created_at FROM holds "
                "WHERE state<>'released'"
            )
        ],
        [
            (r[0], r[1], r[2], r[3])
            for r in tx.all("SELECT code_id, customer_id, order_id, created_at FROM code_uses")
        ],
        invoices.last_numbers(tx),
        [
            (r[0], r[1], r[2])
            for r in tx.all("SELECT state, answer, id FROM provider_calls WHERE state<>'waiting'")
        ],
        _moved(tx),
    )


def _moved(tx: Transaction) -> dict[str, tuple[int, int]]:
    """What was paid back and disputed of every order that was paid with real money."""
    rows = tx.all(
        "SELECT id, refunded, disputed FROM orders WHERE credited_at IS NOT NULL AND sandbox=0"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _replace(port: Database, part: str, ended: _Ended, anchor_key: bytes | None) -> Kept:
    """Prepare the copy beside the ledger, then put it in its place at once."""
    copy = Sqlite(part)
    try:
        inline = _inline(copy, anchor_key)
        dropped = inline.write(_begin_again)
        while any(inline.write(owners.recover)):
            pass
        keys, codes, requests = inline.write(_keep_ended, ended)
        known = inline.read(_moved)
        orders = tuple(sorted(name for name, was in ended.orders.items() if known.get(name) != was))
        copy.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if isinstance(port, Sqlite):
            copy.raw.backup(port.raw)
            rows = {}
            for table in schema.tables():
                rows[table] = copy.raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        else:
            _, content = inline.read(_content)
            port.overwrite(schema.tables(), lambda execute: _fill(_tx(port, execute), content))
            rows = {table: len(values) for table, (_, values) in content.items()}
    finally:
        copy.close()
    return Kept(keys, codes, requests, Copied(port.place, rows), dropped, orders)


def _begin_again(tx: Transaction) -> int:
    """A new epoch, in which nobody of the old one is alive; how many deliveries were dropped.

    What waited to be told was told since by the ledger that the backup is of, or is out of date.
    """
    tx.run("UPDATE schema_info SET epoch=?", os.urandom(12).hex())
    tx.run("UPDATE owners SET lease_until=0")
    tx.run("UPDATE events SET spread=1 WHERE spread=0")
    return tx.run(
        "UPDATE deliveries SET state='dropped', ended_at=? WHERE state='pending'", tx.clock.now()
    )


def _keep_ended(tx: Transaction, ended: _Ended) -> tuple[int, int, int]:
    """What has ended once stays ended: in the copy, before it takes the ledger's place."""
    keys = codes = requests = 0
    for name, at in ended.keys:
        keys += tx.run(
            "UPDATE keys SET state='revoked', revoked_at=? WHERE id=? AND state<>'revoked'",
            *(at, name),
        )
    for name, at in ended.operators:
        keys += tx.run(
            "UPDATE operators SET state='revoked', revoked_at=? WHERE id=? AND state<>'revoked'",
            *(at, name),
        )
    for hash_, at in ended.secrets.items():
        keys += tx.run(
            "UPDATE key_secrets SET expires_at=? "
            "WHERE hash=? AND (expires_at IS NULL OR expires_at>?)",
            *(at, hash_, at),
        )
    for name, by, at in ended.codes:
        codes += tx.run(
            "UPDATE codes SET state='redeemed', redeemed_by=?, redeemed_at=?, grant_id='retired' "
            "WHERE id=? AND state<>'redeemed'",
            *(by, at, name),
        )
    for code, customer, order, at in ended.promos:
        if tx.run(
            "INSERT INTO code_uses (code_id, customer_id, order_id, created_at) "
            "SELECT ?,?,?,? WHERE EXISTS (SELECT 1 FROM codes WHERE id=? AND used<uses) "
            "AND NOT EXISTS (SELECT 1 FROM code_uses "
            "WHERE order_id=? OR (code_id=? AND customer_id=?))",
            *(code, customer, order, at, code, order, code, customer),
        ):
            codes += tx.run("UPDATE codes SET used=used+1 WHERE id=?", code)
    for call in ended.calls:
        # A payment provider forgets a call's name after a day: told again it would pay back twice.
        tx.run("UPDATE provider_calls SET state=?, answer=? WHERE id=? AND state='waiting'", *call)
    for series, last in ended.papers:
        invoices.skip_past(tx, series, last)
    for customer, wallet, request, body_hash, model, at in ended.requests:
        requests += tx.run(
            "INSERT INTO holds (customer_id, wallet, request_id, body_hash, model, state, amount, "
            "layers, owner, created_at, floor, facts, rule, closed_at, why) "
            "VALUES (?,?,?,?,?,'retired',0,'[]','',?,0,'{}','operator',?,?) "
            "ON CONFLICT (customer_id, request_id, attempt) DO NOTHING",
            *(customer, wallet, request, body_hash, model, at, at),
            "served by the replaced database",
        )
    return keys, codes, requests


def _refuse_live(tx: Transaction) -> None:
    """Nobody may be at work on a ledger that is about to change under it."""
    gone = set(owners.lapsed(tx))
    live = [owner for owner in owners.listed(tx) if owner.id not in gone]
    if live:
        raise Refused(
            "state_conflict",
            f"{len(live)} process(es) still work on this ledger: {live[0].process}",
            hint="stop every server on it, or wait until its lease has lapsed",
        )


def _alone(port: Database) -> contextlib.AbstractContextManager[None]:
    """Keep everybody else out; PostgreSQL does so in the one transaction that overwrites."""
    return port.alone() if isinstance(port, Sqlite) else contextlib.nullcontext()


def _inline(port: Database, anchor_key: bytes | None) -> Inline:
    life = Life(port.place if isinstance(port, Sqlite) else None)
    shared = Shared(anchor_key=anchor_key, sealer=None, lease=owners.LEASE, life=life)
    return Inline(port, Clock(), shared)


def _tx(port: Database, execute: object, anchor_key: bytes | None = None) -> Transaction:
    inline = _inline(port, anchor_key)
    return Transaction(execute, port.dialect, inline.clock, inline.shared)  # type: ignore[arg-type]


def migrate(
    place: str, *, backups: str | None = None, anchor_key: bytes | None = None
) -> tuple[int, int, str | None]:
    """Bring an older schema up to this program's; (from, to, the backup that was made first).

    Takes the ledger for itself, refuses while a lease is live, backs up first. A newer schema is
    refused; one that is current is left alone. `anchor_key` proves the chains' heads.
    """
    port = database(place)
    try:
        inline = _inline(port, anchor_key)
        found = inline.read(schema.version)
        if found is None:
            raise ConfigError(f"{port.place} holds no ledger", hint="nexctl gateway init")
        if found >= schema.VERSION:
            schema.check_version(found)
            return found, found, None
        folder = Path(backups or (Path(place).parent if isinstance(port, Sqlite) else "."))
        name = Path(place).name if isinstance(port, Sqlite) else "gateway.db"
        copy = os.path.join(folder, f"{name}.v{found}-{os.urandom(4).hex()}.backup")
        with port.exclusively() as execute:
            tx = _tx(port, execute, anchor_key)
            if schema.version(tx) != found:
                raise Refused("state_conflict", "another process migrates this ledger")
            _refuse_live(tx)
            other = port.again()
            try:
                _backup(_inline(other, None), copy)
            finally:
                other.close()
            migrations.migrate(tx, found)
            port.grant()
        return found, schema.VERSION, copy
    finally:
        port.close()
