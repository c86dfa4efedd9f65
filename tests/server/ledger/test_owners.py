"""Owners: a dead one's reserved holds come back, its dispatched ones become unknown, nobody else's
are touched."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from nexctl.server.ledger import holds, owners
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.types import Ask, Limit
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import KEY, Hands, Wall, proved


@pytest.fixture
def crash(opening: Opener, hands: Hands, wall: Wall):  # type: ignore[no-untyped-def]
    """Make holds as another process, which then dies."""

    def crashed(*asks: Ask) -> list[int]:
        other = opening(recover=False)
        made = [other.reserve(ask).hold for ask in asks]
        other.executor.write(_forget, other.shared.owner)
        other.close()
        return made

    return crashed


def _forget(tx, owner: str) -> None:  # type: ignore[no-untyped-def]
    tx.run("UPDATE owners SET lease_until=0 WHERE id=?", owner)


def test_recovery_releases_reserved_and_marks_dispatched_unknown(
    hands: Hands, crash, opening: Opener
) -> None:  # type: ignore[no-untyped-def]
    mine = hands.sent(5)
    crash(hands.ask(10), hands.ask(20, "r2", dispatched=True))
    recovered = opening(recover=False).recover()
    assert recovered == (1, 1, 1)
    assert hands.figures == (100, 25, 0)
    assert hands.wallet.unknown == 20
    found = hands.ledger.read(holds.by_request, hands.customer, "r2")
    assert found is not None
    assert (found.state, found.rule, found.why) == ("unknown", "floor", "its owner is gone")
    assert found.deadline == (hands.wall.wall() // 1000) + 24 * 3600 * 1_000_000
    hands.settle(mine, 5)
    assert proved(hands.ledger)


def test_a_live_owners_holds_are_never_touched(opening: Opener, hands: Hands) -> None:
    for _ in range(3):
        hands.reserve(5)
        hands.sent(5)
    assert opening().recover() == (0, 0, 0)
    assert opening().sweep() == (0, 0, 0, 0, 0)
    assert hands.figures == (100, 30, 0)


def test_verify_names_an_orphan_until_it_is_recovered(hands: Hands, crash, opening: Opener) -> None:  # type: ignore[no-untyped-def]
    crash(hands.ask(10))
    found = verify(hands.ledger).violations
    assert [violation.check for violation in found] == ["owners"]
    hands.ledger.recover()
    assert proved(hands.ledger)


def test_a_late_settle_of_an_unknown_request_still_debits(hands: Hands, crash) -> None:  # type: ignore[no-untyped-def]
    (hold,) = crash(hands.ask(20, "r1", dispatched=True))
    hands.ledger.recover()
    assert hands.refused(20, "r1").code == "request_in_progress"
    settled = hands.settle(hold, 12)
    assert settled.late
    assert hands.figures == (88, 0, 0)
    assert hands.refused(20, "r1").code == "already_billed"
    assert proved(hands.ledger)


def test_even_a_released_request_that_was_answered_is_debited(hands: Hands) -> None:
    hold = hands.sent(20)
    hands.ledger.release(hold, "thought to have failed")
    assert hands.settle(hold, 12).late
    assert hands.figures == (88, 0, 0)
    assert proved(hands.ledger)


def test_a_released_request_that_ran_again_is_not_billed_twice(hands: Hands) -> None:
    first = hands.sent(20, "r1")
    hands.ledger.release(first, "failed")
    hands.settle(hands.sent(20, "r1"), 3)
    with pytest.raises(Refused) as said:
        hands.settle(first, 12)
    assert said.value.code == "state_conflict"
    assert hands.figures == (97, 0, 0)
    assert proved(hands.ledger)


@pytest.mark.parametrize(("rule", "charged"), [("floor", 3), ("held", 20)])
def test_at_its_deadline_an_unknown_request_is_settled_by_its_rule(
    hands: Hands, rule: str, charged: int
) -> None:
    hold = hands.sent(20, "r1", floor=3, rule=rule, facts={"endpoint": "/v1/x"})
    assert hands.ledger.unknown(hold, "the line broke")
    assert not hands.ledger.unknown(hold, "again")
    hands.wall.wait(24 * 3600 - 1)
    assert hands.ledger.sweep().resolved == 0
    hands.wall.wait(1)
    assert hands.ledger.sweep().resolved == 1
    row = hands.ledger.usage_of(hands.customer, "r1")
    assert row is not None
    assert (row.charge, row.status, row.record["resolved_by"]) == (charged, "partial", rule)
    assert row.record["endpoint"] == "/v1/x"
    assert hands.figures == (100 - charged, 0, 0)
    assert proved(hands.ledger)


def test_the_operator_decides_where_the_rule_says_so(hands: Hands) -> None:
    one = hands.sent(20, rule="operator")
    hands.ledger.unknown(one, "the line broke")
    hands.wall.wait(10 * 86_400)
    assert hands.ledger.sweep().resolved == 0
    hands.settle(one, 11)
    assert hands.figures == (89, 0, 0)
    with pytest.raises(Refused):
        hands.ledger.release(one, "no")


def test_an_owner_that_was_given_up_becomes_a_new_one(
    opening: Opener, hands: Hands, wall: Wall, place: str
) -> None:
    held = hands.reserve(10)
    before = hands.ledger.shared.owner
    hands.ledger.write(lambda tx: tx.run("DELETE FROM owners WHERE id=?", before))
    wall.wait(60)
    hands.reserve(10)
    assert hands.ledger.shared.owner != before
    hands.settle(held.hold, 1)


def test_heartbeats_keep_a_lease(opening: Opener, hands: Hands, wall: Wall) -> None:
    hands.reserve(10)
    other = opening()
    for _ in range(10):
        wall.wait(20)
        hands.ledger.beat()
    assert other.recover() == (0, 0, 0)
    assert [owner.live for owner in other.read(owners.listed)] == [True]


CHILD = """
import os, sys
from nexctl.server.ledger.main import open_ledger
from tests.server.ledger.kit import PRICES, BODY
from nexctl.server.ledger.types import Ask
ledger = open_ledger(sys.argv[1], anchor_key=b"k" * 32)
for number in range(3):
    name = f"child-{number}"
    ledger.reserve(Ask(sys.argv[2], name, BODY, 10, "m", PRICES, dispatched=number > 1))
print("made", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_kernel_tells_at_once_who_is_dead(hands: Hands, place: str, opening: Opener) -> None:
    """No lease has to lapse: the lock of a killed process is open."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), place, hands.customer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=os.getcwd(),
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"made\n"
    hands.wall.jump(3600)  # the lease by the clock is long over, yet it lives
    assert hands.ledger.recover() == (0, 0, 0)
    child.kill()
    child.wait()
    assert hands.ledger.recover() == (1, 2, 1)
    assert hands.wallet.unknown == 10
    assert [name for name in os.listdir(os.path.dirname(place)) if "owner-" in name] == []
    assert proved(hands.ledger)


def test_concurrency_slots_of_a_dead_process_lapse(hands: Hands, crash, opening: Opener) -> None:  # type: ignore[no-untyped-def]
    most = (Limit(f"customer:{hands.customer}", "concurrency", 2),)
    crash(hands.ask(1, limits=most), hands.ask(1, limits=most))
    hands.reserve(1, limits=most)
    hands.reserve(1, limits=most)
    said = hands.refused(1, limits=most)
    assert (said.code, said.details["kind"]) == ("rate_limited", "concurrency")


def test_the_key_of_the_chain_is_not_in_the_database(hands: Hands, place: str) -> None:
    if "://" not in place:
        hands.spend(1)
        hands.ledger.close()
        with open(place, "rb") as stream:
            assert KEY not in stream.read()
