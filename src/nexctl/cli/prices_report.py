"""How one model of a price book looks: rates with their sources, multipliers, rules, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli.figures import grouped, tokens
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import UsageError
from nexctl.pricing import listing

if TYPE_CHECKING:
    from nexctl.pricing.book import Book


def write_model(shown: dict[str, Any], title: str, screen: Screen, *, rules: bool) -> None:
    """Write all that a book says about a model; with `rules` the whole book's readings too."""
    screen.line((f"{title} · {shown['model']}", "bold"))
    facts = [
        ("aliases", ", ".join(shown["aliases"])),
        ("provider", shown["provider"] or ""),
        ("kind", shown["kind"]),
        ("context", shown["context"] and f"{tokens(shown['context'])} tokens"),
        ("max output", shown["max_output"] and f"{tokens(shown['max_output'])} tokens"),
        ("can", ", ".join(shown["capabilities"])),
        ("tags", ", ".join(shown["tags"])),
        ("status", shown["status"] or ""),
        ("tokenizer", (shown["tokenizer"] or {}).get("name", "")),
    ]
    for name, value in facts:
        if value:
            screen.line((f"{name:<11}", "dim"), str(value))
    screen.blank()
    _write_rates(shown, screen)
    _write_multipliers(shown, screen)
    stated = shown["markup"]["stated"]
    if stated:
        screen.line(f"stated markup {stated}, included in the price: {shown['markup']['included']}")
    if shown["relative"]:
        row = shown["relative"]
        screen.line(
            f"rate {row['rate']}x, {row['credits_per_conversation']} credits a conversation,"
            f" {row['conversations_per_100']} conversations per 100 credits (approximate)"
        )
    if rules:
        _write_rules(shown, screen)
    if shown["notes"]:
        screen.blank()
    for note in shown["notes"]:
        screen.line((f"note: {note}", "dim"))
    if shown["source"]:
        screen.line((f"source: {shown['source']}", "dim"))


def _write_rates(shown: dict[str, Any], screen: Screen) -> None:
    screen.table(
        Table(
            (
                Column("meter"),
                Column("price", right=True),
                Column("unit", "PER"),
                Column("source"),
                Column("words", ""),
            ),
            [
                (
                    meter,
                    _amount(rate, shown["unit"]),
                    f"{tokens(rate['per'])} {rate['unit']}" if rate["price"] else "",
                    rate["source"]["tag"],
                    rate["words"] or "",
                )
                for meter, rate in shown["rates"].items()
            ],
        )
    )
    for tier in shown["context_tiers"]:
        bound = tier.get("from", tier.get("above"))
        word = "from" if "from" in tier else "above"
        rates = ", ".join(
            f"{meter} {_amount(rate, shown['unit'])}" for meter, rate in tier["rates"].items()
        )
        screen.line(f"{word} {tokens(bound)} input tokens, for the whole request: {rates}")
    if shown["batch_rates"]:
        rates = ", ".join(
            f"{meter} {_amount(rate, shown['unit'])}"
            for meter, rate in shown["batch_rates"].items()
        )
        since = f" since {shown['batch_from']}" if shown["batch_from"] else ""
        screen.line(f"in a batch{since}: {rates}")
    screen.blank()


def _amount(rate: dict[str, Any], unit: str) -> str:
    if rate["price"] is None:
        return str(rate["state"]).replace("_", " ")
    return f"{grouped(rate['price'])} {unit}"


def _write_multipliers(shown: dict[str, Any], screen: Screen) -> None:
    for name, row in shown["multipliers"].items():
        if row["value"] is not None:
            screen.line(f"{name} x {row['value']} [{row['source']['tag']}]")
    for row in shown["billing_tiers"]:
        known = str(row["percent"] or "")
        share = f"-{known} %" if known[:1].isdigit() else known or "no number published"
        screen.line(f"tier {row['tier']}: above {grouped(row['above'])} {shown['unit']}, {share}")


def _write_rules(shown: dict[str, Any], screen: Screen) -> None:
    screen.blank()
    screen.table(
        Table(
            (Column("rule"), Column("value", show=str), Column("source"), Column("words", "")),
            [
                (name, _plain(row["value"]), row["source"]["tag"], row["source"]["words"] or "")
                for name, row in shown["rules"].items()
            ],
        )
    )
    for row in shown["conflicts"]:
        screen.line(f"conflict about {row['about']}: {' / '.join(row['says'])}; {row['taken']}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def write_history(rows: list[dict[str, Any]], title: str, screen: Screen) -> None:
    """Write dated prices, oldest first, one line a period."""
    screen.line((f"{title} · {rows[0]['model']}", "bold"))
    screen.blank()
    meters = list(dict.fromkeys(meter for row in rows for meter in row["rates"]))
    screen.table(
        Table(
            (
                Column("from"),
                Column("to"),
                *(Column(meter, right=True) for meter in meters),
                Column("unit", "UNIT"),
                Column("hours", ""),
            ),
            [
                (
                    row["valid_from"] or "open",
                    row["valid_to"] or "open",
                    *(_per(row["rates"].get(meter)) for meter in meters),
                    row["unit"],
                    ", ".join(f"{start}-{end}" for start, end in row["hours"]),
                )
                for row in rows
            ],
        )
    )


def _per(rate: dict[str, Any] | None) -> str:
    if rate is None or rate["price"] is None:
        return "-" if rate is None else str(rate["state"]).replace("_", " ")
    per = "1M" if rate["per"] == 1_000_000 else tokens(rate["per"])
    return f"{rate['price']}/{per}"


# plans -------------------------------------------------------------------------------------------


def plans_view(book: Book, title: str) -> View:
    """The plans of a book side by side; in a pipe one line for each plan and value."""
    plans = listing.plans(book)
    if not plans:
        raise UsageError(
            f"{book.title} has no plans", hint="nothing of it is gated by one", code="no_plans"
        )
    cells = {plan["plan"]: _plan_cells(plan) for plan in plans}
    names = list(dict.fromkeys(name for found in cells.values() for name in found))

    def write(screen: Screen) -> None:
        screen.line((f"{title} · {len(plans)} plans", "bold"))
        screen.blank()
        screen.table(
            Table(
                (Column("plan", ""), *(Column(plan["plan"], plan["title"]) for plan in plans)),
                [
                    (name.replace("_", " "), *(cells[plan["plan"]].get(name) for plan in plans))
                    for name in names
                ],
            )
        )
        for plan in plans:
            for note in plan["notes"]:
                screen.line((f"note: {plan['title']}: {note}", "dim"))
        screen.line((f"source: {book.source} [{plans[0]['source']['tag']}]", "dim"))

    return View(
        {
            "gateway": book.id,
            "title": book.title,
            "price_book": book.version,
            "source": book.source,
            "retrieved": book.retrieved,
            "plans": plans,
        },
        text=write,
        table=lambda: Table(
            ("plan", "name", "value", "source"),
            [
                (plan["plan"], name, value, plan["source"]["tag"])
                for plan in plans
                for name, value in cells[plan["plan"]].items()
            ],
        ),
        names=lambda: [plan["plan"] for plan in plans],
    )


def _plan_cells(plan: dict[str, Any]) -> dict[str, str]:
    """What one plan has, by the name of the row, as it is read."""
    found: dict[str, str] = {}
    for name in ("fee", "recharge"):
        if plan[name] is not None:
            found[name] = str(plan[name])
    given = plan["credits"]
    if given is not None:
        when = {"once": "once", "month": "a month", "recharge": "a recharge"}[given["every"]]
        amount = str(given["amount"])
        found["credits"] = f"{amount} {given['unit']} {when}" if amount[0].isdigit() else amount
    for name, value in plan["limits"].items():
        found[name] = tokens(value) if isinstance(value, int) else str(value)
    for row in plan["budgets"]:
        found[f"{row['name']} a {row['window']}"] = f"{grouped(row['amount'])} {row['unit']}"
    for name, value in (*plan["features"].items(), *plan["service"].items()):
        found[name] = _plain(value).replace("_", " ") if value is not False else "no"
    if plan["route"]:
        found["route"] = " > ".join(plan["route"])
    return found
