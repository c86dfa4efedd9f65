"""Rotation: the old secret works until the new one does, and a crash loses neither."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gateway_kit import MemoryTransport, breaks, refuses, says

from nexctl.account.journal import Journal
from nexctl.account.pending import Pending
from nexctl.account.rotation import KIND, Rotations, unfinished
from nexctl.errors import CheckFailed, ConfigError, NexctlError, UsageError
from nexctl.gateways.nexctl import Keys
from nexctl.gateways.port import Gateway
from nexctl.wire.keys import Key

SECRET = "nxt_sk_NEWSECRET0123456789"
NOW = 1_795_219_200  # 2026-11-21T00:00:00Z
KEY = Key(
    id="key_1", name="ci", prefix="nxt_sk_ab", state="active", created_at="2026-01-01T00:00:00Z",
    models=["nex-pro"], rpm=60, labels={"team": "search"},
)  # fmt: skip


def answer(**more: Any) -> dict[str, Any]:
    return {
        "id": "key_1",
        "name": "ci",
        "prefix": "nxt_sk_cd",
        "state": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "secret": SECRET,
        "previous_expires_at": "2026-11-22T00:00:00Z",
        **more,
    }


Make = Callable[..., Rotations]


@pytest.fixture
def rotations(gateway: Gateway, tmp_path: Path) -> Make:
    def make(now: int = NOW, origin: str = "embedded") -> Rotations:
        return Rotations(gateway, origin, str(tmp_path), now=lambda: now)

    return make


@pytest.fixture
def without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that ends the old secret at once."""
    monkeypatch.setattr(Keys, "overlap", False)


def test_a_gateway_with_overlap_does_it_in_one_call(rotations: Make, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, answer()))
    told: list[str] = []
    rotated = rotations().rotate(KEY, 86_400, secret_made=told.append)
    assert (rotated.secret, rotated.finish) == (SECRET, None)
    assert rotated.old_ends_at == "2026-11-22T00:00:00Z"
    assert told == [SECRET]
    assert wire.body() == {"overlap_seconds": 86_400}
    assert list(rotations().unfinished()) == []


def test_a_check_that_fails_leaves_the_old_secret_working(
    rotations: Make, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, answer()))
    told: list[str] = []
    with pytest.raises(CheckFailed) as caught:
        rotations().rotate(KEY, secret_made=told.append, check=lambda secret: secret != SECRET)
    assert caught.value.exit == 9
    assert "2026-11-22" in (caught.value.hint or "")
    assert told == [SECRET], "the new secret was handed over before the check"


@pytest.mark.parametrize(
    ("status", "code", "kept"),
    [
        (400, "invalid_request", False),
        (404, "not_found", False),
        (409, "state_conflict", False),
        (409, "idempotency_in_progress", True),
        (401, "invalid_api_key", True),
        (503, "ledger_unavailable", True),
    ],
)
def test_a_rotation_that_is_refused_for_what_it_asks_binds_no_later_one(
    rotations: Make, wire: MemoryTransport, status: int, code: str, kept: bool
) -> None:
    """It was asked for again with every later one, and so refused for ever."""
    wire.expect(
        "POST", "/v1/keys/key_1/rotate", *[refuses(status, code)] * (4 if status == 503 else 1)
    )
    with pytest.raises(NexctlError):
        rotations().rotate(KEY, 9_000_000)
    asked = wire.body()["overlap_seconds"], wire.calls[-1].headers["idempotency-key"]
    assert [due.step for due in rotations().unfinished()] == (["asked"] if kept else [])
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, answer()))
    assert rotations().rotate(KEY, 60).secret == SECRET
    again = wire.body()["overlap_seconds"], wire.calls[-1].headers["idempotency-key"]
    assert (again == asked) is kept
    assert again[0] == (9_000_000 if kept else 60)


def test_a_refused_rotation_by_hand_leaves_nothing_to_finish(
    rotations: Make, wire: MemoryTransport, without_overlap: None
) -> None:
    wire.expect("POST", "/v1/keys", refuses(400, "invalid_request"))
    with pytest.raises(NexctlError):
        rotations().rotate(KEY, 60)
    assert list(rotations().unfinished()) == []


def test_after_a_crash_the_same_rotation_is_asked_for_not_another(
    rotations: Make, wire: MemoryTransport, tmp_path: Path
) -> None:
    wire.expect("POST", "/v1/keys/key_1/rotate", *[breaks()] * 4)
    with pytest.raises(NexctlError):
        rotations().rotate(KEY, 3600)
    asked = wire.calls[0].headers["idempotency-key"]
    assert [(due.step, due.overdue) for due in rotations().unfinished()] == [("asked", True)]
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, answer()))
    assert rotations().rotate(KEY, 7200).secret == SECRET
    assert wire.calls[-1].headers["idempotency-key"] == asked
    assert wire.body() == {"overlap_seconds": 3600}, "the same body, or the gateway refuses"
    assert list(rotations().unfinished()) == []


def test_a_secret_lost_with_the_answer_is_told_and_the_next_rotation_is_a_new_one(
    rotations: Make, wire: MemoryTransport
) -> None:
    lost = says(200, answer(secret=None, replayed=True))
    wire.expect("POST", "/v1/keys/key_1/rotate", breaks(), lost)
    with pytest.raises(NexctlError) as caught:
        rotations().rotate(KEY)
    assert (caught.value.code, caught.value.exit) == ("secret_lost", 1)
    assert "2026-11-22" in (caught.value.hint or "")
    wire.expect("POST", "/v1/keys/key_1/rotate", says(200, answer()))
    assert rotations().rotate(KEY).secret == SECRET
    assert wire.calls[-1].headers["idempotency-key"] != wire.calls[0].headers["idempotency-key"]


def test_no_secret_is_ever_in_the_journal(
    rotations: Make, wire: MemoryTransport, tmp_path: Path, without_overlap: None
) -> None:
    wire.expect("POST", "/v1/keys", says(200, answer(id="key_2")))
    rotations().rotate(KEY)
    files = list((tmp_path / KIND).iterdir())
    assert len(files) == 1
    assert "NEWSECRET" not in files[0].read_text()
    assert files[0].stat().st_mode & 0o077 == 0
    assert "key_1" not in files[0].name


def test_where_the_gateway_has_no_overlap_a_second_key_is_made_and_the_old_one_ended_later(
    rotations: Make, wire: MemoryTransport, without_overlap: None
) -> None:
    wire.expect("POST", "/v1/keys", says(200, answer(id="key_2", name="ci-2")))
    rotated = rotations().rotate(KEY, 3600)
    assert (rotated.key.id, rotated.finish) == ("key_2", "key_1")
    assert rotated.old_ends_at == "2026-11-21T01:00:00Z"
    made = wire.body()
    assert made["name"].startswith("ci-20261121")
    assert (made["models"], made["rpm"], made["labels"]) == (["nex-pro"], 60, {"team": "search"})

    with pytest.raises(Pending) as caught:
        rotations(NOW + 3599).finish("key_1")
    assert caught.value.exit == 8
    assert [due.overdue for due in rotations(NOW + 3599).unfinished()] == [False]
    assert [due.overdue for due in rotations(NOW + 3600).unfinished()] == [True]
    with pytest.raises(NexctlError) as again:
        rotations(NOW + 10).rotate(KEY)
    assert "--finish key_1" in (again.value.hint or "")

    wire.expect("POST", "/v1/keys/key_1/revoke", says(200, answer(state="revoked", secret=None)))
    assert rotations(NOW + 3600).finish("key_1").state == "revoked"
    assert list(rotations().unfinished()) == []


def test_the_old_key_can_be_ended_early_and_stays_journaled_until_it_is(
    rotations: Make, wire: MemoryTransport, without_overlap: None
) -> None:
    wire.expect("POST", "/v1/keys", says(200, answer(id="key_2")))
    rotations().rotate(KEY, 3600)
    wire.expect("POST", "/v1/keys/key_1/revoke", refuses(500, "internal_error"),
                *[refuses(500, "internal_error")] * 3)  # fmt: skip
    with pytest.raises(NexctlError):
        rotations().finish("key_1", early=True)
    assert len(list(rotations().unfinished())) == 1
    wire.expect("POST", "/v1/keys/key_1/revoke", says(200, answer(state="revoked")))
    rotations().finish("key_1", early=True)
    assert list(rotations().unfinished()) == []


def test_nothing_to_finish_is_a_usage_error(rotations: Make) -> None:
    with pytest.raises(UsageError):
        rotations().finish("key_1")


def test_rotations_of_another_gateway_are_not_finished_here(
    rotations: Make, wire: MemoryTransport, without_overlap: None, tmp_path: Path
) -> None:
    wire.expect("POST", "/v1/keys", says(200, answer(id="key_2")))
    rotations().rotate(KEY)
    other = rotations(origin="https://gateway.example.com:443")
    assert list(other.unfinished()) == []
    with pytest.raises(UsageError):
        other.finish("key_1")
    assert len(list(unfinished(Journal(str(tmp_path), KIND), NOW))) == 1


# ------------------------------------------------------------------ the journal itself


def test_names_from_a_server_never_become_file_names(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "things")
    for name in ("../../etc/passwd", "a/b", "con", "x" * 5000, "\udcff", "a\0b"):
        journal.write({"name": "x"}, "origin", name)
        assert journal.read("origin", name) == {"name": "x"}
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "things"}
    assert len(list(journal.entries())) == 6
    journal.remove("origin", "con")
    journal.remove("origin", "con")
    assert journal.read("origin", "con") is None


def test_identities_do_not_run_together(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "things")
    assert journal.path("ab", "c") != journal.path("a", "bc")


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"', "[" * 100_000, " " * 70_000 + "{}"])
def test_a_broken_entry_is_named_when_asked_for_and_skipped_in_lists(
    tmp_path: Path, content: str
) -> None:
    journal = Journal(str(tmp_path), "things")
    journal.write({"step": "asked"}, "a")
    Path(journal.path("b")).write_text(content)
    with pytest.raises(ConfigError):
        journal.read("b")
    assert list(journal.entries()) == [{"step": "asked"}]


def test_an_entry_is_not_read_through_a_link(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "things")
    journal.write({"a": 1}, "a")
    Path(journal.path("b")).symlink_to(journal.path("a"))
    with pytest.raises(ConfigError):
        journal.read("b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_among_the_entries_keeps_nobody_waiting(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "things")
    journal.write({"a": 1}, "a")
    os.mkfifo(journal.path("b"))
    with pytest.raises(ConfigError):
        journal.read("b")
    assert list(journal.entries()) == [{"a": 1}]


def test_a_time_that_cannot_be_read_is_due(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), KIND)
    journal.write({"step": "waiting", "due_at": "soon", "key_id": "k"}, "a")
    assert [due.overdue for due in unfinished(journal, NOW)] == [True]
    assert json.loads(Path(journal.path("a")).read_text())["due_at"] == "soon"


def test_only_an_older_secret_that_works_is_cut_short(
    rotations: Make,
) -> None:
    until = "2026-11-22T00:00:00Z"
    twice = msgspec.structs.replace(KEY, previous_expires_at=until)
    assert rotations().cut_short(KEY) is None
    assert rotations().cut_short(twice) == until
    assert rotations(now=NOW + 86_400).cut_short(twice) is None
    assert rotations().cut_short(msgspec.structs.replace(twice, state="revoked")) is None


def test_a_rotation_whose_answer_was_lost_is_asked_again_without_cutting_anything(
    rotations: Make, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/keys/key_1/rotate", *(breaks(sent=True) for _ in range(4)))
    with pytest.raises(NexctlError):
        rotations().rotate(KEY)
    done = msgspec.structs.replace(KEY, previous_expires_at="2026-11-22T00:00:00Z")
    assert rotations().cut_short(done) is None
