"""Which profile is in force, and where that was decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import ConfigError, UsageError
from nexctl.settings import config as settings
from nexctl.settings.profiles import BUILT_IN, active, address_fault, is_loopback


@pytest.fixture
def two(own_home: Path) -> None:
    """Profiles `work` and `cheap`; `work` is the default."""
    settings.save(
        {
            "default_profile": "work",
            "model": "nex-lite",
            "profiles": {
                "work": {"driver": "nexctl", "base_url": "https://gw.example", "book": "nextoken"},
                "cheap": {"book": "nexrelay", "model": "gpt-5.2", "calibration": "cal.json"},
            },
        }
    )


def test_without_anything_it_is_the_embedded_gateway(own_home: Path) -> None:
    assert active() == BUILT_IN
    assert (BUILT_IN.name, BUILT_IN.book, BUILT_IN.plan) == ("local", "nextoken", "business")
    assert list(own_home.iterdir()) == []


@pytest.mark.usefixtures("two")
def test_the_order_is_option_variable_environment_config() -> None:
    base = {"NEXCTL_BASE_URL": "https://env.example", "NEXCTL_DRIVER": "nexctl"}
    named = {**base, "NEXCTL_PROFILE": "cheap"}
    assert (active().name, active().origin) == ("work", "config")
    conf = settings.load()
    assert active(config=conf, environ=base)[:3] == ("environment", "nexctl", "https://env.example")
    assert active(config=conf, environ=named).name == "cheap"
    assert active(config=conf, environ=named).origin == "NEXCTL_PROFILE"
    assert active("local", config=conf, environ=named).origin == "option"


@pytest.mark.usefixtures("two")
def test_the_general_model_fills_in_and_files_are_found_beside_the_config() -> None:
    assert active("work").model == "nex-lite"
    assert active("cheap").model == "gpt-5.2"
    folder = Path(settings.load().path).parent
    assert active("cheap").calibration == str(folder / "cal.json")


@pytest.mark.usefixtures("two")
def test_an_unknown_profile_is_usage_when_typed_and_configuration_when_named() -> None:
    with pytest.raises(UsageError, match="nope"):
        active("nope")
    with pytest.raises(ConfigError, match="NEXCTL_PROFILE: no such profile: nope"):
        active(config=settings.load(), environ={"NEXCTL_PROFILE": "nope"})


@pytest.mark.parametrize("given", ["NEXCTL_BASE_URL", "NEXCTL_DRIVER"])
def test_half_an_environment_profile_is_an_error(given: str) -> None:
    with pytest.raises(ConfigError, match="is set but"):
        active(environ={given: "https://gw.example", "HOME": "/nonexistent"})


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://gateway.example.com", True),
        ("https://gateway.example.com:8443/v1", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:8080", True),
        ("http://gateway.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@gateway.example.com", False),
        ("https://user@gateway.example.com", False),
        ("https://gateway.example.com/?key=x", False),
        ("https://gateway.example.com/#x", False),
        ("ftp://gateway.example.com", False),
        ("gateway.example.com", False),
        ("https://", False),
        ("https://[::1", False),
        ("https://x:99999", False),
        ("", False),
    ],
)
def test_http_goes_to_this_machine_only(url: str, good: bool) -> None:
    assert (address_fault(url) is None) is good
    if url:
        env = {"NEXCTL_BASE_URL": url, "NEXCTL_DRIVER": "nexctl", "HOME": "/nonexistent"}
        if good:
            assert active(environ=env).base_url == url
        else:
            with pytest.raises(ConfigError):
                active(environ=env)


def test_loopback_is_told_by_definition_not_by_look_up() -> None:
    assert is_loopback("localhost")
    assert is_loopback("127.255.255.254")
    assert not is_loopback("localtest.me")
    assert not is_loopback("::ffff:8.8.8.8")


# -------------------------------------------------------------------- the commands


def test_add_list_use_remove(nexctl: Any, own_home: Path) -> None:
    assert nexctl("profile", "list", "-o", "name").out == "local\n"
    done = nexctl("profile", "add", "cheap", "--book", "nexrelay")
    assert (done.code, done.out) == (0, "profile cheap is added\n")
    assert nexctl("profile", "list", "-o", "name").out == "local\ncheap\n"
    assert nexctl("config", "get", "default_profile").out == "local\n"
    assert nexctl("profile", "use", "cheap").out == "profile cheap is in force\n"
    rows = json.loads(nexctl("profile", "list", "-o", "json").out)["data"]
    assert [row["name"] for row in rows if row["active"]] == ["cheap"]
    assert rows[1]["book"] == "nexrelay"
    assert nexctl("profile", "remove", "cheap").code == 10
    assert nexctl("profile", "list", "-o", "name").out == "local\ncheap\n"
    env = {"NEXCTL_KEYRING": "0"}
    assert nexctl("profile", "remove", "cheap", "--yes", env=env).code == 0
    assert nexctl("profile", "list", "-o", "name").out == "local\n"
    assert nexctl("config", "get", "default_profile").out == "local\n"


def test_what_cannot_be_added(nexctl: Any) -> None:
    assert nexctl("profile", "add", "local").code == 2
    assert nexctl("profile", "add", "a b").code == 2
    assert nexctl("profile", "add", "$(x)").code == 2
    assert nexctl("profile", "add", "w", "--base-url", "https://x.example").code == 2
    done = nexctl("profile", "add", "w", "--driver", "nexctl", "--base-url", "http://x.example")
    assert done.code == 2
    assert "https" in done.err
    assert nexctl("profile", "add", "w").code == 0
    assert nexctl("profile", "add", "w").code == 2
    assert nexctl("profile", "use", "nope").code == 2
    assert nexctl("profile", "remove", "local", "--yes").code == 2


def test_a_profile_without_fields_is_kept(nexctl: Any) -> None:
    assert nexctl("profile", "add", "bare", "--use").code == 0
    assert active().name == "bare"


def test_the_environment_profile_is_listed_while_it_is_in_force(nexctl: Any) -> None:
    env = {"NEXCTL_BASE_URL": "https://gw.example", "NEXCTL_DRIVER": "nexctl"}
    rows = json.loads(nexctl("profile", "list", "-o", "json", env=env).out)["data"]
    assert [row["name"] for row in rows if row["active"]] == ["environment"]


def test_reading_prices_and_settings_leaves_no_trace(nexctl: Any, own_home: Path) -> None:
    for argv in (
        ("config", "list"),
        ("config", "get", "output"),
        ("profile", "list"),
        ("prices", "list"),
        ("prices", "show", "nex-pro"),
        ("estimate", "-m", "nex-pro", __file__),
    ):
        assert nexctl(*argv).code == 0
    assert list(own_home.iterdir()) == []
