"""Who made something that is shown once and cannot hand it over says what, and the way out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM, Nexctl

full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def lost(*arguments: str, out: str = "/dev/full") -> subprocess.CompletedProcess[str]:
    """Run the program with a standard output that takes nothing."""
    with open(out, "w") as stream:
        return subprocess.run(
            [str(PROGRAM), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )


def key_id(nexctl: Nexctl, name: str) -> str:
    return str(nexctl("keys", "show", name, "-o", "json").data["id"])


@full_disk
@pytest.mark.parametrize("more", [("-q",), ("-o", "table"), ("-o", "csv")])
def test_a_key_whose_secret_cannot_be_printed_is_named_with_its_way_out(
    nexctl: Nexctl, more: tuple[str, ...]
) -> None:
    nexctl("keys", "list")
    done = lost("keys", "create", "--name", "ci", *more)
    found = key_id(nexctl, "ci")
    assert done.returncode == 1
    assert f"key ci ({found}) is made, but its secret is lost: " in done.stderr
    assert "No space left on device" in done.stderr
    assert f"'nexctl keys rotate {found}'" in done.stderr
    assert done.stderr.count("error: ") == 1
    # The way out is one.
    secret = nexctl("keys", "rotate", found, "-q", "-y").out.strip()
    assert nexctl("models", "list", NEXCTL_API_KEY=secret).exit == 0


@full_disk
def test_a_script_reads_what_was_made_and_lost(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    error = json.loads(lost("keys", "create", "--name", "ci", "-o", "json").stderr)["error"]
    assert (error["code"], error["exit"]) == ("secret_lost", 1)
    assert error["id"] == key_id(nexctl, "ci")


@full_disk
def test_what_else_is_shown_once_is_named_too(nexctl: Nexctl) -> None:
    secret = nexctl("keys", "create", "--name", "ci", "-q").out.strip()
    rotated = lost("keys", "rotate", "ci", "-q")
    assert f"key ci ({key_id(nexctl, 'ci')}) has a new secret, but it is lost" in rotated.stderr
    assert nexctl("models", "list", NEXCTL_API_KEY=secret).exit == 0
    for words, made, remedy in (
        (("customers", "create", "acme"), "customer acme (cus_", "admin customers suspend cus_"),
        (("codes", "create", "5", "-y"), "1 code made, but the text is lost", "admin codes list"),
        (("operators", "create", "o", "--role", "owner"), "operator o (opr_", "revoke opr_"),
    ):
        done = lost("admin", *words)
        assert done.returncode == 1
        assert made in done.stderr
        assert remedy in done.stderr
    done = lost("webhooks", "endpoints", "add", "https://example.com/hook")
    assert "endpoints remove whe_" in done.stderr


@full_disk
def test_a_secret_that_is_in_its_file_is_not_lost(nexctl: Nexctl, tmp_path: Path) -> None:
    nexctl("keys", "list")
    file = tmp_path / "ci.key"
    done = lost("keys", "create", "--name", "ci", "--write", str(file))
    assert done.returncode == 1
    assert "is lost" not in done.stderr
    assert file.read_text().startswith("nxt_sk_")


def test_a_reader_that_is_gone_is_told_of_what_it_missed(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = lost("keys", "create", "--name", "ci", "-q", out=f"/dev/fd/{writer}")
    except OSError:
        pytest.skip("needs /dev/fd")
    finally:
        os.close(writer)
    assert done.returncode == 141
    assert f"key ci ({key_id(nexctl, 'ci')}) is made, but its secret is lost" in done.stderr


def test_nothing_is_made_where_standard_output_is_closed(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    line = f"'{PROGRAM}' keys create --name ci -q >&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "standard output is closed" in done.stderr
    assert nexctl("keys", "show", "ci").exit == 3


def test_an_interrupted_check_says_that_the_new_secret_is_lost(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    nexctl("keys", "create", "--name", "ci", "-q")
    began = tmp_path / "began"
    process = subprocess.Popen(
        [
            *(str(PROGRAM), "keys", "rotate", "ci", "-q"),
            *("--check", f"sh -c 'touch {began}; sleep 60'"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not began.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "has a new secret, but it is lost: interrupted" in said


def test_commands_that_rotate_one_key_at_once_each_hand_over_their_secret(nexctl: Nexctl) -> None:
    nexctl("keys", "create", "--name", "ci")
    rotating = [
        subprocess.Popen(
            [str(PROGRAM), "keys", "rotate", "ci", "-q", "-y"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    done = [process.communicate(timeout=120) for process in rotating]
    assert [process.returncode for process in rotating] == [0] * 5, [err for _, err in done]
    secrets = {out.strip() for out, _ in done}
    assert len(secrets) == 5
    # The last one works, and the one before it while it overlaps.
    works = [nexctl("models", "list", NEXCTL_API_KEY=secret).exit == 0 for secret in secrets]
    assert works.count(True) == 2
