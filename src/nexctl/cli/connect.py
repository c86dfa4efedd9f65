"""Opening the gateway of the profile in force: in this process, or across the network.

    with connect.gateway(app) as gateway:
        found = list(gateway.keys.list())

A profile with an address is always reached over HTTP; an embedded one always in this process,
through the same contract, with the same kind of key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.cli import embedded
from nexctl.errors import EXIT_AUTH, ConfigError, NexctlError, UsageError
from nexctl.settings.secrets import KINDS, Secret, origin_of

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.gateways.port import Gateway
    from nexctl.safety.http import Transport
    from nexctl.settings.profiles import Profile


class NotLoggedIn(NexctlError):
    """There is no key for this profile (exit 4)."""

    code = "not_logged_in"
    exit = EXIT_AUTH


@contextlib.contextmanager
def gateway(app: App, kind: str = "key") -> Iterator[Gateway]:
    """The gateway of the profile in force, called with its key of `kind` ("key", "operator").

    NotLoggedIn (exit 4) without such a key, ConfigError (exit 78) for a profile that names no
    gateway. Its connection is let go of at the end.
    """
    profile = app.profile
    carrier = transport(app, profile)
    try:
        headers = acting_for(app, profile) if kind == "key" else None
        yield over(app, carrier, secret(app, profile, kind), headers=headers)
    except KeyboardInterrupt:
        if embedded.is_embedded(profile):
            app.note("interrupted: what is under way is charged or given back first")
        raise
    finally:
        carrier.close()


def over(app: App, carrier: Transport, found: Secret | None, **more: Any) -> Gateway:
    """The gateway behind a transport, called with a secret; `more` as `safety.http.Client`."""
    from nexctl._version import __version__
    from nexctl.gateways.drivers import open_gateway
    from nexctl.safety.http import Key

    profile = app.profile
    return open_gateway(
        profile.driver,
        carrier,
        Key(found.value, carrier.origin) if found is not None else None,
        profile.name,
        seconds=more.pop("seconds", None) or app.longest_wait,
        debug=app.say if app.debug else None,
        on_retry=lambda why, wait: app.detail(f"trying again in {wait:.1f} s: {why}"),
        user_agent=f"nexctl/{__version__}",
        **more,
    )


def acting_for(app: App, profile: Profile) -> dict[str, str] | None:
    """The header that names the organisation in force (--org, NEXCTL_ORG, the profile's `org`).

    Which one that is the price book says. UsageError where the book has none, or the name no
    header could carry.
    """
    org = app.org or app.environ.get("NEXCTL_ORG") or profile.org
    if not org:
        return None
    if not (len(org) <= 128 and org.isascii() and org.isprintable() and " " not in org):
        raise UsageError(
            f"{org!r} is not an organisation's id or slug",
            hint="'nexctl orgs list' shows yours",
            code="bad_org",
        )
    from nexctl.pricing import books

    header = None
    if profile.book is not None:
        book = books.load(profile.book, folder=app.books_folder)
        header = book.data.get("organisations", {}).get("header")
    if header is None:
        raise UsageError(
            f"the price book of profile {profile.name} has no members who act for organisations",
            hint="leave --org, NEXCTL_ORG and the profile's org out, or see 'nexctl prices list'",
            code="no_org_header",
        )
    return {str(header).lower(): org}


def transport(app: App, profile: Profile) -> Transport:
    """What carries calls to a profile's gateway. Close it."""
    if embedded.is_embedded(profile):
        from nexctl.cli.bridge import EmbeddedTransport
        from nexctl.server.bootstrap import gateway as application
        from nexctl.server.house import Options

        _hear(app)
        place = embedded.opened_place(app, profile)
        secrets = embedded.secrets_of(app, profile)
        return EmbeddedTransport(application(place, secrets, Options(environ=app.environ)))
    if profile.base_url is None:
        name = profile.name
        raise ConfigError(
            f"profile {name} names no gateway to call",
            hint=f"nexctl config set profiles.{name}.base_url URL (and .driver), or pass -p",
            code="no_gateway",
        )
    from nexctl.gateways.drivers import network

    return network(profile.base_url)


def _hear(app: App) -> None:
    """What the gateway's server logs is told with --verbose: here it is no server's log."""
    from nexctl.server import telling

    telling.listen(lambda text: app.detail(f"gateway: {text}"))


def secret(app: App, profile: Profile, kind: str) -> Secret:
    """The profile's key of a kind. NotLoggedIn (exit 4) where there is none.

    Lacking (exit 1) for an operator's where the driver knows none: no key would help.
    """
    if kind == "operator":
        from nexctl.gateways.drivers import UNOPERATED
        from nexctl.gateways.lacking import Lacking

        if profile.driver in UNOPERATED:
            raise Lacking(profile.name, "an operator's commands")
    found = app.secrets.get(profile, kind)
    if found is None:
        what = "key" if kind == "key" else "operator key"
        flag = "" if kind == "key" else " --operator"
        chosen = f" -p {profile.name}" if profile.origin == "option" else ""
        hint = f"nexctl auth login{flag}{chosen}" + ("" if chosen else f", or set {KINDS[kind]}")
        if embedded.is_embedded(profile):
            hint = f"it was kept when the gateway was made; {hint}"
        raise NotLoggedIn(
            f"no {what} for profile {profile.name} ({origin_of(profile.base_url)})", hint=hint
        )
    return found
