"""`nexctl usage calibrate`: what billed usage teaches about counts that are not exact."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, command, into, option
from nexctl.cli.figures import plural, tokens
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.account.calibrating import Result


@command(
    option(
        "--prompts",
        many=True,
        required=True,
        metavar="DIR",
        suggest="files folders",
        help="Prompts that were sent: files or folders; repeatable.",
    ),
    option(
        "--usage",
        many=True,
        metavar="FILE",
        suggest="files",
        help="Usage from a file of 'usage export' instead of the gateway's; repeatable.",
    ),
    option("--from", metavar="TIME", help="Only the gateway's records from then on: 2026-10-01."),
    option("--book", metavar="BOOK", suggest="books files", help="Book of records that name none."),
    into("--out", help="Where to; default: the profile's."),
    changes=True,
    examples=(
        "nexctl usage calibrate --prompts sent/",
        "nexctl usage calibrate --prompts sent/ --usage october.csv --out calibration.json",
    ),
)
def calibrate(
    app: App,
    prompts: tuple[str, ...],
    usage: tuple[str, ...],
    book: str | None,
    out: str | None,
    **rest: Any,
) -> View:
    """Learn from billed usage how far counts that are not exact lie from the truth.

    Prompts are joined to billed records by request id: "request_id", else "id", of a JSON request
    or of its line in a .jsonl file; else the name of the file without its suffix. Learns for each
    model and script (latin, cjk, code, other) the ratio billed : counted, and for each model the
    typical output, from 20 requests on, with the error on held-out requests before and after. The
    file holds no prompt. Estimates use it when the profile's setting "calibration" or
    --calibration names it. Fewer samples, or no smaller error: nothing is learned, and it says so.
    """
    from nexctl.account import calibrating
    from nexctl.estimate.sources import find
    from nexctl.pricing import books
    from nexctl.usage import calibration

    if "-" in prompts:
        raise UsageError("--prompts are read twice: name files or folders, not standard input")
    found = find(prompts)
    for note in found.notes:
        app.note(note)
    folder = app.books_folder
    own = book or app.profile.book
    with app.progress("read", unit="records") as step:
        result = calibrating.calibrate(
            found.files,
            lambda: _rows(app, usage, rest["from"]),
            book=books.load(own, folder=folder) if own else None,
            folder=folder,
            step=step,
        )
    path = out or app.profile.calibration or _usual(app)
    write_it = result.learned.anything and not app.dry_run
    made_at = _stamp(app)
    if write_it:
        document = calibration.document(result.learned, made_at=made_at, gateway=app.profile.name)
        _write(path, document)
    _say(app, result, path, written=write_it)
    return View(
        lambda: {
            "path": path if result.learned.anything else None,
            "written": write_it,
            "made_at": made_at,
            "joined": _joined(result),
            **calibration.summary(result.learned),
            "profile": app.profile.name,
        },
        text=lambda screen: write(screen, app, result),
        table=lambda: _sheet(result),
        names=lambda: [path] if write_it else [],
    )


def _rows(app: App, files: tuple[str, ...], start: str | None) -> Iterator[Any]:
    if files:
        from nexctl.cli.prices_whatif import records

        if start is not None:
            raise UsageError("--from is for the gateway's records, not for --usage FILE")
        yield from records(app, files)
        return
    from nexctl.pricing.books import instant
    from nexctl.wire.usage import UsageQuery

    since = instant(start)
    if since is not None and len(since) == 10:
        since = f"{since}T00:00:00Z"
    with connect.gateway(app) as gateway:
        try:
            yield from gateway.usage.list(UsageQuery(from_=since, limit=1000))
        except NexctlError as error:
            oldest = error.details.get("oldest")
            if error.code != "plan_limit" or start is not None or not isinstance(oldest, str):
                raise
            app.note(f"note: {gateway.name} keeps usage records since {oldest[:10]} only")
            yield from gateway.usage.list(UsageQuery(from_=oldest, limit=1000))


def _usual(app: App) -> str:
    """Beside the configuration, one file a profile."""
    return os.path.join(os.path.dirname(app.config.path), "calibration", f"{app.profile.name}.json")


def _stamp(app: App) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(app.now()))


def _write(path: str, document: dict[str, Any]) -> None:
    import json

    from nexctl.files import atomic_write, private_folder

    try:
        private_folder(os.path.dirname(os.path.abspath(path)))
        with atomic_write(path, mode=0o600) as stream:
            json.dump(document, stream, indent=2)
            stream.write("\n")
    except OSError as error:
        raise NexctlError(
            f"{path}: {error.strerror or error}", hint="name another file with --out", code="output"
        ) from None


def _joined(result: Result) -> dict[str, Any]:
    return {
        "prompts": result.prompts,
        "without_id": result.without_id,
        "ambiguous": result.repeated,
        "records": result.rows,
        "joined": result.joined,
        "unbilled": result.unbilled,
        "skipped": result.skipped,
    }


def _say(app: App, result: Result, path: str, *, written: bool) -> None:
    for why, count in result.skipped.items():
        app.note(f"note: {plural(count, 'prompt')} left out: {why}")
    if not result.learned.anything:
        app.note(f"nothing was learned: {path} is not written")
    elif not written:
        app.note(f"dry run: {path} is not written")
    else:
        app.note(f"written: {path}")
        if app.profile.calibration is None:
            name = app.profile.name
            # In a profile a path counts from the configuration's folder, not from here.
            whole = os.path.abspath(path)
            app.note(f"use it: nexctl config set profiles.{name}.calibration {whole}")


def write(screen: Screen, app: App, result: Result) -> None:
    """The report: each ratio with its error before and after, each typical output."""
    learned = result.learned
    screen.line((f"calibration of profile {app.profile.name}", "bold"))
    parts = [f"{plural(result.joined, 'prompt')} of {tokens(result.prompts)} joined"]
    for count, words in (
        (result.without_id, "without a request id"),
        (result.repeated, "with an id that stands for several"),
        (result.unbilled, "not billed"),
    ):
        if count:
            parts.append(f"{tokens(count)} {words}")
    screen.line(", ".join(parts))
    if learned.exact:
        off = f", {tokens(learned.exact_off)} of them billed otherwise" if learned.exact_off else ""
        screen.line(f"{plural(learned.exact, 'exact count')}: never touched{off}")
    if learned.ratios:
        screen.blank()
        screen.table(_ratios(result))
    if learned.outputs:
        screen.blank()
        screen.table(
            Table(
                (
                    Column("model"),
                    Column("samples", right=True),
                    Column("median", "TYPICAL OUTPUT", right=True),
                    Column("p90", right=True),
                    Column("", ""),
                ),
                [
                    (row.model, tokens(row.samples), tokens(row.median), tokens(row.p90),
                     row.why or "")
                    for row in learned.outputs
                ],
            )
        )  # fmt: skip


def _ratios(result: Result) -> Table:
    from nexctl.usage.calibration import ratio_row

    lines = []
    for row in result.learned.ratios:
        shown = ratio_row(row)
        error = shown["error"]
        lines.append(
            (
                row.model,
                row.script,
                tokens(row.samples),
                tokens(row.dropped),
                shown["ratio"] or "-",
                _percent(error["before_percent"]),
                _percent(error["after_percent"]),
                row.why or "",
            )
        )
    return Table(
        (
            Column("model"),
            Column("script"),
            Column("samples", right=True),
            Column("dropped", right=True),
            Column("ratio", right=True),
            Column("before", "ERROR BEFORE", right=True),
            Column("after", right=True),
            Column("", ""),
        ),
        lines,
    )


def _percent(text: str | None) -> str:
    return "-" if text is None else f"{text}%"


def _sheet(result: Result) -> Table:
    from nexctl.usage.calibration import ratio_row

    names = ("model", "script", "counter", "tokenizer", "samples", "dropped", "ratio")
    errors = ("before_percent", "after_percent", "low_percent", "high_percent")
    rows = [ratio_row(row) for row in result.learned.ratios]
    return Table(
        (*names, *errors, "why"),
        [
            (*(row[n] for n in names), *(row["error"][n] for n in errors), row.get("why"))
            for row in rows
        ],
    )
