"""kill -9 under load: the books balance after each, and no money stays stuck."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexctl.server.ledger import holds, owners
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger.kit import KEY, Hands, Wall

ROOT = Path(__file__).parents[3]
WORKER = (sys.executable, "-m", "tests.server.ledger.worker")


def rounds(place: str, count: int) -> tuple[int, int]:
    """Kill three writers `count` times; (holds released, holds made unknown) by recovery."""
    wall = Wall()
    ledger = open_ledger(place, create=True, anchor_key=KEY)
    hands = Hands(ledger, wall, money=10_000_000)
    for number in range(3):
        ledger.put_budget(hands.customer, "key", f"key_{number}", 10**9, span="month")
    chance = random.Random(count)
    released = unknown = 0
    live = Hands.sent(hands, 100)  # another process's: nobody may touch it
    for turn in range(count):
        started = [
            subprocess.Popen(
                [*WORKER, place, hands.customer, str(turn * 3 + number), "load"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
            )
            for number in range(3)
        ]
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(0.02 + chance.random() / 8)
        for process in started:
            process.kill()
        for process in started:
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if ledger.executor.database.dialect == "postgres":
            _lapse(place, ledger.shared.owner)
        ledger.beat()
        again = open_ledger(place, anchor_key=KEY, recover=False)
        recovered = again.recover()
        released += recovered.released
        unknown += recovered.unknown
        proof = verify(again)
        assert proof.violations == ()
        mine = ledger.read(lambda tx: [o.id for o in owners.listed(tx)])
        assert mine == [ledger.shared.owner]
        open_now = again.read(holds.listed, hands.customer, ("reserved", "dispatched"))
        assert [hold.id for hold in open_now] == [live]
        again.close()
    resolved = ledger.write(_due_now)
    assert resolved == unknown
    ledger.sweep()
    assert hands.wallet.held == 100
    hands.settle(live, 1)
    assert hands.wallet.held == 0
    assert verify(ledger).clean
    ledger.close()
    return released, unknown


def _lapse(place: str, mine: str) -> None:
    """On PostgreSQL the lease must run out; let it."""
    import psycopg

    with psycopg.connect(place, autocommit=True) as raw:
        raw.execute("UPDATE owners SET lease_until=0 WHERE id<>%s", (mine,))


def _due_now(tx) -> int:  # type: ignore[no-untyped-def]
    """Let every unknown hold's deadline be now."""
    return tx.run("UPDATE holds SET deadline=0 WHERE state='unknown'")


def test_a_few_kills(place: str) -> None:
    released, unknown = rounds(place, 4)
    assert released + unknown > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_two_hundred_kills(place: str) -> None:
    released, unknown = rounds(place, 210)
    print(f"released {released}, unknown {unknown}")
    assert released > 0
    assert unknown > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_fifty_kills_on_postgresql(place: str) -> None:
    released, unknown = rounds(place, 50)
    assert released + unknown > 0
