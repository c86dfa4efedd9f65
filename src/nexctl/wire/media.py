"""Images and videos: what is asked for, and what is answered beside the charge.

Source of the shapes: https://platform.openai.com/docs/api-reference/images and /videos
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from nexctl.wire.base import Answer, Labels, Request, RequestId
from nexctl.wire.chat import Model, Nex, User

Prompt = Annotated[str, Meta(min_length=1, max_length=32_000)]
Size = Annotated[str, Meta(pattern=r"^([0-9]{2,5}x[0-9]{2,5}|auto)\Z")]


class ImageRequest(Request, kw_only=True):
    """Images from a text; with `request_id` it is served and billed at most once."""

    model: Model
    prompt: Prompt
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Size | None = None
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: User | None = None
    metadata: Labels | None = None
    request_id: RequestId | None = None


class Image(Answer, omit_defaults=True):
    """One image."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class Quantities(Answer, omit_defaults=True):
    """The metered quantities that were charged."""

    requests: int = 0
    input_tokens: int = 0
    images: int = 0
    videos: int = 0
    seconds: int = 0
    gpu_seconds: int = 0


class Images(Answer):
    """The images of one request."""

    created: int
    data: list[Image]
    model: str | None = None
    quantities: Quantities | None = None
    nex: Nex | None = None


class VideoRequest(Request, kw_only=True):
    """A video from a text. `max_gpu_seconds` bounds what is held and charged of that meter."""

    model: Model
    prompt: Prompt
    seconds: (
        Annotated[int, Meta(ge=1, le=600)]
        | Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,2}\Z")]
        | None
    ) = None
    size: Size | None = None
    max_gpu_seconds: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    user: User | None = None
    metadata: Labels | None = None
    request_id: RequestId | None = None


class Video(Answer):
    """A finished video."""

    id: str
    object: str
    created_at: int
    completed_at: int | None
    status: str
    model: str
    seconds: str
    size: str | None = None
    progress: int = 100
    prompt: str | None = None
    b64: str | None = None
    url: str | None = None
    quantities: Quantities | None = None
    nex: Nex | None = None
