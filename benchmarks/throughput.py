"""Bulk counting, end to end: JSONL requests and plain text through the installed program.

The yardstick in the same run is a plain loop over the same file: `json.loads` and tiktoken's
`encode_ordinary` on the message text, without framing, prices or errors. Run it by
`sh dev bench throughput [MEGABYTES]`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

NEXCTL = Path(sys.executable).with_name("nexctl")

YARDSTICK = """
import json, sys
from nexctl.tokens.bpe.table import open_table
import tiktoken
table = open_table("o200k_base")
encoding = tiktoken.Encoding(
    "o200k", pat_str=sys.argv[2], mergeable_ranks=table.ranks(), special_tokens={}
)
total = 0
for line in open(sys.argv[1], encoding="utf-8"):
    for message in json.loads(line)["messages"]:
        total += len(encoding.encode_ordinary(message["content"]))
print(total)
"""


TOKENCOST = """
import json, sys, tokencost
print(sum(
    tokencost.count_message_tokens(json.loads(line)["messages"], "gpt-4o")
    for line in open(sys.argv[1], encoding="utf-8")
))
"""


def paragraphs(seed: int = 7) -> list[str]:
    """Real text of this machine: the standard library's sources and documentation strings."""
    found: list[str] = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [part for part in text.split("\n\n") if 200 < len(part) < 8000]
    random.Random(seed).shuffle(found)
    return found


def write_requests(path: Path, megabytes: int) -> int:
    """Write chat requests of about 8 KB each; return the bytes."""
    parts = paragraphs()
    chooser = random.Random(11)
    size = 0
    with path.open("w", encoding="utf-8") as stream:
        while size < megabytes << 20:
            system, user = ("\n\n".join(chooser.sample(parts, 5)) for _ in "12")
            request = {
                "model": "gpt-4o",
                "max_tokens": 500,
                "messages": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": user},
                ],
            }
            size += stream.write(json.dumps(request, ensure_ascii=False) + "\n")
    return path.stat().st_size


def timed(command: list[str]) -> tuple[float, str]:
    """Return wall seconds and standard output."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def main(arguments: list[str]) -> None:
    """Print MB/s and the ratio to the yardstick."""
    from benchmarks.startup import fill_tiktoken_cache
    from nexctl.tokens.bpe.bulk import PATTERNS

    megabytes = int(arguments[0]) if arguments else 128
    with tempfile.TemporaryDirectory() as folder:
        fill_tiktoken_cache(folder)
        requests = Path(folder) / "requests.jsonl"
        small = Path(folder) / "small.jsonl"
        size = write_requests(requests, megabytes) / 1e6
        small_size = write_requests(small, max(8, megabytes // 8)) / 1e6
        text = Path(folder) / "text.md"
        text.write_text("\n\n".join(paragraphs()) * max(1, megabytes // 8), encoding="utf-8")
        text_size = text.stat().st_size / 1e6
        slow, _ = timed([sys.executable, "-c", YARDSTICK, str(small), PATTERNS["o200k_base"]])
        base = small_size / slow
        print(f"tiktoken in a loop, 1 process          {base:8.1f} MB/s   1.0x")
        for rival, command in (
            ("ttok", [sys.executable, "-m", "ttok", "-m", "gpt-4o", "-i", str(small)]),
            ("tokencost", [sys.executable, "-c", TOKENCOST, str(small)]),
        ):
            if find_spec(rival) is None:
                print(f"skipped: needs {rival}")
                continue
            took, _ = timed(command)
            rate = small_size / took
            print(f"{rival + ', 1 process':<38} {rate:8.1f} MB/s {rate / base:5.1f}x")
        for label, path, amount, options in (
            ("estimate JSONL, gpt-4o", requests, size, ["-m", "gpt-4o"]),
            ("estimate JSONL, nex-pro", requests, size, ["-m", "nex-pro"]),
            ("estimate text, gpt-4o", text, text_size, ["-m", "gpt-4o"]),
            ("estimate text, nex-pro", text, text_size, ["-m", "nex-pro"]),
        ):
            took, out = timed([str(NEXCTL), "estimate", str(path), "-o", "json", *options])
            tokens = json.loads(out)["data"]["estimates"][0]["input_tokens"]
            print(
                f"{label:<38} {amount / took:8.1f} MB/s {amount / took / base:5.1f}x"
                f"   {tokens:,} tokens of {amount:.0f} MB"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
