"""The key store: where the secrets of a profile are kept, with the place always told.

Order: the environment (where it is allowed to speak for the profile), the system's keyring, a
0600 file in the state folder. The keyring is imported when first needed, is given three seconds,
and is left alone on a Linux machine without a session bus, where it would hang or ask nobody.
A secret belongs to one origin (scheme, host, port) of one profile, and to one kind of use.
Names of entries and places may be printed; values are never in an error or a representation.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nexctl.errors import ConfigError, NexctlError
from nexctl.files import atomic_write, locked, open_own, private_folder
from nexctl.settings import paths
from nexctl.settings.profiles import Profile

SERVICE = "nexctl"
KEYRING_SECONDS = 3.0
LARGEST_FILE = 10_000_000
# Never "remove it": whoever removes a file that can still be mended loses what nobody has again.
MOVE_AWAY = (
    "put a backup in its place, or move it away and log in again; "
    "the keys of embedded gateways are kept nowhere else"
)
KINDS = {"key": "NEXCTL_API_KEY", "operator": "NEXCTL_OPERATOR_KEY"}


class Secret:
    """A secret value and where it came from ("NEXCTL_API_KEY", "keyring" or "file PATH")."""

    __slots__ = ("source", "value")

    def __init__(self, value: str, source: str) -> None:
        self.value = value
        self.source = source

    def __repr__(self) -> str:
        return f"<Secret from {self.source}>"


def origin_of(base_url: str | None) -> str:
    """`scheme://host:port` of an address, the port always spelled; "embedded" where there is none.

    Two spellings of one origin (upper case, default port, a path) give one text.
    """
    if not base_url:
        return "embedded"
    from urllib.parse import urlsplit

    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def environment_secret(profile: Profile, kind: str, environ: Mapping[str, str]) -> Secret | None:
    """The secret that the environment holds for this profile, if it may speak for it.

    It may where the profile is in force by environment, configuration or default, not where it
    was chosen with --profile; and where NEXCTL_BASE_URL names an origin, for that origin only.
    """
    value = environ.get(KINDS[kind])
    if not value or profile.origin == "option":
        return None
    named = environ.get("NEXCTL_BASE_URL")
    if named and origin_of(named) != origin_of(profile.base_url):
        return None
    return Secret(one_line(value, KINDS[kind]), KINDS[kind])


class SecretStore:
    """The secrets of this user on this machine."""

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None]
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._warn = warn
        self._ring: Any = None
        self._ring_tried = False

    def get(self, profile: Profile, kind: str = "key") -> Secret | None:
        """The secret of `kind` ("key" or "operator") for this profile; None where none is known."""
        found = environment_secret(profile, kind, self._environ)
        if found is not None:
            return found
        name = _entry(profile, kind)
        ring = self._keyring()
        if ring is not None:
            done, value = self._in_time(lambda: ring.get_password(SERVICE, name))
            if done and value:
                return Secret(value, "keyring")
        value = self._read_file().get(name)
        return Secret(value, f"file {self.file}") if value else None

    def set(self, profile: Profile, value: str, kind: str = "key") -> str:
        """Keep a secret and return the place. A plain file is used last, and said."""
        name = _entry(profile, kind)
        value = one_line(value, "the key")
        ring = self._keyring()
        if ring is not None and self._set_in_ring(ring, name, value):
            # An older copy in the file must not outlive its replacement.
            self._change_file(name, None)
            return "keyring"
        self._change_file(name, value)
        self._warn(f"no key store here: the key is kept in {self.file}, which only you may read")
        return f"file {self.file}"

    def delete(self, profile: Profile, kind: str = "key") -> tuple[str, ...]:
        """Forget a secret everywhere and return the places that held it."""
        name = _entry(profile, kind)
        places = []
        ring = self._keyring()
        if ring is not None:
            done, value = self._in_time(lambda: ring.get_password(SERVICE, name))
            if done and value and self._in_time(lambda: ring.delete_password(SERVICE, name))[0]:
                places.append("keyring")
        if name in self._read_file():
            self._change_file(name, None)
            places.append(f"file {self.file}")
        return tuple(places)

    @property
    def file(self) -> str:
        """The file of last resort."""
        return os.path.join(paths.state_dir(self._environ), "secrets.json")

    # ---------------------------------------------------------------- keyring

    def _keyring(self) -> Any:
        """The keyring module, None where there is no use asking it."""
        if not self._ring_tried:
            self._ring_tried = True
            if self._keyring_worth_trying():
                done, module = self._in_time(_import_keyring)
                self._ring = module if done else None
        return self._ring

    def _keyring_worth_trying(self) -> bool:
        env = self._environ
        if env.get("NEXCTL_KEYRING", "").lower() in ("0", "no", "off", "false"):
            return False
        if env.get("PYTHON_KEYRING_BACKEND"):
            return True
        return sys.platform in ("darwin", "win32") or bool(env.get("DBUS_SESSION_BUS_ADDRESS"))

    def _set_in_ring(self, ring: Any, name: str, value: str) -> bool:
        done, _ = self._in_time(lambda: ring.set_password(SERVICE, name, value))
        if not done:
            return False
        # A null back end takes everything and keeps nothing.
        done, kept = self._in_time(lambda: ring.get_password(SERVICE, name))
        return done and kept == value

    def _in_time(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Run a keyring call in a thread of its own; (False, None) where it fails or takes long.

        A call that hangs is left behind in a daemon thread, and the keyring is not asked again.
        """
        import threading

        result: list[Any] = []

        def work() -> None:
            with contextlib.suppress(Exception):
                result.append(call())

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(KEYRING_SECONDS)
        if thread.is_alive():
            self._warn(f"the keyring did not answer within {KEYRING_SECONDS:.0f} seconds")
            self._ring = None
        return (True, result[0]) if result else (False, None)

    # ---------------------------------------------------------------- file

    def _read_file(self) -> dict[str, str]:
        try:
            stream = open_own(self.file, follow=False)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            denied = isinstance(error, PermissionError)
            hint = f"chmod 600 '{self.file}', its folder 700" if denied else MOVE_AWAY
            raise ConfigError(f"{self.file}: {error.strerror}", hint=hint) from error
        with stream:
            refuse_readable_by_others(stream.fileno(), self.file)
            raw = stream.read(LARGEST_FILE)
        import json

        try:
            entries = json.loads(raw)["secrets"]
            if not all(isinstance(v, str) for v in entries.values()):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(
                f"{self.file}: not a file of nexctl's keys",
                hint=MOVE_AWAY,
            ) from None
        return dict(entries)

    def _change_file(self, name: str, value: str | None) -> None:
        if value is None and not os.path.lexists(self.file):
            return
        import json

        private_folder(os.path.dirname(self.file))
        with locked(self.file + ".lock"):
            entries = self._read_file()
            if value is None:
                entries.pop(name, None)
            else:
                entries[name] = value
            with atomic_write(self.file, mode=0o600) as stream:
                json.dump({"schema": 1, "secrets": entries}, stream, indent=1)


def read_key_file(path: str, *, warn: Callable[[str], None]) -> str:
    """The one-line secret in a file named by --key-file; a warning where others may read it."""
    try:
        with open(path, "rb") as stream:
            raw = stream.read(65_537)
            try:
                refuse_readable_by_others(stream.fileno(), path)
            except ConfigError as error:
                warn(error.message)
    except OSError as error:
        raise NexctlError(
            f"{path}: {error.strerror}",
            hint="name a file that holds the key and nothing else",
            code="key_file",
            exit=2,
        ) from error
    try:
        return one_line(raw.decode("utf-8").strip(), path)
    except UnicodeDecodeError:
        raise NexctlError(
            f"{path}: not a key",
            hint="name a file that holds the key and nothing else",
            code="key_file",
            exit=2,
        ) from None


def refuse_readable_by_others(handle: int, path: str) -> None:
    """ConfigError where an open secret file may be read by group or world, or is not ours."""
    if sys.platform == "win32":
        return
    facts = os.fstat(handle)
    if facts.st_mode & 0o077:
        raise ConfigError(
            f"{path}: others may read this file of secrets", hint=f"chmod 600 '{path}'"
        )
    if facts.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path}: belongs to another user", hint=MOVE_AWAY)


def _entry(profile: Profile, kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(kind)
    return f"{profile.name} {kind} {origin_of(profile.base_url)}"


def one_line(value: str, what: str) -> str:
    """A secret travels in a header: printable ASCII, no blank, at most 8 kB; `what` is named."""
    if not (
        0 < len(value) <= 8192 and value.isascii() and value.isprintable() and " " not in value
    ):
        raise NexctlError(
            f"{what} is not a key: one line without blanks",
            hint="give the key alone, without quotes or a name before it",
            code="bad_key",
            exit=2,
        )
    return value


def _import_keyring() -> Any:
    import keyring

    return keyring
