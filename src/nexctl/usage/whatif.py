"""Recorded usage replayed on other price books, by the one engine, in constant memory.

    replay = WhatIf(("nextoken", "nexrelay"))
    for row in rows:
        replay.add(row)
    answer = replay.answer()

Each record is charged by itself and rounded once, by the price in force when it was made. Where
rounding never does anything, equal records are summed first, which gives the same amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import NexctlError, UnpricedError, UsageError
from nexctl.pricing import books, engine
from nexctl.pricing.book import Book, Model
from nexctl.pricing.compare import usage_of
from nexctl.records import METERS, Usage
from nexctl.usage import whatif_rows as recorded
from nexctl.usage.audit.prices import charged_model
from nexctl.usage.whatif_rows import Counted, Readings

if TYPE_CHECKING:
    from nexctl.pricing.coefficients import RateSet
    from nexctl.usage.whatif_answer import Answer

Maps = Mapping[tuple[str | None, str], str]

ASSUMED = "before the first price that is known: priced at the first one"
OPEN = "older than the day on which the prices were read: assumed in force"
NO_TIME = "without a time: priced as of today"
SEMANTIC = "semantic-cache hits, priced in full: this gateway has no such cache"
NORMAL = "without a rate of its own for cached tokens or batches: priced at the normal rate"
SEVERAL = "it stands for several requests, and the price depends on the size of each"
MAPPED = "priced as another model: the tokens are those of the recorded one"


class Sums:
    """What one book makes of records that are alike: charges in its units, and their ends.

    `none` and `all` are the charge with no input, and with all of it, read from a cache; `all` is
    None where the book has no price for that.
    """

    __slots__ = ("all", "expected", "high", "low", "none")

    def __init__(self) -> None:
        self.low = self.high = self.none = 0
        self.expected: int | None = 0
        self.all: int | None = 0

    def add(self, low: int, expected: int | None, high: int) -> None:
        """Count one charge in; unknown plus anything is unknown."""
        self.low += low
        self.high += high
        known = self.expected is not None and expected is not None
        self.expected = self.expected + expected if known else None  # type: ignore[operator]


class Route(NamedTuple):
    """How records of one kind are priced on one book: a pricer, or why there is none."""

    book: Book | None
    model: str | None
    pricer: engine.Pricer | None
    why: str | None
    notes: tuple[str, ...]


class Track:
    """One book's charges of one bucket. `why` says what is unknown about it, None where nothing."""

    __slots__ = ("normal", "plain", "route", "slow", "sums", "why")

    def __init__(self, route: Route, untold: tuple[int, ...], *, normal: bool) -> None:
        self.route = route
        self.normal = normal
        self.plain = False
        self.sums = Sums()
        self.why = route.why or _uncounted(route.pricer, untold)
        self.slow = route.pricer is not None and not route.pricer.additive

    def add(self, quantities: Counted) -> None:
        """Charge one record, or the sums of many where that is the same."""
        pricer = self.route.pricer
        if pricer is None or self.why is not None:
            return
        if quantities.requests > 1 and any(len(form) > 1 for form in pricer.forms):
            self.why = SEVERAL
            return
        try:
            self._charge(pricer, quantities)
        except NexctlError as error:
            self.why = error.message

    def _charge(self, pricer: engine.Pricer, quantities: Counted) -> None:
        book, sums = pricer.book, self.sums
        used = quantities
        try:
            figures = _figures(pricer, _usage(book, used))
        except UnpricedError:
            if not self.normal or not (used.cached or used.cache_write):
                raise
            used = used._replace(cached=0, cache_write=0)
            figures = _figures(pricer, _usage(book, used))
            self.plain = True
        sums.add(*figures)
        sums.none += _middle(pricer, _usage(book, used._replace(cached=0)))
        if sums.all is None:
            return
        everything = _usage(book, used._replace(cached=used.input - used.cache_write))
        try:
            sums.all += _middle(pricer, everything)
        except UnpricedError as error:
            if error.details.get("state") == "not_applicable" or self.normal:
                sums.all += _middle(pricer, _usage(book, used._replace(cached=0)))
            else:
                sums.all = None


class Bucket:
    """Records that every book prices alike: same models, moment, month, conditions and meters."""

    __slots__ = ("billed", "month", "name", "quantities", "rows", "tracks", "unbilled")

    def __init__(self, name: str, month: tuple[str, str], tracks: list[Track]) -> None:
        self.name = name
        self.month = month
        self.tracks = tracks
        self.rows = self.unbilled = 0
        self.billed: dict[str, int] = {}
        self.quantities = [0] * len(Counted._fields)

    def add(self, quantities: Counted, charge: tuple[str, int] | None) -> None:
        """Count one record in."""
        self.rows += 1
        if charge is None:
            self.unbilled += 1
        else:
            _add(self.billed, charge)
        sums = self.quantities
        for place, quantity in enumerate(quantities):
            sums[place] += quantity
        for track in self.tracks:
            if track.slow:
                track.add(quantities)

    def close(self) -> None:
        """Charge what was only summed so far."""
        for track in self.tracks:
            if not track.slow:
                track.add(Counted(*self.quantities))
                track.slow = True


class WhatIf:
    """Replays records on books: `add` each record, then ask for the `answer`.

    names    book ids or paths, as `books.load` takes them
    maps     (book id or None for every book, recorded model) -> model to price it as
    at       price everything as of one instant; None: as of each record's own time
    readings how the billing books count, from `price_book` or a book given for all
    normal   where a book has no rate for cached tokens or batches, take its normal one
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        folder: str | None = None,
        maps: Maps | None = None,
        at: Any = None,
        readings: Readings | None = None,
        normal: bool = False,
    ) -> None:
        self.names = tuple(names)
        self.at = books.instant(at)
        self.folder = folder
        self.books = [self._named(name) for name in self.names]
        self.maps: Maps = maps or {}
        self.used_maps: set[tuple[str | None, str]] = set()
        self.readings = readings or Readings(folder=folder)
        self._normal = normal
        versions = [book for name in self.names for book in self._versions(name)]
        self._grain = _grain(versions)
        self._by_month = any("billing_tiers" in book.data for book in versions)
        self.buckets: dict[tuple[Any, ...], Bucket] = {}
        self.rows = self.failed = self.unbilled = 0
        self.first: str | None = None
        self.last: str | None = None
        # Of the records that are replayed; those that failed cost nothing elsewhere.
        self.billed: dict[str, int] = {}
        self.failed_billed: dict[str, int] = {}
        self.price_books: dict[str | None, int] = {}
        self.unusable: dict[str, int] = {}

    def add(self, row: Any) -> None:
        """Count one record in. UsageError where its time or its charge is malformed."""
        self.rows += 1
        try:
            charge = recorded.billed(row)
            self._add(row, charge)
        except UsageError as error:
            error.message = f"record {row.request_id or self.rows}: {error.message}"
            raise

    def _add(self, row: Any, charge: tuple[str, int] | None) -> None:
        created = row.created_at
        if created is not None:
            if not created.endswith("Z") or created[7:8] != "-":
                # Months and days are those of UTC, in whatever zone a list tells its times.
                created = books.instant(created)
            if self.first is None or created < self.first:
                self.first = created
            if self.last is None or created > self.last:
                self.last = created
        quantities = self._counted(row)
        if isinstance(quantities, str):
            self.unusable[quantities] = self.unusable.get(quantities, 0) + 1
            return
        if charge is None:
            self.unbilled += 1
        else:
            _add(self.billed, charge)
        if quantities is None:
            self.failed += 1
            if charge is not None:
                _add(self.failed_billed, charge)
            return
        self._bucket(row, created, quantities).add(quantities, charge)

    def _counted(self, row: Any) -> Counted | str | None:
        """A record's quantities, why it has none that count, None of one that failed."""
        if row.created_at is None and not (row.model_served or row.model_requested):
            return "it names no time and no model, as a line of totals does"
        if recorded.refunded(row):
            return "a refund, which no price tells"
        if recorded.failed(row):
            return None
        book = row.price_book
        self.price_books[book] = self.price_books.get(book, 0) + 1
        return recorded.counted(row, self.readings.of(row))

    def answer(self) -> Answer:
        """The totals so far, cheapest first, unknown last."""
        from nexctl.usage.whatif_answer import Answer

        for bucket in self.buckets.values():
            bucket.close()
        return Answer(self)

    def _bucket(self, row: Any, created: str | None, quantities: Counted) -> Bucket:
        batch, semantic = recorded.batched(row), bool(row.semantic_cache_hit)
        moment = self.at or self._moment(created)
        month = (row.customer_id or "", (created or "")[:7]) if self._by_month else ("", "")
        # Records that use other meters may meet another unknown rate: they are kept apart.
        meters = (*[quantity > 0 for quantity in quantities], quantities.requests > 1)
        untold = recorded.untold(row)
        served, requested = row.model_served, row.model_requested
        key = (served, requested, moment, month, batch, semantic, meters, untold)
        found = self.buckets.get(key)
        if found is None:
            tracks = [
                Track(
                    self._route(name, (served, requested), moment, batch, semantic),
                    untold,
                    normal=self._normal,
                )
                for name in self.names
            ]
            model = served or requested or "(no model)"
            found = self.buckets[key] = Bucket(model, month, tracks)
        return found

    def _moment(self, created: str | None) -> str | None:
        if created is None:
            return None
        if self._grain is None or len(created) < 16:
            return books.instant(created[:10])
        minute = created[14:16]
        if not minute.isdigit():
            raise UsageError(f"{created[:40]!r} is not a time", code="bad_date")
        minute = f"{int(minute) // self._grain * self._grain:02d}"
        return books.instant(f"{created[:14]}{minute}:00Z")

    def _route(
        self,
        name: str,
        models: tuple[str | None, str | None],
        moment: str | None,
        batch: bool,
        semantic: bool,
    ) -> Route:
        notes = [] if moment is not None else [NO_TIME]
        known = self._file(name) if name.endswith(".toml") else None
        try:
            book, assumed = books.load_or_first(name, moment, folder=self.folder, known=known)
        except UsageError as error:
            if error.code != "no_version":
                raise
            book = known or self._versions(name)[-1]
            return Route(book, None, None, error.message, tuple(notes))
        if assumed:
            notes.append(ASSUMED)
        if book.valid_from is None and moment is not None and moment < book.retrieved:
            notes.append(OPEN)
        try:
            model, mapped = self._model(book, models)
            if mapped:
                notes.append(MAPPED)
            if semantic and not _answers_from_cache(book, model, batch):
                semantic = False
                notes.append(SEMANTIC)
            pricer = self._pricer(book, model, moment, batch, semantic, notes)
        except (UnpricedError, UsageError) as error:
            return Route(book, None, None, error.message, tuple(notes))
        return Route(book, model.id, pricer, None, tuple(notes))

    def _pricer(
        self,
        book: Book,
        model: Model,
        moment: str | None,
        batch: bool,
        semantic: bool,
        notes: list[str],
    ) -> engine.Pricer:
        for _ in range(3):
            try:
                return engine.pricer(book, model, at=moment, batch=batch, semantic_hit=semantic)
            except UnpricedError:
                if not (batch and self._normal):
                    raise
                batch = False
                notes.append(NORMAL)
            except UsageError as error:
                if error.code != "before_first_price":
                    raise
                moment = model.periods[0].get("from")
                notes.append(ASSUMED)
        return engine.pricer(book, model, at=moment, batch=batch, semantic_hit=semantic)

    def _model(self, book: Book, models: tuple[str | None, str | None]) -> tuple[Model, bool]:
        """The model that a record is priced as, and whether it was mapped to another one."""
        for name in dict.fromkeys(models):
            for key in ((book.id, name), (None, name)):
                wanted = self.maps.get(key) if name else None  # type: ignore[arg-type]
                if wanted is None:
                    continue
                try:
                    found = book.find(wanted)
                except UsageError:
                    continue
                self.used_maps.add(key)  # type: ignore[arg-type]
                return found, found.id != name
        return charged_model(book, *models), False

    def _named(self, name: str) -> Book:
        if name.endswith(".toml"):
            return self._file(name)
        return books.load(name, at=self.at, folder=self.folder)

    def _file(self, path: str) -> Book:
        if not hasattr(self, "_files"):
            self._files: dict[str, Book] = {}
        if path not in self._files:
            self._files[path] = books.load(path)
        return self._files[path]

    def _versions(self, name: str) -> list[Book]:
        if name.endswith(".toml"):
            return [self._file(name)]
        starts = books.versions(name, folder=self.folder)
        return [books.load(name, at=start, folder=self.folder) for start, _ in starts]


def _usage(book: Book, counted: Counted) -> Usage:
    """Quantities as a book counts them."""
    usage = usage_of(
        book,
        input_tokens=counted.input,
        cached=counted.cached,
        cache_write=counted.cache_write,
        output=counted.output,
        reasoning=counted.reasoning,
        requests=counted.requests,
    )
    if counted.images or counted.seconds or counted.videos or counted.gpu_seconds:
        usage = usage._replace(
            image=counted.images,
            second=counted.seconds,
            video=counted.videos,
            gpu_second=counted.gpu_seconds,
        )
    return usage


def _uncounted(pricer: engine.Pricer | None, untold: tuple[int, ...]) -> str | None:
    """Which of the counts that a record does not give the model has a price for, in words."""
    if pricer is None:
        return None
    sets = [rates for form in pricer.forms for _, rates in form]
    sold = [METERS[meter] for meter in untold if any(_sold(rates, meter) for rates in sets)]
    return f"no count of {' and '.join(sold)} is given, and it has a price" if sold else None


def _sold(rates: RateSet, meter: int) -> bool:
    own = rates.meters[meter]
    return rates.coefficients[meter] > 0 if own.rate else own.state != "not_applicable"


def _figures(pricer: engine.Pricer, usage: Usage) -> tuple[int, int | None, int]:
    """(low, expected, high) of a charge in the book's units."""
    if pricer.known:
        units = pricer.charge(usage).units
        return units, units, units
    return pricer.charge_range(usage)


def _middle(pricer: engine.Pricer, usage: Usage) -> int:
    """One figure of a charge: where only a range is known, its upper end."""
    if pricer.known:
        return pricer.charge(usage).units
    return pricer.charge_range(usage)[2]


def _add(sums: dict[str, int], charge: tuple[str, int]) -> None:
    currency, units = charge
    sums[currency] = sums.get(currency, 0) + units


def _answers_from_cache(book: Book, model: Model, batch: bool) -> bool:
    """Whether the gateway has a semantic cache that such a request may be answered from."""
    if not book.data.get("semantic_cache", {}).get("offered"):
        return False
    never = book.rule("semantic_never", ())
    return not (model.kind in never or (batch and "batch" in never))


def _grain(versions: list[Book]) -> int | None:
    """Minutes within which no price changes; None where prices change by the day at most.

    It keeps what is summed apart small: a book with prices by the hour has 24 of them a day.
    """
    found: int | None = None
    for book in versions:
        ends = [book.valid_from or "", book.valid_to or ""]
        clocks = []
        for model in book.models.values():
            for period in model.periods:
                clocks += [clock for hours in period.get("hours", ()) for clock in hours]
                ends += [period.get(end) or "" for end in ("from", "to", "batch_from")]
        for clock in (*clocks, *(end[11:19] for end in ends if len(end) > 10)):
            # A change within a minute counts from the next one on.
            found = gcd(found or 60, int(clock[3:5]), int(clock[6:8] or 0) and 1)
    return found
