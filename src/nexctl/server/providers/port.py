"""What the gateway asks of a provider, and the four ways in which one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from nexctl.wire.chat import Chunk, Completion
    from nexctl.wire.embeddings import Embeddings
    from nexctl.wire.media import Image


class Work(Struct, frozen=True):
    """One request for a provider.

    `body` is rebuilt from the parsed request, its `model` already the provider's own name and its
    maximum output set. `input_tokens` is our count, `count` counts text as this model does, `cut`
    shortens text to a number of its tokens. `hints` are the request's metadata, for echo alone.
    """

    body: Mapping[str, Any]
    model: str
    request_id: str
    input_tokens: int
    max_output: int
    answers: int
    count: Callable[[str], int]
    cut: Callable[[str, int], str]
    created: int
    hints: Mapping[str, str] = {}
    dimensions: int | None = None


class MediaWork(NamedTuple):
    """One request for images or a video. `body` is what goes upstream but for the model."""

    body: Mapping[str, Any]
    request_id: str
    number: int
    seconds: int
    most_gpu_seconds: int
    created: int
    hints: Mapping[str, str] = {}


class MediaDone(NamedTuple):
    """What was made, and the GPU seconds that the provider reports."""

    items: list[Image]
    gpu_seconds: int | None = None


class Fault(Exception):
    """A provider failed. `code` is the contract's; `sent` whether it may have done the work.

    `why` is for the operator's log: a status or a type of error, never the provider's own words.
    """

    def __init__(self, code: str, why: str, *, elsewhere: bool = True) -> None:
        super().__init__(why)
        self.code, self.why = code, why
        self.elsewhere = elsewhere


class Provider(Protocol):
    """A place where requests go. Every method raises Fault before the first usable piece."""

    id: str

    async def complete(self, work: Work) -> Completion:
        """The whole answer of a chat request."""
        ...

    def stream(self, work: Work) -> AsyncIterator[Chunk]:
        """The answer as it comes; the last chunk carries usage where the provider sends it."""
        ...

    async def embed(self, work: Work) -> Embeddings:
        """Vectors."""
        ...

    async def images(self, work: MediaWork) -> MediaDone:
        """Images from a text."""
        ...

    async def video(self, work: MediaWork) -> MediaDone:
        """A video from a text."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
