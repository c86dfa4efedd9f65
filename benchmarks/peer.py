#!/usr/bin/env python3
"""What nexctl's gateway and another gateway add to one chat on the same upstream, in one run.

Usage: peer.py UPSTREAM_URL PEER_URL PEER_KEY [MODEL [SECONDS]]
UPSTREAM_URL is an OpenAI-compatible server (with /v1), PEER_URL (without /v1) a gateway that runs
in front of it, such as LiteLLM with its database. Three are called in turn: the upstream itself,
the peer, and a nexctl gateway made for this run (SQLite on this disk, real ledger). Latencies are
medians in milliseconds; "added" is the difference to the upstream itself.
Goal: LiteLLM adds at least 10 times as much.
"""

from __future__ import annotations

import os
import statistics
import tempfile

from benchmarks.gateway import TEXT, make_gateway, measure, started

ROUNDS = 3


def main(arguments: list[str]) -> None:
    if len(arguments) < 3:
        print("peer: left out; it needs UPSTREAM_URL PEER_URL PEER_KEY [MODEL [SECONDS]]")
        return
    upstream, peer, peer_key = arguments[:3]
    model = arguments[3] if arguments[3:] else "gpt-4o-mini"
    seconds = float(arguments[4]) if arguments[4:] else 2.0
    body = {"model": model, "messages": [{"role": "user", "content": TEXT}], "max_tokens": 64}
    bare = upstream.removesuffix("/").removesuffix("/v1")
    with tempfile.TemporaryDirectory(dir=os.environ.get("NEXCTL_BENCH_DIR")) as folder:
        key = make_gateway(folder, bare + "/v1")
        with started("--gateway", folder) as ours:
            places = {"upstream": (bare, "x"), "peer": (peer, peer_key), "nexctl": (ours, key)}
            for url, bearer in places.values():
                measure(url, bearer, body, 1, 0.5)
            for clients in (1, 8):
                _compare(places, body, clients, seconds)


def _compare(
    places: dict[str, tuple[str, str]], body: dict[str, object], clients: int, seconds: float
) -> None:
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in places}
    for _ in range(ROUNDS):
        for name, (url, bearer) in places.items():
            found[name].append(measure(url, bearer, body, clients, seconds))
    mid = {name: statistics.median(row[1] for row in rows) for name, rows in found.items()}
    rate = {name: statistics.median(row[0] for row in rows) for name, rows in found.items()}
    added = {name: mid[name] - mid["upstream"] for name in ("peer", "nexctl")}
    print(f"{clients} client(s), median of {ROUNDS} rounds of {seconds:g} s")
    for name in places:
        more = f"  added {added[name]:7.2f} ms" if name in added else ""
        print(f"  {name:9} {rate[name]:7.0f}/s  p50 {mid[name]:7.2f} ms{more}", flush=True)
    ratio = added["peer"] / added["nexctl"]
    print(f"  the peer adds {ratio:.1f} times as much  {'ok' if ratio >= 10 else 'MISSED'}")
