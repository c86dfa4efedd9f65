"""What a request would count and cost, without sending it anywhere."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from nexctl.wire.base import Answer, Money
from nexctl.wire.chat import Prompt


class TokenizeRequest(Prompt, kw_only=True):
    """The payload of a chat completion."""


class EstimateRequest(Prompt, kw_only=True):
    """The payload of a chat completion; `expected_output_tokens` gives the middle of the range."""

    expected_output_tokens: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None


class CountFacts(Answer):
    """How a count was made; `error` bounds the true count where it is not exact."""

    exact: bool
    method: str
    tokenizer: str | None = None
    error: dict[str, Any] | None = None


class Tokenized(Answer):
    """Input tokens with the framing of messages and tools."""

    model: str
    input_tokens: int
    count: CountFacts
    notes: list[str] = field(default_factory=list)


class TokenRange(Answer):
    """Null where a bound is not known."""

    low: int | None
    expected: int | None
    high: int | None


class ChargeRange(Answer):
    """Null where a bound is not known; never 0 for unknown."""

    low: Money | None
    expected: Money | None
    high: Money | None


class Estimate(Answer):
    """A row of `nexctl estimate`: the quote from which the hold of a real request is taken."""

    gateway: str
    model: str
    price_book: str
    currency: str
    requests: int
    input_tokens: int
    cached_input_tokens: int | None
    count: CountFacts
    output_tokens: TokenRange
    charge: ChargeRange
    cached_charge: ChargeRange | None = None
    batch_charge: ChargeRange | None = None
    notes: list[str] = field(default_factory=list)
