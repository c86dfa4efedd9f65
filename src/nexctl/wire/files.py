"""Files in OpenAI's shape: what batches are made from and what comes of them.

Source of the shapes: https://platform.openai.com/docs/api-reference/files. Times are seconds since
1970, as OpenAI's clients expect them here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from nexctl.wire.base import Answer, Cursor, Id, Request

# OpenAI's bounds of how long a file may be kept.
SHORTEST_SECONDS, LONGEST_SECONDS = 3600, 30 * 86_400
PURPOSE, OUTPUT_PURPOSE = "batch", "batch_output"

Many = Annotated[int, Meta(ge=1, le=10_000)]
# A file in a form: bytes that are streamed, never one text.
Binary = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class ExpiresAfter(Request):
    """When a file goes: so many seconds after it was made."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)]


class FileUpload(Request):
    """The form of an upload. `expires_after` may also be spelled `expires_after[seconds]`."""

    file: Binary
    purpose: Literal["batch"]


class FileQuery(Request):
    """The query of a list; `after` is OpenAI's name of `cursor`: the id of the last one seen."""

    limit: Many = 100
    cursor: Cursor | None = None
    after: Id | None = None
    order: Literal["asc", "desc"] = "desc"
    purpose: Literal["batch", "batch_output"] | None = None


class File(Answer):
    """One file. `purpose` is batch or batch_output; `sha256` is of what was uploaded."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    object: str = "file"
    status: str = "processed"
    expires_at: int | None = None
    status_details: str | None = None
    sha256: str | None = None


class FilePage(Answer):
    """One page of files, in OpenAI's and in the contract's spelling at once."""

    data: list[File]
    object: str = "list"
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    next_cursor: str | None = None


class FileDeleted(Answer):
    """A file that is gone."""

    id: str
    object: str = "file"
    deleted: bool = True
