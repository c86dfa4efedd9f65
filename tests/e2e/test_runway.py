"""`nexctl wallet runway`: how long the money lasts."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

FIELDS = {
    "currency", "balance", "held", "available", "now", "history", "burn", "weekdays", "days_left",
    "runs_out", "cause", "credits", "stops", "trend", "source", "gate", "profile", "notes",
}  # fmt: skip


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A dollar a day for 40 days, until today."""
    now = datetime.datetime.now(datetime.UTC)
    path = tmp_path / "used.jsonl"
    with path.open("w") as stream:
        for back in range(41):
            time = (now - datetime.timedelta(days=back)).strftime("%Y-%m-%dT%H:%M:%SZ")
            stream.write(json.dumps({"created_at": time, "charge": "1", "currency": "USD"}) + "\n")
    return path


def test_a_new_wallet_has_not_enough_data_and_says_which(nexctl: Nexctl) -> None:
    done = nexctl("wallet", "runway")
    assert done.exit == 0
    assert "not enough data: 0 whole days of usage, 14 are needed" in done.out
    data = nexctl("wallet", "runway", "-o", "json").data
    assert set(data) == FIELDS
    assert data["days_left"] == {"median": None, "p90": None}
    assert (data["source"], data["gate"]) == ("usage", None)


def test_a_gate_that_cannot_look_does_not_pass(nexctl: Nexctl) -> None:
    paid = nexctl("wallet", "topup", "50", "-o", "json").data["id"]
    assert nexctl("gateway", "pay", paid).exit == 0
    done = nexctl("wallet", "runway", "--min-days", "3", "-o", "json")
    assert done.exit == 2
    assert done.data["gate"] == {"passed": None, "min_days": 3, "by": "median", "days": None}
    assert done.error["code"] == "not_enough_data"


def test_days_left_follow_from_wallet_and_history(nexctl: Nexctl, used: Path) -> None:
    paid = nexctl("wallet", "topup", "50", "-o", "json").data["id"]
    assert nexctl("gateway", "pay", paid).exit == 0
    data = nexctl("wallet", "runway", "--usage", used, "-o", "json").data
    assert (data["history"]["days"], data["burn"]["median"]) == (28, "1")
    # The included credits last or expire; what was paid lasts 50 days after that.
    assert 50 <= data["days_left"]["median"] <= 81
    short = nexctl("wallet", "runway", "--usage", used, "--min-days", "90")
    assert short.exit == 9
    assert "gate failed: at least 90 days" in short.out
    assert "topup" in short.err
    enough = nexctl("wallet", "runway", "--usage", used, "--min-days", "45", "-q")
    assert (enough.exit, enough.err) == (0, "")


def test_the_report_fits_80_columns_and_is_plain_in_a_pipe(nexctl: Nexctl, used: Path) -> None:
    done = nexctl("wallet", "runway", "--usage", used)
    assert done.out.splitlines()[0].startswith("runway of ")
    assert all(len(text) <= 80 for text in done.out.splitlines()), done
    assert "\x1b" not in done.out
    assert "█" not in done.out


def test_a_key_of_its_own_says_that_it_sees_its_own_usage_only(nexctl: Nexctl) -> None:
    key = nexctl("keys", "create", "--name", "ci", "--budget", "2/month", "-q").out.strip()
    done = nexctl("wallet", "runway", "-o", "json", NEXCTL_API_KEY=key)
    assert done.exit == 0
    assert "own usage only" in done.data["notes"][0]


@pytest.mark.parametrize("options", [("--min-days", "0"), ("--by", "mean"), ("--history", "5")])
def test_wrong_options_are_exit_2(nexctl: Nexctl, options: tuple[str, str]) -> None:
    done = nexctl("wallet", "runway", *options)
    assert (done.exit, done.out) == (2, "")
