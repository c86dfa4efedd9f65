"""Embedded gateways of this machine: where each lives, its secrets, and how one is made.

A profile's gateway has a folder of its own in the state folder, named after the profile (profile
names are checked to be fit for that): the database, or the address of one, and the master key that
seals what the database keeps sealed. The keys to call and operate it are in the key store.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import ConfigError, UsageError
from nexctl.files import atomic_write, locked, open_own, private_folder
from nexctl.settings import paths
from nexctl.settings.profiles import LOCAL, Profile
from nexctl.settings.secrets import SecretStore, refuse_readable_by_others

if TYPE_CHECKING:
    from nexctl.cli.context import App
    from nexctl.server.bootstrap import Made, Upstream

DATABASE = "gateway.db"
ADDRESS = "database"
MASTER = "master.key"
_LARGEST = 4096


class Terms(NamedTuple):
    """What a new gateway is to be. `database` is a PostgreSQL URL, None for a file."""

    book: str
    plan: str | None
    payments: str
    upstream: Upstream | None = None
    database: str | None = None
    stripe: dict[str, str] | None = None


def is_embedded(profile: Profile) -> bool:
    """Whether a profile's gateway is inside this program; one with an address never is."""
    return profile.driver == "embedded" and profile.base_url is None


def folder_of(app: App, profile: Profile) -> str:
    """The folder of a profile's gateway."""
    return os.path.join(paths.state_dir(app.environ), "gateways", profile.name)


def place_of(app: App, profile: Profile) -> str | None:
    """The database of a profile's gateway, a path or a URL; None where none was made."""
    folder = folder_of(app, profile)
    path = os.path.join(folder, DATABASE)
    if os.path.exists(path):
        return path
    return _private_text(os.path.join(folder, ADDRESS))


def profile_here(app: App) -> Profile:
    """The profile in force, whose gateway must be on this machine."""
    profile = app.profile
    if not is_embedded(profile):
        raise UsageError(
            f"{app.command} works on an embedded gateway; profile {profile.name} is none",
            hint="run it where the gateway is, or choose its profile with -p",
            code="not_embedded",
        )
    return profile


def profile_made(app: App) -> tuple[Profile, str]:
    """The profile in force and its database, which must have been made."""
    profile = profile_here(app)
    place = place_of(app, profile)
    if place is None:
        raise none_there(app, profile)
    return profile, place


def profile_to_restore(app: App) -> tuple[Profile, str]:
    """The same, but the database may be lost: where the master key is left, a backup fits there."""
    profile = profile_here(app)
    place = place_of(app, profile) or lost(app, profile)
    if place is None:
        raise ConfigError(
            f"profile {profile.name} has no gateway yet",
            hint="a backup opens only with its master key: put that at "
            + os.path.join(folder_of(app, profile), MASTER),
            code="no_gateway",
        )
    return profile, place


def none_there(app: App, profile: Profile) -> ConfigError:
    """Why a profile without a database cannot be worked on."""
    gone = lost(app, profile)
    if gone is not None:
        return ConfigError(
            f"the database of profile {profile.name} is gone from {gone}",
            hint=f"put a backup in its place: nexctl gateway restore FILE -p {profile.name}",
            code="no_gateway",
        )
    return ConfigError(
        f"profile {profile.name} has no gateway yet",
        hint=f"nexctl gateway init {profile.name}",
        code="no_gateway",
    )


def lost(app: App, profile: Profile) -> str | None:
    """Where a profile's database was, if of its gateway only the master key is left.

    No other is made there then: it would have another master key, and no backup would fit.
    """
    folder = folder_of(app, profile)
    left = os.path.exists(os.path.join(folder, MASTER))
    return os.path.join(folder, DATABASE) if left and place_of(app, profile) is None else None


class GatewaySecrets:
    """The port through which the server gets its secrets; see `server.bootstrap.Secrets`."""

    def __init__(self, app: App, profile: Profile, folder: str) -> None:
        self._app = app
        self._profile = profile
        self._folder = folder
        self._store = SecretStore(app.environ, warn=_once(app.warn))
        self.places: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """A secret, None where it is not kept."""
        if name == "master":
            return _private_text(os.path.join(self._folder, MASTER))
        found = self._store.get(self._profile, name)
        return found.value if found is not None else None

    def set(self, name: str, value: str) -> None:
        """Keep a secret: the master key beside the database, the others in the key store."""
        if name == "master":
            _write_private(os.path.join(self._folder, MASTER), value)
        else:
            self.places[name] = self._store.set(self._profile, value, name)


def secrets_of(app: App, profile: Profile) -> GatewaySecrets:
    """The secrets of a profile's gateway."""
    return GatewaySecrets(app, profile, folder_of(app, profile))


def opened_place(app: App, profile: Profile) -> str:
    """The database of a profile's gateway; `local` gets one on its first use, and that is said.

    ConfigError (exit 78) for another profile without one.
    """
    place = place_of(app, profile)
    if place is not None:
        return place
    if profile.name != LOCAL:
        raise none_there(app, profile)
    terms = Terms(profile.book or "nextoken", profile.plan, "sandbox")
    made = make(app, profile, terms)
    if made is not None:
        chosen = "no profile chosen: " if profile.origin == "built-in" else ""
        app.say(f"{chosen}created an embedded gateway at {made[0].place}")
    return place_of(app, profile) or os.path.join(folder_of(app, profile), DATABASE)


def make(app: App, profile: Profile, terms: Terms) -> tuple[Made, dict[str, str]] | None:
    """Make a profile's gateway: what it has, and where its keys are kept.

    None where another process has just made it. It is built beside its place and moved there in
    one step, so that a crash leaves either all of it or nothing.
    """
    from nexctl.pricing import books
    from nexctl.server import bootstrap
    from nexctl.server.refusing import Refuse

    if lost(app, profile) is not None:
        raise none_there(app, profile)
    book = books.load(terms.book, folder=app.books_folder)
    final = folder_of(app, profile)
    base = os.path.dirname(final)
    # Each level by itself: parents made on the way would be open to others.
    private_folder(paths.state_dir(app.environ))
    private_folder(base)
    with locked(os.path.join(base, ".lock")):
        if place_of(app, profile) is not None:
            return None
        part = os.path.join(base, f".{profile.name}.new")
        _clear(part)
        os.mkdir(part, 0o700)
        secrets = GatewaySecrets(app, profile, part)
        try:
            made = bootstrap.create(
                terms.database or os.path.join(part, DATABASE),
                secrets,
                book=book,
                plan=terms.plan,
                payments=terms.payments,  # type: ignore[arg-type]
                upstream=terms.upstream,
                stripe=terms.stripe,
            )
            if terms.database is not None:
                _write_private(os.path.join(part, ADDRESS), terms.database)
            os.rename(part, final)
        except BaseException as error:
            _clear(part)
            if isinstance(error, Refuse):
                raise UsageError(error.message, code=error.refusal.code) from None
            raise
    place = terms.database or os.path.join(final, DATABASE)
    return made._replace(place=shown(place)), secrets.places


def shown(place: str) -> str:
    """A database's place without a password."""
    if "://" not in place:
        return place
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(place)
    if parts.password is None:
        return place
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def open_house(app: App, profile: Profile) -> Any:
    """The profile's gateway, opened for work on its ledger itself; close its `.ledger`."""
    from nexctl.server.bootstrap import open_house as opened

    return opened(opened_place(app, profile), secrets_of(app, profile))


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """A warning that is said once, however many secrets are kept."""
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(text)

    return say


def _private_text(path: str) -> str | None:
    """The one line of a file that only its owner may read; None where there is no file."""
    try:
        stream = open_own(path, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="look at that file") from error
    with stream:
        refuse_readable_by_others(stream.fileno(), path)
        raw = stream.read(_LARGEST)
    return raw.decode("utf-8", "replace").strip() or None


def _write_private(path: str, text: str) -> None:
    with atomic_write(path, mode=0o600) as stream:
        stream.write(text + "\n")


def _clear(folder: str) -> None:
    """Take away what an interrupted making has left."""
    if os.path.lexists(folder):
        import shutil

        shutil.rmtree(folder)
