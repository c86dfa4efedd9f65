"""The examples in `--help` of what needs no gateway: copied as they stand, they work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nexctl.cli.leaf import Group
from nexctl.cli.tree import TREE
from tests.docs.pages import ROOT

PROGRAM = Path(sys.executable).parent
OFFLINE = ("estimate", "diff", "tokenize", "prices", "config", "profile", "completion", "help")
# Their files, profiles and hashes are the reader's own.
OWN = ("our-gateway.toml", "prices update", "--show-origin", "EDITOR=", "config edit", "old --yes")


def _examples() -> list[str]:
    found: list[str] = []
    for entry in TREE:
        if entry.name in OFFLINE:
            node = entry.build()
            leaves = node.members.values() if isinstance(node, Group) else [entry.load()]
            found += [line for leaf in leaves for line in leaf.examples]
    return [line for line in found if not any(word in line for word in OWN)]


def test_an_example_works_as_it_stands(tmp_path: Path, own_home: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    environ = {
        **os.environ,
        "PATH": f"{PROGRAM}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(own_home),
        "SHELL": "/bin/bash",
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", command],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    shutil.copy(ROOT / "examples/october.csv", tmp_path)
    shutil.copy(ROOT / "examples/support-reply.md", tmp_path / "prompt.md")
    body = '{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"max_tokens":9}'
    (tmp_path / "requests.jsonl").write_text(body + "\n")
    made = run(
        "mkdir prompts && cp prompt.md prompts && git init -q -b main . && git add . && "
        "git -c user.email=a@example.com -c user.name=a commit -qm prompts && "
        "git update-ref refs/remotes/origin/main HEAD && nexctl profile add work --book nextoken"
    )
    assert made.returncode == 0, made.stderr
    examples = _examples()
    assert len(examples) > 30
    failed = {}
    for command in examples:
        done = run("nexctl profile remove work --yes; " * ("add work" in command) + command)
        if done.returncode:
            failed[command] = done.stderr
    assert failed == {}
