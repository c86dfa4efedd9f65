"""`nexctl usage export`: which file, which series, and the report of what was written."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.cli import connect
from nexctl.cli.figures import money, plural
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import CheckFailed, NexctlError, UsageError
from nexctl.money import parse_units
from nexctl.usage.export import run as exporting
from nexctl.usage.export.run import Ask
from nexctl.usage.export.window import Filters, Window, zone_of

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.gateways.port import Gateway
    from nexctl.wire.me import Me

SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}


class Wanted(NamedTuple):
    """The command's options."""

    window: Window
    filters: Filters
    file: str | None
    format: str | None
    csv_style: str
    timezone: str | None
    totals: bool
    resume: bool
    since_last: bool


class Earlier(NamedTuple):
    """The newest export of a series."""

    path: str
    manifest: dict[str, Any]


def run(app: App, wanted: Wanted) -> View | None:
    """Export; the report. A balance that does not add up is told after it (exit 9)."""
    target = wanted.file or "-"
    kind = _kind(target, wanted.format)
    zone = zone_of(wanted.timezone)
    if kind in exporting.CONVERTED:
        from nexctl.usage.export.converted import require

        require(kind)
    _check(target, kind, wanted)
    if target != "-" and not os.path.isdir(os.path.dirname(os.path.abspath(target))):
        raise UsageError(f"{target}: there is no such folder", hint="make it first")
    from nexctl.cli.usage_source import other_wallets

    with connect.gateway(app) as gateway:
        facts = gateway.me()
        filters = _named(gateway, wanted.filters)
        ask = Ask(
            gateway=facts.gateway,
            customer=facts.customer.id if facts.customer else None,
            window=wanted.window,
            filters=filters,
            kind=kind,
            style=wanted.csv_style,
            zone=zone,
            whole=facts.key.kind == "management_key",
            totals=wanted.totals,
            tool=_tool(),
            exported_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(app.now())),
        )
        done = [_one(app, gateway, ask, target, wanted)]
        # A wallet is a book of its own: it has its own file, with its own sequences and balance.
        for wallet in other_wallets(gateway, facts) if filters.wallet is None else ():
            other = ask._replace(filters=filters._replace(wallet=wallet), headed=False)
            done.append(_one(app, gateway, other, _beside(target, wallet), wanted))
    return _told(app, facts, done)


def _beside(path: str, word: str) -> str:
    """`usage.csv` and a word as `usage.WORD.csv`; standard output stays what it is."""
    if path == "-":
        return path
    stem, suffix = os.path.splitext(path)
    if path.lower().endswith(".focus.csv"):
        stem, suffix = path[: -len(".focus.csv")], path[-len(".focus.csv") :]
    return f"{stem}.{word}{suffix}"


def _one(
    app: App, gateway: Gateway, ask: Ask, target: str, wanted: Wanted
) -> tuple[dict[str, Any], str]:
    """Export one wallet; its manifest and where it is."""
    from nexctl.cli.usage_source import GatewaySource, one_wallet, query_of

    if wanted.since_last:
        latest = _latest(target)
        if latest is not None:
            target = _following(target)
            ask = _continued(ask, latest)
            if latest.manifest.get("closed"):
                app.note(f"{latest.path} is of a closed window: nothing can come any more")
                return latest.manifest, latest.path
    query = one_wallet(query_of(gateway, ask.window, ask.filters), ask.customer)
    source = GatewaySource(gateway, query)
    with app.progress("exporting", unit="records") as step:
        if target == "-":
            return _streamed(app, ask, source, step), target
        try:
            manifest = exporting.to_file(ask, source, target, resume=wanted.resume, step=step)
        except KeyboardInterrupt:
            app.note("interrupted: the same command with --resume goes on from here")
            raise
    return manifest, target


def _told(app: App, facts: Me, done: list[tuple[dict[str, Any], str]]) -> View | None:
    """The report of every file; exit 9 after it where a balance does not add up."""
    written = []
    for manifest, target in done:
        if manifest.get("skipped"):
            app.note(
                f"no new record since sequence {manifest['after_sequence']}; nothing was written"
            )
        elif target == "-":
            _tell(app, manifest)
        else:
            written.append((manifest, target))
    if written:
        app.emit(_view(app, facts, written))
    for manifest, target in done:
        balance = manifest["balance"]
        if balance is not None and not balance["matches"] and not manifest.get("skipped"):
            raise CheckFailed(
                f"{target}: the balance does not add up: {balance['difference']}",
                hint="'nexctl usage audit' names each record that is off",
                code="balance",
            )
    if not written and done[0][1] != "-":
        data = {**done[0][0], "path": None}
        return View(data, text=lambda screen: None, table=_sums(data), names=())
    return None


def _streamed(app: App, ask: Ask, source: Any, step: Any) -> dict[str, Any]:
    out = getattr(app.out, "buffer", None)
    if out is None:
        raise NexctlError("standard output is closed", hint="name a FILE", code="output")
    return exporting.to_stream(ask, source, out, step=step)


def _kind(target: str, chosen: str | None) -> str:
    if chosen is not None:
        return chosen
    if target == "-":
        return "csv"
    if target.lower().endswith(".focus.csv"):
        return "focus"
    found = SUFFIXES.get(os.path.splitext(target)[1].lower())
    if found is None:
        raise UsageError(
            f"{target}: its suffix names no format",
            hint=f"end it in {', '.join(SUFFIXES)}, or pass --format",
        )
    return found


def _check(target: str, kind: str, wanted: Wanted) -> None:
    if target == "-":
        if kind in exporting.CONVERTED:
            raise UsageError(f"--format {kind} needs a FILE", hint="csv, jsonl and focus stream")
        if wanted.resume or wanted.since_last:
            raise UsageError("--resume and --since-last need a FILE", hint="name one")
    if wanted.csv_style != "rfc4180" and kind not in ("csv", "focus"):
        raise UsageError(f"--csv-style goes with csv and focus, not with {kind}")
    if wanted.timezone is not None and kind == "focus":
        raise UsageError("FOCUS has its times in UTC", hint="leave out --timezone")


def _named(gateway: Gateway, filters: Filters) -> Filters:
    from nexctl.cli.usage_source import key_id

    return filters._replace(key=key_id(gateway, filters.key))


def _tool() -> str:
    from nexctl._version import __version__

    return f"nexctl {__version__}"


# a series of exports -----------------------------------------------------------------------------


def _number_of(path: str, number: int) -> str:
    """`usage.csv`, then `usage.2.csv`, `usage.3.csv`."""
    if number == 1:
        return path
    return _beside(path, str(number))


def _count(path: str) -> int:
    number = 0
    while os.path.lexists(_number_of(path, number + 1)):
        number += 1
    return number


def _latest(path: str) -> Earlier | None:
    from nexctl.usage.reading import read_manifest

    number = _count(path)
    if not number:
        return None
    newest = _number_of(path, number)
    manifest = read_manifest(newest)
    if manifest is None or not _usable(manifest):
        raise UsageError(
            f"{newest} has no manifest that says how far it goes",
            hint="export it again without --since-last",
            code="no_manifest",
        )
    return Earlier(newest, manifest)


def _usable(manifest: dict[str, Any]) -> bool:
    """Whether an export can be continued from it: it is one of ours, not cut or changed."""
    covered, balance = manifest.get("covered_to"), manifest.get("balance")
    closing = balance.get("closing") if isinstance(balance, dict) else None
    try:
        if closing is not None:
            parse_units(closing)
    except UsageError:
        return False
    known = {"window", "rows", "sums", "format", "closed", "other_entries", "continues"}
    return (
        manifest.get("schema") == exporting.SCHEMA
        and isinstance(manifest.get("sha256"), str)
        and (covered is None or isinstance(covered, int))
        and known <= set(manifest)
    )


def _following(path: str) -> str:
    return _number_of(path, _count(path) + 1)


def _words(asked: Any) -> str:
    if isinstance(asked, dict):
        said = [f"{name} {value}" for name, value in asked.items() if value is not None]
        return ", ".join(said) or "none"
    return str(asked)


def _continued(ask: Ask, latest: Earlier) -> Ask:
    """The export that goes on after an earlier one of the same records."""
    manifest = latest.manifest
    same = {
        "gateway": (manifest.get("gateway"), ask.gateway),
        "customer": (manifest.get("customer_id"), ask.customer),
        "window": (manifest.get("window"), {"from": ask.window.start, "to": ask.window.end}),
        "filters": (manifest.get("filters"), ask.filters.given()),
    }
    for what, (before, now) in same.items():
        if before != now:
            raise UsageError(
                f"{latest.path} has {what} {_words(before)}, and this asks for {_words(now)}",
                hint="ask for the same window and filters, or name another FILE",
                code="another_export",
            )
    covered = manifest.get("covered_to")
    if covered is None and manifest.get("rows"):
        raise NexctlError(
            f"{latest.path} has no sequence to continue from",
            hint="this gateway's records carry none: export whole windows instead",
            code="not_offered",
        )
    balance = manifest.get("balance") or {}
    return ask._replace(
        after=covered or 0,
        opening=balance.get("closing"),
        before={
            "file": os.path.basename(latest.path),
            "sha256": manifest["sha256"],
            "last_sequence": manifest.get("last_sequence"),
        },
    )


# the report --------------------------------------------------------------------------------------


def _tell(app: App, manifest: dict[str, Any]) -> None:
    """What a stream leaves to say, on standard error."""
    sums = ", ".join(_charges(manifest)) or "nothing"
    state = "closed" if manifest["closed"] else "still open"
    app.note(f"{plural(manifest['rows'], 'record')}, {sums}; the window is {state}")
    for row in manifest.get("totals", ()):
        unit = row["currency"] or ""
        app.note(f"  {row['model']}: {plural(row['requests'], 'request')}, "
                 f"{_charged(row['known_charge'], unit, row['unknown_charges'])}")  # fmt: skip


def _charges(manifest: dict[str, Any]) -> list[str]:
    """What was charged, by currency; records whose charge is unknown are no part of it."""
    charges = [money(text, unit) for unit, text in sorted(manifest["sums"].items())]
    unknown = manifest["unknown_charges"]
    return [*charges, f"unknown for {plural(unknown, 'record')}"] if unknown else charges


def _charged(known: str, unit: str, unknown: int) -> str:
    """A model's charge for people: $0.0500, or $0.0500 and 2 unknown."""
    return f"{money(known, unit)} and {unknown:,} unknown" if unknown else money(known, unit)


def _view(app: App, facts: Me, written: list[tuple[dict[str, Any], str]]) -> View:
    """What was written: of several wallets the first one's, the others' in `other_wallets`."""
    found = [{**manifest, "path": path} for manifest, path in written]
    data = {**found[0], "other_wallets": found[1:]} if found[1:] else found[0]

    def write(screen: Screen) -> None:
        from nexctl.cli.wallet_report import headline

        screen.line((headline(app, facts), "bold"))
        for manifest, path in written:
            _write(screen, manifest, path, facts.currency or "")
        if not all(manifest["closed"] for manifest, _ in written):
            screen.blank()
            screen.line("The window is not closed: records may still come. "
                        "--since-last brings them.")  # fmt: skip

    manifests = [manifest for manifest, _ in written]
    totals = all("totals" in manifest for manifest in manifests)
    return View(
        data,
        text=write,
        table=lambda: _joined([_totals(one) if totals else _sums(one) for one in manifests]),
        names=[path for _, path in written],
    )


def _joined(tables: list[Table]) -> Table:
    return Table(tables[0].columns, [row for table in tables for row in table.rows])


def _write(screen: Screen, manifest: dict[str, Any], path: str, unit: str) -> None:
    screen.blank()
    screen.table(Table((Column("", ""), Column("", "")), _facts(manifest, path)))
    if manifest["balance"] is not None:
        screen.blank()
        _write_balance(screen, manifest, unit)
    if "totals" in manifest:
        screen.blank()
        screen.table(_totals(manifest, people=True))


def _facts(manifest: dict[str, Any], path: str) -> list[tuple[str, str]]:
    window = Window(manifest["window"]["from"], manifest["window"]["to"])
    style = manifest["csv_style"]
    kind = manifest["format"] + (f" ({style})" if style not in (None, "rfc4180") else "")
    rows = [("file", f"{path}, {kind}"), ("window", window.text)]
    if manifest["filters"]:
        rows.append(("only", ", ".join(f"{k} {v}" for k, v in manifest["filters"].items())))
    if manifest["continues"]:
        rows.append(("after", f"{manifest['continues']['file']}, "
                     f"sequence {manifest['after_sequence']}"))  # fmt: skip
    span = ""
    if manifest["first_sequence"] is not None:
        span = f", sequence {manifest['first_sequence']} to {manifest['last_sequence']}"
    rows.append(("records", f"{manifest['rows']:,}{span}"))
    rows += [("charge", text) for text in _charges(manifest)]
    if manifest["price_books"]:
        rows.append(("price book", ", ".join(manifest["price_books"])))
    rows.append(("sha256", manifest["sha256"]))
    return rows


def _write_balance(screen: Screen, manifest: dict[str, Any], unit: str) -> None:
    balance, others = manifest["balance"], manifest["other_entries"]
    given: list[str] = []
    taken: list[str] = []
    for kind, sums in others["by_kind"].items():
        side = taken if sums["amount"].startswith("-") else given
        side.append(f"{sums['count']:,} {kind}")
    rows = [
        ("opening balance", balance["opening"], ""),
        ("+ credits", balance["credits"], ", ".join(given)),
        ("- usage in this file", balance["usage"], ""),
        ("- other debits", balance["other_debits"], ", ".join(taken)),
        ("= closing balance", balance["closing"], f"after sequence {manifest['covered_to']}"),
    ]
    shown = [(name, money(text, unit), more) for name, text, more in rows]
    screen.table(Table((Column("", ""), Column("", "", right=True), Column("", "")), shown))
    if not balance["matches"]:
        screen.line((f"it does not add up: {balance['difference']}", "bold red"))


def _sums(manifest: dict[str, Any]) -> Table:
    unknown = manifest["unknown_charges"]
    sums = sorted(manifest["sums"].items()) or ([(None, None)] if unknown else [])
    rows = [(manifest["rows"], text, unit, unknown) for unit, text in sums]
    return Table(("rows", "charge", "currency", "unknown_charges"), rows)


def _totals(manifest: dict[str, Any], *, people: bool = False) -> Table:
    """The totals by model; people see what is known of a charge only where some is unknown."""
    names = ("requests", "input_tokens", "cached_input_tokens", "output_tokens")
    headings = ("REQUESTS", "INPUT", "CACHED", "OUTPUT")
    more = () if people and not manifest["unknown_charges"] else ("known_charge", "unknown_charges")
    return Table(
        (
            "model",
            *(
                Column(name, heading, right=True, show="{:,}".format)
                for name, heading in zip(names, headings, strict=True)
            ),
            Column("charge", right=True),
            "currency",
            *(Column(name, right=True) for name in more),
        ),
        [
            (*(row[name] for name in ("model", *names, "charge", "currency", *more)),)
            for row in manifest["totals"]
        ],
    )
