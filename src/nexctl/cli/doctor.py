"""`nexctl doctor`: whether nexctl can work here, and what to do where it cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nexctl.cli import connect, embedded
from nexctl.cli.base import App, command, flag
from nexctl.cli.render import Column, Screen, Table, View
from nexctl.errors import EXIT_CONFIG, EXIT_NETWORK, ConfigError, NexctlError
from nexctl.settings.profiles import LOCAL, address_fault
from nexctl.settings.secrets import KINDS, Secret, origin_of

if TYPE_CHECKING:
    from nexctl.account.doctor import Check
    from nexctl.gateways.port import Gateway
    from nexctl.settings.profiles import Profile
    from nexctl.wire.me import Me

# Longer than any answer that is worth waiting for here; --timeout says otherwise.
SECONDS = 10
_COLOURS = {"ok": "green", "warn": "magenta", "fail": "bold red", "skip": "dim"}
_ASKED = ("address", "tls", "clock", "key", "operator", "capabilities", "health")
_EXTRAS = {
    "tokenizers": ("toktok", "splintr"),
    "serve": ("uvloop", "psycopg"),
    "analytics": ("duckdb", "xlsxwriter"),
    "pdf": ("fpdf",),
}


@command(
    flag("--offline", help="Look at this machine only; ask no gateway."),
    examples=("nexctl doctor", "nexctl doctor -p work", "nexctl doctor --offline -o json"),
)
def doctor(app: App, offline: bool) -> View | None:
    """Check that nexctl can work here: settings, stores, address, TLS, clock, keys.

    Each check says ok, warn or fail, and what to do. It changes nothing and makes nothing. The exit
    code is that of the worst failure: 78 for settings, 4 for a key, 7 for the network, else 0;
    a warning does not count.
    """
    from nexctl.account.doctor import worst

    app.needs_config = False
    checks = _checks(app, offline)
    app.emit(_view(app, checks))
    found = worst(checks)
    if found is not None:
        raise NexctlError(
            f"{found.name}: {found.detail}",
            hint=found.hint or "see the line above",
            code=found.code,
            exit=found.exit,
        )
    return None


def _checks(app: App, offline: bool) -> list[Check]:
    """Every check, in the order in which one needs the other."""
    from nexctl.account.doctor import Check, failed, rotations, skipped
    from nexctl.settings import paths

    state = paths.state_dir(app.environ)
    late = rotations(state, int(app.now()))
    profile = None
    try:
        config = app.config
        config.settings()  # values of variables too
    except NexctlError as error:
        first = failed("settings", error, exit=EXIT_CONFIG)
        here = [first, skipped("profile", "the settings cannot be read")]
    else:
        there = config.path if config.exists else f"no {config.path}; defaults hold"
        profile, judged = _profile(app)
        here = [Check("settings", "ok", there), judged]
    if profile is None:
        rest = [skipped(name, "no profile to look at") for name in ("stores", "book", *_ASKED)]
        return [*here, *rest, late, _extras()]
    secrets, kept = _stores(app, profile, state)
    book, latest = _book(app, profile)
    return [
        *here,
        kept,
        book,
        *_gateway(app, profile, secrets, latest, offline, usable=kept.status != "fail"),
        late,
        _extras(),
    ]


# -------------------------------------------------------------------- this machine


def _profile(app: App) -> tuple[Profile | None, Check]:
    from nexctl.account.doctor import Check, failed

    try:
        profile = app.profile
    except NexctlError as error:
        return None, failed("profile", error, exit=EXIT_CONFIG)
    driver = profile.driver or "none"
    at = f" at {origin_of(profile.base_url)}" if profile.base_url else ""
    said = f"{profile.name} ({profile.origin}), driver {driver}{at}"
    return profile, Check("profile", "ok", said)


def _stores(
    app: App, profile: Profile, state: str
) -> tuple[dict[str, Secret | None], Check]:  # fmt: skip
    """The keys of a profile, and whether what is private is private."""
    from nexctl.account.doctor import failed, stores

    folder = embedded.folder_of(app, profile)
    private = [
        state,
        app.secrets.file,
        os.path.dirname(folder),
        folder,
        *(os.path.join(folder, name) for name in (embedded.DATABASE, embedded.MASTER)),
    ]
    try:
        secrets = {kind: app.secrets.get(profile, kind) for kind in KINDS}
    except NexctlError as error:
        return dict.fromkeys(KINDS), failed("stores", error, exit=EXIT_CONFIG)
    sources = sorted({found.source for found in secrets.values() if found is not None})
    return secrets, stores(private, f"keys from {', '.join(sources)}" if sources else "no key kept")


def _book(app: App, profile: Profile) -> tuple[Check, str | None]:
    """The profile's price book, and its day."""
    from nexctl.account.doctor import Check, failed
    from nexctl.pricing import books

    if profile.book is None:
        hint = app.how_to_name_book()
        return Check("book", "warn", "the profile names no price book", hint), None
    try:
        book = books.load(profile.book, folder=app.books_folder)
    except NexctlError as error:
        return failed("book", error, exit=EXIT_CONFIG), None
    day = f"valid from {book.valid_from}" if book.valid_from else f"retrieved {book.retrieved}"
    return Check("book", "ok", f"{book.id}, {day}"), book.retrieved or book.valid_from


def _extras() -> Check:
    """Which optional packages are here; without them a command says what to install."""
    from importlib.util import find_spec

    from nexctl.account.doctor import Check

    lacking = [name for name, needs in _EXTRAS.items() if not all(map(find_spec, needs))]
    if not lacking:
        return Check("extras", "ok", "all installed")
    hint = f"for those: pip install 'nexctl[{','.join(lacking)}]'"
    return Check("extras", "ok", f"not installed: {', '.join(lacking)}", hint)


# -------------------------------------------------------------------- the gateway


def _gateway(
    app: App,
    profile: Profile,
    secrets: dict[str, Secret | None],
    latest: str | None,
    offline: bool,
    *,
    usable: bool,
) -> list[Check]:
    """Everything that asks the gateway."""
    from nexctl.account.doctor import Check, failed, own_clock, skipped

    fault = _no_gateway(app, profile)
    inside = embedded.is_embedded(profile)
    waiting = inside and fault is None and embedded.place_of(app, profile) is None
    if fault is not None:
        first, why = failed("address", fault), "there is no gateway to ask"
    elif waiting:
        first = Check("address", "ok", "embedded; it is made when it is first used")
        why = "the gateway is not made yet"
    elif offline:
        first, why = skipped("address", "--offline"), "--offline"
    elif not usable:
        first, why = skipped("address", "the stores are not in order"), "not asked"
    else:
        return _asked(app, profile, secrets, latest)
    rest = [skipped(name, why) for name in ("operator", "capabilities", "health")]
    known = secrets["key"] or secrets["operator"]
    if known is None and not inside and fault is None:
        key = failed("key", _no_key(app, profile))
    else:
        key = skipped("key", f"from {known.source}, not asked" if known else why)
    return [first, skipped("tls", why), own_clock(int(app.now()), latest), key, *rest]


def _no_gateway(app: App, profile: Profile) -> NexctlError | None:
    """Why a profile has no gateway to call, None where it has one (or `local` will)."""
    from nexctl.gateways.drivers import DRIVERS

    if profile.driver is not None and profile.driver not in DRIVERS:
        return ConfigError(
            f"there is no driver {profile.driver!r}",
            hint=f"drivers are {', '.join(sorted(DRIVERS))}",
            code="unknown_driver",
        )
    if profile.base_url is not None:
        wrong = address_fault(profile.base_url)
        return ConfigError(f"the address {wrong}", hint="use https") if wrong else None
    if not embedded.is_embedded(profile):
        return ConfigError(
            f"profile {profile.name} names no gateway to call",
            hint=f"nexctl config set profiles.{profile.name}.base_url URL (and .driver)",
            code="no_gateway",
        )
    try:
        if embedded.place_of(app, profile) is not None:
            return None
        if profile.name == LOCAL and embedded.lost(app, profile) is None:
            return None
    except NexctlError as error:
        return error
    return embedded.none_there(app, profile)


def _no_key(app: App, profile: Profile) -> NexctlError:
    try:
        connect.secret(app, profile, "key")
    except NexctlError as error:
        return error
    raise AssertionError("there is a key")


def _asked(
    app: App, profile: Profile, secrets: dict[str, Secret | None], latest: str | None
) -> list[Check]:
    """The checks that a gateway's answers make."""
    from nexctl.account import doctor as rules

    now = int(app.now())
    answers: dict[str, Me | NexctlError | None] = {
        kind: _me(app, profile, secret) if secret is not None else None
        for kind, secret in secrets.items()
    }
    if not any(answers.values()):
        # Nobody's call is refused, and a refusal is an answer: the gateway is there.
        answers["nobody"] = _me(app, profile, None)
    errors = [found for found in answers.values() if isinstance(found, NexctlError)]
    lost = next((error for error in errors if error.exit == EXIT_NETWORK), None)
    checks = [*_reached(app, profile, lost)]
    facts = next((a for a in answers.values() if a and not isinstance(a, NexctlError)), None)
    # An embedded gateway's clock is this machine's: beside itself it is never wrong.
    if facts is None or facts.server_time is None or embedded.is_embedded(profile):
        checks.append(rules.own_clock(now, latest))
    else:
        checks.append(rules.clock(now, facts.server_time))
    for kind in KINDS:
        checks.append(_key(app, profile, kind, secrets[kind], answers[kind], secrets))
    if facts is None:
        checks.append(rules.skipped("capabilities", "no key was taken"))
    else:
        checks.append(rules.capabilities(facts))
    checks.append(_health(app, profile, secrets["operator"], answers["operator"]))
    return checks


def _reached(app: App, profile: Profile, lost: NexctlError | None) -> tuple[Check, Check]:
    """Whether the address answers, and what its certificate says."""
    from nexctl.account.doctor import Check, certificate, failed, skipped
    from nexctl.safety.http import NetworkError

    if profile.base_url is None:
        place = embedded.shown(embedded.place_of(app, profile) or "")
        address = Check("address", "ok", f"embedded, {place}") if lost is None else None
        return address or failed("address", lost or _unknown()), skipped("tls", "in this program")
    origin = origin_of(profile.base_url)
    bad_tls = lost is not None and lost.code == "tls"
    if lost is not None and not bad_tls:
        return failed("address", lost), skipped("tls", "the address does not answer")
    address = Check("address", "ok", f"{origin} answers")
    if bad_tls and lost is not None:
        return address, failed("tls", lost)
    if not profile.base_url.lower().startswith("https:"):
        return address, skipped("tls", "http to this machine")
    try:
        from nexctl.safety.network import certificate_of

        shown = certificate_of(profile.base_url, _seconds(app))
    except NetworkError as error:
        return address, failed("tls", error)
    if shown is None:
        return address, Check("tls", "ok", "trusted, through a proxy")
    return address, certificate(shown, int(app.now()))


def _unknown() -> NexctlError:
    return NexctlError("it does not answer", exit=EXIT_NETWORK)


def _key(
    app: App,
    profile: Profile,
    kind: str,
    secret: Secret | None,
    answer: Me | NexctlError | None,
    secrets: dict[str, Secret | None],
) -> Check:
    """One of the two keys. The operator's may be lacking, and the other one where that is there."""
    from nexctl.account.doctor import failed, key, skipped

    if secret is None:
        if kind == "key" and secrets["operator"] is None:
            return failed("key", _no_key(app, profile))
        return skipped(kind, "none kept")
    if answer is None:
        return skipped(kind, "not asked")
    if isinstance(answer, NexctlError):
        if answer.exit == EXIT_NETWORK:
            return skipped(kind, f"from {secret.source}; the gateway could not be asked")
        return failed(kind, answer)
    return key(secret, answer, int(app.now()), name=kind)


def _health(
    app: App, profile: Profile, operator: Secret | None, answer: Me | NexctlError | None
) -> Check:
    from nexctl.account.doctor import failed, health, skipped
    from nexctl.gateways.lacking import Lacking

    if operator is None or answer is None or isinstance(answer, NexctlError):
        return skipped("health", "only an operator's key is told")
    try:
        return health(_call(app, profile, operator, lambda gateway: gateway.health()))
    except Lacking as error:
        return skipped("health", error.message)
    except NexctlError as error:
        return failed("health", error)


def _me(app: App, profile: Profile, secret: Secret | None) -> Me | NexctlError:
    """Whose a key is, or why that cannot be told."""
    try:
        found: Me = _call(app, profile, secret, lambda gateway: gateway.me())
    except NexctlError as error:
        return error
    return found


def _call(app: App, profile: Profile, secret: Secret | None, work: Any) -> Any:
    carrier = connect.transport(app, profile)
    try:
        gateway: Gateway = connect.over(app, carrier, secret, seconds=_seconds(app), tries=1)
        return work(gateway)
    finally:
        carrier.close()


def _seconds(app: App) -> float:  # not money: seconds
    return app.timeout if app.timeout is not None else min(app.longest_wait, SECONDS)


# -------------------------------------------------------------------- showing


def _view(app: App, checks: list[Check]) -> View:
    from nexctl.account.doctor import STATUSES, fields

    counts = {status: sum(check.status == status for check in checks) for status in STATUSES}
    columns = ("name", "status", "detail", "hint", "code", "exit")
    return View(
        lambda: {
            **_where(app),
            "checks": [fields(check) for check in checks],
            "counts": counts,
            "passed": not counts["fail"],
        },
        text=lambda screen: _write(app, screen, checks, counts),
        table=Table(
            tuple(Column(name) for name in columns),
            [[getattr(check, name) for name in columns] for check in checks],
        ),
        names=[check.name for check in checks if check.status == "fail"],
    )


def _where(app: App) -> dict[str, Any]:
    from nexctl._version import __version__

    try:
        profile = app.profile
    except NexctlError:
        return {"version": __version__, "profile": None, "driver": None, "origin": None}
    return {
        "version": __version__,
        "profile": profile.name,
        "driver": profile.driver,
        "origin": origin_of(profile.base_url),
    }


def _write(app: App, screen: Screen, checks: list[Check], counts: dict[str, int]) -> None:
    from textwrap import wrap

    where = _where(app)
    screen.line((f"nexctl {where['version']} · profile {where['profile'] or 'none'}", "bold"))
    indent = max(len(check.name) for check in checks) + 10
    room = max(20, screen.width - indent)
    home = app.environ.get("HOME", "").rstrip("/")
    for check in checks:
        head = f"  {check.status:<4}  {check.name:<{indent - 8}}"
        detail = check.detail.replace(f"{home}/", "~/") if home else check.detail
        lines = [
            *wrap(detail, room, break_long_words=False, break_on_hyphens=False),
            *(
                wrap(f"-> {check.hint}", room, break_long_words=False, break_on_hyphens=False)
                if check.hint
                else ()
            ),
        ]
        status = (check.status, _COLOURS[check.status])
        screen.line("  ", status, head[2 + len(check.status) :], lines[0] if lines else "")
        for line in lines[1:]:
            screen.line(" " * indent, line)
    said = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    screen.line(said)
