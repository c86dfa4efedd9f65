"""Calibration: what billed usage teaches about counts, and when it teaches nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.usage.calibration import Billed, Join, Learned, Sample, document, learn, ratio_row


def samples(
    number: int,
    factor: int,
    *,
    script: str = "latin",
    spread: int = 2,
    exact: bool = False,
    seed: int = 1,
    output: int | None = 100,
) -> list[Sample]:
    """Samples billed at `factor` per cent of their count, give or take `spread` per cent."""
    chance = random.Random(seed)
    rows = []
    for place in range(number):
        counted = chance.randint(200, 4000)
        billed = counted * (factor + chance.randint(-spread, spread)) // 100
        name = f"{script}-{place}"
        rows.append(Sample(name, "m", script, "t|t|1/1", "t", exact, counted, billed, output, 1))
    return rows


def only(learned: Learned) -> dict[str, object]:
    assert len(learned.ratios) == 1
    return ratio_row(learned.ratios[0])


def test_the_ratio_billed_to_counted_is_learned_for_each_script() -> None:
    learned = learn([*samples(50, 108), *samples(40, 162, script="cjk")])
    found = {row.script: row.millionths for row in learned.ratios}
    assert set(found) == {"latin", "cjk"}
    assert found["latin"] is not None
    assert found["cjk"] is not None
    assert abs(found["latin"] - 1_080_000) < 10_000
    assert abs(found["cjk"] - 1_620_000) < 10_000


def test_the_error_is_measured_on_requests_that_did_not_teach() -> None:
    row = learn(samples(50, 130)).ratios[0]
    assert row.before is not None
    assert row.after is not None
    # A count of 100 for 130 is 23 % off, and ±2 % is what is left.
    assert 2200 <= row.before <= 2400
    assert row.after <= 250
    assert -400 <= row.low <= 0 <= row.high <= 400


def test_few_samples_teach_nothing_and_it_says_how_many_are_needed() -> None:
    row = only(learn(samples(19, 130)))
    assert row["ratio"] is None
    assert row["why"] == "19 samples, 20 are needed"
    learned = learn(samples(19, 130))
    assert learned.outputs[0].why == "19 samples, 20 are needed"
    assert not learned.anything
    assert learn(samples(20, 130)).anything


def test_outliers_are_left_out_and_counted() -> None:
    rows = samples(40, 120)
    wild = [row._replace(billed=row.billed * 9) if i < 3 else row for i, row in enumerate(rows)]
    row = learn(wild).ratios[0]
    assert row.dropped == 3
    assert row.millionths is not None
    assert abs(row.millionths - 1_200_000) < 15_000


def test_samples_that_disagree_teach_nothing() -> None:
    half = samples(24, 100, seed=2)
    other = [
        row._replace(request_id=f"o{i}", billed=row.counted * (3 + i))
        for i, row in enumerate(samples(20, 100, seed=3))
    ]
    row = only(learn([*half, *other]))
    assert row["ratio"] is None
    assert "disagree" in str(row["why"])


def test_a_ratio_that_does_not_help_is_not_kept() -> None:
    row = only(learn(samples(50, 100, spread=0)))
    assert row["ratio"] is None
    assert row["why"] == "it would not make the held-out error smaller"


def test_exact_counts_are_compared_and_never_corrected() -> None:
    rows = samples(30, 100, spread=0, exact=True)
    learned = learn([*rows[:-1], rows[-1]._replace(billed=rows[-1].billed + 1)])
    assert learned.ratios == []
    assert (learned.exact, learned.exact_off) == (30, 1)


def test_typical_output_is_the_median_of_an_answer() -> None:
    rows = [row._replace(output=n * 2, answers=2) for n, row in enumerate(samples(41, 120), 1)]
    out = learn(rows).outputs[0]
    assert (out.median, out.p90, out.mean, out.samples) == (21, 37, 21, 41)
    assert learn(samples(30, 120, output=None)).outputs == []


def test_the_file_holds_what_was_learned_and_no_prompt() -> None:
    learned = learn([*samples(30, 120), *samples(5, 120, script="cjk")])
    made = document(learned, made_at="2026-11-26T00:00:00Z", gateway="work")
    assert set(made) == {"format", "made_at", "gateway", "ratios", "outputs"}
    assert [row["script"] for row in made["ratios"]] == ["latin"]
    assert set(made["ratios"][0]) == {
        "model", "script", "counter", "tokenizer", "samples", "dropped", "ratio", "error",
    }  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 60), st.integers(50, 300))
def test_the_order_of_samples_changes_nothing(
    chance: random.Random, number: int, factor: int
) -> None:
    rows = samples(number, factor)
    mixed = list(rows)
    chance.shuffle(mixed)
    assert learn(rows) == learn(mixed)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(20, 80), st.integers(50, 300), st.integers(0, 30), st.integers(0, 99))
def test_what_is_kept_makes_the_held_out_error_smaller(
    number: int, factor: int, spread: int, seed: int
) -> None:
    for row in learn(samples(number, factor, spread=spread, seed=seed)).ratios:
        assert (row.millionths is None) == (row.why is not None)
        if row.millionths is not None:
            assert row.after is not None
            assert row.before is not None
            assert row.after < row.before


BILLED = Billed("m", 10, 5, "ok")


def test_a_request_that_failed_before_it_was_answered_is_not_left_out() -> None:
    """Requests are counted, not records: a retry keeps its id."""
    join = Join(["a", "b"])
    for request, billed in (
        ("a", "the request failed"),
        ("a", Billed("m", 100, 10, "ok")),
        ("b", "the request failed"),
        ("b", "the request failed"),
    ):
        join.add(request, billed)
    assert (set(join.found), join.skipped) == ({"a"}, {"the request failed": 1})


def test_an_id_billed_twice_with_other_figures_is_left_out() -> None:
    join = Join(["a", "b", "c"])
    for name, billed in (("a", BILLED), ("a", BILLED), ("b", BILLED), ("x", BILLED)):
        join.add(name, billed)
    join.add("b", BILLED._replace(input_tokens=11))
    join.add("c", "the request failed")
    join.add(None, BILLED)
    assert join.of("a") == BILLED
    assert join.of("b") is join.of("c") is join.of("x") is None
    assert join.skipped == {"the request failed": 1}
    assert join.rows == 7


@pytest.mark.parametrize("zero", [{"counted": 0}, {"billed": 0}])
def test_a_sample_without_tokens_teaches_no_ratio(zero: dict[str, int]) -> None:
    rows = [row._replace(**zero) for row in samples(30, 120)]
    assert learn(rows).ratios == []
