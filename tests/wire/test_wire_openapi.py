"""The OpenAPI file is the route table, and a validator finds no fault in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexctl.wire.routes import BY_NAME, ROUTES, refusals_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))


def test_the_file_is_what_the_table_makes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "build_openapi.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_reference_page_names_every_route_and_refusal() -> None:
    page = (ROOT / "docs" / "reference" / "gateway-api.md").read_text(encoding="utf-8")
    for route in ROUTES:
        assert f"| `{route.method} {route.template}` |" in page
        for refusal in refusals_of(route):
            assert f"| `{refusal.code}` | {refusal.status} |" in page


def test_it_holds_every_route_and_no_other(document: dict[str, Any]) -> None:
    there = {
        (method.upper(), path): operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert there == {(route.method, route.template): route.name for route in ROUTES}


def test_callers_and_security_are_those_of_the_table(document: dict[str, Any]) -> None:
    for route in ROUTES:
        operation = document["paths"][route.template][route.method.lower()]
        assert set(operation["x-callers"]) == route.callers
        assert operation["security"] == ([] if "nobody" in route.callers else [{"key": []}])


def test_every_refusal_of_a_route_has_its_status_in_the_envelope(document: dict[str, Any]) -> None:
    shapes = document["components"]["responses"]
    for route in ROUTES:
        answers = document["paths"][route.template][route.method.lower()]["responses"]
        for refusal in refusals_of(route):
            answer = answers[str(refusal.status)]
            assert f"`{refusal.code}`" in answer["description"]
            shape = shapes[answer["$ref"].rpartition("/")[2]]
            schema = shape["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Envelope"}
            assert ("Retry-After" in shape["headers"]) == (refusal.status in (429, 503))


def test_every_reference_leads_somewhere_and_nothing_lies_idle(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    used = set(re.findall(r'"#/(components/[^"]+)"', text))
    for path in used:
        node: Any = document
        for part in path.split("/"):
            node = node[part]
    schemas = {f"components/schemas/{name}" for name in document["components"]["schemas"]}
    assert schemas <= used


def test_patterns_are_those_of_json_schema(document: dict[str, Any]) -> None:
    patterns = set(re.findall(r'"pattern": ("[^"]*")', json.dumps(document)))
    assert patterns
    for pattern in patterns:
        assert not re.search(r"\\[AZz]|\(\?", json.loads(pattern))
        re.compile(json.loads(pattern))


def test_a_query_is_spelled_as_it_is_sent(document: dict[str, Any]) -> None:
    operation = document["paths"][BY_NAME["usage.list"].template]["get"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"from", "to", "limit", "cursor", "after_sequence"} <= names


def test_a_validator_of_openapi_3_1_finds_no_fault(document: dict[str, Any]) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="needs openapi-spec-validator")
    validator.validate(document)
