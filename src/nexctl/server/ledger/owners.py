"""Who holds what: owners with a heartbeat in the database, and what becomes of a dead one's holds.

An owner is a process and a random epoch. Its holds are touched by others only when its lease has
lapsed: *reserved* ones are released, *dispatched* ones become *unknown* with their deadline.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from functools import partial
from typing import NamedTuple

from nexctl.server.ledger import schema
from nexctl.server.ledger.clock import SECOND
from nexctl.server.ledger.port import Transaction

LEASE = 30 * SECOND
# The owner of holds that outlive processes: no process is it, so nobody's end gives them back.
LASTING = "lasting"


class Owner(NamedTuple):
    """A process that made holds. `live` = its lease has not lapsed."""

    id: str
    process: str
    started_at: int
    lease_until: int
    live: bool


class Recovery(NamedTuple):
    """What a recovery did: dead owners, holds released, holds made unknown."""

    owners: int
    released: int
    unknown: int


def database_now(tx: Transaction) -> int:
    """The clock that leases go by: the database's own, where many machines share it."""
    if tx.dialect == "sqlite":
        return tx.clock.now()
    now: int = tx.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    return now


def beat(tx: Transaction) -> None:
    """Renew this process's lease; become a new owner where somebody has ended the old one."""
    shared, now, beaten = tx.shared, database_now(tx), tx.clock.steady()
    until = now + shared.lease
    if shared.beaten_at is not None:
        if tx.run("UPDATE owners SET lease_until=? WHERE id=?", until, shared.owner):
            tx.afterwards(lambda: setattr(shared, "beaten_at", beaten))
            return
        shared.fresh_owner()
    # Opened long ago and idle since: somebody may have migrated the ledger meanwhile.
    schema.check_version(tx.value("SELECT version FROM schema_info"))
    shared.life.claim(shared.owner)
    tx.run(
        "INSERT INTO owners (id, process, started_at, lease_until) VALUES (?,?,?,?) "
        "ON CONFLICT (id) DO UPDATE SET lease_until=excluded.lease_until",
        *(shared.owner, shared.process, now, until),
    )
    tx.afterwards(lambda: setattr(shared, "beaten_at", beaten))


def ensure(tx: Transaction) -> str:
    """This process's owner id, its lease renewed where a third of it is gone."""
    shared = tx.shared
    last = shared.beaten_at
    if last is None or tx.clock.steady() - last > shared.lease // 3:
        beat(tx)
    return shared.owner


def lapsed(tx: Transaction) -> list[str]:
    """Owners that are gone: known to be dead, or not known to live and their lease is over."""
    now, life = database_now(tx), tx.shared.life
    gone = []
    for owner, until in tx.all(
        "SELECT id, lease_until FROM owners WHERE id<>? ORDER BY id", tx.shared.owner
    ):
        alive = life.alive(owner)
        if alive is False or (alive is None and until < now):
            gone.append(owner)
    return gone


def listed(tx: Transaction) -> list[Owner]:
    """All owners, oldest first."""
    now = database_now(tx)
    rows = tx.all("SELECT id, process, started_at, lease_until FROM owners ORDER BY started_at, id")
    return [Owner._make((*row, row[3] >= now)) for row in rows]


def recover(tx: Transaction, most: int = 200) -> Recovery:
    """Release or mark unknown up to `most` holds of dead owners; forget owners without any.

    Ran again until it answers (0, 0, 0). Several processes may do so at once.
    """
    from nexctl.server.ledger import holds

    released = unknown = ended = 0
    for owner in lapsed(tx):
        # Locked, so that the owner's own late heartbeat and another's recovery come one by one.
        row = tx.one("SELECT lease_until FROM owners WHERE id=?" + tx.lock, owner)
        if row is None or (tx.lock and row[0] >= database_now(tx)):
            continue
        left = tx.all(
            "SELECT id, state FROM holds WHERE state IN ('reserved', 'dispatched', 'unknown') "
            "AND state<>'unknown' AND owner=? ORDER BY id LIMIT ?",
            *(owner, most - released - unknown),
        )
        for hold, state in left:
            if state == "reserved":
                released += holds.give_back(tx, hold, "its owner is gone", ("reserved",))
            else:
                unknown += holds.mark_unknown(tx, hold, "its owner is gone")
        if released + unknown >= most:
            break
        tx.run("DELETE FROM owners WHERE id=?", owner)
        tx.afterwards(partial(tx.shared.life.forget, owner))
        ended += 1
    return Recovery(ended, released, unknown)
