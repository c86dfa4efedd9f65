"""A statement for a dispute, in Markdown: what was compared, what differs, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from nexctl.safety.text import markdown as shown_as
from nexctl.usage.audit.report import Report, said_of
from nexctl.usage.audit.terms import Finding, amount

MOST_LINES = 1_000


def markdown(report: Report, made_at: str) -> str:
    """The statement's text. Everything from the file or a gateway is escaped."""
    return "\n".join(_lines(report, made_at)) + "\n"


def _lines(report: Report, made_at: str) -> Iterator[str]:
    yield "# Statement on billed usage"
    yield ""
    yield f"Made on {made_at} from {shown_as(report.name)}, {report.rows} rows."
    books = ", ".join(f"{shown_as(row['version'])} ({row['rows']} rows)" for row in report.books)
    yield f"Price books: {books or 'none'}."
    yield ""
    yield "Each row was priced again by the book in force at its time; an amount that is not the"
    yield "billed one is listed with both. This states what differs, not why."
    for said in report.says:
        yield ""
        yield f"Note: {shown_as(said)}."
    yield ""
    yield "| currency | billed | expected | difference | could not be followed |"
    yield "|---|---:|---:|---:|---:|"
    for total in report.totals:
        cells = (total.billed, total.expected, total.difference, total.unknown)
        yield f"| {shown_as(total.currency)} | {' | '.join(amount(c) or '' for c in cells)} |"
    yield from _readings(report)
    yield from _by_rule(report)
    yield from _rows(report)
    yield from _against(report)


def _readings(report: Report) -> Iterator[str]:
    if not report.readings and not report.rounding:
        return
    yield ""
    yield "## How the amounts were read"
    yield ""
    for row in report.readings:
        total, difference = row["other_total"], row["other_difference"]
        yield (
            f"- {row['read']}: {said_of(row)}; read the other way the total is {total} "
            f"({difference})"
        )
    if report.rounding:
        rounding = report.rounding
        places = rounding["places"] if rounding["places"] is not None else rounding["step"]
        other = ""
        if rounding["other_total"] is not None:
            total, difference = rounding["other_total"], rounding["other_difference"]
            other = f"; rounded as the book does the total is {total} ({difference})"
        yield f"- rounding: {places} decimals, {rounding['mode']}, per {rounding['per']}{other}"


def _by_rule(report: Report) -> Iterator[str]:
    if not report.counts:
        yield ""
        yield "Every row comes to what it bills."
        return
    yield ""
    yield "## By rule"
    yield ""
    yield "| rule | rows | difference |"
    yield "|---|---:|---:|"
    for rule, count in sorted(report.counts.items()):
        sums = report.money.get(rule, {})
        told = ", ".join(f"{amount(value)} {shown_as(unit)}" for unit, value in sums.items())
        yield f"| {rule} | {count} | {told} |"


def _rows(report: Report) -> Iterator[str]:
    if not report.findings:
        return
    yield ""
    yield "## Rows"
    yield ""
    yield "| row | request | time | model | rule | billed | expected | difference | found |"
    yield "|---:|---|---|---|---|---:|---:|---:|---|"
    for one in report.findings[:MOST_LINES]:
        yield _row(one)
    left = len(report.findings) - MOST_LINES + report.left_out
    if left > 0 and len(report.findings) >= MOST_LINES:
        yield ""
        yield f"{left} more are counted above."


def _row(one: Finding) -> str:
    texts = (one.request_id or "", one.created_at or "", one.model or "")
    figures = (amount(one.billed), amount(one.expected), amount(one.difference))
    cells = [
        str(one.row or ""),
        *map(shown_as, texts),
        one.rule,
        *(figure or "" for figure in figures),
        shown_as(one.explanation),
    ]
    return "| " + " | ".join(cells) + " |"


def _against(report: Report) -> Iterator[str]:
    found = report.against
    if found is None:
        return
    yield ""
    yield "## Against the other list" if found["kind"] == "list" else "## Against the invoice"
    yield ""
    yield f"Here {found['billed']}, there {found['against']}, difference {found['difference']}."
    if not found["gaps"]:
        return
    fields = [name for name in found["gaps"][0] if name not in ("billed", "against", "difference")]
    names = (*fields, "here", "there", "difference")
    yield ""
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for gap in found["gaps"][:MOST_LINES]:
        cells = [gap[name] for name in (*fields, "billed", "against", "difference")]
        yield "| " + " | ".join(shown_as(str(cell or "")) for cell in cells) + " |"
    left = len(found["gaps"][MOST_LINES:]) + found["gaps_left_out"]
    if left:
        yield ""
        yield f"{left} more differ."
