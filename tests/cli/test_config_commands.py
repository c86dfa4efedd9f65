"""What explains or mends the configuration runs where it is broken; everything else says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nexctl", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "NEXCTL_CONFIG_DIR": str(folder), "EDITOR": "sed -i d"},
        check=False,
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text('output = "json"\nbogus = 1\n')
    return tmp_path


@pytest.mark.parametrize(
    "command", ["config path", "help money", "help estimate", "completion bash", "config edit"]
)
def test_it_runs(broken: Path, command: str) -> None:
    done = run(broken, *command.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["config list", "prices list", "profile list"])
def test_everything_else_names_the_line(broken: Path, command: str) -> None:
    done = run(broken, *command.split())
    assert done.returncode == 78
    assert "config.toml:2: unknown key 'bogus'" in done.stderr


def test_profiles_are_listed_where_the_chosen_one_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        'default_profile = "gone"\n[profiles.work]\ndriver = "openai"\n'
        'base_url = "https://gateway.example.com"\n'
    )
    done = run(tmp_path, "profile", "list", "-o", "name")
    assert (done.returncode, done.stdout.split()) == (0, ["local", "work"])
    assert "no such profile: gone" in done.stderr
    assert run(tmp_path, "models", "list").returncode == 78
    assert run(tmp_path, "profile", "use", "work").returncode == 0
    assert run(tmp_path, "profile", "list").stderr == ""
