"""Where secrets are kept, who may speak for a profile, and what happens without a key store."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nexctl.errors import ConfigError, NexctlError
from nexctl.settings import secrets
from nexctl.settings.profiles import Profile
from nexctl.settings.secrets import SecretStore, origin_of, read_key_file

WORK = Profile("work", driver="nexctl", base_url="https://gw.example/v1", origin="config")
KEY = "sk-canary-1234567890"


class Ring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self.kept[service, name] = value

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(said: list[str], own_home: Path) -> SecretStore:
    """A store without a keyring."""
    return SecretStore({**os.environ, "NEXCTL_KEYRING": "0"}, warn=said.append)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = Ring()
    monkeypatch.setattr(secrets, "_import_keyring", lambda: made)
    return made


def with_ring(said: list[str]) -> SecretStore:
    env = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}
    return SecretStore(env, warn=said.append)


def test_the_last_resort_is_a_private_file_and_is_said(store: SecretStore, said: Any) -> None:
    place = store.set(WORK, KEY)
    assert place == f"file {store.file}"
    assert stat.S_IMODE(os.stat(store.file).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(store.file)).st_mode) == 0o700
    assert len(said) == 1
    assert store.file in said[0]
    assert KEY not in said[0]
    found = store.get(WORK)
    assert found is not None
    assert (found.value, found.source) == (KEY, place)


def test_a_secret_shows_its_place_and_never_itself(store: SecretStore) -> None:
    store.set(WORK, KEY)
    found = store.get(WORK)
    assert KEY not in repr(found)
    assert KEY not in str([found])


def test_the_keyring_comes_before_the_file(said: list[str], ring: Ring, store: SecretStore) -> None:
    store.set(WORK, "old-key")
    assert with_ring(said).set(WORK, KEY) == "keyring"
    found = with_ring(said).get(WORK)
    assert found is not None
    assert (found.value, found.source) == (KEY, "keyring")
    assert store.get(WORK) is None, "the older copy in the file is gone"


def test_a_null_keyring_keeps_nothing_and_is_noticed(
    said: list[str], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ring, "set_password", lambda *_: None)
    assert with_ring(said).set(WORK, KEY).startswith("file ")


def test_a_broken_keyring_is_as_none(
    said: list[str], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no back end")

    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(Ring, name, fail)
    made = with_ring(said)
    assert made.set(WORK, KEY).startswith("file ")
    found = made.get(WORK)
    assert found is not None
    assert found.value == KEY


def test_a_keyring_that_hangs_is_left_after_its_time(
    said: list[str], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "KEYRING_SECONDS", 0.2)
    monkeypatch.setattr(Ring, "get_password", lambda *_: time.sleep(30))
    began = time.monotonic()
    made = with_ring(said)
    assert made.get(WORK) is None
    assert made.get(WORK) is None, "it is not asked twice"
    assert time.monotonic() - began < 15
    assert len(said) == 1


@pytest.mark.parametrize(
    ("platform", "env", "worth"),
    [
        ("linux", {}, False),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}, True),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x", "NEXCTL_KEYRING": "0"}, False),
        ("linux", {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_the_keyring_is_left_alone_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, platform: str, env: dict[str, str], worth: bool
) -> None:
    monkeypatch.setattr(secrets, "sys", SimpleNamespace(platform=platform))
    assert SecretStore(env, warn=print)._keyring_worth_trying() is worth


def test_a_secret_belongs_to_one_origin_profile_and_use(store: SecretStore) -> None:
    store.set(WORK, KEY)
    assert store.get(WORK._replace(base_url="https://GW.example:443/v2")) is not None
    for other in (
        WORK._replace(base_url="https://gw.example:8443"),
        WORK._replace(base_url="http://gw.example"),
        WORK._replace(base_url="https://other.example"),
        WORK._replace(name="home"),
    ):
        assert store.get(other) is None
    assert store.get(WORK, "operator") is None


def test_origins_are_spelled_one_way() -> None:
    assert origin_of("https://GW.example/v1") == "https://gw.example:443"
    assert origin_of("http://[::1]:80") == "http://[::1]:80"
    assert origin_of(None) == "embedded"


def test_the_environment_speaks_for_the_profile_in_force_only(said: list[str]) -> None:
    env = {**os.environ, "NEXCTL_API_KEY": KEY, "NEXCTL_KEYRING": "0"}
    store = SecretStore(env, warn=said.append)
    found = store.get(WORK)
    assert found is not None
    assert found.source == "NEXCTL_API_KEY"
    assert store.get(WORK._replace(origin="option")) is None, "never for -p"
    elsewhere = SecretStore({**env, "NEXCTL_BASE_URL": "https://other.example"}, warn=said.append)
    assert elsewhere.get(WORK) is None, "an address in the environment binds the key to it"
    assert store.get(WORK, "operator") is None


def test_a_file_that_others_may_read_is_refused(store: SecretStore) -> None:
    store.set(WORK, KEY)
    os.chmod(store.file, 0o640)
    with pytest.raises(ConfigError, match="others may read") as caught:
        store.get(WORK)
    assert "chmod 600" in (caught.value.hint or "")
    assert KEY not in str(caught.value)


def test_a_linked_or_broken_file_is_refused(store: SecretStore, own_home: Path) -> None:
    store.set(WORK, KEY)
    real = own_home / "elsewhere"
    os.rename(store.file, real)
    os.symlink(real, store.file)
    with pytest.raises(ConfigError):
        store.get(WORK)
    os.unlink(store.file)
    for text in ("", "[]", '{"secrets": 3}', '{"secrets": {"a": 3}}', "[" * 100_000):
        Path(store.file).write_text(text)
        os.chmod(store.file, 0o600)
        with pytest.raises(ConfigError, match="not a file") as caught:
            store.get(WORK)
        assert "remove" not in (caught.value.hint or ""), "it may be the only copy"


def test_a_file_that_may_not_be_read_is_to_be_made_readable_not_removed(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set(WORK, KEY)

    def denied(path: str, **_: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("nexctl.settings.secrets.open_own", denied)
    with pytest.raises(ConfigError, match="Permission denied") as caught:
        store.get(WORK)
    assert (caught.value.hint or "").startswith(f"chmod 600 '{store.file}'")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_the_place_of_the_file_keeps_nobody_waiting(store: SecretStore) -> None:
    store.set(WORK, KEY)
    os.unlink(store.file)
    os.mkfifo(store.file, 0o600)
    with pytest.raises(ConfigError, match="Is a pipe, not a file"):
        store.get(WORK)


def test_deleting_forgets_every_copy(said: list[str], ring: Ring, store: SecretStore) -> None:
    store.set(WORK, KEY)
    with_ring(said)._set_in_ring(ring, "work key https://gw.example:443", KEY)
    assert with_ring(said).delete(WORK) == ("keyring", f"file {store.file}")
    assert with_ring(said).get(WORK) is None
    assert with_ring(said).delete(WORK) == ()


def test_deleting_nothing_makes_nothing(store: SecretStore, own_home: Path) -> None:
    assert store.delete(WORK) == ()
    assert list(own_home.iterdir()) == []


@pytest.mark.parametrize("bad", ["", "a b", "a\nb", "é", "x" * 9000, "\x1b[2J"])
def test_what_is_no_key_is_not_kept(store: SecretStore, bad: str) -> None:
    with pytest.raises(NexctlError) as caught:
        store.set(WORK, bad)
    assert caught.value.exit == 2
    assert not bad or bad not in caught.value.message


def test_a_key_file_is_read_and_looseness_is_said(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    assert read_key_file(str(file), warn=said.append) == KEY
    assert said == []
    file.chmod(0o644)
    assert read_key_file(str(file), warn=said.append) == KEY
    assert "others may read" in said[0]
    with pytest.raises(NexctlError, match="No such file"):
        read_key_file(str(tmp_path / "none"), warn=said.append)
