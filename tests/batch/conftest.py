"""Fixtures of the batch tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from faulty_gateway import FaultyGateway
from pipeline_kit import Bench, write_lines


@pytest.fixture
def faulty() -> Iterator[FaultyGateway]:
    gateway = FaultyGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def bench(tmp_path: Path, faulty: FaultyGateway) -> Iterator[Bench]:
    made = Bench(tmp_path, faulty)
    yield made
    made.journal.close()


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Ten good lines."""
    return write_lines(tmp_path / "requests.jsonl")
