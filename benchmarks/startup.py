#!/usr/bin/env python3
"""How long commands take before they do anything, as ratios to `python -c pass` in one run.

Usage: startup.py [ROUNDS]   (default 21)
Each round starts every program once, in random order; the figure is the median of the rounds'
ratios. The compared tools are taken where they are importable, and named where they are not.
Goals: --version and --help 1.3, a leaf 7, estimate of a 10 KB file 7 and at least 4 times faster
than ttok, tiktoken and tokencost; a leaf on the embedded gateway in this process 15, a leaf over
HTTP 15, the server's own time (the same request on an open connection) taken off.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

GOALS = {
    "nexctl --version": 1.3,
    "nexctl --help": 1.3,
    "nexctl config path": 7.0,
    "nexctl estimate": 7.0,
    "nexctl wallet show": 15.0,
    "nexctl models list (HTTP)": 15.0,
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


class Served:
    """An embedded gateway in a home of its own, and the same one served over HTTP.

    leaves  name -> (command, variables) of the commands that use it
    """

    def __init__(self, folder: str) -> None:
        self.home = os.path.join(folder, "home")
        os.mkdir(self.home)
        self.nexctl = program()
        inside = {"HOME": self.home, "NEXCTL_KEYRING": "0"}
        made = self._run(inside, "keys", "create", "--name", "bench", "-q")
        self.key = made.strip()
        self._server = subprocess.Popen(
            [*self.nexctl, "gateway", "serve", "--port", "0"],
            env={**environment(), **inside}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._server.stderr is not None
        said = self._server.stderr.readline()
        self.url = said.split(" is served at ")[1].split(" ")[0].strip()
        outside = {
            **inside,
            "NEXCTL_BASE_URL": self.url,
            "NEXCTL_DRIVER": "nexctl",
            "NEXCTL_API_KEY": self.key,
        }
        self.leaves = {
            "nexctl wallet show": ([*self.nexctl, "wallet", "show"], inside),
            "nexctl models list (HTTP)": ([*self.nexctl, "models", "list"], outside),
        }

    def _run(self, more: dict[str, str], *words: str) -> str:
        return subprocess.run(
            [*self.nexctl, *words], env={**environment(), **more}, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip

    def seconds(self) -> float:
        """The server's own time: the request of the HTTP leaf on a connection that is open."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        taken = []
        for _ in range(21):
            began = time.perf_counter()
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {self.key}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            taken.append(time.perf_counter() - began)
        connection.close()
        return statistics.median(taken)

    def close(self) -> None:
        self._server.send_signal(signal.SIGTERM)
        self._server.wait(60)
        if self._server.stderr is not None:
            self._server.stderr.close()


@contextlib.contextmanager
def served(folder: str) -> Iterator[Served]:
    found = Served(folder)
    try:
        yield found
    finally:
        found.close()


def run_once(
    command: list[str], null: int, more: dict[str, str] | None = None
) -> tuple[float, int]:
    """Wall seconds and exit code of one process with its streams on /dev/null."""
    streams = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1, 2)]
    began = time.perf_counter()
    child = os.posix_spawn(
        command[0], command, {**environment(), **(more or {})}, file_actions=streams
    )
    _, status = os.waitpid(child, 0)
    return time.perf_counter() - began, os.waitstatus_to_exitcode(status)


def environment() -> dict[str, str]:
    """This one, but with compiled modules kept, as an installed program has them."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE",)}


def main(arguments: list[str]) -> int:
    rounds = int(arguments[0]) if arguments else 21
    with tempfile.TemporaryDirectory() as folder, served(folder) as gateway:
        plain = {name: (command, {}) for name, command in candidates(prompt(folder)).items()}
        commands: dict[str, tuple[list[str], dict[str, str]]] = {**plain, **gateway.leaves}
        fill_tiktoken_cache(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for name, command in list(commands.items()):
            _, code = run_once(command[0], null, command[1])
            if code != 0:
                print(f"skipped: {name} ended with {code}")
                del commands[name]
        ratios: dict[str, list[float]] = {name: [] for name in commands}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            names = list(commands)
            random.shuffle(names)
            took = {name: run_once(commands[name][0], null, commands[name][1])[0] for name in names}
            if "nexctl models list (HTTP)" in took:
                took["nexctl models list (HTTP)"] -= gateway.seconds()
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
