"""`nexctl provider-keys`: a customer's own keys, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl, Ran

CANARY = "sk-CANARY-own-provider-key"
MODEL = "gemini-3-flash-preview"


@pytest.fixture
def nexu(nexctl: Nexctl) -> Nexctl:
    """A gateway whose book lets customers bring their own keys."""
    assert nexctl("gateway", "init", "nu", "--book", "nexu", "--payments", "sandbox").exit == 0

    def run(*arguments: str | Path, **more: str) -> Ran:
        return nexctl(*arguments, NEXCTL_PROFILE="nu", **more)

    return run


def test_an_own_key_is_stored_used_and_forgotten(nexu: Nexctl, own_home: Path) -> None:
    empty = nexu("provider-keys", "list", "-o", "json")
    assert (empty.exit, empty.data) == (0, [])
    assert "a key can be stored for: echo" in empty.err
    planned = nexu("provider-keys", "set", "echo", "--dry-run")
    assert planned.exit == 0, planned
    assert '"key":"***"' in planned.out
    stored = nexu("provider-keys", "set", "echo", "-o", "json", stdin=CANARY)
    assert stored.exit == 0, stored
    assert set(stored.data) == {"provider", "created_at", "hint", "models", "profile"}
    assert CANARY not in stored.out + stored.err
    assert nexu("provider-keys", "list", "-o", "name").out.split() == ["echo"]
    # The wallet is empty: a request on the gateway's key would be refused.
    asked = nexu("chat", "-m", MODEL, "-o", "json", stdin="hello")
    assert asked.exit == 0, asked
    assert asked.data["charge"] == "0"
    assert asked.data["nex"]["own_key"]["provider"] == "echo"
    assert "charge 0 credits · echo fee " in nexu("chat", "-m", MODEL, stdin="hello").err
    kept = [path for path in own_home.rglob("*") if path.is_file()]
    assert kept
    assert all(CANARY.encode() not in path.read_bytes() for path in kept)
    assert nexu("provider-keys", "remove", "echo", "--no-input").exit == 10
    assert nexu("provider-keys", "remove", "echo", "--yes").exit == 0
    assert nexu("provider-keys", "remove", "echo", "--yes").exit == 3
    assert nexu("chat", "-m", MODEL, stdin="hello").exit == 5


def test_a_key_comes_from_a_file_or_not_at_all(nexu: Nexctl, tmp_path: Path) -> None:
    path = tmp_path / "echo.key"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o600)
    assert nexu("provider-keys", "set", "echo", "--key-file", path).exit == 0
    assert nexu("provider-keys", "set", "echo", "--key-file", tmp_path / "none").exit == 2
    nothing = nexu("provider-keys", "set", "echo")
    assert (nothing.exit, "no key was given" in nothing.err) == (2, True)
    assert nexu("provider-keys", "set", "nope", stdin=CANARY).exit == 3
    blank = nexu("provider-keys", "set", "echo", stdin="two words")
    assert (blank.exit, "two words" in blank.err) == (2, False)


def test_a_book_that_takes_no_own_keys_says_so(nexctl: Nexctl) -> None:
    for command in (("list",), ("remove", "echo", "--yes")):
        said = nexctl("provider-keys", *command)
        assert said.exit == 1, said
        assert "takes no provider keys" in said.err
