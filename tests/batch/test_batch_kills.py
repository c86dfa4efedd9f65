"""Killed at every step, the same command goes on: one batch a shard, each line billed once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from faulty_gateway import FaultyGateway
from pipeline_kit import write_lines

KILLED = Path(__file__).with_name("killed_nexctl.py")
LINES = 6
SHARDS = 3
ONCE = Counter({f"line-{at}": 1 for at in range(LINES)})


class Run:
    """`nexctl batch run` on one file against one gateway, in a home of its own."""

    def __init__(self, folder: Path, faulty: FaultyGateway) -> None:
        self.faulty = faulty
        self.file = write_lines(folder / "requests.jsonl", LINES)
        self.out = folder / "out.jsonl"
        self.environ = {
            **os.environ,
            "NEXCTL_CONFIG_DIR": str(folder / "home"),
            "NEXCTL_BASE_URL": faulty.url,
            "NEXCTL_DRIVER": "openai",
            "NEXCTL_API_KEY": "sk-test",
            "NEXCTL_BOOK": "openai",
        }

    def command(self, when: str, count: int) -> list[str]:
        return [
            sys.executable, str(KILLED), when, str(count), "batch", "run", str(self.file),
            "--out", str(self.out), "--yes", "--max-requests", "2", "--poll", "0.01", "-o", "json",
        ]  # fmt: skip

    def until(self, when: str, count: int) -> int:
        done = subprocess.run(
            self.command(when, count), env=self.environ, capture_output=True, check=False
        )
        assert done.returncode in (0, -9), done.stderr.decode()
        return done.returncode

    def prove(self) -> None:
        """Run to the end: everything is there once."""
        assert self.until("never", 1) == 0
        rows = [json.loads(raw) for raw in self.out.read_text().splitlines()]
        assert [row["custom_id"] for row in rows] == [f"line-{at}" for at in range(LINES)]
        assert {row["status"] for row in rows} == {"succeeded"}
        assert len(self.faulty.batches) == SHARDS
        assert self.faulty.worked == ONCE


def steps(when: str, folder: Path) -> int:
    """How often a moment comes in a run that nothing interrupts."""
    faulty = FaultyGateway()
    try:
        run = Run(folder, faulty)
        low, high = 1, 200
        while low < high:
            middle = (low + high) // 2
            found = FaultyGateway()
            trial = Run(_new(folder), found)
            if trial.until(when, middle) == -9:
                low = middle + 1
            else:
                high = middle
            found.close()
        del run
        return low - 1
    finally:
        faulty.close()


def _new(folder: Path) -> Path:
    made = folder / f"trial-{time.monotonic_ns()}"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("when", "count"),
    [
        # The plan, the first upload, its create, the end of the last batch, a collected one.
        ("after", 2), ("before", 4), ("call", 2), ("call", 3), ("before", 7), ("after", 9),
        ("call", 5), ("before", 14),
    ],
)  # fmt: skip
def test_killed_at_one_step_the_same_command_goes_on(
    tmp_path: Path, faulty: FaultyGateway, when: str, count: int
) -> None:
    run = Run(tmp_path, faulty)
    assert run.until(when, count) == -9
    run.prove()


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after", "call"])
def test_killed_at_every_step_the_same_command_goes_on(tmp_path: Path, when: str) -> None:
    last = steps(when, tmp_path)
    assert last >= 8
    for count in range(1, last + 1):
        faulty = FaultyGateway()
        try:
            run = Run(_new(tmp_path), faulty)
            assert run.until(when, count) == -9
            run.prove()
        finally:
            faulty.close()


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(200, marks=pytest.mark.slow)], ids=["short", "200"]
)
def test_killed_at_random_again_and_again_nothing_is_lost_or_doubled(
    tmp_path: Path, rounds: int
) -> None:
    chooser = random.Random(20261126)
    for _ in range(rounds):
        faulty = FaultyGateway()
        faulty.faults.polls = 2
        try:
            run = Run(_new(tmp_path), faulty)
            for _ in range(chooser.randint(1, 3)):
                process = subprocess.Popen(
                    run.command("never", 1),
                    env=run.environ,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(chooser.uniform(0.1, 1.2))
                process.kill()
                process.wait()
            run.prove()
        finally:
            faulty.close()


@pytest.mark.parametrize(("when", "count"), [("before", 6), ("call", 4), ("after", 8)])
def test_killed_on_the_embedded_gateway_every_line_is_charged_once(
    tmp_path: Path, when: str, count: int
) -> None:
    path = write_lines(tmp_path / "r.jsonl", 12)
    path.write_text(path.read_text().replace("gpt-4o-mini", "nex-pro"))
    environ = {**os.environ, "NEXCTL_CONFIG_DIR": str(tmp_path / "home")}

    def nexctl(moment: str, number: int, *words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, str(KILLED), moment, str(number), *words, "-q", "-o", "json"]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, check=False)

    run = ("batch", "run", "r.jsonl", "--yes", "--max-requests", "5")
    assert nexctl(when, count, *run).returncode == -9
    done = nexctl("never", 1, *run)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["data"]
    assert (report["counts"]["succeeded"], len(report["shards"])) == (12, 3)
    wallet = json.loads(nexctl("never", 1, "wallet", "show").stdout)["data"]
    assert Decimal(30) - Decimal(wallet["balance"]) == Decimal(report["charge"]) > 0
    assert wallet["held"] == "0"
    usage = json.loads(nexctl("never", 1, "usage", "list").stdout)["data"]
    assert len(usage) == 12
