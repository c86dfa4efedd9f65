"""The lines of batch files: a request wrapped with its id, and what became of it.

OpenAI's format, which NexToken's `{"items": [...]}`, LiteLLM and vLLM share. Client and server read
and write lines through these types alone.
Source: https://platform.openai.com/docs/guides/batch (input file, output file, error file).
"""

from __future__ import annotations

from typing import Any

from nexctl.wire.base import Answer, Request

METHOD = "POST"
CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"

# The endpoints that lines may go to, each with the route that would take such a request alone.
SERVED = {CHAT: "chat.create", EMBEDDINGS: "embeddings.create"}

# What the error of one line may say where its request was never answered.
BATCH_EXPIRED = "batch_expired"
BATCH_CANCELLED = "batch_cancelled"


class BatchLine(Request, omit_defaults=False):
    """One line of an input file: a request, where it goes, and the id that comes back with it."""

    custom_id: str
    url: str
    body: dict[str, Any]
    method: str = METHOD


class LineResponse(Answer):
    """The answer to one request: its HTTP status and its body as it would have come alone."""

    status_code: int
    request_id: str | None = None
    body: Any = None


class LineError(Answer):
    """Why a request has no answer, such as `batch_expired`."""

    code: str | None = None
    message: str | None = None


class ResultLine(Answer):
    """One line of an output or error file, in no promised order.

    `response` with a status below 400 is a success. In an error file `response` holds the refusal,
    or is null beside `error`.
    """

    custom_id: str
    id: str | None = None
    response: LineResponse | None = None
    error: LineError | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the request was answered."""
        return (
            self.error is None
            and self.response is not None
            and 200 <= self.response.status_code < 400
        )
