"""Works on batches: lines of several at once, fair between them, within every limit of theirs.

Served, one crew works all the time. In a process without a server whoever waits for a batch works
on it meanwhile (`work_on`). Any number of crews may work on one database: lines are leased there.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nexctl.errors import NexctlError
from nexctl.server.batches import working
from nexctl.server.batches.prices import Quoted
from nexctl.server.ledger import batch_lines, batches

if TYPE_CHECKING:
    from nexctl.server.calls import Caller
    from nexctl.server.house import House
    from nexctl.server.ledger.batches import Batch

# Lines under way at once in one process, and begun in one transaction.
AT_ONCE = 32
BEGUN_AT_ONCE = 8
SCANS_AT_ONCE = 2
IDLE_SECONDS = 1.0  # not money: seconds
# How often the lines of processes that are gone are looked for, and the own lease is renewed.
LOOK_SECONDS = 5.0  # not money: seconds
# A batch that waits for a limit asks again so often: the limit may have been lifted meanwhile.
ASK_AGAIN_MICROS = 2_000_000


class Crew:
    """Everything that this process does for batches."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._quoted = Quoted(house)
        self._works: dict[str, working.Work] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._not_before: dict[str, int] = {}
        self._looked = -LOOK_SECONDS
        self._turns = 0
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        # Files that are checked and counted at once, each in a thread.
        self.scanning = asyncio.Semaphore(SCANS_AT_ONCE)

    # served ----------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether no line is under way."""
        return not self._under_way

    def start(self) -> None:
        """Work all the time; call it on the loop."""
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._forever())

    def wake(self) -> None:
        """There is something new to do."""
        if self._wake is not None:
            self._wake.set()

    async def stop(self, seconds: float) -> None:  # not money: seconds
        """Begin nothing more; lines under way may end, within a bound. Others take up the rest."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for line in late:
                line.cancel()
            if late:
                await asyncio.wait(late)

    async def _forever(self) -> None:
        while True:
            busy = False
            try:
                busy = await self._turn(None)
            except NexctlError as error:
                self._house.alarm(f"batches: {error.message}", error)
            except Exception as error:  # noqa: BLE001 - the next turn may do better
                self._house.alarm(f"batches: {type(error).__name__}")
            await self._rest(busy, IDLE_SECONDS)

    async def _rest(self, busy: bool, seconds: float) -> None:  # not money: seconds
        """Wait until a line ends, something new comes, or the time is over."""
        if busy and len(self._under_way) < AT_ONCE:
            await asyncio.sleep(0)
            return
        waits: set[asyncio.Future[None] | asyncio.Task[bool]] = set(self._under_way)
        woken = None
        if self._wake is not None:
            woken = asyncio.ensure_future(self._wake.wait())
            waits.add(woken)
        if waits:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)
        if woken is not None:
            woken.cancel()
        if self._wake is not None:
            self._wake.clear()

    # in process ------------------------------------------------------------------------------

    async def work_on(self, batch: str, seconds: float) -> None:  # not money: seconds
        """Work on one batch until it has ended or the time is over."""
        until = time.monotonic() + seconds
        while True:
            if not self._house.read(batches.live, batch):
                return
            busy = await self._turn(batch)
            left = until - time.monotonic()
            if left <= 0:
                return
            if not busy or len(self._under_way) >= AT_ONCE:
                await self._rest(False, min(left, self._pause(batch)))

    def _pause(self, batch: str) -> float:  # not money: seconds
        """Seconds until this batch may go on, at most a second."""
        left = self._not_before.get(batch, 0) - self._house.now()
        return min(1.0, max(0.02, left / 1_000_000))  # not money: seconds

    # one turn --------------------------------------------------------------------------------

    async def _turn(self, only: str | None) -> bool:
        """Take every live batch one step on; whether something moved."""
        await self._look_after()
        moved = False
        live = self._house.read(batches.live, only)
        names = {batch.id for batch in live}
        if only is None:
            for known in (self._works, self._not_before):
                for name in [name for name in known if name not in names]:
                    del known[name]
        # Another one is first each time, so that a long batch leaves room to the others.
        self._turns += 1
        at = self._turns % len(live) if live else 0
        for batch in live[at:] + live[:at]:
            moved = await self._step(batch) or moved
        return moved

    async def _look_after(self) -> None:
        """Renew the lease while lines are under way; recover what dead owners have left."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if self._house.options.served:
            # The ledger may be locked elsewhere: nobody waits for that on the loop.
            await asyncio.to_thread(self._renew)
        else:
            self._renew()

    def _renew(self) -> None:
        if self._under_way:
            self._house.ledger.beat()
        self._house.ledger.recover()

    async def _step(self, batch: Batch) -> bool:
        house = self._house
        if batch.state == "validating":
            await house.write(batches.check, batch.id)
            return True
        if batch.state == "in_progress":
            if batch.expires_at <= house.now():
                await house.write(batches.conclude, batch.id, "expired")
                return True
            return await self._begin(batch)
        if await house.write(working.closed, house, batch):
            return True
        ended = await house.write(batches.end, batch.id)
        return ended is not None and ended.ended_at is not None

    async def _begin(self, batch: Batch) -> bool:
        """Begin lines as far as limits allow; conclude the batch when none is left."""
        house = self._house
        if self._not_before.get(batch.id, 0) > house.now():
            return False
        room = min(BEGUN_AT_ONCE, AT_ONCE - len(self._under_way))
        if room <= 0:
            return False
        caller, started = await house.write(working.begun, house, batch, room)
        if started.retry_at is not None:
            again = house.now() + ASK_AGAIN_MICROS
            self._not_before[batch.id] = min(started.retry_at, again)
        if not started.left:
            await house.write(batches.conclude, batch.id, "completed")
            return True
        if caller is not None and started.lines:
            # The caller as it stands now: limits, labels and models may have changed.
            work = self._work(batch, caller)
            for line in started.lines:
                self._send(work, line)
        return bool(started.lines) or (caller is None)

    def _work(self, batch: Batch, caller: Caller) -> working.Work:
        priced = self._quoted.of(str(batch.snapshot))
        known = self._works.get(batch.id)
        if known is None:
            known = self._works[batch.id] = working.Work(self._house, batch, caller, priced)
        known.caller = caller
        return known

    def _send(self, work: working.Work, line: batch_lines.Line) -> None:
        task = asyncio.get_running_loop().create_task(work.run(line))
        self._under_way.add(task)
        self._house.pumps.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(self._house.pumps.discard)
