"""What routing keeps, on PostgreSQL as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server_kit import Rig

from nexctl.server.ledger import semantic_entries, verify
from tests.server.ledger.conftest import Server, postgres  # noqa: F401 - a fixture


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: Server = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def rig(place: str | None, tmp_path: Path) -> Iterator[Rig]:
    kit = Rig(tmp_path, place=place, semantic_cache=True)
    yield kit
    kit.close()


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def hit(got: Any) -> bool:
    return bool(got.body["nex"]["semantic_cache_hit"])


def test_kept_answers(rig: Rig) -> None:
    assert not hit(rig.chat(messages=user("What is the tallest mountain of Peru?")))
    assert hit(rig.chat(messages=user("what's the tallest mountain of peru")))
    assert not hit(rig.chat(rig.customer("o"), messages=user("What is the tallest mountain?")))
    rig.house.ledger.write(
        lambda tx: tx.run("UPDATE semantic_entries SET expires_at=?", tx.clock.now())
    )
    assert rig.house.ledger.write(semantic_entries.expire) == 2
    assert not hit(rig.chat(messages=user("What is the tallest mountain of Peru?")))
    assert rig.ask("PUT", "/v1/routing-rules", {"semantic_cache": False}).status == 200
    count = rig.house.read(lambda tx: tx.value("SELECT count(*) FROM semantic_entries"))
    assert count == 0


def test_a_full_scope_keeps_the_newest(rig: Rig) -> None:
    def add(tx: Any, number: int) -> None:
        semantic_entries.add(tx, rig.made.customer, b"s" * 32, b"%d" % number, 10**9, full=True)

    for number in range(20):
        rig.house.ledger.write(add, number)
    found = rig.house.read(semantic_entries.look, rig.made.customer, b"s" * 32)
    assert found == [b"%d" % number for number in range(19, 3, -1)]
    assert rig.house.read(semantic_entries.look, "cus_other", b"s" * 32) == []


def test_routes_rules_and_fallback(rig: Rig) -> None:
    body = {"id": "bad", "kind": "echo", "priority": 1, "options": {"fail": "500"}}
    assert rig.ask("POST", "/admin/v1/providers", body, key=rig.operator).status == 200
    models = {"models": ["gpt-4o-mini", "nex-pro"]}
    assert rig.ask("PUT", "/admin/v1/routes/fast", models, key=rig.operator).status == 200
    got = rig.chat(model="fast", messages=user("Over the hills"))
    assert got.body["model"] == "gpt-4o-mini"
    rules = {"rules": [{"name": "all", "use": ["nex-pro"]}]}
    assert rig.ask("PUT", "/v1/routing-rules", rules).status == 200
    assert rig.chat(model="gpt-4o", messages=user("and far away")).body["model"] == "nex-pro"
    rig.settled()
    proof = verify.verify(rig.house.ledger)
    assert proof.clean, proof.violations
    rig.again()
    assert rig.ask("GET", "/v1/routing-rules").body["rules"][0]["name"] == "all"


def test_own_keys_and_plan_budgets(place: str | None, tmp_path: Path) -> None:
    kit = Rig(tmp_path / "n", place=place, book="nexu", plan=None)
    try:
        body = {"provider": "echo", "key": "sk-one-two-three-four"}
        assert kit.ask("PUT", "/v1/provider-keys", body).status == 200
        assert kit.ask("PUT", "/v1/provider-keys", {**body, "key": "sk-other"}).status == 200
        got = kit.chat(model="gpt-5.4-mini")
        assert got.body["nex"]["charge"] == "0"
        assert len(kit.ask("GET", "/v1/provider-keys").body["data"]) == 1
    finally:
        kit.close()
