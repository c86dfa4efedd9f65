"""A gateway opens and serves, whatever goes wrong in what falls due."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from server_kit import Rig

from nexctl.server import bootstrap, falling_due, telling
from nexctl.server.ledger import due, settings


def test_a_fault_in_what_falls_due_is_told_and_stops_nothing(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make()
    rig.house.ledger.write(settings.put, due.GIVEN, "2000-01")

    def broken(_house: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(falling_due, "work", broken)
    told: list[str] = []
    monkeypatch.setattr(telling, "warn", told.append)
    house = bootstrap.open_house(rig.place, rig.secrets)
    house.ledger.close()
    assert told == ["what falls due: ZeroDivisionError"]
