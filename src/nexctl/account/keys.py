"""Making keys once, keeping their secrets, and ending old ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import NexctlError, UsageError
from nexctl.files import open_own
from nexctl.gateways.refused import Refused

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.keys import Key, KeyCreate, KeySecret

LARGEST_SECRET_FILE = 8192


class Made(NamedTuple):
    """A key that is there now. `created`: by this call; `secret` only then."""

    key: Key
    secret: str | None
    created: bool


def make(
    gateway: Gateway,
    wanted: KeyCreate,
    *,
    if_not_exists: bool = False,
    idempotency_key: str | None = None,
) -> Made:
    """Make a key. With `if_not_exists` one of that name and these settings is as good.

    The gateway decides the race: names are unique, so the call is made first and the existing key
    read only when the name turns out to be taken. NexctlError (exit 1) where that key has other
    settings (`details.differs`), or where this call made the key but its answer was lost.
    """
    try:
        made = gateway.keys.create(wanted, idempotency_key=idempotency_key)
    except Refused as error:
        if not if_not_exists or error.code != "name_taken":
            raise
        return Made(_existing(gateway, wanted, error), None, created=False)
    if made.secret is None and idempotency_key is None:
        # Made by the first try of this very call, its answer lost on the way: nobody knows the
        # secret, so giving the key another one harms nobody.
        made = gateway.keys.rotate(made.id, 0)
    return Made(made, made.secret, created=True)


def _existing(gateway: Gateway, wanted: KeyCreate, taken: Refused) -> Key:
    found = named(gateway, wanted.name)
    if found is None:
        raise taken
    differs = differences(wanted, found)
    if "models" in differs and wanted.models:
        import msgspec

        # A key's list names models by their ids, whatever other names they were given by.
        ids = [gateway.models.show(name).id for name in wanted.models]
        differs = differences(msgspec.structs.replace(wanted, models=ids), found)
    if differs:
        raise NexctlError(
            f"key {wanted.name} exists with other settings: {', '.join(sorted(differs))}",
            hint=f"'nexctl keys update {found.id}' changes them, or choose another name",
            code="key_differs",
            details={"id": found.id, "differs": differs},
        )
    return found


def differences(wanted: KeyCreate, found: Key) -> dict[str, dict[str, Any]]:
    """The settings in which a key is not the wanted one: name -> {wanted, found}.

    A limit that is not asked for means none. Of an end that is asked for as a length of time only
    its presence is compared, for its instant depends on when the key was made.
    """
    ends: Any = wanted.expires_at
    if wanted.expires_in_seconds is not None:
        ends = found.expires_at or "in time"
    pairs: dict[str, tuple[Any, Any]] = {
        "budget": (_terms(wanted.budget), _terms(found.budget)),
        "models": (_set(wanted.models), _set(found.models)),
        "ip_allowlist": (_networks(wanted.ip_allowlist), _networks(found.ip_allowlist)),
        "rpm": (wanted.rpm, found.rpm),
        "expires_at": (_instant(ends), _instant(found.expires_at)),
        "parent_id": (wanted.parent_id, found.parent_id),
        "labels": (wanted.labels or {}, found.labels),
        "state": ("active", found.state),
    }
    return {
        name: {"wanted": left, "found": right}
        for name, (left, right) in pairs.items()
        if left != right
    }


def secret_of(made: Made) -> str:
    """The secret; NexctlError (exit 1) for a key that was there already."""
    if made.secret is None:
        raise NexctlError(
            f"the secret of key {made.key.name} cannot be shown again",
            hint=f"'nexctl keys rotate {made.key.id}' gives it a new one",
            code="secret_not_shown_again",
            details={"id": made.key.id},
        )
    return made.secret


def write_secret(path: str, secret: str) -> None:
    """Keep a secret in a file that only its owner may read, written whole or not at all."""
    from nexctl.files import atomic_write

    with atomic_write(path, mode=0o600) as stream:
        stream.write(secret + "\n")


def file_holds(path: str, key: Key) -> bool:
    """Whether the file at `path` holds one line that begins as this key's secret does."""
    try:
        stream = open_own(path, follow=False)
    except OSError:
        return False
    with stream:
        lines = stream.read(LARGEST_SECRET_FILE).decode("ascii", "replace").split()
    return len(lines) == 1 and bool(key.prefix) and lines[0].startswith(key.prefix)


def find(gateway: Gateway, name_or_id: str) -> Key:
    """The key with this id, else the one with this name. Refused `not_found` (exit 3) otherwise."""
    try:
        return gateway.keys.show(name_or_id)
    except (Refused, UsageError) as error:
        if error.code not in ("not_found", "bad_id") or not 0 < len(name_or_id) <= 100:
            raise
        found = named(gateway, name_or_id)
        if found is None:
            raise
        return found


def named(gateway: Gateway, name: str) -> Key | None:
    """The key with this name: the one that is not revoked, else the only one that is.

    A revoked key's name is free again, so that several may have had it.
    """
    from nexctl.wire.keys import KeyQuery

    found = [key for key in gateway.keys.list(KeyQuery(name=name)) if key.name == name]
    found = [key for key in found if key.state != "revoked"] or found
    return found[0] if len(found) == 1 else None


def older_than(gateway: Gateway, seconds: int, now: int) -> Iterator[Key]:
    """The active and disabled keys made more than `seconds` ago, as of `now` (wall clock)."""
    for key in gateway.keys.list():
        made = _instant(key.created_at)
        if key.state in ("active", "disabled") and key.kind in ("key", "sub_key") and made:
            age = now - int(datetime.fromisoformat(made).timestamp())
            if age > seconds:
                yield key


def revoke_all(
    gateway: Gateway, chosen: list[Key], *, done: Callable[[Key], object] = lambda _: None
) -> tuple[list[Key], list[tuple[Key, NexctlError]]]:
    """Revoke keys one by one: those that are ended now, and those that failed with their errors.

    A parent ends its sub-keys with it; one that is gone already counts as ended.
    """
    ended: list[Key] = []
    failed: list[tuple[Key, NexctlError]] = []
    for key in chosen:
        try:
            ended.append(gateway.keys.revoke(key.id))
            done(ended[-1])
        except Refused as error:
            if error.code == "not_found":
                ended.append(key)
                done(key)
            else:
                failed.append((key, error))
    return ended, failed


def _terms(budget: Any) -> dict[str, str] | None:
    if budget is None:
        return None
    from nexctl.money import parse_units, text_of

    return {
        "amount": text_of(parse_units(budget.amount, 12), 12),
        "window": budget.window,
    }


def _set(values: list[str] | None) -> list[str] | None:
    return sorted(set(values)) if values is not None else None


def _networks(texts: list[str] | None) -> list[str] | None:
    """Networks in one spelling; what is none stays as it is."""
    from nexctl.safety.addresses import network_of

    found = []
    for text in texts or ():
        try:
            found.append(str(network_of(text)))
        except ValueError:
            found.append(text)
    return None if texts is None else _set(found)


def _instant(text: str | None) -> str | None:
    """A time in one spelling; one that is not a time stays as it is."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
        return text


def public(made: Made | KeySecret) -> dict[str, Any]:
    """The fields of `keys create -o json`."""
    from nexctl.wire.base import plain

    key, secret, created = (
        (made.key, made.secret, made.created)
        if isinstance(made, Made)
        else (made, made.secret, made.created)
    )
    found: dict[str, Any] = plain(key)
    names = (
        *("id", "name", "prefix", "state", "created_at", "expires_at", "budget", "models"),
        *("ip_allowlist", "rpm", "parent_id", "labels"),
    )
    shown = {name: found.get(name) for name in names}
    return {**shown, "secret": secret, "created": created}
