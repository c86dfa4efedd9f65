"""All of it in order: check, quote, plan, send, follow, fetch, verify, merge.

Each part can be done by itself, and the same command goes on where an earlier one stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from nexctl.batch import journal as steps
from nexctl.batch import prepare, quoting, results, scan
from nexctl.batch.collect import STATUSES
from nexctl.batch.follow import ended
from nexctl.batch.journal import Job, Journal, ShardRow
from nexctl.batch.prepare import Where
from nexctl.batch.quoting import Quote
from nexctl.batch.remote import Remote
from nexctl.batch.scan import Scan, Terms
from nexctl.batch.shards import Limits
from nexctl.money import NANO, parse_units, text_of

Progress = Callable[[int], None]


class Wanted(NamedTuple):
    """A file that is to be run. `key` tells runs of the same file apart; None is the first one."""

    path: str
    name: str
    terms: Terms
    limits: Limits
    key: str | None = None
    parent: str | None = None


class Identity(NamedTuple):
    """Which job a file is, and the job where there is one already."""

    id: str
    sha256: str
    job: Job | None


def identify(journal: Journal, where: Where, wanted: Wanted) -> Identity:
    """Find the job of a file by its content and terms."""
    sha256 = prepare.sha256_of(wanted.path)
    more = [part for part in (wanted.key, wanted.parent) if part is not None]
    job_id = prepare.job_id(where, sha256, wanted.terms, *more)
    return Identity(job_id, sha256, journal.find(job_id))


def price(
    wanted: Wanted, progress: Progress | None = None, processes: int | None = None
) -> tuple[Scan, Quote]:
    """Check, count and price a file. UsageError (exit 2) with the first fault and how many more."""
    found = scan.scan(
        wanted.path,
        wanted.terms,
        wanted.limits,
        name=wanted.name,
        progress=progress,
        processes=processes,
    )
    if found.faults and all(fault.param == "body" for fault in found.faults):
        # Only counting and pricing met it: 'batch check' knows no prices.
        found.refuse("correct the line, or its model: 'nexctl prices list' shows what has a price")
    found.refuse()
    return found, quoting.quote(found)


def plan(
    journal: Journal,
    where: Where,
    wanted: Wanted,
    identity: Identity,
    found: Scan,
    quote: Quote,
    *,
    created_at: str,
    max_cost: str | None,
) -> Job:
    """Put a job into the journal, its lines on disk, and its batches into the plan.

    One process does that; another one with the same file is told (exit 8).
    """
    with journal.working(identity.id):
        job = journal.find(identity.id)
        if job is None:
            job = prepare.new_job(
                where,
                identity.id,
                wanted.name,
                identity.sha256,
                found,
                created_at,
                max_cost=max_cost,
                parent=wanted.parent,
                confirmed=1,
            )
            journal.add(job)
        if not job.planned:
            text = json.dumps(quote.as_json())
            prepare.write(journal, job, wanted.path, found, wanted.terms, text)
        return journal.show(job.id)


def finish(journal: Journal, job: Job) -> dict[str, Any]:
    """Count what became of a fetched job and keep it; the outcome's fields.

    `spent` is what this job alone was charged, `charge` with its retries; None where unknown.
    """
    outcome = results.totals(journal, job).as_json()
    return keep(journal, job, outcome)


def keep(journal: Journal, job: Job, outcome: dict[str, Any]) -> dict[str, Any]:
    """Put counted totals into the journal, with what this job and its retries were charged."""
    children = [child for child in journal.children(job.id) if child.outcome is not None]
    before = job.found
    spent = before["spent"] if before is not None and children else outcome["charge"]
    charges = [spent, *((child.found or {}).get("charge") for child in children)]
    outcome = {**outcome, "spent": spent, "charge": _sum(charges)}
    journal.change(job.id, outcome=json.dumps(outcome))
    if outcome["state"] == "completed":
        prepare.forget_lines(journal, job)
    return outcome


def spent(job: Job) -> tuple[int, str]:
    """What a job and its retries cost so far, in 10**-9 of the unit beside it: the most that it may
    where unknown.
    """
    charge, unit = _charged(job)
    if charge is None and job.quoted is not None:
        charge = job.quoted["charge"]["high"]
    return (parse_units(charge, NANO) if charge is not None else 0), unit or ""


def _charged(job: Job) -> tuple[str | None, str | None]:
    """What a job was charged, in its gateway's own unit, which may not be the quote's."""
    found, quoted = job.found, job.quoted
    unit = quoted["currency"] if quoted is not None else None
    if found is None or found["charge"] is None:
        return None, unit
    return found["charge"], found.get("currency") or unit


def cancel(journal: Journal, job: Job, remote: Remote, note: Callable[[str], object]) -> Job:
    """Send nothing more and ask for the end of what is under way; what is done stays fetched.

    It may be called while another process follows the job, which sees it in its next round.
    """
    job = journal.change(job.id, cancelled=1)
    for shard in journal.shards(job.id):
        if shard.state == steps.CREATED:
            ended(remote, shard, note)
    return job


def report(journal: Journal, job: Job) -> dict[str, Any]:
    """The documented fields of `batch status` and `batch run`."""
    shards = journal.shards(job.id)
    found, quoted = job.found, job.quoted
    charge, unit = _charged(job)
    ends = [shard.ends_at for shard in shards if shard.ends_at]
    models = list(dict.fromkeys(shard.model for shard in shards))
    urls = list(dict.fromkeys(shard.url for shard in shards))
    return {
        "id": job.id,
        "gateway": job.gateway,
        "profile": job.profile,
        "file": job.name,
        "model": models[0] if len(models) == 1 else None,
        "models": models,
        "endpoint": urls[0] if len(urls) == 1 else None,
        "state": state_of(job, shards),
        "shards": [_shard(shard) for shard in shards],
        "counts": found["counts"] if found is not None else _counts(job, shards),
        "quote": quoted,
        "charge": charge,
        "currency": unit,
        "input_tokens": found["input_tokens"] if found is not None else None,
        "output_tokens": found["output_tokens"] if found is not None else None,
        "parent": job.parent,
        "retries": [child.id for child in journal.children(job.id)],
        "created_at": job.created_at,
        "ends_at": max(ends) if ends else None,
        "results": job.results,
    }


def state_of(job: Job, shards: list[ShardRow]) -> str:
    """One word: planned, submitting, in_progress, ended, or the outcome."""
    if job.found is not None:
        return str(job.found["state"])
    if not shards or all(shard.state == steps.PLANNED for shard in shards):
        return "cancelled" if job.cancelled else "planned"
    if job.cancelled:
        return "cancelling"
    if any(not shard.reached(steps.CREATED) for shard in shards):
        return "submitting"
    if all(shard.reached(steps.ENDED) for shard in shards):
        return "ended"
    return "in_progress"


def _counts(job: Job, shards: list[ShardRow]) -> dict[str, int]:
    """What the gateway says so far; lines without a word are unfinished."""
    succeeded = sum(shard.completed or 0 for shard in shards)
    failed = sum(shard.failed or 0 for shard in shards)
    counts = dict.fromkeys(STATUSES, 0)
    counts.update(succeeded=succeeded, failed=failed)
    counts["unfinished"] = max(0, job.requests - succeeded - failed)
    return {"total": job.requests, **counts}


def _shard(shard: ShardRow) -> dict[str, Any]:
    return {
        "number": shard.number,
        "batch_id": shard.batch_id,
        "file_id": shard.file_id,
        "state": shard.state,
        "status": shard.status,
        "model": shard.model,
        "endpoint": shard.url,
        "requests": shard.requests,
        "bytes": shard.bytes,
        "tokens": shard.tokens,
        "succeeded": shard.completed,
        "failed": shard.failed,
        "sha256": shard.sha256,
        "ends_at": shard.ends_at,
        "fault": shard.fault,
    }


def _sum(charges: list[str | None]) -> str | None:
    if any(charge is None for charge in charges):
        return None
    return text_of(sum(parse_units(charge, NANO) for charge in charges if charge is not None))
