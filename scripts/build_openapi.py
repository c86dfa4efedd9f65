#!/usr/bin/env python3
"""Write docs/reference/openapi.json and gateway-api.md from the route table and its types.

Usage: build_openapi.py [--check]   `--check` writes nothing and fails where a file would change.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import generated
import msgspec

from nexctl.server.ledger.event_kinds import KINDS
from nexctl.wire.envelope import Envelope
from nexctl.wire.refusals import REFUSALS
from nexctl.wire.routes import CALLERS, NOBODY, ROUTES, Route, refusals_of, type_named

ROOT = Path(__file__).resolve().parent.parent
REFERENCE_FOLDER = ROOT / "docs" / "reference"
REFERENCE = "#/components/schemas/{name}"
PATH_VALUES = {"request_id": "^[A-Za-z0-9._:-]{1,128}$"}
ANY_ID = "^[A-Za-z0-9._:@-]{1,128}$"
ABOUT = """\
The contract that nexctl's embedded gateway speaks and that its `nexctl` driver expects.

Money is a decimal string beside its currency; times are RFC 3339 UTC; what is not known is null.
Lists answer `{"data": [...], "next_cursor": null}`. Every error has the shape of `Envelope`.
Clients ignore fields that they do not know; the gateway refuses them.\
"""


def types() -> dict[str, Any]:
    """Every body type that the table names, by that name."""
    named = {
        name
        for route in ROUTES
        for name in (route.request, route.form, route.query, route.response, route.streaming)
        if name is not None
    }
    return {name: type_named(name) for name in sorted(named)}


def operation(route: Route, schemas: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """One route as an OpenAPI operation object."""
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.name.partition(".")[0]],
        "x-callers": [caller for caller in CALLERS if caller in route.callers],
        "x-body-limit": route.body_limit,
        "security": [] if NOBODY in route.callers else [{"key": []}],
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": PATH_VALUES.get(name, ANY_ID)},
        }
        for name in route.parameters
    ]
    if route.query is not None:
        parameters += query(components[schemas[route.query]["$ref"].rpartition("/")[2]])
    if route.idempotent:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if parameters:
        found["parameters"] = parameters
    if route.request is not None:
        found["requestBody"] = {
            "required": not route.optional_body,
            "content": {"application/json": {"schema": schemas[route.request]}},
        }
    if route.form is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": schemas[route.form]}},
        }
    found["responses"] = responses(route, schemas)
    return found


def query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a query's type as parameters; null stands for absence and is no value."""
    required = schema.get("required", [])
    found = []
    for name, inner in schema["properties"].items():
        kept = {key: value for key, value in inner.items() if key not in ("anyOf", "default")}
        options = [option for option in inner.get("anyOf", []) if option != {"type": "null"}]
        if len(options) == 1:
            kept.update(options[0])
        elif options:
            kept["anyOf"] = options
        if "enum" in kept:
            kept["enum"] = [value for value in kept["enum"] if value is not None]
        if inner.get("default") is not None:
            kept["default"] = inner["default"]
        found.append({"name": name, "in": "query", "required": name in required, "schema": kept})
    return found


def responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    """The answer of a route, and its refusals gathered by status."""
    content: dict[str, Any] = {route.media: {"schema": {"type": "string"}}}
    if route.response is not None:
        content = {route.media: {"schema": schemas[route.response]}}
    if route.streaming is not None:
        event = {
            "type": "string",
            "description": "one `data: ` line a chunk, the last one `data: [DONE]`",
            "contentMediaType": "application/json",
            "contentSchema": schemas[route.streaming],
        }
        if route.streaming.endswith(".Event"):
            # Events with names: each is its name and its data.
            event["description"] = "the event's fields"
            named = {"event": {"type": "string"}, "data": event}
            event = {"type": "object", "properties": named}
        content["text/event-stream"] = {"schema": event}
    found: dict[str, Any] = {
        str(route.status): {
            "description": route.summary,
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
            "content": content,
        }
    }
    by_status: dict[int, list[str]] = {}
    for refusal in refusals_of(route):
        by_status.setdefault(refusal.status, []).append(refusal.code)
    for status, codes in by_status.items():
        shape = SHAPES.get(status, "Refused")
        found[str(status)] = {
            "$ref": f"#/components/responses/{shape}",
            "description": " or ".join(f"`{code}`" for code in codes),
        }
    return dict(sorted(found.items()))


SHAPES = {401: "KeyRefused", 429: "RefusedForNow", 503: "RefusedForNow"}


def refusal_shapes() -> dict[str, Any]:
    """What refusals look like: the envelope, and headers by status."""
    headers: dict[str, Any] = {
        "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
        "X-Gateway-Error-Category": {"$ref": "#/components/headers/ErrorCategory"},
    }
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(name="Envelope")}}}
    retry = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    challenge = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return {
        "Refused": {"description": "Refused", "headers": headers, "content": content},
        "RefusedForNow": {
            "description": "Refused for now",
            "headers": headers | retry,
            "content": content,
        },
        "KeyRefused": {
            "description": "The key is refused",
            "headers": headers | challenge,
            "content": content,
        },
    }


def document() -> dict[str, Any]:
    """The whole file as plain values."""
    named = types()
    everything = [*named.values(), Envelope]
    made, components = msgspec.json.schema_components(everything, ref_template=REFERENCE)
    schemas = dict(zip(named, made, strict=False))
    components["Problem"]["properties"]["code"]["examples"] = ["invalid_request"]
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.template, {})[route.method.lower()] = operation(
            route, schemas, components
        )
    queries = {route.query.rpartition(".")[2] for route in ROUTES if route.query}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nexctl gateway",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:8787"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "nxt_..."}
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "The same key with the same body answers as the first time.",
                    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                }
            },
            "responses": refusal_shapes(),
            "headers": {
                "RequestId": {
                    "description": "For tracing only.",
                    "schema": {"type": "string"},
                },
                "ErrorCategory": {
                    "schema": {"enum": ["platform", "upstream", "quota", "user"]},
                },
                "RetryAfter": {
                    "description": "Seconds.",
                    "schema": {"type": "integer", "minimum": 0},
                },
            },
            "schemas": {
                name: tidied(schema) for name, schema in components.items() if name not in queries
            },
        },
        "x-refusals": {
            code: {"status": refusal.status, "type": refusal.type, "exit": refusal.exit}
            for code, refusal in REFUSALS.items()
        },
    }


def tidied(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose description is one flowing text, as Markdown readers show it."""
    if "description" in schema:
        schema["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", schema["description"])
    return schema


def text() -> str:
    """The file's content."""
    # Python's spelling of the end of a text; ECMA's `$` means nothing else.
    found = json.dumps(document(), indent=1, ensure_ascii=False).replace(r'\\Z"', '$"')
    return found + "\n"


PAGE = """\
# The gateway's API

Every route of the embedded gateway, made from its route table. The same table makes
[openapi.json](openapi.json), which has the bodies field by field.

Calls carry `Authorization: Bearer KEY`. Lists take `limit` and `cursor` and answer
`{"data": [...], "next_cursor": null}`. Writes marked *once* take `Idempotency-Key`: the same key
with the same body answers as the first time. Money is a decimal string beside its currency, times
are RFC 3339 UTC.

*Who*: sub = sub-key, key, mgmt = management key; owner, billing, support, read-only = operator keys
with that role; nobody = no key is asked for.
"""
SHORT = {
    "nobody": "nobody",
    "sub_key": "sub",
    "key": "key",
    "management_key": "mgmt",
    "operator:owner": "owner",
    "operator:billing": "billing",
    "operator:support": "support",
    "operator:read_only": "read-only",
}
NOUNS = {
    "models": "Inference",
    "files": "Files and batches",
    "me": "Account",
    "wallet": "Wallet",
    "prices": "Prices and usage",
    "customers": "Operator",
    "health.live": "Without a key",
}


def page() -> str:
    """The reference page in Markdown."""
    lines = [PAGE]
    for route in ROUTES:
        title = NOUNS.get(route.name) or NOUNS.get(route.name.partition(".")[0])
        if title is not None and f"## {title}" not in lines:
            lines += ["", f"## {title}", "", "| route | does | who |", "|---|---|---|"]
        who = ", ".join(SHORT[caller] for caller in CALLERS if caller in route.callers)
        once = " *once*" if route.idempotent else ""
        lines.append(f"| `{route.method} {route.template}` | {route.summary}{once} | {who} |")
    lines += [
        "",
        "## Events",
        "",
        "What endpoints of webhooks are told, signed as Standard Webhooks says: `{type, timestamp,",
        "customer_id, data}`. An event is written in the transaction of what it tells, is sent at",
        "least once, and keeps its `webhook-id` at every try. An endpoint asks for `*`, a family",
        "such as `order.*`, or single kinds.",
        "",
        "| type | tells |",
        "|---|---|",
        *(f"| `{kind}` | {words} |" for kind, words in KINDS.items()),
        "",
        "## Refusals",
        "",
        "Every error is an object `error` with type, code, message, param, request_id, details.",
        "A price book may restate a status and code for its own gateway; `details.contract_code`",
        "then has the one of this table. *Exit* is the command line's exit code; *retried* says",
        "that the client tries again by itself where that is safe. `details.ways` of an",
        "`insufficient_balance` is there where credits are not only bought: `topup`, `claim`.",
        "",
        "| code | status | type | exit | retried | says |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{refusal.code}` | {refusal.status} | {refusal.type} | {refusal.exit} | "
        f"{'yes' if refusal.retry else ''} | {refusal.message} |"
        for refusal in REFUSALS.values()
    ]
    return "\n".join(lines) + "\n"


def outputs() -> dict[Path, str]:
    """Every file with its content."""
    return {
        REFERENCE_FOLDER / "openapi.json": text(),
        REFERENCE_FOLDER / "gateway-api.md": page(),
    }


if __name__ == "__main__":
    sys.exit(generated.main(outputs, sys.argv[1:], __file__, __doc__))
