"""`nexctl auth`: the keys with which a profile's gateway is called and operated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.cli import connect, embedded
from nexctl.cli.base import App, command, flag, option
from nexctl.cli.changes import done
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.cli.secret_input import read_secret
from nexctl.errors import EXIT_AUTH, NexctlError, UsageError
from nexctl.settings.secrets import KINDS, Secret, origin_of

if TYPE_CHECKING:
    from nexctl.settings.profiles import Profile
    from nexctl.wire.me import Me

_OPERATOR = flag("--operator", help="The operator's key instead of the one for calls.")


@command(
    _OPERATOR,
    option("--key-file", metavar="FILE", suggest="files", help="File that holds the key."),
    flag("--no-check", help="Keep it without asking the gateway."),
    changes=True,
    examples=(
        "nexctl auth login",
        "nexctl auth login --key-file key.txt",
        "pass nex | nexctl auth login",
    ),
)
def login(app: App, operator: bool, key_file: str | None, no_check: bool) -> View:
    """Keep a key for the profile in force, after asking the gateway whose it is.

    The key is read without showing it, from standard input, or from --key-file; never from the
    command line. It goes into the system's key store, else into a file that only you may read.
    """
    profile, kind = app.profile, _kind(operator)
    origin = origin_of(profile.base_url)
    if app.dry_run:
        return _login_view(app, profile, kind, None, None)
    value = read_secret(app, key_file, f"Key for {origin}")
    facts = None if no_check else _checked(app, profile, kind, value)
    _ask_to_replace(app, profile, kind, value, facts)
    place = app.secrets.set(profile, value, kind)
    if app.environ.get(KINDS[kind]):
        app.warn(f"{KINDS[kind]} is set and stands over the kept key where it may speak")
    return _login_view(app, profile, kind, place, facts)


def _ask_to_replace(app: App, profile: Profile, kind: str, value: str, facts: Me | None) -> None:
    """Ask before a lesser key takes the place of an embedded gateway's own, kept nowhere else."""
    if not embedded.is_embedded(profile) or embedded.place_of(app, profile) is None:
        return
    kept = app.secrets.get(profile._replace(origin="option"), kind)
    if kept is None or kept.value == value:
        return
    try:
        before = _whose_key(app, profile, kept)
    except NexctlError as error:
        if error.exit == EXIT_AUTH:
            return
        raise
    if facts is None or _reach(facts) != _reach(before):
        app.confirm(
            f"Replace the key of the embedded gateway of profile {profile.name}? "
            "It is kept nowhere else."
        )


def _reach(facts: Me) -> tuple[str, str | None, str | None]:
    """What two keys have in common of which one is as good as the other."""
    customer = facts.customer.id if facts.customer is not None else None
    return facts.key.kind, facts.key.role, customer


def _kind(operator: bool) -> str:
    return "operator" if operator else "key"


def _checked(app: App, profile: Profile, kind: str, value: str) -> Me:
    """Whose key it is. Refused (exit 4) where the gateway does not know it."""
    facts = _whose_key(app, profile, Secret(value, "given"))
    if (facts.key.kind == "operator") != (kind == "operator"):
        raise UsageError(
            f"that is {_article(facts.key.kind)}",
            hint="nexctl auth login --operator keeps an operator's key"
            if kind == "key"
            else "leave --operator out to keep it",
            code="wrong_kind",
        )
    return facts


def _whose_key(app: App, profile: Profile, secret: Secret) -> Me:
    carrier = connect.transport(app, profile)
    try:
        return connect.over(app, carrier, secret).me()
    finally:
        carrier.close()


def _article(kind: str) -> str:
    words = kind.replace("_", " ")
    words = f"{words} key" if not words.endswith("key") else words
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _login_view(app: App, profile: Profile, kind: str, place: str | None, facts: Me | None) -> View:
    origin = origin_of(profile.base_url)
    what = "key" if kind == "key" else "operator key"

    def write(screen: Screen) -> None:
        if place is None:
            screen.line(f"the {what} for {origin} would be kept for profile {profile.name}")
            return
        whose = _whose(facts)
        screen.line((done(app, f"{what} for {origin} is kept"), "bold"))
        screen.line(f"  place  {place}")
        if whose:
            screen.line(f"  it is  {whose}")

    return View(
        {
            "profile": profile.name,
            "origin": origin,
            "kind": kind,
            "stored": place,
            "dry_run": app.dry_run,
            **_facts(facts),
        },
        text=write,
        table=Table(("profile", "origin", "kind", "stored"), [(profile.name, origin, kind, place)]),
        names=[profile.name],
    )


def _facts(facts: Me | None) -> dict[str, Any]:
    if facts is None:
        return {"key": None, "customer": None}
    from nexctl.wire.base import plain

    return {
        "key": plain(facts.key),
        "customer": plain(facts.customer) if facts.customer is not None else None,
    }


def _whose(facts: Me | None) -> str:
    if facts is None:
        return ""
    key = facts.key
    words = _article(key.kind)
    name = f" {key.name}" if key.name else ""
    role = f" ({key.role})" if key.role else ""
    customer = f", customer {facts.customer.name}" if facts.customer else ""
    return f"{words}{name}{role}{customer}"


@command(
    _OPERATOR,
    flag("--all", help="Both keys."),
    changes=True,
    examples=("nexctl auth logout", "nexctl auth logout --all"),
)
def logout(app: App, operator: bool, all: bool) -> View:
    """Forget the kept key of the profile in force.

    The key itself stays valid: 'nexctl keys revoke' ends one. An embedded gateway's keys are kept
    nowhere else, so that is asked.
    """
    profile = app.profile
    kinds = ("key", "operator") if all else (_kind(operator),)
    places: list[str] = []
    if not app.dry_run:
        if embedded.is_embedded(profile) and embedded.place_of(app, profile) is not None:
            app.confirm(
                f"Forget the key of the embedded gateway of profile {profile.name}? "
                "It is kept nowhere else."
            )
        for kind in kinds:
            places += app.secrets.delete(profile, kind)
            if app.environ.get(KINDS[kind]):
                app.warn(f"{KINDS[kind]} is still set")
    data = {
        "profile": profile.name,
        "origin": origin_of(profile.base_url),
        "kinds": list(kinds),
        "removed": places,
        "dry_run": app.dry_run,
    }
    if app.dry_run:
        said = f"keys that would be forgotten: {', '.join(kinds)}"
    else:
        said = f"forgotten: {', '.join(places)}" if places else "no key was kept"
    return View(
        data,
        text=lambda screen: screen.line(done(app, said)),
        table=Table(("profile", "removed"), [(profile.name, place) for place in places]),
        names=places,
    )


class Found(NamedTuple):
    """What is known of one kind of key: where it is, whose, or why that could not be told."""

    kind: str
    secret: Secret | None
    facts: Me | None
    error: NexctlError | None


@command(
    flag("--offline", help="Do not ask the gateway whose keys they are."),
    examples=("nexctl auth status", "nexctl auth status --offline -o json"),
)
def status(app: App, offline: bool) -> View | None:
    """Which keys the profile in force has, where each came from, and whose it is.

    Exit 4 where there is none, or where the gateway refuses it.
    """
    profile = app.profile
    inside = embedded.is_embedded(profile)
    waiting = inside and embedded.place_of(app, profile) is None
    found = [_look(app, profile, kind, offline or waiting) for kind in KINDS]
    app.emit(_status_view(app, profile, found, waiting))
    if waiting:
        return None
    if found[0].secret is None and found[1].secret is None:
        connect.secret(app, profile, "key")
    for one in found:
        if one.error is not None:
            raise one.error
    return None


def _look(app: App, profile: Profile, kind: str, offline: bool) -> Found:
    secret = app.secrets.get(profile, kind)
    if secret is None or offline:
        return Found(kind, secret, None, None)
    if not embedded.is_embedded(profile) and profile.base_url is None:
        return Found(kind, secret, None, None)
    try:
        return Found(kind, secret, _whose_key(app, profile, secret), None)
    except NexctlError as error:
        return Found(kind, secret, None, error)


def _status_view(app: App, profile: Profile, found: list[Found], waiting: bool) -> View:
    origin = origin_of(profile.base_url)
    rows = [_row(one) for one in found]

    def write(screen: Screen) -> None:
        driver = profile.driver or "no driver"
        screen.line((f"profile {profile.name} ({profile.origin}) · {driver} · {origin}", "bold"))
        if waiting:
            screen.line("  the embedded gateway is made when it is first used, with its keys")
            return
        screen.table(
            Table(
                (Column("kind", "KEY"), "prefix", "source", Column("whose", "WHOSE")),
                [(row["kind"], row["prefix"], row["source"], row["whose"]) for row in rows],
            ),
            indent=2,
        )

    return View(
        {
            "profile": profile.name,
            "profile_origin": profile.origin,
            "driver": profile.driver,
            "origin": origin,
            "made": not waiting,
            "keys": rows,
        },
        text=write,
        table=Table(
            ("kind", "source", "plain_text", "prefix", "whose"),
            [
                [row[name] for name in ("kind", "source", "plain_text", "prefix", "whose")]
                for row in rows
            ],
        ),
        names=[row["kind"] for row in rows if row["source"]],
    )


def _row(one: Found) -> dict[str, Any]:
    secret = one.secret
    whose = _whose(one.facts) or None
    return {
        "kind": one.kind,
        "source": secret.source if secret else None,
        "plain_text": secret.source != "keyring" if secret else None,
        "prefix": one.facts.key.prefix if one.facts else None,
        "whose": whose or (one.error.message if one.error else None),
        **_facts(one.facts),
    }


COMMANDS = (login, logout, status)
