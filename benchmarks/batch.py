"""Batch files of any size: check, quote and shard through the installed program.

The yardsticks in the same run, over the same file: `jq -c .`, which only parses and prints, and a
plain loop of the standard library that parses each line and remembers its custom_id. `MB/cpu s`
counts the time of all processors, which a busy machine does not change. Memory is the largest of
any one process (`ru_maxrss`). Run it by `sh dev bench batch [LINES]`.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.throughput import paragraphs

LINES = 20_000
BYTES_A_LINE = 2_000

STDLIB = """
import json, sys
seen = set()
for line in open(sys.argv[1], encoding="utf-8"):
    value = json.loads(line)
    assert value["custom_id"] not in seen
    seen.add(value["custom_id"])
print(len(seen))
"""

# The program, telling at its end its own largest size and that of the processes it started.
WATCHED = """
import atexit, os, resource, sys
def tell():
    own, others = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    sizes = [resource.getrusage(who).ru_maxrss for who in (own, others)]
    with open(os.environ["PEAKS"], "w") as out:
        out.write(" ".join(map(str, sizes)))
parent = os.getpid()
atexit.register(lambda: tell() if os.getpid() == parent else None)
from nexctl.__main__ import main
sys.exit(main())
"""


def write_lines(path: Path, lines: int) -> int:
    """Write a batch file of real text, about 2 KB a line; return its bytes."""
    parts = paragraphs()
    with path.open("w", encoding="utf-8") as stream:
        for number in range(lines):
            text = ""
            at = number
            while len(text) < BYTES_A_LINE - 200:
                text += parts[at % len(parts)] + "\n\n"
                at += 7
            body = {
                "model": "gpt-4o-mini",
                "messages": [{"role": "user", "content": text[: BYTES_A_LINE - 200]}],
                "max_completion_tokens": 200,
            }
            line = {
                "custom_id": f"request-{number:09d}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            stream.write(json.dumps(line) + "\n")
    return path.stat().st_size


def timed(command: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock, and of all processors, of a command with all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    took = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 7):
        raise SystemExit(f"{command}: exit {done.returncode}: {done.stderr.decode()[-800:]}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str]) -> int:
    """Print MB/s and the peak of each, and how they compare."""
    lines = int(arguments[0]) if arguments else LINES
    with tempfile.TemporaryDirectory(prefix="nexctl-bench-") as name:
        folder = Path(name)
        path = folder / "requests.jsonl"
        size = write_lines(path, lines)
        print(f"{lines:,} lines, {size / 1e6:,.0f} MB, {os.cpu_count()} processors")
        environ = {
            **os.environ,
            "NEXCTL_CONFIG_DIR": str(folder / "home"),
            # A port that nobody listens on: sharding is done, then the upload fails (exit 7).
            "NEXCTL_BASE_URL": "http://127.0.0.1:9",
            "NEXCTL_DRIVER": "openai",
            "NEXCTL_API_KEY": "none",
            "NEXCTL_BOOK": "openai",
        }
        nexctl = [sys.executable, "-c", WATCHED, "batch"]
        runs = {
            "stdlib json loop": [sys.executable, "-c", STDLIB, str(path)],
            "nexctl batch check": [*nexctl, "check", str(path)],
            "nexctl batch quote": [*nexctl, "quote", str(path)],
            "nexctl batch submit (check, quote, shard)": [
                *(*nexctl, "submit", str(path), "--yes"),
                *("--timeout", "1"),
            ],
        }
        if shutil.which("jq"):
            runs = {"jq -c .": ["jq", "-c", ".", str(path)], **runs}
        peaks = folder / "peaks"
        environ["PEAKS"] = str(peaks)
        print(f"{'':42} {'MB/s':>7} {'MB/cpu s':>9} {'seconds':>8}  MB of the largest process")
        for label, command in runs.items():
            peaks.unlink(missing_ok=True)
            took, worked = timed(command, environ)
            peak = max(map(int, peaks.read_text().split())) // 1000 if peaks.exists() else ""
            shutil.rmtree(folder / "home", ignore_errors=True)
            rate, each = size / 1e6 / took, size / 1e6 / worked
            print(f"{label:42} {rate:7.1f} {each:9.1f} {took:8.1f}  {peak}", flush=True)
    return 0
