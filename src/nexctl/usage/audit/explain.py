"""A row that does not come to what it bills: which single change would make it so.

Explanations are tried in a fixed order; the first under which the row comes to exactly the billed
amount is named. The words say what was computed, never why somebody billed otherwise.

Long because the order of the explanations is the rule: all of them stand in one list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.pricing import tiers
from nexctl.pricing.exact import ratio_of, rounded, text_of_ratio
from nexctl.records import METERS
from nexctl.usage.audit import prices
from nexctl.usage.audit.prices import (
    CACHED,
    INPUT,
    OUTPUT,
    REASONING,
    WRITE,
    Conditions,
    Form,
    Plan,
    Pricing,
)
from nexctl.usage.audit.terms import Finding, Reading, amount, rate_per
from nexctl.usage.readers.blocks import utc

if TYPE_CHECKING:
    from nexctl.usage.reading import Row

Quantities = tuple[int, ...]
MOST_MODELS = 400
_FIELDS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "requests",
    "images",
    "seconds",
    "videos",
    "gpu_seconds",
)


class Later:
    """A row that is read in full when one of its fields is first asked for."""

    def __init__(self, detail: Callable[[int], Row], index: int) -> None:
        self._detail: Callable[[int], Row] | None = detail
        self._index = index

    def __getattr__(self, name: str) -> Any:
        if self._detail is not None:
            self.__dict__["_row"] = self._detail(self._index)
            self._detail = None
        return getattr(self.__dict__["_row"], name)


class Line(NamedTuple):
    """One row under audit. `usage` in the order of METERS, `missing` where no count is given.

    `untold` are the meters of input and output whose own count is not given.
    """

    number: int
    row: Row | Later
    billed: int
    usage: Quantities
    missing: bool
    untold: tuple[int, ...] = ()


class Judged(NamedTuple):
    """What became of a row: a finding or None, a note or None, and what it should have come to."""

    finding: Finding | None
    note: Finding | None
    expected: int | None


def line_of(number: int, row: Row, billed: int) -> Line:
    """A row with its quantities; what it does not tell counts as none, but is remembered."""
    counts = [getattr(row, name) for name in _FIELDS]
    counts[5] = 1 if counts[5] is None else counts[5]
    told = [count for index, count in enumerate(counts) if index != 5 and count is not None]
    untold = tuple(meter for meter in (INPUT, OUTPUT) if counts[meter] is None)
    return Line(number, row, billed, tuple(count or 0 for count in counts), not told, untold)


class Explainer:
    """Judges single rows. Plans for other conditions are kept, for many rows ask the same."""

    def __init__(self, pricing: Pricing) -> None:
        self.pricing = pricing
        self._plans: dict[tuple[Conditions, str | None, Reading | None], Plan] = {}
        # Rows by (tier, the percent that was agreed for it).
        self.agreed: dict[tuple[str, str], int] = {}
        # Rows by how long the cache must keep what they write, for them to come to what is billed.
        self.lasting: dict[str, int] = {}
        # [rows, pico] that were given back, by currency.
        self.refunds: dict[str, list[int]] = {}

    def judge(self, plan: Plan, line: Line) -> Judged:
        """Compare one row with its price, and explain a difference."""
        if line.billed < 0:
            return self._refunded(plan, line)
        if plan.agrees:
            plan = self._agreed(plan, line)
        if plan.instants:
            plan = self.plan(plan.conditions, utc(line.row.created_at or ""))
        if plan.conditions.status == "error":
            return self._failed(plan, line)
        if line.missing or not any(line.usage[:5] + line.usage[6:]):
            return self._without_usage(plan, line)
        if _own_key(plan, line):
            return Judged(None, None, 0)
        return self._compared(plan, line)

    def _compared(self, plan: Plan, line: Line) -> Judged:
        """A row that used something and has not failed, beside what the book says of it."""
        if plan.why is not None:
            return self._unpriced(plan, line, plan.why)
        form = prices.form_for(plan, plan.forms[0], line.usage)
        wanted = prices.expected(plan, form, line.usage)
        if wanted is None:
            return self._unpriced(plan, line, f"the book has no price for {_unpriced(form, line)}")
        if self.pricing.by_day:
            return self._by_day(plan, line)
        if len(plan.forms) > 1:
            return self._in_range(plan, line)
        note = _over_limit(plan, line)
        fits = prices.fits(plan, line.usage)
        if fits and (wanted == line.billed or self._kept_longer(plan, line)):
            return Judged(None, note, line.billed)
        if not fits:
            return Judged(self._not_inside(plan, line), note, None)
        sold = (meter for meter in line.untold if 0 < form.own[meter] < prices.POISON // 2)
        untold = [METERS[meter] for meter in sold]
        if untold:
            words = f"no count of {' and '.join(untold)} is given, so the amount cannot be followed"
            return Judged(_finding("usage_missing", plan, line, None, words), note, None)
        finding = self._explained(plan, form, line, wanted)
        return Judged(finding, note, finding.expected)

    # ------------------------------------------------------------- before any arithmetic

    def _agreed(self, plan: Plan, line: Line) -> Plan:
        """The plan at the percent that was agreed: the record's multiplier tells it."""
        plain = self.plan(plan.conditions._replace(tier=None))
        percent = prices.agreed_percent(plain, line.row.multiplier)
        if percent is None:
            return plan
        told = (plan.conditions.tier or "", percent)
        self.agreed[told] = self.agreed.get(told, 0) + 1
        return self.plan(plan.conditions._replace(agreed=percent))

    def _kept_longer(self, plan: Plan, line: Line) -> bool:
        """Whether it comes to that where the cache keeps longer what is written: no record says."""
        if line.usage[WRITE] and plan.model is not None:
            for name in plan.model.lifetimes:
                other = self.plan(plan.conditions._replace(lasting=name))
                if _comes_to(other, line) == line.billed:
                    self.lasting[name] = self.lasting.get(name, 0) + 1
                    return True
        return False

    def _refunded(self, plan: Plan, line: Line) -> Judged:
        """Money that is given back is no charge: no price tells how much it has to be."""
        sums = self.refunds.setdefault(plan.unit, [0, 0])
        sums[0] += 1
        sums[1] += line.billed
        return Judged(None, None, line.billed)

    def _failed(self, plan: Plan, line: Line) -> Judged:
        if line.billed == 0:
            return Judged(None, None, 0)
        words = "the request is recorded as failed, and an amount is billed for it"
        return Judged(_finding("failed_charged", plan, line, 0, words), None, 0)

    def _without_usage(self, plan: Plan, line: Line) -> Judged:
        if plan.why is None and not line.missing and len(plan.forms) == 1:
            wanted = prices.expected(plan, plan.forms[0][0], line.usage)
            if wanted == line.billed:
                return Judged(None, None, wanted)
        if line.billed == 0:
            return Judged(None, None, 0)
        none = line.missing or len(line.untold) > 1
        what = "no counts are given" if none else "every count is 0"
        words = f"{what}, so the billed amount cannot be followed"
        return Judged(_finding("usage_missing", plan, line, None, words), None, None)

    def _unpriced(self, plan: Plan, line: Line, why: str) -> Judged:
        words = f"it cannot be priced: {why}"
        return Judged(_finding("unpriced", plan, line, None, words), None, None)

    def _by_day(self, plan: Plan, line: Line) -> Judged:
        """A day's requests in one row: each was rounded, and each may have met any context tier."""
        ends = [
            prices.stepped(total, form.denominator, plan.rounding)
            for forms in plan.forms
            for form in forms
            if (total := prices.priced(form, line.usage)) is not None
        ]
        slack = max(1, line.usage[METERS.index("request")]) * plan.rounding.step
        low, high = min(ends), max(ends)
        if low - slack <= line.billed <= high + slack:
            return Judged(None, None, line.billed)
        nearest = low if line.billed < low else high
        words = (
            f"the day's counts come to {amount(low)}"
            + (f" to {amount(high)}" if high > low else "")
            + f", and no rounding of {line.usage[5]} requests makes the difference"
        )
        return Judged(_finding("rate", plan, line, nearest, words), None, nearest)

    def _in_range(self, plan: Plan, line: Line) -> Judged:
        """Only the ends of a range are known: what lies within agrees."""
        ends = []
        for forms in plan.forms:
            form = prices.form_for(plan, forms, line.usage)
            ends.append(prices.expected(plan, form, line.usage))
        known = [end for end in ends if end is not None]
        low, high = min(known), max(known)
        if low <= line.billed <= high:
            return Judged(None, None, line.billed)
        nearest = low if line.billed < low else high
        words = f"the book gives only a range here, {amount(low)} to {amount(high)}"
        return Judged(_finding("rate", plan, line, nearest, words), None, nearest)

    def _not_inside(self, plan: Plan, line: Line) -> Finding:
        """Counts that cannot lie inside one another: the book's formula does not apply."""
        for other, rule, words in self._other_readings(plan, line):
            form = prices.form_for(other, other.forms[0], line.usage)
            wanted = prices.expected(other, form, line.usage)
            if wanted == line.billed:
                return _finding(rule, plan, line, None, words)
        words = (
            "more cached or reasoning tokens are counted than the input or output that should "
            "hold them, so no amount follows from the book"
        )
        return _finding("usage_missing", plan, line, None, words)

    # ------------------------------------------------------------- which change explains it

    def _explained(self, plan: Plan, form: Form, line: Line, wanted: int) -> Finding:
        book = plan.book
        total = prices.priced(form, line.usage) or 0
        gap = abs(line.billed * form.denominator - total)
        near = abs(line.billed - wanted) <= plan.rounding.step
        if near or gap <= plan.rounding.step * form.denominator:
            words = (
                f"it is not rounded {plan.rounding.words()}: exactly it is {_exact(total, form)}"
            )
            return _finding("rounding", plan, line, wanted, words)
        for other_form in plan.forms[0]:
            if prices.expected(plan, other_form, line.usage) == line.billed:
                words = (
                    f"it comes to that by the prices of {_sizes(plan, other_form)}; the size of a "
                    "request decides the price of all of it"
                )
                return _finding("tier", plan, line, wanted, words)
        for rule, words, other in self._candidates(plan, line):
            if _comes_to(other, line) == line.billed:
                return _finding(rule, plan, line, wanted, words)
        for rule, words, top, bottom in _scaled(plan, line):
            if prices.stepped(total * top, form.denominator * bottom, plan.rounding) == line.billed:
                return _finding(rule, plan, line, wanted, words)
        version = book.version if book is not None else "the book"
        causes = _implied(plan, form, line, total)
        return _finding(
            "rate",
            plan,
            line,
            wanted,
            _rate_words(plan, form, line, causes, version),
            causes=causes,
        )

    def _candidates(self, plan: Plan, line: Line) -> Iterator[tuple[str, str, Plan]]:
        """(rule, words, the plan under which the row might come out) in order of likelihood."""
        for other, rule, words in self._other_readings(plan, line):
            yield rule, words, other
        yield from self._other_conditions(plan)
        yield from self._other_days(plan)
        yield from self._other_models(plan)

    def _other_readings(self, plan: Plan, line: Line) -> Iterator[tuple[Plan, str, str]]:
        cached = line.usage[CACHED] or line.usage[WRITE]
        inside = plan.reading.cached_inside
        if cached:
            other = plan.reading.other("cached_inside")
            rule = "cached_counted_twice" if inside else "reading"
            words = (
                "it comes to that when cached tokens are billed beside an input that already "
                "counts them"
                if inside
                else "it comes to that when cached tokens are taken out of the input first"
            )
            yield self._reread(plan, other), rule, words
        if line.usage[REASONING]:
            inside = plan.reading.reasoning_inside
            other = plan.reading.other("reasoning_inside")
            rule = "reasoning_counted_twice" if inside else "reading"
            words = (
                "it comes to that when reasoning tokens are billed beside an output that already "
                "counts them"
                if inside
                else "it comes to that when reasoning tokens are taken out of the output first"
            )
            yield self._reread(plan, other), rule, words
        if plan.model is not None and plan.model.markup["stated"]:
            other = plan.reading.other("markup_added")
            share = plan.model.markup["stated"]
            how = "on top of" if other.markup_added else "without"
            words = f"it comes to that {how} the stated markup of {share}"
            yield self._reread(plan, other), "reading", words

    def _other_conditions(self, plan: Plan) -> Iterator[tuple[str, str, Plan]]:
        given = plan.conditions
        book = plan.book
        if book is None:
            return
        for name in (None, *(tier.id for tier in tiers.tiers(book))):
            if name != (given.tier or None):
                told = f"billing tier {name}" if name else "no billing tier"
                said = f"the record says {given.tier}" if given.tier else "the record names none"
                words = f"it comes to that with {told}; {said}"
                yield "tier", words, self.plan(given._replace(tier=name))
        how = "without" if given.batch else "with"
        words = f"it comes to that {how} the batch price"
        yield "multiplier", words, self.plan(given._replace(batch=not given.batch))
        how = "without" if given.hit else "with"
        words = f"it comes to that {how} the price of a semantic-cache hit"
        yield "multiplier", words, self.plan(given._replace(hit=not given.hit))

    def _other_models(self, plan: Plan) -> Iterator[tuple[str, str, Plan]]:
        book, model = plan.book, plan.model
        if book is None or model is None:
            return
        asked = plan.conditions.requested
        first = [asked] if asked and asked != model.id else []
        for name in (*first, *list(book.models)[:MOST_MODELS]):
            if name == model.id:
                continue
            other = self.plan(plan.conditions._replace(served=name, requested=None))
            if other.model is None or other.model.id == model.id:
                continue
            words = (
                f"it comes to that at the price of {other.model.id}; the record says that "
                f"{plan.conditions.served or model.id} answered"
            )
            yield "model_substituted", words, other

    def _other_days(self, plan: Plan) -> Iterator[tuple[str, str, Plan]]:
        """Prices of the same model that were in force at another time."""
        book, model = plan.book, plan.model
        if book is None or model is None:
            return
        days = {row.get("from") or row.get("to") for row in model.periods}
        name = self.pricing.shelf.name_for(plan.conditions.price_book)
        if name is not None and not name.endswith(".toml"):
            from nexctl.pricing import books

            days.update(
                start for start, _ in books.versions(name, folder=self.pricing.shelf.folder)
            )
        own = plan.pricer.at if plan.pricer is not None else None
        for day in sorted(day[:10] for day in days if day):
            for near in (day, _before(day)):
                if near != (own or "")[:10]:
                    other = self.plan(plan.conditions._replace(day=near))
                    yield "rate", f"it comes to that by the prices in force on {near}", other

    def other_reading(self, plan: Plan, line: Line, field: str) -> int:
        """What a row would come to more with one question of the reading answered the other way.

        0 where its counts do not allow that.
        """
        other = self._reread(plan, plan.reading.other(field))
        if not prices.fits(other, line.usage):
            return 0
        read = prices.expected(other, self._form(other, line.usage), line.usage)
        own = prices.expected(plan, self._form(plan, line.usage), line.usage)
        return 0 if read is None or own is None else read - own

    def _form(self, plan: Plan, usage: Quantities) -> Form:
        # How a day's requests lie on the context tiers is not known.
        forms = plan.forms[0]
        return forms[0] if self.pricing.by_day else prices.form_for(plan, forms, usage)

    def _reread(self, plan: Plan, reading: Reading) -> Plan:
        if plan.book is None:
            return plan
        moment = plan.pricer.at if plan.pricer is not None else None
        return self.plan(plan.conditions, moment, reading)

    def plan(
        self, conditions: Conditions, moment: str | None = None, reading: Reading | None = None
    ) -> Plan:
        """The plan for these conditions, kept."""
        key = (conditions, moment, reading)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) > 50_000:
                self._plans.clear()
            found = self._plans[key] = self.pricing.plan(conditions, moment, reading)
        return found


def _sizes(plan: Plan, form: Form) -> str:
    """Which requests a context tier is for."""
    ends = [other.first for other in plan.forms[0] if other.first > form.first]
    if ends:
        return f"requests of up to {min(ends) - 1:,} tokens of input"
    return f"requests of {form.first:,} tokens of input and more"


def _comes_to(plan: Plan, line: Line) -> int | None:
    if plan.why is not None or len(plan.forms) != 1:
        return None
    if plan.instants:
        return None
    return prices.expected(plan, prices.form_for(plan, plan.forms[0], line.usage), line.usage)


def _scaled(plan: Plan, line: Line) -> Iterator[tuple[str, str, int, int]]:
    """Other products of factors: the multiplier that the record states, the book's one twice."""
    own = plan.pricer.multiplier() if plan.pricer is not None else "1"
    top, bottom = ratio_of(own)
    stated = line.row.multiplier
    if stated and top:
        try:
            up, down = ratio_of(stated)
        except ValueError:
            up, down = top, bottom
        if up * bottom != top * down and up:
            words = f"it comes to that with the multiplier {stated} that the record states; the "
            yield "multiplier", words + f"book's is {own}", up * bottom, down * top
    if (top, bottom) != (1, 1) and top:
        yield "multiplier", f"it comes to that with the multiplier {own} applied twice", top, bottom
        yield "multiplier", f"it comes to that without the multiplier {own}", bottom, top


def _implied(plan: Plan, form: Form, line: Line, total: int) -> tuple[tuple[str, str], ...]:
    """(meter, price) of each rate that, changed alone, gives the billed amount.

    Of each meter the price with the fewest decimals is taken, that of fewest digits first;
    ("all", factor) where every rate moved alike. () where none is a number that somebody would
    publish.
    """
    found: list[tuple[int, int, str, str]] = []
    parts = prices.billed_parts(plan, form, line.usage)
    for index, quantity in enumerate(parts):
        if quantity <= 0 or not 0 < form.own[index] < prices.POISON // 2:
            continue
        rest = total - quantity * form.own[index]
        top, bottom = _factor(plan, index)
        short = line.billed * form.denominator - rest
        if short <= 0:
            continue
        for places in range(7):
            # The price in units of 10**-places, before the row's multipliers.
            below = rate_per(METERS[index]) * 10**places * bottom
            one = quantity * form.denominator * 10**12 * top
            rate = rounded(short * below, one, 0)
            redone = rest * below + rate * one
            if prices.stepped(redone, form.denominator * below, plan.rounding) == line.billed:
                found.append((_digits(rate), index, METERS[index], text_of_ratio(rate, 10**places)))
                break
    for places in range(4):
        unit = 10**places
        factor = rounded(line.billed * form.denominator * unit, total, 0) if total > 0 else 0
        if prices.stepped(total * factor, form.denominator * unit, plan.rounding) == line.billed:
            found.append((_digits(factor) + 1, len(METERS), "all", text_of_ratio(factor, unit)))
            break
    return tuple((meter, rate) for _, _, meter, rate in sorted(found))


def _digits(number: int) -> int:
    """Digits without the zeros at the end: published prices have few."""
    return len(str(number).rstrip("0"))


def _factor(plan: Plan, index: int) -> tuple[int, int]:
    """What multiplies a meter's rate in this row: cache, batch, billing tier."""
    if plan.pricer is None:
        return 1, 1
    top, bottom = plan.pricer.forms[0][0][1].meters[index].factor
    return (top, bottom) if top else (1, 1)


def _rate_words(
    plan: Plan, form: Form, line: Line, causes: tuple[tuple[str, str], ...], version: str
) -> str:
    stated = ", ".join(
        f"{name} {value}"
        for name, value in (
            ("input", line.row.rate_input),
            ("cached input", line.row.rate_cached_input),
            ("output", line.row.rate_output),
        )
        if value
    )
    said = f"; the record states {stated} per million" if stated else ""
    if not causes:
        return f"no single rate of {version} explains the difference{said}"
    meter, implied = causes[0]
    if meter == "all":
        return f"it comes to that with every rate of {version} times {implied}{said}"
    index = METERS.index(meter)
    top, bottom = _factor(plan, index)
    per = rate_per(meter)
    own = text_of_ratio(form.own[index] * per * bottom, form.denominator * 10**12 * top)
    what = f"{'million ' if per > 1 else ''}{meter.replace('_', ' ')}"
    return f"it comes to that with {implied} per {what}; {version} says {own}{said}"


def _over_limit(plan: Plan, line: Line) -> Finding | None:
    total = line.usage[INPUT] + line.usage[OUTPUT]
    total += 0 if plan.reading.cached_inside else line.usage[CACHED]
    if total <= plan.context:
        return None
    words = f"{total} tokens of input and output, in a context of {plan.context}"
    return _finding("over_limit", plan, line, line.billed, words)._replace(severity="note")


def _own_key(plan: Plan, line: Line) -> bool:
    """Billed nothing, and by the record's own rates nothing was to be billed: a customer's key."""
    book = plan.book
    if line.billed or book is None or not book.data.get("byok", {}).get("offered"):
        return False
    rates = line.row.rates or {}
    charged = [rate.get("price") for rate in rates.values() if isinstance(rate, dict)]
    return bool(charged) and all(price in ("0", None) for price in charged)


def _unpriced(form: Form, line: Line) -> str:
    names = [
        METERS[index]
        for index, quantity in enumerate(line.usage)
        if quantity and abs(form.coefficients[index]) > prices.POISON // 2
    ]
    return " and ".join(names).replace("_", " ") or "what it counts"


def _exact(total: int, form: Form) -> str:
    return text_of_ratio(total, form.denominator * 10**12)


def _before(day: str) -> str:
    import datetime

    return (datetime.date.fromisoformat(day) - datetime.timedelta(days=1)).isoformat()


def _finding(
    rule: str, plan: Plan, line: Line, expected: int | None, words: str, **more: Any
) -> Finding:
    dearer = expected is not None and line.billed > expected
    sure = rule in ("failed_charged", "cached_counted_twice", "reasoning_counted_twice")
    return Finding(
        rule,
        "error" if dearer or sure else "warning",
        line.number,
        line.row.request_id,
        line.billed,
        expected,
        words,
        currency=plan.unit or None,
        model=plan.model_name,
        created_at=line.row.created_at,
        customer_id=line.row.customer_id,
        **more,
    )
