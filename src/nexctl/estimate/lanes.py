"""A lane prices every request of an estimate on one model of one book, and adds the results up.

Each request is charged by itself, rounded once, and only then added: what the gateway would debit
for the same tokens. Unknown stays unknown: one request without a known figure makes the sum None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nexctl.errors import UnpricedError, UsageError
from nexctl.estimate.ask import Ask
from nexctl.money import parse_units, text_of
from nexctl.pricing import engine
from nexctl.pricing.book import Book, Model, Plan
from nexctl.pricing.compare import usage_of
from nexctl.records import Usage

# Why only a range of prices is known; low and high are then its ends.
ONLY_A_SUM = (
    "only what input and output cost together is published: low and high are the ends of its"
    " possible splits"
)
BY_THE_HOUR = "the price depends on the hour of the request: low and high are its ends"


class Range(NamedTuple):
    """Low, expected and high; None is "not known"."""

    low: int | None
    expected: int | None
    high: int | None

    def __add__(self, other: Range) -> Range:  # type: ignore[override]
        """Add figure by figure; unknown plus anything is unknown."""
        low, expected, high = self
        its_low, its_expected, its_high = other
        return Range(
            None if low is None or its_low is None else low + its_low,
            None if expected is None or its_expected is None else expected + its_expected,
            None if high is None or its_high is None else high + its_high,
        )

    def times(self, number: int) -> Range:
        """Return the range multiplied by a whole number."""
        return Range(*(None if value is None else value * number for value in self))


# The worst method among the requests of a row is the row's method.
METHODS = ("exact", "vendor-declared", "reconstructed", "estimated", "calibrated")

# How far the true count may lie from ours: per cent of it as decimal text, and whole tokens.
CountError = Mapping[str, str | int]

ZERO = Range(0, 0, 0)
UNKNOWN = Range(None, None, None)


class Demand(NamedTuple):
    """One counted request: its input tokens, the output it allows, and how many answers it asks.

    `raw` is the count before a calibration, `typical` the output of an answer by one; both None
    without.
    """

    input_tokens: int
    max_output: int | None
    answers: int
    raw: int | None = None
    typical: int | None = None


class Track:
    """The charges of every request of a lane under one condition: sync, cached or in a batch.

    Where rounding never does anything the quantities are summed and charged once at the end, which
    gives the same amount in a fraction of the time; else each request is charged by itself.
    """

    __slots__ = (
        "_additive",
        "_cached",
        "_dearest",
        "_input",
        "_lane",
        "_output",
        "_requests",
        "_total",
        "pricer",
    )

    def __init__(self, lane: Lane, pricer: engine.Pricer | None, *, dearest: bool = False) -> None:
        self.pricer = pricer
        self._lane = lane
        self._dearest = dearest
        self._additive = pricer is not None and pricer.additive
        self._total = ZERO
        self._requests = self._input = self._cached = 0
        self._output = ZERO

    def add(self, input_tokens: int, cached: int, output: Range) -> None:
        """Count one request in."""
        if self._additive:
            self._requests += 1
            self._input += input_tokens
            self._cached += cached
            self._output += output
        else:
            self._total += self._charged(1, input_tokens, cached, output)

    def merge(self, total: Range) -> None:
        """Add what another process charged."""
        self._total += total

    def take(self) -> Range:
        """Return the charges so far and begin anew."""
        total = self._total
        if self._requests:
            total += self._charged(self._requests, self._input, self._cached, self._output)
        self.__init__(self._lane, self.pricer, dearest=self._dearest)  # type: ignore[misc]
        return total

    def total(self) -> Range:
        """Return the charges so far."""
        self._total = self.take()
        return self._total

    def _charged(self, requests: int, input_tokens: int, cached: int, output: Range) -> Range:
        if self.pricer is None:
            return UNKNOWN
        if self._dearest:
            return Range(*(self._figure(requests, input_tokens, cached, one, 2) for one in output))
        if not self.pricer.known:
            hours = any("hours" in period for period in self._lane.model.periods)
            self._lane.note(BY_THE_HOUR if hours else ONLY_A_SUM)
        if output.expected is not None and not self.pricer.known:
            return Range(
                self._figure(requests, input_tokens, cached, output.expected, 0),
                self._figure(requests, input_tokens, cached, output.expected, 1),
                self._figure(requests, input_tokens, cached, output.expected, 2),
            )
        return Range(
            self._figure(requests, input_tokens, cached, output.low, 0),
            self._figure(requests, input_tokens, cached, output.expected, 1),
            self._figure(requests, input_tokens, cached, output.high, 2),
        )

    def _figure(
        self, requests: int, input_tokens: int, cached: int, output: int | None, level: int
    ) -> int | None:
        """Charge one figure of the output range; `level` chooses an end where rates are unknown."""
        if output is None or self.pricer is None:
            return None
        if cached:
            usage = usage_of(
                self._lane.book,
                input_tokens=input_tokens,
                cached=cached,
                output=output,
                requests=requests,
                inside=self._lane.cached_inside,
            )
        else:
            usage = Usage(input=input_tokens, output=output, request=requests)
        try:
            if self.pricer.known:
                return self.pricer.charge(usage).units
            return self.pricer.charge_range(usage)[level]
        except UnpricedError as error:
            self._lane.note(error.message, first=True)
            return None


class Lane:
    """Sums over requests on one (book, model). `add` is called once a request."""

    def __init__(
        self, ask: Ask, book: Book, model: Model, plan: Plan | None, *, cached_inside: bool = True
    ) -> None:
        self.book = book
        self.model = model
        self.cached_inside = cached_inside
        self.notes: dict[str, int] = {}
        self._ask = ask
        self._context = _smallest(model.context, plan.limit("context") if plan else None)
        self._max_output = _smallest(model.max_output, plan.limit("max_output") if plan else None)
        self._silent = _has_no_output(model)
        sync = self._pricer()
        batch = self._pricer(batch=True) if engine.has_batch_price(book, model) else None
        self._sync = Track(self, sync)
        self._cached = Track(self, sync) if ask.cached else None
        self._batch = Track(self, batch) if batch else None
        self._fee = Track(self, sync.provider if sync else None) if ask.byok else None
        compared = batch if ask.batch else sync
        ranged = compared is not None and not compared.known
        self._dearest = Track(self, compared, dearest=True) if ranged else None
        self._begin(self.notes)
        for note in book.estimate_notes:
            self.note(note)
        if model.status:
            self.note(f"the book marks this price as {model.status}")

    def _begin(self, notes: dict[str, int]) -> None:
        self.requests = 0
        self.input_tokens = 0
        self.raw_tokens = 0
        self.cached_tokens = 0
        self.output = ZERO
        self.notes = notes
        self.tokenizer: str | None = None
        self.method = METHODS[0]
        self.error: CountError | None = None

    @property
    def charge(self) -> Range:
        """What the requests so far cost one by one."""
        return self._sync.total()

    @property
    def cached_charge(self) -> Range | None:
        """The same with the cached tokens that were asked for, None where none were."""
        return self._cached.total() if self._cached else None

    @property
    def batch_charge(self) -> Range | None:
        """The same in a batch, None where the book has no batch price."""
        return self._batch.total() if self._batch else None

    @property
    def dearest(self) -> Range | None:
        """What a gate compares where only a range of prices is known: every figure at its high end.

        None where the prices are known.
        """
        return self._dearest.total() if self._dearest else None

    @property
    def provider_fee(self) -> tuple[Book | None, Range] | None:
        """With the customer's own key: the provider's book and its fee, unknown where None."""
        if self._fee is None:
            return None
        pricer = self._fee.pricer
        return (pricer.book if pricer else None), self._fee.total()

    def add(self, demand: Demand) -> None:
        """Count one request in: its tokens, its output range, its charges."""
        tokens = demand.input_tokens
        output = self._output_of(demand)
        self.requests += 1
        self.input_tokens += tokens
        self.raw_tokens += tokens if demand.raw is None else demand.raw
        self.output += output
        self._sync.add(tokens, 0, output)
        if self._cached:
            cached = self._cached_of(tokens)
            self.cached_tokens += cached
            self._cached.add(tokens, cached, output)
        if self._batch:
            self._batch.add(tokens, 0, output)
        if self._fee:
            self._fee.add(tokens, 0, output)
        if self._dearest:
            self._dearest.add(tokens, 0, output)

    def counted_by(self, tokenizer: str, method: str, error: CountError | None) -> None:
        """Remember how a request's tokens were found; the widest doubt is the row's."""
        self.tokenizer = tokenizer
        if method != self.method and METHODS.index(method) > METHODS.index(self.method):
            self.method = method
        if error is not None:
            self.error = error if self.error is None else wider(self.error, error)

    def take(self) -> dict[str, Any]:
        """Return the sums as plain values for `merge` in another process, and begin anew."""
        taken: dict[str, Any] = {
            "charge": self._sync.take(),
            "cached_charge": self._cached and self._cached.take(),
            "batch_charge": self._batch and self._batch.take(),
            "provider_fee": self._fee and self._fee.take(),
            "dearest": self._dearest and self._dearest.take(),
        }
        for name in (
            "requests",
            "input_tokens",
            "raw_tokens",
            "cached_tokens",
            "output",
            "notes",
            "tokenizer",
            "method",
            "error",
        ):
            taken[name] = getattr(self, name)
        self._begin({})
        return taken

    def merge(self, taken: dict[str, Any]) -> None:
        """Add what a lane of another process took."""
        if not taken["requests"]:
            return
        self.requests += taken["requests"]
        self.input_tokens += taken["input_tokens"]
        self.raw_tokens += taken["raw_tokens"]
        self.cached_tokens += taken["cached_tokens"]
        self.output += taken["output"]
        self._sync.merge(taken["charge"])
        if self._cached:
            self._cached.merge(taken["cached_charge"])
        if self._batch:
            self._batch.merge(taken["batch_charge"])
        if self._fee:
            self._fee.merge(taken["provider_fee"])
        if self._dearest:
            self._dearest.merge(taken["dearest"])
        mine, theirs = self.notes, taken["notes"]
        both = {note: times + mine.get(note, 0) for note, times in theirs.items()}
        self.notes = {**both, **{note: mine[note] for note in mine if note not in theirs}}
        self.counted_by(taken["tokenizer"], taken["method"], taken["error"])

    def note(self, text: str, *, first: bool = False) -> None:
        """Keep a remark; the same remark on many requests is kept once, with its count.

        Why there is no price goes before the others: it is the reason that an error gives.
        """
        if first and text not in self.notes:
            self.notes = {text: 0, **self.notes}
        self.notes[text] = self.notes.get(text, 0) + 1

    def _pricer(self, **options: Any) -> engine.Pricer | None:
        try:
            return engine.pricer(
                self.book, self.model, tier=self._ask.tier, byok=self._ask.byok, **options
            )
        except UnpricedError as error:
            self.note(error.message, first=True)
            return None

    def _cached_of(self, input_tokens: int) -> int:
        cached = self._ask.cached.of(input_tokens) if self._ask.cached else 0
        if not self.cached_inside:
            self.note("cached tokens are counted beside the input and added to it")
        elif cached > input_tokens:
            raise UsageError(
                f"--cached: {cached:,} tokens are more than the {input_tokens:,} of the input",
                hint="give a share, like --cached 80%, or fewer tokens",
                code="cached_exceeds_input",
            )
        return cached

    def _output_of(self, demand: Demand) -> Range:
        if self._silent:
            return ZERO
        answers = demand.answers
        asked = self._ask.output_tokens
        typical = demand.typical if asked is None else None
        expected = None if asked is None else asked * answers
        high = demand.max_output
        if high is None:
            room = None
            if self._context is not None:
                room = self._context - demand.input_tokens
                if room < 0:
                    self.note(f"the input does not fit the context of {self._context:,} tokens")
                    room = 0
            high = _smallest(self._max_output, room)
        elif self._context is not None and demand.input_tokens + high > self._context:
            self.note(
                f"input and requested output do not fit the context of {self._context:,} tokens"
            )
        if high is not None:
            high *= answers
        if typical is not None:
            expected = typical * answers if high is None else min(typical * answers, high)
            self.note("the expected output is the typical one of the calibration")
        elif expected is not None and high is not None and expected > high:
            self.note("--output-tokens is above the most that the request allows")
        return Range(0, expected, high)


def _smallest(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _has_no_output(model: Model) -> bool:
    rate = model.rates.get("output")
    return rate is not None and rate.state == "not_applicable"


def wider(one: CountError, other: CountError) -> CountError:
    """Return the widest doubt of two: per cent as the farther bound, tokens added up."""
    percents = {
        key: text_of(choose(parse_units(str(one[key]), 4), parse_units(str(other[key]), 4)), 4)
        for key, choose in (("low_percent", min), ("high_percent", max))
    }
    return {**percents, "tokens": int(one.get("tokens", 0)) + int(other.get("tokens", 0))}
