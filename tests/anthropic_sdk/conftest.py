from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

from served_kit import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One gateway for a module's tests, with money in its wallet."""
    pytest.importorskip("anthropic", reason="needs anthropic")
    kit = Served(tmp_path_factory.mktemp("claude"))
    kit.fill()
    yield kit
    kit.close()
