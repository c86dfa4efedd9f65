"""The one shape of every error."""

from __future__ import annotations

from typing import Any

from nexctl.wire.base import Answer


class Problem(Answer):
    """What went wrong. `type` is platform, upstream, quota or user.

    `details` by code: `layer`, `id`, `remaining`, `resets_at` (balance, budgets), `limit`,
    `retry_after_seconds` (rates), `plan` (a feature), `usage` (`already_billed`).
    """

    type: str
    code: str
    message: str
    param: str | None = None
    request_id: str | None = None
    details: dict[str, Any] | None = None


class Envelope(Answer):
    """The body of every answer with a status of 400 and more."""

    error: Problem
