"""What a row must come to: the engine's own integer coefficients, laid out for a fast loop.

A Plan belongs to one set of conditions (day, model, tier, ...) and one reading. Its coefficients
are those that `pricing.engine` compiled, rewritten for quantities as a record reports them: where
cached tokens lie inside input, `input x a + cached x b` is `(input - cached) x a + cached x b'`.

Long because books, their versions and what a record says about both are looked up in one place.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import books, engine, tiers
from nexctl.pricing.exact import ratio_of, reduced, rounded, text_of_ratio
from nexctl.records import METERS
from nexctl.usage.audit.terms import ONE, Reading, Rounding
from nexctl.usage.reading import says_failed

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model
    from nexctl.pricing.coefficients import RateSet

INPUT, CACHED, WRITE, OUTPUT, REASONING = range(5)
# A quantity that has no price makes any amount impossible, so such a row is looked at closely.
POISON = 10**60
NO_LIMIT = 10**18
MOST_PRICERS = 20_000


class Conditions(NamedTuple):
    """What decides a row's price, as the row tells it. None is not known.

    `agreed` is the percent of a tier whose percent the book leaves to an agreement, `lasting` how
    long the cache keeps what is written to it, where that is longer than usual.
    """

    day: str
    served: str | None
    requested: str | None
    tier: str | None
    hit: bool | None
    batch: bool
    currency: str | None
    status: str | None
    price_book: str | None
    agreed: str | None = None
    lasting: str | None = None


class Form(NamedTuple):
    """One context tier: pico = sum(quantity x coefficient) / denominator.

    `first` is the total input at which it begins; `coefficients` are for quantities as reported,
    `own` for the parts that are billed each (cached taken out of input, where it lies inside).
    `as_output`: reasoning has no rate of its own and is a part of the billed output.
    """

    first: int
    coefficients: tuple[int, ...]
    denominator: int
    own: tuple[int, ...]
    as_output: bool = False


NOTHING = Form(0, (0,) * len(METERS), 1, (0,) * len(METERS))


class Plan:
    """How rows under one set of conditions are priced.

    why     None, or why no number can be given (`unpriced`)
    agrees  the tier's percent is an agreement's, which only the row's multiplier tells
    forms   by context tier; several lists where only a range is known
    quick   whether the loop may settle rows by it (see `fast`)
    """

    __slots__ = (
        "agrees",
        "assumed",
        "book",
        "conditions",
        "context",
        "forms",
        "instants",
        "model",
        "pricer",
        "quick",
        "reading",
        "rounding",
        "why",
    )

    def __init__(self, conditions: Conditions, reading: Reading, rounding: Rounding) -> None:
        self.conditions = conditions
        self.reading = reading
        self.rounding = rounding
        self.why: str | None = None
        self.book: Book | None = None
        self.model: Model | None = None
        self.pricer: engine.Pricer | None = None
        self.forms: list[list[Form]] = []
        self.context = NO_LIMIT
        self.agrees = False
        self.assumed = False
        self.instants = False
        self.quick = False

    @property
    def model_name(self) -> str:
        """The model's id in the book, else its name in the row."""
        if self.model is not None:
            return self.model.id
        return self.conditions.served or self.conditions.requested or "unknown"

    @property
    def unit(self) -> str:
        """What its rows are billed in: the row's currency, else the book's unit."""
        return self.conditions.currency or (self.book.unit if self.book is not None else "")


# A fast plan that accepts no row.
NEVER = (0, 0, 0, 1, 0, 0, 1, NO_LIMIT, (0, 0, 0, POISON, 1, False))


class Shelf:
    """Books by name and day. `book` (an id or a path) goes before what the rows name.

    `default` is used where neither says anything; `folder` holds the user's own books. `groups`
    says that a tier which a book has not is the name of a price group: priced by it where the book
    has that, and else no reason to price nothing. `inside` says that the list's source counts
    cached tokens in input and reasoning in output, whatever the book says of the provider's counts.
    """

    def __init__(
        self, book: str | None = None, *, default: str | None = None, folder: str | None = None
    ) -> None:
        self.book, self.default, self.folder = book, default, folder
        self.groups = self.inside = False
        self._found: dict[tuple[str, str, str | None], tuple[Book, bool]] = {}
        self._pricers: dict[tuple[Any, ...], engine.Pricer] = {}

    def name_for(self, price_book: str | None) -> str | None:
        """The book that a row is priced by: an id, or a path that was asked for."""
        if self.book is not None:
            return self.book
        name = (price_book or "").partition("@")[0]
        # A row names a book; it opens no file here.
        return name if name and not _is_path(name) else self.default

    def reading(self, book: Book) -> Reading:
        """How rows are read before anything is inferred."""
        own = reading_of(book)
        return Reading(True, True, own.markup_added) if self.inside else own

    def at(self, name: str, moment: str, label: str | None = None) -> tuple[Book, bool]:
        """(book in force then, whether that had to be assumed). UsageError for an unknown book.

        `label` is the version that the row names: it counts on the days on which it was in force,
        for on the day of a change both versions were, and no date tells them apart.
        """
        day = moment[:10]
        found = self._found.get((name, day, label))
        if found is None:
            named = self._labelled(name, day, label) if label is not None else None
            found = self._load(name, day) if named is None else (named, _early(named, day))
            self._found[name, day, label] = found
        return found

    def _labelled(self, name: str, day: str, label: str) -> Book | None:
        """The version that a row names, if it was in force on that day."""
        if self.book is not None or _is_path(name):
            return None
        known = books.every(name, folder=self.folder)
        found = next((book for book in known if book.version == label), None)
        if found is None:
            return None
        start, end = found.valid_from or "", found.valid_to
        replaced = any(start < (book.valid_from or "") < day for book in known)
        if start[:10] > day or replaced or (end is not None and end < day):
            return None
        return found

    def pricer(
        self,
        book: Book,
        model: Model,
        moment: str,
        *,
        batch: bool,
        hit: bool,
        tier: str | None,
        agreed: str | None = None,
        lasting: str | None = None,
    ) -> engine.Pricer:
        """The engine's pricer for a model. Kept, for it is asked for under every reading."""
        group = None
        if tier and self.groups and tier.lower() not in {one.id for one in tiers.tiers(book)}:
            group, tier = _group_named(book, tier), None
        # The book is held by its pricer, so that its id stays its own.
        key = (id(book), model.id, moment, batch, hit, tier, agreed, group, lasting)
        found = self._pricers.get(key)
        if found is None:
            if len(self._pricers) >= MOST_PRICERS:
                self._pricers.clear()
            found = self._pricers[key] = engine.pricer(
                book,
                model,
                at=moment,
                batch=batch,
                semantic_hit=hit,
                tier=tier,
                negotiated=agreed,
                group=group,
                cache_ttl=lasting,
            )
        return found

    def _load(self, name: str, day: str) -> tuple[Book, bool]:
        book, assumed = books.load_or_first(name, day, folder=self.folder)
        return book, assumed or _early(book, day)


def _group_named(book: Book, name: str) -> str | None:
    """The book's price group of that name, in whatever case; None where it has none such."""
    known = (group for group in book.data.get("groups", {}) if group not in ("said", "notes"))
    return next((group for group in known if group.lower() == name.lower()), None)


def _early(book: Book, day: str) -> bool:
    """Whether a book without a first day was only read later."""
    return book.valid_from is None and day < book.retrieved


def _is_path(name: str) -> bool:
    return name.endswith(".toml")


class Pricing:
    """Plans for rows: by the readings and roundings in force for each book.

    `by_day`: a row sums up a day's requests, so that no plan is exact.
    """

    def __init__(
        self,
        shelf: Shelf,
        readings: dict[str, Reading] | None = None,
        roundings: dict[str, Rounding] | None = None,
        *,
        by_day: bool = False,
    ) -> None:
        self.shelf = shelf
        self.by_day = by_day
        self.readings = readings or {}
        self.roundings = roundings or {}

    def plan(
        self, conditions: Conditions, moment: str | None = None, reading: Reading | None = None
    ) -> Plan:
        """The plan for rows under these conditions; `moment` is the row's own instant.

        `reading` goes before the one in force for the book.
        """
        if says_failed(conditions.status):
            conditions = conditions._replace(status="error")
        plan = Plan(conditions, _PLAIN, _NANO)
        name = self.shelf.name_for(conditions.price_book)
        if name is None:
            plan.why = "no price book is named for it"
            return plan
        moment = moment or conditions.day
        try:
            plan.book, plan.assumed = self.shelf.at(name, moment, conditions.price_book)
        except UsageError as error:
            plan.why = error.message
            return plan
        book = plan.book
        plan.reading = reading or self.readings.get(book.id) or self.shelf.reading(book)
        plan.rounding = self.roundings.get(book.id) or rounding_of(book)
        try:
            model = charged_model(book, conditions.served, conditions.requested)
            self._fill(plan, model, moment)
        except UsageError as error:
            plan.why = error.message
        return plan

    def _fill(self, plan: Plan, model: Model, moment: str) -> None:
        conditions, book = plan.conditions, model.book
        plan.model = model
        plan.context = model.context or NO_LIMIT
        plan.instants = len(moment) == 10 and _by_the_hour(model, moment)
        unit = unit_factor(book, conditions.currency)
        if conditions.status == "error":
            # What failed costs nothing, whatever it counted.
            plan.forms, plan.instants = [[NOTHING]], False
            plan.quick = True
            return
        plan.agrees = conditions.agreed is None and is_agreed(book, conditions.tier)
        try:
            plan.pricer = self._pricer(book, model, conditions, moment)
        except UsageError as error:
            if error.code != "before_first_price":
                raise
            first = str(model.periods[0].get("from"))
            plan.pricer = self._pricer(book, model, conditions, first)
            plan.assumed = True
        plan.forms = [
            [form_of(first, chosen, plan, unit) for first, chosen in form]
            for form in plan.pricer.forms
        ]
        plan.quick = not (self.by_day or plan.agrees)

    def _pricer(
        self, book: Book, model: Model, conditions: Conditions, moment: str
    ) -> engine.Pricer:
        return self.shelf.pricer(
            book,
            model,
            moment,
            batch=conditions.batch,
            hit=bool(conditions.hit),
            tier=conditions.tier or None,
            agreed=conditions.agreed,
            lasting=conditions.lasting,
        )


def is_agreed(book: Book, tier: str | None) -> bool:
    """Whether a tier's percent is a word in the book: what was agreed with each customer."""
    return any(row.id == tier and not row.percent[0].isdigit() for row in tiers.tiers(book))


def agreed_percent(plain: Plan, multiplier: str | None) -> str | None:
    """The percent that a row's multiplier leaves to its tier, where it is one; None otherwise.

    `plain` prices the row without a tier. The multiplier is the product of all the factors.
    """
    if plain.pricer is None or not multiplier:
        return None
    (top, bottom), (own, under) = ratio_of(multiplier), ratio_of(plain.pricer.multiplier())
    part, whole = top * under, bottom * own
    if not 0 < part <= whole:
        return None
    return text_of_ratio((whole - part) * 100, whole)


_PLAIN = Reading(True, True)
_NANO = Rounding(1000, "half_even")


def reading_of(book: Book) -> Reading:
    """How the book reads."""
    return Reading(
        book.input_includes_cached,
        book.output_includes_reasoning,
        book.rule("markup_included") == "no",
    )


def rounding_of(book: Book) -> Rounding:
    """How the book rounds."""
    places, mode, per = book.rounding
    return Rounding(10 ** (12 - places), mode, per == "component")


def charged_model(book: Book, served: str | None, requested: str | None) -> Model:
    """The model that is priced: the served one, or the routing model that was asked for.

    Raises UsageError where the book has neither.
    """
    asked = _found(book, requested)
    own_row = book.rule("auto_route_price", "own_row") == "own_row"
    if asked is not None and "router" in asked.data and own_row:
        return asked
    answered = _found(book, served)
    if answered is not None:
        return answered
    if asked is not None and (served is None or not served):
        return asked
    return book.find(served or requested or "")


def _found(book: Book, name: str | None) -> Model | None:
    """The book's model of that name; a provider's prefix (`openai/gpt-4o`) may be left out."""
    if not name:
        return None
    for spelled in (name, name.partition("/")[2]):
        if spelled:
            try:
                return book.find(spelled)
            except UnpricedError:
                raise
            except UsageError:
                continue
    return None


def unit_factor(book: Book, currency: str | None) -> tuple[int, int]:
    """What one unit of the book is in a row's currency; UsageError where that is not known."""
    if currency is None or not currency or currency.lower() == book.unit.lower():
        return 1, 1
    value = book.credit_value if book.is_credit else None
    if value is not None and value[1].lower() == currency.lower():
        (top, bottom), (per_top, per_bottom) = ratio_of(value[0]), ratio_of(value[2])
        return reduced(top * per_bottom, bottom * per_top)
    raise UnpricedError(f"it is billed in {currency[:16]}, and {book.title} prices in {book.unit}")


def _by_the_hour(model: Model, day: str) -> bool:
    """Whether the price may change within that day."""
    for row in model.periods:
        if "hours" in row:
            return True
        for edge in (row.get("from"), row.get("to")):
            if edge is not None and len(edge) > 10 and edge[:10] == day:
                return True
    return False


def form_of(first: int, chosen: RateSet, plan: Plan, unit: tuple[int, int]) -> Form:
    """One rate set of the engine, for quantities as they are reported under the plan's reading."""
    own = [
        POISON if index in chosen.refused else coefficient
        for index, coefficient in enumerate(chosen.coefficients)
    ]
    reading = plan.reading
    as_output = bool(
        REASONING in chosen.refused and plan.book and plan.book.output_includes_reasoning
    )
    if as_output:
        own[REASONING] = own[OUTPUT]
    told = list(own)
    if reading.reasoning_inside:
        told[REASONING] -= own[OUTPUT]
    if reading.cached_inside:
        told[CACHED] -= own[INPUT]
    if write_inside(plan.book, plan.reading):
        told[WRITE] -= own[INPUT]
    top, bottom = unit[0] * ONE, unit[1] * chosen.denominator
    if reading.markup_added and plan.model is not None and plan.model.markup["stated"]:
        above, below = ratio_of(str(plan.model.markup["stated"]))
        top, bottom = top * (below + above), bottom * below
    common = gcd(top, bottom)
    top, bottom = top // common, bottom // common
    return Form(first, tuple(c * top for c in told), bottom, tuple(c * top for c in own), as_output)


def write_inside(book: Book | None, reading: Reading) -> bool:
    """Whether tokens written to the cache lie inside input under a reading of the book."""
    if book is not None and reading.cached_inside == book.input_includes_cached:
        return book.input_includes_cache_write
    return reading.cached_inside


def fast(plan: Plan, unit: int) -> tuple[Any, ...]:
    """What the loop unpacks: coefficients, the open interval of its gap, limits.

    Amounts come in a unit of so many pico. A row agrees where `billed x denominator - sum(quantity
    x coefficient)` lies between low and high: (input, output, request, denominator, low, high,
    step, most, (cached, write, reasoning, tie, twice, cached inside)). A billed amount has to be a
    multiple of step; on a tie, one of `twice`.
    """
    step = plan.rounding.step
    if (
        not plan.quick
        or len(plan.forms) != 1
        or plan.instants
        or plan.rounding.component
        or (step % unit and unit % step)
    ):
        return NEVER
    form = plan.forms[0][0]
    chosen = [form.coefficients[meter] for meter in _IN_LOOP]
    denominator, whole = form.denominator * unit, form.denominator * step
    common = gcd(*chosen, denominator, whole)
    into, cached, write, out, reasoning, request = (number // common for number in chosen)
    denominator, whole = denominator // common, whole // common
    half = (whole + 1) // 2
    low, high = {
        "half_even": (-half, half),
        "half_up": (-half, whole // 2 + 1),
        "up": (-1, whole),
        "down": (-whole, 1),
    }[plan.rounding.mode]
    # Halfway between two amounts the even one is right, where the book rounds so.
    exact_half = plan.rounding.mode == "half_even" and whole % 2 == 0
    tie = whole // 2 if exact_half else POISON
    most = plan.context
    if len(plan.forms[0]) > 1:
        most = min(most, plan.forms[0][1].first - 1)
    twice = 2 * step // gcd(unit, 2 * step)
    rare = (cached, write, reasoning, tie, twice, plan.reading.cached_inside)
    return (into, out, request, denominator, low, high, max(1, step // unit), most, rare)


_IN_LOOP = (INPUT, CACHED, WRITE, OUTPUT, REASONING, METERS.index("request"))


def form_for(plan: Plan, form: list[Form], usage: tuple[int, ...]) -> Form:
    """The context tier of a request, chosen once from all of its input, cached included."""
    if len(form) == 1:
        return form[0]
    total = usage[INPUT]
    total += 0 if plan.reading.cached_inside else usage[CACHED]
    total += 0 if write_inside(plan.book, plan.reading) else usage[WRITE]
    chosen = form[0]
    for candidate in form[1:]:
        if total < candidate.first:
            break
        chosen = candidate
    return chosen


def fits(plan: Plan, usage: tuple[int, ...]) -> bool:
    """Whether what lies inside another count is not more than that count, as the plan reads it."""
    inside = (usage[CACHED] if plan.reading.cached_inside else 0) + (
        usage[WRITE] if write_inside(plan.book, plan.reading) else 0
    )
    return inside <= usage[INPUT] and (
        not plan.reading.reasoning_inside or usage[REASONING] <= usage[OUTPUT]
    )


def priced(form: Form, usage: tuple[int, ...]) -> int | None:
    """The exact charge as a numerator over the form's denominator; None where a meter has none."""
    total = sum(q * c for q, c in zip(usage, form.coefficients, strict=True) if q)
    return None if abs(total) > POISON // 2 else total


def expected(plan: Plan, form: Form, usage: tuple[int, ...]) -> int | None:
    """The charge in pico, rounded as the plan rounds; None where a used meter has no price."""
    total = priced(form, usage)
    if total is None:
        return None
    rounding = plan.rounding
    if not rounding.component:
        return stepped(total, form.denominator, rounding)
    parts = billed_parts(plan, form, usage)
    return sum(
        stepped(q * c, form.denominator, rounding)
        for q, c in zip(parts, form.own, strict=True)
        if q
    )


def billed_parts(plan: Plan, form: Form, usage: tuple[int, ...]) -> tuple[int, ...]:
    """Quantities by the meter that each is billed by."""
    parts = list(usage)
    if plan.reading.cached_inside:
        parts[INPUT] -= usage[CACHED]
    if write_inside(plan.book, plan.reading):
        parts[INPUT] -= usage[WRITE]
    if plan.reading.reasoning_inside:
        parts[OUTPUT] -= usage[REASONING]
    if form.as_output:
        parts[OUTPUT] += parts[REASONING]
        parts[REASONING] = 0
    return tuple(parts)


def stepped(top: int, bottom: int, rounding: Rounding) -> int:
    """top/bottom pico, rounded to the step."""
    return rounded(top, bottom * rounding.step, 0, rounding.mode) * rounding.step
