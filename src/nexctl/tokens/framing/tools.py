"""Tokens that tool definitions and answer schemas add to a request; always an estimate with a band.

`parts` is the formula of OpenAI's cookbook ("How to count tokens with tiktoken", tool calls),
carried on into nested objects; `json` counts the definitions as compact JSON under a constant
prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nexctl.tokens.families_data import TOOLS
from nexctl.tokens.framing.fields import fault, list_at, object_at, text_at
from nexctl.tokens.framing.images import Span

Count = Callable[[str], int]

# A vendor's built-in tool brings a prompt of its own that nobody publishes.
_BUILT_IN_MOST = 3000


def compact(value: object) -> str:
    """`value` as JSON without spaces, letters as they are."""
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tool_tokens(rule: str, tools: object, forced: bool, path: str, count: Count) -> Span:
    """Tokens of a request's tool definitions; `forced` where an answer must use a tool."""
    row = TOOLS[rule]
    total, high, functions = 0, 0, 0
    for place, tool in enumerate(list_at(tools, path)):
        where = f"{path}[{place}]"
        function = _function(object_at(tool, where), where)
        if function is None:
            high += _BUILT_IN_MOST
            total += count(compact(tool))
            continue
        functions += 1
        if row["kind"] == "parts":
            total += _parts(row, function, where, count)
        else:
            total += int(row["function"]) + count(compact(function))
    if functions and row["kind"] == "parts":
        total += int(row["end"])
    elif functions or high:
        total += int(row["prompt"][forced]) if "prompt" in row else 0
    return Span(
        total,
        total * (100 + int(row["low_percent"])) // 100,
        -(-total * (100 + int(row["high_percent"])) // 100) + high,
    )


def schema_tokens(schema: object, count: Count) -> Span:
    """Tokens of an answer's JSON schema, which the gateway writes into the prompt."""
    tokens = count(compact(schema)) + 10
    return Span(tokens, tokens * 60 // 100, -(-tokens * 150 // 100))


def _function(tool: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Name, description and schema of a tool in any API's shape; None for a built-in tool."""
    if "function" in tool:
        function = object_at(tool["function"], f"{path}.function")
        path = f"{path}.function"
    elif "name" in tool and tool.get("type", "function") in ("function", "custom"):
        function = tool
    elif isinstance(tool.get("type"), str):
        return None
    else:
        fault(path, "a tool with a name or a type", tool)
    text_at(function.get("name"), f"{path}.name")
    schema = function.get("parameters", function.get("input_schema"))
    if schema is not None:
        object_at(schema, f"{path}.parameters")
    return {
        "name": function["name"],
        "description": _words(function.get("description"), f"{path}.description"),
        "parameters": schema or {},
    }


def _parts(row: Mapping[str, Any], function: Mapping[str, Any], path: str, count: Count) -> int:
    line = f"{function['name']}:{function['description'].removesuffix('.')}"
    schema = function["parameters"]
    return int(row["function"]) + count(line) + _properties(row, schema, path, count)


def _properties(row: Mapping[str, Any], schema: Mapping[str, Any], path: str, count: Count) -> int:
    properties = schema.get("properties")
    if not properties:
        return 0
    path = f"{path}.properties"
    total = int(row["properties"])
    for name, value in object_at(properties, path).items():
        where = f"{path}.{name}"
        prop = object_at(value, where)
        total += int(row["property"])
        if "enum" in prop:
            total += int(row["enum"])
            for item in list_at(prop["enum"], f"{where}.enum"):
                total += int(row["enum_item"])
                total += count(item if isinstance(item, str) else compact(item))
        kind = prop.get("type", "")
        kind = kind if isinstance(kind, str) else compact(kind)
        words = _words(prop.get("description"), f"{where}.description").removesuffix(".")
        total += count(f"{name}:{kind}:{words}")
        total += _properties(row, prop, where, count)
        if isinstance(prop.get("items"), Mapping):
            total += _properties(row, prop["items"], f"{where}.items", count)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in prop:
                total += count(compact(prop[key]))
    for key in ("$defs", "definitions"):
        if key in schema:
            total += count(compact(schema[key]))
    return total


def _words(value: object, path: str) -> str:
    return "" if value is None else text_at(value, path)
