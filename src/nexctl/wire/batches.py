"""Batches: OpenAI's form (an uploaded file) and NexToken's (`{"items": [...]}`), one answer.

Sources: https://platform.openai.com/docs/api-reference/batch and NexToken's recipe of batch
classification. Lines of both forms are those of `wire.lines`. Times are seconds since 1970, as
OpenAI's clients expect them here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from nexctl.wire.base import Answer, Cursor, Id, Labels, Money, Request
from nexctl.wire.files import ExpiresAfter, Many
from nexctl.wire.lines import BatchLine

MOST_LINES = 50_000
# A batch that has not ended after this long ends as it is.
WINDOW = "24h"
LIVE = ("validating", "in_progress", "finalizing", "cancelling")
ENDED = ("failed", "completed", "expired", "cancelled")
LONGEST_WAIT = 60


class BatchCreate(Request):
    """A new batch: `input_file_id` with `endpoint`, or `items` (then `endpoint` is theirs)."""

    input_file_id: Id | None = None
    endpoint: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    completion_window: Literal["24h"] = "24h"
    metadata: Labels | None = None
    output_expires_after: ExpiresAfter | None = None
    items: list[BatchLine] | None = None


class BatchQuery(Request):
    """The query of a list, newest first; `after` is OpenAI's name of `cursor`."""

    limit: Many = 20
    cursor: Cursor | None = None
    after: Id | None = None


class BatchWait(Request):
    """How many seconds the gateway may take until it answers, if the batch does not end before.

    An embedded gateway in this process works on the batch meanwhile (default there: 1).
    """

    wait: Annotated[int, Meta(ge=0, le=LONGEST_WAIT)] | None = None


class BatchError(Answer):
    """One thing that is wrong with the input, with its line."""

    code: str | None = None
    line: int | None = None
    message: str | None = None
    param: str | None = None


class BatchErrors(Answer):
    """What is wrong with the input of a failed batch; a long list is cut."""

    data: list[BatchError]
    object: str = "list"


class RequestCounts(Answer):
    """Lines by what became of them: each that has ended is completed or failed."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class InputDetails(Answer):
    """A part of the input."""

    cached_tokens: int = 0


class OutputDetails(Answer):
    """A part of the output."""

    reasoning_tokens: int = 0


class BatchUsage(Answer):
    """Tokens of the lines that were answered."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails
    output_tokens_details: OutputDetails


class BatchNex(Answer):
    """What the gateway says beside a batch.

    `quote` was held when the batch was made, `held` is what is held of it now, `charge` the sum of
    the lines' charges so far. `multiplier` is the batch factor of the output's price.
    """

    quote: Money | None = None
    held: Money | None = None
    charge: Money | None = None
    currency: str | None = None
    price_book: str | None = None
    multiplier: str | None = None
    key_id: str | None = None


class Batch(Answer):
    """One batch. `output_file_id` and `error_file_id` are null where no line went there."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: str
    created_at: int
    object: str = "batch"
    model: str | None = None
    errors: BatchErrors | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts | None = None
    usage: BatchUsage | None = None
    metadata: dict[str, str] | None = None
    nex: BatchNex | None = None


class BatchPage(Answer):
    """One page of batches, in OpenAI's and in the contract's spelling at once."""

    data: list[Batch]
    object: str = "list"
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    next_cursor: str | None = None
