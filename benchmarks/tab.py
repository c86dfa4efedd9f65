#!/usr/bin/env python3
"""From the TAB key to the completed word on the screen, in real shells on a pseudo-terminal.

Usage: tab.py [ROUNDS]   (default 20)
Two lines are completed: a command, and a model among all that are known. The figure is the median
in milliseconds; bash --norc, zsh -f and fish --no-config with only nexctl's script loaded.
Goals: 2 ms in bash and fish, 4 ms in zsh.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "completions"
LINES = (("nexctl profile rem", b"ove"), ("nexctl profile add x --model nex-reas", b"oning"))
SHELLS = {
    "bash": (["bash", "--norc", "-i"], f"source '{SCRIPTS}/nexctl.bash'", 2.0),
    "zsh": (
        ["zsh", "-f", "-i"],
        f"fpath=('{SCRIPTS}' $fpath); autoload -Uz compinit; compinit -u -D",
        4.0,
    ),
    "fish": (["fish", "--no-config", "-i"], f"source '{SCRIPTS}/nexctl.fish'", 2.0),
}


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, command: list[str], home: str) -> None:
        self.child, self.master = pty.fork()
        if self.child == 0:
            kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
            os.execvpe(command[0], command, {**kept, "HOME": home, "TERM": "xterm", "PS1": "$ "})

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, wanted: bytes, seconds: float = 5.0) -> bool:
        """Read until `wanted` is on the screen; False where it does not come."""
        seen = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    seen += os.read(self.master, 65_536)
                except OSError:
                    return False
                if wanted in re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()=>][A-Z0-9]?", b"", seen):
                    return True
        return False

    def settle(self, quiet: float = 0.05) -> None:
        """Read until nothing comes for `quiet` seconds."""
        while select.select([self.master], [], [], quiet)[0]:
            try:
                os.read(self.master, 65_536)
            except OSError:
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.master)


def measure(shell: str, rounds: int) -> dict[str, float]:
    """Median milliseconds of each line; infinity where a completion never came."""
    command, setup, _goal = SHELLS[shell]
    with tempfile.TemporaryDirectory() as home:
        terminal = Terminal(command, home)
        try:
            terminal.settle(0.5)
            terminal.send(setup + "\r")
            terminal.settle(0.5)
            found = {}
            for line, rest in LINES:
                taken = []
                for round_ in range(rounds + 2):
                    terminal.send(line)
                    terminal.settle()
                    began = time.perf_counter()
                    terminal.send("\t")
                    if not terminal.until(rest):
                        taken = [float("inf")]
                        break
                    if round_ >= 2:
                        taken.append((time.perf_counter() - began) * 1000)
                    terminal.settle()
                    terminal.send("\x15")
                    terminal.settle()
                found[line] = statistics.median(taken)
            return found
        finally:
            terminal.close()


def main(arguments: list[str]) -> int:
    rounds = int(arguments[0]) if arguments else 20
    missed = False
    for shell, (_command, _setup, goal) in SHELLS.items():
        if shutil.which(shell) is None:
            print(f"skipped: needs {shell}")
            continue
        for line, milliseconds in measure(shell, rounds).items():
            verdict = "ok" if milliseconds <= goal else "MISSED"
            missed = missed or milliseconds > goal
            print(f"{shell:5} {milliseconds:7.2f} ms  goal {goal:.0f} ms {verdict}  {line}<TAB>")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
