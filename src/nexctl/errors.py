"""One root for every error that a person may meet, and the exit code that each one ends with.

Source of the codes: the exit table of the command reference (`nexctl help exit-codes`).
"""

from __future__ import annotations

from typing import Any

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_AUTH = 4
EXIT_MONEY = 5
EXIT_RATE = 6
EXIT_NETWORK = 7
EXIT_PENDING = 8
EXIT_CHECK = 9
EXIT_CONFIRM = 10
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141

DISK_FULL = "disk_full"  # `details.kind` of an error, also where a gateway tells of it


class NexctlError(Exception):
    """What happened (message), what to do next (hint), a stable code for scripts, an exit code.

    `details` are extra fields for machine-readable output; they must be JSON-safe and free of
    secrets.
    """

    code = "failure"
    exit = EXIT_FAILURE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        exit: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}
        if code is not None:
            self.code = code
        if exit is not None:
            self.exit = exit


class UsageError(NexctlError):
    """A bad option, value, file or model name: something the caller typed or passed (exit 2)."""

    code = "usage"
    exit = EXIT_USAGE


class UnpricedError(UsageError):
    """A quantity for which no number is known. Unknown is never zero (exit 2)."""

    code = "unpriced"


class CheckFailed(NexctlError):
    """A check that the caller asked for said no (exit 9)."""

    code = "check_failed"
    exit = EXIT_CHECK


class ConfirmationNeeded(NexctlError):
    """A confirmation is needed and nobody is there to give it (exit 10)."""

    code = "confirmation_needed"
    exit = EXIT_CONFIRM


class ConfigError(NexctlError):
    """The configuration file, a profile or a user's price book is wrong (exit 78)."""

    code = "config"
    exit = EXIT_CONFIG


class MissingExtra(NexctlError):
    """An optional package is needed; the hint is the one line that installs it (exit 1)."""

    code = "missing_extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the optional extra '{extra}'",
            hint=f"pip install 'nexctl[{extra}]'",
        )
