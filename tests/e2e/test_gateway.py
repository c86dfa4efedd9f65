"""`nexctl gateway`: made, looked at, proved, copied, served."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import places
from tests.e2e.conftest import PROGRAM, Nexctl
from tests.server.ledger import older_kit


def database_of(home: Path, name: str = "local") -> Path:
    return home / f".local/state/nexctl/gateways/{name}/gateway.db"


def test_init_makes_a_profile_with_its_own_database(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("gateway", "init", "shop", "--book", "nextoken", "--plan", "pro", "-o", "json")
    assert (done.exit, done.data["plan"], done.data["payments"]) == (0, "pro", "manual")
    assert database_of(own_home, "shop").exists()
    assert nexctl("wallet", "show", "-p", "shop", "-o", "json").data["balance"] == "10"
    assert not database_of(own_home).exists()
    # Neither the screen nor the database has a secret.
    assert "nxt_" not in done.out + done.err
    raw = database_of(own_home, "shop").read_bytes()
    secrets = (own_home / ".local/state/nexctl/secrets.json").read_text()
    kept = re.findall(r"nxt_[a-z]+_[a-z0-9]+", secrets)
    assert len(kept) == 2
    assert all(secret.encode() not in raw for secret in kept)


def test_init_refuses_what_is_there(nexctl: Nexctl) -> None:
    assert nexctl("gateway", "init", "shop").exit == 0
    assert nexctl("gateway", "init", "shop").exit == 2
    assert nexctl("gateway", "init").exit == 0
    assert nexctl("gateway", "init").exit == 2
    assert nexctl("gateway", "init", "../x").exit == 2
    assert nexctl("gateway", "init", "y", "--plan", "nope").exit in (2, 4)
    # What could not be made leaves nothing behind.
    assert nexctl("gateway", "init", "y").exit == 0


def test_init_refuses_passwords_and_private_providers(nexctl: Nexctl) -> None:
    done = nexctl("gateway", "init", "pg", "--database", "postgresql://me:CANARY@db/x")
    assert done.exit == 2
    assert "CANARY" not in done.err
    private = ("gateway", "init", "lab", "--upstream", "http://10.0.0.5/v1")
    assert nexctl(*private).exit == 2
    stripe = ("gateway", "init", "s", "--payments", "stripe", "--stripe-url", "http://10.0.0.5")
    assert nexctl(*stripe).exit == 2


def test_status_tells_health_and_which_rules_are_ours(nexctl: Nexctl) -> None:
    assert nexctl("gateway", "status").exit == 78
    nexctl("gateway", "init", "d", "--book", "deeptoken")
    data = nexctl("gateway", "status", "-p", "d", "-o", "json").data
    assert (data["status"], data["gateway"]) == ("ok", "deeptoken")
    assert {"rpm", "batch"} <= {row["rule"] for row in data["ours"]}
    fields = nexctl("gateway", "status", "-p", "d").out.splitlines()[1:4]
    assert {len(line) - len(line[2:].split(None, 1)[1]) for line in fields} == {13}


def test_verify_proves_and_finds_a_changed_entry(nexctl: Nexctl, own_home: Path) -> None:
    nexctl("chat", "-m", "nex-pro", stdin="hello")
    clean = nexctl("gateway", "verify", "-o", "json", "--write-anchors", "heads.jsonl")
    assert (clean.exit, clean.data["clean"], clean.data["violations"]) == (0, True, [])
    assert clean.data["proved"]["recompute"] == 1
    assert nexctl("gateway", "verify", "--anchors", "heads.jsonl").exit == 0
    place = str(database_of(own_home))
    if places.moved():
        place = (own_home / ".local/state/nexctl/gateways/local/database").read_text().strip()
    places.unguard(place, "entries")
    assert places.outside(place, "UPDATE entries SET amount=amount+1 WHERE seq=1") == 1
    found = nexctl("gateway", "verify", "-o", "json")
    assert found.exit == 9
    assert {row["check"] for row in found.data["violations"]} >= {"schema", "chain"}


def test_a_restored_backup_keeps_what_has_ended(nexctl: Nexctl, tmp_path: Path) -> None:
    key = nexctl("keys", "create", "--name", "ci", "-q").out.strip()
    assert nexctl("gateway", "backup", "copy.db").exit == 0
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert nexctl("gateway", "backup", "copy.db").exit == 2
    assert key.encode() not in (tmp_path / "copy.db").read_bytes()
    nexctl("keys", "revoke", "ci", "--yes")
    done = nexctl("gateway", "restore", "copy.db", "--yes", "-o", "json")
    assert (done.exit, done.data["kept_ended"]["keys"]) == (0, 1)
    assert nexctl("wallet", "show", NEXCTL_API_KEY=key).exit == 4
    assert nexctl("gateway", "verify").exit == 0
    assert nexctl("gateway", "restore", "nothing.db", "--yes").exit == 2


def test_a_lost_ledger_comes_back_from_its_backup(
    nexctl: Nexctl, own_home: Path, tmp_path: Path
) -> None:
    """As after a broken disk: what is left is the profile, the master key and a backup."""
    nexctl("gateway", "init", "shop", "--payments", "manual", "--use")
    nexctl("keys", "create", "--name", "ci", "-q")
    before = nexctl("wallet", "show", "-o", "json").data
    assert nexctl("gateway", "backup", "copy.db").exit == 0
    place = database_of(own_home).parent.with_name("shop") / "gateway.db"
    for left in place.parent.glob("gateway.db*"):
        left.unlink()
    for command in (("wallet", "show"), ("gateway", "verify"), ("gateway", "serve")):
        refused = nexctl(*command)
        assert refused.exit == 78
        assert "is gone from" in refused.err
        assert "nexctl gateway restore FILE -p shop" in refused.err
    (tmp_path / "none.db").write_text("none")
    assert nexctl("gateway", "restore", "none.db", "--yes").exit == 2
    assert not place.exists()
    assert nexctl("gateway", "restore", "copy.db", "--yes").exit == 0
    assert place.stat().st_mode & 0o777 == 0o600
    assert nexctl("gateway", "verify").exit == 0
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == before["balance"]


def test_without_its_master_key_no_backup_fits(nexctl: Nexctl, own_home: Path) -> None:
    nexctl("gateway", "init", "shop", "--payments", "manual", "--use")
    nexctl("gateway", "backup", "copy.db")
    folder = database_of(own_home).parent.with_name("shop")
    for left in folder.iterdir():
        left.unlink()
    refused = nexctl("gateway", "restore", "copy.db", "--yes")
    assert refused.exit == 78
    assert str(folder / "master.key") in refused.err.replace("\n", "")


def test_local_is_not_made_anew_over_its_master_key(nexctl: Nexctl, own_home: Path) -> None:
    """Its backups would not open any more."""
    nexctl("keys", "list")
    place = database_of(own_home)
    for left in place.parent.glob("gateway.db*"):
        left.unlink()
    for command in (("wallet", "show"), ("gateway", "init")):
        refused = nexctl(*command)
        assert refused.exit == 78
        assert "nexctl gateway restore FILE -p local" in refused.err
    assert "nexctl gateway restore FILE -p local" in nexctl("doctor").err


def test_the_gateway_of_an_earlier_build_is_migrated(nexctl: Nexctl, own_home: Path) -> None:
    """Made and used by the build with schema 1: named, copied, brought up, proved, used."""
    place = database_of(own_home)
    place.parent.mkdir(parents=True, mode=0o700)
    older_kit.write_file(str(place))
    master = place.with_name("master.key")
    master.write_text(older_kit.MASTER)
    master.chmod(0o600)
    environ = {"NEXCTL_PROFILE": "local", "NEXCTL_API_KEY": older_kit.MANAGEMENT}
    for command in (("wallet", "show"), ("gateway", "verify"), ("gateway", "backup", "x.db")):
        refused = nexctl(*command, **environ)
        assert refused.exit == 78, refused
        assert "the ledger's schema is version 1" in refused.err
        assert "nexctl gateway migrate" in refused.err
    asked = nexctl("gateway", "migrate")
    assert asked.exit == 10
    done = nexctl("gateway", "migrate", "--yes", "-o", "json")
    assert (done.exit, done.data["from"], done.data["to"]) == (0, 1, 2)
    copy = Path(done.data["backup"])
    assert copy.stat().st_mode & 0o777 == 0o600
    assert nexctl("gateway", "verify").exit == 0
    shown = nexctl("wallet", "show", "-o", "json", **environ).data
    assert (shown["balance"], shown["held"]) == ("79.9999901", "0.000005")
    assert nexctl("chat", "-m", "nex-pro", stdin="hello", **environ).exit == 0
    assert [row["name"] for row in nexctl("keys", "list", "-o", "json", **environ).data] == [
        "ci",
        "management",
    ]
    assert nexctl("gateway", "verify").exit == 0
    # The copy that was made first leads back: to the books of then, in today's schema.
    assert nexctl("gateway", "restore", copy, "--yes").exit == 0
    assert nexctl("gateway", "verify").exit == 0
    shown = nexctl("wallet", "show", "-o", "json", **environ).data
    assert shown["balance"] == "79.9999901"


def test_migrate_and_resume_leave_a_current_gateway_alone(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    done = nexctl("gateway", "migrate", "--yes", "-o", "json").data
    assert done["from"] == done["to"]
    assert nexctl("gateway", "resume", "--yes", "-o", "json").data["resumed"] is False


@pytest.fixture
def served(nexctl: Nexctl) -> Iterator[dict[str, str]]:
    """The local gateway on a free port, and a key of it in the environment."""
    key = nexctl("keys", "create", "--name", "sdk", "-q").out.strip()
    process = subprocess.Popen(
        [str(PROGRAM), "gateway", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert url is not None, said
    yield {"NEXCTL_BASE_URL": url[0], "NEXCTL_DRIVER": "nexctl", "NEXCTL_API_KEY": key}
    process.send_signal(signal.SIGTERM)
    process.wait(40)
    process.stderr.close()


def test_the_same_commands_work_over_http(nexctl: Nexctl, served: dict[str, str]) -> None:
    done = nexctl("chat", "-m", "nex-pro", "-o", "json", stdin="hello there", **served)
    assert (done.exit, done.data["text"].strip()) == (0, "hello there")
    over = nexctl("wallet", "show", "-o", "json", **served).data
    inside = nexctl("wallet", "show", "-o", "json").data
    assert over["balance"] == inside["balance"]
    # Both processes work on one database; a restore under a live server is refused.
    nexctl("gateway", "backup", "copy.db")
    assert nexctl("gateway", "restore", "copy.db", "--yes").exit == 1


def test_a_key_goes_to_its_own_origin_only(nexctl: Nexctl, served: dict[str, str]) -> None:
    nexctl("profile", "add", "away", "--driver", "nexctl", "--base-url", "http://127.0.0.1:9")
    done = nexctl("wallet", "show", "-p", "away", "-o", "json", **served)
    assert (done.exit, done.error["code"]) == (4, "not_logged_in")


def test_serving_others_needs_protection(nexctl: Nexctl) -> None:
    done = nexctl("gateway", "serve", "--host", "0.0.0.0")
    assert done.exit == 2
    assert "--tls-cert" in done.err
