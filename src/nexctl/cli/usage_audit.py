"""`nexctl usage audit`: every billed line priced again, and two lists side by side."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.cli.base import App, argument, command, into, option
from nexctl.cli.piped import on_disk
from nexctl.errors import CheckFailed, ConfigError, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.usage.audit.report import Report
    from nexctl.usage.audit.run import Task
    from nexctl.usage.export.window import Window
    from nexctl.usage.reading import Row

_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
MOST_PROCESSES = 8


class Readable(NamedTuple):
    """A list of usage as the audit reads it: a file with nexctl's columns, and what it was."""

    path: str
    name: str
    grain: str = "request"
    step: int | None = None
    says: tuple[str, ...] = ()
    groups: bool = False
    inside: bool = False


@command(
    argument(
        "file",
        metavar="[FILE|-]",
        suggest="files",
        help="An export of usage or another gateway's log, - reads stdin; default: the gateway.",
    ),
    option("--book", metavar="BOOK", suggest="books files", help="Price by this book or file."),
    option(
        "--against",
        metavar="FILE|PROFILE|AMOUNT",
        suggest="files profiles",
        help="Also compare with another list, a profile's gateway, or an invoice's total.",
    ),
    option("--batch", metavar="ID", help="Only the lines of this batch, against what was debited."),
    option(
        "--map",
        many=True,
        metavar="COLUMN=NAME,...",
        help="Columns of another CSV or JSONL: charge=Cost,created_at=Date,currency=@USD.",
    ),
    into("--statement", help="Write a statement in Markdown.", metavar="OUT"),
    option("--wallet", metavar="ID", help="Of a gateway: this wallet; default: the first one."),
    option("--month", metavar="MONTH", help="Of a gateway: a calendar month in UTC."),
    option("--from", metavar="TIME", help="Of a gateway: reserved from this instant on."),
    option("--to", metavar="TIME", help="Of a gateway: reserved before this instant."),
    examples=(
        "nexctl usage audit october.csv",
        "nexctl usage audit october.csv --against 118.40",
        "nexctl usage audit logs.json --book ours.toml --statement dispute.md",
    ),
)
def audit(app: App, **given: Any) -> None:
    """Price every billed line again, by the book in force then.

    Each line that does not come to what it bills is a finding, with both amounts. How the gateway
    rounds, and how it reads cached tokens, is inferred from the lines: what the book leaves open
    is only told, what contradicts it is a finding. Reads exports (CSV, JSONL, Parquet), new-api
    logs, LiteLLM spend logs and OpenRouter activity. Exit 9 where something was found.
    """
    from nexctl.cli.usage_audit_report import audit_view

    out = given["statement"]
    if out is not None:
        _check_writable(out)
    report = _report(app, given)
    if out is not None:
        _write(out, report, app)
    app.emit(audit_view(report, app))
    if not report.clean:
        raise CheckFailed(_verdict(report), hint=_hint(out), code="audit_findings")


def _report(app: App, given: dict[str, Any]) -> Report:
    from nexctl.cli.usage import window_in
    from nexctl.usage.audit.run import Task, audit
    from nexctl.usage.readers.mapped import parse_map

    window = window_in(given)
    mapped = parse_map(given["map"]) if given["map"] else None
    if given["wallet"] is not None and given["file"] is not None:
        raise UsageError("--wallet is of a gateway, not of a FILE", hint="leave one of them out")
    if window != window_in({}) and given["file"] is not None and not _is_profile(app, given):
        raise UsageError(
            "--month, --from and --to are of a gateway, not of a FILE",
            hint="leave them out: every line of FILE is audited",
        )
    if mapped and given["file"] is None:
        raise UsageError("--map goes with a FILE", hint="nexctl usage audit FILE --map charge=Cost")
    with contextlib.ExitStack() as stack:
        if given["file"] is None:
            source = stack.enter_context(_from_gateway(app, window, given["wallet"]))
        else:
            source = stack.enter_context(_from_file(app, given["file"], mapped))
        shelf = _shelf(app, given["book"])
        shelf.groups, shelf.inside = source.groups, source.inside
        task = Task(
            source.path,
            source.name,
            shelf,
            given["batch"],
            _processes(),
            source.grain,
            source.step,
            source.says,
        )
        with app.progress("auditing", os.path.getsize(source.path), "bytes") as step:
            report = audit(task, step)
        if given["batch"] is not None and not report.rows:
            raise NexctlError(
                f"{source.name} has no line of batch {given['batch']}",
                hint="'nexctl batch list' shows the batches",
                code="not_found",
                exit=3,
            )
        if given["against"] is not None:
            found = _against(app, given["against"], task, report, window)
            report = report._replace(against=found)
    return report


def _is_profile(app: App, given: dict[str, Any]) -> bool:
    """Whether the other list is a profile's gateway, of which a window may be taken."""
    other = given["against"]
    return other in app.config.profiles and not os.path.exists(other)


def _shelf(app: App, book: str | None) -> Any:
    from nexctl.pricing import books
    from nexctl.usage.audit.prices import Shelf

    default = None
    with contextlib.suppress(ConfigError):
        default = app.profile.book
    shelf = Shelf(book, default=default, folder=app.books_folder)
    if book is not None:
        # A book that is not there is said at once.
        if book.endswith(".toml"):
            books.load(book)
        else:
            books.versions(book, folder=app.books_folder)
    return shelf


def _processes() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    count = len(usable(0)) if usable is not None else os.cpu_count() or 1
    return max(1, min(count, MOST_PROCESSES))


# --- where lists come from -----------------------------------------------------------------------


@contextlib.contextmanager
def _from_file(app: App, file: str, mapped: dict[str, str] | None) -> Iterator[Readable]:
    # It is read several times, by several processes.
    with on_disk(app, file) as path, _listed(path, mapped) as found:
        yield found


@contextlib.contextmanager
def _listed(path: str, mapped: dict[str, str] | None) -> Iterator[Readable]:
    from nexctl.usage.readers.foreign import recognised
    from nexctl.usage.readers.spool import spooled
    from nexctl.usage.reading import open_export

    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder", hint="name a file of usage")
    found = recognised(path, mapped)
    name = os.path.basename(path)
    if found is not None:
        says = (f"read as {found.kind}", *found.says)
        with spooled(found.rows()) as spool:
            facts = (found.grain, found.step, says, found.groups, found.inside)
            yield Readable(spool, name, *facts)
        return
    export = open_export(path)
    if export.kind != "parquet":
        yield Readable(path, name)
        return
    with spooled(export.rows()) as spool:
        yield Readable(spool, name)


@contextlib.contextmanager
def _from_gateway(app: App, window: Window, wallet: str | None = None) -> Iterator[Readable]:
    """The records of one wallet: each is a book of its own, with its own sequences and balance."""
    from nexctl.cli import connect
    from nexctl.cli.usage_source import other_wallets
    from nexctl.usage.readers.spool import spooled
    from nexctl.wire.usage import UsageQuery

    with connect.gateway(app) as gateway:
        facts = gateway.me()
        customer = facts.customer
        others = other_wallets(gateway, facts) if wallet is None else []
        if others:
            app.warn(f"only the first wallet is audited; --wallet names another: {others[0]}")
        query = UsageQuery(
            limit=1000,
            from_=window.start,
            to=window.end,
            wallet=wallet or (customer.id if customer is not None else None),
        )
        with spooled(gateway.usage.list(query)) as spool:
            yield Readable(spool, f"the gateway of profile {app.profile.name}")


# --- the other list ------------------------------------------------------------------------------


def _against(app: App, other: str, task: Task, report: Report, window: Window) -> dict[str, Any]:
    from nexctl.money import parse_units
    from nexctl.usage.audit import compare

    if _AMOUNT.fullmatch(other) and not os.path.exists(other):
        totals = report.totals
        if len(totals) > 1:
            raise UsageError(
                "--against AMOUNT: the list has several currencies",
                hint=", ".join(total.currency for total in totals),
            )
        billed, currency = (totals[0].billed, totals[0].currency) if totals else (0, "")
        unknown = any(one.rule == "unpriced" and one.billed is None for one in report.findings)
        return compare.with_amount(billed, currency, parse_units(other), unknown=unknown)
    with _other_list(app, other, window) as there:
        here = _rows(task.path, task.batch_id)
        return compare.lists(here, _rows(there.path, task.batch_id), there.name)


@contextlib.contextmanager
def _other_list(app: App, other: str, window: Window) -> Iterator[Readable]:
    if os.path.exists(other):
        with _from_file(app, other, None) as found:
            yield found
        return
    if other not in app.config.profiles:
        raise UsageError(
            f"--against: {other!r} is no file, no profile and no amount",
            hint="an amount stands plainly, like 1234.50; 'nexctl profile list' shows the profiles",
            code="unknown_list",
        )
    import copy

    chosen = copy.copy(app)
    chosen.profile_name, chosen._profile = other, None
    with _from_gateway(chosen, window) as found:
        yield found


def _rows(path: str, batch_id: str | None) -> Iterator[Row]:
    from nexctl.usage.reading import open_export

    for row in open_export(path).rows():
        if batch_id is None or row.batch_id == batch_id:
            yield row


# --- the statement and the verdict ---------------------------------------------------------------


def _check_writable(path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--statement: {path} cannot be written", hint="name a file in a folder of yours"
        )


def _write(path: str, report: Report, app: App) -> None:
    from nexctl.files import atomic_write
    from nexctl.usage.audit.statement import markdown

    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(app.now()))
    text = markdown(report, made_at)
    try:
        with atomic_write(path, mode=0o600) as stream:
            stream.write(text)
    except OSError as error:
        raise NexctlError(
            f"--statement: {path}: {error.strerror}", hint="make room, or name another file"
        ) from error
    app.note(f"statement written to {path}")


def _verdict(report: Report) -> str:
    from nexctl.cli.figures import plural

    count = sum(report.counts.values())
    parts = []
    if count:
        parts.append(f"{plural(count, 'finding')} in {plural(report.rows, 'row')}")
    if report.against and report.against["differs"]:
        difference = report.against["difference"]
        parts.append(f"the other side differs by {difference} in sum")
    return "; ".join(parts)


def _hint(out: str | None) -> str:
    if out is not None:
        return f"{out} lists them"
    return "--statement OUT.md writes them down, -o json has every field"
