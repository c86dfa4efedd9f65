"""The loop over a block of rows: what agrees is counted, what does not is explained.

Per row it does one look-up, one sum of products and one comparison, in integers: a row agrees when
`billed x denominator - sum(quantity x coefficient)` lies within the rounding of its plan. Whatever
the loop cannot settle (ties, context tiers, missing counts) goes to the explainer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from nexctl.pricing.exact import ratio_of, rounded
from nexctl.usage.audit import chain, prices
from nexctl.usage.audit.explain import Explainer, Judged, Later, Line, line_of
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
from nexctl.usage.readers.blocks import Batch
from nexctl.usage.readers.numbers import amounts

# Findings that one block keeps; beyond, only their count and sum are.
MOST_FINDINGS = 2_000
MOST_PARTS = 4_096
_DIFFERS: Any = object()


class Sums:
    """What is counted of one plan's rows within a block."""

    __slots__ = (
        "billed", "book", "cached", "counted", "form", "marked", "plan", "reasoning", "rows",
        "unit", "write",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        stated = plan.model.markup["stated"] if plan.model is not None else None
        self.marked = ratio_of(stated) if stated else None
        book = plan.book
        self.book = book.id if book is not None and plan.forms else None
        # Of rows that the loop settles, the first context tier is the right one.
        self.form = plan.forms[0][0] if len(plan.forms) == 1 else None
        self.unit = plan.conditions.currency or (book.unit if book is not None else "")
        self.counted = (
            book.id if book is not None else "",
            book.version if book is not None else "",
            plan.model_name if plan.why is None else "",
            plan.assumed,
        )
        self.clear()

    def clear(self) -> None:
        """Begin another block."""
        self.rows = self.billed = self.cached = self.write = self.reasoning = 0


class Checker:
    """Checks batches of rows.

    `reference` prices what the book says, where a file reads otherwise; `known` a cell's text.
    """

    def __init__(
        self,
        pricing: prices.Pricing,
        reference: prices.Pricing | None,
        known: Any,
        *,
        debits: bool = False,
        gaps: bool = False,
    ) -> None:
        self.debits, self.gaps = debits, gaps
        self.explainer = Explainer(pricing)
        self.reference = Explainer(reference) if reference is not None else None
        self.plans = _Plans(pricing, known)
        self._twins: dict[int, Plan] = {}

    def check(self, batch: Batch) -> dict[str, Any]:
        """Totals, findings and the ends of the balance chains of a block; row numbers from 0."""
        billed = amounts(batch.charge)
        fast = self.plans.of(batch)
        open_rows = self._loop(fast, billed, batch)
        found = _Found(batch, billed)
        for index in open_rows:
            self._judge(index, fast[index][-1].plan, found)
        plans = [sums for sums in self.plans.sums if sums.rows]
        self._compare_reference(fast, open_rows, found)
        links, gaps = chain.links(batch, billed, found.add)
        result = {
            "rows": batch.count,
            "findings": found.findings,
            "overflow": found.overflow,
            "notes": found.notes,
            "unknown": found.unknown,
            "billed": _by_currency(plans),
            "plans": _plan_counts(plans),
            "agreed": dict(self.explainer.agreed),
            "readings": _readings(found, plans),
            "reference": found.reference,
            "links": links,
            "gaps": gaps if self.gaps else [],
            "drift": _drift_groups(fast, open_rows, found),
            "debits": -sum(amounts(batch.delta)) if self.debits else 0,
        }
        for sums in plans:
            sums.clear()
        self.explainer.agreed.clear()
        return result

    def _loop(self, fast: list[tuple[Any, ...]], billed: list[int], batch: Batch) -> list[int]:
        """Rows that do not agree at once, in order."""
        unknown = _unknown(batch)
        left: list[int] = []
        for index, plan, bill, into, cached, write, out, reasoning, request in zip(
            range(batch.count),
            fast,
            billed,
            _numbers(batch.into),
            _numbers(batch.cached),
            _numbers(batch.write),
            _numbers(batch.out),
            _numbers(batch.reasoning),
            _numbers(batch.requests, 1),
            strict=True,
        ):
            a, b, c, d, e, f, denominator, low, high, tie, step, most, inside, sums = plan
            sums.rows += 1
            sums.billed += bill
            gap = bill * denominator - into * a - out * d
            if f:
                gap -= request * f
            if cached or write or reasoning:
                gap -= cached * b + write * c + reasoning * e
                if (
                    (low < gap < high or (abs(gap) == tie and not bill % (step + step)))
                    and not bill % step
                    and into + out + cached <= most
                    and reasoning <= out
                    and not (inside and cached + write > into)
                ):
                    sums.cached += cached
                    sums.write += write
                    sums.reasoning += reasoning
                else:
                    left.append(index)
            elif (
                not (low < gap < high or (abs(gap) == tie and not bill % (step + step)))
                or bill % step
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
            line = line_of(index, batch.detail(index), found.billed[index])
        else:
            usage = _usage(batch, index)
            line = Line(index, Later(batch.detail, index), found.billed[index], usage, False)
        judged = self.explainer.judge(plan, line)
        if judged.finding is not None and self.reference is not None:
            judged = self._by_the_book(plan, line, judged)
        if judged.note is not None:
            found.notes.append(judged.note)
        if judged.finding is not None:
            found.add(judged.finding)
        else:
            found.agreed.append(index)
            if plan.book is not None:
                other = found.other.setdefault(plan.book.id, [0, 0, 0])
                form = plan.forms[0] if len(plan.forms) == 1 else None
                if form is not None:
                    own = prices.form_for(plan, form, line.usage)
                    other[0] += _other_cached(plan, own, line.usage[CACHED] + line.usage[WRITE])
                    other[1] += _other_reasoning(plan, own, line.usage[REASONING])

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
            plan = fast[index][-1].plan
            if index in skipped or plan.book is None:
                continue
            twin = self._twin(plan)
            if (twin.reading, twin.rounding) == (plan.reading, plan.rounding):
                continue
            usage = _usage(found.batch, index)
            form = prices.form_for(twin, twin.forms[0], usage) if twin.forms else None
            wanted = prices.expected(twin, form, usage) if form is not None else None
            if wanted is None or wanted == found.billed[index]:
                continue
            sums = found.reference.setdefault(plan.book.id, [0, 0, 0])
            sums[0] += 1
            sums[1] += found.billed[index]
            sums[2] += wanted


class _Found:
    """What a block's rows gave."""

    def __init__(self, batch: Batch, billed: list[int]) -> None:
        self.batch = batch
        self.billed = billed
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.agreed: list[int] = []
        self.overflow: dict[tuple[str, str], list[int]] = {}
        self.unknown: dict[str, int] = {}
        self.other: dict[str, list[int]] = {}
        self.groups: dict[tuple[str, str, str], list[Finding]] = {}
        self.reference: dict[str, list[int]] = {}

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

    def __init__(self, pricing: prices.Pricing, known: Any) -> None:
        super().__init__()
        self._pricing = pricing
        self._known = known
        self._parts: dict[tuple[Any, ...], _Part] = {}
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
            list(map(bool, batch.batch)) if any(batch.batch) else (False,),
            batch.currency,
            batch.status,
            batch.price_book,
        )
        same = [len(c) == 1 or c.count(c[0]) == batch.count for c in columns]
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
        plan = self._pricing.plan(
            Conditions(
                known(day),
                known(served) or None,
                known(requested) or None,
                known(tier) or None,
                hit if hit is None or isinstance(hit, bool) else hit.lower() == "true",
                batch,
                known(currency) or None,
                known(status) or None,
                known(price_book) or None,
            )
        )
        sums = Sums(plan)
        self.sums.append(sums)
        self[key] = fast = (*plan.fast[:-1], sums)
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


def _numbers(column: Sequence[int | None], default: int = 0) -> Iterable[int]:
    if _complete(column):
        return column  # type: ignore[return-value]
    return [default if number is None else number for number in column]


def _unknown(batch: Batch) -> list[int]:
    """Rows that the loop must not settle: no charge, no counts, or rare meters."""
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


def _other_cached(plan: Plan, form: Form, count: int) -> int:
    """What cached and written tokens would add if they were read the other way, in pico."""
    # Whatever is read as inside input saves its input price.
    if not count or form.own[INPUT] > prices.POISON // 2:
        return 0
    found = rounded(count * form.own[INPUT], form.denominator, 0)
    return found if plan.reading.cached_inside else -found


def _other_reasoning(plan: Plan, form: Form, count: int) -> int:
    if not count or form.own[OUTPUT] > prices.POISON // 2:
        return 0
    found = rounded(count * form.own[OUTPUT], form.denominator, 0)
    return found if plan.reading.reasoning_inside else -found


def _other_markup(plan: Plan, bill: int, top: int, bottom: int) -> int:
    if plan.reading.markup_added:
        return -rounded(bill * top, bottom + top, 0)
    return rounded(bill * top, bottom, 0)


def _readings(found: _Found, plans: list[Sums]) -> dict[str, list[int]]:
    """By book: what the other readings would add, in pico (cached, reasoning, markup)."""
    totals = found.other
    for sums in plans:
        if sums.book is None:
            continue
        entry = totals.get(sums.book)
        if entry is None:
            entry = totals[sums.book] = [0, 0, 0]
        form = sums.form
        if form is not None and (sums.cached or sums.write or sums.reasoning):
            entry[0] += _other_cached(sums.plan, form, sums.cached + sums.write)
            entry[1] += _other_reasoning(sums.plan, form, sums.reasoning)
        if sums.marked is not None and sums.billed:
            entry[2] += _other_markup(sums.plan, sums.billed, *sums.marked)
    return totals


def _by_currency(plans: list[Sums]) -> dict[str, int]:
    """Sums of what is billed, by currency."""
    totals: dict[str, int] = {}
    for sums in plans:
        totals[sums.unit] = totals.get(sums.unit, 0) + sums.billed
    return totals


def _plan_counts(plans: list[Sums]) -> dict[tuple[str, str, str, bool], int]:
    """Rows by (book id, its version, model, whether the price had to be assumed)."""
    counts: dict[tuple[str, str, str, bool], int] = {}
    for sums in plans:
        counts[sums.counted] = counts.get(sums.counted, 0) + sums.rows
    return counts


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
        name = plan[-1].plan.model_name
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
