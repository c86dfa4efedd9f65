"""Completion offers exactly what the parser accepts, in every shell, and evaluates nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nexctl.cli.complete import answer, candidates
from nexctl.cli.completion_spec import SPEC
from nexctl.cli.leaf import Argument, Group, Leaf, Option
from nexctl.cli.tree import root

ROOT = Path(__file__).resolve().parents[2]
CACHED = {
    "profiles": ["local", "work"],
    "books": ["house-book"],
    "models": ["vendor/m-1:free"],
    "keys": ["ci", "team/app@eu"],
    "batches": ["job_12ab"],
}
FILES = {
    "bash": "nexctl.bash",
    "zsh": "_nexctl",
    "fish": "nexctl.fish",
    "powershell": "nexctl.ps1",
}


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


# What came after bash 3.2, the last one under its old licence, which macOS still ships.
LATER_THAN_3_2 = (
    r"\b(declare|typeset|local)\s+-\w*[Anglu]",  # associative, global, reference, case
    r"\b(mapfile|readarray|coproc|compopt)\b",
    r"\$\{\w+(\[[^]]*\])?(\^|,|@[A-Za-z]\})",  # case changes, transformations
    r"\$\{\w+\[-\d",  # from the end of an array
    r"\|&|&>>|;;&|;&",
    r"\[\[\s+-[vR]\s",
    r"printf\s+'%\(",
    r"\bwait\s+-n\b|\bread\s+-\w*[iN]",
    r"\{\w+\}[<>]",
    r"\bshopt\s+-s\s+(globstar|autocd|lastpipe|inherit_errexit|localvar_inherit)",
)


def test_the_bash_script_uses_nothing_that_came_after_bash_3_2() -> None:
    """There is no bash 3.2 to run here: what later ones brought is looked for in the text."""
    script = (ROOT / "completions/nexctl.bash").read_text()
    code = re.sub(r"'[^']*'", "''", re.sub(r"^\s*#.*$", "", script, flags=re.M))
    # compopt is used where there is one, and done without where there is none.
    code, guards = re.subn(r"if type compopt >.*?\n    return 0\n  fi\n", "", code, flags=re.S)
    assert guards == 1
    assert "COMPREPLY" in code
    for pattern in LATER_THAN_3_2:
        assert re.findall(pattern, code) == [], pattern
    for probe in ("declare -A x", "${x^^}", "mapfile -t x", "a |& b", "[[ -v x ]]", "${x[-1]}"):
        assert any(re.search(pattern, probe) for pattern in LATER_THAN_3_2), probe


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


@pytest.mark.parametrize("shell", FILES)
def test_the_printed_script_is_the_checked_in_one(shell: str, nexctl: Any) -> None:
    file = FILES[shell]
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


def test_keys_and_batches_are_kept_and_forgotten(nexctl: Any, own_home: Path) -> None:
    folder = own_home / ".cache/nexctl/complete"
    for name in ("ci", "web"):
        assert nexctl("keys", "create", "--name", name, "-q").code == 0
    assert (folder / "keys").read_text() == "ci\nweb\n"
    assert nexctl("keys", "revoke", "web", "--yes").code == 0
    assert (folder / "keys").read_text() == "ci\n"
    (folder / "keys").write_text("stale\n")
    assert nexctl("keys", "list", "--name", "ci").code == 0
    assert (folder / "keys").read_text() == "ci\nstale\n", "a part of the list adds"
    assert nexctl("keys", "list").code == 0
    assert "stale" not in (folder / "keys").read_text(), "the whole list replaces"
    assert (folder / "keys").stat().st_mode & 0o777 == 0o600
    lines = own_home / "lines.jsonl"
    body = '{"model":"nex-pro","messages":[{"role":"user","content":"hi"}],"max_tokens":5}'
    lines.write_text(
        '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":' + body + "}\n"
    )
    done = nexctl("batch", "run", str(lines), "--yes", "-o", "json")
    assert done.code == 0, done.err
    job = json.loads(done.out)["data"]["id"]
    assert (folder / "batches").read_text() == f"{job}\n"
    (folder / "batches").unlink()
    assert nexctl("batch", "list").code == 0
    assert (folder / "batches").read_text() == f"{job}\n"


def _powershell_tables(script: str) -> dict[str, dict[str, str]]:
    """The tables as PowerShell reads them: literal here-strings of KEY=TEXT."""
    found = re.findall(
        r"^\$Global:__nexctl(\w+) = __nexctl_read @'\n(.*?)\n'@$", script, re.M | re.S
    )
    return {name: dict(line.split("=", 1) for line in text.split("\n")) for name, text in found}


def test_the_powershell_tables_offer_what_the_parser_accepts() -> None:
    """No PowerShell here: its tables are read back and walked by the same algorithm."""
    script = (ROOT / "completions/nexctl.ps1").read_text()
    assert "# UNTESTED" in script
    tables = _powershell_tables(script)
    paths = tables["Options"]
    takes: dict[str, dict[str, str]] = {}
    for path, options in paths.items():
        for option in options.split(" "):
            both = (f"{path} {option}", f"* {option}")
            key = next((k for k in both if k in tables["Takes"]), None)
            takes.setdefault(path, {})[option] = tables["Takes"][key] if key else ""
    aliases: dict[str, dict[str, str]] = {}
    for key, name in tables["Aliases"].items():
        path, _, alias = key.rpartition(" ")
        aliases.setdefault(path, {})[alias] = name
    spec = {
        "commands": {path: names.split(" ") for path, names in tables["Commands"].items()},
        "aliases": aliases,
        "options": {path: names.split(" ") for path, names in paths.items()},
        "takes": takes,
        "arguments": tables["Arguments"],
        "values": {
            number: (words.split(" ") if words else [], kinds, files)
            for number, text in tables["Values"].items()
            for words, kinds, files in [text.split("|")]
        },
    }
    for position in _positions():
        found, files = candidates(spec, position.before, position.current, CACHED.__getitem__)
        _check(position, [*found, *(["FILES"] if files else [])])


def test_the_powershell_script_has_what_it_opens_closed_and_no_here_string_ends_early() -> None:
    script = (ROOT / "completions/nexctl.ps1").read_text()
    code = re.sub(r"@'\n.*?\n'@", "", script, flags=re.S)
    code = re.sub(r"^\s*#.*$", "", code, flags=re.M)
    code = re.sub(r"'[^'\n]*'", "", code)
    for opening, closing in ("{}", "()", "[]"):
        assert code.count(opening) == code.count(closing)
    assert script.count("@'\n") == script.count("\n'@")


def test_install_writes_the_script_and_says_where(nexctl: Any, own_home: Path) -> None:
    file = own_home / ".local/share/bash-completion/completions/nexctl"
    done = nexctl("completion", "install", "--dry-run", env={"SHELL": "/bin/bash"})
    assert (done.code, file.exists()) == (0, False)
    assert f"{file} would be written" in done.out
    done = nexctl("completion", "install", "-o", "json", env={"SHELL": "/bin/bash"})
    assert json.loads(done.out)["data"] == {
        "shell": "bash",
        "file": str(file),
        "state": "written",
        "then": f"open a new shell (without bash-completion: source '{file}')",
        "dry_run": False,
    }
    assert file.read_text() == (ROOT / "completions/nexctl.bash").read_text()
    done = nexctl("completion", "install", "bash")
    assert done.out == f"{file} is there already, as it should be\n"
    file.write_text("# bash completion for nexctl. Generated: do not edit.\nolder\n")
    assert "replaced" in nexctl("completion", "install", "bash").out
    assert file.read_text() == (ROOT / "completions/nexctl.bash").read_text()


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("zsh", ".local/share/zsh/site-functions/_nexctl"),
        ("fish", ".config/fish/completions/nexctl.fish"),
        ("powershell", ".config/powershell/nexctl.ps1"),
    ],
)
def test_each_shell_has_its_folder(shell: str, file: str, nexctl: Any, own_home: Path) -> None:
    done = nexctl("completion", "install", shell, "-o", "name")
    assert (done.code, done.out) == (0, f"{own_home / file}\n")
    assert (own_home / file).read_text() == (ROOT / "completions" / FILES[shell]).read_text()


def test_install_leaves_what_is_not_its_own(nexctl: Any, own_home: Path) -> None:
    file = own_home / ".config/fish/completions/nexctl.fish"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n")
    done = nexctl("completion", "install", "fish")
    assert (done.code, file.read_text()) == (1, "# mine\n")
    assert "--yes" in done.err
    assert nexctl("completion", "install", "fish", "--yes").code == 0


@pytest.mark.parametrize("shell", ["/bin/tcsh", ""])
def test_install_for_a_shell_that_it_does_not_know(shell: str, nexctl: Any) -> None:
    done = nexctl("completion", "install", env={"SHELL": shell})
    assert done.code == 2
    assert "bash|zsh|fish|powershell" in done.err


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
