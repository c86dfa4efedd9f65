"""Embeddings in OpenAI's shape. Source: https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from nexctl.wire.base import Answer, Labels, Request, RequestId
from nexctl.wire.chat import Model, Nex, User

TokenIds = Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(min_length=1)]
# A list holds texts or lists of token ids, never both; msgspec has one list type in a union, so
# the handler checks that.
Inputs = Annotated[list[str | int | TokenIds], Meta(min_length=1, max_length=8192)]


class EmbeddingsRequest(Request):
    """One text, several texts, one list of token ids, or several."""

    model: Model
    input: Annotated[str, Meta(min_length=1)] | Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    user: User | None = None
    metadata: Labels | None = None
    request_id: RequestId | None = None


class Embedding(Answer):
    """One vector: numbers, or base64 of little-endian 32-bit floats."""

    index: int
    embedding: list[float] | str  # not money: a vector
    object: str = "embedding"


class EmbeddingUsage(Answer):
    """Only input is counted."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Answer):
    """Vectors in the order of the input."""

    model: str
    data: list[Embedding]
    usage: EmbeddingUsage
    object: str = "list"
    nex: Nex | None = None
