"""`nexctl models`: what the gateway serves to a key."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Nexctl


def test_models_with_their_prices(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("models", "list", "-o", "json")
    by_id = {row["id"]: row for row in done.data}
    assert by_id["nex-pro"]["rates"]["input"]["price"] == "0.10"
    # What is not published is null, never 0.
    assert by_id["nex-pro"]["max_output"] is None
    assert nexctl("models", "list", "--kind", "embedding", "-o", "name").out == "nex-embed-zh\n"
    cache = own_home / ".cache/nexctl/complete/models"
    assert "nex-pro" in cache.read_text().split()
    assert cache.stat().st_mode & 0o777 == 0o600


def test_a_key_sees_what_it_may_call(nexctl: Nexctl) -> None:
    key = nexctl("keys", "create", "--name", "ci", "--model", "gpt-4o", "-q").out.strip()
    seen = nexctl("models", "list", "-o", "name", NEXCTL_API_KEY=key)
    assert seen.out == "gpt-4o\n"
    assert nexctl("models", "show", "nex-pro", NEXCTL_API_KEY=key).exit == 4


def test_one_model_by_alias(nexctl: Nexctl) -> None:
    done = nexctl("models", "show", "nex-smart")
    assert done.exit == 0
    assert done.out.splitlines()[0] == "nextoken · price book nextoken@2026-11-20 · nex-pro"
    assert nexctl("models", "show", "nope").exit == 2
