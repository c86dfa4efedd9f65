"""Giving a key a new secret while the old one still works, without losing track of either.

Where the gateway itself keeps the old secret valid for a while, one call does it. Elsewhere a
second key with the same settings is made, and the old one is revoked when its time is up: that
takes two commands, and the journal knows what is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.account.journal import Journal
from nexctl.account.pending import Pending
from nexctl.errors import CheckFailed, NexctlError, UsageError
from nexctl.files import locked_folder, private_folder
from nexctl.gateways.refused import Refused

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.keys import Key, KeyCreate, KeySecret

DEFAULT_OVERLAP = 86_400
KIND = "rotations"


class Rotated(NamedTuple):
    """A key with its new secret. The old one ends at `old_ends_at` (RFC 3339), by itself or not.

    `finish`: it has to be ended by hand, with the id of the key that is to go.
    """

    key: Key
    secret: str
    old_ends_at: str | None
    finish: str | None = None


class Due(NamedTuple):
    """A rotation that is not finished. `overdue`: its time is up."""

    origin: str
    key_id: str
    name: str
    due_at: str | None
    step: str
    overdue: bool


Check = Callable[[str], bool]


class Rotations:
    """The rotations of one origin. `now` is the wall clock in seconds."""

    def __init__(
        self, gateway: Gateway, origin: str, state_folder: str, *, now: Callable[[], int]
    ) -> None:
        self.gateway = gateway
        self.origin = origin
        self.journal = Journal(state_folder, KIND)
        self._now = now

    def rotate(
        self,
        key: Key,
        overlap_seconds: int | None = None,
        *,
        secret_made: Callable[[str], object] = lambda _: None,
        check: Check | None = None,
    ) -> Rotated:
        """Give `key` a new secret; the old one stays valid for `overlap_seconds`.

        `secret_made(secret)` is called at once, before anything else can fail. `check(secret)`
        tells whether the new one works where it is used: CheckFailed (exit 9) where not, and the
        old one still does. NexctlError where an earlier rotation of this key is unfinished.
        """
        # What another command does just now would look like one that was interrupted.
        with locked_folder(private_folder(self.journal.folder)):
            rotated = self._rotated(key, overlap_seconds)
        secret_made(rotated.secret)
        if check is not None and not check(rotated.secret):
            until = f" until {rotated.old_ends_at}" if rotated.old_ends_at else ""
            raise CheckFailed(
                f"the check of {key.name}'s new secret failed",
                hint=f"the old secret works{until}; put it back where the check looks",
                code="rotation_check_failed",
                details={"id": key.id, "old_ends_at": rotated.old_ends_at},
            )
        return rotated

    def _rotated(self, key: Key, overlap_seconds: int | None) -> Rotated:
        begun = self.journal.read(self.origin, key.id)
        if begun is not None and begun.get("step") == "waiting":
            raise NexctlError(
                f"an earlier rotation of {key.name} is not finished",
                hint=f"nexctl keys rotate --finish {key.id}",
                code="rotation_unfinished",
            )
        if overlap_seconds is None and not self.gateway.keys.overlap:
            overlap_seconds = DEFAULT_OVERLAP
        if self.gateway.keys.overlap or overlap_seconds == 0:
            return self._by_gateway(key, overlap_seconds, begun)
        return self._by_hand(key, overlap_seconds or DEFAULT_OVERLAP)

    def cut_short(self, key: Key) -> str | None:
        """Until when an older secret of `key` would work that the next rotation ends at once.

        None where there is none, and where an interrupted rotation only asks for its answer again.
        """
        until = key.previous_expires_at
        if until is None or key.state == "revoked" or self._passed(until):
            return None
        begun = self.journal.read(self.origin, key.id)
        return None if begun is not None and begun.get("step") == "asked" else until

    def finish(self, key_id: str, *, early: bool = False) -> Key:
        """Revoke the old key of a rotation by hand whose time is up (`early`: at once).

        UsageError where nothing is unfinished, Pending (exit 8) where its time is not up.
        """
        begun = self.journal.read(self.origin, key_id)
        if begun is None:
            raise UsageError(
                f"no rotation of {key_id} is unfinished", hint="'nexctl keys list' shows them"
            )
        if begun.get("step") != "waiting":
            self.journal.remove(self.origin, key_id)
            return self.gateway.keys.show(key_id)
        due = str(begun.get("due_at", ""))
        if not early and not self._passed(due):
            raise Pending(
                f"the old secret stays valid until {due}",
                hint=f"run 'nexctl keys rotate --finish {key_id}' after that",
                details={"id": key_id, "due_at": due},
            )
        ended = self.gateway.keys.revoke(key_id)
        self.journal.remove(self.origin, key_id)
        return ended

    def unfinished(self) -> Iterator[Due]:
        """The rotations of this origin that wait for `finish`, or whose answer was lost."""
        return (due for due in unfinished(self.journal, self._now()) if due.origin == self.origin)

    def _by_gateway(
        self, key: Key, overlap_seconds: int | None, begun: dict[str, Any] | None
    ) -> Rotated:
        from nexctl.safety.http import new_idempotency_key

        # After a crash the same key asks again: a second rotation could end the secret in use.
        asked = begun.get("idempotency_key") if begun and begun.get("step") == "asked" else None
        idempotency = asked if isinstance(asked, str) else new_idempotency_key()
        overlap = begun.get("overlap_seconds") if asked and begun else overlap_seconds
        entry = self._entry(key, "asked", None) | {
            "idempotency_key": idempotency,
            "overlap_seconds": overlap,
        }
        self.journal.write(entry, self.origin, key.id)
        with self._undone_where_refused(key):
            made = self.gateway.keys.rotate(key.id, overlap, idempotency_key=idempotency)
        self.journal.remove(self.origin, key.id)
        if made.secret is None:
            until = made.previous_expires_at
            raise NexctlError(
                f"{key.name} was rotated, but its new secret was lost with the answer",
                hint=f"the old one works{f' until {until}' if until else ''}; rotate it again",
                code="secret_lost",
                details={"id": key.id, "old_ends_at": until},
            )
        return Rotated(made, made.secret, made.previous_expires_at)

    def _by_hand(self, key: Key, overlap_seconds: int) -> Rotated:
        due = _text(self._now() + overlap_seconds)
        self.journal.write(self._entry(key, "making", due), self.origin, key.id)
        with self._undone_where_refused(key):
            made: KeySecret = self.gateway.keys.create(_same_settings(key, self._now()))
        self.journal.write(
            self._entry(key, "waiting", due) | {"new_key_id": made.id}, self.origin, key.id
        )
        if made.secret is None:
            raise NexctlError(
                f"{made.name} was made, but its secret was lost with the answer",
                hint=f"'nexctl keys revoke {made.id}', then rotate again",
                code="secret_lost",
            )
        return Rotated(made, made.secret, due, finish=key.id)

    @contextmanager
    def _undone_where_refused(self, key: Key) -> Iterator[None]:
        """Forget a rotation that the gateway refused for what it asks: nothing was begun.

        Asked again under the same idempotency key a done one would have had its first answer. Who
        is refused for another reason, or not answered, asks again as before.
        """
        try:
            yield
        except Refused as error:
            if error.status in (400, 404, 422) or error.code == "state_conflict":
                self.journal.remove(self.origin, key.id)
            raise

    def _entry(self, key: Key, step: str, due: str | None) -> dict[str, Any]:
        return {
            "schema": 1,
            "origin": self.origin,
            "key_id": key.id,
            "name": key.name,
            "step": step,
            "begun_at": _text(self._now()),
            "due_at": due,
        }

    def _passed(self, due: str) -> bool:
        return _seconds(due) <= self._now()


def unfinished(journal: Journal, now: int) -> Iterator[Due]:
    """Every unfinished rotation in a journal, whatever its origin."""
    for entry in journal.entries():
        due = entry.get("due_at")
        step = str(entry.get("step"))
        late = isinstance(due, str) and _seconds(due) <= now
        yield Due(
            str(entry.get("origin")),
            str(entry.get("key_id")),
            str(entry.get("name")),
            due if isinstance(due, str) else None,
            step,
            late or step == "asked",
        )


def _same_settings(key: Key, now: int) -> KeyCreate:
    from nexctl.wire.keys import BudgetTerms, KeyCreate

    budget = None
    if key.budget is not None:
        window = "lifetime" if key.budget.window == "lifetime" else "month"
        budget = BudgetTerms(amount=key.budget.amount, window=window)  # type: ignore[arg-type]
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return KeyCreate(
        name=f"{key.name[:80]}-{stamp}",
        budget=budget,
        models=key.models,
        ip_allowlist=key.ip_allowlist,
        rpm=key.rpm,
        expires_at=key.expires_at,
        parent_id=key.parent_id,
        labels=key.labels or None,
    )


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    """A time of the journal; one that cannot be read is over, so that it is looked at."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return 0
