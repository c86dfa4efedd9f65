#!/usr/bin/env python3
"""How long commands take before they do anything, as ratios to `python -c pass` in one run.

Usage: startup.py [ROUNDS]   (default 21)
Each round starts every program once, in random order; the figure is the median of the rounds'
ratios. The compared tools are taken where they are importable, and named where they are not.
Goals: --version and --help 1.3, a leaf 7, estimate of a 10 KB file 7 and at least 4 times faster
than ttok, tiktoken and tokencost.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

GOALS = {
    "nexctl --version": 1.3,
    "nexctl --help": 1.3,
    "nexctl config path": 7.0,
    "nexctl estimate": 7.0,
}
TIKTOKEN = """
import sys, tiktoken
print(len(tiktoken.get_encoding("o200k_base").encode(open(sys.argv[1]).read())))
"""
TOKENCOST = """
import sys, tokencost
print(tokencost.calculate_prompt_cost(open(sys.argv[1]).read(), "gpt-4o"))
"""
VOCABULARIES = "https://openaipublic.blob.core.windows.net/encodings/{0}.tiktoken"


def prompt(folder: str) -> str:
    """A prompt of 10 KB in ordinary words."""
    path = os.path.join(folder, "prompt.md")
    sentence = (
        "Answer the customer politely, name the order {0}, and offer a refund of {0}.5 EUR.\n"
    )
    text = "".join(sentence.format(number) for number in range(200))[:10_000]
    Path(path).write_text(text, encoding="utf-8")
    return path


def fill_tiktoken_cache(folder: str) -> None:
    """Give tiktoken its vocabularies from the tables carried here, byte for byte: no download.

    tiktoken checks their SHA-256 and would fetch a file that is wrong.
    """
    from base64 import b64encode
    from hashlib import sha1

    from nexctl.tokens.bpe.table import open_table

    for name in ("o200k_base", "cl100k_base"):
        ranks = sorted(open_table(name).ranks().items(), key=lambda item: item[1])
        lines = b"".join(b64encode(piece) + b" %d\n" % rank for piece, rank in ranks)
        key = sha1(VOCABULARIES.format(name).encode()).hexdigest()
        Path(folder, key).write_bytes(lines)
    os.environ["TIKTOKEN_CACHE_DIR"] = folder


def program() -> list[str]:
    """The installed console script, else the module."""
    beside = Path(sys.executable).with_name("nexctl")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("nexctl")
    return [found] if found else [sys.executable, "-m", "nexctl"]


def candidates(file: str) -> dict[str, list[str]]:
    nexctl = program()
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import typer'": [sys.executable, "-c", "import typer"],
        "nexctl --version": [*nexctl, "--version"],
        "nexctl --help": [*nexctl, "--help"],
        "nexctl config path": [*nexctl, "config", "path"],
        "nexctl estimate": [*nexctl, "estimate", file],
    }
    if find_spec("ttok"):
        found["ttok"] = [sys.executable, "-m", "ttok", "-i", file]
    if find_spec("tiktoken"):
        found["tiktoken o200k"] = [sys.executable, "-c", TIKTOKEN, file]
    if find_spec("tokencost"):
        found["tokencost"] = [sys.executable, "-c", TOKENCOST, file]
    for name, key in (("ttok", "ttok"), ("tiktoken", "tiktoken o200k"), ("tokencost",) * 2):
        if key not in found:
            print(f"skipped: needs {name}")
    return found


def run_once(command: list[str], null: int) -> tuple[float, int]:
    """Wall seconds and exit code of one process with its streams on /dev/null."""
    streams = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1, 2)]
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment(), file_actions=streams)
    _, status = os.waitpid(child, 0)
    return time.perf_counter() - began, os.waitstatus_to_exitcode(status)


def environment() -> dict[str, str]:
    """This one, but with compiled modules kept, as an installed program has them."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE",)}


def main(arguments: list[str]) -> int:
    rounds = int(arguments[0]) if arguments else 21
    with tempfile.TemporaryDirectory() as folder:
        commands = candidates(prompt(folder))
        fill_tiktoken_cache(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for name, command in list(commands.items()):
            _, code = run_once(command, null)
            if code != 0:
                print(f"skipped: {name} ended with {code}")
                del commands[name]
        ratios: dict[str, list[float]] = {name: [] for name in commands}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            names = list(commands)
            random.shuffle(names)
            took = {name: run_once(commands[name], null)[0] for name in names}
            for name in names:
                seconds[name].append(took[name])
                ratios[name].append(took[name] / took["python -c pass"])
        os.close(null)
    missed = []
    for name, values in ratios.items():
        ratio = statistics.median(values)
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"goal {goal}x {'ok' if ratio <= goal else 'MISSED'}"
        if goal is not None and ratio > goal:
            missed.append(name)
        milliseconds = statistics.median(seconds[name]) * 1000
        print(f"{name:26} {ratio:7.2f}x {milliseconds:9.1f} ms  {verdict}".rstrip())
    for rival in ("ttok", "tiktoken o200k", "tokencost"):
        if rival in seconds and "nexctl estimate" in seconds:
            pairs = zip(seconds[rival], seconds["nexctl estimate"], strict=True)
            faster = statistics.median(theirs / ours for theirs, ours in pairs)
            print(f"estimate is {faster:.1f} times faster than {rival} (goal 4)")
            if faster < 4:
                missed.append(rival)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
