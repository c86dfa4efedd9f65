"""A sequence is shown only when no lower one can still come: increments miss nothing."""

from __future__ import annotations

import time

from nexctl.server.ledger import entries
from nexctl.server.ledger.main import open_ledger
from tests.server.ledger.crowd import finished
from tests.server.ledger.kit import KEY, Hands, Wall, proved
from tests.server.ledger.test_races import workers


def test_what_a_reader_sees_beside_eight_writers_has_no_holes(place: str) -> None:
    wall = Wall()
    wall.offset = int(time.time())
    ledger = open_ledger(place, create=True, anchor_key=KEY)
    hands = Hands(ledger, wall, money=400)
    started = workers(place, hands.customer, "spend")
    seen: list[int] = []
    pages = 0
    while True:
        over = all(worker.done() for worker in started)
        after = seen[-1] if seen else 0
        page = ledger.read(entries.entries, hands.customer, after=after, limit=50)
        seen += [entry.seq for entry in page.rows]
        assert seen == list(range(1, len(seen) + 1))
        pages += bool(page.rows)
        if over and page.after is None:
            break
    finished(started)
    assert seen[-1] == hands.wallet.seq
    assert pages > 1
    assert proved(ledger)
    ledger.close()
