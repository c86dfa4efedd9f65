"""`nexctl diff` as CI runs it: files, total, and a gate that cannot be talked past."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository in the test's folder; calling it runs git there."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for key, value in {"NAME": "T", "EMAIL": "t@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{key}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{key}", value)

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    (tmp_path / "same.md").write_text(" a" * 100)
    (tmp_path / "grows.md").write_text(" a" * 1000)
    (tmp_path / "goes.md").write_text(" a" * 10)
    git("add", ".")
    git("commit", "-qm", "base")
    (tmp_path / "grows.md").write_text(" a" * 1100)
    (tmp_path / "goes.md").unlink()
    (tmp_path / "comes.md").write_text(" a" * 30)
    return tmp_path


def test_each_file_and_the_total_to_the_nano(nexctl: Nexctl, repository: Path) -> None:
    data = nexctl("diff", "-o", "json").data
    rows = {row["path"]: row for row in data["files"]}
    assert {path: row["status"] for path, row in rows.items()} == {
        "comes.md": "added", "goes.md": "removed", "grows.md": "changed", "same.md": "unchanged",
    }  # fmt: skip
    assert rows["grows.md"] == {
        "path": "grows.md",
        "status": "changed",
        "before": {"tokens": 1000, "charge": "0.0001"},
        "after": {"tokens": 1100, "charge": "0.00011"},
        "delta_tokens": 100,
        "delta_charge": "0.00001",
        "delta_percent": "10",
    }
    assert rows["comes.md"]["before"] is None
    assert rows["comes.md"]["delta_percent"] is None
    assert rows["goes.md"]["after"] is None
    total = data["total"]
    assert total["before"] == {"tokens": 1110, "charge": "0.000111"}
    assert total["after"] == {"tokens": 1230, "charge": "0.000123"}
    assert (total["delta_tokens"], total["delta_charge"]) == (120, "0.000012")
    assert data["gate"] is None
    assert data["rule"] == "input only"


def test_of_a_range_of_prices_the_dearest_end_is_compared(nexctl: Nexctl, repository: Path) -> None:
    ran = nexctl("diff", "--on", "nexu", "-m", "mimo-v2-pro", "-o", "json")
    rows = {row["path"]: row for row in ran.data["files"]}
    assert rows["grows.md"]["before"] == {"tokens": 1000, "charge": "0.4"}
    assert rows["grows.md"]["delta_charge"] == "0.04"


def test_two_revisions_by_merge_base(nexctl: Nexctl, repository: Path, git: Git) -> None:
    git("checkout", "-qb", "work")
    git("add", "-A")
    git("commit", "-qm", "work")
    data = nexctl("diff", "main...work", "-o", "json").data
    assert data["total"]["delta_tokens"] == 120


@pytest.mark.parametrize(
    ("limit", "exit_code"),
    [("11%", 0), ("10%", 9), ("0.000012", 0), ("0.000011999", 9), ("0", 9)],
)
def test_the_gate_in_per_cent_and_in_money(
    nexctl: Nexctl, repository: Path, limit: str, exit_code: int
) -> None:
    ran = nexctl("diff", "--fail-over", limit, "-o", "json")
    assert ran.exit == exit_code, ran
    assert ran.data["gate"]["passed"] is (exit_code == 0)


def test_from_nothing_only_money_can_pass(nexctl: Nexctl, tmp_path: Path, git: Git) -> None:
    git("commit", "-qm", "empty", "--allow-empty")
    (tmp_path / "new.md").write_text(" a" * 1000)
    assert nexctl("diff", "--fail-over", "1000%").exit == 9
    assert nexctl("diff", "--fail-over", "1").exit == 0


def test_nothing_changed_is_quiet(nexctl: Nexctl, tmp_path: Path, git: Git) -> None:
    (tmp_path / "a.md").write_text("one")
    git("add", ".")
    git("commit", "-qm", "base")
    assert nexctl("diff", "--fail-over", "0%").exit == 0
    assert nexctl("diff", "-o", "markdown").out == ""


def test_markdown_for_a_pull_request(nexctl: Nexctl, repository: Path) -> None:
    (repository / "@team |x|.md").write_text("hello")
    out = nexctl("diff", "-o", "markdown", "--fail-over", "50%", "--volume", "500/day").out
    assert out.startswith("### Prompt cost: ")
    assert "0.0000121" in out
    assert "| @team" not in out
    assert all(line.count("|") in (0, 6) for line in out.splitlines())
    assert "grows" in out
    assert "15,000 sends" in out
    assert "Gate passed" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-branch"], "fetch-depth: 0"),
        (["--output=x"], "output"),
        (["HEAD", "missing.md"], "missing.md"),
        (["-m", "gpt-99"], "gpt-99"),
        (["--on", "tokenok", "-m", "gpt-4o"], "no prices"),
        (["--fail-over", "NaN"], "--fail-over"),
        (["-m", "gpt-4o", "-m", "nex-pro"], "one model"),
    ],
)
def test_what_it_cannot_look_at_fails(
    nexctl: Nexctl, repository: Path, arguments: list[str], said: str
) -> None:
    ran = nexctl("diff", *arguments)
    assert ran.exit == 2, ran
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_an_unreadable_prompt_fails(nexctl: Nexctl, repository: Path) -> None:
    (repository / "grows.md").write_bytes(b"\xff\xfe")
    ran = nexctl("diff", "--fail-over", "500%")
    assert ran.exit == 2
    assert "grows.md" in ran.err


def test_outside_a_repository(nexctl: Nexctl, tmp_path: Path) -> None:
    ran = nexctl("diff")
    assert ran.exit == 2
    assert "repository" in ran.err


BOOK = """format = 1
[book]
id = "own"
title = "Own"
kind = "gateway"
unit = "USD"
unit_kind = "currency"
scale = 9
retrieved = 2026-01-01
default_model = "gpt-4o"
said = {{ default = "ours" }}
[defaults]
per = 1000000
rates = {{ request = "not_applicable" }}
said = "ours"
[[models]]
id = "gpt-4o"
rates = {{ input = "{price}", output = "1" }}
said = "ours"
"""


def test_a_change_cannot_lower_the_prices_that_it_is_measured_by(
    nexctl: Nexctl, tmp_path: Path, git: Git
) -> None:
    (tmp_path / "own.toml").write_text(BOOK.format(price="100"))
    (tmp_path / "a.md").write_text(" a" * 10)
    git("add", ".")
    git("commit", "-qm", "base")
    (tmp_path / "own.toml").write_text(BOOK.format(price="0.0001"))
    (tmp_path / "a.md").write_text(" a" * 1000)
    ran = nexctl("diff", "--on", "own.toml", "--fail-over", "500000%", "-o", "json")
    assert ran.exit == 9
    assert ran.data["policy_changes"] == ["own.toml"]
    assert ran.data["total"]["after"]["charge"] == "0.1"


def test_a_change_cannot_hide_prompts_by_ignore_rules(
    nexctl: Nexctl, tmp_path: Path, git: Git
) -> None:
    (tmp_path / "a.md").write_text(" a" * 10)
    git("add", ".")
    git("commit", "-qm", "base")
    (tmp_path / ".gitignore").write_text("*.md\n")
    (tmp_path / "b.md").write_text(" a" * 1000)
    ran = nexctl("diff", "--fail-over", "10%", "-o", "json")
    assert ran.exit == 9
    assert {row["path"] for row in ran.data["files"]} == {"a.md", "b.md"}
    assert ran.data["policy_changes"] == [".gitignore"]


def test_settings_inside_the_checkout_come_from_the_base(
    nexctl: Nexctl, tmp_path: Path, git: Git
) -> None:
    settings = tmp_path / "ci"
    settings.mkdir()
    (settings / "config.toml").write_text(
        'default_profile = "p"\n[profiles.p]\ndriver = "nexctl"\nbook = "nextoken"\nmodel = "o1"\n'
    )
    (tmp_path / "a.md").write_text(" a" * 10)
    git("add", ".")
    git("commit", "-qm", "base")
    text = (settings / "config.toml").read_text()
    (settings / "config.toml").write_text(text.replace('"o1"', '"nex-pro"'))
    (tmp_path / "a.md").write_text(" a" * 20)
    ran = nexctl("diff", "-o", "json", NEXCTL_CONFIG_DIR=str(settings))
    assert ran.exit == 9, ran
    assert ran.data["models"] == ["o1"]
    assert ran.data["policy_changes"] == ["ci/config.toml"]
