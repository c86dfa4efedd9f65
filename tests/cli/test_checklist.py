"""Rules that hold for the whole tree, and the page that names the test of every other rule."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexctl.cli.leaf import Argument, Group, Leaf, Option
from nexctl.cli.tree import root

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/checklist.md"
# The one meaning of each short option, wherever it stands.
SHORT = {
    "-h": "--help",
    "-V": "--version",
    "-q": "--quiet",
    "-v": "--verbose",
    "-o": "--output",
    "-p": "--profile",
    "-y": "--yes",
    "-n": "--dry-run",
    "-m": "--model",
}
GENERAL = {
    "--profile", "--output", "--quiet", "--verbose", "--debug", "--no-input", "--timeout",
    "--color", "--help",
}  # fmt: skip


def nodes(node: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command and group with its full name."""
    node = root() if node is None else node
    yield " ".join(path) or "nexctl", node
    if isinstance(node, Group):
        for member in node.members.values():
            yield from nodes(member.build(), (*path, member.name))


LEAVES = [(name, node) for name, node in nodes() if isinstance(node, Leaf)]


def spellings(node: Any) -> list[str]:
    return [
        spelling
        for parameter in node.params
        if isinstance(parameter, Option)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    ]


def test_names_are_lower_case_words_with_hyphens() -> None:
    for name, node in nodes():
        for word in name.split():
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", word), name
        for spelling in spellings(node):
            assert re.fullmatch(r"-[a-zA-Z]|--[a-z]+(-[a-z]+)*", spelling), f"{name} {spelling}"


def test_a_short_option_means_the_same_everywhere() -> None:
    for name, node in nodes():
        for parameter in node.params:
            if not isinstance(parameter, Option):
                continue
            for short in (s for s in parameter.opts if not s.startswith("--")):
                assert short in SHORT, f"{name}: {short} is a new short option"
                assert SHORT[short] in parameter.opts, f"{name}: {short} means something else"


def test_general_options_stand_after_every_command() -> None:
    for name, node in LEAVES:
        context = node.context_class(node, info_name=name)
        long = {s for p in node.get_params(context) for s in p.opts if s.startswith("--")}
        assert long >= GENERAL, name


def test_what_can_be_done_without_asking_can_be_tried_without_doing() -> None:
    for name, node in LEAVES:
        options = set(spellings(node))
        assert ("--yes" in options) == ("--dry-run" in options), name


def test_every_command_has_examples_that_call_it() -> None:
    for name, node in LEAVES:
        assert node.spec.examples, name
        for example in node.spec.examples:
            assert re.search(rf"\bnexctl {re.escape(name)}\b", example), f"{name}: {example}"


def test_no_option_or_argument_takes_a_secret() -> None:
    for name, node in LEAVES:
        for parameter in node.params:
            if isinstance(parameter, Option | Argument) and not getattr(parameter, "is_flag", 0):
                words = {parameter.declared.metavar or "", *parameter.opts}
                taken = {word for word in words if re.search(r"secret|password|api-?key", word)}
                taken = {word for word in taken if not re.search(r"-(env|file)$", word)}
                assert not taken, f"{name}: {taken}"


def test_two_dashes_end_the_options(nexctl: Any, tmp_path: Path) -> None:
    done = nexctl("estimate", "--", "--help")
    assert done.code == 2
    assert "--help: " in done.err, "a file of that name was looked for"


def test_options_are_not_abbreviated(nexctl: Any) -> None:
    done = nexctl("config", "list", "--show-orig")
    assert done.code == 2
    assert "did you mean --show-origin" in done.err


@pytest.mark.parametrize(
    "argv", [["--version"], ["--help"], ["keys", "--help"], ["chat", "--help"], ["help", "money"]]
)
@pytest.mark.parametrize("tab", [False, True])
def test_nothing_is_asked_of_a_network(argv: list[str], tab: bool, own_home: Path) -> None:
    """The interpreter itself reports every socket that is opened and every name looked up."""
    code = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event.startswith('socket.'):\n"
        "        raise SystemExit(f'the network was used: {event}')\n"
        "sys.addaudithook(hook)\n"
        "sys.argv = ['nexctl', *sys.argv[1:]]\n"
        "from nexctl.__main__ import main\n"
        "sys.exit(main())\n"
    )
    env = dict(os.environ)
    if tab:
        words = "\n".join(["nexctl", *argv[:1], ""])
        env |= {"_NEXCTL_COMPLETE": "1", "COMP_WORDS": words, "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True, text=True, env=env, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert list(own_home.iterdir()) == []


def test_every_line_of_the_page_names_a_test_that_is_there() -> None:
    lines = PAGE.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and "what holds" not in line]
    assert len(rows) > 50
    found: dict[str, str] = {}
    for row in rows:
        proofs = re.findall(r"`([\w/.-]+\.py)::(\w+)`", row)
        assert proofs, f"no test: {row}"
        for file, name in proofs:
            text = found.setdefault(file, (ROOT / "tests" / file).read_text())
            assert re.search(rf"^def {name}\(", text, re.M), f"{file}::{name}"


def test_a_question_names_its_profile() -> None:
    """A question whose words are made elsewhere has the profile in them there."""
    silent = []
    for path in sorted((ROOT / "src/nexctl").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".confirm"):
                words = ast.unparse(node.args[0])
                if isinstance(node.args[0], ast.JoinedStr | ast.Constant):
                    silent += [words] * ("profile" not in words)
    assert silent == []
