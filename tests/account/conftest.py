"""The tests of workflows use the driver's gateway in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gateways"))

from gateway_kit import MemoryTransport, script

from nexctl.gateways.drivers import open_gateway
from nexctl.gateways.port import Gateway
from nexctl.safety.http import Key


@pytest.fixture
def wire() -> Iterator[MemoryTransport]:
    yield from script()


@pytest.fixture
def gateway(wire: MemoryTransport) -> Gateway:
    key = Key("nxt_mk_CANARY0123456789", "embedded")
    return open_gateway("nexctl", wire, key, "home", sleep=lambda _: None)
