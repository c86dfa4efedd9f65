"""What the batch commands share: the journal with its gateway, terms from options, new jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.cli import connect, embedded
from nexctl.errors import ConfigError, NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.batch.follow import Follower
    from nexctl.batch.journal import Job, Journal
    from nexctl.batch.limits import Target
    from nexctl.batch.pipeline import Wanted
    from nexctl.batch.prepare import Where
    from nexctl.batch.quoting import Quote
    from nexctl.batch.remote import Remote
    from nexctl.batch.scan import Scan, Terms
    from nexctl.batch.shards import Limits
    from nexctl.cli.context import App
    from nexctl.gateways.port import Gateway
    from nexctl.safety.http import Transport


class Priced(NamedTuple):
    """A checked and quoted file, and the hard stop in 10**-12."""

    wanted: Wanted
    scan: Scan
    quote: Quote
    limit: int | None


class Work:
    """A journal and the gateway of the profile in force."""

    def __init__(
        self,
        app: App,
        journal: Journal,
        gateway: Gateway,
        where: Where,
        carrier: Transport,
        secret: str,
    ) -> None:
        from nexctl.batch.remote import GatewayRemote

        self.app, self.journal, self.gateway, self.where = app, journal, gateway, where
        self.remote: Remote = GatewayRemote(gateway)
        self.carrier = carrier
        self.secret = secret
        # The newest job, where a command takes that; whether an interrupt was spoken of.
        self.newest = ""
        self.told = False


@contextlib.contextmanager
def opened(app: App, of: str | None = None, *, newest: bool = False) -> Iterator[Work]:
    """The journal, and the gateway of the profile in force; `of` is a job that must be its own.

    With `newest` a missing `of` means the newest job (exit 3 without one).
    """
    from nexctl.batch.journal import Journal
    from nexctl.settings.paths import state_dir

    journal = Journal(state_dir(app.environ))
    carrier = None
    try:
        job = _job(journal, of, newest)
        if job is not None:
            _switch(app, job)
        carrier = connect.transport(app, app.profile)
        secret = connect.secret(app, app.profile, "key")
        gateway = connect.over(app, carrier, secret, headers=connect.acting_for(app, app.profile))
        work = Work(app, journal, gateway, where_of(app), carrier, secret.value)
        work.newest = job.id if job is not None else ""
        yield work
    finally:
        if carrier is not None:
            carrier.close()
        journal.close()


def _job(journal: Journal, of: str | None, newest: bool) -> Job | None:
    if of:
        return journal.show(of)
    if not newest:
        return None
    jobs = journal.jobs()
    if not jobs:
        raise NexctlError(
            "there is no batch job here", hint="nexctl batch run FILE", code="unknown_job", exit=3
        )
    return jobs[0]


def _switch(app: App, job: Job) -> None:
    """A job is followed through its own profile, whichever is in force, at its own address."""
    _own_profile(app, job)
    if where_of(app).origin != job.origin:
        raise ConfigError(
            f"{job.id} was made at {job.origin}; profile {job.profile} is at "
            f"{where_of(app).origin} now",
            hint="put the address back, or make the job anew",
            code="other_profile",
        )


def _own_profile(app: App, job: Job) -> None:
    if app.profile.name == job.profile:
        return
    if app.profile_name is not None:
        raise UsageError(
            f"{job.id} belongs to profile {job.profile}, not to {app.profile.name}",
            hint=f"pass -p {job.profile}, or leave -p out",
            code="other_profile",
        )
    from nexctl.settings.profiles import ENVIRONMENT

    if job.profile == ENVIRONMENT:
        raise ConfigError(
            f"{job.id} was made with the gateway that the environment named",
            hint=f"set NEXCTL_BASE_URL={job.origin} and NEXCTL_DRIVER={job.driver} again",
            code="other_profile",
        )
    app.profile_name = job.profile
    app._profile = None


def where_of(app: App) -> Where:
    """The gateway of the profile in force, as the journal keeps it."""
    from nexctl.batch.prepare import Where

    profile = app.profile
    origin = profile.base_url or f"embedded:{profile.name}"
    return Where(profile.name, origin, profile.book or profile.name, profile.driver or "")


def target_from(app: App, named: str | None = None) -> Target:
    """The limits of a named kind of gateway, else of the profile's driver."""
    from nexctl.batch import limits

    driver = app.profile.driver
    if named is None and driver is None:
        raise ConfigError(
            f"profile {app.profile.name} names no driver, so no limits are known",
            hint=f"pass --for KIND: {', '.join(limits.names())}",
        )
    return limits.of(named or driver or "")


def terms_from(target: Target, options: dict[str, Any], ask: Any = None) -> Terms:
    """How a file is read, by the options."""
    from nexctl.batch.scan import Terms

    return Terms(target, bool(options.get("split")), options.get("max_tokens"), ask)


def limits_from(target: Target, options: dict[str, Any]) -> Limits:
    """The most of one batch, by the options."""
    from nexctl.batch.shards import limits_of

    return limits_of(
        target,
        queue_tokens=options.get("queue_tokens"),
        requests=options.get("max_requests"),
    )


def _ask(app: App, options: dict[str, Any]) -> Any:
    from nexctl.cli.estimate import book_of
    from nexctl.estimate.ask import Ask

    own = options.get("on") is None
    return Ask(
        books=(options["on"],) if not own else (book_of(app),),
        default_model=app.profile.model if own else None,
        books_folder=app.books_folder,
        tier=options.get("tier"),
        plan=options.get("plan") or (app.profile.plan if own else None),
        batch=True,
    )


def wanted_of(app: App, path: str, name: str, options: dict[str, Any], **more: Any) -> Wanted:
    """The file and its terms, by the options."""
    from nexctl.batch.pipeline import Wanted

    target = target_from(app)
    terms = terms_from(target, options, _ask(app, options))
    key = options.get("idempotency_key")
    return Wanted(path, name, terms, limits_from(target, options), key, **more)


def priced(
    app: App,
    path: str,
    name: str,
    options: dict[str, Any],
    progress: Callable[[int], None] | None = None,
) -> Priced:
    """Check and quote a file, and say what can be spent."""
    wanted = wanted_of(app, path, name, options)
    with contextlib.ExitStack() as stack:
        gateway = None
        try:
            gateway = stack.enter_context(connect.gateway(app))
        except NexctlError as error:
            if error.exit not in (4, 78):
                raise
            app.note(f"note: what can be spent is not known: {error.message}")
        return _priced(app, wanted, options, gateway, progress)


def _priced(
    app: App,
    wanted: Wanted,
    options: dict[str, Any],
    gateway: Gateway | None,
    progress: Callable[[int], None] | None = None,
) -> Priced:
    from nexctl.batch import pipeline, quoting
    from nexctl.estimate.gate import parse_max_cost

    text = options.get("max_cost")
    limit = parse_max_cost(text) if text is not None else None
    scan, quote = pipeline.price(wanted, progress)
    if gateway is not None:
        found = quoting.spendable(gateway)
        units = quoting.in_quoted(scan, found.units, found.currency) if found is not None else None
        if found is not None and units is not None:
            found = found._replace(units=units, currency=quote.currency)
        quote = quote._replace(spendable=found)
    return Priced(wanted, scan, quote, limit)


def identified(app: App, work: Work, wanted: Wanted) -> Any:
    """Which job a file is."""
    from nexctl.batch import pipeline

    return pipeline.identify(work.journal, work.where, wanted)


def prepared(
    app: App, work: Work, path: str, name: str, options: dict[str, Any], **more: Any
) -> Job | None:
    """The job of a file: the one that there is, else a new one, checked, quoted and confirmed.

    None with --dry-run, which shows the plan. The hard stop holds for a resumed job too: what is
    not sent yet stays unsent.
    """
    from nexctl.batch import pipeline, quoting
    from nexctl.estimate.gate import parse_max_cost

    wanted = wanted_of(app, path, name, options, **more)
    identity = identified(app, work, wanted)
    job: Job | None = identity.job
    text = options.get("max_cost")
    if job is not None and job.planned and not app.dry_run:
        _stop_resumed(job, parse_max_cost(text) if text is not None else None)
        app.note(f"{job.id} is known: going on where it stands")
        return job
    with app.progress("read", total=None, unit="bytes") as step:
        answer = _priced(app, wanted, options, work.gateway, step)
    spent = options.get("spent")
    before = quoting.in_quoted(answer.scan, *spent) if spent is not None else 0
    gate = quoting.gate(answer.quote, answer.limit, spent=before)
    quoting.stop(gate)
    if app.dry_run:
        from nexctl.cli.batch_report import quote_view

        app.emit(quote_view(answer.quote, gate, len(answer.scan.shards), name, dry_run=True))
        return None
    if job is None:
        _confirm(app, answer)
    return pipeline.plan(
        work.journal,
        work.where._replace(gateway=answer.quote.gateway),
        wanted,
        identity,
        answer.scan,
        answer.quote,
        created_at=_now(app),
        max_cost=text,
    )


def _stop_resumed(job: Job, limit: int | None) -> None:
    from nexctl.estimate.gate import LIMIT_SCALE
    from nexctl.money import parse_units

    quoted = job.quoted
    if limit is None or quoted is None or job.found is not None:
        return
    if parse_units(quoted["charge"]["high"], LIMIT_SCALE) > limit:
        from nexctl.errors import CheckFailed

        raise CheckFailed(
            f"over --max-cost: {job.id} may cost {quoted['charge']['high']} {quoted['currency']}",
            hint=f"nexctl batch cancel {job.id} ends what is under way",
            code="over_max_cost",
            details={"job": job.id},
        )


def _confirm(app: App, answer: Priced) -> None:
    from nexctl.cli.figures import money, plural
    from nexctl.money import NANO, text_of

    quote = answer.quote
    most = money(text_of(quote.high or 0, NANO), quote.currency)
    lines = plural(quote.requests, "request")
    batches = plural(len(answer.scan.shards), "batch", "batches")
    if quote.refused and quote.spendable is not None:
        has = money(text_of(quote.spendable.units, NANO), quote.currency)
        app.warn(f"only {has} can be spent: the gateway may refuse it")
    app.confirm(
        f"Send {lines} to {', '.join(quote.models)} in {batches} for at most {most} "
        f"with profile {app.profile.name}?"
    )


def followed(
    app: App,
    work: Work,
    job: Job,
    *,
    poll: float | None = None,
    options: dict[str, Any] | None = None,
) -> Follower:
    """What works on a job, telling its progress."""
    from nexctl.batch.follow import FIRST_SECONDS, LONGEST_SECONDS, Follower, Pace
    from nexctl.batch.journal import ShardRow
    from nexctl.batch.submit import Queue

    inside = embedded.is_embedded(app.profile)
    longest = poll if poll is not None else LONGEST_SECONDS
    # A gateway in this process works while it is asked: there is nothing to wait for between.
    pace = Pace(0.0, 0.0) if inside else Pace(min(FIRST_SECONDS, longest), longest)

    def changed(shard: ShardRow) -> None:
        done = (shard.completed or 0) + (shard.failed or 0)
        app.note(f"batch {shard.number}: {shard.status}, {done:,} of {shard.requests:,} done")

    return Follower(
        work.journal,
        job,
        work.remote,
        queue=Queue((options or {}).get("queue_tokens")),
        pace=pace,
        note=app.note,
        changed=changed,
        reopened=lambda: _reopened(app, work),
    )


def _reopened(app: App, work: Work) -> Remote | None:
    """The gateway with the key that is stored now, where that is another one."""
    from nexctl.batch.remote import GatewayRemote

    try:
        found = connect.secret(app, app.profile, "key")
    except connect.NotLoggedIn:
        return None
    if found.value == work.secret:
        return None
    work.secret = found.value
    headers = connect.acting_for(app, app.profile)
    work.gateway = connect.over(app, work.carrier, found, headers=headers)
    work.remote = GatewayRemote(work.gateway)
    return work.remote


def retried(app: App, work: Work, job_id: str, options: dict[str, Any]) -> tuple[Job, Job | None]:
    """The job that is retried, and the retry: planned, quoted, confirmed; None with --dry-run."""
    from nexctl.batch import pipeline, retry
    from nexctl.batch.quoting import spendable

    journal = work.journal
    root = retry.root_of(journal, journal.show(job_id))
    children = journal.children(root.id)
    last = children[-1] if children else None
    if last is not None and last.planned and last.found is None:
        return root, last
    # One that was cut short before it was planned is made again, as the same job.
    number = len(children) + (last is None or bool(last.planned))
    money = spendable(work.gateway)
    with_money = bool(options["money_added"]) or (money is not None and money.units > 0)
    chosen = retry.choose(journal, root, with_money=with_money)
    if chosen.for_money and not with_money:
        raise NexctlError(
            f"{chosen.for_money:,} lines failed for money, and there is none to spend",
            hint="nexctl wallet topup AMOUNT, then retry"
            if money is not None
            else "add money at the gateway, then retry with --money-added: no wallet is seen here",
            code="insufficient_balance",
            exit=5,
        )
    app.note(f"{chosen.lines:,} lines are sent again; {chosen.refused:,} were refused as they are")
    asked = {
        **options,
        "split": bool(root.mixed),
        "max_cost": options["max_cost"] or root.max_cost,
        "spent": pipeline.spent(root),
        "idempotency_key": f"retry-{number}",
        "max_tokens": None,
    }
    child = prepared(app, work, chosen.path, root.name, asked, parent=root.id)
    return root, child


def _now(app: App) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(app.now(), UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
