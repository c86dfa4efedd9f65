"""`nexctl gateway`: make, serve, look at an embedded gateway; `gateway_ledger` keeps its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import completing, connect, embedded
from nexctl.cli.base import App, argument, command, flag, option, variable, whole
from nexctl.cli.changes import done
from nexctl.cli.gateway_ledger import backup, migrate, restore, verify
from nexctl.cli.gateway_report import (
    made_view,
    paid_view,
    status_view,
)
from nexctl.cli.render import Table, View
from nexctl.errors import NexctlError, UsageError
from nexctl.settings.profiles import BUILT_IN, LOCAL, Profile

if TYPE_CHECKING:
    from nexctl.safety.http import Transport


@command(
    argument("name", metavar="[NAME]", help="Profile to make; default: local."),
    option("--book", metavar="BOOK", suggest="books files", help="Price book that it obeys."),
    option("--plan", metavar="PLAN", help="Plan of its first customer."),
    option("--database", metavar="URL|-", help="PostgreSQL instead of a file; - reads stdin."),
    option(
        "--payments",
        metavar="KIND",
        choices=("sandbox", "manual", "stripe"),
        help="sandbox (play money), manual (you approve), stripe.",
    ),
    option("--stripe-url", metavar="URL", help="Another address than api.stripe.com."),
    option(
        "--stripe-key-env",
        metavar="VAR",
        value=variable,
        help="Secret key; default: STRIPE_API_KEY.",
    ),
    option(
        "--stripe-secret-env",
        metavar="VAR",
        value=variable,
        help="Webhook secret; default: STRIPE_WEBHOOK_SECRET.",
    ),
    option("--upstream", metavar="URL", help="Provider behind it; default: echo, offline."),
    option(
        "--upstream-key-env",
        metavar="VAR",
        value=variable,
        help="Variable that holds the provider's key.",
    ),
    flag("--allow-private", help="The provider may be in a private network."),
    flag("--use", help="Make the profile the one in force."),
    changes=True,
    examples=(
        "nexctl gateway init shop --payments manual",
        "nexctl gateway init lab --upstream https://api.example.com/v1 --upstream-key-env KEY",
    ),
)
def init(app: App, name: str | None, **given: Any) -> View:
    """Make a gateway with its own database, customer and keys, and a profile for it.

    Its keys go into the key store, never on the screen. An existing profile is refused. Play money
    is there only with --payments sandbox (the profile local has it).
    """
    profile = _new_profile(app, LOCAL if name is None else name, given["book"], given["plan"])
    terms = _terms(app, profile, given)
    if app.dry_run:
        return made_view(app, profile, terms, None)
    made = embedded.make(app, profile, terms)
    if made is None:
        raise _exists(profile.name)
    _keep_profile(app, profile, use=given["use"])
    return made_view(app, profile, terms, made, used=given["use"])


def _new_profile(app: App, name: str, book: str | None, plan: str | None) -> Profile:
    from nexctl.settings.config import is_profile_name
    from nexctl.settings.profiles import find, names

    if not is_profile_name(name):
        raise UsageError(
            f"{name!r} is not a profile name",
            hint="use letters, digits, dot, dash and underscore, at most 64",
        )
    if name == LOCAL:
        base = find(LOCAL, app.config, "option")
        if not embedded.is_embedded(base):
            raise _exists(name)
        base = base._replace(book=book or base.book)
        if plan is not None or book not in (None, BUILT_IN.book):
            base = base._replace(plan=plan)
    elif name in names(app.config):
        raise _exists(name)
    else:
        chosen = book or BUILT_IN.book
        base = Profile(name, driver="embedded", book=chosen, plan=plan, origin="option")
        if plan is None and chosen == BUILT_IN.book:
            base = base._replace(plan=BUILT_IN.plan)
    if embedded.place_of(app, base) is not None:
        if name == LOCAL or name in names(app.config):
            raise _exists(name)
        raise UsageError(
            f"a gateway called {name} is kept in {embedded.folder_of(app, base)}",
            hint="choose another name, or move that folder away",
            code="profile_exists",
        )
    return base


def _exists(name: str) -> UsageError:
    return UsageError(
        f"profile {name} exists already",
        hint="choose another name; 'nexctl gateway status' shows this one",
        code="profile_exists",
    )


def _terms(app: App, profile: Profile, given: dict[str, Any]) -> embedded.Terms:
    payments = given["payments"] or ("sandbox" if profile.name == LOCAL else "manual")
    stripe = {
        name: given[f"stripe_{name}"]
        for name in ("url", "key_env", "secret_env")
        if given[f"stripe_{name}"] is not None
    }
    if stripe and payments != "stripe":
        raise UsageError(
            "--stripe-url, --stripe-key-env, --stripe-secret-env need --payments stripe"
        )
    if "url" in stripe:
        from nexctl.server.providers.addresses import place_of as checked

        checked(stripe["url"], allow_private=given["allow_private"], local=True)
    upstream = None
    if given["upstream"] is not None:
        from nexctl.server.bootstrap import Upstream
        from nexctl.server.providers.addresses import place_of

        upstream = Upstream(given["upstream"], given["upstream_key_env"], given["allow_private"])
        place_of(upstream.url, allow_private=upstream.allow_private, local=True)
    elif given["upstream_key_env"] is not None or (given["allow_private"] and not stripe):
        raise UsageError("--upstream-key-env and --allow-private need --upstream URL")
    database = _database(app, given["database"])
    return embedded.Terms(
        str(profile.book), profile.plan, payments, upstream, database, stripe or None
    )


def _database(app: App, text: str | None) -> str | None:
    if text is None:
        return None
    if text == "-":
        if app.is_terminal("stdin") or app.stdin_buffer is None:
            text = app.ask_secret("Database URL", hint="pipe it in")
        else:
            text = app.stdin_buffer.read(4096).decode("utf-8", "replace")
        text = text.strip()
    elif embedded.shown(text) != text:
        raise UsageError(
            "--database: a password on the command line can be read by others",
            hint="use ~/.pgpass or PGPASSWORD, or --database - and pipe the URL in",
        )
    if not text.startswith(("postgresql://", "postgres://")):
        raise UsageError("--database: not a postgresql:// URL")
    return text


def _keep_profile(app: App, profile: Profile, *, use: bool) -> None:
    """Write the profile into the configuration, as far as it is not the built-in one."""
    from nexctl.settings.config import change, load, with_value

    base = BUILT_IN if profile.name == LOCAL else Profile(profile.name)

    def kept(values: dict[str, Any]) -> dict[str, Any]:
        for field in ("driver", "book", "plan"):
            value = getattr(profile, field)
            if value is not None and value != getattr(base, field):
                values = with_value(values, f"profiles.{profile.name}.{field}", value)
        return with_value(values, "default_profile", profile.name) if use else values

    if kept(app.config.values) != app.config.values:
        change(kept, app.environ)
        completing.remember_profiles(app, load(app.environ))


@command(
    option("--host", metavar="ADDRESS", help="Address to listen on; default: 127.0.0.1."),
    option("--port", metavar="PORT", value=whole(0, 65535), help="Port; default: 8787."),
    option("--tls-cert", metavar="FILE", suggest="files", help="Certificate (PEM)."),
    option("--tls-key", metavar="FILE", suggest="files", help="Its key; default: same file."),
    option("--behind-proxy", many=True, metavar="CIDR", help="Proxy that speaks TLS; repeatable."),
    option("--allowed-host", many=True, metavar="H", help="Name that callers use; repeatable."),
    option(
        "--max-calls",
        metavar="N",
        value=whole(1, 10**6),
        help="Calls at once, streams too; one more is 503. Default: 2000.",
    ),
    examples=(
        "nexctl gateway serve",
        "nexctl gateway serve --host 0.0.0.0 --behind-proxy 10.0.0.5 --allowed-host gw.example.com",
    ),
)
def serve(
    app: App,
    host: str | None,
    port: int | None,
    behind_proxy: tuple[str, ...],
    allowed_host: tuple[str, ...],
    max_calls: int | None,
    **tls: Any,
) -> None:
    """Serve the profile's embedded gateway over HTTP until it is interrupted.

    OpenAI's SDK works against its address with /v1 behind it and a key of 'nexctl keys create'.
    Only this machine reaches it, unless --host is given with --tls-cert or --behind-proxy.
    """
    profile = embedded.profile_here(app)
    from nexctl.server import serve as serving

    terms = serving.Terms(
        host=host or "127.0.0.1",
        port=serving.PORT if port is None else port,
        tls_cert=tls["tls_cert"],
        tls_key=tls["tls_key"],
        behind_proxy=behind_proxy,
        allowed_hosts=allowed_host,
        most_calls=max_calls or serving.MOST_CALLS,
    )
    serving.options_of(terms, app.environ)
    for flag_, path in (("--tls-cert", terms.tls_cert), ("--tls-key", terms.tls_key)):
        if path is not None:
            _readable(flag_, path)
    if terms.tls_cert is not None:
        _certificate(terms.tls_cert, terms.tls_key)
    place = embedded.opened_place(app, profile)

    def ready(url: str) -> None:
        app.say(f"profile {profile.name} is served at {url} (OpenAI base URL {url}/v1)")

    serving.serve(place, embedded.secrets_of(app, profile), terms, ready=ready, environ=app.environ)


def _readable(what: str, path: str) -> None:
    """UsageError (exit 2) where a file that the server needs cannot be read."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UsageError(f"{what}: {path}: {error.strerror}", hint="name a PEM file") from error


def _certificate(cert: str, key: str | None) -> None:
    """UsageError (exit 2) where two files are no certificate with its key."""
    import ssl

    try:
        # Without a password for the key: the server has nobody to ask for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, ValueError):
        where = cert if key is None else f"{cert} and {key}"
        raise UsageError(
            f"--tls-cert: {where}: no certificate with its unencrypted key",
            hint="name PEM files: the certificate, and its key in the same file or by --tls-key",
        ) from None


@command(examples=("nexctl gateway status", "nexctl gateway status -o json"))
def status(app: App) -> View:
    """What the gateway is, whether it works, and which of its rules are ours.

    Where a price book is silent a gateway needs a rule all the same; those are listed.
    """
    from nexctl.pricing import books

    profile = app.profile
    place = None
    if embedded.is_embedded(profile):
        place = embedded.profile_made(app)[1]
    with connect.gateway(app, "operator") as gateway:
        health = gateway.health()
        facts = gateway.me()
    try:
        book = books.load(facts.gateway, folder=app.books_folder)
    except NexctlError:
        book = None
    return status_view(app, health, facts, place, book)


@command(changes=True, examples=("nexctl gateway resume",))
def resume(app: App) -> View:
    """Let expiry and grants go on after the clock has jumped."""
    profile, _ = embedded.profile_made(app)
    stood = False
    if not app.dry_run:
        app.confirm(f"Take the clock as it is now for right, profile {profile.name}?")
        house = embedded.open_house(app, profile)
        try:
            stood = house.ledger.resume()
        finally:
            house.ledger.close()
    said = "expiry and grants go on" if stood else "nothing stood still"
    said = "expiry and grants would go on" if app.dry_run else said
    return View(
        {"profile": profile.name, "resumed": stood, "dry_run": app.dry_run},
        text=lambda screen: screen.line(done(app, said)),
        table=Table(("profile", "resumed"), [(profile.name, stood)]),
        names=[profile.name],
    )


@command(
    argument("order", metavar="ORDER", required=True, help="The order's id."),
    changes=True,
    examples=("nexctl gateway pay ord_123",),
)
def pay(app: App, order: str) -> View:
    """Pay an order with play money: delivers the sandbox's signed webhook, as a real one comes.

    Only where the gateway was made with play money; its credits are marked.
    """
    from nexctl.gateways import refused
    from nexctl.safety.http import EMBEDDED, Call, Client

    profile, _ = embedded.profile_made(app)
    if app.dry_run:
        return _dry_pay(app, order)
    house = embedded.open_house(app, profile)
    try:
        path, headers, body = _signed_event(house, order)
    finally:
        house.ledger.close()
    carrier: Transport = connect.transport(app, profile)
    try:
        headers = {"content-type": "application/json", **headers}
        # The event carries its own proof, so it brings no key.
        reply = Client(carrier, seconds=app.longest_wait).send(Call("POST", path, headers, body))
        if reply.status >= 400:
            raise refused.refusal(reply, profile.name, here=carrier.origin == EMBEDDED)
        gateway = connect.over(app, carrier, connect.secret(app, profile, "operator"))
        paid = gateway.payments.show(order)
        customer = next(
            (row for row in gateway.customers.list() if row.id == paid.customer_id), None
        )
    finally:
        carrier.close()
    return paid_view(app, paid, customer)


def _signed_event(house: Any, order: str) -> tuple[str, dict[str, str], bytes]:
    from nexctl.errors import EXIT_NOT_FOUND, EXIT_PENDING
    from nexctl.server.payments import sandbox
    from nexctl.server.refusing import Refuse

    if not sandbox.offered(house):
        raise NexctlError(
            "this gateway takes no play money",
            hint="'nexctl admin payments approve ORDER' credits a manual order",
            code="not_offered",
        )
    try:
        path, headers, body = sandbox.signed_event(house, order)
        sandbox.check_payable(house, order)
    except Refuse as refuse:
        ends = EXIT_NOT_FOUND if refuse.refusal.code == "not_found" else refuse.refusal.exit
        hint = "'nexctl wallet topups' lists orders"
        if (refuse.details or {}).get("state") == "under_review":
            ends = EXIT_PENDING
            hint = f"'nexctl admin payments approve {order}' lets it be paid"
        raise NexctlError(refuse.message, hint=hint, code=refuse.refusal.code, exit=ends) from None
    return path, dict(headers), body


def _dry_pay(app: App, order: str) -> View:
    data = {
        "dry_run": True,
        "profile": app.profile.name,
        "requests": [
            {"method": "POST", "path": "/webhooks/payments/sandbox", "body": {"order_id": order}}
        ],
    }
    return View(
        data,
        text=lambda screen: screen.line(
            f"dry run: the signed event for {order} would go to POST /webhooks/payments/sandbox"
        ),
        table=Table(("method", "path"), [("POST", "/webhooks/payments/sandbox")]),
        names=[order],
    )


COMMANDS = (init, serve, status, resume, pay, backup, restore, verify, migrate)
