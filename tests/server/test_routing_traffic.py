"""Mixed traffic at random: what was told, debited and kept agrees to the last unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_kit import Rig

from nexctl.cli.gateway_ledger import repricer
from nexctl.server.ledger import verify

MODELS = {
    "nextoken": ("nex-auto", "nex-smart", "gpt-4o-mini", "mix"),
    "nexrelay": ("auto", "gpt-5.5", "gpt-5.2", "mix"),
    "deeptoken": ("gpt-4.1-mini", "claude-sonnet-4-5", "mix"),
    "nexu": ("gemini-3-flash-preview", "gpt-5.4-mini", "deepseek-v3.2", "mix"),
}
MIX = {
    "nextoken": ["gpt-4o", "nex-pro"],
    "nexrelay": ["gpt-5.4", "gpt-5.3"],
    "deeptoken": ["claude-sonnet-4", "gpt-4.1-mini"],
    "nexu": ["gpt-5.4-mini", "kimi-k2.5"],
}
TOLD = (
    {},
    {"echo.usage": "omit"},
    {"echo.usage": "cached=3"},
    {"echo.usage": "input=9,output=2,reasoning=1"},
    {"echo.fail": "500"},
    {"echo.break": "1"},
)
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


@pytest.fixture(scope="module", params=list(MODELS))
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Rig]]:
    book = request.param
    plan = "business" if book == "nextoken" else None
    rig = Rig(Path(tmp_path_factory.mktemp("traffic")), book=book, plan=plan, semantic_cache=True)
    rig.house.ledger.adjust(rig.made.customer, 10**16, note="test", by="test")
    body = {"models": MIX[book]}
    assert rig.ask("PUT", "/admin/v1/routes/mix", body, key=rig.operator).status == 200
    bad = {"id": "bad", "kind": "echo", "priority": 1, "options": {"fail": "500"}}
    bad["models"] = {rig.house.book.find(MIX[book][0]).id: "x"}
    assert rig.ask("POST", "/admin/v1/providers", bad, key=rig.operator).status == 200
    yield book, rig
    rig.close()


call = st.tuples(
    st.integers(0, 3),
    st.sampled_from(PATHS),
    st.sampled_from(TOLD),
    st.booleans(),
    st.sampled_from(("the moon", "The Moon!", "two and 2", "three words more")),
)


def body_of(path: str, model: str, told: dict[str, str], stream: bool, text: str) -> Any:
    body: dict[str, Any] = {"model": model, "stream": stream}
    if path == PATHS[1]:
        return {**body, "input": text, "max_output_tokens": 20, "metadata": told}
    message = {"role": "user", "content": text}
    body |= {"messages": [message], "max_tokens": 20}
    return body if path == PATHS[2] else {**body, "metadata": told}


@given(st.lists(call, min_size=1, max_size=8))
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_told_debited_and_kept_agree(shop: tuple[str, Rig], calls: list[Any]) -> None:
    book, rig = shop
    before = Decimal(rig.wallet()["balance"])
    after_sequence = max((row["sequence"] for row in rig.usage()), default=0)
    told = Decimal(0)
    for number, path, hints, stream, text in calls:
        model = MODELS[book][number % len(MODELS[book])]
        got = rig.raw(
            "POST",
            path,
            json.dumps(body_of(path, model, hints, stream, text)).encode(),
            key=rig.management,
        )
        assert got.status in (200, 429, 502), got
        if got.status == 200 and not stream:
            told += Decimal(got.body["nex"]["charge"])
    rig.settled()
    rows = [row for row in rig.usage() if row["sequence"] > after_sequence]
    spent = sum((Decimal(row["charge"]) for row in rows), Decimal(0))
    assert before - Decimal(rig.wallet()["balance"]) == spent
    if not any(stream for _, _, _, stream, _ in calls):
        assert told == spent
    proof = verify.verify(rig.house.ledger, reprice=repricer(rig.house.ledger))
    assert proof.clean, proof.violations
