"""An export from recorded pages against the plain ways of doing it, in one run.

- `export`: what `nexctl usage export` does with a page: decode, check numbers, order and sums,
  guard, write, hash, journal; to a file on this disk, fsynced, with its manifest;
- `msgspec + csv.writer`: decode by msgspec, guard the text cells, `csv.writer`, and nothing else;
- `json + csv.writer`: the same by the standard library alone.

All three write the same 43 columns of the same pages. Limits: at least 0.9 x the second, faster
than the third, and at most 64 MB of resident memory. A page is recorded once and its sequences are
moved on for each use, which costs all three the same. Time is processor time, so that a busy
machine does not decide.

Run it by `sh dev bench export [ROWS [ROUNDS]]`; 5,000,000 rows take some minutes.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ROWS = 200_000
PAGE = 1000
RECORDED = 40
LEAST, MOST_MB = 0.9, 64
FIRST = b"7001"
WAYS = ("export", "msgspec + csv.writer", "json + csv.writer")
RATES = {
    "input": {"price": "0.10", "per": 1_000_000, "factor": "1"},
    "cached_input": {"price": "0.10", "per": 1_000_000, "factor": "0.5"},
    "output": {"price": "0.40", "per": 1_000_000, "factor": "1"},
}


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--worker"]:
        worker(arguments[1], int(arguments[2]), arguments[3], arguments[4])
        return
    rows = int(arguments[0]) if arguments else ROWS
    rounds = int(arguments[1]) if len(arguments) > 1 else 1 if rows > 1_000_000 else 3
    with tempfile.TemporaryDirectory(prefix="nexctl-export-") as folder:
        pages = os.path.join(folder, "pages.json")
        record(pages)
        best: dict[str, tuple[float, float, str]] = {}
        for _ in range(rounds):
            for way in WAYS:
                found = run(way, rows, pages, folder)
                if way not in best or found[0] < best[way][0]:
                    best[way] = found
    report(best, rows)


def report(best: dict[str, tuple[float, float, str]], rows: int) -> None:
    seconds = {way: found[0] for way, found in best.items()}
    print(f"{rows:,} rows of 43 columns from {PAGE:,}-row pages, best of the rounds")
    for way in WAYS:
        print(f"  {way:22} {rows / seconds[way] / 1000:7.0f} krows/s  {best[way][1]:5.0f} MB")
    plain = seconds[WAYS[1]] / seconds["export"]
    standard = seconds[WAYS[2]] / seconds["export"]
    memory = best["export"][1]
    print(f"  export is {plain:.2f} x msgspec + csv.writer (at least {LEAST})")
    print(f"  export is {standard:.2f} x json + csv.writer (at least 1)")
    print(f"  export keeps {memory:.0f} MB (at most {MOST_MB})")
    sums = {found[2] for found in best.values()}
    if plain < LEAST or standard < 1 or memory > MOST_MB or len(sums) != 1:
        raise SystemExit(f"a limit does not hold; sums: {sums}")


def run(way: str, rows: int, pages: str, folder: str) -> tuple[float, float, str]:
    """Seconds, megabytes and the sum of one way, in a process of its own."""
    target = os.path.join(folder, "out.csv")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.export", "--worker", way, str(rows), pages, target],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, memory, total = done.stdout.split()
    os.unlink(target)
    return float(seconds), float(memory), total


def worker(way: str, rows: int, pages: str, target: str) -> None:
    began = time.process_time()
    total = {WAYS[0]: exported, WAYS[1]: by_msgspec, WAYS[2]: by_json}[way](pages, rows, target)
    seconds = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, memory, total)


# the three ways ----------------------------------------------------------------------------------


def exported(pages: str, rows: int, target: str) -> str:
    from nexctl.usage.export.run import Ask, to_file
    from nexctl.usage.export.window import Filters, Window

    given = replayed(pages, rows)

    class Pages:
        def page(self, cursor: str | None, after: int | None) -> bytes:
            return next(given)

        def ledger(self, after: int, **window: Any) -> None:
            return None

    window = Window("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    manifest = to_file(Ask("nextoken", "cus_1", window, Filters()), Pages(), target)
    assert manifest["rows"] == rows
    return str(manifest["sums"]["USD"])


def by_msgspec(pages: str, rows: int, target: str) -> str:
    from decimal import Decimal

    import msgspec

    from nexctl.safety.sheets import guard
    from nexctl.usage.columns import COLUMNS, NAMES
    from nexctl.usage.export.pages import Page

    texts = [i for i, column in enumerate(COLUMNS) if column.kind == "text"]
    objects = [i for i, column in enumerate(COLUMNS) if column.kind == "json"]
    truths = [i for i, column in enumerate(COLUMNS) if column.kind == "truth"]
    charge, total = NAMES.index("charge"), Decimal(0)
    decode, cells_of = msgspec.json.Decoder(Page).decode, msgspec.structs.astuple
    with open(target, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(NAMES)
        for raw in replayed(pages, rows):
            for row in decode(raw).data:
                cells = list(cells_of(row))
                for i in texts:
                    if cells[i] is not None:
                        cells[i] = guard(cells[i])
                for i in objects:
                    cells[i] = bytes(cells[i]).decode()
                for i in truths:
                    cells[i] = "true" if cells[i] else "false"
                writer.writerow(cells)
                total += Decimal(cells[charge])
    return f"{total:f}"


def by_json(pages: str, rows: int, target: str) -> str:
    from decimal import Decimal

    from nexctl.safety.sheets import guard
    from nexctl.usage.columns import COLUMNS, NAMES

    total = Decimal(0)
    text = {column.name for column in COLUMNS if column.kind == "text"}
    with open(target, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(NAMES)
        for raw in replayed(pages, rows):
            for row in json.loads(raw)["data"]:
                cells = []
                for name in NAMES:
                    value = row[name]
                    if value is None:
                        cells.append("")
                    elif name in text:
                        cells.append(guard(value))
                    elif isinstance(value, dict):
                        cells.append(json.dumps(value))
                    elif isinstance(value, bool):
                        cells.append("true" if value else "false")
                    else:
                        cells.append(value)
                writer.writerow(cells)
                total += Decimal(row["charge"])
    return f"{total:f}"


# pages -------------------------------------------------------------------------------------------


def replayed(path: str, rows: int) -> Iterator[bytes]:
    """Pages with `rows` records: the recorded ones over and over, their sequences going on."""
    left, number = rows, 0
    with open(path, "rb") as stream:
        while left > 0:
            line = stream.readline()
            if not line:
                stream.seek(0)
                number += 1
                continue
            left -= PAGE
            first = str(int(FIRST) + number).encode()
            page, last = line[:-9], line[-9:-1]
            page = page.replace(b'"sequence":' + FIRST, b'"sequence":' + first)
            cursor = b"null" if left <= 0 else b'"' + first + last + b'"'
            yield page.replace(b'"CURSOR"', cursor)


def record(path: str) -> None:
    """Write the pages: one a line, with what real records vary in."""
    chance = random.Random(11)
    keys = [(f"key_{n:08x}", f"team {n}") for n in range(60)]
    models = ["nex-pro", "nex-coder", "nex-reasoning", "gpt-4o-mini", "claude-sonnet"]
    balance, number = 10**15, 0
    with open(path, "wb") as stream:
        for _ in range(RECORDED):
            data = []
            for _ in range(PAGE):
                key, model = chance.choice(keys), chance.choice(models)
                given, made = chance.randrange(20_000), chance.randrange(4_000)
                charge = given * 100 + made * 400
                balance -= charge
                data.append(recorded(chance, number, key, model, given, made, charge, balance))
                number += 1
            page = {"data": data, "closed": True, "next_cursor": "CURSOR"}
            body = json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()
            # The last sequence stands behind the page, for the cursor.
            stream.write(body + f"{number - 1:08d}\n".encode())


def recorded(
    chance: random.Random,
    number: int,
    key: tuple[str, str],
    model: str,
    given: int,
    made: int,
    charge: int,
    balance: int,
) -> dict[str, Any]:
    second = number % 86_400
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return {
        "created_at": f"2026-10-{number % 28 + 1:02d}T{clock}.{chance.randrange(10**6):06d}Z",
        "request_id": f"nexctl-{chance.getrandbits(96):024x}",
        "gateway": "nextoken",
        "customer_id": "cus_5dgyfa01njkvtksjrjhzzdwm",
        "org_id": None,
        "project": None,
        "member_id": None,
        "key_id": key[0],
        "key_name": key[1],
        "parent_key_id": None,
        "labels": {"team": f"t{number % 7}"},
        "endpoint": "/v1/chat/completions",
        "model_requested": model,
        "model_served": model,
        "provider": "echo",
        "status": "ok",
        "requests": 1,
        "input_tokens": given,
        "cached_input_tokens": given // 3,
        "cache_write_tokens": 0,
        "output_tokens": made,
        "reasoning_tokens": 0,
        "images": 0,
        "videos": 0,
        "seconds": 0,
        "gpu_seconds": 0,
        "semantic_cache_hit": False,
        "batch_id": None,
        "rate_input": "0.1",
        "rate_cached_input": "0.1",
        "rate_output": "0.4",
        "rates": RATES,
        "multiplier": "1",
        "tier": None,
        "charge": amount(charge),
        "currency": "USD",
        "credits": None,
        "balance_delta": "-" + amount(charge),
        "balance_after": amount(balance),
        "sequence": int(FIRST.decode() + f"{number:08d}"),
        "price_book": "nextoken@2026-11-20",
        "latency_ms": chance.randrange(9_000),
        "ttft_ms": chance.randrange(900),
    }


def amount(nano: int) -> str:
    text = f"{nano // 10**9}.{nano % 10**9:09d}".rstrip("0")
    return text.removesuffix(".")


if __name__ == "__main__":
    main(sys.argv[1:])
