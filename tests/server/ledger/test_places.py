"""Where a ledger may lie, and what one process may expect of another's turn."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest

from nexctl.errors import ConfigError
from nexctl.server.ledger import funds, sqlite
from nexctl.server.ledger.errors import Locked, Unavailable
from nexctl.server.ledger.gate import MILLISECOND, Gate
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.mounts import network_kind
from tests.server.ledger.kit import KEY, Hands, proved

MOUNTS = """\
25 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 25 0:40 / /srv/share rw - nfs4 server:/x rw
31 25 0:41 / /srv/share/local rw - xfs /dev/vdb rw
32 25 0:42 / /mnt/a\\040b rw - cifs //server/b rw
33 25 0:43 / /mnt/ssh rw - fuse.sshfs me@host:/ rw
34 25 0:44 / /mnt/plain rw - fuse.bindfs /x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/gateway.db", None),
        ("/srv/share/gateway.db", "nfs4"),
        ("/srv/shared/gateway.db", None),
        ("/srv/share/local/gateway.db", None),
        ("/mnt/a b/gateway.db", "cifs"),
        ("/mnt/ssh/x/gateway.db", "fuse.sshfs"),
        ("/mnt/plain/gateway.db", None),
    ],
)
def test_network_file_systems_are_known(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_kind(path, str(mounts)) == kind


def test_a_ledger_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexctl.server.ledger import sqlite

    monkeypatch.setattr(sqlite, "network_kind", lambda _: "nfs4")
    with pytest.raises(ConfigError, match="network file system"):
        open_ledger(str(tmp_path / "gateway.db"), create=True)
    assert not (tmp_path / "gateway.db").exists()


def test_the_files_are_private(tmp_path: Path) -> None:
    place = str(tmp_path / "gateway.db")
    ledger = open_ledger(place, create=True)
    ledger.beat()
    modes = {name: stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
    assert len(modes) >= 4
    assert set(modes.values()) == {0o600}
    ledger.close()


def test_a_file_that_may_not_be_opened_or_written_says_so(tmp_path: Path) -> None:
    place = tmp_path / "gateway.db"
    sqlite3.connect(place).close()
    read_only = sqlite3.connect(f"file:{place}?mode=ro", uri=True)
    for act in (
        lambda: read_only.execute("CREATE TABLE t (a)"),
        lambda: sqlite3.connect(tmp_path / "none" / "gateway.db"),
    ):
        with pytest.raises(sqlite3.Error) as caught:
            act()
        error = sqlite.unavailable(caught.value)
        assert isinstance(error, Unavailable)
        assert "yours to read and write" in (error.hint or "")
    read_only.close()


def test_the_settings_that_keep_commits_are_on(tmp_path: Path) -> None:
    ledger = open_ledger(str(tmp_path / "gateway.db"), create=True)
    raw = ledger.executor.database.raw  # type: ignore[attr-defined]
    found = {
        name: raw.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
    }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
    }
    tables = raw.execute("PRAGMA table_list").fetchall()
    loose = [row[1] for row in tables if not row[5] and not row[1].startswith("sqlite_")]
    assert loose == []
    ledger.close()


def test_no_ledger_and_no_ledgers_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger"):
        open_ledger(str(tmp_path / "nowhere.db"))
    (tmp_path / "text").write_text("hello" * 500)
    with pytest.raises(Unavailable, match="damaged"):
        open_ledger(str(tmp_path / "text"))
    (tmp_path / "empty.db").touch()
    with pytest.raises(ConfigError, match="holds no ledger"):
        open_ledger(str(tmp_path / "empty.db"))


def test_the_impatient_are_let_pass(tmp_path: Path) -> None:
    """While one asks for the gate, another waits for it, but not for ever."""
    polite, asking = Gate(str(tmp_path / "x")), Gate(str(tmp_path / "x"))
    assert asking._try(exclusive=True)
    started = time.monotonic()
    assert polite.enter(lambda: True, 10**10)
    assert 0.1 < time.monotonic() - started < 9
    asking._leave()
    assert polite.enter(lambda: True, 10**10)
    assert not polite.enter(lambda: False, 80 * MILLISECOND)
    assert asking._try(exclusive=True), "who gave up has left the gate"
    polite.close()
    asking.close()


def test_who_cannot_wait_comes_back_and_is_let_pass_in_the_end(tmp_path: Path) -> None:
    busy, coming = Gate(str(tmp_path / "x")), Gate(str(tmp_path / "x"))
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(Locked):
            coming.glance(lambda: False, 10**10)
    assert time.monotonic() - began < 0.2, "it waits for nothing"
    time.sleep(0.3)
    with pytest.raises(Locked):
        coming.glance(lambda: False, 10**10)
    assert not busy._try(exclusive=False), "who has waited for long asks for the gate"
    with pytest.raises(Locked):
        busy.glance(lambda: True, 10**10)
    assert coming.glance(lambda: True, 10**10)
    assert busy.glance(lambda: True, 10**10), "who came in asks no more"
    with pytest.raises(Locked):
        coming.glance(lambda: False, 50 * MILLISECOND)
    time.sleep(0.06)
    assert not coming.glance(lambda: False, 50 * MILLISECOND)
    assert busy._try(exclusive=True), "who gave up has left the gate"
    busy.close()
    coming.close()


def test_each_thread_that_comes_back_has_waited_its_own_time(tmp_path: Path) -> None:
    """A served gateway's loop and its other threads glance at one gate."""
    gate, other = Gate(str(tmp_path / "x")), Gate(str(tmp_path / "x"))
    told: dict[str, float] = {}
    began = time.monotonic()

    def wait(name: str) -> None:
        came = time.monotonic()
        while True:
            try:
                with one_at_a_time:
                    assert not gate.glance(lambda: False, 600 * MILLISECOND)
            except Locked:
                time.sleep(0.002)
            else:
                told[name] = time.monotonic() - came
                return

    one_at_a_time = threading.Lock()
    first, second = (threading.Thread(target=wait, args=(name,)) for name in ("first", "second"))
    first.start()
    time.sleep(0.4)
    second.start()
    first.join()
    assert not other._try(exclusive=True), "the second has waited too: the gate stays asked for"
    second.join()
    assert other._try(exclusive=True)
    assert time.monotonic() - began < 1.5
    assert all(0.59 < waited < 1 for waited in told.values()), told
    gate.close()
    other.close()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_log_made_its_full_size_is_read_after_a_crash(
    hands: Hands, place: str, tmp_path: Path
) -> None:
    """Zeros stand behind the log's end; neither another process nor a recovery takes them."""
    for _ in range(sqlite.OFTEN):
        hands.spend(1)
    log = Path(f"{place}-wal")
    assert log.stat().st_size >= sqlite.PAGES * 4096
    with open_ledger(place, anchor_key=KEY) as other:
        other.write(funds.topup, hands.customer, 5, provider="sandbox")
    expected = hands.figures
    crashed = tmp_path / "crashed.db"
    shutil.copy(place, crashed)
    shutil.copy(log, f"{crashed}-wal")
    with open_ledger(str(crashed), anchor_key=KEY) as found:
        wallet = found.wallet(hands.customer)
        assert (wallet.balance, wallet.held, wallet.debt) == expected
        assert proved(found)
