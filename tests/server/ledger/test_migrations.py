"""An older ledger becomes today's: whole, proved, and in one step that a kill does not halve."""

from __future__ import annotations

import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nexctl.errors import ConfigError
from nexctl.server.ledger import anchors, backup, holds, migrations, schema
from nexctl.server.ledger.errors import Broken
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger import older_kit
from tests.server.ledger.kit import KEY, Hands, Wall

ROOT = Path(__file__).parents[3]


@pytest.fixture
def older(place: str, tmp_path: Path) -> str:
    """A ledger of version 1, written by the build that had it."""
    older_kit.write(place, tmp_path)
    return place


def migrated(place: str, folder: Path) -> tuple[int, int, str | None]:
    return backup.migrate(place, backups=str(folder), anchor_key=older_kit.ANCHOR_KEY)


def opened(place: str) -> Ledger:
    return open_ledger(place, anchor_key=older_kit.ANCHOR_KEY)


def held_together(place: str) -> None:
    """The books of the fixture, proved, and good for another request."""
    with opened(place) as ledger:
        assert verify(ledger).violations == ()
        shown = ledger.wallet(older_kit.CUSTOMER)
        assert (shown.balance, shown.held) == (79_999_990_100, 5_000)
        rows = ledger.read(
            lambda tx: tx.all("SELECT id, state, attempt FROM holds WHERE id > 3 ORDER BY id")
        )
        assert [tuple(row) for row in rows] == [(4, "released", 4), (5, "unknown", 0)]
        found = ledger.read(holds.by_request, older_kit.CUSTOMER, "given-back")
        assert found is not None
        assert found.state == "unknown"
        ledger.grant(older_kit.CUSTOMER, 7, kind="bonus", note="after the migration")
        assert ledger.wallet(older_kit.CUSTOMER).balance == shown.balance + 7
        assert verify(ledger).violations == ()


def test_the_schema_has_the_version_that_it_says() -> None:
    """Whoever changes schema.sql adds one to VERSION, writes the step, and pins the new text."""
    text = "\n".join(schema.statements("sqlite"))
    assert (schema.VERSION, hashlib.sha256(text.encode()).hexdigest()[:16]) == (
        2,
        "3c83be7bccb43435",
    )
    assert set(migrations.STEPS) == set(range(1, schema.VERSION))


def test_an_older_ledger_is_refused_by_name_until_it_is_migrated(older: str) -> None:
    with pytest.raises(ConfigError, match="is version 1, this program needs version 2") as said:
        opened(older)
    assert "nexctl gateway migrate" in str(said.value.hint)
    assert said.value.exit == 78


def test_a_process_that_was_idle_while_the_schema_became_newer_does_no_work(place: str) -> None:
    with open_ledger(place, create=True, anchor_key=KEY) as ledger:
        hands = Hands(ledger, Wall())
        if "://" in place:
            import psycopg

            with psycopg.connect(place, autocommit=True) as server:
                server.execute("UPDATE schema_info SET version=version+1")
        else:
            with closing(sqlite3.connect(place)) as raw, raw:
                raw.execute("UPDATE schema_info SET version=version+1")
        with pytest.raises(ConfigError, match="this program knows version"):
            hands.reserve(5)
        assert ledger.wallet(hands.customer).held == 0


def test_the_ledger_of_an_earlier_build_is_migrated_whole(older: str, tmp_path: Path) -> None:
    was, now, copy = migrated(older, tmp_path)
    assert (was, now) == (1, schema.VERSION)
    assert copy is not None
    with opened(older) as ledger:
        # A head that was taken before and kept elsewhere is still good evidence.
        with closing(sqlite3.connect(copy)) as source:
            row = source.execute("SELECT id, seq, head, mac, 0 FROM wallets").fetchone()
        heads = [anchors.Head(*row)]
        assert anchors.proved(ledger.shared, heads[0])
        assert verify(ledger, kept_anchors=heads).violations == ()
    held_together(older)
    assert migrated(older, tmp_path) == (now, now, None)


def test_every_table_is_the_one_that_a_fresh_ledger_has(
    older: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    migrated(older, tmp_path)
    if "://" in older:
        fresh = request.getfixturevalue("postgres").fresh()
    else:
        fresh = str(tmp_path / "fresh.db")
    shapes = []
    for place in (older, fresh):
        with open_ledger(place, create=True, anchor_key=older_kit.ANCHOR_KEY) as ledger:
            shapes.append(
                ledger.read(migrations.shapes)
                if "://" in place
                else ledger.read(lambda tx: dict(tx.all("SELECT name, sql FROM sqlite_schema")))
            )
    assert shapes[0] == shapes[1]


def test_the_backup_before_a_migration_can_be_restored(older: str, tmp_path: Path) -> None:
    """A backup of an older schema is brought to today's on its way back."""
    _, _, copy = migrated(older, tmp_path)
    assert copy is not None
    elsewhere = str(tmp_path / "elsewhere.db")
    backup.restore(elsewhere, copy, anchor_key=older_kit.ANCHOR_KEY)
    held_together(elsewhere)
    with opened(older) as ledger:
        ledger.grant(older_kit.CUSTOMER, 7, kind="bonus", note="after the migration")
    _lapse(older)
    backup.restore(older, copy, anchor_key=older_kit.ANCHOR_KEY)
    held_together(older)


def test_a_head_that_no_key_proves_is_not_proved_anew(older: str, tmp_path: Path) -> None:
    change = "UPDATE wallets SET balance=balance+1, head=mac"
    if "://" in older:
        import psycopg

        with psycopg.connect(older, autocommit=True) as server:
            server.execute(change)
    else:
        with closing(sqlite3.connect(older)) as raw, raw:
            raw.execute(change)
    with pytest.raises(Broken, match="is not proved"):
        migrated(older, tmp_path)
    with pytest.raises(ConfigError, match="is version 1"):
        opened(older)


def test_a_kill_leaves_the_old_schema_or_the_new(older: str, tmp_path: Path) -> None:
    """SIGKILL at many statements of the migration, then the same command once more."""
    command = (sys.executable, "-m", "tests.server.ledger.migrator", older, str(tmp_path))
    if "://" not in older:
        spare = str(tmp_path / "spare.db")
        shutil.copy(older, spare)
        spared = (*command[:3], spare, str(tmp_path), "0")
        done = subprocess.run(spared, cwd=ROOT, check=True, capture_output=True)
        last = int(done.stdout)
        assert last > 200
    else:
        last = 320
    turns = sorted({1, 2, last // 2, last - 2, last - 1, last, *range(7, last, last // 9)})
    for turn in turns:
        killed = subprocess.run((*command, str(turn)), cwd=ROOT, check=False, timeout=120)
        assert killed.returncode in (-signal.SIGKILL, 0)
        if killed.returncode == 0:
            break
        with pytest.raises(ConfigError, match="is version 1"):
            opened(older)
    migrated(older, tmp_path)
    held_together(older)


def test_restoring_over_an_older_ledger_asks_for_its_migration(older: str, tmp_path: Path) -> None:
    """What it has ended could not be read: nothing may come back to life by that."""
    newer = str(tmp_path / "newer.db")
    copy = str(tmp_path / "newer.backup")
    with open_ledger(newer, create=True, anchor_key=KEY) as ledger:
        Hands(ledger, Wall())
        backup.backup(ledger, copy)
    with pytest.raises(ConfigError, match="is version 1"):
        backup.restore(older, copy, anchor_key=KEY)


def test_a_restored_postgres_goes_on_numbering(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Rows that the database numbers itself do not get a number twice after a restore."""
    copy = str(tmp_path / "copy.backup")
    insert = "INSERT INTO cost_profiles (provider, source, book, set_by, set_at) VALUES (?,?,?,?,?)"
    book = "INSERT INTO cost_books (hash, title, body, added_at) VALUES ('h', 't', '{}', 1)"
    with open_ledger(place, create=True, anchor_key=KEY) as ledger:
        ledger.write(lambda tx: tx.run(book))
        for _ in range(3):
            ledger.write(lambda tx: tx.run(insert, "echo", "own", "h", "me", 1))
        backup.backup(ledger, copy)
    _lapse(place)
    backup.restore(place, copy, anchor_key=KEY)
    with open_ledger(place, anchor_key=KEY) as ledger:
        ledger.write(lambda tx: tx.run(insert, "echo", "own", "h", "me", 2))
        assert ledger.read(lambda tx: tx.value("SELECT max(id) FROM cost_profiles")) == 4


def _lapse(place: str) -> None:
    """On PostgreSQL the lease of a closed ledger must run out; let it."""
    if "://" in place:
        import psycopg

        with psycopg.connect(place, autocommit=True) as raw:
            raw.execute("UPDATE owners SET lease_until=0")
