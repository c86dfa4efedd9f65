"""How a file reads and rounds: whatever explains most of its rows.

A sample of rows is priced under each reading; under each of them every rounding is tried. The
book's own reading and rounding win a tie, and only rows on which two candidates differ decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.usage.audit import prices
from nexctl.usage.audit.explain import line_of
from nexctl.usage.audit.prices import CACHED, REASONING, WRITE, Conditions, Pricing, Shelf
from nexctl.usage.audit.terms import MODES, PICO, Reading, Rounding
from nexctl.usage.readers.blocks import utc

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.usage.reading import Row

PLACES = (9, 12, 8, 6, 10, 7, 5, 4, 3, 2, 0)
# Rows that another reading or rounding must explain beyond the book's own.
LEAST = 3
READING_RULES = (
    ("cached_inside", "input_includes_cached"),
    ("reasoning_inside", "output_includes_reasoning"),
    ("markup_added", "markup_included"),
)
MOST_TRIED = 120
MOST_FINAL = 8


class Inferred(NamedTuple):
    """What a sample of one book's rows says.

    explained  rows of the sample that the winner comes to exactly, of `rows`
    deciding   by question (cached, reasoning, markup): rows on which the answer matters
    inside     whether the source's counts are known to hold cached and reasoning tokens
    """

    book: Book
    reading: Reading
    rounding: Rounding
    own_reading: Reading
    own_rounding: Rounding
    explained: int
    rows: int
    deciding: dict[str, int]
    inside: bool = False

    @property
    def reread(self) -> bool:
        """Whether the file is read otherwise than somebody says that it is to be."""
        return any(
            getattr(self.reading, field) != getattr(self.own_reading, field) and self.stated(rule)
            for field, rule in READING_RULES
        )

    @property
    def disputed(self) -> bool:
        """Whether it reads or rounds otherwise than somebody says: that is a finding."""
        differs = self.rounding != self.own_rounding
        return self.reread or bool(differs and stated_rounding(self.book))

    def stated(self, name: str) -> str | None:
        """Who says how a rule is: the list's source, or what `stated` tells of the book."""
        source = self.inside and name in ("input_includes_cached", "output_includes_reasoning")
        return "source" if source else stated(self.book, name)


class Case(NamedTuple):
    """One priced row of the sample: exact (numerator, denominator, parts) by reading."""

    billed: int
    exact: dict[Reading, tuple[int, int, tuple[int, ...]] | None]


def infer(
    shelf: Shelf, rows: Iterable[tuple[Row, int]], *, step: int | None = None
) -> dict[str, Inferred]:
    """Judge sampled (row, billed pico) by book. `step` is one more rounding that the source has."""
    by_book: dict[str, tuple[Book, list[Case]]] = {}
    plans: dict[tuple[Conditions, Reading], prices.Plan] = {}
    for row, billed in rows:
        conditions = conditions_of(row)
        plan = _plan(shelf, plans, conditions, None, row)
        if plan.agrees:
            plain = _plan(shelf, plans, conditions._replace(tier=None), None, row)
            percent = prices.agreed_percent(plain, row.multiplier)
            conditions = conditions._replace(agreed=percent)
            plan = _plan(shelf, plans, conditions, None, row)
        if plan.why is not None or plan.book is None or len(plan.forms) != 1:
            continue
        line = line_of(0, row, billed)
        if line.missing or billed <= 0 or plan.conditions.status == "error":
            continue
        kept = by_book.setdefault(plan.book.id, (plan.book, []))
        kept[1].append(_case(shelf, plans, conditions, plan, line.usage, billed, row))
    return {name: _best(shelf, book, cases, step) for name, (book, cases) in by_book.items()}


def conditions_of(row: Row) -> Conditions:
    """What decides a row's price."""
    return Conditions(
        (utc(row.created_at or "") or "")[:10],
        row.model_served or None,
        row.model_requested or None,
        row.tier or None,
        row.semantic_cache_hit,
        bool(row.batch_id),
        row.currency or None,
        row.status or None,
        row.price_book or None,
    )


def _plan(
    shelf: Shelf,
    plans: dict[tuple[Any, ...], prices.Plan],
    conditions: Conditions,
    reading: Reading | None,
    row: Row,
) -> prices.Plan:
    found = plans.get((conditions, reading))
    if found is None:
        pricing = Pricing(shelf)
        if reading is not None:
            name = plans[conditions, None].book
            pricing = Pricing(shelf, {name.id: reading} if name is not None else {})
        found = plans[conditions, reading] = pricing.plan(conditions)
    if found.instants:
        return Pricing(shelf, {found.book.id: found.reading} if found.book else {}).plan(
            conditions, utc(row.created_at or "")
        )
    return found


def _case(
    shelf: Shelf,
    plans: dict[tuple[Any, ...], prices.Plan],
    conditions: Conditions,
    plan: prices.Plan,
    usage: tuple[int, ...],
    billed: int,
    row: Row,
) -> Case:
    own = plan.reading
    exact: dict[Reading, tuple[int, int, tuple[int, ...]] | None] = {}
    for reading in _readings(plan, usage):
        other = plan if reading == own else _plan(shelf, plans, conditions, reading, row)
        form = prices.form_for(other, other.forms[0], usage)
        total = prices.priced(form, usage)
        if total is None or not prices.fits(other, usage):
            exact[reading] = None
            continue
        parts = tuple(
            q * c
            for q, c in zip(prices.billed_parts(other, form, usage), form.own, strict=True)
            if q
        )
        exact[reading] = (total, form.denominator, parts)
    return Case(billed, exact)


def _readings(plan: prices.Plan, usage: Sequence[int]) -> list[Reading]:
    """The readings that matter to a row, the book's first."""
    own = plan.reading
    cached = (own.cached_inside, not own.cached_inside)
    reasoning = (own.reasoning_inside, not own.reasoning_inside)
    markup = (own.markup_added, not own.markup_added)
    stated = plan.model is not None and plan.model.markup["stated"]
    return [
        Reading(*chosen)
        for chosen in product(
            cached if usage[CACHED] or usage[WRITE] else cached[:1],
            reasoning if usage[REASONING] else reasoning[:1],
            markup if stated else markup[:1],
        )
    ]


def _best(shelf: Shelf, book: Book, cases: list[Case], step: int | None) -> Inferred:
    own_reading, own_rounding = shelf.reading(book), prices.rounding_of(book)
    candidates = _roundings(own_rounding, step)
    readings = _all_readings(own_reading, cases)
    base = own_rounding if step is None else _at_step(cases, own_reading, own_rounding, step)
    rest = [c for c in cases if not _comes_to(c, own_reading, base, own_reading)]
    own = len(cases) - len(rest)
    best = (own, own_reading, base)
    for reading, rounding in _promising(rest, readings, candidates, own_reading):
        found = _explained(cases, reading, rounding, own_reading)
        if found > best[0] and found >= own + LEAST:
            best = (found, reading, rounding)
    deciding = {
        "cached": sum(_matters(case, own_reading, "cached_inside") for case in cases),
        "reasoning": sum(_matters(case, own_reading, "reasoning_inside") for case in cases),
        "markup": sum(_matters(case, own_reading, "markup_added") for case in cases),
    }
    return Inferred(
        book,
        best[1],
        best[2],
        own_reading,
        own_rounding,
        best[0],
        len(cases),
        deciding,
        shelf.inside,
    )


def _at_step(cases: list[Case], reading: Reading, own: Rounding, step: int) -> Rounding:
    """The book's rounding, or the one at the source's own step that explains more, be it one row.

    That a source counts in steps is known, and needs no rows that show it.
    """
    at_step = [Rounding(step, mode) for mode in MODES]
    return max([own, *at_step], key=lambda one: _explained(cases, reading, one, reading))


def _promising(
    rest: list[Case], readings: list[Reading], roundings: list[Rounding], own: Reading
) -> list[tuple[Reading, Rounding]]:
    """Candidates that explain most of what the book's own reading does not, best first."""
    some = rest[:: max(1, len(rest) // MOST_TRIED)]
    scored = [
        (-_explained(some, reading, rounding, own), place, reading, rounding)
        for place, (reading, rounding) in enumerate(product(readings, roundings))
    ]
    scored.sort(key=lambda one: one[:2])
    least = min(LEAST, len(some))
    return [(one[2], one[3]) for one in scored[:MOST_FINAL] if -one[0] >= max(1, least)]


def _all_readings(own: Reading, cases: list[Case]) -> list[Reading]:
    """Readings to try, those near the book's first."""
    asked = [False, False, False]
    for case in cases:
        for reading in case.exact:
            for index in range(3):
                asked[index] = asked[index] or reading[index] != own[index]
    options = [
        (value, not value) if ask else (value,) for value, ask in zip(own, asked, strict=True)
    ]
    found = [Reading(*chosen) for chosen in product(*options)]
    return sorted(found, key=lambda one: sum(a != b for a, b in zip(one, own, strict=True)))


def _roundings(own: Rounding, step: int | None) -> list[Rounding]:
    steps = [own.step, *(10 ** (PICO - places) for places in PLACES)]
    if step is not None:
        steps.insert(1, step)
    found = [own]
    for component in (False, True):
        for size in dict.fromkeys(steps):
            found += [Rounding(size, mode, component) for mode in MODES]
    return list(dict.fromkeys(found))


def _explained(cases: list[Case], reading: Reading, rounding: Rounding, own: Reading) -> int:
    return sum(_comes_to(case, reading, rounding, own) for case in cases)


def _comes_to(case: Case, reading: Reading, rounding: Rounding, own: Reading) -> bool:
    exact = _exact(case, reading, own)
    if exact is None or case.billed % rounding.step:
        return False
    total, denominator, parts = exact
    if abs(case.billed * denominator - total) > len(parts) * rounding.step * denominator:
        return False
    if rounding.component:
        return case.billed == sum(prices.stepped(p, denominator, rounding) for p in parts)
    return case.billed == prices.stepped(total, denominator, rounding)


def _exact(case: Case, reading: Reading, own: Reading) -> tuple[int, int, tuple[int, ...]] | None:
    """The case under a reading; where a question does not arise, as the book reads."""
    found = case.exact
    if reading in found:
        return found[reading]
    for other in found:
        if all(
            other[i] == reading[i] or not any(one[i] != own[i] for one in found) for i in range(3)
        ):
            return found[other]
    return None


def _matters(case: Case, own: Reading, name: str) -> bool:
    other = own.other(name)
    first, second = _exact(case, own, own), case.exact.get(other)
    if first is None or second is None:
        return other in case.exact
    return first[0] * second[1] != second[0] * first[1]


def stated(book: Book, name: str) -> str | None:
    """The source of a rule where the vendor says it (page, docs, data); None where it is silent."""
    row = book.data.get("rules", {}).get(name)
    if row is None:
        return None
    tag = book.source_in(row.get("said"), "value")[0]
    return tag if tag in ("page", "docs", "data") else None


def stated_rounding(book: Book) -> str | None:
    """The same for the rounding."""
    row = book.head.get("rounding")
    if not row:
        return None
    tag = book.source_in(row.get("said"), "places")[0]
    return tag if tag in ("page", "docs", "data") else None
