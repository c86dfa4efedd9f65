"""The loop over a block of rows: what agrees is counted, what does not is explained.

Per row it does one look-up, one sum of products and one comparison, in integers: a row agrees when
`billed x denominator - sum(quantity x coefficient)` lies within the rounding of its plan. Whatever
the loop cannot settle (ties, context tiers, missing counts) goes to the explainer.

Long because each kind of column has its own form of one loop: a call a row would double its time.
"""

from __future__ import annotations

import datetime
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, TypeAlias

from nexctl.pricing.exact import ratio_of, rounded
from nexctl.usage.audit import chain, prices
from nexctl.usage.audit.explain import Explainer, Judged, Later, Line, line_of
from nexctl.usage.audit.infer import conditions_of
from nexctl.usage.audit.prices import (
    CACHED,
    INPUT,
    OUTPUT,
    REASONING,
    WRITE,
    Conditions,
    Form,
    Plan,
)
from nexctl.usage.audit.terms import Finding
from nexctl.usage.readers.blocks import Batch, utc
from nexctl.usage.readers.numbers import NANO, amounts, read_amounts
from nexctl.usage.reading import Row, _truth

# Findings that one block keeps; beyond, only their count and sum are.
MOST_FINDINGS = 2_000
MOST_PARTS = 4_096
_DIFFERS: Any = object()
_NO = (False,)


class Sums:
    """What is counted within a block of the rows of one model (as `counted` names it).

    `cached` and `reasoning` are what the other reading would add, in pico times the denominator.
    """

    __slots__ = (
        "billed", "book", "cached", "counted", "denominator", "marked", "plan", "reasoning", "rows",
        "unit",
    )  # fmt: skip

    def __init__(self, plan: Plan, key: _Key) -> None:
        self.plan = plan
        stated = plan.model.markup["stated"] if plan.model is not None else None
        self.marked = ratio_of(stated) if stated else None
        self.book = plan.book.id if plan.book is not None and plan.forms else None
        self.counted, self.unit, self.denominator = key
        self.clear()

    def clear(self) -> None:
        """Begin another block."""
        self.rows = self.billed = self.cached = self.reasoning = 0


Counted: TypeAlias = tuple[str, str, str, bool]
_Key: TypeAlias = tuple[Counted, str, int]


def _key(plan: Plan, form: Form | None) -> _Key:
    book = plan.book
    counted = (
        book.id if book is not None else "",
        book.version if book is not None else "",
        plan.model_name if plan.why is None else "",
        plan.assumed,
    )
    return counted, plan.unit, form.denominator if form is not None else 1


class Checker:
    """Checks batches of rows.

    `reference` prices what the book says, where a file reads otherwise, and of the books that are
    `disputed` a row may follow either; `known` a cell's text.
    """

    def __init__(
        self,
        pricing: prices.Pricing,
        reference: prices.Pricing | None,
        known: Any,
        *,
        disputed: frozenset[str] = frozenset(),
        debits: bool = False,
        gaps: bool = False,
    ) -> None:
        self.disputed = disputed
        self.debits, self.gaps = debits, gaps
        self.explainer = Explainer(pricing)
        self.reference = Explainer(reference) if reference is not None else None
        self._plans = {unit: _Plans(pricing, known, unit) for unit in (1, NANO)}
        self._twins: dict[int, Plan] = {}

    def check(self, batch: Batch) -> dict[str, Any]:
        """Totals, findings and the ends of the balance chains of a block; row numbers from 0."""
        billed, unit = read_amounts(batch.charge)
        rates = self._plans[unit]
        fast = rates.of(batch)
        open_rows = self._loop(fast, billed, batch)
        found = _Found(batch, billed, unit)
        for index in open_rows:
            self._judge(index, plan_of(fast[index]), found)
        plans = [sums for sums in rates.sums if sums.rows]
        self._compare_reference(fast, open_rows, found)
        links, gaps = chain.links(batch, billed, unit, found.add, gaps=self.gaps)
        totals = _Totals(plans, found, unit)
        result = {
            "rows": batch.count,
            "findings": found.findings,
            "overflow": found.overflow,
            "notes": found.notes,
            "unknown": found.unknown,
            "billed": totals.billed,
            "plans": totals.counts,
            "readings": totals.others,
            "agreed": dict(self.explainer.agreed),
            "lasting": dict(self.explainer.lasting),
            "refunds": dict(self.explainer.refunds),
            "reference": found.reference,
            "links": links,
            "gaps": gaps if self.gaps else [],
            "drift": _drift_groups(fast, open_rows, found),
            "debits": -sum(amounts(batch.delta)) if self.debits else 0,
        }
        for sums in plans:
            sums.clear()
        self.explainer.agreed.clear()
        self.explainer.lasting.clear()
        self.explainer.refunds.clear()
        return result

    def _loop(self, fast: list[tuple[Any, ...]], billed: list[int], batch: Batch) -> list[int]:
        """Rows that do not agree at once, in order."""
        unknown = _unknown(batch)
        left: list[int] = []
        for index, plan, bill, into, cached, write, out, reasoning, request in zip(
            range(batch.count),
            fast,
            billed,
            *_numbers(batch),
            strict=True,
        ):
            a, d, f, denominator, low, high, step, most, rare, sums = plan
            sums.rows += 1
            sums.billed += bill
            gap = bill * denominator - into * a - out * d
            if f:
                gap -= request * f
            if cached or write or reasoning:
                b, c, e, tie, twice, inside, other, written, beside, _ = rare
                gap -= cached * b + write * c + reasoning * e
                if (
                    (low < gap < high or (abs(gap) == tie and not bill % twice))
                    and (step == 1 or not bill % step)
                    and into + out + cached <= most
                    and reasoning <= out
                    and not (inside and cached + write > into)
                ):
                    sums.cached += cached * other + write * written
                    sums.reasoning += reasoning * beside
                else:
                    left.append(index)
            elif (
                not (low < gap < high or (abs(gap) == rare[3] and not bill % rare[4]))
                or (step != 1 and bill % step)
                or into + out > most
            ):
                left.append(index)
        return sorted({*left, *unknown}) if unknown else left

    def _judge(self, index: int, plan: Plan, found: _Found) -> None:
        batch = found.batch
        if batch.charge[index] is None:
            row = batch.detail(index)
            found.add(
                Finding(
                    "unpriced", "warning", index, row.request_id, None, None,
                    "the row has no charge", currency=row.currency, model=plan.model_name,
                    created_at=row.created_at, customer_id=row.customer_id,
                )
            )  # fmt: skip
            return
        if batch.rare is not None or batch.into[index] is None or batch.out[index] is None:
            line = line_of(index, batch.detail(index), found.billed(index))
        else:
            usage = _usage(batch, index)
            line = Line(index, Later(batch.detail, index), found.billed(index), usage, False)
        judged = self._judged(plan, line)
        if judged.note is not None:
            found.notes.append(judged.note)
        if judged.finding is not None:
            found.add(judged.finding)
        else:
            found.agreed.append(index)
            if plan.book is not None and len(plan.forms) == 1 and line.billed >= 0:
                other = found.other.setdefault((plan.book.id, plan.unit), [0, 0, 0])
                if line.usage[CACHED] or line.usage[WRITE]:
                    other[0] += self.explainer.other_reading(plan, line, "cached_inside")
                if line.usage[REASONING]:
                    other[1] += self.explainer.other_reading(plan, line, "reasoning_inside")

    def alone(self, row: Row, place: int, billed: int) -> Finding | None:
        """What is found of one row, where its finding may have been counted and not kept."""
        plan = self.explainer.plan(conditions_of(row))
        return self._judged(plan, line_of(place, row, billed)).finding

    def _judged(self, plan: Plan, line: Line) -> Judged:
        judged = self.explainer.judge(plan, line)
        if judged.finding is not None and plan.book is not None and plan.book.id in self.disputed:
            return self._by_the_book(plan, line, judged)
        return judged

    def _by_the_book(self, plan: Plan, line: Line, judged: Judged) -> Judged:
        """A row that follows the book itself is never a finding, however the others read."""
        assert self.reference is not None  # noqa: S101
        twin = self._twin(plan)
        other = self.reference.judge(twin, line)
        return other if other.finding is None else judged

    def _twin(self, plan: Plan) -> Plan:
        assert self.reference is not None  # noqa: S101
        found = self._twins.get(id(plan))
        if found is None:
            found = self._twins[id(plan)] = self.reference.pricing.plan(plan.conditions)
        return found

    def _compare_reference(
        self, fast: list[tuple[Any, ...]], open_rows: list[int], found: _Found
    ) -> None:
        """What rows that agree with how the file reads would come to as the book says."""
        if self.reference is None:
            return
        agreed = set(found.agreed)
        skipped = set(open_rows) - agreed
        for index in range(found.batch.count):
            plan = plan_of(fast[index])
            if index in skipped or plan.book is None or found.billed(index) < 0:
                continue
            usage = _usage(found.batch, index)
            wanted = self._otherwise(plan, usage, found.batch.created[index])
            if wanted is None or wanted == found.billed(index):
                continue
            sums = found.reference.setdefault((plan.book.id, plan.unit), [0, 0, 0])
            sums[0] += 1
            sums[1] += found.billed(index)
            sums[2] += wanted

    def by_the_book(self, row: Row, place: int, billed: int) -> tuple[tuple[str, str], int] | None:
        """What an agreeing row comes to as its book says, where that is something else.

        With the (book, currency) that it is counted under in `reference`.
        """
        plan = self.explainer.plan(conditions_of(row))
        if self.reference is None or plan.book is None:
            return None
        usage = line_of(place, row, billed).usage
        wanted = self._otherwise(plan, usage, utc(row.created_at or ""))
        if wanted is None or wanted == billed:
            return None
        return (plan.book.id, plan.unit), wanted

    def _otherwise(self, plan: Plan, usage: tuple[int, ...], created: str | None) -> int | None:
        """What a row comes to as its book says; None where the plan reads as the book does."""
        twin = self._twin(plan)
        if (twin.reading, twin.rounding) == (plan.reading, plan.rounding) or not twin.forms:
            return None
        if twin.instants and self.reference is not None:
            twin = self.reference.plan(twin.conditions, created)
        return prices.expected(twin, prices.form_for(twin, twin.forms[0], usage), usage)


class _Found:
    """What a block's rows gave."""

    def __init__(self, batch: Batch, billed: list[int], unit: int) -> None:
        self.batch = batch
        self._billed, self._unit = billed, unit
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.agreed: list[int] = []
        self.overflow: dict[tuple[str, str], list[int]] = {}
        self.unknown: dict[str, int] = {}
        self.other: dict[tuple[str, str], list[int]] = {}
        self.groups: dict[tuple[str, str, str], list[Finding]] = {}
        self.reference: dict[tuple[str, str], list[int]] = {}

    def billed(self, index: int) -> int:
        """What a row bills, in pico."""
        return self._billed[index] * self._unit

    def add(self, finding: Finding) -> None:
        """Keep a finding, or where there are too many its count and sum."""
        if finding.expected is None and finding.billed is not None and finding.rule != "balance":
            unit = finding.currency or ""
            self.unknown[unit] = self.unknown.get(unit, 0) + finding.billed
        for meter, rate in finding.causes:
            self.groups.setdefault((finding.model or "", meter, rate), []).append(finding)
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
            return
        key = (finding.rule, finding.currency or "")
        sums = self.overflow.setdefault(key, [0, 0])
        sums[0] += 1
        sums[1] += finding.difference or 0


class _Plans(dict[tuple[Any, ...], tuple[Any, ...]]):
    """Fast plans by what the rows say; made when first asked for."""

    def __init__(self, pricing: prices.Pricing, known: Any, unit: int) -> None:
        super().__init__()
        self._unit = unit
        self._pricing = pricing
        self._known = known
        self._parts: dict[tuple[Any, ...], _Part] = {}
        self._kinds: dict[_Key, Sums] = {}
        self.sums: list[Sums] = []

    def of(self, batch: Batch) -> list[tuple[Any, ...]]:
        """The fast plan of each row. Only what differs within the block is looked up a row."""
        if not batch.count:
            return []
        columns: tuple[Sequence[Any], ...] = (
            _days(batch.created),
            batch.served,
            batch.requested,
            batch.tier,
            batch.hit,
            list(map(bool, batch.batch)) if any(batch.batch) else _NO,
            batch.currency,
            batch.status,
            batch.price_book,
        )
        last = batch.count - 1
        same = [len(c) == 1 or (c[0] == c[last] and c.count(c[0]) == batch.count) for c in columns]
        key = tuple(c[0] if one else _DIFFERS for c, one in zip(columns, same, strict=True))
        part = self._parts.get(key)
        if part is None:
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            part = self._parts[key] = _Part(self, key)
        differing = [c for c, one in zip(columns, same, strict=True) if not one]
        if not differing:
            return [part[()]] * batch.count
        return list(map(part.__getitem__, zip(*differing, strict=True)))

    def __missing__(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        day, served, requested, tier, hit, batch, currency, status, price_book = key
        known = self._known
        # A day that is none makes the block be read again, to name its line.
        datetime.date.fromisoformat(day)
        plan = self._pricing.plan(
            Conditions(
                day,
                known(served) or None,
                known(requested) or None,
                known(tier) or None,
                _truth(hit) if hit and isinstance(hit, str) else hit or None,
                batch,
                known(currency) or None,
                known(status) or None,
                known(price_book) or None,
            )
        )
        # Of rows that the loop settles, the first context tier is the right one.
        form = plan.forms[0][0] if len(plan.forms) == 1 else None
        kind = _key(plan, form)
        sums = self._kinds.get(kind)
        if sums is None:
            sums = self._kinds[kind] = Sums(plan, kind)
            self.sums.append(sums)
        *numbers, rare = prices.fast(plan, self._unit)
        self[key] = fast = (*numbers, (*rare, *_others(plan, form), plan), sums)
        return fast


class _Part(dict[tuple[Any, ...], tuple[Any, ...]]):
    """The same plans by what differs within a block; the rest is given."""

    def __init__(self, plans: _Plans, given: tuple[Any, ...]) -> None:
        super().__init__()
        self._plans, self._given = plans, given

    def __missing__(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        rest = iter(key)
        whole = tuple(next(rest) if one is _DIFFERS else one for one in self._given)
        self[key] = found = self._plans[whole]
        return found


def plan_of(fast: tuple[Any, ...]) -> Plan:
    """The plan that a fast plan was made from."""
    plan: Plan = fast[-2][-1]
    return plan


def _days(created: Sequence[str]) -> Sequence[str]:
    """The day of each row; only the one where all share it."""
    # What lies between two texts that begin alike begins like them.
    first = min(created)[:10]
    if len(first) == 10 and max(created)[:10] == first:
        return (first,)
    return [one[:10] for one in created]


def _complete(column: Sequence[int | None]) -> bool:
    """Whether every number is known. Adding them up tells it faster than looking for None."""
    try:
        sum(column)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _numbers(batch: Batch) -> list[Sequence[Any]]:
    """Input, cached, written, output, reasoning and requests; what is not known is 0 (1)."""
    columns: list[Sequence[Any]] = [
        batch.into,
        batch.cached,
        batch.write,
        batch.out,
        batch.reasoning,
        batch.requests,
    ]
    if batch.complete:
        return columns
    return [
        column
        if _complete(column)
        else [default if number is None else number for number in column]
        for column, default in zip(columns, (0, 0, 0, 0, 0, 1), strict=True)
    ]


def _unknown(batch: Batch) -> list[int]:
    """Rows that the loop must not settle: no charge, no counts, or rare meters."""
    if batch.complete:
        return []
    rows: set[int] = set()
    if not all(batch.charge):
        rows.update(i for i, charge in enumerate(batch.charge) if charge is None)
    if not _complete(batch.into) and not _complete(batch.out):
        rows.update(
            i
            for i, (into, out) in enumerate(zip(batch.into, batch.out, strict=True))
            if into is None and out is None
        )
    if batch.rare is not None:
        rows.update(i for i, rare in enumerate(batch.rare) if rare)
    return sorted(rows)


def _usage(batch: Batch, index: int) -> tuple[int, ...]:
    if batch.rare is not None and batch.rare[index]:
        return line_of(index, batch.detail(index), 0).usage
    requests = batch.requests[index]
    return (
        batch.into[index] or 0,
        batch.cached[index] or 0,
        batch.write[index] or 0,
        batch.out[index] or 0,
        batch.reasoning[index] or 0,
        1 if requests is None else requests,
        *(0, 0, 0, 0),
    )


def _others(plan: Plan, form: Form | None) -> tuple[int, int, int]:
    """What one cached, written and reasoning token would add if they were read the other way.

    In pico, times the form's denominator; 0 where that is not known, or where it is the same.
    """
    if form is None:
        return 0, 0, 0
    into, out = (0 if form.own[m] > prices.POISON // 2 else form.own[m] for m in (INPUT, OUTPUT))
    inside, beside = (
        (reading.cached_inside, prices.write_inside(plan.book, reading), reading.reasoning_inside)
        for reading in (
            plan.reading,
            plan.reading.other("cached_inside").other("reasoning_inside"),
        )
    )
    # Whatever is read as inside input (output) saves its price.
    cached, written, reasoning = (
        rate * (one - other)
        for rate, one, other in zip((into, into, out), inside, beside, strict=True)
    )
    return cached, written, reasoning


def _other_markup(plan: Plan, bill: int, top: int, bottom: int) -> int:
    if plan.reading.markup_added:
        return -rounded(bill * top, bottom + top, 0)
    return rounded(bill * top, bottom, 0)


class _Totals:
    """A block's sums over its plans.

    billed  by currency, in pico
    counts  rows by (book id, its version, model, whether the price had to be assumed)
    others  by book and currency: what the other readings would add, in pico (cached, reasoning,
            markup)
    """

    def __init__(self, plans: list[Sums], found: _Found, unit: int) -> None:
        self.billed: dict[str, int] = {}
        self.counts: dict[tuple[str, str, str, bool], int] = {}
        self.others = found.other
        exact: dict[tuple[str, str, int], list[int]] = {}
        for sums in plans:
            billed = sums.billed * unit
            self.billed[sums.unit] = self.billed.get(sums.unit, 0) + billed
            self.counts[sums.counted] = self.counts.get(sums.counted, 0) + sums.rows
            if sums.book is None:
                continue
            if sums.cached or sums.reasoning:
                entry = exact.setdefault((sums.book, sums.unit, sums.denominator), [0, 0])
                entry[0] += sums.cached
                entry[1] += sums.reasoning
            if sums.marked is not None and billed:
                self._of(sums.book, sums.unit)[2] += _other_markup(sums.plan, billed, *sums.marked)
        for (book, currency, denominator), more in exact.items():
            for place, value in enumerate(more):
                self._of(book, currency)[place] += rounded(value, denominator, 0)

    def _of(self, book: str, currency: str) -> list[int]:
        return self.others.setdefault((book, currency), [0, 0, 0])


def _drift_groups(
    fast: list[tuple[Any, ...]], open_rows: list[int], found: _Found
) -> dict[tuple[str, str, str], Any]:
    """Rate findings that name one rate, with the model's rows that agree around them.

    Model, meter, rate -> [rows, agreeing before, between, after, billed, expected, first finding,
    last finding].
    """
    groups = found.groups
    if not groups:
        return {}
    differing = set(open_rows) - set(found.agreed)
    models = {model for model, _, _ in groups}
    agreeing: dict[str, list[int]] = {model: [] for model in models}
    for index, plan in enumerate(fast):
        name = plan_of(plan).model_name
        if name in models and index not in differing:
            agreeing[name].append(index)
    out: dict[tuple[str, str, str], Any] = {}
    for key, rows in groups.items():
        known = agreeing[key[0]]
        first, last = rows[0], rows[-1]
        before, behind = bisect_left(known, first.row), bisect_left(known, last.row)
        out[key] = [
            *(len(rows), before, behind - before, len(known) - behind),
            sum(one.billed or 0 for one in rows),
            sum(one.expected or 0 for one in rows),
            *(first, last),
        ]
    return out
