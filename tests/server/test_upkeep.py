"""What falls due while a gateway is served."""

from __future__ import annotations

import asyncio

import pytest
from server_kit import Rig

from nexctl.server import upkeep


def test_a_defect_in_what_falls_due_does_not_end_the_heartbeat(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose heart stops loses its leases while it goes on answering."""
    beats = []

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(upkeep, "once", broken)
    monkeypatch.setattr(upkeep.sending, "due", broken)
    monkeypatch.setattr(upkeep, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SEND_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SWEEP_BEATS", 1)
    monkeypatch.setattr(rig.house.ledger, "beat", lambda: beats.append(1))

    async def some_time() -> None:
        work = upkeep.Upkeep(rig.house)
        work.start()
        while len(beats) < 3:
            await asyncio.sleep(0.01)
        await work.stop()

    asyncio.run(asyncio.wait_for(some_time(), 10))
    assert {"upkeep: ZeroDivisionError", "events: ZeroDivisionError"} <= set(rig.house.alarms)
