"""One export from its first page to the sealed file."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import IO, Any, NamedTuple, Protocol

import msgspec

from nexctl.errors import NexctlError, UsageError
from nexctl.files import is_replaceable
from nexctl.usage.export.gaps import Found, Ledger, Source
from nexctl.usage.export.journal import Part, State, Stream
from nexctl.usage.export.pages import EXACT, Batch, Order, decoded, sum_text
from nexctl.usage.export.window import Filters, Window, Zone
from nexctl.usage.reading import MANIFEST
from nexctl.usage.styles import STYLES

SCHEMA = 1
KINDS = ("csv", "jsonl", "parquet", "xlsx", "focus")
# Made from finished JSONL rows, for their formats cannot be continued in the middle.
CONVERTED = ("parquet", "xlsx")


class Ask(NamedTuple):
    """What is to be exported, and how.

    `gateway` and `customer` say whose records they are. `whole` says that the caller sees all of
    the customer's records, so that the ledger can be followed. `after`, `opening` and `before`
    continue an earlier export: its last sequence, its closing balance, and its name and hash.
    `headed` is whether a stream begins with the names of its columns.
    """

    gateway: str
    customer: str | None
    window: Window
    filters: Filters
    kind: str = "csv"
    style: str = "rfc4180"
    zone: Zone | None = None
    whole: bool = True
    after: int | None = None
    opening: str | None = None
    before: dict[str, Any] | None = None
    totals: bool = False
    tool: str = "nexctl"
    exported_at: str | None = None
    headed: bool = True

    def identity(self) -> dict[str, Any]:
        """What has to be the same for an interrupted export to be continued."""
        return {
            "schema": SCHEMA,
            "gateway": self.gateway,
            "customer": self.customer,
            "window": list(self.window),
            "filters": self.filters.given(),
            "kind": self.kind,
            "style": self.style,
            "zone": self.zone.name if self.zone else None,
            "whole": self.whole,
            "after": self.after,
            "totals": self.totals,
        }


class Maker(Protocol):
    """Makes bytes of rows."""

    def header(self) -> bytes:
        """What comes first."""

    def lines(self, batch: Batch) -> bytes:
        """The rows of a page."""


class Sink(Protocol):
    """Takes bytes and remembers how far it is."""

    def write(self, data: bytes) -> None:
        """Add bytes."""

    def checkpoint(self, state: State) -> None:
        """Everything so far belongs to `state`."""


def to_file(
    ask: Ask,
    source: Source,
    target: str,
    *,
    resume: bool = False,
    step: Callable[[int], object] = lambda rows: None,
) -> dict[str, Any]:
    """Export to `target` and its manifest beside it; the manifest.

    Until all is there, only the part file exists, and `target` keeps what it held. An error keeps
    the part for `resume`.
    """
    if os.path.isdir(target):
        raise UsageError(f"{target} is a folder", hint="name a file in it")
    if not is_replaceable(target):
        # A finished file takes the target's place: a device or a pipe would be gone for everybody.
        raise UsageError(f"{target} is no file", hint="name a file, or - for standard output")
    part = Part(target, ask.identity())
    state = part.open(resume=resume)
    try:
        if state.sealed is None:
            if state.rows:
                step(state.rows)
            _fill(ask, source, part, state, step)
            if ask.after is not None and not state.rows and not _is_closed(ask, state):
                # Nothing came since the last export: there is no file to add to the series.
                part.remove()
                skipped = manifest_of(ask, state, os.path.basename(target), state.sha256, 0)
                return {**skipped, "skipped": True}
            part.sync()
            finished, digest, size = _finished(ask, part, state)
            state.sealed = manifest_of(ask, state, os.path.basename(target), digest, size)
            part.checkpoint(state)
        else:
            finished = _sealed(ask, part, state.sealed)
        manifest = state.sealed
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        part.publish(finished, part.target + MANIFEST, text)
    except NexctlError as error:
        if state.rows and "--resume" not in (error.hint or ""):
            more = f"; {error.hint}" if error.hint else ""
            error.hint = f"{state.rows:,} records are kept: --resume goes on from there{more}"
        raise
    finally:
        part.close()
    return manifest


def to_stream(
    ask: Ask, source: Source, out: IO[bytes], *, step: Callable[[int], object] = lambda rows: None
) -> dict[str, Any]:
    """Export to a stream; the manifest, which is written nowhere."""
    sink, state = Stream(out), State()
    _fill(ask, source, sink, state, step)
    sink.checkpoint(state)
    return manifest_of(ask, state, "-", state.sha256, state.offset)


def _sealed(ask: Ask, part: Part, sealed: dict[str, Any]) -> str:
    """The finished file of an export that was interrupted at its very end."""
    made = _made(ask, part)
    from nexctl.usage.export.converted import digest

    for path in (made, part.target):
        if os.path.exists(path) and digest(path)[0] == sealed["sha256"]:
            return made
    raise UsageError(
        f"the finished rows of {part.target} are not there any more",
        hint="run it again without --resume",
    )


def _made(ask: Ask, part: Part) -> str:
    return f"{part.path}.{ask.kind}" if ask.kind in CONVERTED else part.path


def _finished(ask: Ask, part: Part, state: State) -> tuple[str, str, int]:
    """The finished file with its SHA-256 and size; Parquet and XLSX are made here."""
    if ask.kind not in CONVERTED:
        part.checkpoint(state)
        return part.path, state.sha256, state.offset
    from nexctl.usage.export import converted

    made = _made(ask, part)
    converted.convert(ask.kind, part.path, made, zone=ask.zone is not None, sums=state.sums)
    return made, *converted.digest(made)


def maker_of(ask: Ask) -> Maker:
    """What makes the rows of a kind."""
    if ask.kind == "csv":
        from nexctl.usage.export.csv import Csv

        return Csv(STYLES[ask.style], ask.zone)
    if ask.kind == "focus":
        from nexctl.usage.export.focus import Focus

        return Focus(STYLES[ask.style])
    from nexctl.usage.export.jsonl import Jsonl

    return Jsonl(ask.zone)


def _fill(
    ask: Ask, source: Source, sink: Sink, state: State, step: Callable[[int], object]
) -> None:
    """Every page that is left, into the sink."""
    with localcontext(EXACT):
        ledger = _ledger(ask, source, state)
        maker = maker_of(ask)
        if not state.offset and ask.headed:
            sink.write(maker.header())
        order = Order(state.last if state.last is not None else ask.after, state.repeated)
        while not state.ended:
            page = decoded(source.page(state.cursor, ask.after))
            rows = order.fresh(page)
            if rows:
                batch = Batch(rows)
                if ledger is not None and not ledger.page(batch):
                    ledger = None
                sink.write(maker.lines(batch))
                _count(ask, state, batch)
            state.cursor, state.closed = page.next_cursor, page.closed
            state.ended, state.repeated = page.next_cursor is None, order.repeated
            state.ledger = None if ledger is None else ledger.found
            sink.checkpoint(state)
            step(len(rows))
        if ledger is not None:
            ledger.finish(closed=bool(state.closed))
            state.ledger = ledger.found


def _ledger(ask: Ask, source: Source, state: State) -> Ledger | None:
    if not ask.whole or ask.filters.any:
        return None
    if state.rows or state.cursor is not None or state.ended:
        if state.ledger is None:
            return None
        return Ledger(source, ask.window, msgspec.convert(state.ledger, Found))
    return Ledger.begin(source, ask.window, ask.after, ask.opening)


def _count(ask: Ask, state: State, batch: Batch) -> None:
    """Add a page to the figures of the manifest."""
    sequences = batch.column("sequence")
    if state.first is None:
        state.first = sequences[0]
    state.last = sequences[-1]
    state.rows += len(batch.rows)
    for currency, charge in batch.sums.items():
        before = Decimal(state.sums.get(currency or "", "0"))
        state.sums[currency or ""] = sum_text(before + charge)
    books = {book for book in set(batch.column("price_book")) if book}
    if not books <= set(state.books):
        state.books = sorted(books | set(state.books))
    if ask.totals:
        _group(state.groups, batch)
    if None in (charges := batch.column("charge")):
        for row, charge in zip(batch.rows, charges, strict=True):
            if charge is None:
                name = _group_of(row)
                state.uncharged[name] = state.uncharged.get(name, 0) + 1


def _group_of(row: Any) -> str:
    return f"{row.model_served or row.model_requested or ''}\t{row.currency or ''}"


def _group(groups: dict[str, list[str]], batch: Batch) -> None:
    """Totals by model and currency: requests, input, cached input, output, charges known."""
    found: dict[str, list[Any]] = {}
    for row in batch.rows:
        name = _group_of(row)
        sums = found.get(name)
        if sums is None:
            before = groups.get(name, ["0"] * 5)
            sums = found[name] = [*map(int, before[:4]), Decimal(before[4])]
        sums[0] += row.requests or 0
        sums[1] += row.input_tokens or 0
        sums[2] += row.cached_input_tokens or 0
        sums[3] += row.output_tokens or 0
        sums[4] += Decimal(row.charge or "0")
    for name, sums in found.items():
        groups[name] = [*map(str, sums[:4]), sum_text(sums[4])]


def manifest_of(ask: Ask, state: State, name: str, digest: str, size: int) -> dict[str, Any]:
    """What an auditor needs beside the file. Field names are an API."""
    found: Found | None = state.ledger
    last = found.after if found is not None else state.last
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": ask.tool,
        "file": name,
        "format": ask.kind,
        "csv_style": ask.style if ask.kind in ("csv", "focus") else None,
        "sha256": digest,
        "bytes": size,
        "gateway": ask.gateway,
        "customer_id": ask.customer,
        "window": {"from": ask.window.start, "to": ask.window.end},
        "timezone": ask.zone.name if ask.zone else None,
        "filters": ask.filters.given(),
        "unfiltered": ask.whole and not ask.filters.any,
        "closed": _is_closed(ask, state),
        "rows": state.rows,
        "sums": state.sums,
        "unknown_charges": sum(state.uncharged.values()),
        "first_sequence": state.first,
        "last_sequence": state.last,
        "after_sequence": ask.after,
        "covered_to": last if last is not None else ask.after,
        "repeated_rows": state.repeated,
        "price_books": state.books,
        "other_entries": None if found is None else _others(found),
        "balance": None if found is None else _balance(found),
        "continues": ask.before,
        "exported_at": ask.exported_at,
    }
    if ask.totals:
        manifest["totals"] = totals_of(state.groups, state.uncharged)
    return manifest


def _is_closed(ask: Ask, state: State) -> bool:
    """Whether no record can come any more: never without an end."""
    return bool(state.closed) and ask.window.end is not None


def _others(found: Found) -> dict[str, Any]:
    return {
        "complete": found.complete,
        "sequences": found.ranges,
        "by_kind": {
            kind: {"count": int(count), "amount": amount}
            for kind, (count, amount) in sorted(found.kinds.items())
        },
    }


def _balance(found: Found) -> dict[str, Any]:
    with localcontext(EXACT):
        return {
            "opening": found.opening,
            "credits": found.credits,
            "usage": sum_text(-Decimal(found.exported)),
            "other_debits": found.debits,
            "closing": found.balance,
            "matches": found.wrong is None,
            "difference": found.wrong,
        }


def totals_of(groups: dict[str, list[str]], uncharged: dict[str, int]) -> list[dict[str, Any]]:
    """Totals by model, dearest first; last those whose charge is unknown, for a record's is."""
    rows = []
    for name, (requests, given, cached, output, charge) in groups.items():
        model, _, currency = name.partition("\t")
        unknown = uncharged.get(name, 0)
        rows.append(
            {
                "model": model or None,
                "requests": int(requests),
                "input_tokens": int(given),
                "cached_input_tokens": int(cached),
                "output_tokens": int(output),
                "charge": None if unknown else charge,
                "currency": currency or None,
                "known_charge": charge,
                "unknown_charges": unknown,
            }
        )
    return sorted(
        rows,
        key=lambda row: (row["charge"] is None, -Decimal(row["known_charge"]), row["model"] or ""),
    )
