"""A fault at each statement, before and after it, BEGIN and COMMIT included; a full disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nexctl.server.ledger import backup, funds, holds, owners, settings
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.types import Limit
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import Hands, proved


class Failing:
    """A connection that fails once at its n-th statement, before or after doing it."""

    def __init__(self, raw: Any, at: int, after: bool, fault: Callable[[], Exception]) -> None:
        self._raw, self._at, self._after, self._fault = raw, at, after, fault
        self.count = 0
        self.failed: str | None = None

    def execute(self, sql: str, *rest: Any) -> Any:
        self.count += 1
        hit = self.count == self._at
        if hit and not self._after:
            self.failed = sql
            raise self._fault()
        result = self._raw.execute(sql, *rest)
        if hit:
            self.failed = sql
            raise self._fault()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def io_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


def pg_error() -> Exception:
    import psycopg

    return psycopg.errors.IoError("could not write")


def every_statement(
    hands: Hands, place: str, prepare: Callable[[], Any], act: Callable[[Any], Any], most: int = 80
) -> int:
    """Do `act` with a fault at statement 1, 2, 3 ... until none is left; how many there were."""
    database: Any = hands.ledger.executor.database
    fault = io_error if database.dialect == "sqlite" else pg_error
    for after in (False, True):
        for at in range(1, most):
            given = prepare()
            raw = database.raw
            failing = Failing(raw, at, after, fault)
            database.raw = failing
            try:
                act(given)
            except (Unavailable, Refused):
                pass
            finally:
                if database.raw is failing:
                    database.raw = raw
            hands.ledger.flush()
            assert proved(hands.ledger), failing.failed
            if failing.failed is None:
                break
        else:
            raise AssertionError("there is no end of statements")
    return at


def test_reserve_is_all_or_nothing_at_each_statement(hands: Hands, place: str) -> None:
    for scope, name in (("key", "k"), ("key", "p"), ("customer", hands.customer)):
        hands.ledger.put_budget(hands.customer, scope, name, 10**9)
    hands.ledger.put_budget(hands.customer, "customer", hands.customer, 10**9, span="5h")
    hands.topup(10**6)
    limits = (Limit("key:k", "rpm", 1000), Limit("key:k", "concurrency", 1000))

    told: list[int] = []

    def act(_: Any) -> None:
        told.append(hands.reserve(5, key="k", parent="p", limits=limits).hold)

    assert every_statement(hands, place, lambda: None, act) > 12
    kept = [hold.id for hold in hands.ledger.read(holds.listed, hands.customer)]
    assert kept == told, "a hold that nobody was told of is given back"


def test_settle_never_loses_an_answer_at_any_statement(hands: Hands, place: str) -> None:
    """Whatever fails after the answer, the debit is posted once and the hold never released."""
    hands.ledger.put_budget(hands.customer, "customer", hands.customer, 10**9)
    hands.topup(10**6)
    done: list[int] = []

    def act(hold: int) -> None:
        done.append(hold)
        hands.settle(hold, 3)

    assert every_statement(hands, place, lambda: hands.sent(5), act) > 10
    states = hands.ledger.read(
        lambda tx: tx.all("SELECT id, state FROM holds WHERE state<>'settled'")
    )
    assert states == []
    assert hands.wallet.balance == 10**6 + 100 - 3 * len(done)


def test_topup_and_refund_are_all_or_nothing_at_each_statement(hands: Hands, place: str) -> None:
    def act(_: Any) -> None:
        paid, bonus = hands.topup(10, bonus=1)
        hands.ledger.write(
            funds.refund,
            hands.customer,
            4,
            provider="sandbox",
            paid_lot=paid.seq,
            bonus_lot=bonus.seq,
            reference="o",
        )

    assert every_statement(hands, place, lambda: None, act) > 12


def test_recovery_is_all_or_nothing_at_each_statement(
    hands: Hands, place: str, opening: Opener
) -> None:
    hands.topup(10**6)

    def crash() -> None:
        other = opening(recover=False)
        other.reserve(hands.ask(5))
        other.reserve(hands.ask(5, dispatched=True))
        gone = other.shared.owner
        other.write(lambda tx: tx.run("UPDATE owners SET lease_until=0 WHERE id=?", gone))
        other.close()

    def act(_: Any) -> None:
        try:
            hands.ledger.write(owners.recover)
        finally:
            hands.ledger.executor.database.raw = getattr(
                hands.ledger.executor.database.raw, "_raw", hands.ledger.executor.database.raw
            )
            hands.ledger.recover()

    assert every_statement(hands, place, crash, act) > 8
    left = hands.ledger.read(holds.listed, hands.customer, ("reserved", "dispatched"))
    assert left == []


def full(database: Any) -> None:
    pages = database.raw.execute("PRAGMA page_count").fetchone()[0]
    database.raw.execute(f"PRAGMA max_page_count={pages}")


def filled(hands: Hands, database: Any) -> None:
    """Make the file full to its last byte."""
    full(database)
    for number in range(10_000):
        try:
            hands.ledger.write(settings.put, f"filler-{number:05}", "x")
        except Unavailable:
            return
    raise AssertionError("the disk does not fill")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_full_disk_between_answer_and_settle_loses_nothing(hands: Hands) -> None:
    database: Any = hands.ledger.executor.database
    answered = [hands.sent(2, f"r{number}") for number in range(40)]
    filled(hands, database)
    owed = 0
    for hold in answered:
        try:
            hands.settle(hold, 2)
        except Unavailable:
            owed += 1
    assert owed > 0
    assert hands.ledger.unsettled == owed
    with pytest.raises(Refused):
        hands.ledger.release(answered[-1], "no")
    with pytest.raises(Unavailable):
        hands.reserve(1, "new")  # new work is refused while a debit is owed
    assert verify(hands.ledger).clean
    assert not hands.ledger.read(holds.listed, hands.customer, ("released",))
    database.raw.execute("PRAGMA max_page_count=1000000")
    hands.reserve(1, "new")
    assert hands.ledger.unsettled == 0
    assert hands.wallet.balance == 100 - 2 * 40
    assert proved(hands.ledger)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_locked_database_is_an_error_in_time(hands: Hands, place: str, opening: Opener) -> None:
    other = opening(timeout=300)
    hands.ledger.executor.database.raw.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match="locked"):
        other.reserve(hands.ask(1))
    hands.ledger.executor.database.raw.execute("ROLLBACK")  # type: ignore[attr-defined]
    other.reserve(hands.ask(1))
    assert proved(hands.ledger)


def test_an_error_of_the_operation_itself_rolls_back(hands: Hands) -> None:
    def broken(tx: Any) -> None:
        holds.reserve(tx, hands.ask(5))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hands.ledger.write(broken)
    assert hands.figures == (100, 0, 0)


@pytest.mark.parametrize("gone", ["", "-wal"])
@pytest.mark.parametrize("mode", ["inline", "loop"])
def test_a_file_that_was_replaced_is_written_no_more(
    opening: Opener, hands: Hands, place: str, gone: str, mode: str, tmp_path: Path
) -> None:
    """Requests that were written into a file without a name would be lost with the process."""
    if "://" in place:
        pytest.skip("a server's files are its own")
    copy = tmp_path / "copy.db"
    backup.backup(hands.ledger, str(copy))
    hands.ledger.close()
    hands.ledger = served = opening(mode=mode)
    served.beat()
    hands.spend(7)
    if gone:
        (tmp_path / f"gateway.db{gone}").unlink()
    else:
        copy.replace(place)
    for _ in range(2):
        with pytest.raises(Unavailable, match="replaced"):
            served.beat()
    with pytest.raises(Unavailable, match="replaced"):
        hands.reserve(10)
    with pytest.raises(Unavailable, match="replaced"):
        served.wallet(hands.customer)
    with pytest.raises(Unavailable, match="replaced"):
        served.recall("anything", settings.get, "anything")
    served.close()
    hands.ledger = opening()
    assert proved(hands.ledger)
    assert hands.wallet.balance == 100 - (7 if gone else 0)
