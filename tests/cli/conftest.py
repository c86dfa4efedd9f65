"""What the tests of the command line share: running it in this process, and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from nexctl.cli.context import App
from nexctl.cli.run import run


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def nexctl(own_home: object) -> Callable[..., Done]:
    """Run a command line in this process: `nexctl("config", "path", tty=True)`."""

    def call(*argv: str, **double: object) -> Done:
        environ = {**os.environ, **(double.pop("env", None) or {})}  # type: ignore[dict-item]
        app = App.double(environ=environ, **double)  # type: ignore[arg-type]
        code = run(argv, app)
        assert app.out is not None
        assert app.err is not None
        return Done(code, app.out.getvalue(), app.err.getvalue())  # type: ignore[attr-defined]

    return call


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as a process of its own; keyword arguments go to subprocess.run."""

    def call(*argv: str, **options: object) -> subprocess.CompletedProcess[str]:
        options.setdefault("capture_output", True)
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "nexctl", *argv], text=True, check=False, timeout=60, **options
        )

    return call


def _load_build_cli() -> None:
    """Let tests import scripts/build_cli.py under the name `scripts_build_cli`."""
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "scripts/build_cli.py"
    spec = importlib.util.spec_from_file_location("scripts_build_cli", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scripts_build_cli"] = module
    sys.path.append(str(path.parent))
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))


_load_build_cli()
