"""`nexctl prices whatif`: what recorded usage would have cost on other price books."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.cli.base import App, View, command, flag, option
from nexctl.cli.estimate import ON, book_of
from nexctl.cli.figures import change, grouped, money, plural, tokens
from nexctl.cli.piped import STDIN, on_disk
from nexctl.cli.render import Column, Screen, Table
from nexctl.errors import UnpricedError, UsageError

if TYPE_CHECKING:
    from nexctl.usage.whatif_answer import Answer

USAGE = option(
    "--usage",
    many=True,
    required=True,
    metavar="FILE",
    suggest="files",
    help="An export of usage, or another gateway's log; - is standard input; repeatable.",
)
BAR = 12


@command(
    USAGE,
    ON,
    option(
        "--map",
        many=True,
        metavar="OLD=NEW",
        help="Price model OLD as NEW; BOOK:OLD=NEW on one book only; repeatable.",
    ),
    option("--book", metavar="BOOK", suggest="books files", help="Book of records that name none."),
    option("--at", metavar="DATE", help="Prices of that day; default: of each record's own time."),
    flag("--normal-rates", help="No rate for cached tokens or batches: take the normal one."),
    name="whatif",
    examples=(
        "nexctl prices whatif --usage october.csv --on nextoken --on openai",
        "nexctl prices whatif --usage october.csv --on nexrelay --map gpt-4o=gpt-5.2",
    ),
)
def whatif(
    app: App,
    usage: tuple[str, ...],
    on: tuple[str, ...],
    map: tuple[str, ...],
    book: str | None,
    at: str | None,
    normal_rates: bool,
) -> View:
    """Replay recorded usage on other price books, beside what was billed.

    Every record is charged by itself at the prices of its own time, with the book's multipliers,
    credits, billing tiers by month and bonuses. What has no known price is said and sorted last,
    never counted as 0. Token counts are those recorded: another model counts the same text
    otherwise.
    """
    from nexctl.pricing import books
    from nexctl.usage.whatif import WhatIf
    from nexctl.usage.whatif_rows import Readings

    folder = app.books_folder
    names = tuple(dict.fromkeys(on or (book_of(app),)))
    own = books.load(book, folder=folder) if book else None
    replay = WhatIf(
        names,
        folder=folder,
        at=at,
        readings=Readings(own, folder),
        normal=normal_rates,
    )
    replay.maps = _maps(map, names, [one.id for one in replay.books])
    _check_maps(replay)
    with app.progress("replayed", unit="records") as step:
        for row in records(app, usage):
            replay.add(row)
            step(1)
    answer = replay.answer()
    _say(app, answer, replay)
    if not replay.rows:
        raise UsageError("there are no records in it", hint="export a longer window", code="empty")
    app.emit(
        View(
            answer.data,
            text=lambda screen: write(answer, screen),
            table=lambda: sheet(answer),
            names=lambda: [total.book.id for total in answer.totals],
            lines=lambda: [answer.row(total) for total in answer.totals],
        )
    )
    if not any(total.rows for total in answer.totals):
        whys = [row["why"] for total in answer.totals for row in total.unpriced]
        raise UnpricedError(
            f"nothing could be priced: {whys[0] if whys else 'no record has usage'}",
            hint="--map OLD=NEW names a model of the book; nexctl prices list --on BOOK shows them",
        )
    return None  # type: ignore[return-value]


def records(app: App, files: tuple[str, ...]) -> Iterator[Any]:
    """The records of exports or others' logs, one after the other; `-` is standard input.

    A record that a file before had too is left out, and told: exports of windows that overlap.
    UsageError where one file is named twice, for that is a slip.
    """
    from nexctl.usage.seen import Seen

    seen: set[str] = set()
    for name in files:
        place = name if name == "-" else os.path.realpath(name)
        if place in seen:
            raise UsageError(f"--usage: {name} is named twice", hint="name each file once")
        seen.add(place)
    if len(files) == 1:
        yield from _read(app, files[0])
        return
    apart = Seen()
    for name in files:
        yield from apart.new(_read(app, name))
        if apart.again:
            which = f"{plural(apart.again, 'record')} of {_called(name)}"
            app.note(f"note: {which} stood in a file before it too: counted once")


def _read(app: App, name: str) -> Iterator[Any]:
    """The records of one file, or of standard input, which is kept in a file meanwhile."""
    with on_disk(app, name) as place:
        yield from _rows(app, place, _called(name))


def _called(name: str) -> str:
    return STDIN if name == "-" else name


def _rows(app: App, path: str, name: str) -> Iterator[Any]:
    """An export, or another gateway's log, told as what it was read."""
    from nexctl.usage.readers.foreign import any_rows

    rows, foreign = any_rows(path)
    if foreign is not None:
        app.note(f"note: {name} is read as {foreign.kind}")
        if foreign.grain == "day":
            app.note("note: each of its rows sums up a day: context tiers are those of the sums")
    yield from rows


def _maps(
    given: tuple[str, ...], names: tuple[str, ...], ids: list[str]
) -> dict[tuple[str | None, str], str]:
    """`OLD=NEW` or `BOOK:OLD=NEW`; a model's name may hold colons, so BOOK must be one of --on.

    `ids` are the ids of the books called `names`: a file's is not its name.
    """
    known = {**dict(zip(names, ids, strict=True)), **{one: one for one in ids}}
    found: dict[tuple[str | None, str], str] = {}
    for text in given:
        old, equals, new = text.partition("=")
        head, colon, rest = old.partition(":")
        key: tuple[str | None, str] = (
            (known[head], rest) if colon and head in known else (None, old)
        )
        if not equals or not key[1] or not new:
            raise UsageError(
                f"--map: {text!r} is not OLD=NEW", hint="write --map gpt-4o=gpt-5.2", code="bad_map"
            )
        if found.get(key, new) != new:
            raise UsageError(f"--map: {old} is mapped twice", code="bad_map")
        found[key] = new
    return found


def _check_maps(replay: Any) -> None:
    """Each NEW must be a model of a book that it is for: a slip would go unseen."""
    for (name, old), new in replay.maps.items():
        wanted = [book for book in replay.books if name in (None, book.id)]
        fault: UsageError | None = None
        for book in wanted:
            try:
                book.find(new)
            except UsageError as error:
                fault = fault or error
            else:
                break
        else:
            if fault is not None:
                fault.message = f"--map {old}={new}: {fault.message}"
                raise fault


def _say(app: App, answer: Answer, replay: Any) -> None:
    """Notes on the records themselves, on standard error."""
    for why, rows in replay.unusable.items():
        app.note(f"note: {plural(rows, 'record')} left out of every total: {why}")
    if replay.failed:
        app.note(f"note: {plural(replay.failed, 'failed request')} replayed as not charged")
    if replay.readings.assumed:
        app.note(
            f"note: {plural(replay.readings.assumed, 'record')} name no known price book: cached"
            " tokens are read as part of the input (--book BOOK says otherwise)"
        )
    for key in replay.maps:
        if key not in replay.used_maps:
            app.note(f"note: --map {key[1]}=...: no record of that model was mapped")


# -------------------------------------------------------------------- the report


def write(answer: Answer, screen: Screen) -> None:
    """Totals beside the billed one, then the cache, where books meet, bonuses and gaps."""
    from nexctl.estimate.quote import dated

    replay = answer.replay
    screen.line((f"{dated(*(total.book for total in answer.totals))}", "bold"))
    window = f", {replay.first[:10]} to {replay.last[:10]}" if replay.first and replay.last else ""
    cached = ""
    if answer.input_tokens:
        share = answer.cached_tokens * 1000 // answer.input_tokens
        cached = f", {grouped(f'{share // 10}.{share % 10}')}% of the input cached"
    screen.line(
        f"{plural(replay.rows, 'record')}{window}, {plural(len(answer.models), 'model')}{cached}"
    )
    screen.blank()
    _write_totals(answer, screen)
    _write_cached(answer, screen)
    _write_meetings(answer, screen)
    _write_gaps(answer, screen)


def _write_totals(answer: Answer, screen: Screen) -> None:
    before = answer.billed_money(answer.replay.billed)
    lines: list[tuple[str, str, str, int, str, str]] = []
    if before is None:
        texts = answer.data()["usage"]["billed"]
        shown = ", ".join(money(text, unit) for unit, text in texts.items()) or "unknown"
        lines.append(("billed", shown, "", 0, "", ""))
    else:
        shown = money(_nano(before.units), before.currency)
        lines.append(("billed", shown, before.currency, before.units, "", ""))
    for total in answer.totals:
        worth = total.worth if total.complete else None
        compared = answer.compared(total) if worth else None
        lines.append(
            (
                total.book.id,
                _charged(total),
                worth.currency if worth else "",
                worth.units if worth else 0,
                change(compared["difference"], compared["currency"]) if compared else "",
                _signed(compared["percent"]) if compared else "",
            )
        )
    most: dict[str, int] = {}
    for _, _, unit, amount, _, _ in lines:
        most[unit] = max(most.get(unit, 0), amount)
    bars = screen.pictures
    screen.table(
        Table(
            (
                Column("gateway"),
                Column("charge", right=True),
                *([Column("", "")] if bars else []),
                Column("difference", right=True),
                Column("percent", "%", right=True),
            ),
            [
                (
                    name,
                    charge,
                    *([screen.bar(amount, most[unit], BAR)] if bars else []),
                    difference,
                    percent,
                )
                for name, charge, unit, amount, difference, percent in lines
            ],
        )
    )
    _write_parts(answer, screen)


def _write_parts(answer: Answer, screen: Screen) -> None:
    """What a table has no room for: charges in credits, totals of a part of the records."""
    from nexctl.money import text_of

    lines = []
    if answer.replay.unbilled:
        lines.append(
            f"billed: without {plural(answer.replay.unbilled, 'record')} of unknown charge"
        )
    for total in answer.totals:
        book = total.book
        if total.complete and total.expected is not None and total.worth.currency != book.unit:
            lines.append(f"{book.id}: {money(text_of(total.expected, book.scale), book.unit)}")
        if total.complete or not total.rows + total.unpriced_rows:
            continue
        every = total.rows + total.unpriced_rows
        lines.append(f"{book.id}: {tokens(total.rows)} of {tokens(every)} records have a price")
        row = answer.compared(total)
        if row is not None:
            charge, billed = (money(row[name], row["currency"]) for name in ("charge", "billed"))
            lines.append(f"  those: {charge} against {billed} billed ({_signed(row['percent'])})")
    if lines:
        screen.blank()
    for line in lines:
        screen.line(line)


def _signed(percent: str | None) -> str:
    if percent is None:
        return ""
    return f"{grouped(percent, 2)}%" if percent.startswith("-") else f"+{grouped(percent, 2)}%"


def _charged(total: Any) -> str:
    """A book's total in money where a credit has a value."""
    if not total.complete:
        return "unknown"
    if total.expected is None:
        low, high = total.money(total.low), total.money(total.high)
        return f"{_nano(low.units)} to {money(_nano(high.units), high.currency)}"
    worth = total.worth
    return money(_nano(worth.units), worth.currency)


def _write_cached(answer: Answer, screen: Screen) -> None:
    from nexctl.usage.whatif_answer import SHARES

    if not answer.input_tokens:
        return
    rows = []
    for total in answer.totals:
        if not total.complete:
            continue
        figures = [total.at_share(share) for share in SHARES]
        worths = [None if units is None else total.money(units) for units in figures]
        rows.append(
            [total.book.id, *("-" if w is None else _short(w.units, w.currency) for w in worths)]
        )
    if not rows:
        return
    screen.blank()
    screen.line("if this share of the input were read from a cache:")
    screen.table(
        Table(
            (
                Column("gateway"),
                *(Column(str(share), f"{share // 10}%", right=True) for share in SHARES),
            ),
            rows,
        )
    )


def _write_meetings(answer: Answer, screen: Screen) -> None:
    lines = []
    for row in answer.crossings():
        lines.append(
            f"up to {row['cached_percent']}% cached {row['cheaper_below']} is cheaper,"
            f" above it {row['cheaper_above']}"
        )
    for total in answer.totals:
        compared = answer.compared(total)
        if compared is None or not total.complete:
            continue
        percent: str | None = compared["break_even_price_percent"]
        if percent is None:
            continue
        if percent == "0":
            lines.append(f"{total.book.id} costs what was billed")
            continue
        moved = f"{percent[1:]}% lower" if percent.startswith("-") else f"{percent}% higher"
        line = f"{total.book.id} would cost what was billed at prices {moved}"
        if compared["break_even_bonus_percent"] not in (None, "0"):
            line += f", or with a bonus of {compared['break_even_bonus_percent']}% on top-ups"
        lines.append(line)
    for shown in answer.data()["books"]:
        lines.extend(
            f"{shown['gateway']} with the {bonus['kind']} bonus {bonus['id']}"
            f" (+{bonus['percent']}%): {money(bonus['paid'], bonus['currency'])} paid"
            for bonus in shown["bonuses"]
        )
        if shown["tier_credit"] not in (None, "0"):
            lines.append(
                f"{shown['gateway']}: billing tiers take off"
                f" {money(shown['tier_credit'], shown['currency'])}, by the months in these records"
            )
    if lines:
        screen.blank()
    for line in lines:
        screen.line(line)


def _write_gaps(answer: Answer, screen: Screen) -> None:
    lines = []
    for total in answer.totals:
        for row in total.models():
            if row["charge"] is not None and row["priced_as"] not in (None, row["model"]):
                lines.append(f"{total.book.id}: {row['model']} priced as {row['priced_as']}")
        for note, rows in total.notes().items():
            lines.append(f"{total.book.id}: {plural(rows, 'record')} {note}")
        if total.complete and 0 < total.kept_rows < total.rows:
            lines.append(
                f"{total.book.id}: {plural(total.kept_rows, 'record')} without a cached rate stay"
                " as recorded in the table of cached shares"
            )
        for row in total.unpriced[:5]:
            lines.append(
                f"{total.book.id}: {plural(row['rows'], 'record')} of {row['model']} unknown:"
                f" {row['why']}"
            )
        if len(total.unpriced) > 5:
            lines.append(f"{total.book.id}: and {len(total.unpriced) - 5} more, see -o json")
    if lines:
        screen.blank()
    for line in lines:
        screen.line((f"note: {line}", "dim"))


def _short(units: int, currency: str) -> str:
    """An amount rounded half-even to four decimals, to keep a wide table narrow."""
    from nexctl.money import round_half_even, text_of

    return money(text_of(round_half_even(units, 10**5), 4), currency)


def _nano(units: int) -> str:
    from nexctl.money import NANO, text_of

    return text_of(units, NANO)


def sheet(answer: Answer) -> Table:
    """The rows of -o csv and -o tsv: one a book, every value in full."""
    names = ("gateway", "price_book", "currency", "rows", "unpriced_rows")
    compared = ("billed", "difference", "percent")
    rows = answer.data()["books"]
    return Table(
        (*names, "low", "expected", "high", "money", "money_currency", *compared, "why"),
        [
            (
                *(row[name] for name in names),
                *((row["charge"] or {}).get(level) for level in ("low", "expected", "high")),
                (row["money"] or {}).get("amount"),
                (row["money"] or {}).get("currency"),
                *((row["compared"] or {}).get(name) for name in compared),
                row["why"],
            )
            for row in rows
        ],
    )
