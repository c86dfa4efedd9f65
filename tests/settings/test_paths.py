"""nexctl's folders are where platformdirs would put them, on every system."""

from __future__ import annotations

import os
import posixpath

import pytest

from nexctl.settings import paths

CASES = [
    {},
    {"XDG_CONFIG_HOME": "/x/config", "XDG_STATE_HOME": "/x/state", "XDG_CACHE_HOME": "/x/cache"},
    {"XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": "  "},
    {"XDG_CONFIG_HOME": "/with space "},
]
KINDS = ("config", "state", "cache")


@pytest.mark.parametrize("variables", CASES)
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_rules_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], system: str
) -> None:
    platformdirs = pytest.importorskip("platformdirs", reason="needs platformdirs")
    module = pytest.importorskip(
        f"platformdirs.{'unix' if system == 'linux' else 'macos'}", reason="needs platformdirs"
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    theirs = (module.Unix if system == "linux" else module.MacOS)("nexctl", appauthor=False)
    for kind in KINDS:
        ours = paths._folder(kind, os.environ, system)
        assert ours == getattr(theirs, f"user_{kind}_dir"), (platformdirs.__version__, kind)


def test_windows_too() -> None:
    """platformdirs asks Windows itself; its documented result for no author is this."""
    env = {"LOCALAPPDATA": r"C:\Users\me\AppData\Local"}
    joined = posixpath.join(env["LOCALAPPDATA"], "nexctl", "nexctl")
    assert paths._folder("config", env, "win32") == joined
    assert paths._folder("state", env, "win32") == joined
    assert paths._folder("cache", env, "win32") == posixpath.join(joined, "Cache")


def test_one_variable_moves_everything(tmp_path: object) -> None:
    env = {"NEXCTL_CONFIG_DIR": str(tmp_path), "XDG_CONFIG_HOME": "/elsewhere"}
    assert paths.config_file(env) == f"{tmp_path}/config.toml"
    assert paths.state_dir(env) == f"{tmp_path}/state"
    assert paths.cache_dir(env) == f"{tmp_path}/cache"
    assert paths.books_dir(env) == f"{tmp_path}/books"


def test_finding_a_folder_makes_none(own_home: object) -> None:
    for kind in KINDS:
        assert not os.path.exists(paths._folder(kind, os.environ))
    assert os.listdir(str(own_home)) == []
