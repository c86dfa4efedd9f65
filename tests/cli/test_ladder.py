"""Whatever happens ends in text and an exit code: one line of what, one of what to do next."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nexctl.cli import base, tree
from nexctl.cli.context import App
from nexctl.cli.render import Table, View
from nexctl.cli.run import run
from nexctl.errors import CheckFailed, NexctlError

USAGE = [
    ("nonsense",),
    ("confg", "path"),
    ("config", "path", "--nonsense"),
    ("config", "path", "--profil", "x"),
    ("config", "path", "extra"),
    ("config", "path", "-o", "xml"),
    ("config", "path", "-o"),
    ("config", "get"),
    ("config", "path", "--timeout", "NaN"),
    ("config", "path", "--timeout", "-1"),
    ("-o", "json", "config", "path"),
    ("config", "pa"),
    ("help", "nonsense"),
]


@pytest.mark.parametrize("argv", USAGE, ids=" ".join)
def test_a_wrong_command_line_is_exit_2_with_two_plain_lines(nexctl: Any, argv: Any) -> None:
    done = nexctl(*argv)
    if "json" in argv:
        assert json.loads(done.err)["error"]["exit"] == 2
    else:
        lines = done.err.splitlines()
        assert lines[0].startswith("error: ")
        assert len(lines) == 2
        assert lines[1].startswith("hint: ")
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("argv", USAGE, ids=" ".join)
def test_the_same_as_json_where_json_was_asked_for(nexctl: Any, argv: Any) -> None:
    done = nexctl(*argv, env={"NEXCTL_OUTPUT": "json"})
    if argv[-2:] == ("-o", "xml"):
        return
    error = json.loads(done.err)
    assert error["schema"] == 1
    assert set(error["error"]) >= {"code", "message", "hint", "exit"}
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("spelling", ["-o json", "-ojson", "--output json", "--output=json"])
def test_json_is_noticed_before_the_line_is_parsed(nexctl: Any, spelling: str) -> None:
    assert json.loads(nexctl("config", "path", "--nonsense", *spelling.split()).err)
    assert json.loads(nexctl("nonsense", *spelling.split()).err)
    assert nexctl("config", "path", "--", *spelling.split()).err.startswith("error:")


def test_near_names_are_offered(nexctl: Any) -> None:
    assert "did you mean config?" in nexctl("confg").err
    assert "did you mean --profile?" in nexctl("config", "path", "--profil").err
    assert "options go after the command" in nexctl("-q", "config", "path").err


def test_a_bad_value_names_its_option_once(nexctl: Any) -> None:
    done = nexctl("estimate", "x", "--max-cost", "NaN")
    assert done.err.startswith("error: --max-cost: 'NaN'")
    assert nexctl("estimate", "x", "--output-tokens", "1_0").err == (
        "error: --output-tokens: '1_0' is not a whole number\nhint: see 'nexctl estimate --help'\n"
    )


def test_commands_are_not_abbreviated(nexctl: Any) -> None:
    assert nexctl("conf", "path").code == 2
    assert nexctl("config", "path", "--out", "json").code == 2


def test_a_bare_group_prints_its_help_on_stderr_and_is_exit_2(nexctl: Any) -> None:
    done = nexctl("config")
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err
    assert nexctl("config", "--help").code == 0
    assert nexctl("config", "--help").out == done.err
    assert json.loads(nexctl("config", env={"NEXCTL_OUTPUT": "json"}).err)["error"]["exit"] == 2


def leaf(app: App) -> View | None:
    """Do what the test says."""
    return _BEHAVIOUR[0](app)


_BEHAVIOUR: list[Any] = []


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch, nexctl: Any) -> Any:
    """Run a command that does what is given: `behave(function, "-o", "json")`."""
    spec = base.command(name="act")(leaf)
    spec.aliases = ()
    monkeypatch.setattr(tree, "TREE", (*tree.TREE, spec))

    def call(behaviour: Any, *argv: str, **double: Any) -> Any:
        _BEHAVIOUR[:] = [behaviour]
        return nexctl("act", *argv, **double)

    return call


def _raise(error: BaseException) -> Any:
    def behaviour(app: App) -> None:
        raise error

    return behaviour


def _deep(app: App) -> None:
    _deep(app)


@pytest.mark.parametrize("error", [KeyError("secret-value"), MemoryError(), ZeroDivisionError()])
def test_a_defect_is_one_line_without_values(behave: Any, error: Exception) -> None:
    done = behave(_raise(error))
    assert done.code == 1
    assert done.err.startswith(f"error: internal error: {type(error).__name__}")
    assert "secret-value" not in done.err
    assert "Traceback" not in done.err


def test_endless_recursion_is_a_defect_too(behave: Any) -> None:
    done = behave(_deep)
    assert done.code == 1
    assert "RecursionError" in done.err


def test_only_debug_shows_a_traceback(behave: Any) -> None:
    assert "Traceback" in behave(_raise(KeyError("x")), "--debug").err
    assert "Traceback" in behave(_raise(NexctlError("m")), "--debug").err
    assert "Traceback" not in behave(_raise(NexctlError("m"))).err


def test_a_traceback_steers_no_terminal_and_holds_no_key(behave: Any) -> None:
    told = behave(_raise(ValueError("\x1b[31mred\u202e Bearer CANARY12345678")), "--debug").err
    assert "Traceback" in told
    assert "red" in told
    assert not {"\x1b", "\u202e"} & set(told)
    assert "CANARY" not in told


def test_a_system_error_names_its_file(behave: Any) -> None:
    done = behave(_raise(PermissionError(13, "Permission denied", "/some/file")))
    assert done.code == 1
    assert done.err.startswith("error: /some/file: permission denied\n")


def test_an_interrupt_is_one_newline_and_130(behave: Any) -> None:
    done = behave(_raise(KeyboardInterrupt()))
    assert (done.code, done.err) == (130, "\n")


def test_a_gone_reader_is_silent_and_141(behave: Any) -> None:
    done = behave(_raise(BrokenPipeError()))
    assert (done.code, done.err) == (141, "")


def test_a_gate_prints_its_report_and_then_fails(behave: Any) -> None:
    def gate(app: App) -> None:
        app.emit(View({"gate": False}, text=lambda screen: screen.line("too dear")))
        raise CheckFailed("over the limit", details={"limit": "1"})

    done = behave(gate)
    assert (done.code, done.out) == (9, "too dear\n")
    assert done.err == "error: over the limit\n"
    done = behave(gate, "-o", "json")
    assert json.loads(done.out)["data"] == {"gate": False}
    assert json.loads(done.err)["error"]["limit"] == "1"


def test_a_message_is_one_line_whatever_is_in_it(behave: Any) -> None:
    done = behave(_raise(NexctlError("bad\nname\x1b[2J", hint="x\ny")))
    assert done.err == "error: bad name\nhint: x y\n"


def test_nobody_to_ask_is_exit_10_and_names_the_flag(behave: Any) -> None:
    def ask(app: App) -> View:
        app.confirm("Spend $5.00 on profile work?")
        return View({}, text=lambda screen: screen.line("done"))

    done = behave(ask)
    assert done.code == 10
    assert "--yes" in done.err
    for env in ({"CI": "true"}, {"NEXCTL_NO_INPUT": "1"}):
        assert behave(ask, tty=True, env=env, stdin="y\n").code == 10
    assert behave(ask, "--no-input", tty=True, stdin="y\n").code == 10
    assert behave(ask, tty=True, stdin="y\n").code == 0
    assert behave(ask, tty=True, stdin="\n").code == 1
    assert behave(ask, tty=True, stdin="").code == 130


def test_notes_are_left_out_with_quiet_and_warnings_are_not(behave: Any) -> None:
    def talk(app: App) -> None:
        app.note("a note")
        app.detail("a detail")
        app.warn("careful")

    assert behave(talk).err == "a note\nwarning: careful\n"
    assert behave(talk, "-q").err == "warning: careful\n"
    assert behave(talk, "-v").err == "a note\na detail\nwarning: careful\n"


# -------------------------------------------------------------------- as a process


def _shell(line: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("nexctl", f"'{sys.executable}' -m nexctl")
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["--version", "--help", "config path", "help output"])
def test_a_closed_stdout_is_said_and_exit_1(command: str) -> None:
    done = _shell(f"nexctl {command} >&-")
    assert done.returncode == 1
    assert "output" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--version", "--help", "config path", "config path -o json"])
def test_a_full_disk_is_said_and_exit_1(command: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = _shell(f"nexctl {command} >/dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") <= 2
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", ["--version", "--help", "completion bash"])
def test_a_reader_that_leaves_is_silent_and_141(command: str) -> None:
    done = _shell(f"(sleep 0.5; nexctl {command}; echo $? >&2) | true")
    assert done.stderr == "141\n"


def test_closed_stderr_and_stdin_are_no_failure() -> None:
    assert _shell("nexctl config path 2>&- <&-").returncode == 0
    assert _shell("nexctl nonsense 2>&-").returncode == 2


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what is meant for standard error could end in the configuration file."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    listing = tmp_path / "fds"
    env = f"EDITOR=\"sh -c 'ls -l /proc/self/fd > {listing}'\""
    done = _shell(f"{env} nexctl config edit >&- 2>&- <&-")
    assert done.returncode == 1, "its own output had nowhere to go"
    assert "config.toml" not in listing.read_text()


def test_an_interrupt_of_the_process_is_130_without_a_traceback(tmp_path: Path) -> None:
    ready, said = tmp_path / "ready", tmp_path / "said"
    # One process, named by a builtin: a shell that waits for `touch` may swallow the interrupt.
    env = {**os.environ, "EDITOR": f"sh -c ': > {ready}; exec sleep 60'"}
    # A file, not a pipe: an editor that stays behind must not decide when the program has ended.
    with said.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "nexctl", "config", "edit"],
            stderr=stderr, stdout=subprocess.DEVNULL, env=env, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(1200):
            if ready.exists():
                break
            time.sleep(0.05)
        assert ready.exists(), "the editor never started"
        os.killpg(child.pid, signal.SIGINT)
        assert child.wait(timeout=60) == 130
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert said.read_text() == "\n"


def test_output_in_another_encoding_is_no_failure() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "XDG_CONFIG_HOME": "/Möller"}
    done = subprocess.run(
        [sys.executable, "-m", "nexctl", "config", "path"],
        capture_output=True, check=False, env=env, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == b"/M\\xf6ller/nexctl/config.toml\n"
    done = subprocess.run(
        [sys.executable, "-m", "nexctl", "config", "path", "-o", "json"],
        capture_output=True, check=False, env=env, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout.decode("utf-8"))["data"]["path"].startswith("/Möller")


def test_a_run_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where what reports the error is broken as well."""
    app = App.double(environ={"NEXCTL_OUTPUT": "nonsense"})
    assert run(["nonsense"], app) == 2


def test_sheets_need_rows(behave: Any) -> None:
    done = behave(lambda app: View({}, text=lambda screen: None), "-o", "csv")
    assert done.code == 2
    done = behave(lambda app: View([], table=lambda: Table(("a",), [(1,)])), "-o", "csv")
    assert done.out == "a\r\n1\r\n"
