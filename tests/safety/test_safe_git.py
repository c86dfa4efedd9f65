"""git as a reader of bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nexctl.safety import git

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def repo(tmp_path: Path) -> str:
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    return os.path.realpath(tmp_path / "repo")


def test_the_root_is_the_nearest_folder_with_a_repository(tmp_path: Path) -> None:
    outer, inner = tmp_path / "o", tmp_path / "o" / "i"
    (inner / "deep").mkdir(parents=True)
    (outer / ".git").mkdir()
    assert git.find_root(str(inner / "deep")) == os.path.realpath(outer)
    (inner / ".git").write_text("gitdir: elsewhere\n")  # as worktrees and submodules have it
    assert git.find_root(str(inner / "deep")) == os.path.realpath(inner)


def test_git_is_looked_for_in_absolute_folders_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (".", "bin"):
        os.makedirs(folder, exist_ok=True)
        Path(folder, "git").write_text("#!/bin/sh\n")
        os.chmod(Path(folder, "git"), 0o755)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin"]))
    with pytest.raises(git.GitMissing):
        git.program()
    monkeypatch.setenv("PATH", os.pathsep.join([".", str(tmp_path / "bin")]))
    assert git.program() == str(tmp_path / "bin" / "git")


@needs_git
def test_the_command_line_wins_over_the_repository(repo: str) -> None:
    for name in ("core.fsmonitor", "core.hooksPath", "core.sshCommand", "protocol.allow"):
        subprocess.run(["git", "-C", repo, "config", name, "/evil"], check=True)
        assert git.run(repo, "config", "--get", name)[0] != b"/evil\n"


@needs_git
def test_a_refusal_is_one_line_with_what_git_said(repo: str) -> None:
    with pytest.raises(git.GitFailed) as caught:
        git.run(repo, "rev-parse", "--verify", "nothing")
    assert caught.value.message == "git rev-parse: Needed a single revision"
    assert caught.value.exit == 2
    assert git.run(repo, "rev-parse", "--verify", "-q", "nothing", accept=(0, 1))[0] == b""


@needs_git
def test_a_git_that_hangs_is_given_up(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(git, "command_line", lambda arguments: ["sleep", "10"])
    with pytest.raises(git.GitFailed, match="no answer within"):
        git.run(repo, "ls-files")


@needs_git
def test_blobs_come_raw_and_whole(repo: str) -> None:
    def store(data: bytes) -> str:
        done = subprocess.run(
            ["git", "-C", repo, "hash-object", "-w", "--stdin"],
            input=data,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    contents = [b"", b"\n", b"no end", b"a\r\nb\0\xff\n", os.urandom(300_000)]
    oids = [store(data) for data in contents]
    with git.Blobs(repo) as blobs:
        for _ in range(2):
            assert [blobs.read(oid, 1 << 20) for oid in oids] == contents
            assert blobs.read(oids[-1], 299_999) is None
        with pytest.raises(git.GitFailed, match="not in this clone"):
            blobs.read("0" * 40, 10)
        assert blobs.read(oids[0], 0) == b""


@needs_git
def test_ignore_rules_say_who_decides(repo: str) -> None:
    Path(repo, ".gitignore").write_text("*.tmp\n!keep.tmp\n")
    os.mkdir(Path(repo, "sub"))
    Path(repo, "sub", ".gitignore").write_text("x\n:(top)y\n")
    asked = ["a.tmp", "keep.tmp", "b", "sub/x", "sub/:(top)y", ":(top)z.tmp", "-q.tmp", "n\nl.tmp"]
    assert git.ignored(repo, asked) == {
        "a.tmp": ".gitignore",
        "sub/x": "sub/.gitignore",
        "sub/:(top)y": "sub/.gitignore",
        ":(top)z.tmp": ".gitignore",
        "-q.tmp": ".gitignore",
        "n\nl.tmp": ".gitignore",
    }
    assert git.ignored(repo, []) == {}
