#!/usr/bin/env python3
"""What the gateway adds to a chat: latency and requests a second beside a plain application.

Usage: gateway.py [SECONDS]   (default 4, for each measurement)
Both run under uvicorn, each in a process of its own, called in turn over keep-alive connections by
one process, in one run. The plain application answers the same bytes and does nothing else; the
gateway answers from echo with its real ledger on this disk (SQLite, two commits a request, plan
without an RPM limit). Latencies are medians in milliseconds; "added" is the difference.
Goals: at most 2.5 ms added under 8 saturating clients, at most 1 ms for one, at least 1,500
requests a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 3
TEXT = "Summarise the order in one sentence and name the customer politely, please."
BODY = {"model": "nex-pro", "messages": [{"role": "user", "content": TEXT}]}
BOUNDED = {**BODY, "max_tokens": 256}
CUSTOMER_UNITS = 10_000 * 10**9
GOALS = {"added8": 2.5, "added1": 1.0, "rate": 1500}


def plain_application() -> Any:
    """Reads the body, answers a completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": TEXT},
        "finish_reason": "stop",
    }
    answer = json.dumps(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


def serve_plain() -> None:
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(plain_application(), log_config=None, access_log=False, ws="none")
    uvicorn.Server(config).run(sockets=[listening])


def serve_gateway(folder: str) -> None:
    from nexctl.server.serve import Terms, serve

    secrets = _Secrets(json.loads(Path(folder, "secrets.json").read_text()))
    place = os.path.join(folder, "gateway", "ledger.sqlite")
    serve(place, secrets, Terms(port=0), ready=lambda url: print(url, flush=True))


class _Secrets(dict[str, str]):
    def set(self, name: str, value: str) -> None:
        self[name] = value


def make_gateway(folder: str, upstream: str | None = None) -> str:
    """Make a gateway with a full wallet, before echo or an upstream; return its key."""
    from nexctl.pricing import books
    from nexctl.server import bootstrap

    secrets = _Secrets()
    place = os.path.join(folder, "gateway", "ledger.sqlite")
    made = bootstrap.create(
        place,
        secrets,
        book=books.load("nextoken"),
        plan="enterprise",
        semantic_cache=False,
        upstream=None if upstream is None else bootstrap.Upstream(upstream, allow_private=True),
    )
    house = bootstrap.open_house(place, secrets)
    house.ledger.adjust(made.customer, CUSTOMER_UNITS, note="benchmark", by="benchmark")
    house.ledger.close()
    Path(folder, "secrets.json").write_text(json.dumps(secrets))
    return made.management_key


@contextlib.contextmanager
def started(*arguments: str) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def _client(port: int, raw: bytes, until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < until:
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head + await reader.read(500))
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - begun)
    writer.close()


def measure(
    url: str, key: str, body: Any, clients: int, seconds: float
) -> tuple[float, float, float]:
    """(requests a second, median ms, 99th percentile ms)."""
    raw = json.dumps(body).encode()
    host = url.removeprefix("http://")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
    ).encode()
    took: list[float] = []

    async def work() -> None:
        until = time.perf_counter() + seconds
        port = int(host.rpartition(":")[2])
        await asyncio.gather(*(_client(port, head + raw, until, took) for _ in range(clients)))

    begun = time.perf_counter()
    asyncio.run(work())
    spent = time.perf_counter() - begun
    took.sort()
    return len(took) / spent, statistics.median(took) * 1000, took[len(took) * 99 // 100] * 1000


def main(arguments: list[str]) -> None:
    seconds = float(arguments[0]) if arguments else 4.0
    with tempfile.TemporaryDirectory(dir=os.environ.get("NEXCTL_BENCH_DIR")) as folder:
        key = make_gateway(folder)
        with started("--plain") as plain, started("--gateway", folder) as gateway:
            for url in (plain, gateway):
                measure(url, key, BODY, 8, 0.5)
            print(
                f"one flush of this disk: {flush_ms(folder):.2f} ms; load {os.getloadavg()[0]:.1f}"
            )
            _table(plain, gateway, key, seconds / ROUNDS)
        _prove(folder)


def flush_ms(folder: str) -> float:
    """What one flush of this disk takes just now: two of them are in every request alone."""
    with open(os.path.join(folder, "flushed"), "wb", buffering=0) as stream:
        took = []
        for _ in range(200):
            stream.write(b"x" * 4096)
            begun = time.perf_counter()
            os.fdatasync(stream.fileno())
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


def _table(plain: str, gateway: str, key: str, seconds: float) -> None:
    print(
        f"{'clients':>8} {'request':<14} {'plain/s':>8} {'p50':>6} {'gateway/s':>10} {'p50':>6}"
        f" {'p99':>7} {'added ms':>9}"
    )
    for clients in (8, 1):
        for name, body in (("bounded", BOUNDED), ("no max_tokens", BODY)):
            base, over = [], []
            for _ in range(ROUNDS):
                base.append(measure(plain, key, body, clients, seconds))
                over.append(measure(gateway, key, body, clients, seconds))
            mid = [statistics.median(column) for column in zip(*base, strict=True)]
            top = [statistics.median(column) for column in zip(*over, strict=True)]
            added = statistics.median(o[1] - b[1] for b, o in zip(base, over, strict=True))
            goal = GOALS[f"added{clients}"]
            good = added <= goal and (clients == 1 or top[0] >= GOALS["rate"])
            print(
                f"{clients:>8} {name:<14} {mid[0]:>8,.0f} {mid[1]:>6.2f} {top[0]:>10,.0f}"
                f" {top[1]:>6.2f} {top[2]:>7.2f} {added:>9.2f}  {'ok' if good else 'MISSED'}",
                flush=True,
            )


def _prove(folder: str) -> None:
    """The ledger of everything that was served, proved."""
    from nexctl.server import bootstrap
    from nexctl.server.ledger import verify

    secrets = _Secrets(json.loads(Path(folder, "secrets.json").read_text()))
    house = bootstrap.open_house(os.path.join(folder, "gateway", "ledger.sqlite"), secrets)
    report = verify.verify(house.ledger)
    print(f"ledger: {len(report.violations)} violations")
    house.ledger.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        serve_plain()
    elif sys.argv[1:2] == ["--gateway"]:
        serve_gateway(sys.argv[2])
    else:
        main(sys.argv[1:])
