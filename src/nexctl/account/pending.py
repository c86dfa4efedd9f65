"""Not done yet, and nothing went wrong (exit 8)."""

from __future__ import annotations

from nexctl.errors import EXIT_PENDING, NexctlError


class Pending(NexctlError):
    """It is still going on; the hint says how to ask again."""

    code = "pending"
    exit = EXIT_PENDING
