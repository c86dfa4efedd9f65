"""What falls due while a gateway is served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from server_kit import Rig

from nexctl.server import upkeep
from nexctl.server.ledger import files
from nexctl.server.ledger.errors import Full


def work_until_third(rig: Rig, beats: list[Any]) -> None:
    """Let upkeep work until its heart has beaten three times."""

    async def some_time() -> None:
        work = upkeep.Upkeep(rig.house)
        work.start()
        while len(beats) < 3:
            await asyncio.sleep(0.01)
        await work.stop()

    asyncio.run(asyncio.wait_for(some_time(), 10))


def test_a_defect_in_what_falls_due_does_not_end_the_heartbeat(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose heart stops loses its leases while it goes on answering."""
    beats: list[Any] = []

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(upkeep, "once", broken)
    monkeypatch.setattr(upkeep.sending, "due", broken)
    monkeypatch.setattr(upkeep, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SEND_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SWEEP_BEATS", 1)
    monkeypatch.setattr(rig.house.ledger, "beat", lambda: beats.append(1))

    work_until_third(rig, beats)
    assert {"upkeep: ZeroDivisionError", "events: ZeroDivisionError"} <= set(rig.house.alarms)


def test_what_a_full_disk_stopped_is_no_alarm_when_there_is_room_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's own line says it while it lasts; an alarm would stay until a restart."""

    def health() -> dict[str, Any]:
        shown: dict[str, Any] = rig.ask("GET", "/admin/v1/health", key=rig.operator).body
        return {"status": shown["status"], **shown["checks"]}

    def full(*_: object) -> bool:
        raise Full

    beats: list[Any] = []

    def beat() -> None:
        beats.append(rig.house.ledger.fault)

    monkeypatch.setattr(upkeep, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "SWEEP_BEATS", 1)
    monkeypatch.setattr(rig.house.ledger, "beat", beat)
    monkeypatch.setattr(files, "expire_due", full)

    work_until_third(rig, beats)
    shown = health()
    assert (shown["status"], shown["ledger"]) == ("failing", Full().message)
    monkeypatch.undo()
    rig.house.ledger.beat()
    shown = health()
    assert (shown["status"], shown["ledger"], shown["alarms"]) == ("ok", "ok", "none")
