"""`nexctl prices`: what price books say, and how they compare."""

from __future__ import annotations

from typing import Any

from nexctl.cli.base import App, View, argument, command, flag, option, whole
from nexctl.cli.estimate import ON, book_of
from nexctl.cli.figures import grouped, money, plural, tokens
from nexctl.cli.prices_report import plans_view, write_history, write_model
from nexctl.cli.prices_update import update
from nexctl.cli.prices_whatif import whatif
from nexctl.cli.render import Column, Screen, Table
from nexctl.errors import ConfigError, UsageError
from nexctl.estimate.quote import dated
from nexctl.pricing import books, listing, markup
from nexctl.pricing.book import Book

AT = option("--at", metavar="DATE", help="Prices in force on that day, like 2026-10-01.")


def chosen(app: App, on: tuple[str, ...], at: str | None = None) -> list[Book]:
    """Return the books named by --on, else the profile's."""
    folder = app.books_folder
    moment = books.instant(at) if at else None
    return [books.load(name, at=moment, folder=folder) for name in on or (book_of(app),)]


def one(app: App, on: tuple[str, ...], at: str | None = None) -> Book:
    """Return the one book that a command is about."""
    if len(on) > 1:
        raise UsageError("this looks at one book", hint="give --on once, or use prices compare")
    return chosen(app, on, at)[0]


@command(
    ON,
    option("--tag", metavar="TAG", help="Only models with this tag."),
    option("--provider", metavar="NAME", help="Only models of this provider."),
    option("--capability", metavar="NAME", help="Only models that can do this, like tools."),
    option("--match", metavar="TEXT", help="Only models whose name contains this."),
    option("--sort", choices=listing.SORTS, default="book", help="Order of the rows."),
    flag("--reverse", help="The other way round; unknown stays last."),
    AT,
    flag("--books", help="List the price books instead of models."),
    name="list",
    examples=("nexctl prices list", "nexctl prices list --on openai --match mini --sort input"),
)
def list_(app: App, on: tuple[str, ...], at: str | None, **options: Any) -> View:
    """List the models of price books, with prices per million tokens."""
    if options.pop("books"):
        return _books(app)
    options["text"] = options.pop("match")
    moment = books.instant(at) if at else None
    rows = [row for book in chosen(app, on, at) for row in listing.rows(book, at=moment, **options)]
    return View(
        rows,
        table=lambda: Table(
            (
                Column("gateway"),
                Column("model"),
                Column("provider", spare=2),
                Column("context", right=True, show=tokens, spare=1),
                Column("input", "INPUT/1M", right=True),
                Column("cached_input", "CACHED/1M", right=True),
                Column("output", "OUTPUT/1M", right=True),
                Column("unit"),
                Column("tags", spare=3),
            ),
            (
                (
                    row["gateway"],
                    row["model"],
                    row["provider"],
                    row["context"],
                    *(_price(app, row, meter) for meter in ("input", "cached_input", "output")),
                    row["unit"],
                    ",".join(row["tags"]),
                )
                for row in rows
            ),
        ),
        names=lambda: [row["model"] for row in rows],
    )


def _price(app: App, row: dict[str, Any], meter: str) -> str | None:
    """Return a price, on a terminal the reason where there is none."""
    price: str | None = row[meter]
    if app.is_terminal("out"):
        return _dotted(price) if price else row["states"].get(meter, "-").replace("_", " ")
    return price


def _dotted(price: str) -> str:
    return grouped(price, 2)


def _books(app: App) -> View:
    rows = []
    for book in chosen(app, books.available(app.books_folder)):
        rows.append(
            {
                "id": book.id,
                "title": book.title,
                "kind": book.kind,
                "unit": book.unit,
                "models": len(book.models),
                "valid_from": book.valid_from,
                "valid_to": book.valid_to,
                "retrieved": book.retrieved,
                "source": book.source,
            }
        )
    names = tuple(rows[0]) if rows else ("id",)
    return View(
        rows,
        table=lambda: Table(names, ([row[name] for name in names] for row in rows)),
        names=lambda: [str(row["id"]) for row in rows],
    )


@command(
    argument("model", metavar="[MODEL]", suggest="models", help="Model or alias."),
    ON,
    AT,
    flag("--rules", help="Print every rule and reading of the book too."),
    flag("--plans", help="The book's plans instead: numbers, features, service."),
    examples=(
        "nexctl prices show nex-pro",
        "nexctl prices show gpt-5.4 --on openai -o json",
        "nexctl prices show --plans --on nextoken",
    ),
)
def show(
    app: App, model: str | None, on: tuple[str, ...], at: str | None, rules: bool, plans: bool
) -> View:
    """Show all that a book says about one model, or about its plans, each with its source.

    Sources: page = the gateway's price page; docs = elsewhere by the same vendor; reading = how a
    silence or a contradiction is read here; ours = designed here; data = an upstream price list.
    """
    book = one(app, on, at)
    if plans:
        if model is not None or rules:
            raise UsageError("--plans is about the book alone", hint="leave MODEL and --rules out")
        return plans_view(book, dated(book))
    if model is None:
        raise UsageError("name a model, or give --plans", hint="nexctl prices list")
    shown = listing.show(book, model, at=books.instant(at) if at else None)
    return View(
        shown,
        text=lambda screen: write_model(shown, dated(book), screen, rules=rules),
        table=lambda: Table(
            ("meter", "price", "per", "unit", "state", "source"),
            [
                (meter, row["price"], row["per"], row["unit"], row["state"], row["source"]["tag"])
                for meter, row in shown["rates"].items()
            ],
        ),
        names=lambda: [shown["model"]],
    )


@command(
    argument("models", many=True, metavar="[MODEL...]", suggest="models", help="Default: all."),
    ON,
    option("--input", value=whole(), metavar="N", help="Input tokens of a request."),
    option("--cached", value=whole(), metavar="N", help="Tokens read from a cache."),
    option("--output-tokens", value=whole(), metavar="N", help="Output tokens of a request."),
    option("--requests", value=whole(1), metavar="N", help="Number of such requests."),
    flag("--batch", help="As a batch."),
    option("--tier", metavar="TIER", help="Billing tier, where a book has it."),
    AT,
    examples=(
        "nexctl prices compare gpt-4o gpt-4o-mini --on nextoken --on openai",
        "nexctl prices compare --on nextoken --on nexrelay --input 20000 --cached 8000",
    ),
)
def compare(
    app: App,
    models: tuple[str, ...],
    on: tuple[str, ...],
    input: int | None,
    cached: int | None,
    output_tokens: int | None,
    requests: int | None,
    batch: bool,
    tier: str | None,
    at: str | None,
) -> View:
    """Price one workload on several models and gateways: cheapest first, unknown last.

    Without numbers the workload is a million input and a million output tokens. Cached tokens lie
    inside the input or beside it as the first book counts them; the other books get the same
    request counted their way.
    """
    from nexctl.pricing.compare import compare as price

    used = chosen(app, on, at)
    workload = {
        "input_tokens": 1_000_000 if input is None and output_tokens is None else input or 0,
        "cached": cached or 0,
        "output": 1_000_000 if input is None and output_tokens is None else output_tokens or 0,
        "requests": requests or 1,
    }
    pairs = [(book, name) for book in used for name in models or book.models]
    rows = price(pairs, **workload, batch=batch, tier=tier, at=books.instant(at) if at else None)
    if rows and all(row["charge"] is None for row in rows):
        known = {row["why"] for row in rows}
        if len(rows) == 1 or len(known) == 1:
            raise UsageError(rows[0]["why"], hint=_known_elsewhere(models), code="unpriced")
    return View(
        {"workload": {**workload, "batch": batch, "tier": tier}, "rows": rows},
        text=lambda screen: _write_compared(rows, used, workload, batch, screen),
        table=lambda: Table(
            (
                "gateway",
                "model",
                "price_book",
                "currency",
                "low",
                "expected",
                "high",
                "money",
                "money_currency",
                "why",
            ),
            [
                (
                    *(row[name] for name in ("gateway", "model", "price_book", "currency")),
                    *((row["charge"] or {}).get(level) for level in ("low", "expected", "high")),
                    (row["money"] or {}).get("amount"),
                    (row["money"] or {}).get("currency"),
                    row["why"],
                )
                for row in rows
            ],
        ),
        names=lambda: [row["model"] for row in rows],
        lines=lambda: rows,
    )


def _known_elsewhere(models: tuple[str, ...]) -> str | None:
    found = dict.fromkeys(book for name in models for book, _ in books.who_prices(name))
    return f"priced by --on {', --on '.join(found)}" if found else None


def _write_compared(
    rows: list[dict[str, Any]],
    used: list[Book],
    workload: dict[str, int],
    batch: bool,
    screen: Screen,
) -> None:
    screen.line((f"{dated(*used)} · {plural(len(rows), 'row')}", "bold"))
    cached = f", {tokens(workload['cached'])} cached" if workload["cached"] else ""
    screen.line(
        f"{plural(workload['requests'], 'request')} of {tokens(workload['input_tokens'])} input"
        f"{cached} and {tokens(workload['output'])} output tokens{', as a batch' if batch else ''}"
    )
    screen.blank()
    amounts = [_amount(row) for row in rows]
    most: dict[str, int] = {}
    for unit, amount in amounts:
        most[unit] = max(most.get(unit, 0), amount)
    several = len(used) > 1
    screen.table(
        Table(
            (
                Column("model"),
                *((Column("gateway"),) if several else ()),
                Column("charge", right=True),
                *((Column("bar", ""),) if screen.pictures else ()),
                Column("", ""),
            ),
            [
                (
                    row["model"],
                    *((row["gateway"],) if several else ()),
                    _charged(row),
                    *((screen.bar(amount, most[unit], 16),) if screen.pictures else ()),
                    row["why"] or "",
                )
                for row, (unit, amount) in zip(rows, amounts, strict=True)
            ],
        )
    )


def _charged(row: dict[str, Any]) -> str:
    charge, unit = row["charge"], row["currency"]
    if charge is None:
        return "-"
    if charge["expected"] is None:
        shown = f"{money(charge['low'], unit)} to {money(charge['high'], unit)}"
    else:
        shown = money(charge["expected"], unit)
    if row["money"] and row["money"]["currency"] != unit:
        shown += f" ({money(row['money']['amount'], row['money']['currency'])})"
    return shown


def _amount(row: dict[str, Any]) -> tuple[str, int]:
    """Return what a row is sorted by, as (unit, units of 10**-12), for its bar."""
    from nexctl.money import parse_units

    if row["charge"] is None:
        return row["currency"], 0
    if row["money"]:
        return row["money"]["currency"], parse_units(row["money"]["amount"], 12)
    charge = row["charge"]
    return row["currency"], parse_units(charge["expected"] or charge["high"], 12)


@command(
    argument("model", required=True, metavar="MODEL", suggest="models", help="Model or alias."),
    ON,
    examples=("nexctl prices history o3 --on openai",),
)
def history(app: App, model: str, on: tuple[str, ...]) -> View:
    """Show the dated prices of a model, oldest first."""
    book = one(app, on)
    name = on[0] if on else book_of(app)
    versions = [book]
    if not name.endswith(".toml"):
        folder = app.books_folder
        versions = [
            books.load(name, at=start, folder=folder) if start else book
            for start, _ in books.versions(name, folder=folder)
        ]
    rows = listing.history(versions, model)
    return View(
        rows,
        text=lambda screen: write_history(rows, dated(book), screen),
        table=lambda: Table(
            (
                "price_book",
                "model",
                "valid_from",
                "valid_to",
                "meter",
                "price",
                "per",
                "unit",
                "state",
            ),
            [
                (
                    row["price_book"],
                    row["model"],
                    row["valid_from"],
                    row["valid_to"],
                    meter,
                    rate["price"],
                    rate["per"],
                    rate["unit"],
                    rate["state"],
                )
                for row in rows
                for meter, rate in row["rates"].items()
            ],
        ),
        names=lambda: list(dict.fromkeys(row["price_book"] for row in rows)),
    )


@command(
    argument("model", metavar="[MODEL]", suggest="models", help="Default: every model."),
    ON,
    AT,
    name="markup",
    examples=("nexctl prices markup", "nexctl prices markup gpt-4o --on nextoken"),
)
def markup_(app: App, model: str | None, on: tuple[str, ...], at: str | None) -> View:
    """Compare a gateway's listed prices with the vendors' own: markup on cost, margin on price.

    "agrees" says whether the page's stated markup fits the listed price: exact, rounded (at the
    decimals that the page prints), or no.
    """
    book = one(app, on, at)
    moment = books.instant(at) if at else None
    if model:
        rows = markup.implied(book, book.find(model), at=moment)
        if not rows:
            raise UsageError(
                f"no vendor's list price is known for {book.find(model).id}",
                hint="nexctl prices markup shows the models that have one",
                code="no_reference",
            )
    else:
        rows = markup.table(book, at=moment)
    names = (
        "model",
        "meter",
        "price",
        "upstream",
        "markup_percent",
        "margin_percent",
        "stated_percent",
        "agrees",
    )
    return View(
        rows,
        table=lambda: Table(
            tuple(
                Column(
                    name,
                    name.replace("_percent", " %").upper(),
                    right=name not in names[:2],
                    show=_two_places if "percent" in name else None,
                )
                for name in names
            ),
            [[row[name] for name in names] for row in rows],
        ),
        names=lambda: list(dict.fromkeys(row["model"] for row in rows)),
    )


def _two_places(text: str) -> str:
    """Return a percentage for a terminal, rounded half-even to two decimals."""
    from nexctl.money import parse_units, round_half_even, text_of

    return text_of(round_half_even(parse_units(text, 12), 10**10), 2)


@command(
    argument(
        "files",
        many=True,
        required=True,
        metavar="FILE...",
        suggest="files",
        help="Price books in TOML.",
    ),
    examples=("nexctl prices validate our-gateway.toml",),
)
def validate(app: App, files: tuple[str, ...]) -> View:
    """Check price books, naming the line of every fault; exit 78 where there is one."""
    faults = [fault for file in files for fault in books.validate(file)]
    rows = [{"file": fault.file, "line": fault.line, "message": fault.message} for fault in faults]
    view = View(
        {"files": list(files), "faults": rows},
        text=lambda screen: _write_faults(files, rows, screen),
        table=lambda: Table(
            ("file", "line", "message"),
            [[row["file"], row["line"], row["message"]] for row in rows],
        ),
        names=lambda: list(files),
        lines=lambda: rows,
    )
    if not faults:
        return view
    app.emit(view)
    raise ConfigError(
        f"{plural(len(faults), 'fault')} in {plural(len(files), 'price book')}",
        hint="correct the lines named above",
        code="bad_book",
        details={"faults": rows},
    )


def _write_faults(files: tuple[str, ...], rows: list[dict[str, Any]], screen: Screen) -> None:
    for row in rows:
        screen.line(f"{row['file']}:{row['line']}: {row['message']}")
    if not rows:
        screen.line(f"{', '.join(files)}: no fault")


COMMANDS = (list_, show, compare, whatif, history, markup_, validate, update)
