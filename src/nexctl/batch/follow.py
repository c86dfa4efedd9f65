"""Following a job to its end: what is not sent is sent, what has ended is fetched, each once.

A poll that fails is not the end: a batch that the gateway does not know for a while, a 500, a lost
connection, a key that was changed meanwhile. Only after many in a row is it given up, and then
nothing is lost: the journal goes on from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from nexctl.batch import collect
from nexctl.batch import journal as steps
from nexctl.batch.journal import Job, Journal, ShardRow
from nexctl.batch.remote import Remote, Running
from nexctl.batch.submit import Queue, Sender
from nexctl.errors import (
    EXIT_AUTH,
    EXIT_FAILURE,
    EXIT_MONEY,
    EXIT_NETWORK,
    EXIT_NOT_FOUND,
    EXIT_PENDING,
    EXIT_RATE,
    EXIT_USAGE,
    NexctlError,
)

# Polls in a row that may fail, and that may not find the batch.
MOST_FAILURES = 20
MOST_MISSES = 40
FIRST_SECONDS = 1
LONGEST_SECONDS = 60
CANCELLING = "cancelling"

Changed = Callable[[ShardRow], object]


class Pace(NamedTuple):
    """How long is waited between two rounds. `first` and `longest` in seconds."""

    first: float = FIRST_SECONDS  # not money: seconds
    longest: float = LONGEST_SECONDS  # not money: seconds

    def delay(self, quiet: int) -> float:  # not money: seconds
        """Seconds after `quiet` rounds without a change: they double; jitter takes up to a half."""
        whole = min(self.longest, self.first * (1 << min(quiet, 30)))
        return whole * (256 + os.urandom(1)[0]) / 512  # not money: seconds


class Follower:
    """Works on one job, round by round.

    `reopened` is asked for a new remote when the key is refused: None where there is no other key.
    """

    def __init__(
        self,
        journal: Journal,
        job: Job,
        remote: Remote,
        *,
        queue: Queue = Queue(),  # noqa: B008  (immutable)
        pace: Pace = Pace(),  # noqa: B008  (immutable)
        sleep: Callable[[float], object] = time.sleep,  # not money: seconds
        monotonic: Callable[[], float] = time.monotonic,  # not money: seconds
        note: Callable[[str], object] = lambda _: None,
        changed: Changed = lambda _: None,
        reopened: Callable[[], Remote | None] = lambda: None,
    ) -> None:
        self.journal, self.job, self.remote = journal, job, remote
        self.queue, self.pace, self.sleep, self.monotonic = queue, pace, sleep, monotonic
        self.note, self.changed, self.reopened = note, changed, reopened
        self._misses: dict[int, int] = {}
        self._unverified: dict[int, collect.Unverified] = {}
        self._told: set[int] = set()
        self._failures = 0

    def sender(self) -> Sender:
        """What sends this job's batches."""
        return Sender(
            self.journal,
            self.job,
            self.remote,
            queue=self.queue,
            sleep=self.sleep,
            note=self.note,
        )

    def until_ended(self, seconds: float | None = None) -> None:  # not money: seconds
        """Go on until every batch has ended and is fetched.

        NexctlError (exit 8) after `seconds`; what was refused for money, a refused key and a
        gateway that stays away are raised as they are. The same call resumes.
        """
        self.job.refuse_unplanned()
        deadline = None if seconds is None else self.monotonic() + seconds
        quiet = 0
        while True:
            before = self._state()
            if self._round():
                self._vouch()
                return
            quiet = 0 if self._state() != before else quiet + 1
            delay = self.pace.delay(quiet)
            if deadline is not None and self.monotonic() + delay > deadline:
                raise NexctlError(
                    f"{self.job.id} is not finished yet",
                    hint=f"nexctl batch wait {self.job.id}",
                    code="still_pending",
                    exit=EXIT_PENDING,
                )
            self.sleep(delay)

    def once(self) -> bool:
        """One look at every batch that is under way; whether all have ended and are fetched."""
        done = self._round(send=False)
        self._vouch()
        return done

    def _vouch(self) -> None:
        """Raise the first of what could not be verified, once nothing else is left to do."""
        for error in self._unverified.values():
            raise error

    def _state(self) -> list[ShardRow]:
        return self.journal.shards(self.job.id)

    def _round(self, *, send: bool = True) -> bool:
        # Another process may have cancelled it meanwhile.
        self.job = self.journal.show(self.job.id)
        try:
            for shard in self._state():
                if shard.state == steps.CREATED:
                    shard = self._looked_at(shard)
                    self._cancelled(shard)
                if shard.state == steps.ENDED and shard.number not in self._unverified:
                    self._fetch(shard)
            if send and not self.job.cancelled:
                self.sender().send()
            self._failures = 0
        except NexctlError as error:
            self._bear(error)
        return all(self._is_done(shard) for shard in self._state())

    def _cancelled(self, shard: ShardRow) -> None:
        """End a batch of a cancelled job that nobody has told so yet."""
        if self.job.cancelled and shard.state == steps.CREATED and shard.number not in self._told:
            self._told.add(shard.number)
            if shard.status != CANCELLING:
                ended(self.remote, shard, self.note)

    def _is_done(self, shard: ShardRow) -> bool:
        if self.job.cancelled and not shard.reached(steps.CREATING):
            return True
        return shard.state == steps.COLLECTED or shard.number in self._unverified

    def _fetch(self, shard: ShardRow) -> None:
        """Fetch one batch; one that cannot be trusted does not keep the others from it."""
        try:
            collect.fetch(
                self.journal, self.job, shard, self.remote, sleep=self.sleep, note=self.note
            )
        except collect.Unverified as error:
            self._unverified[shard.number] = error

    def _looked_at(self, shard: ShardRow) -> ShardRow:
        try:
            found = self.remote.show(shard.batch_id or "")
        except NexctlError as error:
            if error.exit != EXIT_NOT_FOUND:
                raise
            self._missed(shard, error)
            return shard
        self._misses.pop(shard.number, None)
        now = recorded(self.journal, shard, found)
        if now != shard:
            self.changed(now)
        return now

    def _missed(self, shard: ShardRow, error: NexctlError) -> None:
        misses = self._misses[shard.number] = self._misses.get(shard.number, 0) + 1
        if misses == 1:
            self.note(f"{self.remote.name} does not know batch {shard.batch_id} at the moment")
        if misses > MOST_MISSES:
            raise NexctlError(
                f"{self.remote.name} has not known batch {shard.batch_id} for {misses} polls",
                hint="was it made with another key? The job is kept: "
                f"nexctl batch wait {self.job.id} goes on",
                code="batch_vanished",
                exit=EXIT_PENDING,
            ) from error

    def _bear(self, error: NexctlError) -> None:
        """Let a failure pass that another round may mend; raise the others."""
        if error.exit == EXIT_AUTH:
            remote = self.reopened()
            if remote is None:
                error.hint = f"{error.hint or 'log in'}; then nexctl batch wait {self.job.id}"
                raise error
            self.note("the key was changed: going on with the new one")
            self.remote = remote
            return
        if error.exit not in (EXIT_NETWORK, EXIT_RATE) or error.code in FINAL:
            if error.exit == EXIT_MONEY:
                error.hint = f"{error.hint or 'add money'}; then nexctl batch wait {self.job.id}"
            raise error
        self._failures += 1
        if self._failures > MOST_FAILURES:
            error.hint = f"nothing is lost; nexctl batch wait {self.job.id} goes on"
            raise error
        self.note(f"{error.message}; trying again")


# Failures that no other round mends.
FINAL = frozenset(("download_incomplete", "bad_answer", "redirect_refused", "bad_coding"))


def ended(remote: Remote, shard: ShardRow, note: Callable[[str], object]) -> None:
    """Ask for the end of one batch. One that ended a moment ago says no, and that is no failure."""
    try:
        remote.cancel(shard.batch_id or "")
    except NexctlError as error:
        if error.exit not in (EXIT_FAILURE, EXIT_USAGE, EXIT_NOT_FOUND):
            raise
        note(f"batch {shard.batch_id}: {error.message}")


def recorded(journal: Journal, shard: ShardRow, found: Running) -> ShardRow:
    """Put what a gateway says of a batch into the journal, where it says something new."""
    state = steps.ENDED if found.ended else shard.state
    now = shard._replace(
        state=state,
        status=found.status,
        completed=found.completed,
        failed=found.failed,
        output_file_id=found.output_file_id,
        error_file_id=found.error_file_id,
        ends_at=found.ends_at or shard.ends_at,
        fault=found.fault,
    )
    if now == shard:
        return shard
    return journal.step(
        shard,
        state,
        status=now.status,
        completed=now.completed,
        failed=now.failed,
        output_file_id=now.output_file_id,
        error_file_id=now.error_file_id,
        ends_at=now.ends_at,
        fault=now.fault,
    )
