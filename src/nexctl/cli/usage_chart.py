"""A line over time in text: charges by day, week or month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from nexctl.cli.figures import money
from nexctl.cli.render import Screen
from nexctl.money import parse_units, text_of

HEIGHT = 10
_UNITS = 12


def write_chart(screen: Screen, points: Sequence[tuple[str, str]], unit: str) -> None:
    """Draw (period, charge) as a line; periods between the first and last without usage are 0.

    Where there are more periods than columns, neighbours are added up and it is said.
    """
    filled = _filled({period: parse_units(charge) for period, charge in points})
    columns = _columns(filled, screen.width - 16)
    sums = [sum(amount for _, amount in column) for column in columns]
    top = max(*sums, 1, 1)
    labels = {HEIGHT: money(text_of(top, _UNITS), unit), 0: money("0", unit)}
    margin = max(map(len, labels.values()))
    wide = max(1, min(4, (screen.width - margin - 2) // len(sums)))
    levels = [amount * HEIGHT // top for amount in sums]
    for level in range(HEIGHT, -1, -1):
        screen.line(f"{labels.get(level, ''):>{margin}} |{_row(screen, levels, level, wide)}")
    first, last = columns[0][0][0], columns[-1][-1][0]
    across = len(sums) * wide
    gap = max(1, across - len(first) - len(last))
    screen.line(" " * (margin + 2) + (first if first == last else f"{first}{' ' * gap}{last}"))
    if len(columns[0]) > 1:
        screen.line(f"{len(columns[0])} periods a column")


def _columns(filled: list[tuple[str, int]], room: int) -> list[list[tuple[str, int]]]:
    each = -(-len(filled) // max(8, room))
    return [filled[i : i + each] for i in range(0, len(filled), each)]


def _row(screen: Screen, levels: Sequence[int], level: int, wide: int) -> str:
    """One line of the chart: a mark where the line is, strokes where it rises or falls."""
    mark, stroke, flat = screen.marks()
    cells = []
    for place, here in enumerate(levels):
        before = levels[place - 1] if place else here
        low, high = min(before, here), max(before, here)
        if here == level:
            cells.append(mark + (flat if place + 1 < len(levels) else "") * (wide - 1))
        elif low <= level <= high and wide > 0:
            cells.append(stroke + " " * (wide - 1))
        else:
            cells.append(" " * wide)
    return "".join(cells)


def _filled(amounts: dict[str, int]) -> list[tuple[str, int]]:
    """Every period from the first to the last."""
    periods = sorted(amounts)
    found, at = [], periods[0]
    while at <= periods[-1]:
        found.append((at, amounts.get(at, 0)))
        at = _next(at)
    return found


def _next(period: str) -> str:
    if "W" in period:
        day = date.fromisoformat(f"{period}-1") + timedelta(days=7)
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"
    if len(period) == 7:
        year, month = int(period[:4]), int(period[5:])
        return f"{year + month // 12:04d}-{month % 12 + 1:02d}"
    return (date.fromisoformat(period) + timedelta(days=1)).isoformat()
