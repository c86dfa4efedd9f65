#!/usr/bin/env python3
"""What a call to an upstream costs: our connections beside httpcore's pool, in one run.

Usage: upstream.py [CALLS]   (default 400, by each caller)
Both call one plain application, which runs in a process of its own, in turn; processor
microseconds of this process for each call, the least of 3 rounds. Goal: at most half of httpcore's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.gateway import started

ROUNDS = 3
BODY = b'{"model":"m","messages":[{"role":"user","content":"Hello"}],"max_tokens":64}'
PATH = "/v1/chat/completions"
Call = Callable[[], Awaitable[None]]


def main(arguments: list[str]) -> None:
    calls = int(arguments[0]) if arguments else 400
    with started("--plain") as url:
        for callers in (1, 8):
            found = {name: _least(make, url, callers, calls) for name, make in _WAYS.items()}
            ratio = found["ours"] / found["httpcore"]
            shown = ", ".join(f"{name} {took:.0f} us" for name, took in found.items())
            print(f"{callers} caller(s): {shown} a call: {ratio:.2f}", end="")
            print(f" of httpcore's  {'ok' if ratio <= 0.5 else 'MISSED'}", flush=True)


def _least(make: Callable[[str], tuple[Call, Any]], url: str, callers: int, calls: int) -> float:
    async def work() -> float:
        call, close = make(url)

        async def caller() -> None:
            for _ in range(calls):
                await call()

        await call()
        begun = time.process_time()
        await asyncio.gather(*(caller() for _ in range(callers)))
        took = time.process_time() - begun
        await close()
        return took / callers / calls * 1e6

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return min(runner.run(work()) for _ in range(ROUNDS))


def _ours(url: str) -> tuple[Call, Any]:
    from nexctl.server.providers.addresses import place_of
    from nexctl.server.providers.connections import Connections

    place = place_of(url, allow_private=True, local=True)
    kept = Connections(place, [("content-type", "application/json")], allow_private=True)

    async def call() -> None:
        answer = await kept.post(PATH, BODY)
        async for _ in answer.pieces():
            pass
        answer.release()

    async def close() -> None:
        kept.close()

    return call, close


def _httpcore(url: str) -> tuple[Call, Any]:
    import httpcore

    pool = httpcore.AsyncConnectionPool(max_connections=1000, max_keepalive_connections=100)
    headers = {"content-type": "application/json", "content-length": str(len(BODY))}
    times = dict.fromkeys(("connect", "read", "write", "pool"), 10.0)

    async def call() -> None:
        await pool.request(
            "POST", url + PATH, headers=headers, content=BODY, extensions={"timeout": times}
        )

    return call, pool.aclose


_WAYS = {"ours": _ours, "httpcore": _httpcore}
