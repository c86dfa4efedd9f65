#!/usr/bin/env python3
"""Run every check of the project, one after the other, and say which failed.

Usage: check.py [--fast] [PYTEST-ARGUMENT...]   `--fast` leaves the tests out.
A check that exits 77 could not run because this machine lacks what it says it needs. With
NEXCTL_REQUIRE_TOOLS=1 that, and a test that skips for a missing tool, is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
REQUIRE_TOOLS = os.environ.get("NEXCTL_REQUIRE_TOOLS") == "1"
COULD_NOT_RUN = 77

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("lint", [str(BIN / "ruff"), "check", "."]),
    ("format", [str(BIN / "ruff"), "format", "--check", "."]),
    ("types", [str(BIN / "mypy")]),
    ("floors", [str(BIN / "lint-imports")]),
    ("changelog fragments", [sys.executable, "scripts/changelog.py", "--check"]),
    ("no float on money", [sys.executable, "scripts/lint_money.py"]),
)


def generators() -> list[tuple[str, list[str]]]:
    """Every generator proves that what is checked in is what it would write."""
    return [
        (f"drift: {script.stem}", [sys.executable, str(script), "--check"])
        for script in sorted((ROOT / "scripts").glob("build_*.py"))
    ]


def run(name: str, command: list[str]) -> bool:
    """Run one check with its output shown; return whether it passed."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    took = time.monotonic() - started
    skipped = done.returncode == COULD_NOT_RUN and not REQUIRE_TOOLS
    word = "ok  " if done.returncode == 0 else "skip" if skipped else "FAIL"
    print(f"{word} {name} ({took:.1f} s)", file=sys.stderr, flush=True)
    return done.returncode == 0 or skipped


def main(arguments: list[str]) -> int:
    """Run lint, types, floors, drift checks and the tests; return 0 only where all passed."""
    fast = "--fast" in arguments
    rest = [argument for argument in arguments if argument != "--fast"]
    checks = [*CHECKS, *generators()]
    if not fast:
        workers = str(min(4, os.cpu_count() or 1))
        checks.append(("tests", [sys.executable, "-m", "pytest", "-n", workers, "-rs", *rest]))
    failed = [name for name, command in checks if not run(name, command)]
    print(
        "all checks passed" if not failed else f"failed: {', '.join(failed)}",
        file=sys.stderr,
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
