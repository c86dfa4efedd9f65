"""One pass over a batch file of any size: every fault, every count, the plan of its batches.

The file is cut at line ends and worked on in several processes, in order. Only sums, faults and one
small record a line come back, so memory does not grow with the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nexctl.batch.ids import Uniqueness, digest_of, wire_id
from nexctl.batch.limits import Target, output_limit
from nexctl.batch.shards import Group, Limits, Planner, Shard
from nexctl.errors import NexctlError, UsageError
from nexctl.estimate import batch_lines
from nexctl.estimate.ask import Ask
from nexctl.estimate.batch_lines import Checked, Fault, Rules
from nexctl.estimate.bulk import PARALLEL_FROM_BYTES, Chunk, chunks
from nexctl.estimate.estimator import Estimator
from nexctl.tokens import framing, pool, registry
from nexctl.wire.faults import told
from nexctl.wire.lines import SERVED

MOST_FAULTS = 10_000
# Any model of whose requests every part can be counted.
SHAPE = "gpt-4o"
BOM = b"\xef\xbb\xbf"

# digest, line in the chunk, offset in the chunk, bytes on the wire, tokens, inputs, group
_RECORD = struct.Struct("<16sIIIIII")


class Terms(NamedTuple):
    """How a file is read: for which target, and what is put into lines that lack it.

    `max_tokens` is stated for lines without a maximum; `ask` prices them (None: not counted).
    """

    target: Target
    split: bool = False
    max_tokens: int | None = None
    ask: Ask | None = None

    @property
    def rules(self) -> Rules:
        """The check of one line as it stands in the file."""
        return self.target.rules(needs_max_output=self.max_tokens is None)


class Scan(NamedTuple):
    """What a file holds. `faults` are at most MOST_FAULTS, `fault_counts` all of them by code.

    `mapped` ids are sent under another name, `verbatim` says that the lines go as they stand;
    `estimator` holds the counts, None where nothing was to be counted.
    """

    name: str
    bytes: int
    requests: int
    groups: dict[Group, int]
    faults: list[Fault]
    fault_counts: dict[str, int]
    mapped: int
    verbatim: bool
    shards: list[Shard]
    estimator: Estimator | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault_counts

    def refuse(self, hint: str = "nexctl batch check lists every fault") -> None:
        """UsageError (exit 2) where something is wrong."""
        if self.ok:
            return
        total = sum(self.fault_counts.values())
        first = self.faults[0]
        more = f" (and {total - 1:,} more)" if total > 1 else ""
        raise UsageError(
            f"{place(self.name, first)}: {first.message}{more}",
            hint=hint,
            code=first.code,
            details={"faults": [fault.as_json() for fault in self.faults[:100]]},
        )


def place(name: str, fault: Fault) -> str:
    """Where a fault is: `requests.jsonl:7`."""
    return name if fault.line is None else f"{name}:{fault.line}"


def scan(
    path: str,
    terms: Terms,
    limits: Limits,
    *,
    name: str | None = None,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
    order: Callable[[int], object] | None = None,
) -> Scan:
    """Read a batch file whole and say everything about it.

    `order` is told the batch number of each line, in file order. UsageError (exit 2) where the file
    cannot be read; what is wrong inside it are faults.
    """
    name = name or path
    try:
        size = os.stat(path).st_size
        gathered = _Gathered(terms, limits, order)
        workers = processes or os.cpu_count() or 1
        for chunk, found in _worked(path, terms, workers if size >= PARALLEL_FROM_BYTES else 1):
            gathered.take(chunk, found)
            if progress is not None:
                progress(chunk.length)
    except OSError as error:
        raise UsageError(
            f"{name}: cannot be read: {error.strerror}", hint="check the path", code="unreadable"
        ) from None
    return gathered.scan(name, size)


def _worked(path: str, terms: Terms, workers: int) -> Iterator[tuple[Chunk, dict[str, Any]]]:
    pieces = chunks(path)
    if workers <= 1:
        _begin(terms)
        for chunk in pieces:
            yield chunk, _work(chunk)
    else:
        yield from pool.in_order(pieces, _work, (), workers, _begin_worker, (terms,))


class _Gathered:
    """Adds up what the workers found, in the order of the file."""

    def __init__(self, terms: Terms, limits: Limits, order: Callable[[int], object] | None) -> None:
        self.terms = terms
        self.planner = Planner(limits)
        self.estimator = Estimator(terms.ask) if terms.ask is not None else None
        self.unique = Uniqueness()
        self.groups: dict[Group, int] = {}
        self.faults: list[Fault] = []
        self.counts: dict[str, int] = {}
        self.same = batch_lines.Sameness(split=terms.split)
        self.order = order
        self.line = self.requests = self.mapped = 0
        self.verbatim = True

    def take(self, chunk: Chunk, found: dict[str, Any]) -> None:
        """Add one chunk."""
        for code, line, message, param in found["faults"]:
            self._keep(Fault(code, line + self.line, message, param))
        for code, times in found["more_faults"].items():
            self.counts[code] = self.counts.get(code, 0) + times
        groups = [Group(*group) for group in found["groups"]]
        alike = self.terms.split or self._alike(groups)
        for record in _RECORD.iter_unpack(found["records"]):
            digest, line, offset, size, tokens, inputs, place_ = record
            group, at = groups[place_], self.line + line
            self.unique.add(digest, at)
            self.groups[group] = self.groups.get(group, 0) + 1
            if not alike:
                for fault in self.same.differs(group.url, group.model, at):
                    self._keep(fault)
            shard = self.planner.add(group, chunk.offset + offset, size, tokens, inputs)
            if self.order is not None:
                self.order(shard.number)
        self.requests += found["requests"]
        self.mapped += found["mapped"]
        self.verbatim = self.verbatim and found["verbatim"]
        self.line += found["lines"]
        if self.estimator is not None:
            self.estimator.merge(found["totals"])

    def scan(self, name: str, size: int) -> Scan:
        """Everything, once all chunks are in."""
        if not self.requests and not self.counts:
            self._keep(Fault("empty_file", None, "it holds no request"))
        for line, first in self.unique.duplicates():
            self._keep(batch_lines.duplicate(None, line, first))
        self.unique.close()
        self.faults.sort(key=lambda fault: fault.line or 0)
        return Scan(
            name,
            size,
            self.requests,
            self.groups,
            self.faults,
            self.counts,
            self.mapped,
            self.verbatim,
            self.planner.shards,
            self.estimator,
        )

    def _alike(self, groups: list[Group]) -> bool:
        """Whether all lines of a chunk are of the file's one endpoint and model."""
        if len(groups) != 1:
            return not groups
        if self.same.url is None:
            self.same.url, self.same.model = groups[0]
        return groups[0] == (self.same.url, self.same.model)

    def _keep(self, fault: Fault) -> None:
        self.counts[fault.code] = self.counts.get(fault.code, 0) + 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)


# --- what runs in a worker -----------------------------------------------------------------------

# This process's terms and estimator, made once by `_begin`.
_mine: list[_Worker] = []


class _Worker:
    """Reads lines with one decoder and one estimator."""

    def __init__(self, terms: Terms) -> None:
        import msgspec

        self.terms = terms
        self.rules = terms.rules
        self.wire = terms.target.wire_rules
        self.decode = msgspec.json.Decoder().decode
        self.encode = msgspec.json.Encoder().encode
        self.estimator = Estimator(terms.ask, bulk=True) if terms.ask is not None else None
        # Without prices a line is read as counting would read it, and nothing is counted.
        shape = registry.choose(SHAPE)
        self.shape = registry.Counter(shape, _Nothing())
        self.most_bytes = terms.target.bytes
        self.bodies = _bodies() if terms.target.name == "nexctl" else {}

    def line(self, raw: bytes, number: int) -> tuple[Checked, bytes, str]:
        """Check one line; its bytes as they are sent, and its id as it is sent."""
        checked = batch_lines.check_line(raw, number, self.rules, self.decode)
        if checked.faults or checked.value is None or checked.custom_id is None:
            return checked, raw, ""
        fault = self._typed(checked, number)
        if fault is not None:
            return checked._replace(faults=(fault,)), raw, ""
        sent_id = wire_id(checked.custom_id, self.wire)
        sent = rewritten(checked.value, sent_id, self.terms.max_tokens)
        if sent is None:
            return checked, raw, sent_id
        return checked._replace(value=sent), self.encode(sent), sent_id

    def _typed(self, checked: Checked, number: int) -> Fault | None:
        """What the gateway would refuse in a line, by the same types that it reads it with."""
        import msgspec

        body = self.bodies.get(checked.url or "")
        if body is None or checked.value is None:
            return None
        try:
            msgspec.convert(checked.value["body"], body)
        except msgspec.ValidationError as error:
            place, words = told(error)
            where = f"body.{place}" if place else "body"
            return Fault("invalid_body", number, f"{where}: {words}", f"{where}")
        return None

    def tokens(self, checked: Checked) -> int:
        """Count a line's request; NexctlError where it cannot be counted or priced."""
        if checked.value is None:
            return 0
        if self.estimator is None:
            body = checked.value["body"]
            framing.answers_of(body)
            framing.count_request(self.shape.choice, body, self.shape, checked.url)
            return 0
        rows = self.estimator.files
        before = sum(row.input_tokens for row in rows.values())
        self.estimator.add_request("", checked.value["body"])
        return sum(row.input_tokens for row in rows.values()) - before


class _Nothing:
    """Counts nothing."""

    def count(self, text: str) -> int:
        return 0


def _bodies() -> dict[str, Any]:
    """The type of a body by its endpoint, as a nexctl gateway reads it."""
    from nexctl.wire import routes

    named = {url: str(routes.BY_NAME[name].request) for url, name in SERVED.items()}
    return {url: routes.type_named(name) for url, name in named.items()}


def rewritten(value: Any, sent_id: str, max_tokens: int | None) -> dict[str, Any] | None:
    """A line as it is sent where that differs from how it stands; None where it does not."""
    body = value["body"]
    url = value["url"]
    states = url in batch_lines.WITHOUT_OUTPUT or any(
        body.get(name) is not None for name in batch_lines.OUTPUT_LIMITS
    )
    if sent_id == value["custom_id"] and (max_tokens is None or states):
        return None
    if max_tokens is not None and not states:
        body = {**body, output_limit(url): max_tokens}
    return {**value, "custom_id": sent_id, "body": body}


def inputs_of(value: Any) -> int:
    """How many embedding inputs a line holds; 0 for other requests."""
    if value["url"] not in batch_lines.WITHOUT_OUTPUT:
        return 0
    given = value["body"].get("input")
    return len(given) if isinstance(given, list) and given and not _is_tokens(given) else 1


def _is_tokens(given: list[Any]) -> bool:
    return type(given[0]) is int


def _begin(terms: Terms) -> None:
    _mine[:] = [_Worker(terms)]


def _begin_worker(terms: Terms) -> None:
    import gc

    pool.leave_the_interrupt()
    gc.disable()
    _begin(terms)


def _work(chunk: Chunk) -> dict[str, Any]:
    """Everything about one chunk as plain values; line numbers are 1-based within it."""
    (worker,) = _mine
    raw = chunk.read()
    faults: list[Fault] = []
    records: list[bytes] = []
    groups: dict[tuple[str, str], int] = {}
    verbatim = not raw or raw.endswith(b"\n")
    mapped = requests = offset = number = 0
    for number, line in enumerate(raw.split(b"\n"), 1):
        start, offset = offset, offset + len(line) + 1
        if number == 1 and chunk.offset == 0 and line.startswith(BOM):
            line, verbatim = line[len(BOM) :], False
        if not line or line.isspace():
            verbatim = verbatim and start == len(raw)
            continue
        requests += 1
        checked, sent, sent_id = worker.line(line, number)
        if checked.faults:
            faults += checked.faults
            continue
        if worker.most_bytes is not None and len(sent) >= worker.most_bytes:
            faults.append(Fault("line_too_large", number, "larger than a whole batch may be"))
            continue
        try:
            tokens = worker.tokens(checked)
        except NexctlError as error:
            message = error.message.removeprefix(": ")
            faults.append(Fault(error.code, number, message, "body"))
            continue
        verbatim = verbatim and sent is line
        mapped += sent_id != checked.custom_id and checked.custom_id is not None
        key = (checked.url or "", checked.model or "")
        at = groups.setdefault(key, len(groups))
        records.append(
            _RECORD.pack(
                digest_of(sent_id), number, start, len(sent) + 1, tokens,
                inputs_of(checked.value), at,
            )
        )  # fmt: skip
    shown, more = faults[:MOST_FAULTS], _counted(faults[MOST_FAULTS:])
    return {
        "lines": raw.count(b"\n"),
        "requests": requests,
        "faults": [tuple(fault) for fault in shown],
        "more_faults": more,
        "records": b"".join(records),
        "groups": list(groups),
        "mapped": mapped,
        "verbatim": verbatim,
        "totals": worker.estimator.take() if worker.estimator is not None else None,
    }


def _counted(faults: list[Fault]) -> dict[str, int]:
    found: dict[str, int] = {}
    for fault in faults:
        found[fault.code] = found.get(fault.code, 0) + 1
    return found
