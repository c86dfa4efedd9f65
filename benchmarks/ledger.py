"""The ledger against a bare loop of the same rows in the same two commits, on this disk.

The bare loop is sqlite3 alone: the same tables and indexes, the same inserts and updates, BEGIN
IMMEDIATE, WAL, synchronous=FULL and SQLite's own busy handler; no guards, no triggers, no hashes,
nothing read. One request is a reserve and a settle. Compared in one run, in turns:

- 8 processes inline (the command line) with 8 bare processes, and the longest wait of anybody;
- the executors of `serve` with 8 clients with one bare thread.

Run it by `sh dev bench ledger [SECONDS [ROUNDS [FOLDER]]]` on a real disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

CLIENTS = 8
CUSTOMER = "cus_bench"
MONEY = 10**15
BODY = b"b" * 32
RECORD = {
    "endpoint": "/v1/chat/completions",
    "model_requested": "nex-pro",
    "provider": "echo",
    "gateway": "nextoken",
    "key_name": "ci",
    "latency_ms": 412,
    "ttft_ms": 87,
    "price_book": "nextoken@2026-11-20",
    "labels": {"team": "search"},
}


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--worker"]:
        worker(*arguments[1:])
        return
    seconds = arguments[0] if arguments else "3"
    rounds = int(arguments[1]) if len(arguments) > 1 else 5
    folder = tempfile.mkdtemp(prefix="nexctl-ledger-", dir=arguments[2] if arguments[2:] else None)
    try:
        report(folder, seconds, rounds)
    finally:
        shutil.rmtree(folder)


def report(folder: str, seconds: str, rounds: int) -> None:
    found: dict[str, list[float]] = {}
    waits: dict[str, float] = {}
    for turn in range(rounds):
        for name in ("bare 8", "inline 8", "bare 1", "thread 8", "loop 8"):
            place = os.path.join(folder, f"{turn}-{name.replace(' ', '-')}.db")
            kind, _, clients = name.partition(" ")
            rate, wait = measured(place, kind, int(clients), seconds)
            found.setdefault(name, []).append(rate)
            waits[name] = max(waits.get(name, 0), wait)
            if kind != "bare":
                check(place)
            for left in os.listdir(folder):
                os.unlink(os.path.join(folder, left))
    print(f"requests (reserve + settle) per second, median of {rounds} rounds of {seconds} s")
    for name, rates in found.items():
        print(
            f"  {name:9} {statistics.median(rates):8.0f}   ({min(rates):.0f} .. {max(rates):.0f})"
            f"   longest wait {waits[name] * 1000:7.1f} ms"
        )
    for name, yardstick in (
        ("inline 8", "bare 8"),
        ("inline 8", "bare 1"),
        ("thread 8", "bare 1"),
        ("loop 8", "bare 1"),
    ):
        pairs = [a / b for a, b in zip(found[name], found[yardstick], strict=True)]
        print(
            f"  {name} / {yardstick}: {statistics.median(pairs):.2f}"
            f"   ({min(pairs):.2f} .. {max(pairs):.2f})"
        )


def measured(place: str, kind: str, clients: int, seconds: str) -> tuple[float, float]:
    """(requests per second of all clients, the longest that one of them waited in seconds)."""
    if kind == "bare":
        bare_database(place)
    else:
        ledger_database(place)
    if kind in ("thread", "loop"):
        told = [run([kind, place, "0", seconds])]
    else:
        processes = [start([kind, place, str(number), seconds]) for number in range(clients)]
        for process in processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        told = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return sum(one["rate"] for one in told), max(one["wait"] for one in told)


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ledger", "--worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(arguments: list[str]) -> dict[str, float]:
    process = start(arguments)
    assert process.stdout is not None
    process.stdout.readline()
    return json.loads(process.communicate("go\n")[0].splitlines()[-1])


def check(place: str) -> None:
    """0 violations, or the figures mean nothing."""
    from nexctl.server.ledger.main import open_ledger
    from nexctl.server.ledger.verify import verify

    with open_ledger(place, anchor_key=BODY) as ledger:
        proof = verify(ledger)
        assert proof.clean, proof.violations[:3]


def worker(kind: str, place: str, number: str, seconds: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    jobs = {"bare": bare, "inline": inline, "thread": grouped, "loop": grouped}
    count, wait, spent = jobs[kind](kind, place, int(number), float(seconds))
    print(json.dumps({"rate": count / spent, "wait": wait}), flush=True)


# the bare loop --------------------------------------------------------------------------------


def bare_database(place: str) -> None:
    from nexctl.server.ledger import schema

    raw = bare_connection(place)
    for statement in schema.statements("sqlite"):
        if not statement.startswith("CREATE TRIGGER"):
            raw.execute(statement)
    raw.execute(
        "INSERT INTO customers (id, name, state, labels, policy, created_at) "
        "VALUES (?,'bench','active','{}','{}',0)",
        (CUSTOMER,),
    )
    raw.execute(
        "INSERT INTO wallets (id, customer_id, name, currency, scale, state, balance, held, debt, "
        "lifetime, seq, head, mac, last_at, next_expiry, created_at) "
        "VALUES (?,?,'main','USD',9,'active',?,0,0,0,1,?,?,0,0,0)",
        (CUSTOMER, CUSTOMER, MONEY, BODY, BODY),
    )
    raw.execute(
        "INSERT INTO lots VALUES (?,1,'paid',50,?,?,0,NULL,0,0,1)", (CUSTOMER, MONEY, MONEY)
    )
    raw.execute("INSERT INTO price_snapshots VALUES ('x','{}')")
    raw.close()


def bare_connection(place: str) -> sqlite3.Connection:
    raw = sqlite3.connect(place, isolation_level=None, timeout=30, cached_statements=256)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        raw.execute(f"PRAGMA {pragma}")
    return raw


def bare(_: str, place: str, number: int, seconds: float) -> tuple[int, float, float]:
    raw = bare_connection(place)
    run = raw.execute
    record = json.dumps({**RECORD, "usage": {"input": 900, "output": 300, "request": 1}})
    facts = json.dumps(
        {"usage": {"floor": {"input": 900}, "held": {"input": 950}}, "record": RECORD}
    )
    count, longest = 0, 0.0
    began = time.perf_counter()
    end = began + seconds
    while (now := time.perf_counter()) < end:
        count += 1
        run("BEGIN IMMEDIATE")
        (hold,) = run(
            "INSERT INTO holds (customer_id, wallet, request_id, body_hash, key_id, parent_id, "
            "model, state, amount, layers, owner, created_at, snapshot, floor, facts, rule, "
            "deadline) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) RETURNING id",
            (
                CUSTOMER,
                CUSTOMER,
                f"{number}-{count}",
                BODY,
                "key_1",
                None,
                "nex-pro",
                "dispatched",
                2000,
                "[]",
                "owner",
                count,
                "x",
                900,
                facts,
                "floor",
                count,
            ),
        ).fetchone()
        run("UPDATE wallets SET held=held+? WHERE id=?", (2000, CUSTOMER))
        run("COMMIT")
        middle = time.perf_counter()
        longest = max(longest, middle - now)
        run("BEGIN IMMEDIATE")
        run("UPDATE lots SET remaining=remaining-? WHERE wallet=? AND lot=?", (1500, CUSTOMER, 1))
        (seq,) = run(
            "UPDATE wallets SET balance=balance-?, held=held-?, debt=?, lifetime=?, seq=seq+1, "
            "head=?, mac=?, last_at=?, next_expiry=? WHERE id=? RETURNING seq",
            (1500, 2000, 0, 0, BODY, BODY, count, 2**62, CUSTOMER),
        ).fetchone()
        run(
            "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?)",
            (CUSTOMER, seq, count, "usage", -1500, MONEY, f"{number}-{count}", None, None, BODY),
        )
        run(
            "INSERT INTO postings VALUES (?,?,?,?,?,?),(?,?,?,?,?,?)",
            (CUSTOMER, seq, 0, "wallet", 1, -1500, CUSTOMER, seq, 1, "usage", None, 1500),
        )
        run(
            "INSERT INTO usage_records VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                CUSTOMER,
                seq,
                hold,
                count,
                CUSTOMER,
                f"{number}-{count}",
                "key_1",
                "nex-pro",
                "ok",
                1500,
                "x",
                record,
            ),
        )
        run(
            "UPDATE holds SET state='settled', seq=?, closed_at=?, why=? WHERE id=?",
            (seq, count, None, hold),
        )
        run("COMMIT")
        longest = max(longest, time.perf_counter() - middle)
    spent = time.perf_counter() - began
    raw.close()
    return count, longest, spent


# the ledger -----------------------------------------------------------------------------------


def ledger_database(place: str) -> None:
    from nexctl.server.ledger import customers, funds
    from nexctl.server.ledger.main import open_ledger

    with open_ledger(place, create=True, anchor_key=BODY) as ledger:
        ledger.write(customers.create, "bench", currency="USD", id=CUSTOMER)
        ledger.write(funds.topup, CUSTOMER, MONEY, provider="bench")


def asks(number: int) -> Iterator[object]:
    from nexctl.records import Usage
    from nexctl.server.ledger.main import Ledger
    from nexctl.server.ledger.types import Ask

    price = Ledger.snapshot({"price_book": "nextoken", "sha256": "0" * 64, "model": "nex-pro"})
    worst, floor = Usage(950, output=400), Usage(900)
    count = 0
    while True:
        count += 1
        yield Ask(
            CUSTOMER,
            f"{number}-{count}",
            BODY,
            2000,
            "nex-pro",
            price,
            worst,
            "key_1",
            floor=900,
            floor_usage=floor,
            facts=RECORD,
            dispatched=True,
        )


def outcome() -> object:
    from nexctl.records import Usage
    from nexctl.server.ledger.main import Ledger
    from nexctl.server.ledger.types import Outcome

    price = Ledger.snapshot({"price_book": "nextoken", "sha256": "0" * 64, "model": "nex-pro"})
    return Outcome(1500, Usage(900, output=300), price, "ok", "nex-pro", RECORD)


def inline(_: str, place: str, number: int, seconds: float) -> tuple[int, float, float]:
    from nexctl.server.ledger.main import open_ledger

    ledger = open_ledger(place, anchor_key=BODY, timeout=30_000)
    asked, answer = asks(number), outcome()
    count, longest = 0, 0.0
    began = time.perf_counter()
    end = began + seconds
    while (now := time.perf_counter()) < end:
        count += 1
        held = ledger.reserve(next(asked))  # type: ignore[arg-type]
        middle = time.perf_counter()
        ledger.settle(held.hold, answer)  # type: ignore[arg-type]
        longest = max(longest, middle - now, time.perf_counter() - middle)
    spent = time.perf_counter() - began
    ledger.close()
    return count, longest, spent


def grouped(kind: str, place: str, _: int, seconds: float) -> tuple[int, float, float]:
    """Eight coroutines (loop) or eight threads (thread) in one process."""
    from nexctl.server.ledger.main import open_ledger

    ledger = open_ledger(place, mode=kind, anchor_key=BODY)  # type: ignore[arg-type]
    answer = outcome()
    counts, waits = [0] * CLIENTS, [0.0] * CLIENTS
    began = time.perf_counter()
    end = began + seconds

    async def client(number: int) -> None:
        asked = asks(number)
        while (now := time.perf_counter()) < end:
            held = await ledger.reserve_later(next(asked))  # type: ignore[arg-type]
            await ledger.settle_later(held.hold, answer)  # type: ignore[arg-type]
            counts[number] += 1
            waits[number] = max(waits[number], time.perf_counter() - now)

    async def clients() -> None:
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))

    def blocking(number: int) -> None:
        asked = asks(number)
        while (now := time.perf_counter()) < end:
            held = ledger.reserve(next(asked))  # type: ignore[arg-type]
            ledger.settle(held.hold, answer)  # type: ignore[arg-type]
            counts[number] += 1
            waits[number] = max(waits[number], time.perf_counter() - now)

    if kind == "loop":
        asyncio.run(clients())
    else:
        threads = [threading.Thread(target=blocking, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    spent = time.perf_counter() - began
    ledger.close()
    return sum(counts), max(waits), spent


if __name__ == "__main__":
    main(sys.argv[1:])
