"""`nexctl usage`: what was billed: exported for finance, summed up, listed, followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, into, option, whole
from nexctl.cli.render import View
from nexctl.cli.usage_audit import audit
from nexctl.cli.usage_calibrate import calibrate
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.usage.export.window import Filters, Window

STATUSES = ("ok", "partial", "error", "cancelled")
WINDOW = (
    option("--month", metavar="MONTH", help="A calendar month in UTC, like 2026-10."),
    option("--from", metavar="TIME", help="Reserved from this instant on: 2026-10-01 (UTC)."),
    option("--to", metavar="TIME", help="Reserved before this instant."),
)
FILTERS = (
    option("--key", metavar="KEY", suggest="keys", help="Only this key's: its id or name."),
    option("-m", "--model", metavar="MODEL", suggest="models", help="Only this model's."),
    option("--project", metavar="PROJECT", help="Only this project's."),
    option("--label", metavar="NAME=VALUE", help="Only with this label."),
    option("--status", metavar="STATUS", choices=STATUSES, help=f"One of {', '.join(STATUSES)}."),
    option("--wallet", metavar="ID", help="Only what this wallet paid."),
)


def window_in(given: dict[str, Any]) -> Window:
    """The window of --month, --from and --to, taken out of the options given."""
    from nexctl.usage.export.window import window_of

    return window_of(given.pop("month", None), given.pop("from", None), given.pop("to", None))


def filters_in(given: dict[str, Any]) -> Filters:
    """The filters, taken out of the options given; the key still as it was typed."""
    from nexctl.usage.export.window import Filters, label_of

    label = label_of(given.pop("label"))
    return Filters(
        *(given.pop("key"), given.pop("model"), given.pop("project"), label),
        *(given.pop("status"), given.pop("wallet")),
    )


@command(
    argument("file", metavar="[FILE|-]", suggest="files", help="Where to; - is standard output."),
    option(
        "--format",
        metavar="KIND",
        choices=("csv", "jsonl", "parquet", "xlsx", "focus"),
        help="csv, jsonl, parquet, xlsx or focus (FOCUS 1.2 as CSV); default: by FILE's suffix.",
    ),
    option(
        "--csv-style",
        metavar="STYLE",
        choices=("rfc4180", "excel", "excel-de"),
        default="rfc4180",
        help="rfc4180, excel (BOM) or excel-de (BOM, semicolons, decimal comma).",
    ),
    *WINDOW,
    option("--timezone", metavar="ZONE", help="Add local times: Asia/Singapore. UTC stays."),
    *FILTERS,
    flag("--totals", help="Also tell the totals by model."),
    flag("--resume", help="Go on where an interrupted export stopped."),
    flag("--since-last", help="Only what came since, into a numbered file: u.2.csv, u.3.csv."),
    examples=(
        "nexctl usage export october.csv --month 2026-10",
        "nexctl usage export october.xlsx --month 2026-10 --label team=search",
        "nexctl usage export usage.csv --since-last",
        "nexctl usage export - --from 2026-10-01 --format jsonl | jq .charge",
    ),
)
def export(app: App, **given: Any) -> View | None:
    """Every metered request, into a file that finance can add up.

    Records come in the order of the customer's ledger, each once, in constant memory. FILE appears
    when all of it is there, with FILE.manifest.json beside it: window, sums, SHA-256, and whether
    the window is closed, so that no record can come any more. An unfiltered export is followed
    through the ledger: opening balance + credits - debits has to be the closing balance, else
    exit 9. Each further wallet goes to FILE.WALLET.SUFFIX, for it is a book of its own. A window is
    by the time of reservation, in UTC; its end is excluded.
    """
    from nexctl.cli.usage_export import Wanted, run

    window, filters = window_in(given), filters_in(given)
    return run(app, Wanted(window=window, filters=filters, **given))


@command(
    option(
        "--by",
        many=True,
        metavar="FIELD",
        help="model (default), key, day, week, month, project, provider, status or label:NAME; "
        "repeatable, or with commas.",
    ),
    *WINDOW,
    *FILTERS,
    flag("--chart", help="Columns over time (--by day, week or month)."),
    into("--write", help="Have the sums as a CSV file too."),
    examples=(
        "nexctl usage summary --month 2026-10",
        "nexctl usage summary --by day --chart",
        "nexctl usage summary --by label:team,model -o json",
    ),
)
def summary(app: App, by: tuple[str, ...], chart: bool, write: str | None, **given: Any) -> View:
    """Requests, tokens and charges, summed by what you ask for.

    The sums are exact and equal those of an export of the same window. Dearest first; days, weeks
    and months in their order. --write has the gateway make the file, where the plan includes that;
    the records themselves can be exported on every plan.
    """
    from nexctl.cli import usage_report
    from nexctl.cli.usage_source import summary_file_of, summary_of
    from nexctl.usage.summary import TIMES, names_of

    names = names_of(",".join(by) or ("day" if chart else "model"))
    if chart and (len(names) != 1 or names[0] not in TIMES):
        raise UsageError("--chart goes with --by day, week or month alone", hint="--by day")
    window, filters = window_in(given), filters_in(given)
    with connect.gateway(app) as gateway:
        if write is not None:
            from nexctl.cli.deliver import new_file

            new_file(write, lambda: summary_file_of(gateway, window, filters, names))
        found = summary_of(gateway, window, filters, names)
        facts = gateway.me()
    return usage_report.summary_view(app, facts, window, filters, names, found, chart=chart)


@command(
    *WINDOW,
    *FILTERS,
    option("--limit", metavar="N", value=whole(1, 10**9), help="At most so many records."),
    name="list",
    examples=("nexctl usage list --month 2026-10", "nexctl usage list --key ci -o jsonl"),
)
def list_(app: App, limit: int | None, **given: Any) -> None:
    """Metered requests, in the order of the ledger."""
    from itertools import islice

    from nexctl.cli import usage_report
    from nexctl.cli.usage_source import query_of

    window, filters = window_in(given), filters_in(given)
    with connect.gateway(app) as gateway:
        query = query_of(gateway, window, filters, limit=min(limit or 1000, 1000))
        # Printed as it comes: there may be millions.
        rows = islice(gateway.usage.list(query), limit)
        app.emit(usage_report.records_view(app, rows))


@command(
    argument("request", metavar="REQUEST", required=True, help="The request's id."),
    examples=("nexctl usage show chatcmpl-123", "nexctl usage show chatcmpl-123 -o json"),
)
def show(app: App, request: str) -> View:
    """One metered request: what was counted, at which rates, and what was charged."""
    from nexctl.cli import usage_report

    with connect.gateway(app) as gateway:
        return usage_report.record_view(app, gateway.usage.show(request))


@command(
    *FILTERS,
    option("--from", metavar="TIME", help="Begin with records reserved from this instant on."),
    option("--limit", metavar="N", value=whole(1, 10**9), help="End after so many records."),
    option(
        "--interval",
        metavar="SECONDS",
        value=whole(1, 3600),
        default="2",
        help="Ask again after so many seconds.",
    ),
    examples=("nexctl usage tail", "nexctl usage tail --key ci -o jsonl"),
)
def tail(app: App, limit: int | None, interval: int, **given: Any) -> None:
    """Metered requests as they are billed, beginning ten minutes ago. Ctrl-C ends it."""
    from nexctl.cli.usage_tail import follow

    window, filters = window_in(given), filters_in(given)
    follow(app, window.start, filters, limit=limit, seconds=interval)


COMMANDS = (
    export,
    summary,
    list_,
    show,
    tail,
    audit,
    calibrate,
)
