"""Every command block of the documentation is run, page by page, and prints what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nexctl.cli.leaf import Group
from nexctl.cli.tree import root
from tests.docs.pages import ROOT, matches, pages, steps_of

PROGRAM = Path(sys.executable).parent


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path, own_home: Path) -> None:
    steps = steps_of(page.read_text(encoding="utf-8"))
    if not steps:
        pytest.skip("the page has no commands")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environ = {
        **os.environ,
        "PATH": f"{PROGRAM}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(own_home),
        "COLUMNS": "80",
        "LC_ALL": "C.UTF-8",
    }
    for step in steps:
        where = f"{page.relative_to(ROOT)}:{step.line}"
        done = subprocess.run(
            ["sh", "-euc", step.command],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = f"{where}: $ {step.command}\n{done.stdout}{done.stderr}"
        missing = re.search(r"sh: \d+: (\S+): not found", done.stderr)
        if done.returncode == 127 and missing is not None:
            pytest.skip(f"needs {missing[1]}")
        assert done.returncode == step.exit, said
        if step.shown is not None and any(line.strip() for line in step.shown):
            printed = done.stdout if matches(step.shown, done.stdout) else done.stdout + done.stderr
            assert matches(step.shown, printed), said


def test_a_page_that_lies_is_found() -> None:
    (step,) = steps_of("```console\n$ echo one two\none ... three\n```\n")
    assert not matches(step.shown or (), "one two\n")
    assert matches(("one ...",), "one two\n")
    assert matches(("a", "...", "z"), "a\nb\nc\nz\n")
    assert not matches(("a", "z"), "a\nb\nz\n")


def _unknown(words: list[str]) -> list[str]:
    """What no such command has: its own name, or options."""
    node, rest = root(), words[1:]
    while rest and isinstance(node, Group):
        name = rest.pop(0)
        if name not in node.members:
            return [name]
        node = node.members[name].build()
    known = {spelled for parameter in node.params for spelled in (*parameter.opts, "--help")}
    return [
        w for w in (word.partition("=")[0] for word in rest) if w[:2] == "--" and w not in known
    ]


def test_a_command_inside_a_sentence_is_there_and_has_its_options() -> None:
    wrong = []
    for page in pages():
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for inline in re.findall(r"`(nexctl [^`]+)`", text):
            wrong += [(page.name, inline, word) for word in _unknown(inline.split())]
    assert wrong == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing
