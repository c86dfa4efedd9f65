"""`nexctl auth`: keys in and out of the key store, and where each came from."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM, Nexctl


def test_status_of_an_empty_home_makes_nothing(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("auth", "status", "-o", "json")
    assert (done.exit, done.data["made"]) == (0, False)
    assert not (own_home / ".local/state/nexctl").exists()


def test_status_tells_where_each_key_came_from(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    rows = {row["kind"]: row for row in nexctl("auth", "status", "-o", "json").data["keys"]}
    assert rows["key"]["source"].startswith("file ")
    assert rows["key"]["plain_text"] is True
    assert rows["key"]["key"]["kind"] == "management_key"
    assert rows["operator"]["key"]["role"] == "owner"
    made = nexctl("keys", "create", "--name", "ci", "-q").out.strip()
    done = nexctl("auth", "status", "-o", "json", NEXCTL_API_KEY=made)
    assert done.data["keys"][0]["source"] == "NEXCTL_API_KEY"
    assert made not in done.out + done.err
    refused = nexctl("auth", "status", NEXCTL_API_KEY="nxt_sk_wrong")
    assert refused.exit == 4


@pytest.fixture
def url(nexctl: Nexctl) -> Iterator[str]:
    """The local gateway, served."""
    nexctl("keys", "list")
    process = subprocess.Popen(
        [str(PROGRAM), "gateway", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert found is not None, said
    yield found[0]
    process.send_signal(signal.SIGTERM)
    process.wait(40)
    process.stderr.close()


def test_login_checks_keeps_and_logout_forgets(nexctl: Nexctl, url: str, tmp_path: Path) -> None:
    nexctl("profile", "add", "work", "--driver", "nexctl", "--base-url", url)
    assert nexctl("auth", "status", "-p", "work").exit == 4
    assert nexctl("wallet", "show", "-p", "work").exit == 4
    secret = nexctl("keys", "create", "--name", "laptop", "-q").out.strip()
    wrong = nexctl("auth", "login", "-p", "work", stdin="nxt_sk_wrong\n")
    assert wrong.exit == 4
    assert nexctl("wallet", "show", "-p", "work").exit == 4
    assert nexctl("auth", "login", "-p", "work", "--operator", stdin=secret).exit == 2
    done = nexctl("auth", "login", "-p", "work", "-o", "json", stdin=f"{secret}\n")
    assert (done.exit, done.data["key"]["name"], done.data["profile"]) == (0, "laptop", "work")
    assert secret not in done.out + done.err
    assert nexctl("wallet", "show", "-p", "work").exit == 0
    (tmp_path / "key").write_text(secret)
    (tmp_path / "key").chmod(0o600)
    assert nexctl("auth", "login", "-p", "work", "--key-file", "key").exit == 0
    forgotten = nexctl("auth", "logout", "-p", "work", "-o", "json")
    assert (forgotten.exit, len(forgotten.data["removed"])) == (0, 1)
    assert nexctl("wallet", "show", "-p", "work").exit == 4


def test_no_option_takes_a_key(nexctl: Nexctl) -> None:
    help_text = nexctl("auth", "login", "--help").out
    assert "--key " not in help_text
    assert nexctl("auth", "login", "nxt_sk_x").exit == 2
    assert nexctl("auth", "login", stdin="").exit == 2
    assert nexctl("auth", "login", "--key-file", "missing").exit == 2
    assert nexctl("auth", "login", "--no-check", stdin="two words").exit == 2


@pytest.mark.parametrize("text", ["ключ", "two words", "two\nlines", "a" * 9000, b"\xff\xfe"])
@pytest.mark.parametrize("more", [(), ("--no-check",)])
def test_what_no_header_carries_is_no_key(
    nexctl: Nexctl, text: str | bytes, more: tuple[str, ...]
) -> None:
    done = nexctl("auth", "login", *more, stdin=text)
    assert done.exit == 2, done
    assert "is not a key" in done.err


def test_a_lesser_key_takes_the_place_of_the_embedded_gateways_own_only_when_asked(
    nexctl: Nexctl,
) -> None:
    """Nobody could manage the gateway any more: its management key is kept nowhere else."""
    secret = nexctl("keys", "create", "--name", "ci", "-q").out
    done = nexctl("auth", "login", stdin=secret)
    assert done.exit == 10, done
    assert "kept nowhere else" in done.err
    assert nexctl("auth", "login", "--no-check", stdin="nxt_mk_other").exit == 10
    assert nexctl("keys", "list").exit == 0
    other = nexctl("admin", "customers", "create", "acme", "-q").out
    assert nexctl("auth", "login", stdin=other).exit == 10
    # A new secret of that very key is no loss.
    own = nexctl("keys", "rotate", "management", "-q").out
    assert nexctl("auth", "login", stdin=own).exit == 0
    assert nexctl("keys", "list").exit == 0
    assert nexctl("auth", "login", "--yes", stdin=secret).exit == 0


def test_a_person_types_a_key_unseen_and_can_say_no(nexctl: Nexctl, url: str) -> None:
    pexpect = pytest.importorskip("pexpect", reason="needs pexpect")
    nexctl("profile", "add", "work", "--driver", "nexctl", "--base-url", url)
    secret = nexctl("keys", "create", "--name", "laptop", "-q").out.strip()
    child = pexpect.spawn(str(PROGRAM), ["auth", "login", "-p", "work"], timeout=30)
    child.expect("Key for http://127.0.0.1")
    child.sendline(secret)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert secret.encode() not in child.before
    child = pexpect.spawn(str(PROGRAM), ["keys", "revoke", "laptop"], timeout=30)
    child.expect("Revoke key laptop for ever, profile local")
    child.sendline("n")
    child.expect("nothing was done")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert nexctl("wallet", "show", "-p", "work").exit == 0
