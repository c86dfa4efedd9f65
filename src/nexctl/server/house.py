"""What one running gateway has: its ledger, its book, its providers, its secrets, and how it runs.

Handlers get it with every call. In this process (`served` False) every operation is done at once,
so that a call can be driven without an event loop; served, writes are committed together and slow
callers meet a deadline.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from nexctl.money import text_of
from nexctl.server.allowances import plan_budgets
from nexctl.server.attempts import Attempts
from nexctl.server.deadline import within
from nexctl.server.inference.failures import Failures
from nexctl.server.ledger import books
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.errors import Unavailable
from nexctl.server.refusing import Refuse, Words

if TYPE_CHECKING:
    import asyncio

    from nexctl.pricing.book import Book, Plan
    from nexctl.server.batches.crew import Crew
    from nexctl.server.inference.metering import Meters
    from nexctl.server.inference.rulebook import Rulebook
    from nexctl.server.ledger.costs import Costing
    from nexctl.server.ledger.main import Ledger
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.payments.papers import Papers
    from nexctl.server.payments.tiering import BookTiers
    from nexctl.server.providers.switchboard import Switchboard

P = ParamSpec("P")
T = TypeVar("T")

READING_SECONDS = 30.0  # not money: seconds
WRITING_SECONDS = 30.0  # not money: seconds
COUNTING_SECONDS = 10.0  # not money: seconds
LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))


# The feature of a plan that keeps labels for who pays: on keys, and of a request's `metadata`.
COST_LABELS = "cost_labels"


class Options(NamedTuple):
    """How a gateway is run. `hosts` None takes any Host; `base_url` is where callers reach it.

    `sandbox` says that play money may be paid here; `loopback` that only this machine reaches it.
    `environ` is where provider keys are looked up that were given as the name of a variable.
    `proxies` are the CIDRs whose word on the caller's address counts. `most_calls` is how many
    calls may be open at once (None: any number); one more is refused.
    """

    served: bool = False
    hosts: frozenset[str] | None = LOOPBACK
    base_url: str | None = None
    loopback: bool = True
    proxies: tuple[str, ...] = ()
    environ: Mapping[str, str] = {}
    draining_seconds: float = 20.0  # not money: seconds
    counting_seconds: float = COUNTING_SECONDS  # not money: seconds
    most_calls: int | None = None


class Terms:
    """A plan made ready for every request: its limits and features read once."""

    __slots__ = ("_limits", "budgets", "credits", "features", "id", "plan", "title")

    def __init__(self, plan: Plan, *, bare: bool = False) -> None:
        self.plan, self.id, self.title = plan, plan.id, plan.title
        self.features, self.credits = plan.features, None if bare else plan.credits
        self.budgets = () if bare else plan.budgets
        self._limits = {name: plan.limit(name) for name in plan.limits}

    def limit(self, name: str) -> int | None:
        """A limit as a number, None where it is unlimited, custom or unpublished."""
        return self._limits.get(name)


class House:
    """One running gateway."""

    def __init__(
        self,
        ledger: Ledger,
        book: Book,
        *,
        options: Options,
        facts: Mapping[str, Any],
    ) -> None:
        self.ledger, self.book, self.options, self.facts = ledger, book, options, facts
        # The hash of the book in force, as it was last seen.
        self.book_hash: str | None = None
        # The schedule by which that book charges, and until when.
        self._schedule: list[tuple[int, int, str]] | None = None
        self._scheduled_until = 0
        self.words = Words(book)
        ledger.shared.plan_budgets = lambda plan: plan_budgets(book, plan)
        self._take_plans(book)
        # The plan whose budgets a customer was seen to have.
        self.allowed: dict[str, str] = {}
        self.attempts = Attempts()
        self.failures = Failures(self)
        self.alarms: list[str] = []
        # When the last use of a key was noted, by this process's clock.
        self.touched: dict[str, float] = {}  # not money: seconds
        # Streams under way: each settles even where nobody listens any more.
        self.pumps: set[asyncio.Future[None]] = set()
        # Books with billing tiers that came into force before any was charged by, in order.
        self._tiered: list[Book] = []
        self._last_tiers: BookTiers | None = None
        self._tier(book)
        ledger.shared.late("costing", self._costing)
        ledger.shared.papers = self._paper

    def _costing(self) -> Costing:
        from nexctl.server.costs.recording import BookCosts

        return BookCosts(self)

    def _paper(self, tx: Transaction, what: str, subject: Any) -> None:
        self._papers(tx, what, subject)

    @cached_property
    def _papers(self) -> Papers:
        from nexctl.server.payments.papers import Papers

        return Papers(self)

    def _tier(self, book: Book) -> None:
        """Settle billing tiers by a book; a debit under way keeps the prices it was held at."""
        if book.data.get("billing_tiers"):
            self._tiered.append(book)
            self.ledger.shared.late("tiering", self._tiers)

    def _tiers(self) -> BookTiers | None:
        """The tiers of the last book, which know those of the books before it."""
        from nexctl.server.payments import tiering

        while self._tiered:
            made = tiering.of_book(self._tiered[0], alert=self.alarm)
            if made is not None and self._last_tiers is not None:
                made.after(self._last_tiers)
            self._last_tiers = made
            del self._tiered[0]
        return self._last_tiers

    def renew(self) -> None:
        """Charge by the book whose time has come, whichever process has stored it."""
        rows = self.ledger.recall("price books", books.schedule)
        until = self._scheduled_until
        if rows is self._schedule and (until == NEVER or self.now() < until):
            return
        now = self.now()
        hash_ = books.chosen(rows, now)
        if hash_ is None or hash_ == self.book_hash:
            self._schedule, self._scheduled_until = rows, books.next_after(rows, now)
            return
        from nexctl.server.kept_books import stored_book

        stored = self.read(books.get, hash_)
        if stored is None:
            return
        if self.book_hash is None and len(rows) > 1:
            # A batch may still be settled at the prices of an earlier book.
            for row in self.read(books.listed):
                if row.hash != hash_:
                    self._tier(stored_book(row.body))
        self.take(stored_book(stored.body), hash_)

    def take(self, book: Book, hash_: str) -> None:
        """Charge by another version of the book from the next request on."""
        self._tier(book)
        if self.book_hash is not None or self.options.served:
            _ = self.ledger.shared.tiering  # what cannot be settled by is told before it charges
        self.book, self.book_hash, self._schedule = book, hash_, None
        self._take_plans(book)
        self.ledger.shared.plan_budgets = lambda plan: plan_budgets(book, plan)
        self.allowed.clear()
        self.words = Words(book)
        self.__dict__.pop("meters", None)

    @cached_property
    def meters(self) -> Meters:
        """Counters and pricers of the book's models."""
        from nexctl.server.inference.metering import Meters

        return Meters(self)

    @cached_property
    def rulebook(self) -> Rulebook:
        """The operator's routes and customers' rules."""
        from nexctl.server.inference.rulebook import Rulebook

        return Rulebook(self)

    @cached_property
    def switchboard(self) -> Switchboard:
        """The providers that requests go to."""
        from nexctl.server.providers.switchboard import Switchboard

        return Switchboard(self)

    @cached_property
    def crew(self) -> Crew:
        """What works on batches here."""
        from nexctl.server.batches.crew import Crew

        return Crew(self)

    @property
    def scale(self) -> int:
        """Decimal places of the wallet's unit."""
        return self.book.scale

    @property
    def unit(self) -> str:
        """The currency or credit unit of every wallet here."""
        return self.book.unit

    @property
    def title(self) -> str:
        """What answers call this gateway: the book's id."""
        return self.book.id

    @property
    def month_zone(self) -> str:
        """The zone whose midnight ends a month."""
        return str(self.book.rule("month_zone", "UTC"))

    def now(self) -> int:
        """Microseconds since 1970 UTC, by the ledger's clock."""
        return self.ledger.clock.now()

    def money(self, units: int | None) -> str | None:
        """An amount of the ledger as decimal text."""
        return None if units is None else text_of(units, self.book.scale)

    def plan_of(self, name: str | None) -> Terms | None:
        """A customer's plan; None where the book has none.

        A customer on no plan is held to what the least one unlocks, without its credits and
        allowances: no plan is not the widest of them.
        """
        return self._plans.get(name or "", self._least)

    def _take_plans(self, book: Book) -> None:
        self._plans = {name: Terms(plan) for name, plan in book.plans.items()}
        least = next(iter(book.plans.values()), None)
        self._least = None if least is None else Terms(least, bare=True)

    def alarm(self, what: str, error: Exception | None = None) -> None:
        """Tell the operator: kept for the health page, and logged.

        That the ledger cannot be written is only logged: its own line of the health page says so
        as long as it is so, and goes with the next write that succeeds.
        """
        from nexctl.server import telling

        telling.warn(what)
        if isinstance(error, Unavailable):
            return
        if len(self.alarms) >= 100:
            del self.alarms[:50]
        self.alarms.append(what)

    # ---------------------------------------------------------------- the ledger

    async def write(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run an operation in one transaction, committed together with others where served."""
        if self.options.served:
            return await self.ledger.later(operation, *args, **named)
        return self.ledger.write(operation, *args, **named)

    async def flush(self) -> None:
        """Post and give back what is owed; raises Unavailable while that cannot be."""
        if self.options.served:
            await self.ledger.flush_later()
        else:
            self.ledger.flush()

    def read(
        self, operation: Callable[Concatenate[Transaction, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run an operation that only reads."""
        return self.ledger.read(operation, *args, **named)

    # ---------------------------------------------------------------- time

    async def within(
        self,
        seconds: float,  # not money: seconds
        work: Awaitable[T],
        late: str,
    ) -> T:
        """Await `work`; where served, refuse with `late` when it takes longer."""
        if not self.options.served:
            return await work
        try:
            return await within(seconds, work)
        except TimeoutError:
            raise Refuse(late) from None


def instant(at: int | None) -> str | None:
    """Microseconds since 1970 UTC as RFC 3339 text."""
    if at is None:
        return None
    seconds, rest = divmod(at, 1_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{rest:06d}".rstrip("0").rstrip(".") + "Z"


def micros(text: str | None) -> int | None:
    """RFC 3339 text as it passed the wire's pattern in microseconds; refused where no such day."""
    if text is None:
        return None
    import calendar

    whole, _, fraction = text[:-1].partition(".")
    try:
        parsed = time.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        raise Refuse("invalid_request", "there is no such instant") from None
    return calendar.timegm(parsed) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0)
