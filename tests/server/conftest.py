from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server_kit import Rig

from tests.server.ledger.conftest import Server, postgres

__all__ = ["postgres"]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Make gateways, each in a folder of its own; all are closed at the end."""
    rigs: list[Rig] = []

    def made(**terms: Any) -> Rig:
        rigs.append(Rig(tmp_path / str(len(rigs)), **terms))
        return rigs[-1]

    yield made
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(make: Callable[..., Rig]) -> Rig:
    return make()


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A gateway on each of the two databases."""
    place = None
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        place = server.fresh()
    rig = Rig(tmp_path, place=place)
    yield rig
    rig.close()
