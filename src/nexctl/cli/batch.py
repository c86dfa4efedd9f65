"""`nexctl batch`: check, quote, submit, follow, collect, prove."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.cli import completing
from nexctl.cli.base import App, Declared, argument, command, flag, into, option, seconds, whole
from nexctl.cli.batch_report import check_view, job_view, jobs_view, quote_view
from nexctl.cli.batch_work import (
    Work,
    followed,
    limits_from,
    opened,
    prepared,
    priced,
    target_from,
    terms_from,
)
from nexctl.cli.figures import plural
from nexctl.cli.piped import STDIN, on_disk
from nexctl.cli.render import Table, View
from nexctl.errors import NexctlError, UsageError
from nexctl.files import is_replaceable

if TYPE_CHECKING:
    from nexctl.batch.journal import Job

_FILE = argument("file", metavar="FILE", required=True, suggest="files", help="Batch lines, JSONL.")
_JOB = argument(
    "job",
    metavar="JOB",
    required=True,
    suggest="batches",
    help="Its id; 'nexctl batch list' shows them.",
)
_OUT = into("--out", help="Results: .jsonl or .csv.", metavar="RESULTS")
_SHAPE: tuple[Declared, ...] = (
    flag("--split", help="Several models or endpoints: one batch each."),
    option("--max-tokens", value=whole(1, 100_000_000), metavar="N",
           help="Maximum output of lines that state none."),
    option("--max-requests", value=whole(1), metavar="N", help="Fewer requests in one batch."),
    option("--queue-tokens", value=whole(1), metavar="N",
           help="Input tokens that may wait at the gateway at once."),
)  # fmt: skip
_PRICE: tuple[Declared, ...] = (
    option("--on", metavar="BOOK|FILE.toml", suggest="books files",
           help="Price book; default: the profile's."),
    option("--tier", metavar="TIER", help="Billing tier of the book, by its id."),
    option("--plan", metavar="PLAN", help="Plan of the book, by its id."),
    option("--max-cost", metavar="X", help="Send nothing where it may cost more. Hard."),
)  # fmt: skip
_POLL = option("--poll", value=seconds, metavar="SECONDS", help="Longest time between two polls.")
_AGAIN = option(
    "--idempotency-key", metavar="KEY", help="Tell runs of the same file apart; default: one run."
)


@command(
    option("--template", required=True, metavar="FILE", suggest="files",
           help="Prompt with {{column}} for a cell."),
    option("--rows", required=True, metavar="FILE", suggest="files", help="CSV or TSV, a header."),
    option("-m", "--model", metavar="MODEL", suggest="models", help="Default: the profile's."),
    option("--max-tokens", value=whole(1, 100_000_000), metavar="N", help="Most output of a line."),
    option("--system", metavar="FILE", suggest="files", help="System prompt, with {{column}} too."),
    option("--id-column", metavar="COLUMN", help="Column of custom_ids; default: row-N."),
    option("--out", metavar="FILE", suggest="files", help="Batch file; default: standard output."),
    examples=(
        "nexctl batch make --template prompt.md --rows data.csv -m nex-pro --max-tokens 200 "
        "--out requests.jsonl",
    ),
)  # fmt: skip
def make(
    app: App,
    template: str,
    rows: str,
    model: str | None,
    max_tokens: int | None,
    system: str | None,
    id_column: str | None,
    out: str | None,
) -> View | None:
    """Make a batch file: one line for each row of a sheet, its cells put into a prompt."""
    import json

    from nexctl.batch import make as making
    from nexctl.files import atomic_write

    chosen = model or app.profile.model
    if chosen is None:
        raise UsageError("batch make needs a model", hint="pass -m MODEL", code="no_model")
    if out and (out == "-" or os.path.islink(out) or not is_replaceable(out)):
        raise UsageError(
            f"--out: {out} is not a file of its own",
            hint="leave --out out for standard output",
            code="unwritable",
        )
    for source in (template, rows, system):
        if out and source and os.path.exists(out) and os.path.samefile(out, source):
            raise UsageError(
                f"--out: {out} is what the lines are made from",
                hint="name another file",
                code="exists",
            )
    recipe = making.Recipe(
        making.text_of(template),
        chosen,
        max_tokens,
        making.text_of(system) if system else None,
        id_column,
    )
    with making.sheet(rows) as stream:
        made = (
            json.dumps(line, ensure_ascii=False) + "\n"
            for line in making.lines(recipe, stream, rows)
        )
        if out is None:
            for line in made:
                app.write(line)
            app.flush()
            return None
        count = 0
        with atomic_write(out) as target:
            for line in made:
                target.write(line)
                count += 1
    if max_tokens is None:
        app.note("note: the lines state no maximum output; pass --max-tokens here or when sending")
    data = {"file": out, "requests": count, "bytes": os.path.getsize(out), "model": chosen}
    return View(
        data,
        text=lambda screen: screen.line(f"{out}: {plural(count, 'request')} to {chosen}"),
        table=Table(tuple(data), [tuple(data.values())]),
        names=[out],
    )


@command(
    _FILE,
    option("--for", metavar="KIND", help="Kind of gateway whose limits hold; default: profile's."),
    *_SHAPE,
    examples=("nexctl batch check requests.jsonl", "nexctl batch check big.jsonl --for anthropic"),
)
def check(app: App, file: str, **options: Any) -> View | None:
    """Find every fault of a batch file, each with its line, before anything is sent.

    UTF-8, JSON, required keys, one endpoint and one model (or --split), custom_ids unique, no
    stream, a maximum output, the limits of the gateway. Exit 2 where there is one.
    """
    from nexctl.batch.scan import scan

    target = target_from(app, options["for"])
    terms = terms_from(target, options)
    with on_disk(app, file) as path, _counted(app, path) as step:
        found = scan(path, terms, limits_from(target, options), name=_named(file), progress=step)
    app.emit(check_view(found, target))
    if target.queue:
        app.detail("an account limits the input tokens that wait: --queue-tokens keeps below it")
    found.refuse("correct the lines that are listed")
    return None


@command(
    _FILE,
    *_SHAPE,
    *_PRICE,
    examples=("nexctl batch quote requests.jsonl", "nexctl batch quote big.jsonl --max-cost 20"),
)
def quote(app: App, file: str, **options: Any) -> View | None:
    """What a batch would cost, beside the sync price, and whether it would be refused.

    Input is counted, output is bounded by what each line allows. --max-cost compares the most that
    it may cost (exit 9).
    """
    from nexctl.batch import quoting

    with on_disk(app, file) as path, _counted(app, path) as step:
        answer = priced(app, path, _named(file), options, progress=step)
    gate = quoting.gate(answer.quote, answer.limit)
    app.emit(quote_view(answer.quote, gate, len(answer.scan.shards), _named(file)))
    quoting.stop(gate)
    return None


@command(
    _FILE,
    *_SHAPE,
    *_PRICE,
    _AGAIN,
    changes=True,
    examples=("nexctl batch submit requests.jsonl --max-cost 5 --yes",),
)
def submit(app: App, file: str, **options: Any) -> View | None:
    """Send a batch file; the same command sends what an interrupted one did not.

    The gateway is asked what it has before anything is created again. Follow it with 'nexctl batch
    wait'.
    """
    with opened(app) as work, on_disk(app, file) as path:
        job = prepared(app, work, path, _named(file), options)
        if job is None:
            return None
        completing.remember_also(app, "batches", [job.id])
        with _resumable(app, work, job):
            _send(app, work, job, options)
        return job_view(_report(work, job))


@command(
    argument("job", metavar="[JOB]", suggest="batches", help="Its id; default: the newest."),
    examples=("nexctl batch status", "nexctl batch status job_12ab -o json"),
)
def status(app: App, job: str | None) -> View:
    """How far a job is, by the gateway's own counts. It asks once and does not wait."""
    from nexctl.batch import results
    from nexctl.batch.journal import Busy

    with opened(app, of=job, newest=True) as work:
        found = work.journal.show(job or work.newest)
        if found.found is None and found.planned:
            with contextlib.suppress(Busy), work.journal.working(found.id):
                if followed(app, work, found).once():
                    results.refuse_unfetched(work.journal, found)
                    _finished(work, found)
        return job_view(_report(work, found))


@command(_JOB, _POLL, examples=("nexctl batch wait job_12ab",))
def wait(app: App, job: str, poll: float | None) -> View | None:
    """Wait until a job has ended, fetch and verify everything it brought.

    Ctrl-C loses nothing: run it again. With --timeout it gives up after that long (exit 8). Exit 9
    where not every line succeeded.
    """
    with opened(app, of=job) as work:
        found = work.journal.show(job)
        _completed(app, work, found, poll=poll)
        return _judged(app, work, found)


@command(
    _JOB,
    _OUT,
    examples=("nexctl batch results job_12ab --out results.csv",),
)
def results(app: App, job: str, out: str | None) -> View | None:
    """Write the results of a job: each line of the input once, in its order, with its status.

    JSONL, or CSV guarded against formulas. Also of an expired, cancelled or failed job: what was
    finished was paid for.
    """
    from nexctl.batch import results as merging

    with opened(app, of=job) as work:
        found = work.journal.show(job)
        place = out or found.results or _default_place(found.name)
        merging.check_place(place)
        found.refuse_unplanned()
        if found.found is None:
            with work.journal.working(found.id):
                followed(app, work, found).once()
        merging.refuse_unfetched(work.journal, found)
        _merged(work, found, place)
        return _judged(app, work, found)


@command(
    _JOB,
    _POLL,
    _OUT,
    option("--max-cost", metavar="X", help="For the job and its retries together. Hard."),
    flag("--money-added", help="Send lines that failed for money, where no wallet can be seen."),
    changes=True,
    examples=("nexctl batch retry job_12ab --yes",),
)
def retry(app: App, job: str, **options: Any) -> View | None:
    """Send again what may succeed: rate limited, failed at the gateway, expired, unfinished.

    Never a line that succeeded or was refused as wrong. Lines that failed for money wait until
    there is some (exit 5). What comes back takes its place in the results of the first job.
    """
    from nexctl.batch import results as merging
    from nexctl.cli.batch_work import retried

    if options["out"]:
        merging.check_place(options["out"])
    with opened(app, of=job) as work:
        root, child = retried(app, work, job, options)
        if child is None:
            return None
        with _resumable(app, work, child):
            _completed(app, work, child, poll=options["poll"])
        _finished(work, root)
        if options["out"] or root.results:
            _merged(work, root, options["out"] or str(root.results))
        return _judged(app, work, root)


@command(_JOB, changes=True, examples=("nexctl batch cancel job_12ab --yes",))
def cancel(app: App, job: str) -> View | None:
    """End a job: nothing more is sent, and what is under way is cancelled.

    Lines that are done stay done, are charged, and can be fetched with 'nexctl batch results'.
    """
    from nexctl.batch import pipeline

    with opened(app, of=job) as work:
        found = work.journal.show(job)
        if app.dry_run:
            return job_view({**_report(work, found), "dry_run": True})
        app.confirm(f"Cancel {found.id} in profile {found.profile}?")
        if found.found is None:
            pipeline.cancel(work.journal, found, work.remote, app.note)
        return job_view(_report(work, found))


@command(
    option("--state", metavar="STATE", help="Only jobs in this state."),
    name="list",
    examples=("nexctl batch list", "nexctl batch list -o json"),
)
def list_(app: App, state: str | None) -> View:
    """The jobs of this machine, newest first, as they were last seen."""
    from nexctl.batch import pipeline
    from nexctl.batch.journal import Journal
    from nexctl.settings.paths import state_dir

    journal = Journal(state_dir(app.environ))
    try:
        jobs = journal.jobs()
        completing.remember(app, "batches", (job.id for job in jobs))
        reports = [pipeline.report(journal, job) for job in jobs]
    finally:
        journal.close()
    return jobs_view([row for row in reports if state is None or row["state"] == state])


@command(
    _FILE,
    _OUT,
    *_SHAPE,
    *_PRICE,
    _POLL,
    _AGAIN,
    changes=True,
    examples=(
        "nexctl batch run requests.jsonl --max-cost 5 --yes",
        "nexctl batch run requests.jsonl --out results.csv --yes",
    ),
)
def run(app: App, file: str, out: str | None, poll: float | None, **options: Any) -> View | None:
    """All of it: check, quote, send, wait, fetch, verify, write the results.

    The same command goes on where it was interrupted; nothing is sent or charged twice. Exit 9
    where not every line succeeded.
    """
    from nexctl.batch import results as merging

    place = out or _default_place(_named(file))
    merging.check_place(place)
    with opened(app) as work, on_disk(app, file) as path:
        job = prepared(app, work, path, _named(file), options)
        if job is None:
            return None
        completing.remember_also(app, "batches", [job.id])
        with _resumable(app, work, job):
            _completed(app, work, job, poll=poll, options=options)
            _merged(work, job, place)
        return _judged(app, work, job)


COMMANDS = (make, check, quote, submit, status, wait, results, retry, cancel, list_, run)


def _send(app: App, work: Work, job: Job, options: dict[str, Any]) -> None:
    with work.journal.working(job.id):
        if job.found is not None or job.cancelled:
            return
        if not followed(app, work, job, options=options).sender().send():
            app.note(f"the rest is sent as room comes: nexctl batch wait {job.id}")


def _completed(
    app: App,
    work: Work,
    job: Job,
    *,
    poll: float | None = None,
    options: dict[str, Any] | None = None,
) -> None:
    """Follow a job to its end and count what became of it; nothing where that was done before."""
    if job.found is not None:
        return
    with work.journal.working(job.id), _resumable(app, work, job):
        follower = followed(app, work, job, poll=poll, options=options or {})
        follower.until_ended(app.timeout)
        _finished(work, job)


def _finished(work: Work, job: Job) -> None:
    from nexctl.batch import pipeline

    pipeline.finish(work.journal, work.journal.show(job.id))


def _merged(work: Work, job: Job, place: str) -> None:
    """Write the results file and keep what was counted."""
    from nexctl.batch import pipeline
    from nexctl.batch import results as merging

    journal = work.journal
    now = journal.show(job.id)
    outcome = merging.write(journal, now, place).as_json()
    pipeline.keep(journal, now, outcome)
    journal.change(job.id, results=os.path.abspath(place))


def _judged(app: App, work: Work, job: Job) -> View | None:
    from nexctl.batch import results as merging

    now = work.journal.show(job.id)
    app.emit(job_view(_report(work, now)))
    if now.found is not None:
        merging.judge(now.id, now.found)
    return None


def _report(work: Work, job: Job) -> dict[str, Any]:
    from nexctl.batch import pipeline

    return pipeline.report(work.journal, work.journal.show(job.id))


@contextlib.contextmanager
def _resumable(app: App, work: Work, job: Job) -> Iterator[None]:
    """Say how an interrupted job goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if not work.told:
            work.told = True
            app.say(
                f"interrupted: {job.id} is kept and goes on at the gateway; "
                f"'nexctl batch wait {job.id}' or the same command goes on here"
            )
        raise
    except NexctlError as error:
        error.details.setdefault("job", job.id)
        raise


def _named(file: str) -> str:
    from nexctl.estimate.sources import display_name

    return STDIN if file == "-" else display_name(file)


def _default_place(name: str) -> str:
    from nexctl.batch.results import default_place

    return default_place("batch.jsonl" if name == STDIN else name)


@contextlib.contextmanager
def _counted(app: App, path: str) -> Iterator[Any]:
    size = os.path.getsize(path) if os.path.isfile(path) else None
    with app.progress("read", total=size, unit="bytes") as step:
        yield step
