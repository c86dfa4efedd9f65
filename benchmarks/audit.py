#!/usr/bin/env python3
"""The audit beside merely parsing the same file, beside genai-prices; memory; planted faults.

Usage: audit.py [ROWS]        (default 300000)
       audit.py --size ROWS    (10000000: some minutes, 9 GB of disk)
In one run, for JSONL and for CSV: the file is parsed by the same parser over as many processes,
then audited, in turn, the best of three each. Times are processor seconds of all processes, for
other programs share this machine; wall time is printed beside them. Rows a second over two cores
are counted as if both were free: what the parent does alone, and half of what its workers do.
genai-prices prices the first rows one by one on one core. The audit must find what was planted and
nothing else.
With --size large files are only checked: every kind of fault, drifts and gaps too, in a JSONL by
its book's own reading, in a CSV by the other one, and a file without any.
Goals: at most 2x the parse, at least 20x the rows a second of genai-prices, at most 200 MB resident
in any process.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.usage_data import GAP, ROW_FAULTS, Made, Shape, write, write_large
from nexctl.tokens import pool
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.readers import blocks
from nexctl.usage.reading import open_export

PROCESSES = 2
ROUNDS = 3
GENAI_ROWS = 5_000
DRIFT_ROWS = 5_000
GOALS = {"ratio": 2.0, "genai": 20.0, "memory": 200}

_reader: list[blocks.Reader] = []


def begin(source: blocks.Source) -> None:
    import gc

    gc.disable()
    _reader[:] = [blocks.Reader(source)]


def parse_block(block: blocks.Block) -> int:
    (reader,) = _reader
    return len(reader.parse(blocks.read(reader.source, block)))


def parse(path: Path) -> int:
    """Rows of a file, parsed and nothing else."""
    source = blocks.source_of(open_export(str(path)), path.name)
    pieces = list(blocks.cut(source))
    found = pool.in_order(pieces, parse_block, (), PROCESSES, begin, (source,))
    return sum(rows for _, rows in found)


class Measured(NamedTuple):
    """Processor seconds of this process and of its workers, wall seconds, and the result."""

    own: float
    workers: float
    wall: float
    result: Any

    @property
    def processor(self) -> float:
        return self.own + self.workers

    @property
    def over_cores(self) -> float:
        """Seconds where each worker has a core of its own."""
        return self.own + self.workers / PROCESSES


def measured(work: Callable[[], Any]) -> Measured:
    before, start = os.times(), time.perf_counter()
    result = work()
    wall, after = time.perf_counter() - start, os.times()
    spent = [b - a for a, b in zip(before[:4], after[:4], strict=True)]
    return Measured(spent[0] + spent[1], spent[2] + spent[3], wall, result)


def checked(made: Made) -> str:
    report = audit(Task(str(made.path), made.path.name, Shelf(), processes=PROCESSES))
    found = Counter((one.rule, one.row) for one in (*report.findings, *report.notes))
    told = Counter(made.truth)
    if found == told:
        return f"all {len(made.truth)} planted faults found, nothing else"
    return f"DIFFERS: extra {sorted(found - told)[:5]}, missing {sorted(told - found)[:5]}"


def genai_rate(path: Path) -> float:
    """Rows a second of genai-prices, one call for each row."""
    from genai_prices import Usage, calc_price

    rows = [row for row, _ in zip(open_export(str(path)).rows(), range(GENAI_ROWS), strict=False)]
    start = time.process_time()
    for row in rows:
        usage = Usage(input_tokens=row.input_tokens or 0, output_tokens=row.output_tokens or 0)
        price = calc_price(usage, model_ref="gpt-4o-mini", provider_id="openai")
        _ = str(price.total_price) == row.charge
    return len(rows) / (time.process_time() - start)


def measure(made: Made, rows: int) -> bool:
    path = made.path
    parses, audits = [], []
    for _ in range(ROUNDS):
        parses.append(measured(lambda: parse(path)))
        audits.append(measured(lambda: checked(made)))
    parsed = min(parses, key=lambda one: one.processor)
    audited = min(audits, key=lambda one: one.processor)
    ratio = audited.processor / parsed.processor
    rate = rows / audited.over_cores
    theirs = genai_rate(path)
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(
        f"{path.suffix[1:]:6} {rows:,} rows, {path.stat().st_size >> 20} MB\n"
        f"  parse  {parsed.processor:6.2f} s processor, {parsed.wall:6.2f} s wall\n"
        f"  audit  {audited.processor:6.2f} s processor, {audited.wall:6.2f} s wall\n"
        f"  ratio  {ratio:6.2f}   (goal: at most {GOALS['ratio']})\n"
        f"  {rate:,.0f} rows a second over {PROCESSES} cores, genai-prices {theirs:,.0f}: "
        f"{rate / theirs:.0f}x (goal: at least {GOALS['genai']:.0f}x)\n"
        f"  resident {mine} MB here, {workers} MB in a worker "
        f"(goal: at most {GOALS['memory']} MB)\n"
        f"  {audited.result}",
        flush=True,
    )
    return (
        ratio <= GOALS["ratio"]
        and rate / theirs >= GOALS["genai"]
        and max(mine, workers) <= GOALS["memory"]
        and "DIFFERS" not in audited.result
    )


EVERY_FAULT = (*ROW_FAULTS, GAP)
SEGMENT = 50_000


def at_size(rows: int) -> bool:
    """Whether large files give what was planted in them and nothing else, in little memory."""
    good = True
    with tempfile.TemporaryDirectory(prefix="nexctl-audit-") as folder:
        for name, shape in (
            ("own.jsonl", Shape(SEGMENT, "nextoken", faults=EVERY_FAULT, drift=True)),
            ("other.csv", Shape(SEGMENT, "openai", other_reading=True, faults=EVERY_FAULT)),
            ("clean.jsonl", Shape(SEGMENT, "nextoken")),
        ):
            made = write_large(Path(folder, name), rows, shape._replace(drift_rows=DRIFT_ROWS))
            verdict = checked(made)
            good = good and "DIFFERS" not in verdict
            print(f"{name}, {rows:,} rows, {made.path.stat().st_size >> 20} MB: {verdict}")
            made.path.unlink()
    memory = max(
        resource.getrusage(who).ru_maxrss >> 10
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"resident at most {memory} MB in a process (goal: at most {GOALS['memory']} MB)")
    return good and memory <= GOALS["memory"]


def main(arguments: list[str]) -> int:
    """Measure; 1 where a goal is missed."""
    if arguments[:1] == ["--size"]:
        return 0 if at_size(int(arguments[1])) else 1
    rows = int(arguments[0]) if arguments else 300_000
    good = True
    with tempfile.TemporaryDirectory(prefix="nexctl-audit-") as folder:
        for kind in ("jsonl", "csv"):
            shape = Shape(rows, "nextoken", customers=1, faults=ROW_FAULTS, each=1)
            made = write(Path(folder, f"usage.{kind}"), shape)
            good = measure(made, rows) and good
            made.path.unlink()
        for book in ("nexrelay", "deeptoken", "openai", "anthropic"):
            for other in (False, True):
                shape = Shape(rows // 10, book, customers=1, other_reading=other)
                shape = shape._replace(faults=EVERY_FAULT, drift=True, drift_rows=DRIFT_ROWS)
                made = write(Path(folder, "usage.jsonl"), shape)
                reading = "the other reading" if other else "its own reading"
                verdict = checked(made)
                good = good and "DIFFERS" not in verdict
                print(f"{book}, {reading}: {verdict}", flush=True)
    print("every goal met" if good else "a goal was missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
