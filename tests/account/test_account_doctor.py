"""The rules of the doctor: each check over the facts that make it ok, a warning, a failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexctl.account import doctor
from nexctl.account.doctor import Check
from nexctl.account.journal import Journal
from nexctl.errors import ConfigError, NexctlError
from nexctl.safety.network import Certificate
from nexctl.settings.secrets import Secret
from nexctl.wire.me import CustomerFacts, Health, KeyFacts, Me

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
SECRET = Secret("nxt_sk_CANARY", "keyring")


def at(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("off", "status", "said"),
    [(0, "ok", "within"), (30, "ok", "within"), (31, "warn", "31 s ahead of"),
     (-90, "warn", "90 s behind")],
)  # fmt: skip
def test_a_clock_may_be_half_a_minute_off(off: int, status: str, said: str) -> None:
    found = doctor.clock(NOW + off, at(0))
    assert (found.status, said in found.detail) == (status, True)


def test_a_time_that_is_none_is_no_failure() -> None:
    assert doctor.clock(NOW, "soon").status == "skip"


def test_without_a_gateway_the_clock_is_held_against_the_price_book() -> None:
    assert doctor.own_clock(NOW, "2026-11-20").status == "ok"
    assert doctor.own_clock(0, "2026-11-20").status == "warn"
    assert doctor.own_clock(0, None).status == "ok"


@pytest.mark.parametrize(("days", "status"), [(14, "ok"), (13, "warn"), (-1, "warn")])
def test_a_certificate_near_its_end_is_a_warning(days: int, status: str) -> None:
    found = doctor.certificate(Certificate("TLS 1.3", NOW + days * doctor.DAY), NOW)
    assert found.status == status
    assert "TLS 1.3" in found.detail


@pytest.mark.parametrize(("days", "status"), [(None, "ok"), (8, "ok"), (6, "warn")])
def test_a_key_near_its_end_is_a_warning(days: int | None, status: str) -> None:
    ends = None if days is None else at(days * doctor.DAY)
    key = KeyFacts(id="key_1", kind="sub_key", prefix="nxt_sk_a", name="ci", expires_at=ends)
    facts = Me(gateway="g", key=key, customer=CustomerFacts(id="c", name="Acme"))
    found = doctor.key(SECRET, facts, NOW)
    assert found.status == status
    assert found.detail.startswith("sub key named ci of customer Acme, from keyring")
    assert "CANARY" not in str(found)
    assert (found.hint == "nexctl keys rotate ci") == (status == "warn")


def test_what_others_may_read_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    private, missing = tmp_path / "state", str(tmp_path / "nothing")
    private.mkdir(mode=0o700)
    assert doctor.stores([str(private), missing], "x").status == "ok"
    os.chmod(private, 0o750)
    found = doctor.stores([missing, str(private)], "x")
    assert (found.status, found.exit, found.hint) == ("fail", 78, f"chmod 700 '{private}'")
    file = tmp_path / "master.key"
    file.touch()
    os.chmod(file, 0o644)
    assert doctor.stores([str(file)], "x").hint == f"chmod 600 '{file}'"


def test_a_folder_that_takes_nothing_is_a_warning_and_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "not/made/yet"
    assert doctor.stores([str(state)], "x").status == "ok"
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = doctor.stores([str(state)], "x")
    assert (found.status, found.detail) == ("warn", f"{tmp_path}: nothing can be written there")
    monkeypatch.undo()
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 100, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    found = doctor.stores([str(state)], "x")
    assert (found.status, found.detail) == ("warn", f"{tmp_path}: that disk is full")
    assert list(tmp_path.iterdir()) == []


def test_an_overdue_rotation_is_named_with_the_command_that_ends_it(tmp_path: Path) -> None:
    assert doctor.rotations(str(tmp_path), NOW).status == "ok"
    journal = Journal(str(tmp_path), "rotations")
    entry = {"origin": "o", "key_id": "key_1", "name": "ci", "step": "waiting"}
    journal.write({**entry, "due_at": at(60)}, "o", "key_1")
    found = doctor.rotations(str(tmp_path), NOW)
    assert (found.status, found.detail) == ("ok", f"under way: ci due {at(60)}")
    found = doctor.rotations(str(tmp_path), NOW + 61)
    assert (found.status, found.hint) == ("warn", "nexctl keys rotate --finish key_1")
    journal.write({**entry, "step": "asked", "due_at": None}, "o", "key_1")
    assert doctor.rotations(str(tmp_path), NOW).hint == "nexctl keys rotate key_1"


@pytest.mark.parametrize(
    ("status", "wanted", "exit"), [("ok", "ok", 0), ("degraded", "warn", 0), ("failing", "fail", 1)]
)
def test_a_gateway_says_how_it_is(status: str, wanted: str, exit: int) -> None:
    checks = {"ledger": "ok", "alarms": "none", "providers": status}
    found = doctor.health(Health(status=status, checks=checks))
    assert (found.status, found.exit) == (wanted, exit)
    assert found.detail == ("ok" if status == "ok" else f"providers: {status}")


def test_capabilities_are_told_in_order() -> None:
    key = KeyFacts(id="k", kind="key", prefix="p")
    assert doctor.capabilities(Me("g", key, features=["wallet", "chat"])).detail == "chat, wallet"
    assert doctor.capabilities(Me("g", key)).status == "ok"


def test_the_configuration_is_told_before_the_key_before_the_network_before_the_rest() -> None:
    fails = [
        doctor.failed(name, NexctlError(name, exit=code))
        for name, code in (("health", 1), ("address", 7), ("key", 4), ("settings", 78))
    ]
    while fails:
        assert doctor.worst(fails) is fails[-1]
        fails.pop()
    assert (
        doctor.worst([Check("a", "warn", ""), Check("b", "skip", ""), Check("c", "ok", "")]) is None
    )


def test_an_error_gives_its_hint_and_code() -> None:
    error = ConfigError("broken", hint="mend it", code="no_gateway")
    assert doctor.failed("address", error) == (
        "address",
        "fail",
        "broken",
        "mend it",
        "no_gateway",
        78,
    )
