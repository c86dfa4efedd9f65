"""Reading JSON strictly: what two readers could understand differently is refused.

A body is decoded once into plain values (which the counter takes), checked for repeated keys, and
only then taken as its type. Whatever is wrong with it is a refusal, never a fault of the gateway.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from nexctl.server.refusing import Refuse
from nexctl.wire import routes
from nexctl.wire.faults import NO_SUCH_FIELD, told


@lru_cache(maxsize=1)
def _strings() -> re.Pattern[bytes]:
    # Outside strings JSON has no quotation mark, so this finds every string, and every key.
    return re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?', re.DOTALL)


_type = lru_cache(maxsize=None)(routes.type_named)


def plain(raw: bytes) -> Any:
    """JSON text in UTF-8 as plain values. Refused: what is not JSON, NaN, repeated keys, absurd
    nesting, numbers that no reader holds.
    """
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise Refuse("invalid_request", "the body is nested too deeply") from None
    except (ValueError, UnicodeError, OverflowError):
        # The library's words quote nothing, but tell little; the place would need the content.
        raise Refuse("invalid_request", "the body is not JSON in UTF-8") from None
    if not keys_are_distinct(raw, value):
        raise Refuse("invalid_request", "a key of the body stands there twice")
    return value


def typed(value: Any, name: str) -> Any:
    """Plain values as the wire type called `name`; refused with the place of the first fault."""
    try:
        return msgspec.convert(value, _type(name))
    except msgspec.ValidationError as error:
        raise _fault(error) from None
    except (ValueError, RecursionError, OverflowError, TypeError):
        raise Refuse("invalid_request") from None


def request(value: Any, route: routes.Route) -> Any:
    """Plain values as a route's body; a field that it does not know may be a parameter's name."""
    try:
        return typed(value, str(route.request))
    except Refuse as refuse:
        own = "unsupported_parameter" in route.refusals and "." not in (refuse.param or ".")
        if own and refuse.message == NO_SUCH_FIELD:
            raise Refuse("unsupported_parameter", param=refuse.param) from None
        raise


def query(fields: dict[str, str], name: str) -> Any:
    """A query's fields as the wire type called `name`."""
    if not all(value.isprintable() for value in fields.values()):
        raise Refuse("invalid_request", "the query holds control characters")
    try:
        return msgspec.convert(fields, _type(name), strict=False)
    except msgspec.ValidationError as error:
        raise _fault(error) from None
    except (ValueError, OverflowError):
        raise Refuse("invalid_request", "the query is not readable") from None


def _fault(error: msgspec.ValidationError) -> Refuse:
    param, words = told(error)
    return Refuse("invalid_request", words, param=param)


def keys_are_distinct(raw: bytes, value: Any) -> bool:
    """Whether no object of a JSON text, decoded as `value`, has a key twice."""
    distinct = distinct_keys(value)
    # Every key brings a colon: where there are no more colons than keys, none stands twice.
    return distinct == raw.count(b":") or distinct == written_keys(raw)


def written_keys(raw: bytes | memoryview) -> int:
    """How many keys a JSON text writes."""
    return sum(map(bool, _strings().findall(raw)))


def distinct_keys(value: Any) -> int:
    """How many keys plain values have."""
    total = 0
    waiting = [value] if type(value) is dict or type(value) is list else []
    while waiting:
        inner = waiting.pop()
        if type(inner) is dict:
            total += len(inner)
        for found in inner.values() if type(inner) is dict else inner:
            if type(found) is dict or type(found) is list:
                waiting.append(found)
    return total
