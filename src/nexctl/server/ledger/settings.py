"""Small facts of the gateway kept in its database, and the brake on expiry and grants."""

from __future__ import annotations

from typing import Any

import msgspec

from nexctl.server.ledger.port import Transaction

CLOCK = "clock_stopped"


def get(tx: Transaction, name: str) -> Any:
    """A setting's value, None where it was never set."""
    text = tx.value("SELECT value FROM settings WHERE name=?", name)
    return None if text is None else msgspec.json.decode(text)


def put(tx: Transaction, name: str, value: Any) -> None:
    """Set a JSON-safe value."""
    tx.run(
        "INSERT INTO settings (name, value, changed_at) VALUES (?,?,?) "
        "ON CONFLICT (name) DO UPDATE SET value=excluded.value, changed_at=excluded.changed_at",
        *(name, msgspec.json.encode(value).decode(), tx.clock.now()),
    )


def every(tx: Transaction) -> dict[str, Any]:
    """All settings."""
    return {
        name: msgspec.json.decode(text)
        for name, text in tx.all("SELECT name, value FROM settings ORDER BY name")
    }


def clock_stopped(tx: Transaction) -> bool:
    """Whether expiry and grants stand still.

    A jump that this process's clock sees is written down, so that every process stands still; once
    someone has resumed, the clock takes the wall's word.
    """
    tx.clock.now()
    stop = get(tx, CLOCK) or {"stopped": False, "resumed": 0}
    clock, resumed = tx.clock, stop["resumed"]
    if not clock.jumped or clock.resumed_seen is None:
        clock.resumed_seen = resumed
    if not clock.jumped:
        return bool(stop["stopped"])
    if resumed > clock.resumed_seen:
        clock.resumed_seen = resumed
        clock.rebase()
        return bool(stop["stopped"])
    if not stop["stopped"]:
        put(tx, CLOCK, {"stopped": True, "resumed": resumed, "since": clock.now()})
    return True


def clock_stopped_seen(tx: Transaction) -> bool:
    """`clock_stopped` for a transaction that only reads."""
    tx.clock.now()
    stop = get(tx, CLOCK) or {"stopped": False, "resumed": 0}
    if tx.clock.resumed_seen is None:
        tx.clock.resumed_seen = stop["resumed"]
    return tx.clock.jumped or bool(stop["stopped"])


def resume(tx: Transaction) -> bool:
    """Let expiry and grants go on, by the wall clock as it is now; True where they stood still."""
    stop = get(tx, CLOCK) or {"stopped": False, "resumed": 0}
    jumped = tx.clock.jumped
    tx.clock.rebase()
    count = stop["resumed"] + 1
    tx.clock.resumed_seen = count
    put(tx, CLOCK, {"stopped": False, "resumed": count})
    return bool(stop["stopped"]) or jumped
