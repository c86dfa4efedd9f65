"""What every body shares: the two kinds of Struct, the spellings of values, and the codec.

Requests refuse fields that they do not know; answers ignore them, so that a gateway may add some.
Money is decimal text beside its currency, a time is RFC 3339 UTC text, and what is not known is
null, never 0.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = ["UNSET", "Answer", "Request", "UnsetType", "decode", "encode"]

_AMOUNT = r"[0-9]{1,12}(\.[0-9]{1,12})?"


def _text(pattern: str, **more: Any) -> Meta:
    # Python's `$` also matches before a last line feed. The OpenAPI file spells \Z as `$`.
    return Meta(pattern=rf"^{pattern}\Z", extra_json_schema=more or None)


# In requests these are checked when a body is read; in answers they are only described.
Amount = Annotated[str, _text(_AMOUNT, examples=["50", "0.25"])]
Money = Annotated[str, Meta(extra_json_schema={"pattern": f"^-?{_AMOUNT}$"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Instant = Annotated[
    str,
    _text(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z",
        examples=["2026-12-01T00:00:00Z"],
    ),
]
Day = Annotated[str, _text("[0-9]{4}-[0-9]{2}-[0-9]{2}", examples=["2026-12-31"])]
Percent = Annotated[str, _text(r"[0-9]{1,3}(\.[0-9]{1,6})?", examples=["8", "2.5"])]
Currency = Annotated[str, _text("[A-Z]{3,8}", examples=["USD"])]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Note = Annotated[str, Meta(max_length=500)]
Id = Annotated[str, _text("[A-Za-z0-9._:@/-]{1,128}")]
RequestId = Annotated[str, _text("[A-Za-z0-9._:-]{1,128}", examples=["order-17:line-3"])]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Labels = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=64)],
        Annotated[str, Meta(max_length=512)],
    ],
    Meta(max_length=16),
]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Cursor = Annotated[str, Meta(min_length=1, max_length=512)]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A body or a query that a client sends. Fields at their default are left out."""


class Answer(msgspec.Struct, kw_only=True):
    """A body that a gateway answers. Unknown fields are ignored."""


class PageQuery(Request):
    """The query of every list: how many (at most), and after which cursor."""

    limit: Limit = 100
    cursor: Cursor | None = None


AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


@cache
def decoder(body: type[AnyStruct]) -> msgspec.json.Decoder[AnyStruct]:
    """The compiled reader of one type; made when first asked for."""
    return msgspec.json.Decoder(body)


@lru_cache(maxsize=1)
def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder()


def decode(body: type[AnyStruct], raw: bytes | bytearray | memoryview) -> AnyStruct:
    """Read JSON text as `body`.

    Raises msgspec.ValidationError (its text ends in the place: ``... - at `$.budget` ``) for a
    wrong shape, msgspec.DecodeError for what is not JSON, RecursionError for absurd nesting.
    """
    value: AnyStruct = decoder(body).decode(raw)
    return value


def encode(value: Any) -> bytes:
    """A Struct or plain value as compact JSON in UTF-8."""
    return _encoder().encode(value)


def plain(value: msgspec.Struct) -> Any:
    """A Struct as plain mappings and lists, the fields that were not given left out."""
    return msgspec.to_builtins(value)
