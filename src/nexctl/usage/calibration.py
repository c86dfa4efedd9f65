"""Learning from billed usage how far counts that are not exact lie from the truth.

Prompts that were counted here are joined to billed records by request id. For each model, script
and way of counting the ratio billed : counted is learned from at least `LEAST_SAMPLES` requests,
and for each model the typical (median) output of an answer.

Outliers: a sample whose own ratio lies farther from the median ratio than three times the median
distance (at least 2 % of it) is left out; where more than a third would be, nothing is learned.
The error is measured on held-out requests: five times, four fifths learn and one fifth is judged,
outliers too. A ratio that does not make the held-out error smaller is not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nexctl.money import round_half_even, text_of

LEAST_SAMPLES = 20
FOLDS = 5
ONE = 1_000_000
LEAST, MOST = ONE // 20, ONE * 20
_APART = 3
_FLOOR_PERCENT = 2


class Billed(NamedTuple):
    """What a gateway billed for one request: all of its input, cached tokens included."""

    model: str
    input_tokens: int
    output_tokens: int | None
    status: str | None


class Sample(NamedTuple):
    """One prompt counted here beside what was billed for it.

    `exact` counts are compared, never corrected. `answers` is how many answers it asked for.
    """

    request_id: str
    model: str
    script: str
    counter: str
    tokenizer: str
    exact: bool
    counted: int
    billed: int
    output: int | None
    answers: int


class Ratio(NamedTuple):
    """One learned ratio, or in `why` the reason that there is none.

    `before` and `after` are the mean distance of held-out counts from what was billed, in
    hundredths of a per cent of it, outliers too; `low`, `high` bound nine tenths of the held-out
    truth that is no outlier, in hundredths of a per cent of the calibrated count.
    """

    model: str
    script: str
    counter: str
    tokenizer: str
    samples: int
    dropped: int
    millionths: int | None
    before: int | None
    after: int | None
    low: int
    high: int
    why: str | None


class Output(NamedTuple):
    """Typical output tokens of one answer of a model; `why` as in Ratio."""

    model: str
    samples: int
    median: int | None
    p90: int | None
    mean: int | None
    why: str | None


class Learned(NamedTuple):
    """Everything that was learned, most samples first."""

    ratios: list[Ratio]
    outputs: list[Output]
    exact: int
    exact_off: int

    @property
    def anything(self) -> bool:
        """Whether a file is worth writing."""
        return any(row.millionths for row in self.ratios) or any(
            row.median is not None for row in self.outputs
        )


class Join:
    """Billed records by the request ids that are wanted, and what could not be joined.

    A request id that was billed twice with other figures, or for two models, is left out: which of
    them belongs to the prompt cannot be told.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = set(wanted)
        self.found: dict[str, Billed] = {}
        self.ambiguous: set[str] = set()
        self._why: dict[str, str] = {}
        self.rows = 0

    @property
    def skipped(self) -> dict[str, int]:
        """Why requests of which no record can teach are left out: reasons and requests."""
        counts: dict[str, int] = {}
        for request_id, why in self._why.items():
            if request_id not in self.found:
                counts[why] = counts.get(why, 0) + 1
        return counts

    def add(self, request_id: str | None, billed: Billed | str) -> None:
        """Take one record; a text instead of figures is the reason why it cannot teach."""
        self.rows += 1
        if request_id is None or request_id not in self._wanted:
            return
        if isinstance(billed, str):
            self._why[request_id] = billed
            return
        known = self.found.get(request_id)
        if known is not None and known != billed:
            self.ambiguous.add(request_id)
        self.found[request_id] = billed

    def of(self, request_id: str) -> Billed | None:
        """What was billed for a request, None where that is not known for sure."""
        if request_id in self.ambiguous:
            return None
        return self.found.get(request_id)


def learn(samples: Iterable[Sample], *, least: int = LEAST_SAMPLES) -> Learned:
    """Learn ratios and outputs from samples, in any order: the same samples teach the same."""
    groups: dict[tuple[str, str, str, str], list[Sample]] = {}
    outputs: dict[str, list[int]] = {}
    exact = off = 0
    for sample in samples:
        if sample.output is not None and sample.answers > 0:
            each = round_half_even(sample.output, sample.answers)
            outputs.setdefault(sample.model, []).append(each)
        if sample.exact:
            exact += 1
            off += sample.counted != sample.billed
        elif sample.counted > 0 and sample.billed > 0:
            key = (sample.model, sample.script, sample.counter, sample.tokenizer)
            groups.setdefault(key, []).append(sample)
    ratios = [_ratio(key, rows, least) for key, rows in groups.items()]
    typical = [_output(model, sorted(counts), least) for model, counts in outputs.items()]
    return Learned(
        sorted(ratios, key=lambda row: (-row.samples, row[:3])),
        sorted(typical, key=lambda row: (-row.samples, row.model)),
        exact,
        off,
    )


def document(learned: Learned, *, made_at: str, gateway: str | None) -> dict[str, Any]:
    """The calibration file: what `tokens.calibration.load` reads."""
    return {
        "format": 1,
        "made_at": made_at,
        "gateway": gateway,
        "ratios": [ratio_row(row) for row in learned.ratios if row.millionths],
        "outputs": [output_row(row) for row in learned.outputs if row.median is not None],
    }


def ratio_row(row: Ratio) -> dict[str, Any]:
    """A ratio as JSON."""
    known = row.millionths is not None
    return {
        "model": row.model,
        "script": row.script,
        "counter": row.counter,
        "tokenizer": row.tokenizer,
        "samples": row.samples,
        "dropped": row.dropped,
        "ratio": text_of(row.millionths, 6) if row.millionths is not None else None,
        "error": {
            "before_percent": None if row.before is None else text_of(row.before, 2),
            "after_percent": None if row.after is None else text_of(row.after, 2),
            "low_percent": text_of(row.low, 2) if known else None,
            "high_percent": text_of(row.high, 2) if known else None,
        },
        **({} if row.why is None else {"why": row.why}),
    }


def output_row(row: Output) -> dict[str, Any]:
    """A typical output as JSON."""
    known = {"model": row.model, "samples": row.samples}
    figures = {"median": row.median, "p90": row.p90, "mean": row.mean}
    return {**known, **figures, **({} if row.why is None else {"why": row.why})}


def _ratio(key: tuple[str, str, str, str], rows: list[Sample], least: int) -> Ratio:
    empty = Ratio(*key, len(rows), 0, None, None, None, 0, 0, None)
    if len(rows) < least:
        return empty._replace(why=f"{len(rows)} samples, {least} are needed")
    kept = _kept(rows)
    dropped = len(rows) - len(kept)
    if dropped * 3 > len(rows):
        return empty._replace(
            dropped=dropped, why=f"{dropped} of {len(rows)} samples disagree with the others"
        )
    before, after, band = _held_out(rows, {row.request_id for row in kept})
    found = empty._replace(dropped=dropped, before=before, after=after)
    if after >= before:
        return found._replace(why="it would not make the held-out error smaller")
    millionths = _fit(kept)
    if not LEAST <= millionths <= MOST:
        return found._replace(why="the ratio is no tokenizer's doing")
    return found._replace(millionths=millionths, low=band[0], high=band[1])


def _own(sample: Sample) -> int:
    return round_half_even(sample.billed * ONE, sample.counted)


def _kept(rows: list[Sample]) -> list[Sample]:
    """The samples without outliers."""
    middle = _middle([_own(row) for row in rows])
    spread = _middle([abs(_own(row) - middle) for row in rows])
    room = max(_APART * spread, middle * _FLOOR_PERCENT // 100)
    return [row for row in rows if abs(_own(row) - middle) <= room]


def _fit(rows: list[Sample]) -> int:
    """All that was billed to all that was counted: long prompts, which cost, weigh more."""
    return round_half_even(
        sum(row.billed for row in rows) * ONE, sum(row.counted for row in rows) or 1
    )


def _held_out(rows: list[Sample], plain: set[str]) -> tuple[int, int, tuple[int, int]]:
    """(error before, after, band of the truth about the calibrated count) on unseen samples.

    `plain` are the request ids of samples that are no outliers.
    """
    before: list[int] = []
    after: list[int] = []
    truth: list[int] = []
    for fold in range(FOLDS):
        unseen = [row for row in rows if _fold(row.request_id) == fold]
        seen = [row for row in rows if _fold(row.request_id) != fold]
        if not seen:
            continue
        millionths = _fit(_kept(seen))
        for row in unseen:
            guess = max(1, round_half_even(row.counted * millionths, ONE))
            before.append(round_half_even(abs(row.billed - row.counted) * 10_000, row.billed))
            after.append(round_half_even(abs(row.billed - guess) * 10_000, row.billed))
            if row.request_id in plain:
                truth.append(round_half_even((row.billed - guess) * 10_000, guess))
    truth.sort()
    low = truth[len(truth) * 5 // 100]
    high = truth[min(len(truth) - 1, len(truth) * 95 // 100)]
    return _mean(before), _mean(after), (min(low, 0), max(high, 0))


def _fold(request_id: str) -> int:
    """Which fifth a request is in: by its id alone, so that the order of files does not matter."""
    return hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).digest()[0] % FOLDS


def _output(model: str, counts: list[int], least: int) -> Output:
    if len(counts) < least:
        why = f"{len(counts)} samples, {least} are needed"
        return Output(model, len(counts), None, None, None, why)
    p90 = counts[-(-len(counts) * 9 // 10) - 1]
    return Output(model, len(counts), _middle(counts), p90, _mean(counts), None)


def _middle(values: list[int]) -> int:
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return round_half_even(ordered[half - 1] + ordered[half], 2)


def _mean(values: list[int]) -> int:
    return round_half_even(sum(values), len(values) or 1)


def summary(learned: Learned) -> Mapping[str, Any]:
    """What was and was not learned, as JSON."""
    return {
        "ratios": [ratio_row(row) for row in learned.ratios],
        "outputs": [output_row(row) for row in learned.outputs],
        "exact_samples": learned.exact,
        "exact_samples_off": learned.exact_off,
    }
