"""`nexctl wallet runway`: how long the money lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, command, option, whole
from nexctl.cli.figures import grouped, money, plural
from nexctl.cli.render import Column, Screen, Table, View

if TYPE_CHECKING:
    from nexctl.usage.runway_answer import Forecast

BAR = 20
GAUGE = 40


@command(
    option("--min-days", value=whole(1, 3650), metavar="N", help="Exit 9 where it lasts less."),
    option(
        "--by",
        choices=("median", "p90"),
        default="median",
        help="Burn that --min-days is judged by: median (default) or p90.",
    ),
    option(
        "--history", value=whole(14, 366), metavar="DAYS", help="Days looked back on; default 28."
    ),
    option(
        "--usage",
        many=True,
        metavar="FILE",
        suggest="files",
        help="Usage from a file of 'usage export' instead of the gateway's; repeatable.",
    ),
    examples=("nexctl wallet runway", "nexctl wallet runway --min-days 7 -q"),
)
def runway(
    app: App, min_days: int | None, by: str, history: int | None, usage: tuple[str, ...]
) -> View | None:
    """How long the wallet lasts: burn a day, days left, the date, credits that expire.

    Takes the last 28 whole days in UTC: the median day and the 90th percentile, each weekday with
    its own share. Credits that expire first are lost with what is left of them. Credits not given
    yet and automatic top-ups are not counted. Below 14 whole days it says "not enough data":
    --min-days is then exit 2, for a gate that cannot look does not pass, unless the wallet is
    empty or all of its credits expire sooner (exit 9).
    """
    from nexctl.account import runway as workflow
    from nexctl.cli.prices_whatif import records
    from nexctl.usage.runway import WINDOW_DAYS

    notes: list[str] = []

    def told(text: str) -> None:
        notes.append(text)
        app.note(f"note: {text}")

    with connect.gateway(app) as gateway:
        found, source = workflow.forecast(
            gateway,
            int(app.now()),
            window=history or WINDOW_DAYS,
            rows=records(app, usage) if usage else None,
            say=told,
        )
        name = gateway.name
    gate = found.gate(min_days, by) if min_days is not None else None
    app.emit(
        View(
            lambda: {
                **found.data(),
                "source": source,
                "gate": gate,
                "profile": app.profile.name,
                "notes": notes,
            },
            text=lambda screen: write(screen, found, source, name, gate),
            table=lambda: _sheet(found),
            names=lambda: [text for text in found.data()["runs_out"].values() if text],
        )
    )
    if min_days is not None:
        found.check(min_days, by)
    return None


def write(
    screen: Screen, found: Forecast, source: str, name: str, gate: dict[str, Any] | None
) -> None:
    """The report."""
    data = found.data()
    unit = found.funds.currency
    screen.line((f"runway of {name} · {unit} · {data['now'][:10]} UTC", "bold"))
    past = data["history"]
    window = f", {past['from']} to {past['to']}" if past["days"] else ""
    screen.line(f"{plural(past['days'], 'whole day')} of history{window} (from {_FROM[source]})")
    screen.blank()
    held = f", {money(data['held'], unit)} of it held" if found.funds.held else ""
    screen.line(f"balance     {money(data['balance'], unit)}{held}")
    if found.burn is None:
        screen.line(f"burn        not enough data: {found.data_words()}")
        _write_idle(screen, found)
    else:
        burn = data["burn"]
        figures = ", ".join(
            f"{label} {money(_short(burn[label]), unit)}" for label in ("median", "p90", "mean")
        )
        screen.line(f"burn a day  {figures}")
        for level in ("median", "p90"):
            _write_level(screen, found, data, level, gate)
        if burn["rests_on"] == "mean":
            screen.line("most days burn nothing: the forecast rests on the mean day")
        screen.blank()
        _write_weekdays(screen, data, unit)
    _write_credits(screen, found, data, unit)
    _write_notes(screen, data, unit)
    if gate is not None:
        words = {True: ("passed", "green"), False: ("failed", "bold red")}
        verdict = words.get(gate["passed"], ("not enough data", "magenta"))
        screen.blank()
        screen.line("gate ", verdict, f": at least {gate['min_days']} days by {gate['by']} burn")


_FROM = {"usage": "usage records", "ledger": "the wallet's book", "file": "a file"}


def _write_level(
    screen: Screen,
    found: Forecast,
    data: dict[str, Any],
    level: str,
    gate: dict[str, Any] | None,
) -> None:
    lasting = found.lasts[level]
    label = f"at {level}".ljust(12)
    if lasting is None or lasting.days is None:
        screen.line(f"{label}more than ten years")
        return
    cause = {"expiry": ", by expiry", "empty": ", it is empty"}.get(lasting.cause or "", "")
    text = f"{plural(lasting.days, 'day')}, until {data['runs_out'][level][:10]}{cause}"
    # The gauge is as long as the wish, else a quarter of a year.
    full = max(gate["min_days"] * 2 if gate else 90, 1)
    if not screen.pictures or not lasting.days:
        screen.line(f"{label}{text}")
        return
    filled, rest = screen.gauge(min(lasting.days, full), full, GAUGE)
    style = "green" if gate is None or lasting.days >= gate["min_days"] else "red"
    screen.line(label, text)
    screen.line(" " * 12, (filled, style), (rest, "dim"))


def _write_idle(screen: Screen, found: Forecast) -> None:
    if found.idle.seconds is not None and found.idle.cause == "expiry":
        screen.line(
            f"at most     {plural(found.idle.days or 0, 'day')}: all credits expire by then"
        )
    elif found.idle.cause == "empty":
        screen.line("at most     0 days: the wallet is empty")


def _write_weekdays(screen: Screen, data: dict[str, Any], unit: str) -> None:
    from nexctl.money import parse_units

    amounts = [parse_units(row["median"], 12) for row in data["weekdays"]]
    most = max(amounts, default=0)
    bars = [Column("", "")] if screen.pictures else []
    screen.table(
        Table(
            (
                Column("day"),
                Column("median", "BURNS", right=True),
                Column("p90", right=True),
                *bars,
            ),
            [
                (
                    row["day"],
                    money(_short(row["median"]), unit),
                    money(_short(row["p90"]), unit),
                    *((screen.bar(amount, most, BAR),) if bars else ()),
                )
                for row, amount in zip(data["weekdays"], amounts, strict=True)
            ],
        )
    )


def _write_credits(screen: Screen, found: Forecast, data: dict[str, Any], unit: str) -> None:
    rows = [row for row in data["credits"] if row["expires_at"]]
    if not rows:
        return
    screen.blank()
    screen.table(
        Table(
            (
                Column("kind", "CREDITS"),
                Column("available", "LEFT", right=True),
                Column("expires_at", "EXPIRE"),
                Column("unused", "THEN UNUSED", right=True),
            ),
            [
                (
                    row["kind"],
                    money(row["available"], unit),
                    row["expires_at"][:10],
                    "unknown"
                    if row["expires_unused"]["median"] is None
                    else money(_short(row["expires_unused"]["median"]), unit),
                )
                for row in rows
            ],
        )
    )


def _write_notes(screen: Screen, data: dict[str, Any], unit: str) -> None:
    lines = [
        f"{row['limit']}: its limit stops requests in {plural(row['days'], 'day')},"
        f" on {row['at'][:10]}"
        for row in data["stops"]
    ]
    if any(row["kind"] == "included" and row["expires_at"] for row in data["credits"]):
        lines.append("included credits of a coming month are not counted")
    trend = data["trend"]
    percent = trend and trend["percent"]
    if percent is not None and abs(int(percent)) >= 50:
        moved = "more" if int(percent) > 0 else "less"
        lines.append(
            f"the last 7 days burned {grouped(percent.lstrip('-'))}% {moved} than the 7 before"
        )
    if lines:
        screen.blank()
    for line in lines:
        screen.line((f"note: {line}", "dim"))


def _short(text: str) -> str:
    """An amount rounded half-even to four decimals, for a terminal."""
    from nexctl.money import parse_units, round_half_even, text_of

    return text_of(round_half_even(parse_units(text, 12), 10**8), 4)


def _sheet(found: Forecast) -> Table:
    data = found.data()
    return Table(
        ("level", "burn", "days_left", "runs_out", "cause", "balance", "currency"),
        [
            (
                level,
                (data["burn"] or {}).get(level),
                data["days_left"][level],
                data["runs_out"][level],
                data["cause"][level],
                data["balance"],
                data["currency"],
            )
            for level in ("median", "p90")
        ],
    )
