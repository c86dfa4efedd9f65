"""Sums over usage records: by model, key, day, week, month, project, provider, status, label.

The gateway's own summary and sums over files are made here, so they cannot differ. Charges are
exact integers; currencies are never added together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.money import parse_units, text_of

GROUPS = ("model", "key", "day", "week", "month", "project", "provider", "status")
TIMES = ("day", "week", "month")
LABEL = "label:"
MOST_GROUPS = 8
FIGURES = ("requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
SCALE = 12


class Seen(NamedTuple):
    """What a sum needs of one record. `figures` in the order of FIGURES, `charge` in units."""

    created_at: str
    model: str | None
    key: str | None
    project: str | None
    provider: str | None
    status: str | None
    labels: Mapping[str, str]
    figures: tuple[int, ...]
    charge: int
    currency: str


class Sum(NamedTuple):
    """Sums of one group. `charge` is decimal text; `group` goes by the names asked for."""

    group: dict[str, str | None]
    figures: tuple[int, ...]
    charge: str
    currency: str


def names_of(by: str) -> tuple[str, ...]:
    """`model,day,label:team` as names. UsageError (exit 2) for what nothing is summed by."""
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    for name in names:
        if name not in GROUPS and (not name.startswith(LABEL) or name == LABEL):
            raise UsageError(
                f"nothing is summed by {name!r}",
                hint=f"sum by {', '.join(GROUPS)} or label:NAME, several with commas",
                code="unknown_group",
            )
    if not 1 <= len(names) <= MOST_GROUPS:
        raise UsageError(f"sum by 1 to {MOST_GROUPS} fields", hint="like --by model,day")
    return names


class Summary:
    """Adds records up. `scale` is the number of decimals of a unit of `charge`."""

    def __init__(self, by: Iterable[str], scale: int = SCALE) -> None:
        self.by = tuple(by)
        self._scale = scale
        self._readers = [_reader(name) for name in self.by]
        self._found: dict[tuple[Any, ...], list[int]] = {}
        self._totals: dict[str, list[int]] = {}

    def add(self, seen: Seen) -> None:
        """Count one record."""
        group = (seen.currency, *[read(seen) for read in self._readers])
        figures = (*seen.figures, seen.charge)
        for kept in (
            self._found.setdefault(group, [0] * len(figures)),
            self._totals.setdefault(seen.currency, [0] * len(figures)),
        ):
            for place, figure in enumerate(figures):
                kept[place] += figure

    def groups(self) -> list[Sum]:
        """Dearest first; of equals in the order of their names."""
        rows = sorted(self._found.items(), key=lambda item: (-item[1][-1], repr(item[0])))
        return [self._sum(group[0], group[1:], sums) for group, sums in rows]

    def totals(self) -> list[Sum]:
        """One sum for each currency."""
        return [self._sum(currency, (), sums) for currency, sums in sorted(self._totals.items())]

    def _sum(self, currency: str, values: tuple[Any, ...], sums: list[int]) -> Sum:
        group = dict(zip(self.by, values, strict=True)) if values else {}
        return Sum(group, tuple(sums[:-1]), text_of(sums[-1], self._scale), currency)


def seen_in(rows: Iterable[Any]) -> Iterator[Seen]:
    """What a sum needs of records as they are exported or read back (`reading.Row`)."""
    for row in rows:
        if row.charge is None or row.currency is None:
            raise UsageError(
                f"record {row.request_id or row.sequence} has no charge that is known",
                hint="leave such records out with --status ok",
                code="unknown_charge",
            )
        yield Seen(
            row.created_at or "",
            row.model_served or row.model_requested,
            row.key_name or row.key_id,
            row.project,
            row.provider,
            row.status,
            row.labels or {},
            tuple(getattr(row, name) or 0 for name in FIGURES),
            parse_units(row.charge, SCALE),
            row.currency,
        )


def _reader(name: str) -> Any:
    if name == "day":
        return lambda seen: seen.created_at[:10]
    if name == "week":
        return lambda seen: week_of(seen.created_at[:10])
    if name == "month":
        return lambda seen: seen.created_at[:7]
    if name.startswith(LABEL):
        label = name.removeprefix(LABEL)
        return lambda seen: seen.labels.get(label)
    place = Seen._fields.index(name)
    return lambda seen: seen[place]


@lru_cache(maxsize=4096)
def week_of(day: str) -> str:
    """The ISO 8601 week of a day: `2026-W40`, from Monday on."""
    from datetime import date

    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year:04d}-W{week:02d}"
