"""`nexctl keys` by the installed program, on the embedded gateway of an empty home."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl, Ran

CREATED = {
    "id", "name", "created", "secret", "prefix", "created_at", "expires_at", "budget", "models",
    "ip_allowlist", "rpm", "parent_id", "labels",
}  # fmt: skip


def make(nexctl: Nexctl, name: str, *more: str) -> str:
    """Make a key and return its secret."""
    done = nexctl("keys", "create", "--name", name, "-q", *more)
    assert done.exit == 0, done
    return done.out.strip()


def test_an_empty_home_gives_one_secret_alone_on_one_line(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("keys", "create", "--name", "ci", "--budget", "20/month", "-q")
    assert done.exit == 0
    assert done.out.startswith("nxt_sk_")
    assert done.out.count("\n") == 1
    assert "no profile chosen: created an embedded gateway at " in done.err
    database = own_home / ".local/state/nexctl/gateways/local/gateway.db"
    assert str(database) in done.err
    # It is said once, and private.
    assert nexctl("keys", "list").err == ""
    state = own_home / ".local/state/nexctl"
    for path in (state, *state.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_chosen_profile_is_not_called_unchosen(nexctl: Nexctl) -> None:
    done = nexctl("keys", "list", "-p", "local")
    assert "created an embedded gateway at" in done.err
    assert "no profile chosen" not in done.err


def test_the_fields_of_a_new_key_are_an_api(nexctl: Nexctl) -> None:
    done = nexctl(
        *("keys", "create", "--name", "ci", "--budget", "50/month", "--expires", "90d"),
        *("--model", "nex-pro", "--ip", "10.0.0.0/8", "--rpm", "60", "--label", "team=search"),
        *("-o", "json"),
    )
    assert set(done.data) >= CREATED
    assert done.data["created"] is True
    assert done.data["secret"].startswith(done.data["prefix"])
    assert done.data["budget"]["amount"] == "50"
    assert done.data["models"] == ["nex-pro"]
    assert done.data["ip_allowlist"] == ["10.0.0.0/8"]
    assert (done.data["rpm"], done.data["labels"]) == (60, {"team": "search"})
    assert done.data["profile"] == "local"


def test_a_secret_is_shown_once(nexctl: Nexctl) -> None:
    secret = make(nexctl, "ci")
    for command in (("keys", "list"), ("keys", "show", "ci"), ("auth", "status")):
        for output in ("table", "json"):
            done = nexctl(*command, "-o", output)
            assert done.exit == 0
            assert secret not in done.out + done.err


def test_a_file_keeps_the_secret_off_the_screen(nexctl: Nexctl, tmp_path: Path) -> None:
    done = nexctl("keys", "create", "--name", "web", "--write", "web.key", "-o", "json")
    secret = (tmp_path / "web.key").read_text().strip()
    assert secret.startswith("nxt_sk_")
    assert secret not in done.out + done.err
    assert done.data["secret"] is None
    assert stat.S_IMODE((tmp_path / "web.key").stat().st_mode) == 0o600
    again = nexctl("keys", "create", "--name", "other", "--write", "web.key")
    assert again.exit == 2
    assert (tmp_path / "web.key").read_text().strip() == secret
    assert "other" not in nexctl("keys", "list").out


def test_ids_alone_would_lose_the_secret(nexctl: Nexctl) -> None:
    done = nexctl("keys", "create", "--name", "ci", "-o", "name")
    assert done.exit == 2
    assert "lose the secret" in done.err


def test_if_not_exists_is_the_same_command_twice(nexctl: Nexctl, tmp_path: Path) -> None:
    command = ("keys", "create", "--name", "ci", "--budget", "20/month", "--if-not-exists")
    assert nexctl(*command, "--write", "ci.key", "-o", "json").data["created"] is True
    second = nexctl(*command, "-o", "json")
    assert (second.exit, second.data["created"], second.data["secret"]) == (0, False, None)
    assert nexctl(*command, "--write", "ci.key").exit == 0
    wanted = nexctl(*command, "-q")
    assert (wanted.exit, wanted.out) == (1, "")
    assert "keys rotate" in wanted.err
    assert nexctl(*command, "--write", "other.key").exit == 1
    assert not (tmp_path / "other.key").exists()
    differs = nexctl(
        "keys", "create", "--name", "ci", "--rpm", "9", "--if-not-exists", "-o", "json"
    )
    assert differs.exit == 1
    assert set(differs.error["differs"]) == {"budget", "rpm"}


@pytest.mark.parametrize(
    "limits",
    [
        ("--ip", "1.2.3.4"),
        ("--ip", "10.0.0.5/8", "--ip", "::1"),
        ("--ip", "::ffff:1.2.3.4"),
        ("--model", "nex-smart"),
        ("--model", "nex-smart", "--model", "nex-pro", "--model", "gpt-4o"),
    ],
)
def test_if_not_exists_compares_what_limits_mean_not_how_they_are_spelled(
    nexctl: Nexctl, limits: tuple[str, ...]
) -> None:
    """The gateway answers networks and models in its own spelling."""
    command = ("keys", "create", "--name", "ci", *limits, "--if-not-exists", "-o", "json")
    assert nexctl(*command).data["created"] is True
    again = nexctl(*command)
    assert (again.exit, again.data["created"]) == (0, False)
    other = nexctl("keys", "create", "--name", "ci", "--if-not-exists", "-o", "json")
    assert set(other.error["differs"]) == {"ip_allowlist" if "--ip" in limits else "models"}


def test_a_repeated_creation_that_shows_no_secret_is_no_success(nexctl: Nexctl) -> None:
    command = ("keys", "create", "--name", "ci", "--idempotency-key", "once")
    assert nexctl(*command).exit == 0
    for form in ((), ("-o", "json"), ("-q",)):
        again = nexctl(*command, *form)
        assert (again.exit, again.out) == (1, "")
        assert "keys rotate" in again.err


def test_what_a_taken_file_holds_stays_where_the_key_is_not_there(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    (tmp_path / "old.key").write_text("something else\n")
    done = nexctl("keys", "create", "--name", "n", "--if-not-exists", "--write", "old.key")
    assert done.exit == 2
    assert (tmp_path / "old.key").read_text() == "something else\n"
    names = [line.split("\t")[0] for line in nexctl("keys", "list").out.splitlines()]
    assert "n" not in names


def test_a_dry_run_sends_nothing_and_makes_nothing(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("keys", "create", "--name", "ci", "--budget", "20", "--dry-run", "-o", "json")
    assert done.exit == 0
    assert done.data["requests"] == [
        {
            "method": "POST",
            "path": "/v1/keys",
            "body": {"name": "ci", "budget": {"amount": "20"}},
        }
    ]
    assert not (own_home / ".local/state/nexctl").exists()
    for command in (
        ("keys", "revoke", "a", "b"),
        ("keys", "disable", "a"),
        ("keys", "rotate", "a", "--overlap", "0"),
        ("keys", "update", "a", "--rpm", "5"),
        ("wallet", "topup", "50"),
        ("budgets", "set", "20/month"),
        ("budgets", "remove", "b"),
        ("gateway", "init", "shop"),
        ("admin", "customers", "create", "acme"),
        ("admin", "payments", "approve", "x"),
        ("admin", "providers", "add", "e", "--kind", "echo"),
        ("admin", "codes", "create", "5"),
        ("chat", "-m", "nex-pro"),
    ):
        done = nexctl(*command, "--dry-run", stdin="hello")
        assert done.exit == 0, done
        assert not (own_home / ".local/state/nexctl").exists(), command


def test_keys_are_found_by_name_changed_stopped_and_started(nexctl: Nexctl) -> None:
    secret = make(nexctl, "ci", "--budget", "20/month", "--rpm", "5")
    changed = nexctl("keys", "update", "ci", "--no-rpm", "--budget", "30/lifetime", "-o", "json")
    assert (changed.data["rpm"], changed.data["budget"]["window"]) == (None, "lifetime")
    said = nexctl("keys", "disable", "ci")
    assert said.out.startswith("key ci is disabled in profile local\n")
    refused = nexctl("chat", "-m", "nex-pro", stdin="hi", NEXCTL_API_KEY=secret)
    assert refused.exit == 4
    assert nexctl("keys", "enable", "ci").exit == 0
    assert nexctl("chat", "-m", "nex-pro", stdin="hi", NEXCTL_API_KEY=secret).exit == 0
    assert nexctl("keys", "update", "ci").exit == 2
    assert nexctl("keys", "update", "ci", "--rpm", "5", "--no-rpm").exit == 2


def test_a_wrong_name_among_many_changes_none(nexctl: Nexctl) -> None:
    make(nexctl, "a")
    make(nexctl, "b")
    assert nexctl("keys", "disable", "a", "nosuch", "b").exit == 3
    assert {one["state"] for one in nexctl("keys", "list", "-o", "json").data} == {"active"}
    # What fails later says what is done by then.
    nexctl("keys", "revoke", "b", "-y")
    identity = next(
        one["id"]
        for one in nexctl("keys", "list", "--all", "-o", "json").data
        if one["name"] == "b"
    )
    done = nexctl("keys", "disable", "a", identity, "-o", "json")
    assert done.exit == 1, done
    assert "disabled already: a" in done.error["message"]
    assert len(done.error["done"]) == 1


def test_revoking_is_asked_and_for_ever(nexctl: Nexctl) -> None:
    secret = make(nexctl, "ci")
    asked = nexctl("keys", "revoke", "ci")
    assert asked.exit == 10
    assert "--yes" in asked.err
    assert "profile local" in asked.err
    assert nexctl("keys", "revoke", "ci", "--yes").exit == 0
    assert nexctl("wallet", "show", NEXCTL_API_KEY=secret).exit == 4
    assert "ci\t" not in nexctl("keys", "list").out
    assert "ci\t" in nexctl("keys", "list", "--all").out


def test_a_name_means_the_key_that_has_it_now(nexctl: Nexctl, tmp_path: Path) -> None:
    """A revoked key's name is free again: several keys may have had it."""
    make(nexctl, "ci")
    file = tmp_path / "ci.key"
    for _ in range(2):
        assert nexctl("keys", "revoke", "ci", "ci", "-y", "-o", "json").data["state"] == "revoked"
        # With the key gone, what the file holds is not replaced by another's.
        file.write_text("precious\n")
        again = ("keys", "create", "--name", "ci", "--if-not-exists", "--write", str(file))
        assert nexctl(*again).exit == 2
        assert file.read_text() == "precious\n"
        made = nexctl("keys", "create", "--name", "ci", "-o", "json").data["id"]
        assert nexctl("keys", "show", "ci", "-o", "name").out.strip() == made
        there = nexctl("keys", "create", "--name", "ci", "--if-not-exists", "-o", "json").data
        assert (there["id"], there["created"]) == (made, False)
    assert nexctl("keys", "update", "ci", "--rpm", "5", "-o", "json").data["id"] == made


def test_revoking_by_age_leaves_the_management_key(nexctl: Nexctl) -> None:
    make(nexctl, "one")
    make(nexctl, "two")
    none = nexctl("keys", "revoke", "--all", "--older-than", "90d", "--yes", "-o", "json")
    assert (none.exit, none.data) == (0, [])
    assert nexctl("keys", "revoke", "--all").exit == 2
    import time

    time.sleep(1.1)
    done = nexctl("keys", "revoke", "--all", "--older-than", "0", "--yes", "-o", "json")
    assert sorted(key["name"] for key in done.data) == ["one", "two"]
    assert nexctl("keys", "list", "-o", "json").data[0]["kind"] == "management_key"


def test_a_rotated_key_has_two_secrets_for_a_while(nexctl: Nexctl, tmp_path: Path) -> None:
    old = make(nexctl, "ci")
    done = nexctl("keys", "rotate", "ci", "--overlap", "24h", "-o", "json")
    new = done.data["secret"]
    assert done.exit == 0
    assert done.data["old_ends_at"]
    for secret in (old, new):
        assert nexctl("wallet", "show", NEXCTL_API_KEY=secret).exit == 0
    at_once = nexctl("keys", "rotate", "ci", "--overlap", "0", "-q")
    assert at_once.exit == 10
    newest = nexctl("keys", "rotate", "ci", "--overlap", "0", "-q", "--yes").out.strip()
    assert nexctl("wallet", "show", NEXCTL_API_KEY=newest).exit == 0
    assert nexctl("wallet", "show", NEXCTL_API_KEY=old).exit == 4


def test_a_rotation_that_ends_an_older_secret_early_asks_before(nexctl: Nexctl) -> None:
    old = make(nexctl, "ci")
    new = nexctl("keys", "rotate", "ci", "--overlap", "24h", "-q").out.strip()
    refused = nexctl("keys", "rotate", "ci", "--overlap", "24h", "-q")
    assert refused.exit == 10
    assert old[:12] in refused.err
    for secret in (old, new):
        assert nexctl("wallet", "show", NEXCTL_API_KEY=secret).exit == 0
    assert nexctl("keys", "rotate", "ci", "--overlap", "24h", "-q", "--yes").exit == 0
    assert nexctl("wallet", "show", NEXCTL_API_KEY=old).exit == 4


def test_who_rotates_the_key_in_use_is_told(nexctl: Nexctl, tmp_path: Path) -> None:
    make(nexctl, "ci")
    assert "calls with the old secret" not in nexctl("keys", "rotate", "ci", "-q").err
    done = nexctl("keys", "rotate", "management", "-q", "--yes")
    assert "profile local calls with the old secret" in done.err
    assert "auth login" in done.err
    assert len(done.out.split()) == 1


def test_no_secret_takes_the_place_of_a_pipe(nexctl: Nexctl, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = nexctl("keys", "create", "--name", "ci", "--write", "pipe")
    assert (done.exit, "cannot be written" in done.err) == (2, True)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert nexctl("keys", "show", "ci").exit == 3


def test_a_revoked_key_shows_no_old_secret_as_alive(nexctl: Nexctl) -> None:
    make(nexctl, "ci")
    nexctl("keys", "rotate", "ci", "--overlap", "24h", "-q")
    assert "old secret" in nexctl("keys", "show", "ci").out
    assert "old secret" not in nexctl("keys", "revoke", "ci", "--yes").out
    assert "old secret" not in nexctl("keys", "show", "ci").out


def test_a_check_tries_the_new_secret(nexctl: Nexctl, tmp_path: Path) -> None:
    make(nexctl, "ci")
    probe = tmp_path / "probe.sh"
    probe.write_text('#!/bin/sh\necho "$NEXCTL_API_KEY" > seen; echo "saw $NEXCTL_API_KEY"\n')
    probe.chmod(0o755)
    done = nexctl("keys", "rotate", "ci", "--check", str(probe), "-q", "--write", "new.key")
    assert done.exit == 0
    assert (tmp_path / "seen").read_text() == (tmp_path / "new.key").read_text()
    failed = nexctl("keys", "rotate", "ci", "--check", "false", "-o", "json", "--yes")
    assert failed.exit == 9
    # The new secret exists and is handed over; the one before it still works.
    before = (tmp_path / "new.key").read_text().strip()
    for secret in (failed.data["secret"], before):
        assert nexctl("wallet", "show", NEXCTL_API_KEY=secret).exit == 0
    shown = nexctl("keys", "rotate", "ci", "--check", str(probe), "-o", "json", "--yes")
    assert shown.data["secret"] not in shown.err
    assert "check: saw ***" in shown.err


def test_a_sub_key_lies_inside_its_parent(nexctl: Nexctl) -> None:
    make(nexctl, "parent", "--rpm", "10")
    wider = nexctl("keys", "create", "--name", "sub", "--parent", "parent", "--rpm", "20")
    assert wider.exit == 2
    secret = make(nexctl, "sub", "--parent", "parent", "--rpm", "5")
    assert secret.startswith("nxt_sub_")
    listed = nexctl("keys", "list", "--parent", "parent", "-o", "json").data
    assert [key["name"] for key in listed] == ["sub"]
    nexctl("keys", "disable", "parent")
    assert nexctl("wallet", "show", NEXCTL_API_KEY=secret).exit == 4


def test_a_sheet_makes_many_keys_and_resumes(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text("name,budget,rpm\nann,5/month,\nbob,,30\n")
    done = nexctl("keys", "import", "team.csv", "--write", "keys.csv", "-o", "json")
    assert (done.exit, done.data["made"], done.data["failed"]) == (0, 2, 0)
    with (tmp_path / "keys.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ["ann", "bob"]
    assert stat.S_IMODE((tmp_path / "keys.csv").stat().st_mode) == 0o600
    for row in rows:
        assert row["secret"] not in done.out + done.err
        assert nexctl("wallet", "show", NEXCTL_API_KEY=row["secret"]).exit == 0
    again = nexctl("keys", "import", "team.csv", "--write", "keys.csv", "-o", "json")
    assert (again.exit, again.data["made"], again.data["held"]) == (0, 0, 2)
    (tmp_path / "team.csv").write_text("name,budget,rpm\nann,5/month,\nbob,,30\neve,,\n")
    dry = nexctl("keys", "import", "team.csv", "--write", "keys.csv", "--dry-run", "-o", "json")
    assert [one["body"]["name"] for one in dry.data["requests"]] == ["eve"]


def test_a_sheets_result_is_no_pipe(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text("name\nann\n")
    os.mkfifo(tmp_path / "pipe")
    for words in (("keys", "import"), ("admin", "customers", "import", "-y")):
        done = nexctl(*words, "team.csv", "--write", "pipe", timeout=30)
        assert done.exit == 2, done
        assert "--write: pipe cannot be written" in done.err


def test_a_broken_sheet_makes_nothing(nexctl: Nexctl, tmp_path: Path) -> None:
    (tmp_path / "team.csv").write_text("name,rpm\nann,1\nbob,many\n")
    done = nexctl("keys", "import", "team.csv", "--write", "keys.csv")
    assert done.exit == 2
    assert "team.csv:3" in done.err
    assert not (tmp_path / "keys.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "ci", "--budget", "nan/month"),
        ("--name", "ci", "--budget", "-1/month"),
        ("--name", "ci", "--budget", "1e3"),
        ("--name", "ci", "--expires", "soon"),
        ("--name", "ci", "--rpm", "0"),
        ("--name", "ci", "--rpm", "9223372036854775808"),
        ("--name", "ci", "--label", "novalue"),
        ("--name", "ci", "--ip", "not-an-address"),
        ("--name", "ci", "--model", "no-such-model"),
        ("--name", "x" * 101),
        ("--name", ""),
    ],
)
def test_bad_values_are_usage_errors(nexctl: Nexctl, arguments: tuple[str, ...]) -> None:
    done = nexctl("keys", "create", *arguments)
    assert done.exit == 2, done
    assert len(done.err.strip().splitlines()) <= 4
    assert "Traceback" not in done.err


def test_two_first_commands_at_once_make_one_gateway(nexctl: Nexctl, tmp_path: Path) -> None:
    import subprocess

    from tests.e2e.conftest import PROGRAM

    running = [
        subprocess.Popen(
            [str(PROGRAM), "keys", "create", "--name", f"k{number}", "-q"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ,
        )
        for number in range(4)
    ]
    outputs = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    said = b"".join(err for _, err in outputs)
    assert said.count(b"created an embedded gateway") == 1
    names = {key["name"] for key in nexctl("keys", "list", "-o", "json").data}
    assert names == {"management", "k0", "k1", "k2", "k3"}


def test_names_of_a_server_cannot_steer_the_terminal(nexctl: Nexctl) -> None:
    evil = "a\x1b[31mb\u202ec"
    assert nexctl("keys", "create", "--name", evil, "-q").exit == 0
    done: Ran = nexctl("keys", "list", "-o", "table")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert evil in [key["name"] for key in nexctl("keys", "list", "-o", "json").data]
