"""From sources to a quote: read each file the way its size asks for, count it, price it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple

from nexctl.errors import CheckFailed, UnpricedError, UsageError
from nexctl.estimate import gate as gates
from nexctl.estimate import readers
from nexctl.estimate.ask import Ask
from nexctl.estimate.estimator import Estimator, Missing
from nexctl.estimate.lanes import METHODS, UNKNOWN, Lane, Range
from nexctl.estimate.sources import Source
from nexctl.money import NANO, text_of
from nexctl.pricing import engine
from nexctl.pricing.book import Book

Progress = Callable[[int], None]


class Quote(NamedTuple):
    """What the prompts would cost: one row per gateway and model, one per file and tokenizer.

    `rows` and `files` have the documented JSON fields; `gate` is None where none was asked for.
    """

    rows: list[dict[str, Any]]
    files: list[dict[str, Any]]
    gate: gates.Gate | None
    notes: list[str]
    title: str

    def check(self) -> None:
        """Raise what the quote has to say besides figures: nothing priced (2), gate shut (9)."""
        unpriced = [row for row in self.rows if row["charge"]["low"] is None]
        if self.rows and len(unpriced) == len(self.rows):
            names = ", ".join(sorted({f"{row['model']} on {row['gateway']}" for row in unpriced}))
            reasons = [note for row in unpriced for note in row["notes"]]
            raise UnpricedError(
                f"nothing could be priced: {reasons[0] if reasons else names}",
                hint=f"nexctl prices list --on {unpriced[0]['gateway']} shows what is published",
            )
        if self.gate and not self.gate.passed:
            raise CheckFailed(
                f"over --max-cost: {self.gate.words}",
                hint="shorten the prompt, choose a cheaper model (-m), or raise --max-cost",
                code="over_max_cost",
                details={"gate": self.gate.as_json()},
            )


def quote(
    ask: Ask,
    sources: Sequence[Source],
    *,
    stdin: IO[bytes] | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Quote:
    """Count and price `sources`. Raises UsageError for what cannot be read, counted or found.

    `stdin` is read for the source that says so. `progress` is told of bytes as they are counted.
    """
    workers = processes or os.cpu_count() or 1
    estimator = Estimator(ask)
    if sum(source.size or 0 for source in sources) >= readers.BULK_FROM_BYTES:
        estimator.go_bulk()
    reader = Reader(estimator, stdin, workers, progress)
    for source in sources:
        reader.add(source)
    if reader.empty == len(sources):
        raise UsageError(
            "nothing to price: "
            + ("the file is" if len(sources) == 1 else "all files are")
            + " empty",
            hint="name a file with a prompt, or pipe one in with -",
            code="empty",
        )
    return summed(estimator, reader.notes)


class Reader:
    """Adds one source after the other to an estimator."""

    def __init__(
        self,
        estimator: Estimator,
        stdin: IO[bytes] | None = None,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.estimator = estimator
        self.stdin = stdin
        self.processes = processes
        self.progress = progress
        self.empty = 0
        self.notes: list[str] = []

    def add(self, source: Source) -> None:
        """Read one source whole, or in blocks where it is large, and count it."""
        if source.is_stdin:
            if self.stdin is None:
                raise UsageError(
                    "standard input is closed",
                    hint="name a file, or pipe one in: nexctl ... - < FILE",
                    code="no_stdin",
                )
            self._add_stream(source.display, source.kind, self.stdin)
            return
        try:
            if source.size is not None and source.size < readers.BULK_FROM_BYTES:
                with open(source.path, "rb", buffering=0) as stream:
                    self.add_bytes(source.display, source.kind, stream.read())
            elif source.size is None:
                with open(source.path, "rb") as stream:
                    self._add_stream(source.display, source.kind, stream)
            else:
                self._add_large(source)
        except OSError as error:
            raise UsageError(
                f"{source.display}: cannot be read: {error.strerror}",
                hint="check the path",
                code="unreadable",
            ) from None

    def add_bytes(self, name: str, kind: str, raw: bytes) -> None:
        """Count a document that is held whole; `kind` is text, json, jsonl or auto."""
        text = readers.decode(raw, name)
        if not text:
            self.empty += 1
            self.notes.append(f"{name} is empty: counted as 0 tokens")
            self.estimator.add_empty(name)
            return
        if kind == "auto":
            kind = readers.sniff(text, name)
        if kind == "jsonl":
            requests: Iterator[readers.Request] | list[readers.Request] | None = readers.lines(
                text, name
            )
        else:
            requests = readers.document(text, name) if kind == "json" else None
            if kind == "json" and requests is None:
                self.notes.append(f"{name} holds no request: counted as plain text")
        if requests is None:
            self.estimator.add_text(name, text)
            return
        counted = 0
        for request in requests:
            self.estimator.add_request(name, request.body, request.line)
            counted += 1
        if not counted:
            self.empty += 1
            self.notes.append(f"{name} holds no request: counted as 0 tokens")
            self.estimator.add_empty(name)

    def _add_large(self, source: Source) -> None:
        if source.kind == "auto":
            with open(source.path, "rb") as stream:
                kind, _ = readers.sniff_stream(stream)
        else:
            kind = source.kind
        if kind == "jsonl":
            self._add_lines(source.path, source.display)
        elif kind == "json":
            if source.size is not None and source.size > readers.MAX_DOCUMENT_BYTES:
                raise _too_large(source.display)
            with open(source.path, "rb", buffering=0) as stream:
                self.add_bytes(source.display, kind, stream.read())
        else:
            self._add_blocks(source.path, source.display)

    def _add_stream(self, name: str, kind: str, stream: IO[bytes]) -> None:
        head = stream.read(readers.BULK_FROM_BYTES)
        if len(head) < readers.BULK_FROM_BYTES:
            self.add_bytes(name, kind, head)
            return
        self.estimator.go_bulk()
        joined = readers.Joined(head, stream)
        if kind == "auto":
            kind, head = readers.sniff_stream(joined)
            joined = readers.Joined(head, joined)
        if kind == "jsonl":
            self._add_lines(joined, name)
        elif kind == "json":
            raw = joined.read(readers.MAX_DOCUMENT_BYTES + 1)
            if len(raw) > readers.MAX_DOCUMENT_BYTES:
                raise _too_large(name)
            self.add_bytes(name, kind, raw)
        elif len(self.estimator.text_choices()) == 1 and self.estimator.calibrated is None:
            self._add_blocks(joined, name)
        else:
            self._add_spooled(joined, name)

    def _add_spooled(self, stream: readers.Readable, name: str) -> None:
        """A stream that several tokenizers want to read is kept in a file meanwhile."""
        import shutil
        import tempfile

        with tempfile.NamedTemporaryFile(prefix="nexctl-") as spool:
            shutil.copyfileobj(stream, spool, 1024 * 1024)
            spool.flush()
            self._add_blocks(spool.name, name)

    def _add_blocks(self, source: str | readers.Readable, name: str) -> None:
        from nexctl.tokens import blocks

        tokens: dict[str, int] = {}
        for key, choice in self.estimator.text_choices().items():
            counted = blocks.count_file(source, choice, processes=self.processes, name=name)
            tokens[key] = counted.tokens
        self.estimator.add_counted_text(name, tokens, self._head(source))

    def _head(self, source: str | readers.Readable) -> str:
        """The beginning of a large text, for a calibration that asks what script it is in."""
        if self.estimator.calibrated is None or not isinstance(source, str):
            return ""
        with open(source, "rb") as stream:
            return stream.read(readers.SNIFF_BYTES).decode("utf-8", "ignore")

    def _add_lines(self, source: str | readers.Readable, name: str) -> None:
        from nexctl.estimate import bulk

        size = os.path.getsize(source) if isinstance(source, str) else None
        processes = self.processes
        if size is not None and size < bulk.PARALLEL_FROM_BYTES:
            processes = 1
        bulk.count_lines(
            self.estimator,
            source,
            name,
            processes=processes,
            progress=self.progress,
        )


def _too_large(name: str) -> UsageError:
    return UsageError(
        f"{name}: a JSON document above {readers.MAX_DOCUMENT_BYTES >> 20} MiB is not one request",
        hint="put one request on each line of a .jsonl file",
        code="too_large",
    )


# --- from sums to rows ---------------------------------------------------------------------------


def summed(estimator: Estimator, notes: list[str]) -> Quote:
    """Turn what an estimator added up into rows, cheapest first, unknown last."""
    ask = estimator.ask
    lanes = list(estimator.lanes.values())
    currencies = {currency_of(book): place for place, book in _reversed(estimator.books)}
    lanes.sort(key=lambda lane: _order(lane, ask, currencies))
    rows = [_row(lane, ask) for lane in lanes]
    rows.extend(_missing_row(missing) for missing in estimator.missing.values())
    files = [
        {
            "path": row.path,
            "models": list(row.models),
            "requests": row.requests,
            "input_tokens": row.input_tokens,
            "exact": row.exact,
            "tokenizer": row.tokenizer,
        }
        for row in estimator.files.values()
    ]
    gate = None if ask.max_cost is None else _gate(estimator, ask.max_cost)
    return Quote(rows, files, gate, notes, dated(*estimator.books))


def dated(*books: Book) -> str:
    """Return the names and dates of books for the first line of a report."""
    names: dict[str, list[str]] = {}
    for book in books:
        date = f"valid from {book.valid_from}" if book.valid_from else f"retrieved {book.retrieved}"
        names.setdefault(date, []).append(book.id)
    return "; ".join(f"{', '.join(ids)}, prices {date}" for date, ids in names.items())


def currency_of(book: Book) -> str:
    """Return what a book's amounts are compared in: a credit's published value, else its unit."""
    return book.credit_value[1] if book.credit_value else book.unit


def worth(book: Book, units: int) -> int:
    """Return 10**-9 of `currency_of(book)` for an amount in the book's own units."""
    value = engine.money_value(book, units)
    return units * 10**NANO // 10**book.scale if value is None else value[0]


def compared(lane: Lane, ask: Ask) -> Range:
    """Return the charge that sorting and gates look at: the batch price with `--batch`."""
    if ask.batch:
        return lane.batch_charge if lane.batch_charge is not None else UNKNOWN
    return lane.charge


def _reversed(books: tuple[Book, ...]) -> list[tuple[int, Book]]:
    return list(enumerate(books))[::-1]


def _order(lane: Lane, ask: Ask, currencies: dict[str, int]) -> tuple[bool, int, int, str]:
    charge = compared(lane, ask)
    amount = charge.expected if charge.expected is not None else charge.low
    place = currencies[currency_of(lane.book)]
    return (amount is None, place, worth(lane.book, amount or 0), lane.model.id)


def _row(lane: Lane, ask: Ask) -> dict[str, Any]:
    book = lane.book
    return {
        "gateway": book.id,
        "model": lane.model.id,
        "price_book": book.version,
        "currency": book.unit,
        "requests": lane.requests,
        "input_tokens": lane.input_tokens,
        **({"raw_input_tokens": lane.raw_tokens} if lane.method == METHODS[-1] else {}),
        "cached_input_tokens": lane.cached_tokens,
        "count": {
            "exact": lane.method == "exact",
            "method": lane.method,
            "tokenizer": lane.tokenizer,
            "error": dict(lane.error) if lane.error else None,
        },
        "output_tokens": lane.output._asdict(),
        "charge": _money(lane.charge, book.scale),
        "cached_charge": lane.cached_charge and _money(lane.cached_charge, book.scale),
        "batch_charge": lane.batch_charge and _money(lane.batch_charge, book.scale),
        "money": _worth(lane),
        "provider_fee": _fee(lane),
        "volume": _volume(lane, ask),
        "notes": [
            note if times == 1 or lane.requests == 1 else f"{note} ({times} requests)"
            for note, times in lane.notes.items()
        ],
    }


def _missing_row(missing: Missing) -> dict[str, Any]:
    nothing = UNKNOWN._asdict()
    return {
        "gateway": missing.book.id,
        "model": missing.model,
        "price_book": missing.book.version,
        "currency": missing.book.unit,
        "requests": None,
        "input_tokens": None,
        "cached_input_tokens": None,
        "count": {"exact": False, "method": None, "tokenizer": None, "error": None},
        "output_tokens": nothing,
        "charge": nothing,
        "cached_charge": None,
        "batch_charge": None,
        "money": None,
        "provider_fee": None,
        "volume": None,
        "notes": [missing.reason],
    }


def _money(charge: Range, scale: int) -> dict[str, str | None]:
    return {
        name: None if units is None else text_of(units, scale)
        for name, units in charge._asdict().items()
    }


def _worth(lane: Lane) -> dict[str, Any] | None:
    """Return what the charge is worth in money, where the book is in credits with a known value."""
    book = lane.book
    if not book.is_credit or book.credit_value is None:
        return None
    figures = (None if units is None else worth(book, units) for units in lane.charge)
    return {"currency": currency_of(book), "charge": _money(Range(*figures), NANO)}


def _fee(lane: Lane) -> dict[str, Any] | None:
    """Return what the provider charges with the customer's own key; unknown is null, not free."""
    if lane.provider_fee is None:
        return None
    book, fee = lane.provider_fee
    return {
        "price_book": book and book.version,
        "currency": book and book.unit,
        "charge": _money(fee, book.scale if book else NANO),
    }


def _volume(lane: Lane, ask: Ask) -> dict[str, Any] | None:
    if ask.volume is None:
        return None
    monthly = compared(lane, ask).times(ask.volume.per_month)
    return {
        "times": ask.volume.times,
        "per": ask.volume.per,
        "requests_per_month": lane.requests * ask.volume.per_month,
        "charge_per_month": _money(monthly, lane.book.scale),
    }


def _gate(estimator: Estimator, limit: int) -> gates.Gate:
    """Compare each alternative (a gateway, and a model where `-m` names some); the worst counts."""
    ask = estimator.ask
    if ask.byok:
        raise UsageError(
            "--max-cost and --byok do not go together: the provider's fee is not the gateway's",
            hint="gate on the provider's own book, like --on openai",
            code="byok_gate",
        )
    currencies = sorted({currency_of(book) for book in estimator.books})
    if len(currencies) > 1:
        raise UsageError(
            f"one limit cannot hold for several units: {', '.join(currencies)}",
            hint="run it once for each gateway",
            code="several_units",
        )
    sums: dict[tuple[int, str], Range] = {}
    ranged: set[tuple[int, str]] = set()
    for (place, model), lane in estimator.lanes.items():
        alternative = (place, model if ask.models or ask.all_models else "")
        charge = compared(lane, ask)
        if lane.dearest is not None:
            # A range passes only where its dearest end does.
            charge = lane.dearest
            ranged.add(alternative)
        sums[alternative] = sums[alternative] + charge if alternative in sums else charge
    answers = []
    for alternative, charge in sums.items():
        place = alternative[0]
        amount, rule = gates.figure(charge, estimator.high_is_asked)
        if rule == gates.EXPECTED and alternative in ranged:
            rule = gates.HIGH
        if amount is None or estimator.missing:
            raise UnpricedError(
                f"the gate met something that has no known price: {_unpriced(estimator, ask)}",
                hint="leave it out, or gate on a book that prices it (--on)",
                code="gate_unpriced",
            )
        answers.append((worth(estimator.books[place], amount), rule))
    amount, rule = max(answers)
    return gates.max_cost(amount, NANO, currencies[0], rule, limit)


def _unpriced(estimator: Estimator, ask: Ask) -> str:
    """Why the gate has no figure: what a book lacks, else the first model without a price."""
    for missing in estimator.missing.values():
        return missing.reason
    for lane in estimator.lanes.values():
        if gates.figure(compared(lane, ask), estimator.high_is_asked)[0] is None:
            return f"{lane.model.id} on {lane.book.id}"
    return "a model"
