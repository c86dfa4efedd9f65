"""What the blocks of a file gave, put together in the file's order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from nexctl.usage.audit import chain
from nexctl.usage.audit.terms import TOKEN_METERS, Finding

# Findings that a report holds; beyond, only their counts and sums.
MOST_KEPT = 20_000
MOST_NOTES = 200
MOST_GROUPS = 50_000
# So many rows of one model, billed at one other rate with hardly a row between that agrees.
DRIFT_ROWS = 12
DRIFT_BETWEEN = 10

# Rules about balances and sequences, whose figures are no charges.
NO_CHARGE = ("balance", "sequence_gap")


class Drift:
    """Rows of one model at one other rate, as they come."""

    __slots__ = ("between", "billed", "expected", "first", "last", "pending", "rows")

    def __init__(self) -> None:
        self.rows = self.between = self.pending = self.billed = self.expected = 0
        self.first: Finding | None = None
        self.last: Finding | None = None


class Gathered:
    """Sums over blocks. `row_at(block, index)` reads one row again where a finding needs it.

    `others` are the sequences that a manifest lists as other entries; None where gaps cannot be
    told from them.
    """

    def __init__(
        self, row_at: Callable[[Any, int], Any], others: frozenset[int] | None = None
    ) -> None:
        self.rows = 0
        self.kept: list[Finding] = []
        self.notes: list[Finding] = []
        self.note_count = 0
        self.counts: dict[tuple[str, str], int] = {}
        self.money: dict[tuple[str, str], int] = {}
        self.billed: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        self.plans: dict[tuple[str, str, str, bool], int] = {}
        self.agreed: dict[tuple[str, str], int] = {}
        self.lasting: dict[str, int] = {}
        self.readings: dict[tuple[str, str], list[int]] = {}
        self.reference: dict[tuple[str, str], list[int]] = {}
        self.refunds: dict[str, list[int]] = {}
        self.debits = 0
        self.drifted = 0
        self.bases: list[tuple[Any, int]] = []
        self._ends: dict[str | None, list[Any]] = {}
        self._drifts: dict[tuple[str, str, str], Drift] = {}
        self._row_at = row_at
        self._others = others

    def add(self, block: Any, result: dict[str, Any]) -> None:
        """One block's result; blocks come in the file's order."""
        base = self.rows
        self.bases.append((block, base))
        for finding in result["findings"]:
            self.put(finding._replace(row=base + finding.row + 1))
        for (rule, unit), (count, difference) in result["overflow"].items():
            self._count(rule, unit, count, difference or None)
        self.note_count += len(result["notes"])
        for note in result["notes"][: MOST_NOTES - len(self.notes)]:
            self.notes.append(note._replace(row=base + note.row + 1))
        _sum(self.billed, result["billed"])
        _sum(self.unknown, result["unknown"])
        _sum(self.plans, result["plans"])
        _sum(self.agreed, result["agreed"])
        _sum(self.lasting, result["lasting"])
        for name in ("readings", "reference", "refunds"):
            held: dict[Any, list[int]] = getattr(self, name)
            for key, sums in result[name].items():
                kept = held.setdefault(key, [0] * len(sums))
                for place, value in enumerate(sums):
                    kept[place] += value
        self.debits += result["debits"]
        self._follow_drift(result, base)
        self._join(block, result, base)
        self.rows += result["rows"]

    def put(self, finding: Finding) -> None:
        """Count a finding, and keep it while there is room."""
        self._count(finding.rule, finding.currency or "", 1, finding.difference)
        if len(self.kept) < MOST_KEPT:
            self.kept.append(finding)

    def take_out(self, key: tuple[str, str], billed: int, wanted: int) -> None:
        """Undo a row's share in what the whole file comes to as its book says."""
        sums = self.reference[key]
        for place, value in enumerate((1, billed, wanted)):
            sums[place] -= value

    @property
    def cut(self) -> bool:
        """Whether some findings were only counted."""
        return sum(self.counts.values()) > len(self.kept)

    def take_back(self, finding: Finding) -> None:
        """Undo a finding, for another one says more about its row."""
        unit = finding.currency or ""
        known = finding.difference
        self._count(finding.rule, unit, -1, None if known is None else -known)
        if finding.expected is None and finding.billed is not None:
            self.unknown[unit] -= finding.billed
        for cause in finding.causes:
            held = self._drifts.get((finding.model or "", *cause))
            if held is not None:
                held.rows -= 1
                held.billed -= finding.billed or 0
                held.expected -= finding.expected or 0
        with contextlib.suppress(ValueError):
            self.kept.remove(finding)

    def _count(self, rule: str, unit: str, count: int, difference: int | None) -> None:
        """Count findings of a rule. A difference that nobody knows is no sum of 0."""
        key = (rule, unit)
        self.counts[key] = self.counts.get(key, 0) + count
        if rule not in NO_CHARGE and difference is not None:
            self.money[key] = self.money.get(key, 0) + difference

    # ------------------------------------------------------------- balances over block ends

    def _join(self, block: Any, result: dict[str, Any], base: int) -> None:
        for customer, (first, last) in result["links"].items():
            before = self._ends.get(customer)
            if before is not None:
                self._joined(block, before, first, customer, base)
            self._ends[customer] = last
        for customer, low, high, index in result["gaps"]:
            self._gap(customer, low, high, base + index + 1)

    def _joined(
        self, block: Any, before: list[Any], first: list[Any], customer: str | None, base: int
    ) -> None:
        sequence, moved, left, index, _ = first
        if sequence > before[0] + 1:
            self._gap(customer, before[0], sequence, base + index + 1)
        elif sequence == before[0] + 1 and None not in (left, before[2]):
            error = left - before[2] - moved
            if error and error != -before[4]:
                row = self._row_at(block, index)
                self.put(chain.broken(row, base + index + 1, before[2] + moved, left, before[0]))

    def _gap(self, customer: str | None, low: int, high: int, row: int) -> None:
        if self._others is None:
            return
        missing = [n for n in range(low + 1, min(high, low + 10_001)) if n not in self._others]
        if not missing:
            return
        one = len(missing) == 1
        shown = f"entry {missing[0]} is" if one else f"entries {missing[0]} to {missing[-1]} are"
        words = f"{shown} neither in the file nor among the other entries that its manifest lists"
        self.put(
            Finding("sequence_gap", "warning", row, None, None, None, words, customer_id=customer)
        )

    # ------------------------------------------------------------- rates that change in time

    def _follow_drift(self, result: dict[str, Any], base: int) -> None:
        found = result["drift"]
        if not found and not self._drifts:
            return
        models: dict[str, int] = {}
        for (_, _, model, _), count in result["plans"].items():
            models[model] = models.get(model, 0) + count
        for key, held in self._drifts.items():
            if key not in found:
                held.pending += models.get(key[0], 0)
        for key, (rows, before, between, after, billed, expected, first, last) in found.items():
            kept = self._drifts.get(key)
            if kept is None:
                kept = self._drifts[key] = Drift()
                kept.first = first._replace(row=base + first.row + 1)
            else:
                kept.between += kept.pending + before
            kept.between += between
            kept.pending = after
            kept.rows += rows
            kept.billed += billed
            kept.expected += expected
            kept.last = last._replace(row=base + last.row + 1)
        if len(self._drifts) > MOST_GROUPS:
            self._drifts = {key: one for key, one in self._drifts.items() if one.rows > 1}

    def fold_drift(self) -> None:
        """Many rows at one other rate, from one time on: one finding instead of one a row."""
        folded: set[str] = set()
        for (model, meter, implied), held in sorted(
            self._drifts.items(), key=lambda item: (-item[1].rows, item[0])
        ):
            first, last = held.first, held.last
            few = held.rows < DRIFT_ROWS or held.between * DRIFT_BETWEEN > held.rows
            if few or first is None or last is None or model in folded:
                continue
            folded.add(model)
            what = "every rate times" if meter == "all" else f"{meter.replace('_', ' ')} at"
            per = " per million" if meter in TOKEN_METERS else "" if meter == "all" else " each"
            words = (
                f"from {first.created_at} to {last.created_at} {held.rows} rows of {model} come to "
                f"what they bill with {what} {implied}{per}; the book has no such change then"
            )
            self._count("rate", first.currency or "", -held.rows, held.expected - held.billed)
            cause = (meter, implied)
            self.kept = [one for one in self.kept if one.model != model or cause not in one.causes]
            self.drifted += held.rows - 1
            self.put(
                first._replace(
                    rule="drift",
                    billed=held.billed,
                    expected=held.expected,
                    explanation=words,
                    severity="error" if held.billed > held.expected else "warning",
                    causes=(),
                )
            )

    # ------------------------------------------------------------- in the end

    def by_rule(self) -> dict[str, int]:
        """How many findings each rule has."""
        found: dict[str, int] = {}
        for (rule, _), count in self.counts.items():
            if count:
                found[rule] = found.get(rule, 0) + count
        return found

    def difference(self, unit: str) -> int:
        """What the findings of a currency add up to."""
        return sum(value for (_, one), value in self.money.items() if one == unit)


def _sum(held: dict[Any, int], more: dict[Any, int]) -> None:
    for key, value in more.items():
        held[key] = held.get(key, 0) + value
