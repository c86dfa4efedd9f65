"""Completion offers exactly what the parser accepts, in every shell, and evaluates nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nexctl.cli.base import Argument, Group, Leaf, Option
from nexctl.cli.complete import answer, candidates
from nexctl.cli.completion_spec import SPEC
from nexctl.cli.tree import root

ROOT = Path(__file__).resolve().parents[2]
CACHED = {"profiles": ["local", "work"], "books": ["house-book"], "models": ["vendor/m-1:free"]}


class Position(NamedTuple):
    """Words before the cursor, the word under it, and what may stand there."""

    before: tuple[str, ...]
    current: str
    expected: frozenset[str]
    files: bool = False


def _tree() -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Every command that can be imported, with its context."""

    def walk(path: tuple[str, ...], node: Any, context: Any) -> Any:
        yield path, node, context
        if isinstance(node, Group):
            for member in node.members.values():
                if " ".join((*path, member.name)) not in SPEC["options"]:
                    continue
                built = member.build()
                inner = built.context_class(built, info_name=member.name, parent=context)
                yield from walk((*path, member.name), built, inner)

    group = root()
    yield from walk((), group, group.context_class(group, info_name="nexctl"))


def _values(parameter: Any) -> tuple[frozenset[str], bool]:
    """What completion may offer for a value, from the declaration itself."""
    from scripts_build_cli import static_names

    declared = parameter.declared
    names = set(declared.choices)
    static = static_names()
    for kind in declared.suggest.split():
        names.update(static.get(kind, ()))
        names.update(CACHED.get(kind, ()))
    return frozenset(names), "files" in declared.suggest or "folders" in declared.suggest


def _positions() -> list[Position]:
    found = []
    for path, node, context in _tree():
        parser = node.make_parser(context)
        spelled = frozenset({*parser._short_opt, *parser._long_opt})
        found.append(Position(path, "-", spelled))
        found.append(
            Position(path, "--", frozenset(name for name in spelled if name.startswith("--")))
        )
        if isinstance(node, Group):
            visible = frozenset(
                name
                for name, member in node.members.items()
                if not member.hidden and " ".join((*path, name)) in SPEC["options"]
            )
            found.append(Position(path, "", visible))
            for start in {name[:2] for name in visible}:
                begun = frozenset(name for name in visible if name.startswith(start))
                found.append(Position(path, start, begun))
            continue
        assert isinstance(node, Leaf)
        options = [p for p in node.params if isinstance(p, Option) and not p.is_flag]
        for option in options:
            values, files = _values(option)
            for spelling in option.opts:
                found.append(Position((*path, spelling), "", values, files))
            long = max(option.opts, key=len)
            found.append(Position(path, f"{long}=", values, files))
        arguments = [p for p in node.params if isinstance(p, Argument)]
        for number, argument in enumerate(arguments):
            values, files = _values(argument)
            before = (*path, *("x" for _ in range(number)))
            found.append(Position(before, "", values, files))
            found.append(Position((*before, "--"), "", values, files))
            if argument.nargs == -1:
                found.append(Position((*before, "x", "y"), "", values, files))
        if not arguments:
            found.append(Position(path, "", frozenset()))
    found.append(Position(("nonsense",), "", frozenset()))
    found.append(Position(("config", "-h", "list", "-o"), "js", frozenset({"json", "jsonl"})))
    found.append(Position(("config", "list", "-qo"), "", frozenset(
        {"table", "json", "jsonl", "csv", "tsv", "name"}
    )))  # fmt: skip
    found.append(Position(("config", "list", "-ojson"), "--sh", frozenset({"--show-origin"})))
    found.append(Position(("config", "list", "-p", "-o"), "--sh", frozenset({"--show-origin"})))
    return found


@pytest.fixture
def cache(own_home: Path) -> Path:
    """The cache files that normal commands write."""
    folder = own_home / ".cache/nexctl/complete"
    folder.mkdir(parents=True)
    for kind, names in CACHED.items():
        (folder / kind).write_text("".join(f"{name}\n" for name in names))
    return folder


def _check(position: Position, found: list[str]) -> None:
    files = "FILES" in found
    words = {word for word in found if word and word != "FILES"}
    current = position.current
    if current.startswith("--") and "=" in current:
        option, _, current = current.partition("=")
        words = {word.removeprefix(f"{option}=") for word in words}
    words = {word for word in words if word.startswith(current)}
    assert words == {w for w in position.expected if w.startswith(current)}, position
    assert not files or position.files, position
    assert files or not position.files or words, position


def _compare(positions: list[Position], answers: list[list[str]]) -> None:
    assert len(positions) > 80, "the walk must reach every command"
    for position, found in zip(positions, answers, strict=True):
        _check(position, found)


def _ask(shell: str, script: str, count: int) -> list[list[str]]:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    done = subprocess.run(
        [shell, *(["--no-rcs"] if shell == "zsh" else [])],
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    blocks = done.stdout.split("=====\n")
    assert len(blocks) == count + 1
    return [block.split("\n")[:-1] for block in blocks[:-1]]


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _bash_words(position: Position) -> list[str]:
    """The words as readline hands them over: cut at = and :."""
    words = ["nexctl", *position.before]
    if position.current.startswith("--") and "=" in position.current:
        option, _, value = position.current.partition("=")
        return [*words, option, "=", *([value] if value else [])]
    return [*words, position.current]


@pytest.mark.usefixtures("cache")
def test_bash_offers_what_the_parser_accepts() -> None:
    positions = _positions()
    lines = [
        f"source {_quoted(str(ROOT / 'completions/nexctl.bash'))}",
        "compopt() { COMPREPLY+=(FILES); }",
    ]
    for position in positions:
        words = _bash_words(position)
        lines.append(f"COMP_WORDS=({' '.join(map(_quoted, words))}); COMP_CWORD={len(words) - 1}")
        lines.append(
            '_nexctl; for w in "${COMPREPLY[@]}"; do printf "%s\\n" "$w"; done; echo ====='
        )
    _compare(positions, _ask("bash", "\n".join(lines), len(positions)))


@pytest.mark.usefixtures("cache")
def test_zsh_offers_what_the_parser_accepts() -> None:
    positions = _positions()
    lines = [
        f"source {_quoted(str(ROOT / 'completions/_nexctl'))}",
        "compadd() { print -rl -- ${(P)2}; }",
        "compset() { : }",
        "_files() { print FILES }",
    ]
    for position in positions:
        words = ["nexctl", *position.before, position.current]
        lines.append(f"words=({' '.join(map(_quoted, words))}); CURRENT={len(words)}")
        lines.append("_nexctl; echo '====='")
    _compare(positions, _ask("zsh", "\n".join(lines), len(positions)))


@pytest.mark.usefixtures("cache")
def test_fish_offers_what_the_parser_accepts() -> None:
    positions = _positions()
    lines = [
        f"source {_quoted(str(ROOT / 'completions/nexctl.fish'))}",
        "function commandline",
        "  switch $argv[1]",
        "    case -opc",
        "      printf '%s\\n' $tokens",
        "    case -ct",
        "      printf '%s' $current",
        "  end",
        "end",
        "function __fish_complete_path; echo FILES; end",
        "function __fish_complete_directories; echo FILES; end",
    ]
    for position in positions:
        tokens = " ".join(map(_quoted, ["nexctl", *position.before]))
        lines.append(f"set -g tokens {tokens}; set -g current {_quoted(position.current)}")
        lines.append("__nexctl_complete; echo =====")
    blocks = _ask("fish", "\n".join(lines), len(positions))
    _compare(positions, [[w if "FILES" not in w else "FILES" for w in block] for block in blocks])


def test_the_program_itself_offers_what_the_parser_accepts() -> None:
    for position in _positions():
        found, files = candidates(SPEC, position.before, position.current, CACHED.__getitem__)
        _check(position, [*found, *(["FILES"] if files else [])])


def test_every_choice_that_is_offered_is_accepted() -> None:
    for _path, node, _context in _tree():
        for parameter in node.params:
            for choice in parameter.declared.choices:
                assert parameter.type.convert(choice, parameter, None) == choice


def test_bash_replaces_only_what_follows_a_colon() -> None:
    """readline cuts words at colons: the answer is what follows the last one."""
    script = f"""
        source {_quoted(str(ROOT / "completions/nexctl.bash"))}
        _nexctl_values() {{ W='vendor/m:free vendor/m:paid' K= F=; }}
        COMP_WORDS=(nexctl profile add x --model vendor/m : fr); COMP_CWORD=7
        _nexctl; echo "${{COMPREPLY[@]}}"; echo =====
    """
    assert _ask("bash", script, 1) == [["free"]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_cached_name_is_a_word_and_never_code(shell: str, cache: Path, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    mark = tmp_path / "mark"
    (cache / "profiles").write_text(f"$(touch {mark})\n`touch {mark}`\n;touch {mark}\nok\n-x\n*\n")
    calls = {
        "bash": "COMP_WORDS=(nexctl profile use ''); COMP_CWORD=3; _nexctl; "
        "printf '%s\\n' \"${COMPREPLY[@]}\"; echo =====",
        "zsh": "compadd() { print -rl -- ${(P)2}; }\nwords=(nexctl profile use ''); CURRENT=4; "
        "_nexctl; echo '====='",
        "fish": "function commandline; test $argv[1] = -opc; and "
        "printf '%s\\n' nexctl profile use; end\n__nexctl_complete; echo =====",
    }
    file = {"bash": "nexctl.bash", "zsh": "_nexctl", "fish": "nexctl.fish"}[shell]
    script = f"source {_quoted(str(ROOT / 'completions' / file))}\n{calls[shell]}\n"
    assert _ask(shell, script, 1) == [["local", "ok"]]
    assert not mark.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_printed_script_is_the_checked_in_one(shell: str, nexctl: Any) -> None:
    file = {"bash": "nexctl.bash", "zsh": "_nexctl", "fish": "nexctl.fish"}[shell]
    done = nexctl("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert done.out == (ROOT / "completions" / file).read_text()


def test_generated_files_are_up_to_date() -> None:
    import scripts_build_cli

    assert scripts_build_cli.main(["--check"]) == 0


def test_every_command_is_completed() -> None:
    """A command that can be imported is in the table, with its options and with help."""
    for path, node, _context in _tree():
        name = " ".join(path)
        assert name in SPEC["options"]
        assert (node.help or "").strip(), f"{name or 'nexctl'} has no help"
        for parameter in node.params:
            assert parameter.help, f"{name}: {parameter.name} has no help"


def test_the_program_answers_a_shell_without_a_script(process: Any, cache: Path) -> None:
    import os

    env = {**os.environ, "_NEXCTL_COMPLETE": "1", "COMP_CWORD": "3"}
    env["COMP_WORDS"] = "nexctl\nprofile\nuse\nw"
    done = process(env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "work\n", "")
    assert answer({"_NEXCTL_COMPLETE": "1", "COMP_WORDS": "nexctl conf", "COMP_CWORD": "1"}) == (
        "config\n"
    )
    assert answer({"_NEXCTL_COMPLETE": "1"}) != "", "without a question: the commands"


def test_normal_commands_keep_names_for_completion(nexctl: Any, own_home: Path) -> None:
    assert nexctl("profile", "add", "work", "--book", "nextoken").code == 0
    file = own_home / ".cache/nexctl/complete/profiles"
    assert file.read_text() == "local\nwork\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_names_with_other_characters_are_not_kept(nexctl: Any, own_home: Path) -> None:
    from nexctl.cli.completing import remember
    from nexctl.cli.context import App

    remember(App.double(), "models", ["good/m-1:free", "$(reboot)", "a b", "-x", "é", "", "q\n"])
    assert (own_home / ".cache/nexctl/complete/models").read_text() == "good/m-1:free\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tab_completes_in_a_real_shell(shell: str) -> None:
    """On a pseudo-terminal, through the shell's own completion system."""
    import importlib.util

    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    spec = importlib.util.spec_from_file_location("benchmark_tab", ROOT / "benchmarks/tab.py")
    assert spec is not None
    assert spec.loader is not None
    tab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tab)
    found = tab.measure(shell, 1)
    assert all(milliseconds < 1000 for milliseconds in found.values()), found
