"""`nexctl keys rotate`: a new secret for a key, the old one ended when its time is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nexctl.account import terms
from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, into, option
from nexctl.cli.changes import Planned, done, dry
from nexctl.cli.deliver import Delivery
from nexctl.cli.keys_report import rotated_view, write_key
from nexctl.cli.render import View
from nexctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from nexctl.account.rotation import Rotations
    from nexctl.gateways.port import Gateway
    from nexctl.wire.keys import Key

WRITE = into("--write", help="Keep the secret in FILE (0600), not shown.")


def age(name: str, smallest: int = 1) -> Callable[[str], int]:
    """A checker for an age like 90d; `name` is the option that has it."""
    return lambda text: terms.parse_age(text, what=name, smallest=smallest)


@command(
    argument("key", metavar="[KEY]", suggest="keys", help="The key's id or name."),
    option(
        "--overlap",
        metavar="AGE",
        value=age("--overlap", 0),
        help="How long the old secret works on: 24h, 0; default: the gateway's.",
    ),
    option("--check", metavar="CMD", help="Command that tries the new one (NEXCTL_API_KEY)."),
    option("--finish", metavar="ID", help="End the old key of a rotation whose time is up."),
    flag("--now", help="With --finish: also before its time is up."),
    WRITE,
    changes=True,
    examples=(
        "nexctl keys rotate ci --overlap 24h --write ci.key",
        "nexctl keys rotate ci --overlap 0 --yes -q",
        "nexctl keys rotate ci --check 'curl -fsS https://app.example.com/health'",
    ),
)
def rotate(
    app: App,
    key: str | None,
    overlap: int | None,
    check: str | None,
    finish: str | None,
    now: bool,
    write: str | None,
) -> View | None:
    """Give a key a new secret, shown once; the old one works on for a while.

    The check runs with the new secret in NEXCTL_API_KEY; where it fails the old secret still works.
    A gateway keeps one old secret: a second rotation ends the first one's at once, and asks
    before. On gateways that cannot keep two secrets, a second key is made (exit 8) and --finish
    ends the old one when its time is up.
    """
    if (key is None) == (finish is None):
        raise UsageError("keys rotate needs a KEY, or --finish ID")
    if finish is not None:
        return _finish(app, finish, now)
    from nexctl.account import keys as workflow
    from nexctl.account.pending import Pending
    from nexctl.account.rotation import Rotated

    delivery = Delivery(app, write)
    name = str(key)
    if app.dry_run:
        from nexctl.wire.keys import KeyRotate

        return dry(app, Planned("keys.rotate", name, body=KeyRotate(overlap_seconds=overlap)))
    delivery.refuse_taken()
    if overlap == 0:
        app.confirm(f"End the present secret of key {name} at once, profile {app.profile.name}?")
    failed: CheckFailed | None = None
    kept: list[str] = []
    with connect.gateway(app) as gateway:
        found = workflow.find(gateway, name)
        journal = rotations(app, gateway)
        until = journal.cut_short(found)
        if until is not None:
            app.confirm(
                f"End the older secret {found.previous_prefix} of key {found.name} at once and not "
                f"at {until}, profile {app.profile.name}?"
            )
        shown: list[str | None] = []

        def keep(secret: str) -> None:
            kept.append(secret)
            shown.append(
                delivery.deliver(
                    secret,
                    f"key {found.name} ({found.id}) has a new secret",
                    id=found.id,
                    remedy=f"'nexctl keys rotate {found.id}' gives it another one",
                    what="it is",
                )
            )

        try:
            rotated = journal.rotate(found, overlap, secret_made=keep, check=_checker(app, check))
        except CheckFailed as error:
            failed = error
            rotated = Rotated(found, kept[0], error.details.get("old_ends_at"))
    app.emit(rotated_view(app, rotated, shown[0], delivery))
    _say_own(app, found)
    if failed is not None:
        raise failed
    if rotated.finish is not None:
        raise Pending(
            f"the old key {found.name} stays valid until {rotated.old_ends_at}",
            hint=f"run 'nexctl keys rotate --finish {rotated.finish}' after that",
            details={"id": rotated.finish, "due_at": rotated.old_ends_at},
        )
    return None


def _say_own(app: App, key: Key) -> None:
    """Say that it was the key in use: what calls with its old secret is refused when that ends."""
    used = connect.secret(app, app.profile, "key")
    prefixes = tuple(prefix for prefix in (key.prefix, key.previous_prefix) if prefix)
    if used.value.startswith(prefixes):
        app.warn(
            f"profile {app.profile.name} calls with the old secret of this key, from "
            f"{used.source}; 'nexctl auth login', or NEXCTL_API_KEY, takes the new one"
        )


def _finish(app: App, key_id: str, now: bool) -> View:
    if app.dry_run:
        return dry(app, Planned("keys.revoke", key_id))
    if now:
        app.confirm(f"End the old key {key_id} now, profile {app.profile.name}?")
    with connect.gateway(app) as gateway:
        ended = rotations(app, gateway).finish(key_id, early=now)
    return write_key(app, ended, done(app, f"the rotation of {ended.name} is finished"))


def rotations(app: App, gateway: Gateway) -> Rotations:
    """The journal of rotations that the profile's gateway knows."""
    from nexctl.account.rotation import Rotations
    from nexctl.settings import paths
    from nexctl.settings.secrets import origin_of

    origin = origin_of(app.profile.base_url)
    if origin == "embedded":
        origin = f"embedded:{app.profile.name}"
    return Rotations(gateway, origin, paths.state_dir(app.environ), now=lambda: int(app.now()))


def _checker(app: App, text: str | None) -> Callable[[str], bool] | None:
    """Runs the check with the new secret in its environment; what it prints goes to stderr."""
    if text is None:
        return None
    import shlex

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--check: {error}") from None
    if not words:
        raise UsageError("--check: it names no command")

    def run(secret: str) -> bool:
        import subprocess

        try:
            done = subprocess.run(
                words,
                env={**app.environ, "NEXCTL_API_KEY": secret},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            app.warn(f"--check: {words[0]}: {error.strerror}")
            return False
        # The command may print what it was given.
        said = (done.stdout + done.stderr).decode("utf-8", "replace").replace(secret, "***")
        for line in said.splitlines():
            app.note(f"check: {line}")
        return done.returncode == 0

    return run
