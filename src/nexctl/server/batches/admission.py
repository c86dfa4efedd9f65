"""From a file to a batch: every line checked, counted and quoted, the quote held, or the faults.

A line that is no line fails the batch, as the format's own rules say. A line that is one but would
be refused alone (model, plan, context) is an error line of a batch that goes on. What money refuses
is told at once, for then there is no batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nexctl.estimate import batch_lines
from nexctl.estimate.batch_lines import Fault
from nexctl.records import METERS, Usage
from nexctl.server import bodies
from nexctl.server.batches import keeping, lines
from nexctl.server.inference import holding
from nexctl.server.ledger import batches, holds, ids, wallets
from nexctl.server.ledger.batch_lines import NewLine, add_lines, request_id
from nexctl.server.ledger.types import Ask
from nexctl.server.refusing import Refuse
from nexctl.wire.batches import MOST_LINES
from nexctl.wire.lines import CHAT, SERVED

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.house import House
    from nexctl.server.inference.metering import Priced
    from nexctl.server.ledger.batches import Batch
    from nexctl.server.ledger.port import Transaction

MOST_FAULTS = 1000
SCAN_SECONDS = 600.0  # not money: seconds
RULES = batch_lines.Rules(needs_max_output=False)
# Lines are kept so many at a time, each in a transaction of its own, so that others get their turn.
KEPT_AT_ONCE = 1000


class Wanted(NamedTuple):
    """What a new batch is to be; `endpoint` None takes the lines' own. `keep` in seconds."""

    file: str
    endpoint: str | None
    metadata: dict[str, str] | None
    keep: int


class Entry(NamedTuple):
    """One line that will be served, before its maximum output is decided."""

    line: NewLine
    cap: int
    asked: bool


class Scan:
    """Reads a whole file: `entries` and `refused` lines, or `faults`. Nothing is kept yet."""

    def __init__(self, call: Call, batch: str, wanted: Wanted) -> None:
        self._call, self._house, self._batch = call, call.house, batch
        self._file = wanted.file
        self._same = batch_lines.Sameness(url=wanted.endpoint)
        self._seen: dict[str, int] = {}
        self.faults: list[Fault] = []
        self.entries: list[Entry] = []
        self.refused: list[NewLine] = []
        self.priced: Priced | None = None
        self.model: str | None = None
        self.digest = hashlib.sha256()

    @property
    def endpoint(self) -> str:
        """Where all lines go."""
        return self._same.url or CHAT

    def run(self) -> None:
        """Read, check and count every line."""
        reader = keeping.Reader(self._house, self._file)
        until = time.monotonic() + SCAN_SECONDS
        count = 0
        for number, start, size, raw in cut(self._hashed(reader), RULES.max_line_bytes):
            if raw is not None and not raw.strip():
                continue
            count += 1
            if count > MOST_LINES:
                words = f"more than {MOST_LINES:,} lines"
                self.faults.append(Fault("too_many_tasks", None, words))
                break
            if raw is None:
                words = f"{size:,} bytes are more than the {RULES.max_line_bytes:,} of one line"
                self.faults.append(Fault("line_too_large", number, words))
            else:
                self._line(number, start, raw)
            if len(self.faults) >= MOST_FAULTS:
                break
            if time.monotonic() > until:
                raise Refuse("payload_too_large", "the file cannot be counted in reasonable time")
        if not count:
            self.faults.append(Fault("empty_file", None, "there is no line in the file"))

    def _hashed(self, reader: keeping.Reader) -> Iterator[bytes]:
        for piece in reader.pieces():
            self.digest.update(piece)
            yield piece

    def _line(self, number: int, start: int, raw: bytes) -> None:
        checked = batch_lines.check_line(raw, number, RULES, _strictly)
        found = [*checked.faults, *self._same.faults(checked)]
        name = checked.custom_id
        if name is not None:
            first = self._seen.setdefault(name, number)
            if first != number:
                found.append(batch_lines.duplicate(name, number, first))
            if "\x00" in name:
                found.append(
                    Fault("invalid_custom_id", number, "it holds the character U+0000", "custom_id")
                )
        self.faults += found[: MOST_FAULTS - len(self.faults)]
        if self.faults or checked.value is None or name is None:
            return
        plain = NewLine(number, name, start, len(raw))
        if self.endpoint not in SERVED:
            self._refuse(plain, Refuse("not_offered", "that endpoint is not served in batches"))
            return
        try:
            self._weigh(plain, raw, checked.value["body"])
        except Refuse as refuse:
            self._refuse(plain, refuse)

    def _weigh(self, plain: NewLine, raw: bytes, body: Any) -> None:
        call = lines.call_of(self._house, self._call.caller, self.endpoint, raw, body)
        found = lines.weigh(call)
        model = found.target.charged.id
        if self.model not in (None, model):
            raise Refuse(
                "invalid_request",
                f"a batch has one price: this line would be answered by {model}, "
                f"those before it by {self.model}",
                param="model",
            )
        self.priced, self.model = found.priced, model
        count = found.counted
        line = plain._replace(
            input=count.tokens,
            most=max(count.most, count.tokens),
            output=found.cap,
            answers=found.answers,
        )
        self.entries.append(Entry(line, found.cap, found.asked is not None))

    def _refuse(self, plain: NewLine, refuse: Refuse) -> None:
        request = request_id(self._batch, plain.custom_id)
        line = lines.refused(self._house, plain.custom_id, request, refuse)
        sealed, size = keeping.sealed_result(self._house, self._batch, plain.n, line)
        self.refused.append(plain._replace(refused=sealed, refused_size=size))


def _strictly(raw: bytes) -> Any:
    """JSON as the gateway reads every body: a key that stands there twice is a fault."""
    value = msgspec.json.decode(raw)
    if not bodies.keys_are_distinct(raw, value):
        raise ValueError("a key stands there twice")
    return value


def cut(pieces: Iterator[bytes], most: int) -> Iterator[tuple[int, int, int, bytes | None]]:
    """Cut pieces at line feeds: (number, start, size, text); the text of one over `most` is None.

    A carriage return before the line feed is left out. No more than one line is ever held.
    """
    number, start, waiting, dropped = 1, 0, bytearray(), 0
    for piece in pieces:
        at = 0
        while (end := piece.find(b"\n", at)) >= 0:
            waiting += piece[at:end]
            yield _cut(number, start, waiting, dropped, most)
            start += len(waiting) + dropped + 1
            number += 1
            waiting, dropped = bytearray(), 0
            at = end + 1
        waiting += piece[at:]
        if len(waiting) > most + 1:
            dropped += len(waiting)
            waiting.clear()
    if waiting or dropped:
        yield _cut(number, start, waiting, dropped, most)


def _cut(
    number: int, start: int, waiting: bytearray, dropped: int, most: int
) -> tuple[int, int, int, bytes | None]:
    text = bytes(waiting).removesuffix(b"\r")
    if dropped or len(text) > most:
        return number, start, dropped + len(text), None
    return number, start, len(text), text


# the quote ---------------------------------------------------------------------------------------


def _sized(priced: Priced, entry: Entry, output: int) -> NewLine:
    line = entry.line
    out = min(entry.cap, output)
    worst = Usage(input=line.most, output=out * line.answers)
    return line._replace(output=out, amount=priced.most(worst))


def quoted(call: Call, scan: Scan) -> list[NewLine]:
    """Every line's part of the quote.

    Lines that state no maximum output get one: together they may take a quarter of what is left
    spendable behind everything that is certain.
    """
    priced = scan.priced
    if priced is None:
        return []
    open_ended = [entry for entry in scan.entries if not entry.asked and entry.cap]
    if not open_ended:
        return [_sized(priced, entry, entry.cap) for entry in scan.entries]
    most = _fair_output(call, scan, priced, open_ended)
    return [_sized(priced, entry, entry.cap if entry.asked else most) for entry in scan.entries]


def _fair_output(call: Call, scan: Scan, priced: Priced, open_ended: list[Entry]) -> int:
    caller = call.caller
    seat = caller.seat
    wallet = call.house.read(
        wallets.show,
        call.customer.id,
        wallet=seat.wallet if seat else None,
        key=caller.id,
        parent=caller.parent.id if caller.parent else None,
        model=scan.model,
        member=seat.member if seat else None,
        project=seat.project if seat else None,
    )
    certain = [_sized(priced, entry, entry.cap if entry.asked else 0) for entry in scan.entries]
    share = holding.SHARE * len(open_ended)
    answers = max(entry.line.answers for entry in open_ended)
    units = max(0, wallet.spendable - sum(line.amount for line in certain)) // share
    tokens = sum(line.most + line.output * line.answers for line in certain)
    low, high = 0, max(entry.cap for entry in open_ended)
    for layer in wallet.layers:
        if layer.hard and layer.unit == "tokens":
            high = min(high, max(0, layer.remaining - tokens) // share // answers)
    while low < high:
        middle = (low + high + 1) // 2
        if priced.most(Usage(request=0, output=middle * answers)) <= units:
            low = middle
        else:
            high = middle - 1
    return max(low, holding.LEAST)


def _worst(found: list[NewLine]) -> Usage:
    total = dict.fromkeys(METERS, 0)
    total["input"] = sum(line.most for line in found)
    total["output"] = sum(line.output * line.answers for line in found)
    total["request"] = len(found)
    return Usage(**total)


# the batch ---------------------------------------------------------------------------------------


class Admission(NamedTuple):
    """A batch ready to be admitted in one transaction."""

    batch: str
    ask: Ask | None
    total: int
    refused: int
    model: str | None
    snapshot: str | None
    faults: bytes | None


async def prepared(call: Call, wanted: Wanted) -> Admission:
    """Read the file, quote it and keep its lines; nobody sees them until they are admitted."""
    house = call.house
    batch = ids.new("batch")
    scan = Scan(call, batch, wanted)
    if house.options.served:
        async with house.crew.scanning:
            await asyncio.to_thread(scan.run)
    else:
        scan.run()
    faults, found = None, []
    if scan.faults:
        plain = msgspec.json.encode([fault.as_json() for fault in scan.faults])
        faults = keeping.sealer(house).seal_piece(plain, keeping.faults_place(batch))
    else:
        found = quoted(call, scan)
    rows = [] if faults else sorted([*found, *scan.refused])
    caller = call.caller
    parent = caller.parent.id if caller.parent else None
    await house.write(
        batches.begin,
        batch,
        (call.customer.id, caller.id, parent),
        endpoint=scan.endpoint,
        input_file=wanted.file,
        metadata=None if wanted.metadata is None else _text(wanted.metadata),
        keep_seconds=wanted.keep,
    )
    try:
        for first in range(0, len(rows), KEPT_AT_ONCE):
            await house.write(add_lines, batch, rows[first : first + KEPT_AT_ONCE])
    except BaseException:
        await discard(house, batch)
        raise
    ask, seat = None, caller.seat
    if found and scan.priced is not None:
        ask = Ask(
            call.customer.id,
            batch,
            scan.digest.digest(),
            sum(line.amount for line in found),
            scan.model or "",
            scan.priced.snapshot,
            usage=_worst(found),
            key=caller.id,
            parent=parent,
            wallet=seat.wallet if seat else None,
            member=seat.member if seat else None,
            project=seat.project if seat else None,
            fallback=seat.payer if seat else None,
            facts=seat.facts() if seat else {},
            rule="operator",
            lasting=True,
        )
    return Admission(
        batch,
        ask,
        len(rows),
        0 if faults else len(scan.refused),
        scan.model,
        scan.priced.snapshot.hash if ask and scan.priced else None,
        faults,
    )


def admitted(tx: Transaction, admission: Admission) -> Batch:
    """Hold the quote and let the batch be seen. Refused where money does not cover it."""
    reserved = holds.reserve(tx, admission.ask) if admission.ask is not None else None
    return batches.admit(
        tx,
        admission.batch,
        total=admission.total,
        refused=admission.refused,
        model=admission.model,
        reserved=reserved,
        snapshot=admission.snapshot,
        faults=admission.faults,
    )


async def discard(house: House, batch: str) -> None:
    """Take away what was prepared for a batch that never came to be."""
    while not await house.write(batches.discard, batch):
        pass


def _text(metadata: dict[str, str]) -> str:
    return msgspec.json.encode(metadata).decode()
