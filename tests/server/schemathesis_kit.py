"""Calls made from the OpenAPI file at random, and what every answer has to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from served_kit import Served

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
SCHEMA = schemathesis.openapi.from_dict(json.loads(FILE.read_text()))


def check(kit: Served, case: Any) -> None:
    """Make one call: no 5xx, every error in the envelope, every answer in its shape."""
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
