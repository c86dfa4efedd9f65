"""From gathered sums to the report: what concerns the whole file, readings, rounding, totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.usage.audit import infer
from nexctl.usage.audit.gather import NO_CHARGE, Gathered
from nexctl.usage.audit.report import Report, Totals
from nexctl.usage.audit.terms import Finding, amount

if TYPE_CHECKING:
    from nexctl.usage.audit.run import Task

QUESTIONS = (
    ("cached_inside", "input_includes_cached", "cached", "cached tokens", "input"),
    ("reasoning_inside", "output_includes_reasoning", "reasoning", "reasoning tokens", "output"),
)


def file_findings(gathered: Gathered, inferred: dict[str, infer.Inferred]) -> None:
    """A file that reads or rounds otherwise than its book says: one finding with its total."""
    for (name, unit), (rows, billed, wanted) in gathered.reference.items():
        found = inferred.get(name)
        if found is None or not found.disputed or not rows:
            continue
        parts = [
            f"with {what} {'inside' if getattr(found.reading, field) else 'beside'} {where}"
            for field, rule, _, what, where in QUESTIONS
            if getattr(found.reading, field) != getattr(found.own_reading, field)
            and found.stated(rule)
        ]
        rule = "reading" if parts else "rounding"
        who = "the list's source counts" if parts and found.inside else f"{found.book.version} says"
        if found.reading.markup_added != found.own_reading.markup_added and found.stated(
            "markup_included"
        ):
            rule = "reading"
            parts.append("with the stated markup on top of the listed price")
        if found.rounding != found.own_rounding and infer.stated_rounding(found.book):
            parts.append(f"rounded {found.rounding.words()}")
        gathered.put(
            Finding(
                rule,
                "error" if billed > wanted else "warning",
                0,
                None,
                billed,
                wanted,
                f"{rows} rows come to what they bill {' and '.join(parts)}; {who} otherwise",
                currency=unit,
            )
        )


def _unit(gathered: Gathered, found: infer.Inferred) -> str:
    """The currency of a book's rows: its own unit, or the only one in the file."""
    return next(iter(gathered.billed)) if len(gathered.billed) == 1 else found.book.unit


def report(task: Task, gathered: Gathered, inferred: dict[str, infer.Inferred]) -> Report:
    """The frozen result."""
    counts = gathered.by_rule()
    differing = sum(
        count for rule, count in counts.items() if rule not in (*NO_CHARGE, "drift")
    ) + (counts.get("drift", 0) + gathered.drifted if "drift" in counts else 0)
    differing -= sum(1 for one in gathered.kept if one.row == 0)
    kept = sorted(gathered.kept, key=lambda one: one.row)
    total = sum(counts.values())
    money: dict[str, dict[str, int]] = {}
    for (rule, unit), value in gathered.money.items():
        if gathered.counts.get((rule, unit)):
            money.setdefault(rule, {})[unit] = value
    first = next(iter(inferred.values()), None)
    return Report(
        task.name,
        gathered.rows,
        max(0, gathered.rows - differing),
        tuple(kept),
        tuple(gathered.notes),
        counts,
        money,
        _totals(gathered),
        _rounding(first, gathered) if first is not None else None,
        tuple(_readings(gathered, inferred)),
        tuple(_books(gathered)),
        task.grain,
        (*task.says, *_says(task, gathered)),
        total - len(kept),
        _batch(task, gathered),
    )


def _totals(gathered: Gathered) -> tuple[Totals, ...]:
    found = []
    for unit, billed in sorted(gathered.billed.items(), key=lambda item: -item[1]):
        unknown = gathered.unknown.get(unit, 0)
        expected = billed - unknown - gathered.difference(unit)
        found.append(Totals(unit, billed, expected, unknown))
    return tuple(found)


def _rounding(found: infer.Inferred, gathered: Gathered) -> dict[str, Any]:
    """How the first book's rows are rounded, and what they come to as the book rounds."""
    unit = _unit(gathered, found)
    other = None
    if found.rounding != found.own_rounding and not found.reread:
        _, billed, wanted = gathered.reference.get((found.book.id, unit), (0, 0, 0))
        other = _other(wanted - billed, gathered.billed.get(unit, 0), unit)
    return {
        **found.rounding.data(),
        "inferred": found.rounding != found.own_rounding,
        "book": found.own_rounding.data(),
        "book_says": infer.stated_rounding(found.book),
        "explained": found.explained,
        "sampled": found.rows,
        **(other or dict.fromkeys(("other_total", "other_difference", "currency"))),
    }


def _readings(gathered: Gathered, inferred: dict[str, infer.Inferred]) -> list[dict[str, Any]]:
    """Each question on which a book may be read in two ways, and what the other way comes to.

    A row for each currency that the book's lines are billed in.
    """
    rows: list[dict[str, Any]] = []
    for name, found in inferred.items():
        units = sorted(unit for book, unit in gathered.readings if book == name)
        for unit in units or [_unit(gathered, found)]:
            others = gathered.readings.get((name, unit), [0, 0, 0])
            billed = gathered.billed.get(unit, 0)
            for place, (field, rule, key, what, where) in enumerate(QUESTIONS):
                if not found.deciding[key]:
                    continue
                inside = getattr(found.reading, field)
                rows.append(
                    _reading(found, key, f"{what} {'inside' if inside else 'beside'} {where}", rule)
                    | _other(others[place], billed, unit)
                    | {"book_reads": _side(getattr(found.own_reading, field), what, where)}
                )
            if found.deciding["markup"]:
                added = found.reading.markup_added
                said = "on top of the listed price" if added else "in the listed price, or none"
                own = found.own_reading.markup_added
                told = "markup on top" if own else "markup in the listed price, or none"
                rows.append(
                    _reading(found, "markup", f"markup {said}", "markup_included")
                    | _other(others[2], billed, unit)
                    | {"book_reads": told}
                )
    return rows


def _side(inside: bool, what: str, where: str) -> str:
    return f"{what} {'inside' if inside else 'beside'} {where}"


def _reading(found: infer.Inferred, key: str, read: str, rule: str) -> dict[str, Any]:
    return {
        "book": found.book.version,
        "question": key,
        "read": read,
        "book_says": found.stated(rule),
        "rows_deciding": found.deciding[key],
        "rows_sampled": found.rows,
        "explained": found.explained,
    }


def _other(difference: int, billed: int, unit: str) -> dict[str, Any]:
    return {
        "other_total": amount(billed + difference),
        "other_difference": amount(difference),
        "currency": unit,
    }


def _books(gathered: Gathered) -> list[dict[str, Any]]:
    versions: dict[tuple[str, str], list[int]] = {}
    for (book, version, _, assumed), count in gathered.plans.items():
        if book:
            held = versions.setdefault((book, version), [0, 0])
            held[0] += count
            held[1] += count if assumed else 0
    return [
        {"id": book, "version": version, "rows": rows, "price_assumed": assumed}
        for (book, version), (rows, assumed) in sorted(versions.items())
    ]


def _rows(count: int, one: str, more: str) -> str:
    return f"{count} row {one}" if count == 1 else f"{count} rows {more}"


def _says(task: Task, gathered: Gathered) -> list[str]:
    found = []
    for row in _books(gathered):
        if row["price_assumed"]:
            found.append(
                f"{_rows(row['price_assumed'], 'is', 'are')} older than the first price of "
                f"{row['version']} that is at hand: price assumed"
            )
    for (tier, percent), rows in sorted(gathered.agreed.items()):
        found.append(
            f"{rows} rows at tier {tier}: the {percent} % off are an agreement's, which no book "
            "tells; they are taken from the records' multiplier"
        )
    for name, rows in sorted(gathered.lasting.items()):
        found.append(
            f"{_rows(rows, 'comes', 'come')} to what is billed where the cache keeps for {name} "
            "what is written to it, which no record says"
        )
    for unit, (rows, given) in sorted(gathered.refunds.items()):
        found.append(
            f"{_rows(rows, 'gives', 'give')} back {amount(-given)} {unit}: no price tells a refund"
        )
    if gathered.note_count > len(gathered.notes):
        found.append(f"{gathered.note_count} rows exceed a limit; the first ones are listed")
    if task.grain == "day":
        found.append("the source sums up days, so it is audited by day: single requests are unseen")
    return found


def _batch(task: Task, gathered: Gathered) -> dict[str, Any] | None:
    """The sum of a batch's lines against what the wallet was debited for them."""
    if task.batch_id is None:
        return None
    billed = sum(gathered.billed.values())
    return {
        "id": task.batch_id,
        "rows": gathered.rows,
        "billed": amount(billed),
        "debited": amount(gathered.debits),
        "difference": amount(gathered.debits - billed),
    }
