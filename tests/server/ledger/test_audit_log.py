"""The audit log: append-only, one chain for each customer, and whatever is done to it is found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nexctl.server.ledger import audit_log
from nexctl.server.ledger.audit_log import Actor
from nexctl.server.ledger.main import Ledger
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.verify import verify
from tests.server.ledger.kit import Hands, proved

ANN = Actor("management_key", "key_1", "ci", "192.0.2.7")


def fill(ledger: Ledger, count: int = 5, chain: str | None = "cus_1") -> None:
    for number in range(count):
        ledger.write(
            audit_log.write,
            chain,
            ANN,
            "keys.update",
            f"key_{number}",
            before={"rpm": number},
            after={"rpm": number + 1},
            request_id=f"req_{number}",
        )


def test_rows_tell_who_did_what_before_and_after(hands: Hands) -> None:
    fill(hands.ledger, 2)
    first, second = hands.ledger.read(audit_log.listed, "cus_1")
    assert (first.seq, second.seq) == (1, 2)
    assert (first.actor, first.actor_id, first.actor_name, first.address) == ANN
    assert (second.action, second.object) == ("keys.update", "key_1")
    assert (second.before, second.after) == ({"rpm": 1}, {"rpm": 2})
    assert proved(hands.ledger)


def test_each_customer_has_a_chain_and_the_gateway_one(hands: Hands) -> None:
    fill(hands.ledger, 3)
    fill(hands.ledger, 2, None)
    fill(hands.ledger, 1, "cus_2")
    assert hands.ledger.read(audit_log.chains) == ["cus_1", "cus_2", "gateway"]
    assert len(hands.ledger.read(audit_log.listed)) == 6
    assert [row.seq for row in hands.ledger.read(audit_log.listed, "gateway")] == [1, 2]
    assert proved(hands.ledger)


SECRETS = {
    "secret": "whsec_abc",
    "nested": [{"password": "pwd-1", "api_key": "key-1", "harmless": "nxt_sk_0123456789"}],
    "key": "sk-live-1",
    "code": "AAAA-BBBB",
    "prefix": "nxt_x",
    "key_id": "key_1",
}


def test_secrets_do_not_stand_in_it(hands: Hands) -> None:
    hands.ledger.write(audit_log.write, "cus_1", ANN, "x.y", before=SECRETS, after=SECRETS)
    (row,) = hands.ledger.read(audit_log.listed, "cus_1")
    text = json.dumps([row.before, row.after])
    for secret in ("whsec_abc", "AAAA", "sk-live-1", "nxt_sk_", "pwd-1", "key-1"):
        assert secret not in text
    assert row.after["key_id"] == "key_1"


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audit_log SET action='other' WHERE seq=2",
        "DELETE FROM audit_log WHERE seq=5",
        "INSERT OR REPLACE INTO audit_log SELECT chain, seq, at, actor, actor_id, actor_name, "
        "address, 'other', object, before, after, request_id, hash FROM audit_log WHERE seq=2",
        "DELETE FROM audit_heads",
    ],
)
def test_it_is_append_only(hands: Hands, tamper: str) -> None:
    fill(hands.ledger)
    if "REPLACE" in tamper and hands.ledger.executor.database.dialect != "sqlite":
        pytest.skip("only SQLite has INSERT OR REPLACE")
    with pytest.raises(Exception, match=r"append-only|never-deleted|denied"):
        hands.ledger.write(lambda tx: tx.run(tamper))
    assert proved(hands.ledger)


def edited(tx: Transaction) -> None:
    tx.run("UPDATE audit_log SET after='{}' WHERE seq=2")


def dropped(tx: Transaction) -> None:
    tx.run("DELETE FROM audit_log WHERE seq=3")


def cut(tx: Transaction) -> None:
    """The last row goes, and the head is set back to the one before: only the key tells."""
    head = tx.value("SELECT hash FROM audit_log WHERE seq=4")
    tx.run("DELETE FROM audit_log WHERE seq=5")
    tx.run("UPDATE audit_heads SET seq=4, head=?", head)


def rewritten(tx: Transaction) -> None:
    """A whole new chain with right hashes: only the key tells."""
    rows = tx.all(
        "SELECT chain, seq, at, actor, actor_id, actor_name, address, action, object, before, "
        "after, request_id FROM audit_log ORDER BY seq"
    )
    head = bytes(32)
    for row in rows:
        fields = (*row[:4], "somebody_else", *row[5:])
        head = audit_log.row_hash(head, fields)
        tx.run("UPDATE audit_log SET actor_id='somebody_else', hash=? WHERE seq=?", head, row[1])
    tx.run("UPDATE audit_heads SET head=?", head)


def without_guards(tx: Transaction) -> None:
    """What somebody with the file in hand does first."""
    if tx.dialect == "sqlite":
        for (name,) in tx.all("SELECT name FROM sqlite_schema WHERE type='trigger'"):
            tx.run(f"DROP TRIGGER {name}")
    else:
        for table in ("audit_log", "audit_heads"):
            tx.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")


@pytest.mark.parametrize("tamper", [edited, dropped, cut, rewritten])
def test_tampering_is_found(hands: Hands, tamper: Callable[[Transaction], None]) -> None:
    from nexctl.server.ledger.backup import _tx

    fill(hands.ledger)
    assert proved(hands.ledger)
    database = hands.ledger.executor.database
    with database.exclusively() as execute:
        tx = _tx(database, execute)
        without_guards(tx)
        tamper(tx)
    found = verify(hands.ledger).violations
    assert "audit" in {violation.check for violation in found}
