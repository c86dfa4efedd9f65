"""Sending a job's batches, each exactly once.

Each step is announced in the journal before it is made. Where an earlier step's outcome is not
known (a crash, a lost answer, a 500 after the work was done) the gateway is asked what it has, and
what is there is adopted before anything is created again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from nexctl.batch import journal as steps
from nexctl.batch.journal import Job, Journal, ShardRow
from nexctl.batch.prepare import lines_path
from nexctl.batch.remote import Remote, Running, Stored, marks
from nexctl.errors import EXIT_NETWORK, EXIT_PENDING, EXIT_RATE, NexctlError
from nexctl.gateways.lacking import Lacking
from nexctl.safety import retry

# How often a create whose outcome is not known is looked for before it is made again.
LOOKS = 3
# Batches of a list that are looked through for one of ours.
MOST_LISTED = 2_000


class Queue(NamedTuple):
    """How many prompt tokens may wait at the gateway at once; None is no limit."""

    tokens: int | None = None

    def lets(self, waiting: int, shard: ShardRow) -> bool:
        """Whether one more batch may be created now. The only one always may."""
        return self.tokens is None or not waiting or waiting + shard.tokens <= self.tokens


class Sender:
    """Brings the batches of one job to the gateway. `sleep` is time's own outside of tests."""

    def __init__(
        self,
        journal: Journal,
        job: Job,
        remote: Remote,
        *,
        queue: Queue = Queue(),  # noqa: B008  (immutable)
        sleep: Callable[[float], object] = time.sleep,  # not money: seconds
        note: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.journal, self.job, self.remote = journal, job, remote
        self.queue, self.sleep, self.note = queue, sleep, note
        self._known: dict[int, Running] | None = None

    def send(self) -> bool:
        """Send every batch that may be sent now, in order; whether all are created.

        A full queue and a rate limit leave the rest for later; other refusals are raised, and the
        same call goes on where it stopped.
        """
        for shard in self.journal.shards(self.job.id):
            if shard.reached(steps.CREATED):
                continue
            waiting = sum(
                other.tokens
                for other in self.journal.shards(self.job.id)
                if other.state == steps.CREATED
            )
            if not self.queue.lets(waiting, shard):
                return False
            try:
                self.one(shard)
            except NexctlError as error:
                if error.exit != EXIT_RATE or not waiting:
                    raise
                self.note(f"{self.remote.name} takes no more now: {error.message}")
                return False
        return True

    def one(self, shard: ShardRow) -> ShardRow:
        """Send one batch from wherever it stands."""
        found = self._adopted(shard)
        if found is not None:
            return self._created(shard, found)
        if not shard.reached(steps.UPLOADED):
            shard = self._upload(shard)
        return self._create(shard)

    def _upload(self, shard: ShardRow) -> ShardRow:
        stored = self._stored(shard) if shard.state == steps.UPLOADING else None
        if stored is None:
            shard = self.journal.step(shard, steps.UPLOADING)
            path = lines_path(self.journal, self.job.id, shard.number)
            stored = self.remote.upload(shard.name, path)
        return self.journal.step(shard, steps.UPLOADED, file_id=stored.id)

    def _stored(self, shard: ShardRow) -> Stored | None:
        """The file of an upload that was begun, where the gateway has all of it."""
        try:
            for found in self.remote.files(shard.name):
                if found.bytes == shard.bytes:
                    self.note(f"found {shard.name} at {self.remote.name}")
                    return found
        except Lacking:
            pass
        return None

    def _create(self, shard: ShardRow) -> ShardRow:
        file_id = shard.file_id or ""
        metadata = marks(self.job.id, shard.number, shard.sha256)
        key = f"{self.job.id}-{shard.number}-batch"
        shard = self.journal.step(shard, steps.CREATING)
        try:
            found = self.remote.create(file_id, shard.url, metadata, key)
        except NexctlError as error:
            if not is_unknown(error):
                # It was refused, so there is none: the next try begins at the upload that is done.
                self.journal.step(shard, steps.UPLOADED)
                raise
            found = self._looked_for(shard, error)
        return self._created(shard, found)

    def _looked_for(self, shard: ShardRow, error: NexctlError) -> Running:
        """What a create left whose answer was lost. Raises the loss where nothing is there."""
        for attempt in range(1, LOOKS + 1):
            self.sleep(retry.back_off(attempt))
            self._known = None
            found = self._adopted(shard)
            if found is not None:
                return found
        error.hint = "run the same command again: what was created is found, nothing is sent twice"
        raise error

    def _adopted(self, shard: ShardRow) -> Running | None:
        """This batch as it exists at the gateway already; None where it does not."""
        known = self._listed(shard)
        return known.get(shard.number)

    def _listed(self, shard: ShardRow) -> dict[int, Running]:
        if self._known is not None:
            return self._known
        found: dict[int, Running] = {}
        shas = {row.number: row.sha256 for row in self.journal.shards(self.job.id)}
        try:
            for count, running in enumerate(self.remote.batches()):
                for number, sha256 in shas.items():
                    if running.is_of(self.job.id, number, sha256):
                        self._one_of_two(found, number, running)
                if count >= MOST_LISTED:
                    break
        except Lacking:
            if shard.state == steps.CREATING and not self.remote.idempotent:
                raise NexctlError(
                    f"whether {self.remote.name} has batch {shard.number} of {self.job.id} is not "
                    "known, and it lists none",
                    hint="look for it there; nothing is sent a second time",
                    code="outcome_unknown",
                    exit=EXIT_PENDING,
                ) from None
        self._known = found
        return found

    def _one_of_two(self, found: dict[int, Running], number: int, running: Running) -> None:
        """Keep the older of two batches with the same marks, and end the other."""
        first = found.get(number)
        if first is None:
            found[number] = running
            return
        old, new = sorted((first, running), key=lambda one: (one.created_at or "", one.id))
        found[number] = old
        self.note(f"batch {new.id} is a double of {old.id}: cancelled")
        if not new.ended:
            self.remote.cancel(new.id)

    def _created(self, shard: ShardRow, found: Running) -> ShardRow:
        return self.journal.step(
            shard,
            steps.CREATED,
            batch_id=found.id,
            file_id=found.input_file_id or shard.file_id,
            status=found.status,
            ends_at=found.ends_at,
        )


def is_unknown(error: NexctlError) -> bool:
    """Whether a call that failed may have been done: no answer, or a failure at the gateway.

    A batch's key is its own: used with another body, another process has created the batch.
    """
    if error.code == "idempotency_conflict":
        return True
    if error.exit == EXIT_NETWORK:
        return bool(getattr(error, "sent", True))
    return error.exit == EXIT_PENDING
