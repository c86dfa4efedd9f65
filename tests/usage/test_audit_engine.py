"""There is no second formula: the audit's coefficients are the engine's, for reported counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.usage.audit import prices
from nexctl.usage.audit.prices import Conditions, Pricing, Shelf

DAY = "2026-11-26"
CASES = [
    (name, model.id)
    for name in ("nextoken", "nexrelay", "deeptoken", "openai", "anthropic", "google", "mistral")
    for model in books.load(name).models.values()
]
COUNTS = st.integers(0, 400_000)


def conditions(model: str, *, batch: bool = False, tier: str | None = None) -> Conditions:
    return Conditions(DAY, model, None, tier, False, batch, None, "ok", None)


@given(
    st.sampled_from(CASES),
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    st.booleans(),
    st.sampled_from([None, "pro", "business"]),
)
def test_a_plan_comes_to_what_the_engine_charges(
    case: tuple[str, str], counts: tuple[int, ...], batch: bool, tier: str | None
) -> None:
    name, model = case
    tier = tier if name == "nextoken" else None
    into, cached, write, out, reasoning = counts
    usage = Usage(into, min(cached, into // 2), min(write, into // 2), out, min(reasoning, out))
    plan = Pricing(Shelf(name)).plan(conditions(model, batch=batch, tier=tier))
    book = books.load(name)
    try:
        pricer = engine.pricer(book, model, at=DAY, batch=batch, tier=tier)
        charge = pricer.charge(usage).units
    except UnpricedError:
        ends = [prices.form_for(plan, form, usage) for form in plan.forms]
        assert (
            plan.why is not None
            or len(ends) > 1
            or any(prices.expected(plan, form, usage) is None for form in ends)
        )
        return
    except UsageError:
        assert plan.why is not None
        return
    form = prices.form_for(plan, plan.forms[0], usage)
    assert prices.expected(plan, form, usage) == charge * 10 ** (12 - book.scale)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9), st.sampled_from([1, 7, 1000, 2000]))
def test_the_interval_of_the_loop_is_the_engine_s_rounding(
    top: int, bottom: int, step: int
) -> None:
    """What the loop accepts without dividing is exactly what rounding gives."""
    from nexctl.usage.audit.terms import MODES, Rounding

    top = abs(top)
    for mode in MODES:
        rounding = Rounding(step, mode)
        right = prices.stepped(top, bottom, rounding)
        for billed in (right - step, right, right + step):
            for unit in (1, 1000):
                if billed % unit == 0 and (step % unit == 0 or unit % step == 0):
                    assert accepted(billed, top, bottom, rounding, unit) == (billed == right)


def accepted(billed: int, top: int, bottom: int, rounding: prices.Rounding, unit: int) -> bool:
    """The comparison of the loop, for one form and amounts in a unit of so many pico."""
    plan = prices.Plan(conditions("m"), prices.Reading(True, True), rounding)
    plan.forms = [[prices.Form(0, (1, *[0] * 9), bottom, (1, *[0] * 9))]]
    plan.quick = True
    one, _, _, denominator, low, high, step, _, (*_, tie, twice, _) = prices.fast(plan, unit)
    billed //= unit
    gap = billed * denominator - top * one
    return bool(
        (low < gap < high or (abs(gap) == tie and not billed % twice)) and not billed % step
    )
