"""Codes, papers and tiers under many processes, a kill, and a restore."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nexctl.server.ledger import backup, customers, invoices, tiers
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Opener
from tests.server.ledger.crowd import begun, finished
from tests.server.ledger.kit import KEY, UNIT, Hands, Wall, new_code
from tests.server.ledger.redeemer import HASH, redeem, use
from tests.server.ledger.tier_kit import reprice, with_tiers

ROOT = Path(__file__).parents[3]
PROCESSES = 20


def here(place: str) -> Ledger:
    """On the real clock: the workers are real processes."""
    return open_ledger(place, create=True, anchor_key=KEY)


def real_wall() -> Wall:
    wall = Wall()
    wall.offset = int(time.time())
    return wall


@pytest.mark.parametrize("how", ["credit", "promo"])
def test_a_code_is_redeemed_by_one_of_twenty_processes(place: str, how: str) -> None:
    ledger = here(place)
    new_code(ledger, HASH, "AAAAA", 5, promo=how == "promo")
    who = [
        ledger.write(customers.create, f"c{number}", currency="USD").id
        for number in range(PROCESSES)
    ]
    told = finished(begun(redeem, *((place, name, how) for name in who)))
    assert sorted(told) == ["code_used"] * (PROCESSES - 1) + ["given"]
    if how == "credit":
        assert sum(ledger.wallet(name).balance for name in who) == 5
    assert verify(ledger).violations == ()
    ledger.close()


def test_killed_while_it_crosses_each_threshold_is_credited_once(place: str) -> None:
    ledger = with_tiers(here(place))
    hands = Hands(ledger, real_wall(), money=100_000 * UNIT)
    command = (sys.executable, "-m", "tests.server.ledger.tier_kit", place, hands.customer)
    for number in range(4):
        worker = subprocess.Popen([*command, str(number), "40", "500"], cwd=ROOT)
        before = gross(hands)
        until = time.monotonic() + 60
        # Killed at work: at another place of the month each time.
        while gross(hands) < before + 480 * UNIT and time.monotonic() < until:
            time.sleep(0.005)
        worker.kill()
        worker.wait()
    month = time.strftime("%Y-%m", time.gmtime())
    found = hands.ledger.read(tiers.credits_of, hands.customer, month)
    passed = [row for row in ("pro", "business") if gross(hands) > (500, 5000)[row != "pro"] * UNIT]
    assert [row.tier for row in found] == passed
    assert passed
    proof = verify(ledger, reprice=reprice)
    # Holds of a killed process are looked after when its lease has lapsed; money is right now.
    assert [row for row in proof.violations if row.check != "owners"] == []
    ledger.close()


def gross(hands: Hands) -> int:
    month = time.strftime("%Y-%m", time.gmtime())
    return hands.ledger.read(tiers.month, hands.customer, month).gross


def test_after_a_restore_numbers_and_promotional_codes_are_not_given_again(
    hands: Hands, opening: Opener, place: str, tmp_path: Path
) -> None:
    ledger = hands.ledger
    new_code(ledger, HASH, "AAAAA", 5, promo=True)

    def issued(tx: Any) -> str:
        named = {"customer": hands.customer, "subject": None, "currency": "USD"}
        one = "0.000000001"
        body = {"lines": [{"gross": one}], "net": one, "tax": "0"}
        return invoices.issue(tx, "INV", "invoice", total=1, body=body, **named).number

    assert ledger.write(issued) == "INV-000001"
    copy = str(tmp_path / "copy.db")
    backup.backup(ledger, copy)
    assert [ledger.write(issued) for _ in range(2)] == ["INV-000002", "INV-000003"]
    ledger.write(use, hands.customer)
    ledger.close()
    backup.restore(place, copy, anchor_key=KEY)
    again = opening()
    assert again.write(issued) == "INV-000004"
    kinds = {row.number: row.kind for row in again.read(invoices.listed)}
    assert kinds["INV-000002"] == kinds["INV-000003"] == "void"
    with pytest.raises(Refused) as said:
        again.write(use, hands.customer)
    assert said.value.code == "code_used"
    assert verify(again).violations == ()
