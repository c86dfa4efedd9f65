"""An audit from end to end: sample, infer, check block by block, then what needs the whole file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from nexctl.errors import UsageError
from nexctl.usage.audit import infer, repeats
from nexctl.usage.audit.check import Checker
from nexctl.usage.audit.gather import NO_CHARGE, Gathered
from nexctl.usage.audit.prices import Pricing, Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.terms import Finding, Reading, Rounding
from nexctl.usage.audit.verdict import file_findings, report
from nexctl.usage.readers import blocks
from nexctl.usage.readers.blocks import Block, Reader, Source, Unclear
from nexctl.usage.readers.numbers import amounts
from nexctl.usage.reading import Row, open_export

SAMPLE_ROWS = 1_000
SAMPLE_BLOCKS = 12
SAMPLE_BYTES = 1536 * 1024
# Below this a second process costs more than it saves.
PARALLEL_FROM_BYTES = 8 * 1024 * 1024


NEEDED = (("charge", "what was billed"), ("created_at", "when it was asked for"))


class Task(NamedTuple):
    """What is audited and how.

    name    how messages call the file
    grain   request, or day where a row stands for many requests
    step    a rounding that the source is known to have, in pico
    says    sentences of the source's reader for the report
    """

    path: str
    name: str
    shelf: Shelf
    batch_id: str | None = None
    processes: int = 1
    grain: str = "request"
    step: int | None = None
    says: tuple[str, ...] = ()
    spill: str | None = None


class Rules(NamedTuple):
    """What a worker needs; `own_` is what the books say, `disputed` those whose vendor says it."""

    source: Source
    shelf: Shelf
    readings: dict[str, Reading]
    roundings: dict[str, Rounding]
    own_readings: dict[str, Reading]
    own_roundings: dict[str, Rounding]
    disputed: frozenset[str]
    spill: str
    buckets: int
    gaps: bool
    by_day: bool

    @property
    def differs(self) -> bool:
        """Whether the file is read otherwise than its books say."""
        return (self.readings, self.roundings) != (self.own_readings, self.own_roundings)


def audit(task: Task, progress: Callable[[int], None] | None = None) -> Report:
    """Audit an export in CSV or JSONL with nexctl's columns.

    UsageError (exit 2) naming file and line where it is malformed. `progress` is told bytes.
    """
    export = open_export(task.path)
    source = blocks.source_of(export, task.name, task.batch_id)
    for column, holds in NEEDED:
        if source.kind == "csv" and column not in source.header:
            raise UsageError(
                f"{task.name}: it has no column {column!r}",
                hint=f"--map {column}=COLUMN names the one that holds {holds}",
                code="malformed",
            )
    pieces = list(blocks.cut(source))
    by_day = task.grain == "day"
    sample = () if by_day else _sample(source, pieces)
    inferred = infer.infer(task.shelf, sample, step=task.step)
    spill = repeats.Spill(_about(source, pieces), task.spill)
    try:
        others = None if task.batch_id else _others(export.manifest)
        rules = _rules(task, source, inferred, spill, others is not None)
        reader = Reader(source)
        gathered = Gathered(lambda block, index: _row_at(reader, block, index), others)
        processes = _processes(task, source)
        _mine.clear()
        _begin(rules)
        left_out = _run(rules, pieces, reader, gathered, processes, progress)
        _find_repeats(rules, spill, left_out, gathered, processes)
    finally:
        spill.close()
    gathered.fold_drift()
    file_findings(gathered, inferred)
    return report(task, gathered, inferred)


def _about(source: Source, pieces: list[Block]) -> int:
    """About how many rows the file has, by its first block."""
    if not pieces:
        return 0
    first = blocks.read(source, pieces[0])
    return first.count(b"\n") * len(pieces)


def _processes(task: Task, source: Source) -> int:
    import multiprocessing

    # Hashes are compared between processes, so they must share one seed, as forked ones do.
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return task.processes if os.path.getsize(source.path) >= PARALLEL_FROM_BYTES else 1


def _rules(
    task: Task,
    source: Source,
    inferred: dict[str, infer.Inferred],
    spill: repeats.Spill,
    gaps: bool,
) -> Rules:
    own_readings, own_roundings = {}, {}
    for name, found in inferred.items():
        kept = found.reading
        for field, rule in infer.READING_RULES:
            if found.stated(rule):
                kept = kept._replace(**{field: getattr(found.own_reading, field)})
        own_readings[name] = kept
        # What another rounding comes to is told also where nobody states the book's; but then of
        # the rounding alone.
        said = infer.stated_rounding(found.book) or not found.reread
        own_roundings[name] = found.own_rounding if said else found.rounding
    return Rules(
        source,
        task.shelf,
        {name: found.reading for name, found in inferred.items()},
        {name: found.rounding for name, found in inferred.items()},
        own_readings,
        own_roundings,
        frozenset(name for name, found in inferred.items() if found.disputed),
        spill.path,
        spill.buckets,
        gaps,
        task.grain == "day",
    )


def _others(manifest: dict[str, Any] | None) -> frozenset[int] | None:
    """The sequences of the ledger's other entries, as the manifest lists them.

    None where a gap says nothing: a filtered file, or one whose manifest does not list them all.
    """
    if manifest is None or manifest.get("unfiltered") is not True:
        return None
    listed = manifest.get("other_entries")
    if not isinstance(listed, dict) or listed.get("complete") is not True:
        return None
    found: set[int] = set()
    for first, last in listed.get("sequences", ()):
        found.update(range(first, last + 1))
    return frozenset(found)


# --- the sample ----------------------------------------------------------------------------------


def _sample(source: Source, pieces: list[Block]) -> Iterator[tuple[Row, int]]:
    """Rows from all over the file; what cannot be read here is told by the full pass."""
    reader = Reader(source)
    every = max(1, len(pieces) // SAMPLE_BLOCKS)
    chosen = pieces[::every]
    each = max(1, SAMPLE_ROWS // max(1, len(chosen)))
    size = SAMPLE_BYTES // max(1, len(chosen))
    for block in chosen:
        data = blocks.read(source, block._replace(length=min(block.length, size)))
        end = data.rfind(b"\n") + 1
        if block.length > len(data):
            data = data[:end]
        try:
            batch = reader.batch(data)
            billed = amounts(batch.charge) if batch.count else []
        except (Unclear, ValueError):
            continue
        for index in range(0, batch.count, max(1, -(-batch.count // each))):
            if batch.charge[index] is not None:
                try:
                    row = batch.detail(index)
                except (msgspec.DecodeError, ValueError):
                    continue
                yield row, billed[index]


# --- the pass over the file ----------------------------------------------------------------------


def _run(
    rules: Rules,
    pieces: list[Block],
    reader: Reader,
    gathered: Gathered,
    processes: int,
    progress: Callable[[int], None] | None,
) -> set[int]:
    """Check every block; returns the blocks whose hashes do not count."""
    left_out: set[int] = set()
    pending: list[Block] = []
    for block, result in _spread(rules, pieces, _work, processes):
        if pending or result is None:
            pending.append(block)
            left_out.add(block.number)
            whole = Block(
                len(pieces) + block.number, pending[0].offset, sum(one.length for one in pending)
            )
            data = blocks.read(rules.source, whole)
            if rules.source.kind == "csv" and data.count(b'"') & 1 and block is not pieces[-1]:
                continue
            block, result = whole, _work(whole)
            pending = []
            if result is None:
                first = blocks.line_at(rules.source, whole.offset)
                reader.careful(data, first)
                raise UsageError(
                    f"{rules.source.name}, from line {first} on: this cannot be read",
                    hint="the file was changed or cut; export it again",
                    code="malformed",
                )
        gathered.add(block, result)
        if progress:
            progress(block.length)
    return left_out


def _spread(
    rules: Rules, items: list[Any], work: Callable[[Any], Any], processes: int
) -> Iterator[tuple[Any, Any]]:
    """Each item with its result, in order: here, or in processes where there is enough to do."""
    if processes <= 1 or len(items) < 4:
        for item in items:
            yield item, work(item)
        return
    from nexctl.tokens import pool

    # The first is done here: the plans that it needed are there already when processes fork.
    yield items[0], work(items[0])
    yield from pool.in_order(items[1:], work, (), processes, _begin_worker, (rules,))


def _find_repeats(
    rules: Rules, spill: repeats.Spill, left_out: set[int], gathered: Gathered, processes: int
) -> None:
    """Read the blocks again that hold suspicious hashes, and compare the rows themselves."""
    by_row = {one.row: one for one in gathered.kept if one.rule not in NO_CHARGE}
    for suspects in spill.suspects(left_out):
        seen: dict[tuple[Any, Any, Any], int] = {}
        others = repeats.Others()
        chosen = [pair for pair in gathered.bases if pair[0].number in suspects]
        asked = [(block, suspects[block.number]) for block, _ in chosen]
        for (_, base), (_, rows) in zip(
            chosen, _spread(rules, asked, _again, processes), strict=True
        ):
            for index, row in rows:
                place = base + index + 1
                key = (row.customer_id, row.request_id, repeats.content(row))
                first = seen.setdefault(key, place)
                if first != place:
                    _put_repeat(gathered, row, place, first, by_row)
                elif row.charge is not None:
                    others.add(place, row, amounts([row.charge])[0])
        for finding in others.suspicious():
            # Whatever else is wrong with a row is certain.
            if finding.row not in by_row:
                gathered.put(finding)


def _put_repeat(
    gathered: Gathered, row: Row, place: int, first: int, by_row: dict[int, Finding]
) -> None:
    billed = amounts([row.charge])[0]
    if billed <= 0:
        return
    before = by_row.pop(place, None)
    if before is None and gathered.cut:
        before = _mine[0].checker.alone(row, place, billed)
    if before is not None:
        gathered.take_back(before)
    elif (told := _mine[0].checker.by_the_book(row, place, billed)) is not None:
        key, wanted = told
        gathered.take_out(key, billed, wanted)
    gathered.put(
        Finding(
            "duplicate",
            "error",
            place,
            row.request_id,
            billed,
            0,
            f"the same request with the same counts and charge is billed in row {first} already",
            currency=row.currency,
            model=row.model_served or row.model_requested,
            created_at=row.created_at,
            customer_id=row.customer_id,
        )
    )


def _row_at(reader: Reader, block: Block, index: int) -> Row:
    return reader.batch(blocks.read(reader.source, block)).detail(index)


# --- what runs in a worker -----------------------------------------------------------------------


class _Mine(NamedTuple):
    source: Source
    reader: Reader
    checker: Checker
    writer: repeats.Writer


_mine: list[_Mine] = []


def _begin(rules: Rules) -> None:
    reader = Reader(rules.source)
    pricing = Pricing(rules.shelf, rules.readings, rules.roundings, by_day=rules.by_day)
    reference = None
    if rules.differs:
        reference = Pricing(rules.shelf, rules.own_readings, rules.own_roundings)
    known = reader.known
    checker = Checker(
        pricing,
        reference,
        known,
        disputed=rules.disputed,
        debits=rules.source.batch_id is not None,
        gaps=rules.gaps,
    )
    _mine[:] = [_Mine(rules.source, reader, checker, repeats.Writer(rules.spill, rules.buckets))]


def _begin_worker(rules: Rules) -> None:
    import gc

    from nexctl.tokens import pool

    pool.leave_the_interrupt()
    gc.disable()
    if not _mine:
        _begin(rules)


def _work(block: Block) -> dict[str, Any] | None:
    """A block's result; None where it needs the careful reader, or ends within a cell."""
    (mine,) = _mine
    try:
        batch = mine.reader.batch(blocks.read(mine.source, block))
        result = mine.checker.check(batch)
    except (Unclear, ValueError):
        return None
    mine.writer.add(block.number, repeats.hashes(batch.customer, batch.request))
    return result


def _again(asked: tuple[Block, set[int]]) -> list[tuple[int, Row]]:
    """The rows of a block whose hashes are wanted, with their places in it."""
    (mine,) = _mine
    block, wanted = asked
    batch = mine.reader.batch(blocks.read(mine.source, block))
    return [
        (index, batch.detail(index))
        for index, pair in enumerate(zip(batch.customer, batch.request, strict=True))
        if pair[1] and repeats.hash_of(*pair) in wanted
    ]
