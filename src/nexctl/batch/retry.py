"""Sending again what may succeed the second time, and nothing else.

A retry is a job of its own, linked to the first one: it holds the lines that were rate limited,
failed at the gateway, expired, were cancelled or never finished. A line that succeeded is never
sent again, a line that was refused as wrong never helps, and one that failed for money waits until
there is some.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from nexctl.batch import collect, results
from nexctl.batch.collect import SUCCEEDED
from nexctl.batch.journal import Job, Journal
from nexctl.errors import CheckFailed
from nexctl.files import atomic_write

CHOSEN = "retry.jsonl"


class Chosen(NamedTuple):
    """The lines of a retry: their file and number, how many stay as they are, and why."""

    path: str
    lines: int
    refused: int
    for_money: int


def root_of(journal: Journal, job: Job) -> Job:
    """The job that a retry belongs to: itself, where it is none."""
    while job.parent is not None:
        job = journal.show(job.parent)
    return job


def choose(journal: Journal, job: Job, *, with_money: bool) -> Chosen:
    """Write the lines that are to be sent again, in input order, under their own ids.

    `with_money` takes those along that failed for money. CheckFailed (exit 9) where no line may be
    sent again.
    """
    results.refuse_unfetched(journal, job)
    path = journal.path_of(job.id, CHOSEN)
    chosen = refused = for_money = 0
    with atomic_write(path, mode=0o600, binary=True) as out:
        for line, row in results.pairs(journal, job):
            if row.status == SUCCEEDED:
                continue
            paid = collect.is_for_money(row)
            for_money += paid
            if collect.is_retryable(row) or (paid and with_money):
                out.write(_as_given(line, row.custom_id))
                chosen += 1
            else:
                refused += not paid
    if not chosen and not for_money:
        raise CheckFailed(
            f"{job.id} has no line that may be sent again"
            + (f": {refused:,} were refused as they are" if refused else ""),
            hint="correct the refused lines and run them as a new file"
            if refused
            else "every line succeeded",
            code="nothing_to_retry",
        )
    return Chosen(path, chosen, refused, for_money)


def _as_given(line: bytes, custom_id: str) -> bytes:
    """A sent line under the id that it has in the input."""
    value = msgspec.json.decode(line)
    if value["custom_id"] == custom_id:
        return line if line.endswith(b"\n") else line + b"\n"
    return msgspec.json.encode({**value, "custom_id": custom_id}) + b"\n"
