"""What the ledger says instead of doing something: refusals by rule, and faults of the database."""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl import errors

_EXITS = {
    "insufficient_balance": errors.EXIT_MONEY,
    "budget_exceeded": errors.EXIT_MONEY,
    "allowance_exceeded": errors.EXIT_MONEY,
    "wallet_frozen": errors.EXIT_MONEY,
    "rate_limited": errors.EXIT_RATE,
    "request_in_progress": errors.EXIT_PENDING,
    "idempotency_conflict": errors.EXIT_USAGE,
    "invalid_request": errors.EXIT_USAGE,
    "not_found": errors.EXIT_NOT_FOUND,
    "code_not_found": errors.EXIT_NOT_FOUND,
    "approver_is_submitter": errors.EXIT_AUTH,
    "ledger_unavailable": errors.EXIT_NETWORK,
}


class Layer(NamedTuple):
    """One limit on what can be spent now.

    `layer` is wallet, key, parent, customer or a further scope of a budget; `id` names the wallet
    or budget, `name` is the budget's. Amounts are in `unit`: the wallet's units, or whole tokens
    where `unit` is "tokens". `resets_at` is in microseconds, None where it never resets. `hard` is
    False for a budget that only warns; `meters` are what a budget in tokens counts.
    """

    layer: str
    id: str
    name: str
    unit: str
    amount: int
    spent: int
    held: int
    remaining: int
    span: str | None = None
    resets_at: int | None = None
    hard: bool = True
    meters: tuple[str, ...] | None = None


class Refused(errors.NexctlError):
    """A rule said no, and nothing was changed. `code` is the contract's refusal code.

    `layer` is the limit that refused, `retry_at` (microseconds) when the same request could
    succeed, `record` the usage record of a request that was billed already.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        layer: Layer | None = None,
        retry_at: int | None = None,
        record: Any = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            message,
            hint=hint,
            code=code,
            exit=_EXITS.get(code, errors.EXIT_FAILURE),
            details=details,
        )
        self.layer, self.retry_at, self.record = layer, retry_at, record


class Unavailable(errors.NexctlError):
    """The database cannot be written or read now: locked too long, full, failing, gone."""

    code = "ledger_unavailable"
    exit = errors.EXIT_NETWORK


class Full(Unavailable):
    """The disk below the database is full: nothing helps but room, so a command ends otherwise."""

    exit = errors.EXIT_FAILURE

    def __init__(self) -> None:
        super().__init__(
            "the disk is full: the ledger cannot be written",
            hint="free some space",
            details={"kind": errors.DISK_FULL},
        )


class Busy(Unavailable):
    """Another process has kept the database locked for too long."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger is locked by another process",
            hint="try again; see what else uses this database",
        )


class Locked(Busy):
    """Another process has the database locked just now: come back in a moment."""


class Broken(errors.NexctlError):
    """The database is not what it should be: its own guards found a contradiction."""

    code = "ledger_broken"
