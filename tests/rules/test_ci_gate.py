"""The gate that others put into their CI: what the GitHub Action runs, and the pre-commit hook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ACTION = (ROOT / "action.yml").read_text()
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text()
BIN = Path(sys.executable).parent


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words],
        cwd=folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a prompt on main, and a branch that makes it longer."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "work"
    (folder / "prompts").mkdir(parents=True)
    shutil.copy(ROOT / "examples/support-reply.md", folder / "prompts/reply.md")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a prompt")
    git(folder, "update-ref", "refs/remotes/origin/main", "main")
    git(folder, "checkout", "-qb", "longer")
    with (folder / "prompts/reply.md").open("a") as stream:
        stream.write("Always answer in three languages, each with a table of all parts.\n")
    git(folder, "commit", "-qam", "longer")
    return folder


def gate(checkout: Path, tmp_path: Path, **inputs: str) -> tuple[int, str, str]:
    """Run the action's own script, as a runner would: (exit code, output, the job's summary)."""
    script = ACTION.rpartition("run: |\n")[2].replace("\n        ", "\n").strip()
    given = {
        name.upper().replace("-", "_"): value
        for name, value in re.findall(r"^  ([a-z-]+): \{.*?default: \"?(.*?)\"? \}$", ACTION, re.M)
    }
    assert set(given) == {"PATHS", "MODEL", "BOOK", "FAIL_OVER", "VOLUME", "BASE"}
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=checkout, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **given, "BASE": "origin/main", **inputs,
             "GITHUB_STEP_SUMMARY": str(summary), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, summary.read_text()


def test_the_action_fails_a_dearer_pull_request_and_says_it_in_the_summary(
    checkout: Path, tmp_path: Path
) -> None:
    code, said, summary = gate(checkout, tmp_path, PATHS="prompts/", MODEL="gpt-4o", FAIL_OVER="1%")
    assert code == 9, said
    assert "reply.md" in summary
    assert summary.startswith("#") or "|" in summary, "a table in Markdown"


def test_the_action_passes_what_is_within_the_limit(checkout: Path, tmp_path: Path) -> None:
    code, said, _ = gate(checkout, tmp_path, PATHS="prompts/", MODEL="gpt-4o", FAIL_OVER="50%")
    assert code == 0, said
    code, said, _ = gate(
        checkout, tmp_path, PATHS="prompts/ prompts", VOLUME="500/day", FAIL_OVER="900%",
        BOOK="openai", MODEL="gpt-4o",
    )  # fmt: skip
    assert code == 0, said


def test_the_action_fails_where_it_cannot_look(checkout: Path, tmp_path: Path) -> None:
    code, said, _ = gate(checkout, tmp_path, BASE="origin/nowhere")
    assert code == 2, said
    assert "fetch" in said


def test_what_the_action_is_given_is_never_run_as_code(checkout: Path, tmp_path: Path) -> None:
    evil = "prompts/;touch${IFS}owned $(touch owned2)"
    code, _, _ = gate(checkout, tmp_path, PATHS=evil, MODEL="$(touch owned3)", FAIL_OVER="5%")
    assert code == 2
    assert not list(checkout.glob("owned*"))
    script = ACTION.rpartition("run: |\n")[2]
    assert "${{" not in script, "inputs come by the environment alone"


def test_the_hook_is_the_command_that_is_documented(checkout: Path) -> None:
    entry = re.search(r"^  entry: (.*)$", HOOKS, re.M)
    assert entry is not None
    words = entry[1].split()
    assert words[0] == "nexctl"
    command = [str(BIN / "nexctl"), *words[1:], "-m", "gpt-4o", "--fail-over", "1%"]
    clean = subprocess.run(command, cwd=checkout, capture_output=True, check=False, timeout=60)
    assert clean.returncode == 0, clean.stderr
    with (checkout / "prompts/reply.md").open("a") as stream:
        stream.write("And once more, in verse, with a table of all parts.\n" * 5)
    dearer = subprocess.run(command, cwd=checkout, capture_output=True, check=False, timeout=60)
    assert dearer.returncode == 9


@pytest.mark.slow
def test_pre_commit_installs_the_hook_from_a_checkout_and_runs_it(
    checkout: Path, tmp_path: Path
) -> None:
    """pre-commit itself, from an environment of its own; it installs nexctl from this tree."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=300)
    subprocess.run(
        [venv / "bin/python", "-m", "pip", "install", "-q", "pre-commit"], check=True, timeout=900
    )
    source = tmp_path / "nexctl"
    subprocess.run(["git", "clone", "-q", ROOT, source], check=True, timeout=300)
    with (checkout / "prompts/reply.md").open("a") as stream:
        stream.write("And once more, in verse, with a table of all parts.\n" * 5)
    git(checkout, "add", ".")
    config = checkout / ".pre-commit-config.yaml"
    config.write_text(
        f"repos:\n  - repo: {source}\n    rev: {git(source, 'rev-parse', 'HEAD').strip()}\n"
        "    hooks:\n      - id: nexctl-diff\n        args: [-m, gpt-4o, --fail-over, 1%]\n"
    )
    done = subprocess.run(
        [venv / "bin/pre-commit", "run", "--all-files"], cwd=checkout, capture_output=True,
        text=True, check=False, timeout=1800, env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "exit code: 9" in done.stdout
    assert "reply.md" in done.stdout
