"""kill -9 in the middle of lines, and races for them: each line is billed once and none is lost."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_kit import Batches, line, proved
from server_kit import Rig

from tests.server.ledger.conftest import place, postgres

__all__ = ["place", "postgres"]  # fixtures
ROOT = Path(__file__).parents[2]


@pytest.fixture
def both(place: str, tmp_path: Path) -> Iterator[Batches]:
    rig = Rig(tmp_path, plan="enterprise", place=place if "://" in place else None)
    rig.house.ledger.adjust(rig.made.customer, 1000 * 10**9, note="test", by="test")
    yield Batches(rig)
    rig.close()


def worker(rig: Rig, *more: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "tests.server.batch_worker"]
    started = subprocess.Popen(
        [*program, rig.place, rig.secrets["master"], *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"ready\n"
    return started


def finished(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it may have ended already
        process.stdin.write(b"go\n")
        process.stdin.close()
    # Not `communicate`: what was read ahead with "ready" counts too.
    told = process.stdout.read()
    assert process.wait(120) == 0
    return dict(json.loads(told))


def whole(kit: Batches, batch: str, count: int) -> None:
    """Every custom_id came back exactly once, was billed exactly once, and nothing is held."""
    done = kit.show(batch, 0)
    assert done["status"] == "completed"
    names = [f"line-{n}" for n in range(count)]
    assert [row["custom_id"] for row in kit.lines(done["output_file_id"])] == names
    records = kit.records(batch)
    assert sorted(r["request_id"] for r in records) == sorted(f"{batch}:{name}" for name in names)
    assert kit.rig.wallet()["held"] == "0"
    proved(kit.rig)


def rounds(kit: Batches, count: int, lines: int) -> int:
    """Kill workers `count` times while they work; how many lines were done by the killed ones."""
    chance = random.Random(count)
    stall = {"echo.stall": "0.003"}
    batch = kit.made([line(n, metadata=stall) for n in range(lines)])["id"]
    kit.rig.close()  # its own life would keep nothing, but its lease is another's too
    kit.rig.again()
    done = 0
    for _ in range(count):
        process = worker(kit.rig, "tell")
        assert process.stdout is not None
        assert process.stdin is not None
        # Somewhere between two of its steps, however fast the machine is.
        for _ in range(chance.randrange(1, 90)):
            process.stdout.readline()
        time.sleep(chance.random() / 200)
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()
        _lapse(kit.rig)
        proved(kit.rig)
        done = kit.show(batch, 0)["request_counts"]["completed"]
    assert finished(worker(kit.rig))["sent"] >= lines - done
    whole(kit, batch, lines)
    return done


def _lapse(rig: Rig) -> None:
    """On PostgreSQL the dead one's lease must run out; let it, and recover."""
    ledger = rig.house.ledger
    ledger.beat()
    if ledger.executor.database.dialect == "postgres":
        mine = ledger.shared.owner
        ledger.write(lambda tx: tx.run("UPDATE owners SET lease_until=0 WHERE id<>?", mine))
    ledger.recover()


def test_a_few_kills_while_lines_are_worked_on(both: Batches) -> None:
    assert rounds(both, 4, 200) > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_two_hundred_kills_while_lines_are_worked_on(both: Batches) -> None:
    assert rounds(both, 200, 5000) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_forty_kills_on_postgresql(both: Batches) -> None:
    assert rounds(both, 40, 1500) > 0


def test_several_processes_share_a_batch_and_send_each_line_once(both: Batches) -> None:
    stall = {"echo.stall": "0.1"}
    batch = both.made([line(n, metadata=stall) for n in range(150)])["id"]
    workers = [worker(both.rig, "gate") for _ in range(3)]
    for process in workers:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    told = [finished(process) for process in workers]
    assert sum(one["sent"] for one in told) == 150
    assert sum(one["sent"] > 0 for one in told) >= 2
    whole(both, batch, 150)


def test_a_worker_that_was_only_thought_dead_changes_nothing(both: Batches) -> None:
    """It wakes up after another has taken its line over and done it: its answer is dropped."""
    from nexctl.records import Usage
    from nexctl.server.batches import working
    from nexctl.server.ledger import batch_lines, batches
    from nexctl.server.ledger.types import Outcome

    house = both.rig.house
    batch = both.made([line(0)])["id"]
    house.ledger.write(batches.check, batch)
    row = house.read(batches.get, batch)
    assert row is not None
    _, started = house.ledger.write(working.begun, house, row, 1)
    (mine,) = started.lines
    house.ledger.write(lambda tx: tx.run("UPDATE batch_lines SET lease='somebody-gone'"))
    both.done(batch)
    priced = house.crew._quoted.of(str(row.snapshot))
    late = Outcome(1, Usage(input=1), priced.snapshot, "ok", "nex-pro", {})

    def result(_: Any) -> tuple[bytes, int]:
        raise AssertionError("nothing is kept of it")

    assert house.ledger.write(batch_lines.answered, mine, late, result) is None
    assert house.ledger.write(batch_lines.failed, mine, "late", b"", 0) is False
    whole(both, batch, 1)
