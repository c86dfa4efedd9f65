"""How usage looks: sums with bars, a line over time, lists of records, one record in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.figures import money, plural, tokens
from nexctl.cli.render import Column, Screen, Table, View, display_width, for_people
from nexctl.money import parse_units
from nexctl.usage.summary import FIGURES, TIMES

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.usage.export.window import Filters, Window
    from nexctl.wire.me import Me
    from nexctl.wire.usage import UsageRecord, UsageSum, UsageSummary

LISTED = (
    *("created_at", "request_id", "key_name", "model_served", "status", "input_tokens"),
    *("cached_input_tokens", "output_tokens", "charge", "currency", "balance_after", "sequence"),
)
# What a person sees of a list on a terminal that is not wide.
SHORT = (
    *("created_at", "key_name", "model_served", "status", "input_tokens", "output_tokens"),
    "charge",
)
WIDE = 150
_BAR = 20


# sums --------------------------------------------------------------------------------------------


def summary_view(
    app: App,
    facts: Me,
    window: Window,
    filters: Filters,
    names: Sequence[str],
    found: UsageSummary,
    *,
    chart: bool,
) -> View:
    """Groups and their total."""
    groups = in_order(found.data, names)

    def write(screen: Screen) -> None:
        from nexctl.cli.wallet_report import headline

        screen.line((headline(app, facts), "bold"))
        only = "".join(f" · {name} {value}" for name, value in filters.given().items())
        screen.line(f"usage, {window.text}{only}")
        screen.blank()
        if not groups:
            screen.line("no metered request")
            return
        if chart and not screen.plain:
            from nexctl.cli.usage_chart import write_chart

            points = [(group.group[names[0]] or "", group.charge) for group in groups]
            write_chart(screen, points, groups[0].currency)
        else:
            screen.table(_groups(screen, groups, names, found.total))
        screen.blank()
        total = found.total
        screen.line(
            f"total {money(total.charge, total.currency)} · {plural(total.requests, 'request')} · "
            f"{tokens(total.input_tokens)} input, {tokens(total.output_tokens)} output tokens"
        )
        if not (found.closed and window.end):
            screen.line("the window is not closed: records may still come")

    return View(
        lambda: _summary_data(facts, window, filters, names, groups, found),
        text=write,
        table=lambda: Table(
            (*names, *FIGURES, "charge", "currency"), [_sheet_row(group, names) for group in groups]
        ),
        names=lambda: [" ".join(group.group.get(n) or "-" for n in names) for group in groups],
    )


def _sheet_row(group: UsageSum, names: Sequence[str]) -> list[Any]:
    values = [group.group.get(name) for name in names]
    return [*values, *_figures(group), group.charge, group.currency]


def in_order(groups: Sequence[UsageSum], names: Sequence[str]) -> list[UsageSum]:
    """Dearest first, as the gateway answers; where time comes first, in its order."""
    if names[0] not in TIMES:
        return list(groups)
    return sorted(groups, key=lambda group: group.group.get(names[0]) or "")


def _summary_data(
    facts: Me,
    window: Window,
    filters: Filters,
    names: Sequence[str],
    groups: Sequence[UsageSum],
    found: UsageSummary,
) -> dict[str, Any]:
    return {
        "gateway": facts.gateway,
        "price_book": facts.price_book,
        "window": {"from": window.start, "to": window.end},
        "filters": filters.given(),
        "by": list(names),
        "closed": bool(found.closed and window.end),
        "groups": [{"group": group.group, **_sum_data(group)} for group in groups],
        "total": _sum_data(found.total),
    }


def _sum_data(found: UsageSum) -> dict[str, Any]:
    figures = dict(zip(FIGURES, _figures(found), strict=True))
    return {**figures, "charge": found.charge, "currency": found.currency}


def _figures(found: UsageSum) -> list[int]:
    return [getattr(found, name) for name in FIGURES]


def _groups(
    screen: Screen, groups: Sequence[UsageSum], names: Sequence[str], total: UsageSum
) -> Table:
    columns = [Column(name, name.removeprefix("label:").upper()) for name in names]
    columns += [
        Column("requests", right=True),
        Column("input", right=True),
        Column("cached", right=True, spare=1),
        Column("output", right=True),
        Column("charge", right=True),
    ]
    rows: list[list[Any]] = []
    for group in groups:
        row: list[Any] = [group.group.get(name) for name in names]
        row += [
            tokens(group.requests),
            tokens(group.input_tokens),
            tokens(group.cached_input_tokens),
            tokens(group.output_tokens),
            money(group.charge, group.currency),
        ]
        rows.append(row)
    if screen.pictures:
        _add_bars(screen, columns, rows, [parse_units(group.charge) for group in groups])
    return Table(columns, rows)


def _add_bars(
    screen: Screen, columns: list[Column], rows: list[list[Any]], amounts: list[int]
) -> None:
    """A bar behind each row, in what the terminal leaves beside the figures."""
    taken = 0
    for place, column in enumerate(columns):
        shown = [display_width(str(row[place] or "-")) for row in rows]
        taken += max(len(column.heading), *shown) + 2
    room = min(_BAR, screen.width - taken)
    if room < 4:
        return
    columns.append(Column("", ""))
    for row, amount in zip(rows, amounts, strict=True):
        row.append(screen.bar(max(amount, 0), max(*amounts, 1), room))


# records -----------------------------------------------------------------------------------------


def record_data(record: UsageRecord) -> dict[str, Any]:
    """Every column of one record."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(record)
    return found


def records_view(app: App, rows: Iterable[UsageRecord]) -> View:
    """A list of records; a terminal that is not wide shows fewer columns than a sheet has."""
    return View(
        lambda: [record_data(row) for row in rows],
        table=lambda: records_table(app, rows),
        names=lambda: (row.request_id for row in rows),
        lines=lambda: (record_data(row) for row in rows),
    )


def records_table(app: App, rows: Iterable[UsageRecord]) -> Table:
    """Records as a table."""
    names: Sequence[str] = LISTED
    if for_people(app) and app.width("out") < WIDE:
        names = SHORT
    return Table(list_columns(names), ([getattr(row, name) for name in names] for row in rows))


def list_columns(names: Sequence[str] = LISTED) -> list[Column]:
    """The columns of a list."""
    right = {"input_tokens", "cached_input_tokens", "output_tokens", "charge", "balance_after"}
    short = {
        "created_at": "TIME (UTC)",
        "request_id": "REQUEST",
        "key_name": "KEY",
        "model_served": "MODEL",
        "input_tokens": "INPUT",
        "cached_input_tokens": "CACHED",
        "output_tokens": "OUTPUT",
        "balance_after": "BALANCE",
    }
    return [
        Column(
            name,
            short.get(name),
            right=name in right or name == "sequence",
            show=_second if name == "created_at" else None,
        )
        for name in names
    ]


def _second(instant: str) -> str:
    """A time to the second, for a person."""
    return instant[:19].replace("T", " ")


def record_view(app: App, record: UsageRecord) -> View:
    """One record."""
    unit = record.currency or ""

    def write(screen: Screen) -> None:
        book = f" · price book {record.price_book}" if record.price_book else ""
        screen.line((f"{record.gateway}{book} · {record.model_served or record.model_requested}",
                     "bold"))  # fmt: skip
        screen.line(f"request {record.request_id} · profile {app.profile.name}")
        screen.blank()
        screen.table(Table((Column("", ""), Column("", "")), _facts(record)))
        if record.rates:
            screen.blank()
            screen.table(_rates(record))
        screen.blank()
        screen.line(("charge  ", "bold"), money(record.charge, unit))
        if record.balance_after is not None:
            screen.line(f"balance {money(record.balance_after, unit)} after sequence "
                        f"{record.sequence}")  # fmt: skip

    return View(
        lambda: record_data(record),
        text=write,
        table=lambda: records_table(app, [record]),
        names=[record.request_id],
    )


def _facts(record: UsageRecord) -> list[tuple[str, str]]:
    key = record.key_name or record.key_id
    labels = ", ".join(f"{name}={value}" for name, value in sorted(record.labels.items()))
    took = None if record.latency_ms is None else f"{record.latency_ms:,} ms"
    asked = record.model_requested if record.model_requested != record.model_served else None
    rows = [
        ("time", record.created_at),
        ("status", record.status),
        ("key", key),
        ("project", record.project),
        ("labels", labels),
        ("endpoint", record.endpoint),
        ("asked for", asked),
        ("provider", record.provider),
        ("batch", record.batch_id),
        ("took", took),
        ("tier", record.tier),
    ]
    return [(name, value) for name, value in rows if value]


_METERED = (
    ("input", "input_tokens"),
    ("cached_input", "cached_input_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("output", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
    ("request", "requests"),
    ("image", "images"),
    ("second", "seconds"),
    ("video", "videos"),
    ("gpu_second", "gpu_seconds"),
)


def _rates(record: UsageRecord) -> Table:
    rows = []
    for meter, name in _METERED:
        rate = record.rates.get(meter)
        count = getattr(record, name)
        if not isinstance(rate, dict) and not count:
            continue
        rate = rate if isinstance(rate, dict) else {}
        per = rate.get("per")
        priced = None if rate.get("price") is None else f"{rate['price']} / {int(per or 1):,}"
        rows.append((meter, tokens(count), priced, rate.get("factor")))
    return Table(
        ("meter", Column("count", right=True), Column("price", "PRICE / UNITS", right=True),
         Column("factor", right=True)),
        rows,
    )  # fmt: skip
