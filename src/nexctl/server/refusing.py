"""How the gateway says no: one exception, one envelope, the statuses that a book restates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError, UnpricedError, UsageError
from nexctl.wire.refusals import REFUSALS, Refusal

if TYPE_CHECKING:
    from nexctl.pricing.book import Book

_USAGE_CODES = {"unknown_model": "model_not_found", "unknown_plan": "invalid_request"}


class Refuse(Exception):
    """A refusal of the contract's table, by its code. `message` None takes the table's.

    `seconds` is when the same request may succeed. Messages name what happened, never what the
    caller sent.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        seconds: int | None = None,
    ) -> None:
        refusal = REFUSALS[code]
        super().__init__(message or refusal.message)
        self.refusal: Refusal = refusal
        self.message = message or refusal.message
        self.param = param
        self.details = dict(details) if details else None
        self.seconds = seconds


class Words:
    """The statuses and codes of one book's gateway: the table's, where the book restates none."""

    def __init__(self, book: Book | None) -> None:
        self._own: dict[str, tuple[int, str]] = {}
        self._ways: list[str] = []
        if book is None:
            return
        if any(row.get("claim") for row in book.data.get("grants", ())):
            sold = not book.is_credit or book.credit_value is not None
            self._ways = ["topup", "claim"] if sold else ["claim"]
        for code, row in book.data.get("refusals", {}).items():
            if code in REFUSALS and isinstance(row, Mapping):
                status = row.get("status", REFUSALS[code].status)
                self._own[code] = (int(status), str(row.get("code", code)))

    def of(self, code: str) -> tuple[int, str]:
        """(status, code) as this gateway spells them."""
        own = self._own.get(code)
        return own if own is not None else (REFUSALS[code].status, code)

    def envelope(
        self, refuse: Refuse, request_id: str
    ) -> tuple[int, list[tuple[bytes, bytes]], dict[str, Any]]:
        """Status, headers and body of a refusal."""
        refusal = refuse.refusal
        status, code = self.of(refusal.code)
        headers = [(b"x-gateway-error-category", refusal.type.encode())]
        if refuse.seconds is not None:
            headers.append((b"retry-after", str(max(1, refuse.seconds)).encode()))
        told = refuse.details or {}
        if told.get("kind") == "rpm":
            headers += rate_headers(told["limit"], 0, refuse.seconds or 0)
        if "allowed" in told:
            headers.append((b"allow", ", ".join(told["allowed"]).encode()))
        problem: dict[str, Any] = {
            "type": refusal.type,
            "code": code,
            "message": refuse.message[:500],
            "param": refuse.param[:200] if refuse.param else None,
            "request_id": request_id,
        }
        details = refuse.details
        if self._ways and refusal.code == "insufficient_balance":
            # How credits come into a wallet here, where buying them is not the only way.
            details = {**(details or {}), "ways": self._ways}
        if code != refusal.code:
            # Another system's spelling: what it means in the contract stands beside it.
            details = {**(details or {}), "contract_code": refusal.code}
        if details:
            problem["details"] = details
        return status, headers, {"error": problem}


def rate_headers(most: int, remaining: int, seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """X-RateLimit-* of the limit on starts that binds, `seconds` until it is free again."""
    return (
        (b"x-ratelimit-limit-requests", str(most).encode()),
        (b"x-ratelimit-remaining-requests", str(remaining).encode()),
        (b"x-ratelimit-reset-requests", f"{max(1, seconds)}s".encode()),
    )


def of_error(error: NexctlError) -> Refuse:
    """What an error of a lower room means to a caller; unknown ones are the gateway's own fault."""
    code = error.code
    if code in REFUSALS:
        return Refuse(code, error.message, details=error.details)
    if isinstance(error, UnpricedError):
        return Refuse("unpriced", error.message)
    if isinstance(error, UsageError):
        return Refuse(_USAGE_CODES.get(code, "invalid_request"), error.message)
    return Refuse("internal_error")
