"""The lint rule that keeps floating point away from money finds what it should, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "lint_money.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "line",
    ["price = 0.1", "x = float('1')", "y = 3 / 2", "def f(a: float): ...", "z = round(x, 2)"],
)
def test_floating_point_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "room.py"
    file.write_text(f"import os\n{line}\n")
    done = run(str(file))
    assert done.returncode == 1
    assert f"{file}:2:" in done.stdout


@pytest.mark.parametrize(
    "line", ["x = 3 // 2", "s = '0.1'", "seconds = 0.5  # not money: a pause between polls"]
)
def test_integers_and_excused_lines_pass(tmp_path: Path, line: str) -> None:
    file = tmp_path / "room.py"
    file.write_text(line + "\n")
    assert run(str(file)).returncode == 0


def test_the_money_rooms_are_free_of_it() -> None:
    done = run()
    assert done.returncode == 0, done.stdout
