"""How an audit looks: totals, how the amounts were read, findings by rule, the largest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli.figures import change, money, plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.usage.audit.report import said_of
from nexctl.usage.audit.terms import Finding, amount

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.usage.audit.report import Report

MOST_SHOWN = 20
COLUMNS = (
    Column("row", right=True),
    Column("rule"),
    Column("severity"),
    Column("request_id"),
    Column("created_at"),
    Column("model"),
    Column("billed", right=True),
    Column("expected", right=True),
    Column("difference", right=True),
    Column("currency"),
    Column("explanation"),
)


def audit_view(report: Report, app: App) -> View:
    """The report; its rows in sheets are the findings and notes."""
    everything = (*report.findings, *report.notes)
    return View(
        report.data,
        text=lambda screen: write(report, screen, verbose=app.verbose),
        table=lambda: Table(
            COLUMNS, ([one.data()[column.name] for column in COLUMNS] for one in everything)
        ),
        names=lambda: [one.request_id for one in everything if one.request_id],
        lines=lambda: [one.data() for one in everything],
    )


def write(report: Report, screen: Screen, *, verbose: bool = False) -> None:
    """Write the report."""
    books = ", ".join(str(row["version"]) for row in report.books)
    by = f"price book {books}" if books else "no price book"
    screen.line((f"{report.name} · {by} · all models", "bold"))
    some = f"{report.matched:,} {'comes' if report.matched == 1 else 'come'}"
    agree = "every row comes" if report.matched == report.rows else some
    if report.rows:
        screen.line(f"{plural(report.rows, 'row')} · {agree} to what is billed")
    else:
        screen.line("no row: there is nothing to check")
    screen.blank()
    _totals(report, screen)
    _readings(report, screen)
    _rules(report, screen)
    _largest(report, screen, None if verbose else MOST_SHOWN)
    _against(report, screen)
    _batch(report, screen)
    for said in report.says:
        screen.blank()
        screen.line(f"note: {said}")


def _totals(report: Report, screen: Screen) -> None:
    if not report.totals:
        return
    unknown = any(total.unknown for total in report.totals)
    columns = [Column("", ""), Column("BILLED", right=True), Column("EXPECTED", right=True)]
    columns.append(Column("DIFFERENCE", right=True))
    if unknown:
        columns.append(Column("NOT FOLLOWED", right=True))
    rows = []
    for one in report.totals:
        unit = one.currency
        row: list[Any] = [
            f"total {unit}",
            money(amount(one.billed), unit),
            money(amount(one.expected), unit),
            change(amount(one.difference), unit),
        ]
        if unknown:
            row.append(money(amount(one.unknown), unit))
        rows.append(row)
    screen.table(Table(columns, rows))


def _readings(report: Report, screen: Screen) -> None:
    if not report.readings and not report.rounding:
        return
    screen.blank()
    for row in report.readings:
        screen.line(f"reading   {row['read']}: {said_of(row)}")
        total = money(row["other_total"], row["currency"])
        screen.line(f"          the other way the total is {total}")
    rounding = report.rounding
    if rounding:
        places, step = rounding["places"], rounding["step"]
        what = f"{places} decimals" if places is not None else f"steps of {step}"
        how = {"half_even": "half to even", "half_up": "half up", "up": "up", "down": "down"}
        whose = "inferred" if rounding["inferred"] else "as in the book"
        per = f"per {rounding['per']}"
        screen.line(f"rounding  {what}, {how[rounding['mode']]}, {per} ({whose})")
        if rounding["other_total"] is not None:
            total = money(rounding["other_total"], rounding["currency"])
            screen.line(f"          rounded as the book does the total is {total}")


def _rules(report: Report, screen: Screen) -> None:
    if not report.counts:
        return
    screen.blank()
    rows = []
    for rule, count in sorted(report.counts.items(), key=lambda item: -item[1]):
        sums = report.money.get(rule, {})
        shown = ", ".join(change(amount(value), unit) for unit, value in sums.items())
        rows.append([rule, f"{count:,}", shown or "-"])
    columns = (Column("FINDING"), Column("COUNT", right=True), Column("DIFFERENCE", right=True))
    screen.table(Table(columns, rows))


def _largest(report: Report, screen: Screen, most: int | None) -> None:
    ordered = sorted(report.findings, key=lambda one: -abs(one.difference or 0))
    for one in ordered[:most]:
        screen.blank()
        _one(one, screen)
    left = len(ordered) - len(ordered[:most]) + report.left_out
    if left:
        screen.blank()
        screen.line(f"{left:,} more: --verbose shows those at hand, -o json has every field")
    for one in report.notes[: most or None]:
        screen.blank()
        _one(one, screen)


def _one(one: Finding, screen: Screen) -> None:
    where = f"row {one.row}" if one.row else "the whole file"
    parts = [where, one.model, one.created_at]
    style = {"error": "bold red", "warning": "magenta"}.get(one.severity, "dim")
    screen.line((one.rule, style), "  " + " · ".join(part for part in parts if part))
    if one.request_id:
        screen.line(f"  {one.request_id}")
    unit = one.currency or ""
    if one.billed is not None:
        expected = "unknown" if one.expected is None else money(amount(one.expected), unit)
        figures = f"billed {money(amount(one.billed), unit)}, expected {expected}"
        if one.rule in ("balance",):
            figures = figures.replace("billed", "stated", 1)
        if one.difference:
            figures += f" ({change(amount(one.difference), unit)})"
        screen.line(f"  {figures}")
    for line in _wrapped(one.explanation, screen.width - 2):
        screen.line(f"  {line}")


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(40, width), break_long_words=False, break_on_hyphens=False)


def _against(report: Report, screen: Screen) -> None:
    found = report.against
    if found is None:
        return
    screen.blank()
    if found["kind"] == "amount":
        unit = f" {found['currency']}" if found["currency"] else ""
        verdict = "agrees" if not found["differs"] else f"differs by {found['difference']}{unit}"
        if found["differs"] and found["difference"] == "0":
            verdict = "differs by what a row without a charge would add"
        screen.line(f"invoice {found['against']}{unit}: billed {found['billed']}, {verdict}")
        return
    screen.line(
        f"against {found['with']}, joined by {found['by']}: {found['billed']} here in "
        f"{plural(found['rows'], 'row')}, {found['against']} there in "
        f"{plural(found['rows_against'], 'row')}"
    )
    if not found["gaps"]:
        screen.line("both lists agree")
        return
    fields = [name for name in found["gaps"][0] if name not in ("billed", "against", "difference")]
    columns = [*map(Column, fields), Column("billed", "HERE", right=True)]
    columns += [Column("against", "THERE", right=True), Column("difference", right=True)]
    rows = [[gap[column.name] for column in columns] for gap in found["gaps"][:MOST_SHOWN]]
    screen.table(Table(columns, rows))
    left = len(found["gaps"]) - len(rows) + found["gaps_left_out"]
    if left:
        screen.line(f"{left:,} more")


def _batch(report: Report, screen: Screen) -> None:
    found = report.batch
    if found is None:
        return
    screen.blank()
    screen.line(
        f"batch {found['id']}: {plural(found['rows'], 'line')}, billed {found['billed']}, "
        f"debited {found['debited']}"
    )
