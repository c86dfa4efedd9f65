"""How an estimate looks: one quote in full, several side by side, files, notes, the gate."""

from __future__ import annotations

from typing import Any

from nexctl.cli.figures import money, plural, tokens
from nexctl.cli.render import Column, Screen, Table
from nexctl.estimate.ask import Ask
from nexctl.estimate.lanes import BY_THE_HOUR, ONLY_A_SUM
from nexctl.estimate.quote import Quote
from nexctl.money import parse_units

# From this width on a side-by-side table has every column.
WIDE = 110
BAR = 10


def write(answer: Quote, ask: Ask, screen: Screen) -> None:
    """Write the report: one quote in full, or several side by side; then the files, the gate."""
    rows = answer.rows
    models = rows[0]["model"] if len(rows) == 1 else plural(len(rows), "model")
    screen.line((f"{answer.title} · {models}", "bold"))
    screen.blank()
    if len(rows) == 1:
        _write_one(rows[0], ask, screen)
    else:
        _write_side_by_side(rows, ask, screen)
    if len({row["path"] for row in answer.files}) > 1:
        screen.blank()
        _write_files(answer, screen)
    _write_notes(rows, screen)
    if answer.gate:
        gate = answer.gate
        verdict = ("passed", "green") if gate.passed else ("failed", "bold red")
        screen.blank()
        screen.line("gate ", verdict, f": {gate.words}")


def _write_one(row: dict[str, Any], ask: Ask, screen: Screen) -> None:
    requests = row["requests"]
    of = "" if requests == 1 else f" in {plural(requests or 0, 'request')}"
    count = row["input_tokens"]
    counted = "- tokens" if count is None else plural(count, "token")
    screen.line(f"input   {counted}{of} · {how_sure(row['count'])}")
    screen.line(f"output  {_output(row['output_tokens'])}")
    screen.blank()
    unit = row["currency"]
    shown: list[tuple[str, dict[str, str | None], str]] = [("charge", row["charge"], unit)]
    if row["money"]:
        shown.append(("worth", row["money"]["charge"], row["money"]["currency"]))
    if row["cached_charge"]:
        cached = f"cached {tokens(row['cached_input_tokens'])}"
        shown.append((cached, row["cached_charge"], unit))
    if row["batch_charge"]:
        shown.append(("batch", row["batch_charge"], unit))
    if row["volume"]:
        shown.append(("a month", row["volume"]["charge_per_month"], unit))
    fee = row["provider_fee"]
    if fee:
        shown.append(("provider", fee["charge"], fee["currency"] or ""))
    levels = _levels([row])
    screen.table(
        Table(
            [Column("", ""), *(Column(name, heading, right=True) for name, heading in levels)],
            [
                [name, *(_shown(charge[level], currency, name) for level, _ in levels)]
                for name, charge, currency in shown
            ],
        )
    )


def _shown(amount: str | None, currency: str, name: str) -> str:
    if amount is None and name == "provider":
        return "unknown"
    return money(amount, currency)


def _write_side_by_side(rows: list[dict[str, Any]], ask: Ask, screen: Screen) -> None:
    best = "expected" if _has_expected(rows) else "low"
    wide = screen.width >= WIDE
    levels = [level for level in _levels(rows) if wide or level[0] != "high"]
    extra = [
        name
        for name, shown in (("cached_charge", True), ("batch_charge", wide or ask.batch))
        if shown and any(row[name] for row in rows)
    ]
    several = len({row["gateway"] for row in rows}) > 1
    most: dict[str, int] = {}
    for row in rows:
        currency, amount = _weight(row, ask)
        most[currency] = max(most.get(currency, 0), amount)
    columns = [
        Column("model"),
        *([Column("gateway")] if several else []),
        Column("input_tokens", "TOKENS", right=True),
        *([Column("count")] if wide else []),
        *(Column(name, heading, right=True) for name, heading in levels),
        *(Column(name, name.removesuffix("_charge").upper(), right=True) for name in extra),
        *([Column("a_month", "A MONTH", right=True)] if ask.volume else []),
        *([Column("bar", "", right=True)] if screen.pictures else []),
    ]
    lines = []
    for row in rows:
        currency, amount = _weight(row, ask)
        method = row["count"]["method"]
        about = "~" if method in ("estimated", "reconstructed") and not wide else ""
        lines.append(
            [
                row["model"],
                *([row["gateway"]] if several else []),
                about + tokens(row["input_tokens"]),
                *([method] if wide else []),
                *(_priced(row, level) for level, _ in levels),
                *(money((row[name] or {}).get(best), row["currency"]) for name in extra),
                *([money(_monthly(row, best), row["currency"])] if ask.volume else []),
                *([_bar(screen, amount, most[currency])] if screen.pictures else []),
            ]
        )
    screen.table(Table(columns, lines))


def _monthly(row: dict[str, Any], level: str) -> str | None:
    """Return what a month at the stated volume costs, None where it is not known."""
    found: str | None = row["volume"]["charge_per_month"][level] if row["volume"] else None
    return found


def _bar(screen: Screen, amount: int, most: int) -> str:
    """Return a bar of a fixed width: bars end where the table does."""
    return screen.bar(amount, most, columns=BAR).ljust(BAR)


def _priced(row: dict[str, Any], level: str) -> str:
    """Return one figure, a credit's published value in brackets behind it."""
    text = money(row["charge"][level], row["currency"])
    if row["money"] and row["charge"][level] is not None:
        text += f" ({money(row['money']['charge'][level], row['money']['currency'])})"
    return text


def _levels(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the figures that are shown, with their headings: expected only where one is known."""
    expected = [("expected", "EXPECTED")] if _has_expected(rows) else []
    reasons = (ONLY_A_SUM, BY_THE_HOUR)
    ranged = any(note.startswith(reasons) for row in rows for note in row["notes"])
    return [("low", "AT LEAST" if ranged else "INPUT ONLY"), *expected, ("high", "AT MOST")]


def _write_files(answer: Quote, screen: Screen) -> None:
    one = len({row["tokenizer"] for row in answer.files}) == 1
    screen.table(
        Table(
            [
                Column("path"),
                Column("requests", right=True),
                Column("input_tokens", "TOKENS", right=True),
                *([] if one else [Column("tokenizer")]),
            ],
            [
                [
                    row["path"],
                    tokens(row["requests"]),
                    tokens(row["input_tokens"]),
                    *([] if one else [row["tokenizer"]]),
                ]
                for row in answer.files
            ],
        )
    )


def _write_notes(rows: list[dict[str, Any]], screen: Screen) -> None:
    told: dict[str, list[str]] = {}
    for row in rows:
        for note in row["notes"]:
            told.setdefault(note, []).append(row["model"])
    if told:
        screen.blank()
    for note, models in told.items():
        which = "" if len(models) == len(rows) else f"{', '.join(models)}: "
        screen.line((f"note: {which}{note}", "dim"))


def how_sure(count: dict[str, Any]) -> str:
    """Return a count's method in words: `exact (o200k_base)`, `estimated, -10% to +25% (...)`."""
    error = count["error"]
    doubt = ""
    if error:
        low, high = error.get("low_percent", "0"), error.get("high_percent", "0")
        if (low, high) != ("0", "0"):
            doubt = f", true count {_signed(low)}% to {_signed(high)}%"
        if error.get("tokens"):
            doubt += f", ±{plural(error['tokens'], 'token')}"
    return f"{count['method']} ({count['tokenizer']}){doubt}"


def _signed(percent: str) -> str:
    return percent if percent.startswith("-") or percent == "0" else f"+{percent}"


def _output(output: dict[str, int | None]) -> str:
    if output["high"] == 0 and output["expected"] in (0, None):
        return "none"
    most = "unknown" if output["high"] is None else tokens(output["high"])
    expected = "" if output["expected"] is None else f"{tokens(output['expected'])} expected, "
    return f"{expected}0 to {most} tokens"


def _has_expected(rows: list[dict[str, Any]]) -> bool:
    return any(row["charge"]["expected"] is not None for row in rows)


def _weight(row: dict[str, Any], ask: Ask) -> tuple[str, int]:
    """Return what a row is sorted by, as (currency, units of 10**-12): the length of its bar."""
    if row["money"] and not ask.batch:
        currency, charge = row["money"]["currency"], row["money"]["charge"]
    else:
        charge = (row["batch_charge"] or {}) if ask.batch else row["charge"]
        currency = row["currency"]
    amount = charge.get("expected") or charge.get("low")
    return currency, parse_units(amount, 12) if amount else 0


def sheet(answer: Quote) -> Table:
    """Return the rows of `-o csv` and `-o tsv`: one a gateway and model, every value in full."""
    columns = (
        "gateway",
        "model",
        "price_book",
        "currency",
        "requests",
        "input_tokens",
        "cached_input_tokens",
        "exact",
        "method",
        "tokenizer",
        *(f"{what}_{level}" for what in _SHEET_RANGES for level in _LEVELS),
        "notes",
        "requests_per_month",
        *(f"charge_per_month_{level}" for level in _LEVELS),
    )
    return Table(
        columns,
        [
            [
                *(row[name] for name in columns[:7]),
                row["count"]["exact"],
                row["count"]["method"],
                row["count"]["tokenizer"],
                *((row[what] or {}).get(level) for what in _SHEET_RANGES for level in _LEVELS),
                "; ".join(row["notes"]),
                row["volume"]["requests_per_month"] if row["volume"] else None,
                *(_monthly(row, level) for level in _LEVELS),
            ]
            for row in answer.rows
        ],
    )


_SHEET_RANGES = ("output_tokens", "charge", "cached_charge", "batch_charge")
_LEVELS = ("low", "expected", "high")
