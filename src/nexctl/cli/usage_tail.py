"""`nexctl usage tail`: records as they are billed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.render import json_text
from nexctl.cli.usage_report import LISTED, record_data
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.gateways.port import Gateway
    from nexctl.usage.export.window import Filters
    from nexctl.wire.usage import UsageRecord

EARLIER_SECONDS = 600
_HEAD = "  ".join(
    (
        *("TIME (UTC)".ljust(14), "KEY".ljust(14), "MODEL".ljust(16)),
        *("INPUT".rjust(7), "OUTPUT".rjust(7), "CHARGE".rjust(12)),
    )
)


def follow(
    app: App, start: str | None, filters: Filters, *, limit: int | None, seconds: int
) -> None:
    """Print records as they come, until Ctrl-C or `limit` of them."""
    write = _writer(app)
    interrupted = False
    with connect.gateway(app) as gateway:
        begin = start or _before(gateway, app)
        try:
            for record in islice(_records(gateway, begin, filters, seconds), limit):
                app.write(write(record))
                app.flush()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt


def _before(gateway: Gateway, app: App) -> str:
    """Ten minutes ago by the gateway's clock: records bear its time."""
    from datetime import UTC, datetime, timedelta

    told = gateway.me().server_time
    if told is None:
        at = datetime.fromtimestamp(int(app.now()), UTC)
    else:
        at = datetime.strptime(told[:19], "%Y-%m-%dT%H:%M:%S")
    return (at - timedelta(seconds=EARLIER_SECONDS)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _records(gateway: Gateway, start: str, filters: Filters, seconds: int) -> Iterator[UsageRecord]:
    import msgspec

    from nexctl.cli.usage_source import one_wallet, query_of
    from nexctl.usage.export.window import Window

    customer = gateway.me().customer
    asked = query_of(gateway, Window(start, None), filters)
    query = one_wallet(asked, customer.id if customer is not None else None)
    after: int | None = None
    while True:
        for record in gateway.usage.list(msgspec.structs.replace(query, after_sequence=after)):
            yield record
            after = record.sequence if record.sequence is not None else after
        time.sleep(seconds)


def _writer(app: App) -> Any:
    """How a record is written: a line on a terminal, TSV in a pipe, or as -o says."""
    kind = app.format
    if kind in ("json", "markdown"):
        raise UsageError("tail has no end, so it is no JSON document", hint="use -o jsonl")
    if kind == "jsonl":
        return lambda record: json_text(record_data(record)) + "\n"
    if kind == "name":
        return lambda record: f"{_cleaned(record.request_id)}\n"
    if kind in ("csv", "tsv") or (kind == "auto" and not app.is_terminal("out")):
        from nexctl.safety.sheets import csv_row, tsv_row

        row = csv_row if kind == "csv" else tsv_row
        if kind != "auto":
            app.write(row(LISTED))
        return lambda record: row([getattr(record, name) for name in LISTED])
    app.write(_HEAD + "\n")
    app.flush()
    return lambda record: _line(record) + "\n"


def _line(record: UsageRecord) -> str:
    """Columns of fixed width: what comes later is not known yet. Numbers are never cut."""
    texts = (
        (record.created_at[5:19].replace("T", " "), 14),
        (record.key_name or record.key_id or "-", 14),
        (record.model_served or record.model_requested, 16),
    )
    cells = [_cleaned(text)[:wide].ljust(wide) for text, wide in texts]
    cells += [_shown(record.input_tokens, 7), _shown(record.output_tokens, 7)]
    cells.append(_shown(record.charge, 12))
    if record.status != "ok":
        cells.append(_cleaned(record.status))
    return "  ".join(cells)


def _shown(value: int | str | None, wide: int) -> str:
    return ("-" if value is None else _cleaned(str(value))).rjust(wide)


def _cleaned(text: str) -> str:
    from nexctl.cli.render import cleaned

    return cleaned(text)
