"""The ledger as its callers see it: opened once a process, every money operation a method."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar

from nexctl.server.ledger import (
    budgets,
    entries,
    executors,
    owners,
    schema,
    settings,
    snapshots,
    wallets,
)
from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.entries import Page
from nexctl.server.ledger.errors import Busy, Refused, Unavailable
from nexctl.server.ledger.life import Life
from nexctl.server.ledger.port import Database, Transaction
from nexctl.server.ledger.state import Sealer, Shared
from nexctl.server.ledger.types import (
    Ask,
    Credit,
    Outcome,
    Reservation,
    Settled,
    UsageRow,
    Wallet,
)

P = ParamSpec("P")
T = TypeVar("T")


class Swept(NamedTuple):
    """What fell due: owners that are gone, their holds, unknown ones resolved, lots expired."""

    owners: int
    released: int
    unknown: int
    resolved: int
    expired: int


class Ledger:
    """See the package's docstring. Methods may be called from any thread."""

    snapshot = staticmethod(snapshots.made)

    def __init__(self, executor: executors.Inline) -> None:
        self.executor = executor
        self.clock, self.shared = executor.clock, executor.shared
        # What the last write failed of; a server's heartbeat writes every few seconds.
        self.fault: str | None = None
        self._unsettled: dict[int, Outcome] = {}
        self._unreleased: dict[int, str] = {}
        self._doubtful: dict[tuple[str, str], int] = {}
        self._guard = threading.Lock()

    # any operation -----------------------------------------------------------------------------

    def write(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run `operation(tx, ...)` in one transaction and commit it."""
        try:
            done = self.executor.write(operation, *args, **named)
        except Unavailable as fault:
            self.fault = fault.message
            raise
        self.fault = None
        return done

    def read(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run `operation(tx, ...)`, which only reads, on one snapshot."""
        return self.executor.read(operation, *args, **named)

    def recall(self, name: Any, operation: Callable[..., T], *args: Any) -> T:
        """`read`, answered from memory while nothing but quiet operations came since (SQLite)."""
        return self.executor.recall(name, operation, *args)

    async def later(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """`write` for a coroutine (`mode` "loop" or "thread"): committed together with others."""
        executor = self.executor
        if not isinstance(executor, (executors.OnLoop, executors.Grouped)):
            raise TypeError("a ledger opened inline has no group commit")
        try:
            done = await executor.later(operation, *args, **named)
        except Unavailable as fault:
            self.fault = fault.message
            raise
        self.fault = None
        return done

    def alone(self, says: Callable[[], bool]) -> None:
        """Take `says` for whether only one caller is there: its writes wait for nobody else's."""
        if isinstance(self.executor, executors.OnLoop):
            self.executor.is_alone = says

    # one request -------------------------------------------------------------------------------

    def reserve(self, ask: Ask) -> Reservation:
        """Hold a request's worst case (see holds.reserve); refuses while a settle is owed."""
        from nexctl.server.ledger import holds

        if self.owing:
            self.flush()
        try:
            return self.write(holds.reserve, ask)
        except Unavailable as fault:
            self.doubt(ask, fault)
            raise

    async def reserve_later(self, ask: Ask) -> Reservation:
        """`reserve` for a coroutine."""
        from nexctl.server.ledger import holds

        if self.owing:
            await self.flush_later()
        try:
            return await self.later(holds.reserve, ask)
        except Unavailable as fault:
            self.doubt(ask, fault)
            raise

    def dispatch(self, hold: int) -> None:
        """Say that the request goes upstream now; Refused `hold_lost` where it must not."""
        from nexctl.server.ledger import holds

        self.write(holds.dispatch, hold)

    async def dispatch_later(self, hold: int) -> None:
        """`dispatch` for a coroutine."""
        from nexctl.server.ledger import holds

        await self.later(holds.dispatch, hold)

    def settle(self, hold: int, outcome: Outcome) -> Settled:
        """Debit what a request cost. Where the database fails now, the debit stays owed.

        An owed debit is tried again by `flush`, by `sweep` and before every reserve, which is
        refused (Unavailable) until it is posted.
        """
        from nexctl.server.ledger import holds

        try:
            settled = self.write(holds.settle, hold, outcome)
        except Unavailable:
            self._owe(hold, outcome)
            raise
        self._paid(hold)
        return settled

    async def settle_later(self, hold: int, outcome: Outcome) -> Settled:
        """`settle` for a coroutine."""
        from nexctl.server.ledger import holds

        try:
            settled = await self.later(holds.settle, hold, outcome)
        except Unavailable:
            self._owe(hold, outcome)
            raise
        self._paid(hold)
        return settled

    def release(self, hold: int, why: str) -> bool:
        """Give a hold back, where no usable response came; False if it was given back before.

        Where the database fails now, that stays owed as a debit does.
        """
        from nexctl.server.ledger import holds

        self._check_release(hold)
        try:
            return self.write(holds.release, hold, why)
        except Unavailable:
            self._unreleased[hold] = why
            raise

    async def release_later(self, hold: int, why: str) -> bool:
        """`release` for a coroutine."""
        from nexctl.server.ledger import holds

        self._check_release(hold)
        try:
            return await self.later(holds.release, hold, why)
        except Unavailable:
            self._unreleased[hold] = why
            raise

    def unknown(self, hold: int, why: str) -> bool:
        """Say that a dispatched request's outcome is not known; its rule and deadline decide."""
        from nexctl.server.ledger import holds

        return self.write(holds.mark_unknown, hold, why)

    def _check_release(self, hold: int) -> None:
        if hold in self._unsettled:
            raise Refused("state_conflict", "the request was answered: its debit is owed")

    @property
    def unsettled(self) -> int:
        """How many debits are owed because the database could not take them."""
        return len(self._unsettled)

    @property
    def owing(self) -> bool:
        """Whether anything waits for `flush`: debits, holds to be given back."""
        return bool(self._unsettled or self._unreleased or self._doubtful)

    def doubt(self, ask: Ask, fault: Unavailable) -> None:
        """A failed COMMIT may have been kept: nobody was told of that hold, so it goes back."""
        if not isinstance(fault, Busy):
            self._doubtful[ask.customer, ask.request_id] = self.clock.now()

    def _owe(self, hold: int, outcome: Outcome) -> None:
        with self._guard:
            self._unsettled.setdefault(hold, outcome)

    def _paid(self, hold: int) -> None:
        if self._unsettled:
            with self._guard:
                self._unsettled.pop(hold, None)

    def flush(self) -> int:
        """Post and give back what is owed; how many debits. Raises Unavailable while one stays."""
        from nexctl.server.ledger import holds

        done = 0
        for hold, outcome in tuple(self._unsettled.items()):
            self.write(holds.settle, hold, outcome)
            self._paid(hold)
            done += 1
        for hold, why in tuple(self._unreleased.items()):
            with contextlib.suppress(Refused):  # it has become unknown meanwhile
                self.write(holds.release, hold, why)
            self._unreleased.pop(hold, None)
        for request, at in tuple(self._doubtful.items()):
            self.write(holds.disown, *request, at)
            self._doubtful.pop(request, None)
        return done

    async def flush_later(self) -> None:
        """`flush` for a coroutine."""
        from nexctl.server.ledger import holds

        # Several callers come here at once; what one of them has done the others need not do.
        for hold, outcome in tuple(self._unsettled.items()):
            if hold in self._unsettled:
                await self.later(holds.settle, hold, outcome)
                self._paid(hold)
        for hold, why in tuple(self._unreleased.items()):
            if hold in self._unreleased:
                with contextlib.suppress(Refused):
                    await self.later(holds.release, hold, why)
                self._unreleased.pop(hold, None)
        for request, at in tuple(self._doubtful.items()):
            await self.later(holds.disown, *request, at)
            self._doubtful.pop(request, None)

    # money in and out --------------------------------------------------------------------------

    def topup(self, wallet: str, amount: int, **named: Any) -> tuple[Credit, Credit | None]:
        """Credit a pack and its bonus (see funds.topup); orders.credit does so once an order."""
        from nexctl.server.ledger import funds

        return self.write(funds.topup, wallet, amount, **named)

    def grant(self, wallet: str, amount: int, **named: Any) -> Credit | None:
        """Give credits, once a period where one is named (see funds.grant)."""
        from nexctl.server.ledger import funds

        return self.write(funds.grant, wallet, amount, **named)

    def adjust(self, wallet: str, amount: int, *, note: str, by: str) -> Credit:
        """The operator adds or takes away."""
        from nexctl.server.ledger import funds

        return self.write(funds.adjust, wallet, amount, note=note, by=by)

    # looking -----------------------------------------------------------------------------------

    def wallet(self, customer: str, **named: Any) -> Wallet:
        """Balance, held, layers and what can be spent now (see wallets.show)."""
        return self.read(wallets.show, customer, **named)

    def entries(self, wallet: str, **named: Any) -> Page:
        """A page of the book (see entries.entries)."""
        return self.read(entries.entries, wallet, **named)

    def usage(self, wallet: str, **named: Any) -> Page:
        """A page of usage records (see entries.usage)."""
        return self.read(entries.usage, wallet, **named)

    def usage_of(self, customer: str, request_id: str) -> UsageRow | None:
        """The usage record of one request id."""
        return self.read(entries.usage_of, customer, request_id)

    def put_budget(
        self, customer: str, scope: str, scope_id: str, amount: int, **named: Any
    ) -> budgets.Budget:
        """Set a budget (see budgets.put)."""
        return self.write(budgets.put, customer, scope, scope_id, amount, **named)

    # what falls due ----------------------------------------------------------------------------

    def beat(self) -> None:
        """Renew this process's lease; a server does so every few seconds."""
        self.executor.look()
        self.write(owners.beat)

    def recover(self) -> owners.Recovery:
        """Look after the holds of owners that are gone."""
        total = owners.Recovery(0, 0, 0)
        while self.read(owners.lapsed):
            step = self.write(owners.recover)
            total = owners.Recovery(*map(sum, zip(total, step, strict=True)))
            if not any(step):
                break
        return total

    def sweep(self) -> Swept:
        """Everything that is due: recovery, unknown holds by their rule, expired lots."""
        from nexctl.server.ledger import holds

        if self.owing:
            self.flush()
        recovered = self.recover()
        resolved = expired = 0
        self.clock.now()
        if self.clock.jumped:
            self.write(settings.clock_stopped)
        if not self.read(settings.clock_stopped_seen):
            while names := self.read(holds.due, self.clock.now()):
                for name in names:
                    resolved += self.write(holds.resolve, name) is not None
            while step := self.write(wallets.expire_due) if self.read(wallets.has_due) else 0:
                expired += step
        return Swept(*recovered, resolved, expired)

    def resume(self) -> bool:
        """Let expiry and grants go on after a jump of the clock (`gateway resume`)."""
        return self.write(settings.resume)

    def close(self) -> None:
        """Finish what is queued, end this owner's life, close the connections."""
        self.executor.close()
        self.shared.life.end()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def database(place: str, *, create: bool = False, timeout: int = 10_000) -> Database:
    """The port to a file, or to a `postgresql://` URL."""
    if place.startswith(("postgresql://", "postgres://")):
        from nexctl.server.ledger.postgres import Postgres

        return Postgres(place, create=create, timeout=timeout)
    from nexctl.server.ledger.sqlite import Sqlite

    return Sqlite(place, create=create, timeout=timeout)


def open_ledger(
    place: str,
    *,
    mode: Literal["inline", "thread", "loop"] = "inline",
    create: bool = False,
    anchor_key: bytes | None = None,
    sealer: Sealer | None = None,
    clock: Clock | None = None,
    lease: int = owners.LEASE,
    timeout: int = 10_000,
    recover: bool = True,
) -> Ledger:
    """Open a ledger: a path, or a `postgresql://` URL. With `create` an empty one is made.

    `anchor_key` (32 bytes, kept outside the database) proves the chains' heads; `sealer` encrypts
    secrets that must be read back; `lease` is in microseconds, `timeout` (for a locked database) in
    milliseconds. Raises ConfigError for what is not a ledger, or one of a newer schema.
    """
    from nexctl.errors import ConfigError

    port = database(place, create=create, timeout=timeout)
    try:
        time = clock or Clock()
        life = Life(place if port.dialect == "sqlite" else None)
        shared = Shared(anchor_key=anchor_key, sealer=sealer, lease=lease, life=life)
        inline = executors.Inline(port, time, shared)
        found = inline.read(schema.version)
        if found is None:
            if not create:
                raise ConfigError(f"{port.place} holds no ledger", hint="nexctl gateway init")
            schema.create(port, time.now())
        else:
            schema.check_version(found)
            inline.read(settings.clock_stopped_seen)
        executor = inline
        if mode == "thread":
            executor = executors.Grouped(port, time, shared)
        elif mode == "loop":
            executor = executors.OnLoop(port, time, shared)
        ledger = Ledger(executor)
    except BaseException:
        port.close()
        raise
    if recover:
        ledger.recover()
    return ledger
