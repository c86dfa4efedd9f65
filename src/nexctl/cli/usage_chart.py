"""Columns over time in text: charges by day, week or month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from nexctl.cli.figures import money
from nexctl.cli.render import Screen
from nexctl.money import parse_units, text_of

HEIGHT = 8
WIDEST = 5
_UNITS = 12


def write_chart(screen: Screen, points: Sequence[tuple[str, str]], unit: str) -> None:
    """Draw (period, charge) as columns; periods between the first and last without usage are 0.

    Where there are more periods than columns, neighbours are added up and it is said.
    """
    filled = _filled({period: parse_units(charge) for period, charge in points})
    columns = _columns(filled, screen.width - 16)
    sums = [sum(amount for _, amount in column) for column in columns]
    top = max(*sums, 1, 1)
    labels = {HEIGHT - 1: money(text_of(top, _UNITS), unit), 0: money("0", unit)}
    margin = max(map(len, labels.values()))
    step = max(1, min(WIDEST, (screen.width - margin - 2) // len(sums)))
    for level in reversed(range(HEIGHT)):
        cells = [screen.column(amount, top, HEIGHT, level) * max(1, step - 1) for amount in sums]
        row = "".join(cell.ljust(step) for cell in cells)
        screen.line(f"{labels.get(level, ''):>{margin}} |{row}")
    first, last = columns[0][0][0], columns[-1][-1][0]
    across = len(sums) * step - (1 if step > 1 else 0)
    gap = max(1, across - len(first) - len(last))
    screen.line(" " * (margin + 2) + (first if first == last else f"{first}{' ' * gap}{last}"))
    if len(columns[0]) > 1:
        screen.line(f"{len(columns[0])} periods a column")


def _columns(filled: list[tuple[str, int]], room: int) -> list[list[tuple[str, int]]]:
    each = -(-len(filled) // max(8, room))
    return [filled[i : i + each] for i in range(0, len(filled), each)]


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
