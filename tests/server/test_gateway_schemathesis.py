"""Calls made from the OpenAPI file at random: no 5xx, every error in the envelope, no hold left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from served_kit import Served

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
schema = schemathesis.openapi.from_dict(json.loads(FILE.read_text()))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    kit = Served(tmp_path_factory.mktemp("fuzz"))
    kit.fill()
    yield kit
    kit.close()


def check(kit: Served, case: Any) -> None:
    key = kit.operator if case.path.startswith("/admin/") else kit.key
    got = case.call(base_url=kit.url, headers={"authorization": f"Bearer {key}"}, timeout=30)
    if got.status_code >= 400:
        error = got.json()["error"]
        assert error["type"] in ("platform", "upstream", "quota", "user")
        assert error["code"]
        assert error["message"]
        assert error["request_id"] == got.headers["x-request-id"][0]
        # Echo fails where its metadata tells it to; nothing else may be a fault of the gateway.
        assert got.status_code < 500 or error["code"].startswith("upstream_"), got.content
    else:
        # Answers have the shape that the file gives them.
        case.operation.validate_response(got)


@schema.parametrize()
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_few_calls_of_each_route(gateway: Served, case: Any) -> None:
    check(gateway, case)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_calls_of_each_route(gateway: Served, case: Any) -> None:
    check(gateway, case)


def test_no_hold_is_left(gateway: Served) -> None:
    gateway.settled()
