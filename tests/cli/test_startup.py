"""What a command costs before it does anything: which modules are loaded, and which never are."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from nexctl.cli.completion_spec import SPEC
from nexctl.cli.tree import TREE, Entry

HEAVY = (
    "rich", "httpx", "keyring", "pydantic", "tiktoken", "importlib.metadata", "asyncio",
    "platformdirs", "json", "tomllib", "msgspec", "decimal", "dataclasses", "urllib", "subprocess",
    "shutil", "logging", "typer.main", "csv",
)  # fmt: skip


def loaded_after(*argv: str) -> set[str]:
    """The modules in a process of its own after a command line has run."""
    code = (
        "import sys; sys.argv = ['nexctl', *sys.argv[1:]]\n"
        "from nexctl.__main__ import main\n"
        "main()\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize("argv", [("config", "path"), ("profile", "list"), ("config", "--help")])
def test_an_offline_command_loads_nothing_heavy(argv: tuple[str, ...]) -> None:
    modules = loaded_after(*argv)
    assert "typer.core" in modules
    assert not modules & set(HEAVY)
    assert len(modules) <= 140


@pytest.mark.parametrize("argv", [("--version",), ("-V",), ("--help",), ("-h",), ()])
def test_the_first_answers_load_no_parser(argv: tuple[str, ...]) -> None:
    modules = loaded_after(*argv)
    assert not {name for name in modules if name.startswith(("typer", "re", "typing", "enum"))}


def test_a_group_loads_no_other_group() -> None:
    modules = loaded_after("config", "path")
    groups = {entry.target.partition(":")[0] for entry in TREE}
    assert groups & modules == {"nexctl.cli.config"}


def test_every_lazily_loaded_path_imports() -> None:
    for entry in TREE:
        assert entry.build().name == entry.name


def test_the_real_typer_is_there_for_who_wants_it() -> None:
    """Its package is entered unexecuted; asking it for anything runs it."""
    code = (
        "import nexctl.cli.kit as kit, sys\n"
        "assert 'typer.main' not in sys.modules\n"
        "import typer\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: print('ran'))\n"
        "assert typer.core.TyperCommand is kit.TyperCommand\n"
        "app([], standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_a_typer_that_came_first_is_used() -> None:
    code = "import typer, nexctl.cli.kit as kit; assert typer.core.TyperGroup is kit.TyperGroup"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_version_and_help_are_the_same_on_the_short_and_the_long_way(
    process: Any, nexctl: Any
) -> None:
    assert process("--version").stdout == nexctl("--version").out
    assert process("--help").stdout == nexctl("--help").out == nexctl("help").out
    bare = process()
    assert (bare.returncode, bare.stdout) == (2, "")
    assert bare.stderr == process("-h").stdout


def test_help_of_a_command_is_the_same_by_every_way(nexctl: Any) -> None:
    for words in (("config",), ("config", "set"), ("profile", "add"), ("help",)):
        long = nexctl(*words, "--help")
        assert long.code == 0
        assert long.err == ""
        assert long.out == nexctl(*words, "-h").out == nexctl("help", *words).out


def test_help_is_plain_and_in_one_order_on_every_stream(nexctl: Any) -> None:
    for tty in (False, True):
        text = nexctl("profile", "add", "--help", tty=tty, env={"FORCE_COLOR": "1"}).out
        assert "\x1b" not in text
        assert text.index("Examples:") < text.index("Options:") < text.index("General options:")


@pytest.mark.parametrize("path", sorted(SPEC["options"]))
def test_help_fits_80_columns(nexctl: Any, path: str) -> None:
    """Examples are lines to copy: they are not broken."""
    for line in nexctl(*path.split(), "--help").out.splitlines():
        assert len(line) <= 80 or line.startswith("  nexctl "), line


def test_every_topic_has_a_page(nexctl: Any) -> None:
    for topic in ("output", "exit-codes", "environment", "profiles", "money"):
        done = nexctl("help", topic)
        assert (done.code, done.err) == (0, "")
        assert max(len(line) for line in done.out.splitlines()) <= 82
        assert json.loads(nexctl("help", topic, "-o", "json").out)["data"]["subject"] == topic


def test_the_page_of_exit_codes_names_each_code_that_errors_use(nexctl: Any) -> None:
    from nexctl import errors

    page = nexctl("help", "exit-codes").out
    for name, code in vars(errors).items():
        if name.startswith("EXIT_"):
            assert f" {code}  " in page, name


def test_aliases_lead_to_the_same_command_and_stay_out_of_help(nexctl: Any) -> None:
    from nexctl.cli.tree import root

    group = root()
    assert group.member("price") is group.member("prices")
    assert group.member("estimate-cost") is group.member("estimate")
    assert "estimate-cost" not in nexctl("--help").out


def test_a_command_is_called_with_exactly_what_it_declares() -> None:
    """Each function takes the app and its declared parameters, no more and no fewer."""
    import inspect

    def specs(entries: Any) -> Any:
        for entry in entries:
            if not isinstance(entry, Entry):
                yield entry
                continue
            loaded = entry.load()
            yield from specs(loaded if entry.group else (loaded,))

    for spec in specs(TREE):
        names = list(inspect.signature(spec.run).parameters.values())
        declared = {parameter.name for parameter in spec.params}
        takes_rest = any(name.kind is name.VAR_KEYWORD for name in names)
        explicit = {name.name for name in names[1:] if name.kind is not name.VAR_KEYWORD}
        assert names[0].name == "app", spec.name
        assert explicit <= declared, spec.name
        assert takes_rest or explicit == declared, spec.name


CONTRACT = {
    ("config", "list"): {"key", "value", "origin"},
    ("config", "get", "output"): {"key", "value", "origin"},
    ("config", "set", "timeout", "9"): {"key", "value", "path", "dry_run"},
    ("config", "path"): {"path"},
    ("profile", "list"): {
        "name", "driver", "base_url", "book", "plan", "tier", "model", "calibration", "org",
        "built_in", "active",
    },
    ("profile", "add", "work"): {
        "name", "driver", "base_url", "book", "plan", "tier", "model", "calibration", "org",
        "built_in", "done", "dry_run",
    },
    ("completion", "bash"): {"shell", "script"},
    ("help", "money"): {"subject", "text"},
}  # fmt: skip


@pytest.mark.parametrize("argv", CONTRACT, ids=" ".join)
def test_field_names_are_an_api(nexctl: Any, argv: tuple[str, ...]) -> None:
    document = json.loads(nexctl(*argv, "-o", "json").out)
    assert set(document) == {"schema", "data"}
    data = document["data"]
    assert set(data[0] if isinstance(data, list) else data) == CONTRACT[argv]
