"""What a change of prompts costs: each file counted and priced before and after, and the total."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from nexctl.errors import UnpricedError, UsageError
from nexctl.estimate import gate as gates
from nexctl.estimate.ask import Ask
from nexctl.estimate.estimator import Estimator
from nexctl.estimate.lanes import ZERO, Range
from nexctl.estimate.quote import Reader, dated
from nexctl.estimate.revisions import Change
from nexctl.estimate.sources import kind_of
from nexctl.money import text_of


class Side(NamedTuple):
    """One side of a file: its tokens, what they cost, and the models that price them."""

    tokens: int
    charge: Range
    high_is_asked: bool
    models: tuple[str, ...]


class Row(NamedTuple):
    """One file of a comparison; a side is None where the file is not there."""

    path: str
    status: str
    before: Side | None
    after: Side | None
    note: str | None


class Comparison(NamedTuple):
    """All compared files on one book. `rule` says which figure of a range is compared."""

    title: str
    gateway: str
    price_book: str
    unit: str
    scale: int
    models: tuple[str, ...]
    rows: list[Row]
    rule: str
    gate: gates.Gate | None
    per_month: int | None
    notes: list[str]

    @property
    def moved(self) -> list[Row]:
        """The rows that are not the same on both sides."""
        return [row for row in self.rows if row.status != "unchanged"]

    def amount(self, side: Side | None) -> int:
        """Return the compared figure of a side in units; an absent side costs nothing."""
        if side is None:
            return 0
        return _figure(side.charge, self.rule)

    def row_json(self, row: Row) -> dict[str, Any]:
        """Return the documented fields of one file."""
        return {"path": row.path, "status": row.status, **self._sides(row.before, row.after)}

    def total_json(self) -> dict[str, Any]:
        """Return the documented fields of the total, over every compared file."""
        before, after = (_added(row[side] for row in self.rows) for side in (2, 3))
        total = self._sides(before, after)
        if self.per_month is not None:
            growth = self.amount(after) - self.amount(before)
            total["sends_per_month"] = self.per_month
            total["delta_charge_per_month"] = text_of(growth * self.per_month, self.scale)
        return total

    def _sides(self, before: Side | None, after: Side | None) -> dict[str, Any]:
        old, new = self.amount(before), self.amount(after)
        return {
            "before": self._side(before),
            "after": self._side(after),
            "delta_tokens": (after.tokens if after else 0) - (before.tokens if before else 0),
            "delta_charge": text_of(new - old, self.scale),
            "delta_percent": gates.percent_text(old, new),
        }

    def _side(self, side: Side | None) -> dict[str, Any] | None:
        if side is None:
            return None
        return {"tokens": side.tokens, "charge": text_of(self.amount(side), self.scale)}


def compare(ask: Ask, changes: Iterable[Change], fail_over: gates.Limit | None) -> Comparison:
    """Count and price every file on both sides.

    Raises UsageError for a file that cannot be read as a prompt on either side, UnpricedError for
    a model without a known price: a gate must not pass because it could not look.
    """
    if len(ask.books) != 1 or len(ask.models) > 1:
        raise UsageError(
            "diff compares on one price book and at most one model",
            hint="run it once for each",
            code="several_books",
        )
    estimator = Estimator(ask)
    reader = Reader(estimator)
    rows = [_row(reader, change) for change in changes]
    sides = [side for row in rows for side in (row.before, row.after) if side]
    rule = _rule(sides)
    book = estimator.books[0]
    models = tuple(dict.fromkeys(model for side in sides for model in side.models))
    answer = Comparison(
        title=dated(book),
        gateway=book.id,
        price_book=book.version,
        unit=book.unit,
        scale=book.scale,
        models=models,
        rows=rows,
        rule=rule,
        gate=None,
        per_month=ask.volume.per_month if ask.volume else None,
        notes=reader.notes,
    )
    if fail_over is None:
        return answer
    before = sum(answer.amount(row.before) for row in rows)
    after = sum(answer.amount(row.after) for row in rows)
    return answer._replace(
        gate=gates.fail_over(before, after, book.scale, book.unit, fail_over, rule)
    )


def _row(reader: Reader, change: Change) -> Row:
    before = _side(reader, change.display, change.before())
    after = before if change.status == "unchanged" else _side(
        reader, change.display, change.after()
    )  # fmt: skip
    return Row(change.display, change.status, before, after, change.note)


def _side(reader: Reader, name: str, raw: bytes | None) -> Side | None:
    if raw is None:
        return None
    reader.add_bytes(name, kind_of(name), raw)
    taken = reader.estimator.take()
    lanes = [(model, totals) for (_, model), totals in taken["lanes"].items() if totals["requests"]]
    charge = ZERO
    for _, totals in lanes:
        # Of a range of prices the dearest end: growth is not made smaller than it may be.
        charge += totals["dearest"] or totals["charge"]
    if charge.low is None:
        notes = [note for _, totals in lanes for note in totals["notes"]]
        raise UnpricedError(
            f"{name}: {notes[0] if notes else 'no known price'}",
            hint="a change is only compared where every model has a known price",
        )
    return Side(
        sum(totals["input_tokens"] for _, totals in lanes),
        charge,
        taken["high_is_asked"],
        tuple(model for model, _ in lanes),
    )


def _rule(sides: list[Side]) -> str:
    """Choose one figure for every file of the comparison."""
    if sides and all(side.charge.expected is not None for side in sides):
        return gates.EXPECTED
    if sides and all(side.high_is_asked and side.charge.high is not None for side in sides):
        return gates.HIGH
    return gates.INPUT_ONLY


def _figure(charge: Range, rule: str) -> int:
    figure = {gates.EXPECTED: charge.expected, gates.HIGH: charge.high}.get(rule, charge.low)
    return figure or 0


def _added(sides: Iterable[Any]) -> Side:
    tokens, charge = 0, ZERO
    for side in sides:
        if side is not None:
            tokens += side.tokens
            charge += side.charge
    return Side(tokens, charge, False, ())
