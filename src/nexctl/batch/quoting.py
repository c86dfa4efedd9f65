"""What a batch would cost: exact input, bounded output, the book's batch price beside sync.

`high` is what every line may cost at most, for each states its maximum; a hard stop compares it and
nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.batch.scan import Scan
from nexctl.errors import CheckFailed, NexctlError, UnpricedError, UsageError
from nexctl.estimate import gate as gates
from nexctl.estimate.lanes import UNKNOWN, ZERO, Lane, Range
from nexctl.estimate.quote import currency_of, dated, worth
from nexctl.money import NANO, parse_units, text_of

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.pricing.book import Book

BATCH_WITHOUT_PRICE = "batch_without_price"


class Spendable(NamedTuple):
    """What can be spent now: 10**-9 of the currency, and the layer that binds."""

    units: int
    currency: str
    layer: str | None = None


class BatchRules(NamedTuple):
    """How a book makes a batch price: its factor where it has one for all models, and stacking.

    `with_cached` says whether cached input is cheaper in a batch too, `order` which factor comes
    after which; None and empty where the book does not say.
    """

    factor: str | None
    with_cached: bool | None
    order: tuple[str, ...]

    @property
    def words(self) -> str:
        """The rules as a line of a report; empty where the book states none."""
        parts = [f"{self.factor} of the rate"] if self.factor else []
        if self.with_cached is not None:
            parts.append(f"cached input {'too' if self.with_cached else 'not'}")
        if self.order:
            parts.append(f"order {', '.join(name.replace('_', ' ') for name in self.order)}")
        return "; ".join(parts)


class Quote(NamedTuple):
    """A charge range for a batch not yet sent. Amounts are 10**-9 of `currency`; None is unknown.

    `lanes` hold one row a model; `notes` say how the price was found.
    """

    title: str
    gateway: str
    currency: str
    requests: int
    input_tokens: int
    output_low: int
    output_high: int | None
    low: int | None
    high: int | None
    sync_low: int | None
    sync_high: int | None
    exact: bool
    method: str
    tokenizer: str | None
    price_book: str
    models: tuple[str, ...]
    rules: BatchRules
    notes: tuple[str, ...]
    spendable: Spendable | None = None

    @property
    def refused(self) -> bool | None:
        """Whether the gateway would refuse it for money; None where that is not known.

        It is refused where the most that it may cost is more than what can be spent.
        """
        if self._spendable is None or self.high is None:
            return None
        return self.high > self._spendable

    @property
    def _spendable(self) -> int | None:
        """What can be spent in the quote's own currency; an amount of another one is not told."""
        has = self.spendable
        return has.units if has is not None and has.currency == self.currency else None

    def as_json(self) -> dict[str, Any]:
        """The documented fields."""
        return {
            "gateway": self.gateway,
            "models": list(self.models),
            "price_book": self.price_book,
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "count": {"exact": self.exact, "method": self.method, "tokenizer": self.tokenizer},
            "output_tokens": {"low": self.output_low, "high": self.output_high},
            "charge": {"low": _text(self.low), "high": _text(self.high)},
            "sync_charge": {"low": _text(self.sync_low), "high": _text(self.sync_high)},
            "currency": self.currency,
            "spendable": _text(self._spendable),
            "refused": self.refused,
            "batch_rules": {**self.rules._asdict(), "order": list(self.rules.order)},
            "notes": list(self.notes),
        }


def quote(scan: Scan) -> Quote:
    """Price what a scan counted. UnpricedError (exit 2) where a line has no known price."""
    estimator = scan.estimator
    if estimator is None or not estimator.lanes:
        raise UsageError(f"{scan.name}: nothing to price", code="empty")
    (book,) = estimator.books
    batch, sync, output = ZERO, ZERO, ZERO
    notes: dict[str, None] = {}
    for lane in estimator.lanes.values():
        batch += _batch_charge(lane, notes)
        sync += lane.charge
        output += lane.output
        notes.update(dict.fromkeys(lane.notes))
    lanes = list(estimator.lanes.values())
    worst = max(lanes, key=_doubt)
    found = Quote(
        title=dated(book),
        gateway=book.id,
        currency=currency_of(book),
        requests=scan.requests,
        input_tokens=sum(lane.input_tokens for lane in lanes),
        output_low=output.low or 0,
        output_high=output.high,
        low=_worth(book, batch.low),
        high=_worth(book, batch.high),
        sync_low=_worth(book, sync.low),
        sync_high=_worth(book, sync.high),
        exact=worst.method == "exact",
        method=worst.method,
        tokenizer=worst.tokenizer,
        price_book=book.version,
        models=tuple(lane.model.id for lane in lanes),
        rules=_rules(book),
        notes=tuple(notes),
    )
    if found.low is None or found.high is None:
        reason = next(iter(notes), "no price is known for it")
        raise UnpricedError(
            f"{scan.name}: what it may cost is not known: {reason}",
            hint="choose a model that the book prices, or another book with --on",
            code="unpriced",
        )
    return found


def spendable(gateway: Gateway) -> Spendable | None:
    """What can be spent now; None where the gateway has no wallet or does not say."""
    from nexctl.gateways.lacking import Lacking

    try:
        wallet = gateway.wallet.show()
        layer = wallet.binding.layer if wallet.binding else None
        return Spendable(parse_units(wallet.spendable, NANO), wallet.currency, layer)
    except (Lacking, UsageError):
        return None
    except NexctlError as error:
        if error.exit in (3, 4):  # a key that may not see the wallet may still run batches
            return None
        raise


def in_quoted(scan: Scan, units: int, unit: str) -> int | None:
    """10**-9 of the quote's currency for 10**-9 of what a gateway charges in.

    A credit counts by its published value. None where nothing says what the one is in the other.
    """
    estimator = scan.estimator
    for book in estimator.books if estimator is not None else ():
        if unit == currency_of(book):
            return units
        if unit == book.unit:
            return worth(book, units * 10**book.scale // 10**NANO)
    return None


def gate(found: Quote, limit: int | None, *, spent: int | None = 0) -> gates.Gate | None:
    """Compare the most that a batch may cost with `--max-cost` (10**-12); None without one.

    `spent` is what the job has cost already, in 10**-9; None where that is in another unit.
    """
    if limit is None:
        return None
    if found.high is None or spent is None:
        raise UnpricedError("what the batch may cost is not known, so no limit can hold")
    return gates.max_cost(found.high + spent, NANO, found.currency, gates.HIGH, limit)


def stop(answer: gates.Gate | None) -> None:
    """CheckFailed (exit 9) where the limit is passed. No option makes this go on."""
    if answer is not None and not answer.passed:
        raise CheckFailed(
            f"over --max-cost: {answer.words}; nothing was sent",
            hint="send fewer lines, state a smaller maximum, or choose a cheaper model",
            code="over_max_cost",
            details={"gate": answer.as_json()},
        )


def _batch_charge(lane: Lane, notes: dict[str, None]) -> Range:
    if lane.batch_charge is not None:
        return lane.batch_charge
    if lane.book.rule(BATCH_WITHOUT_PRICE) == "normal_rate":
        notes["the book has no batch price: batches are billed at the normal rate"] = None
        return lane.charge
    notes[f"{lane.book.id} has no batch price for {lane.model.id}"] = None
    return UNKNOWN


def _rules(book: Book) -> BatchRules:
    factor: str = book.data.get("multipliers", {}).get("batch") or ""
    return BatchRules(
        factor if factor[:1].isdigit() else None,
        book.rule("batch_with_cached"),
        tuple(book.rule("stacking_order") or ()),
    )


def _doubt(lane: Lane) -> int:
    from nexctl.estimate.lanes import METHODS

    return METHODS.index(lane.method)


def _worth(book: Book, units: int | None) -> int | None:
    return None if units is None else worth(book, units)


def _text(units: int | None) -> str | None:
    return None if units is None else text_of(units, NANO)
