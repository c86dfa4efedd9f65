"""What falls due while a gateway is served: heartbeat, recovery, expiry, grants, old files.

Each is leased or guarded in the ledger, so that several servers on one database do it once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from nexctl.server import falling_due, telling
from nexctl.server.events import sending
from nexctl.server.ledger import events, files, idempotency, semantic_entries
from nexctl.server.payments import outbox

if TYPE_CHECKING:
    from nexctl.server.house import House

BEAT_SECONDS = 5.0  # not money: seconds
SWEEP_BEATS = 6
SEND_SECONDS = 2.0  # not money: seconds
RARE_BEATS = 720


def once(house: House, *, rare: bool = True) -> None:
    """Everything that is due now; in a process without a server, whoever waits for it does it."""
    falling_due.work(house)
    outbox.work(house)
    while house.ledger.write(files.expire_due):
        pass
    if rare:
        house.ledger.write(idempotency.forget)
        house.ledger.write(events.forget)
        house.ledger.write(semantic_entries.expire)


class Upkeep:
    """Does it every few seconds beside the calls, in a thread, until it is stopped."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; call it on the loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._send())]

    async def stop(self) -> None:
        """End, after what is being done."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _send(self) -> None:
        """Webhooks and e-mails, apart from the rest: who is told may be slow, a heartbeat not."""
        while True:
            try:
                await asyncio.to_thread(sending.due, self._house)
            except Exception as error:  # noqa: BLE001 - what failed once may do better next time
                self._house.alarm(f"events: {telling.words(error)}", error)
            await asyncio.sleep(SEND_SECONDS)

    async def _work(self) -> None:
        beats = 0
        while True:
            try:
                await asyncio.to_thread(self._house.ledger.beat)
                if beats % SWEEP_BEATS == 0:
                    await asyncio.to_thread(once, self._house, rare=beats % RARE_BEATS == 0)
            except Exception as error:  # noqa: BLE001 - whatever fails, the heartbeat goes on
                self._house.alarm(f"upkeep: {telling.words(error)}", error)
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)
