"""Runs the installed program, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import places

PROGRAM = Path(sys.executable).with_name("nexctl")


class Ran:
    """What one run of the program left: exit code, output, and its JSON where it printed some."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.exit = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    @property
    def data(self) -> Any:
        """`data` of the printed envelope."""
        document = json.loads(self.out)
        assert document["schema"] == 1
        return document["data"]

    @property
    def error(self) -> dict[str, Any]:
        """`error` of the envelope on standard error."""
        return json.loads(self.err)["error"]

    def __repr__(self) -> str:
        return f"exit {self.exit}\n--- out\n{self.out}\n--- err\n{self.err}"


Nexctl = Callable[..., Ran]


@pytest.fixture
def nexctl(tmp_path: Path) -> Nexctl:
    """Run `nexctl ARGS` in the test's folder; stdin is empty unless given."""
    first: list[Ran] = []

    def run(
        *arguments: str | Path,
        stdin: str | bytes = b"",
        cwd: Path | None = None,
        timeout: int = 120,
        **environ: str,
    ) -> Ran:
        words = [*map(str, arguments)]
        if words[:2] == ["gateway", "init"]:
            words += () if "--database" in words else places.option()
        elif places.moved() and not first:
            # `local` would make itself a file with the first command.
            first.append(run("gateway", "init", **environ))
        done = subprocess.run(
            [str(PROGRAM), *words],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=cwd or tmp_path,
            env={**os.environ, **environ},
            timeout=timeout,
            check=False,
        )
        return Ran(done)

    return run
