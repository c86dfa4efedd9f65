"""The configuration file: typed, checked with file and line, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import ConfigError, NexctlError, UsageError
from nexctl.gateways.drivers import DRIVERS
from nexctl.settings import config as settings
from nexctl.settings import paths
from nexctl.settings.config import PROFILE_KEYS

FAULTS = [
    # text, line, what the message says, what the hint says
    ('outptu = "json"', 1, "unknown key 'outptu'", "output"),
    ('output = "json"\n\ncolour = "never"', 3, "unknown key 'colour'", "color"),
    ('[profiles.work]\nbook = "nexu"\nbase_ulr = "https://x.example"', 3, "base_ulr", "base_url"),
    ('profiles.work.drivr = "x"', 1, "drivr", "driver"),
    ('profiles = { work = { drivr = "x" } }', 1, "drivr", "driver"),
    ('[profiles."a b"]\nbook = "x"', 1, "not a profile name", None),
    ('output = "xml"', 1, "'xml' is not one of", None),
    ("output = 3", 1, "must be a text", None),
    ("timeout = 0", 1, "seconds", None),
    ("timeout = nan", 1, "seconds", None),
    ("timeout = true", 1, "seconds", None),
    ("no_input = 1", 1, "true or false", None),
    ('[profiles.w]\nbase_url = "http://gateway.example"', 2, "https", None),
    ('[profiles.w]\nbase_url = "https://user:pw@gateway.example"', 2, "password", None),
    ("profiles = 3", 1, "tables", None),
    ("[profiles]\nwork = 3", 2, "[profiles.work]", None),
    ('output = "json"\noutput = "csv"', 2, "overwrite", None),
    ('output = "json', 1, "", None),
    ("a = [1,\n2,\n", 2, "", None),
    ("[profiles.w", 1, "", None),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), FAULTS)
def test_a_fault_is_named_with_file_and_line(
    text: str, line: int, message: str, hint: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.parse(text.encode(), "c.toml")
    assert caught.value.exit == 78
    assert caught.value.message.startswith(f"c.toml:{line}: ")
    assert message in caught.value.message
    assert caught.value.details == {"file": "c.toml", "line": line}
    if hint is not None:
        assert caught.value.hint is not None
        assert "did you mean" in caught.value.hint
        assert hint in caught.value.hint


def test_bytes_that_are_no_text_are_named_by_line() -> None:
    with pytest.raises(ConfigError, match=r"c.toml:2: not UTF-8"):
        settings.parse(b'output = "json"\n\xff', "c.toml")
    with pytest.raises(ConfigError, match="larger"):
        settings.parse(b"#" * 2_000_000, "c.toml")
    with pytest.raises(ConfigError, match="nested"):
        settings.parse(b"a = " + b"[" * 100_000, "c.toml")


@given(st.text(max_size=200))
def test_no_file_gives_anything_but_settings_or_a_config_error(text: str) -> None:
    values: dict[str, Any] = {}
    with contextlib.suppress(ConfigError):
        values = settings.parse(text.encode("utf-8", "surrogatepass"), "c.toml")
    assert set(values) <= {*settings.KEYS, "profiles"}


def test_without_a_file_there_are_defaults_and_nothing_is_made(own_home: Path) -> None:
    config = settings.load()
    assert not config.exists
    assert config.get("default_profile") == "local"
    assert config.get("output") is None
    assert list(own_home.iterdir()) == []


def test_a_byte_order_mark_is_no_fault_and_moves_no_line() -> None:
    assert settings.parse(b'\xef\xbb\xbfoutput = "json"\r\n', "c") == {"output": "json"}
    with pytest.raises(ConfigError, match="c:2: unknown key"):
        settings.parse(b'\xef\xbb\xbfoutput = "json"\ncolour = 1\n', "c")


@pytest.mark.parametrize("text", ["1_0", "\u0663", "1e400", "nan", "0.0", "-1", " "])
def test_seconds_in_a_variable_are_plain_numbers(text: str) -> None:
    conf = settings.load({"NEXCTL_TIMEOUT": text, "NEXCTL_CONFIG_DIR": "/nonexistent"})
    with pytest.raises(UsageError, match="NEXCTL_TIMEOUT"):
        conf.get("timeout")


def test_variables_stand_over_the_file_and_the_file_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.load().setting("timeout") == ("timeout", 60, "default")
    path = settings.save({"timeout": 5})
    assert settings.load().setting("timeout") == ("timeout", 5, path)
    monkeypatch.setenv("NEXCTL_TIMEOUT", "2.5")
    assert settings.load().setting("timeout") == ("timeout", 2.5, "NEXCTL_TIMEOUT")
    for bad in ("NaN", "-1", "inf", "x", "0"):
        monkeypatch.setenv("NEXCTL_TIMEOUT", bad)
        with pytest.raises(UsageError, match="NEXCTL_TIMEOUT"):
            settings.load().setting("timeout")


def test_the_file_is_private_and_so_is_its_folder(own_home: Path) -> None:
    old = os.umask(0)
    try:
        path = settings.save({"output": "json"})
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert path == paths.config_file()
    assert os.listdir(os.path.dirname(path)) == ["config.toml"], "no part file is left"


def test_a_wrong_value_is_never_written() -> None:
    path = settings.save({"output": "json"})
    before = Path(path).read_bytes()
    with pytest.raises(NexctlError):
        settings.save({"output": "xml"})
    assert Path(path).read_bytes() == before


def test_a_linked_file_stays_a_link(own_home: Path) -> None:
    target = own_home / "dotfiles.toml"
    target.write_text('output = "json"\n')
    link = Path(paths.config_file())
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    settings.save({"output": "csv"})
    assert link.is_symlink()
    assert target.read_text() == 'output = "csv"\n'


KEY_VALUES = st.one_of(
    st.tuples(st.just("output"), st.sampled_from(["json", "csv", "name"])),
    st.tuples(st.just("timeout"), st.integers(1, 86_400).map(str)),
    st.tuples(st.just("no_input"), st.sampled_from(["true", "false"])),
    st.tuples(st.just("profiles.a.b.model"), st.text("abc/:.-", min_size=1)),
    st.tuples(st.just("profiles.w.book"), st.text("日本x", min_size=1)),
)


@given(st.lists(KEY_VALUES, max_size=6))
def test_what_is_set_is_read_back(pairs: list[tuple[str, str]]) -> None:
    import tomli_w

    values: dict[str, Any] = {}
    for key, text in pairs:
        values = settings.with_value(values, key, text)
    again = settings.parse(tomli_w.dumps(values).encode(), "c.toml")
    assert again == values
    for key, _text in pairs:
        values = settings.with_value(values, key, None)
    assert not {key: value for key, value in values.items() if key != "profiles"}


def test_setting_changes_a_copy() -> None:
    values = {"profiles": {"w": {"book": "a"}}}
    settings.with_value(values, "profiles.w.book", "b")
    assert values == {"profiles": {"w": {"book": "a"}}}


# -------------------------------------------------------------------- the commands


def test_a_broken_file_is_exit_78_for_a_command_that_needs_it(nexctl: Any, own_home: Path) -> None:
    file = Path(paths.config_file())
    file.parent.mkdir(parents=True)
    file.write_text("outptu = 1\n")
    for argv in (("config", "list"), ("profile", "list"), ("config", "set", "output", "json")):
        done = nexctl(*argv)
        assert (done.code, done.out) == (78, ""), argv
        assert f"{file}:1: unknown key 'outptu'" in done.err
        assert "did you mean output?" in done.err
    assert nexctl("config", "path", "-o", "table").code == 0, "the way to repair it stays open"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "Is a pipe, not a file"),
        ("folder", "Is a directory"),
        ("socket", "Is a socket, not a file"),
        ("device", "Is a device, not a file"),
        ("huge", "larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_file_of_settings_is_said_at_once(
    nexctl: Any, own_home: Path, kind: str, said: str
) -> None:
    file = Path(paths.config_file())
    file.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "socket":
        with contextlib.chdir(file.parent), socket.socket(socket.AF_UNIX) as held:
            held.bind(file.name)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as stream:
            stream.truncate(100 * 2**30)
    for argv in (("config", "list"), ("config", "set", "output", "json"), ("auth", "status")):
        done = nexctl(*argv)
        assert (done.code, done.out) == (78, ""), argv
        assert str(file) in done.err
        assert said in done.err
    assert nexctl("config", "path", "-o", "table").code == 0


def test_set_get_and_unset(nexctl: Any, own_home: Path) -> None:
    assert nexctl("config", "set", "model", "nex-pro").code == 0
    assert nexctl("config", "get", "model").out == "nex-pro\n"
    assert nexctl("config", "set", "model", "--unset").code == 0
    assert nexctl("config", "get", "model").out == "\n"
    for wrong in (("model",), ("model", "x", "--unset"), ("output", "xml"), ("nope", "1")):
        assert nexctl("config", "set", *wrong).code == 2


def test_a_driver_is_written_as_one_that_there_is_and_read_as_it_stands(nexctl: Any) -> None:
    assert PROFILE_KEYS["driver"].choices == tuple(sorted(DRIVERS))
    assert nexctl("config", "set", "profiles.w.driver", "openai").code == 0
    done = nexctl("config", "set", "profiles.w.driver", "litellm")
    assert done.code == 2
    assert "'litellm' is not one of embedded, nexctl, openai" in done.err
    file = Path(paths.config_file())
    file.write_text('[profiles.w]\ndriver = "litellm"\nbook = "openai"\n')
    assert nexctl("profile", "list", "-o", "name").out == "local\nw\n", (
        "its prices are still of use"
    )
    assert nexctl("profile", "remove", "w", "--yes").code == 0


def test_two_changes_at_once_are_both_kept(own_home: Path) -> None:
    began = threading.Event()

    def slow(values: dict[str, Any]) -> dict[str, Any]:
        began.set()
        time.sleep(0.3)
        return settings.with_value(values, "model", "nex-pro")

    first = threading.Thread(target=settings.change, args=(slow,))
    first.start()
    began.wait(10)
    settings.change(lambda values: settings.with_value(values, "output", "json"))
    first.join()
    assert settings.load().values == {"model": "nex-pro", "output": "json"}
    assert os.listdir(os.path.dirname(paths.config_file())) == ["config.toml"]


def test_dry_run_writes_nothing(nexctl: Any, own_home: Path) -> None:
    done = nexctl("config", "set", "output", "json", "--dry-run")
    assert (done.code, "would be" in done.out) == (0, True)
    assert nexctl("profile", "add", "w", "--dry-run").code == 0
    assert list(own_home.iterdir()) == []


def test_the_origin_of_each_value_is_shown(nexctl: Any) -> None:
    import json

    nexctl("config", "set", "timeout", "9")
    done = nexctl("config", "list", "--show-origin", "-o", "json", env={"NEXCTL_OUTPUT": "csv"})
    rows = {row["key"]: row for row in json.loads(done.out)["data"]}
    assert rows["timeout"] == {"key": "timeout", "value": 9, "origin": paths.config_file()}
    assert rows["output"]["origin"] == "NEXCTL_OUTPUT"
    assert rows["color"]["origin"] == "default"


def test_comments_that_would_go_are_said(nexctl: Any, own_home: Path) -> None:
    file = Path(paths.config_file())
    file.parent.mkdir(parents=True)
    file.write_text('# mine\noutput = "table"\n')
    assert "comments" in nexctl("config", "set", "output", "json").err
    assert "comments" not in nexctl("config", "set", "output", "csv").err


@pytest.mark.parametrize("editor", ["vi '", " ", "'' "])
def test_an_editor_that_is_no_command_is_said(
    nexctl: Any, own_home: Path, monkeypatch: pytest.MonkeyPatch, editor: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    done = nexctl("config", "edit")
    assert done.code in (1, 2), done
    assert "internal error" not in done.err
    assert not Path(paths.config_file()).exists() or editor == "'' "


def test_edit_makes_a_private_file_and_checks_it(nexctl: Any, own_home: Path) -> None:
    file = Path(paths.config_file())
    done = nexctl("config", "edit", env={"EDITOR": "true"})
    assert done.code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = nexctl("config", "edit", env={"EDITOR": "sh -c 'echo bad = 1 > \"$0\"'"})
    assert done.code == 78
    assert ":1: unknown key 'bad'" in done.err
    assert nexctl("config", "edit", env={"EDITOR": "false"}).code == 1
    assert nexctl("config", "edit", env={"EDITOR": "no-such-editor"}).code == 1
    assert nexctl("config", "edit", env={"EDITOR": "", "VISUAL": ""}).code == 10
