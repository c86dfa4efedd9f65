from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from served_kit import Served
from server_kit import Rig

from tests.server.ledger.conftest import Server, postgres

__all__ = ["postgres"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Reading what so many calls need takes seconds, so it is left where they are not wanted."""
    many = collection_path.name == "test_gateway_schemathesis_many.py"
    return True if many and config.option.markexpr == "not slow" else None


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served gateway for calls made at random."""
    kit = Served(tmp_path_factory.mktemp("fuzz"))
    kit.fill()
    yield kit
    kit.close()


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
