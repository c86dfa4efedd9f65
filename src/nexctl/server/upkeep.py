"""What falls due while a gateway is served: heartbeat, recovery, expiry, grants, old files.

Each is leased or guarded in the ledger, so that several servers on one database do it once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from nexctl.errors import NexctlError
from nexctl.server.ledger import files, idempotency, orders
from nexctl.server.payments import auto, included, outbox, subscribing

if TYPE_CHECKING:
    from nexctl.server.house import House

BEAT_SECONDS = 5.0  # not money: seconds
SWEEP_BEATS = 6
RARE_BEATS = 720


def once(house: House, *, rare: bool = True) -> None:
    """Everything that is due now; in a process without a server, whoever waits for it does it."""
    house.ledger.sweep()
    house.ledger.write(orders.expire_due)
    included.grant_due(house)
    subscribing.renew_due(house)
    auto.work(house)
    outbox.work(house)
    while house.ledger.write(files.expire_due):
        pass
    if rare:
        house.ledger.write(idempotency.forget)


class Upkeep:
    """Does it every few seconds beside the calls, in a thread, until it is stopped."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call it on the loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """End, after what is being done."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        beats = 0
        while True:
            try:
                await asyncio.to_thread(self._house.ledger.beat)
                if beats % SWEEP_BEATS == 0:
                    await asyncio.to_thread(once, self._house, rare=beats % RARE_BEATS == 0)
            except NexctlError as error:
                self._house.alarm(f"upkeep: {error.message}")
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)
