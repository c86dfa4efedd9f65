"""Chain heads, exported and proved by a key that is not in the database.

Every entry moves its wallet's head and the head's MAC, so a chain that was rewritten as a whole is
found. A head taken earlier and kept elsewhere finds a chain that was cut back to an older state.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from nexctl.errors import UsageError
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.state import Shared

_LINE = tuple[int, str, int, str, str]


class Head(NamedTuple):
    """One wallet's chain at one moment. `mac` is empty without a key."""

    wallet: str
    seq: int
    head: bytes
    mac: bytes
    at: int


def heads(tx: Transaction) -> list[Head]:
    """Every wallet's head, proved with this process's key."""
    now = tx.clock.now()
    return [
        Head(wallet, seq, bytes(head), tx.shared.mac(wallet, seq, bytes(head)), now)
        for wallet, seq, head in tx.all("SELECT id, seq, head FROM wallets ORDER BY id")
    ]


def anchor(tx: Transaction) -> list[Head]:
    """Take every head that moved since the last anchor, keep it in the database too, return all.

    The caller keeps what this returns outside the database (`exported`).
    """
    found = heads(tx)
    for head in found:
        last = tx.value("SELECT max(seq) FROM anchors WHERE wallet=?", head.wallet)
        if last is None or last < head.seq:
            tx.run(
                "INSERT INTO anchors (at, wallet, seq, head, mac) VALUES (?,?,?,?,?)",
                *(head.at, head.wallet, head.seq, head.head, head.mac),
            )
    return found


def kept(tx: Transaction) -> list[Head]:
    """The anchors that the database itself keeps."""
    rows = tx.all("SELECT wallet, seq, head, mac, at FROM anchors ORDER BY id")
    return [Head(row[0], row[1], bytes(row[2]), bytes(row[3]), row[4]) for row in rows]


def proved(shared: Shared, head: Head) -> bool:
    """Whether a head was made with this key; True for one made without where there is none.

    Schema 1 proved heads by HMAC-SHA256: those that were kept outside the database still count.
    """
    given = (head.wallet, head.seq, head.head)
    return any(
        hmac.compare_digest(mac, head.mac) for mac in (shared.mac(*given), shared.mac_1(*given))
    )


def exported(found: Iterable[Head]) -> bytes:
    """Heads as JSON lines: [at, wallet, seq, head, mac], hashes in hexadecimal."""
    return b"".join(
        msgspec.json.encode((h.at, h.wallet, h.seq, h.head.hex(), h.mac.hex())) + b"\n"
        for h in found
    )


def imported(text: bytes) -> list[Head]:
    """Read what `exported` wrote."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            at, wallet, seq, head, mac = msgspec.json.decode(line, type=_LINE)
            found.append(Head(wallet, seq, bytes.fromhex(head), bytes.fromhex(mac), at))
        except (ValueError, msgspec.MsgspecError) as error:
            raise UsageError(f"line {number} of the anchors is not one") from error
    return found
