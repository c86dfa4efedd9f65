"""Backup, restore, migrate: nothing that has ended comes back to life."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from nexctl.errors import ConfigError, UsageError
from nexctl.server.ledger import backup, codes, holds, keys, migrations, orders, schema
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import open_ledger
from nexctl.server.payments import outbox
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import KEY, Hands, new_code, proved
from tests.server.ledger.test_rows import key, sha
from tests.server.ledger.test_verify import work


@pytest.fixture
def copy(tmp_path: Path) -> str:
    return str(tmp_path / "copy.backup")


def test_a_backup_is_a_whole_private_ledger(hands: Hands, copy: str) -> None:
    work(hands)
    done = backup.backup(hands.ledger, copy)
    assert done.rows["entries"] == hands.wallet.seq
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    assert sorted(os.listdir(os.path.dirname(copy)))[:1] == ["copy.backup"]
    with pytest.raises(UsageError):
        backup.backup(hands.ledger, copy)
    again = open_ledger(copy, anchor_key=KEY, clock=hands.ledger.clock)
    assert again.wallet(hands.customer).balance == hands.wallet.balance
    again.close()


def restored(hands: Hands, opening: Opener, place: str, copy: str) -> backup.Kept:
    hands.ledger.close()
    if "://" in place:
        import psycopg

        with psycopg.connect(place, autocommit=True) as raw:
            raw.execute("UPDATE owners SET lease_until=0")
    kept = backup.restore(place, copy, anchor_key=KEY)
    hands.ledger = opening()
    return kept


def test_restore_goes_back_to_the_books_of_then(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    work(hands)
    before = hands.figures
    backup.backup(hands.ledger, copy)
    hands.spend(20)
    restored(hands, opening, place, copy)
    assert hands.figures[0] == before[0]
    assert proved(hands.ledger)
    hands.spend(1)
    assert proved(hands.ledger)


def test_restore_keeps_ended_things_ended(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    bad, turned = key(hands, "bad"), key(hands, "turned")
    new_code(hands.ledger, sha("C"), "C", 5)
    backup.backup(hands.ledger, copy)
    hands.ledger.write(keys.revoke, bad.id)
    hands.ledger.write(keys.rotate, turned.id, hash=sha("fresh"), prefix="p", overlap=0)
    hands.ledger.write(codes.redeem, hands.customer, hands.customer, sha("C"))
    hands.spend(7, request="paid-since")
    kept = restored(hands, opening, place, copy)
    assert kept[:3] == (2, 1, 1)
    found = hands.ledger.read(keys.by_secret, sha("bad"))
    assert found is not None
    assert found.key.state == "revoked"
    found = hands.ledger.read(keys.by_secret, sha("turned"))
    assert found is not None
    assert found.secret_expires_at is not None
    with pytest.raises(Refused) as said:
        hands.ledger.write(codes.redeem, hands.customer, hands.customer, sha("C"))
    assert said.value.code == "code_used"
    for body in (b"b" * 32, b"x" * 32):
        assert hands.refused(1, "paid-since", body_hash=body).code == "already_billed"
    assert hands.figures == (100, 0, 0)
    assert proved(hands.ledger)


def test_requests_open_in_the_backup_have_no_known_outcome(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    hands.reserve(5, "waiting")
    hold = hands.sent(6, "sent")
    backup.backup(hands.ledger, copy)
    hands.settle(hold, 6)
    restored(hands, opening, place, copy)
    found = {
        name: hands.ledger.read(holds.by_request, hands.customer, name)
        for name in ("waiting", "sent")
    }
    assert {name: row.state for name, row in found.items() if row} == {
        "waiting": "retired",
        "sent": "unknown",
    }
    assert hands.figures == (100, 6, 0)
    assert proved(hands.ledger)


def test_restore_is_refused_while_somebody_works(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    backup.backup(hands.ledger, copy)
    hands.reserve(5)
    with pytest.raises(Refused, match="still work on this ledger"):
        backup.restore(place, copy, anchor_key=KEY)
    assert hands.figures == (100, 5, 0)


def test_restore_onto_a_fresh_place(hands: Hands, copy: str, tmp_path: Path) -> None:
    """A copy is a ledger anywhere: also a way from one database to the other."""
    work(hands)
    hands.ledger.write(
        orders.create,
        hands.customer,
        method="m",
        provider="p",
        currency="USD",
        amount=1,
        credits=1,
        subtotal=1,
        total=1,
    )
    backup.backup(hands.ledger, copy)
    place = str(tmp_path / "elsewhere.db")
    backup.restore(place, copy, anchor_key=KEY)
    other = open_ledger(place, anchor_key=KEY, clock=hands.ledger.clock)
    assert other.wallet(hands.customer).balance == hands.wallet.balance
    assert proved(other)
    other.close()


def test_a_file_that_is_no_backup_is_refused(hands: Hands, place: str, tmp_path: Path) -> None:
    whole = str(tmp_path / "whole")
    backup.backup(hands.ledger, whole)
    cut = Path(whole).read_bytes()[:-8192]
    for name, content in (("empty", b""), ("text", b"hello" * 1000), ("cut", cut)):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not a ledger's backup"):
            backup.restore(place, str(path))
    with pytest.raises(UsageError):
        backup.restore(place, str(tmp_path / "nowhere"))
    assert hands.figures == (100, 0, 0)


def test_another_gateways_backup_is_refused(hands: Hands, place: str, copy: str) -> None:
    """Its secrets could not be opened here, and its chains would never be proved."""
    work(hands)
    backup.backup(hands.ledger, copy)
    hands.ledger.close()
    with pytest.raises(UsageError, match="another gateway's backup, or was changed"):
        backup.restore(place, copy, anchor_key=b"the key of another gateway")


def newer(place: str, version: int) -> None:
    if "://" in place:
        import psycopg

        with psycopg.connect(place, autocommit=True) as raw:
            raw.execute("UPDATE schema_info SET version=%s", (version,))
    else:
        with sqlite3.connect(place) as raw:
            raw.execute("UPDATE schema_info SET version=?", (version,))


def test_a_newer_schema_is_refused_everywhere(hands: Hands, place: str, opening: Opener) -> None:
    newer(place, schema.VERSION + 1)
    with pytest.raises(ConfigError, match="version 3"):
        opening()
    with pytest.raises(ConfigError, match="version 3"):
        backup.migrate(place)


def test_a_current_schema_is_left_alone(hands: Hands, place: str) -> None:
    assert backup.migrate(place) == (schema.VERSION, schema.VERSION, None)


def test_an_older_schema_is_migrated_after_a_backup(
    hands: Hands, place: str, opening: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work(hands)
    figures = hands.figures
    was, now = schema.VERSION, schema.VERSION + 1
    step = migrations.Step({}, frozenset(), lambda tx: None)
    monkeypatch.setattr(schema, "VERSION", now)
    monkeypatch.setitem(migrations.STEPS, was, step)
    with pytest.raises(ConfigError, match=f"is version {was}"):
        opening()
    with pytest.raises(Refused, match="still work"):
        backup.migrate(place, backups=str(tmp_path))
    hands.ledger.close()
    if "://" in place:
        import psycopg

        with psycopg.connect(place, autocommit=True) as raw:
            raw.execute("UPDATE owners SET lease_until=0")
    *versions, copy = backup.migrate(place, backups=str(tmp_path))
    assert versions == [was, now]
    assert copy is not None
    assert os.path.exists(copy)
    hands.ledger = opening()
    assert hands.figures[0] == figures[0]


def test_what_waited_to_be_told_is_not_told_again_after_a_restore(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    from nexctl.server.ledger import deliveries, events

    ledger = hands.ledger
    event = ledger.write(events.emit, "key.created", hands.customer, {"id": "k"})
    ledger.write(deliveries.add, event, "webhook", "whe_1")
    ledger.write(events.emit, "key.revoked", hands.customer, {"id": "k"})
    backup.backup(ledger, copy)
    ledger.write(lambda tx: tx.run("UPDATE deliveries SET state='delivered', ended_at=1"))
    kept = restored(hands, opening, place, copy)
    assert kept.deliveries == 1
    (row,) = hands.ledger.read(deliveries.listed)
    assert row.state == "dropped"
    assert not hands.ledger.read(deliveries.has_due)
    assert hands.ledger.write(deliveries.again, row.id), "the operator may send it all the same"
    assert hands.ledger.read(deliveries.has_due)


def test_a_refund_that_the_provider_has_heard_is_not_asked_for_again(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    heard = hands.ledger.write(outbox.put, "stripe", "refund", "ord_1", 5)
    failed = hands.ledger.write(outbox.put, "stripe", "refund", "ord_2", 5)
    waits = hands.ledger.write(outbox.put, "stripe", "refund", "ord_3", 5)
    backup.backup(hands.ledger, copy)
    taken = {one.id: one for one in hands.ledger.write(outbox.take)}
    hands.ledger.write(outbox.finish, heard, "re_1")
    hands.ledger.write(outbox.later, taken[failed], "no", final=True)
    hands.ledger.write(outbox.later, taken[waits], "not now", final=False)
    restored(hands, opening, place, copy)
    assert [one.id for one in hands.ledger.write(outbox.take)] == [waits]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_what_a_killed_restore_has_left_is_taken_away(
    hands: Hands, opening: Opener, place: str, copy: str
) -> None:
    backup.backup(hands.ledger, copy)
    for number in (os.getpid(), 1):
        for end in ("", "-wal", "-shm", ".gate"):
            Path(f"{place}.restoring-{number}{end}").write_text("x")
    restored(hands, opening, place, copy)
    assert not [name for name in os.listdir(Path(place).parent) if "restoring" in name]
    assert proved(hands.ledger)
