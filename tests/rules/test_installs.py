"""The built wheel in clean folders, by pip, pipx and uv, on every Python that starts here.

Slow, and the packages it needs come from an index: run with `-m slow`.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nexctl._version import __version__
from tests.rules.test_packaging import build

pytestmark = pytest.mark.slow

LATER = tuple(f"3.{minor}" for minor in range(12, 16))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def python_of(version: str) -> str | None:
    """An interpreter of that version that starts, from PATH or pyenv; None where there is none."""
    home = Path(os.environ.get("PYENV_ROOT") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".pyenv")
    found = [shutil.which(f"python{version}"), *home.glob(f"versions/{version}.*/bin/python3")]
    for program in filter(None, found):
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run(
            [program, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        if done.stdout.strip() == version:
            return str(program)
    return None


def run(*words: object, **environ: str) -> str:
    """Run a program that must succeed; what it printed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=1800, check=False,
        env={**os.environ, **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def works(program: Path, share: Path, folder: Path, *, everything: bool) -> None:
    """What an installed nexctl must do, in a home where nothing is yet."""

    def nexctl(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], input="hello", capture_output=True, text=True, timeout=120,
            check=False, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert nexctl("--version") == f"nexctl {__version__}\n"
    estimate = json.loads(nexctl("estimate", "-", "-m", "gpt-4o", "-o", "json"))
    assert estimate["data"]["estimates"][0]["input_tokens"] == 1
    assert json.loads(nexctl("wallet", "show", "-o", "json"))["data"]["currency"] == "USD"
    nexctl("chat", "-", "-q")
    nexctl("usage", "export", "bill.csv", "-q")
    nexctl("usage", "audit", "bill.csv")
    checks = json.loads(nexctl("doctor", "-o", "json"))["data"]["checks"]
    extras = next(check for check in checks if check["name"] == "extras")
    assert (extras["detail"] == "all installed") == everything
    if everything:
        nexctl("usage", "export", "bill.parquet", "-q")
        nexctl("usage", "export", "bill.xlsx", "-q")
    for shared in (
        "man/man1/nexctl.1",
        "bash-completion/completions/nexctl",
        "zsh/site-functions/_nexctl",
        "fish/vendor_completions.d/nexctl.fish",
    ):
        assert (share / shared).is_file(), shared


@pytest.mark.parametrize("extra", ["", "[all]"])
@pytest.mark.parametrize("version", ["", *LATER])
def test_pip_in_a_clean_environment(wheel: Path, version: str, extra: str, tmp_path: Path) -> None:
    python = python_of(version) if version else sys.executable
    if python is None:
        pytest.skip(f"no Python {version} starts here")
    venv = tmp_path / "venv"
    run(python, "-m", "venv", venv)
    run(venv / "bin/python", "-m", "pip", "install", "-q", f"nexctl{extra} @ file://{wheel}")
    works(venv / "bin/nexctl", venv / "share", tmp_path, everything=bool(extra))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pipx and uv, from an environment of their own."""
    venv = tmp_path_factory.mktemp("tools") / "venv"
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin/python", "-m", "pip", "install", "-q", "pipx", "uv")
    return venv / "bin"


@pytest.mark.parametrize("extra", ["", "[all]"])
def test_pipx(wheel: Path, tools: Path, extra: str, tmp_path: Path) -> None:
    home = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin"),
            "PIPX_MAN_DIR": str(tmp_path / "man")}  # fmt: skip
    spec = f"{wheel}{extra}"
    run(tools / "pipx", "install", "--backend", "pip", "--python", sys.executable, spec, **home)
    share = tmp_path / "pipx/venvs/nexctl/share"
    works(tmp_path / "bin/nexctl", share, tmp_path, everything=bool(extra))
    assert (tmp_path / "man/man1/nexctl.1").exists(), "pipx links the manual pages"


@pytest.mark.parametrize("extra", ["", "[all]"])
def test_uv_tool(wheel: Path, tools: Path, extra: str, tmp_path: Path) -> None:
    home = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
            "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PYTHON_DOWNLOADS": "never"}  # fmt: skip
    run(tools / "uv", "tool", "install", "--python", sys.executable, f"nexctl{extra} @ {wheel}",
        **home)  # fmt: skip
    works(
        tmp_path / "bin/nexctl", tmp_path / "tools/nexctl/share", tmp_path, everything=bool(extra)
    )
