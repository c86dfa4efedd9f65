"""Whether nexctl can work here: each check a rule over facts, with what to do where it says no.

Nothing here opens anything: the command line looks at the machine and asks the gateway, and hands
the facts over. A check that could not be made because an earlier one failed is skipped, not passed.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.account.journal import Journal
from nexctl.account.rotation import KIND, unfinished
from nexctl.errors import EXIT_AUTH, EXIT_CONFIG, EXIT_FAILURE, EXIT_NETWORK, NexctlError

if TYPE_CHECKING:
    from nexctl.safety.network import Certificate
    from nexctl.settings.secrets import Secret
    from nexctl.wire.me import Health, KeyFacts, Me

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"
STATUSES = (OK, WARN, FAIL, SKIP)

DAY = 86_400
# A webhook's signature is refused when it is five minutes off; half a minute is no accident.
CLOCK_SECONDS = 30
CERTIFICATE_DAYS = 14
KEY_DAYS = 7
LEAST_ROOM = 1_000_000  # bytes: a new gateway takes about as much


class Check(NamedTuple):
    """One check: its name, how it came out, what was seen, what to do about it.

    `code` and `exit` are set where it failed, as an error of that kind has them.
    """

    name: str
    status: str
    detail: str
    hint: str | None = None
    code: str | None = None
    exit: int = 0


def failed(name: str, error: NexctlError, *, exit: int | None = None) -> Check:
    """A check that ended in an error; `exit` where the error's own is not what it means here."""
    return Check(name, FAIL, error.message, error.hint, error.code, exit or error.exit)


def skipped(name: str, why: str) -> Check:
    """A check that was not made."""
    return Check(name, SKIP, why)


def worst(checks: Iterable[Check]) -> Check | None:
    """The failure to tell first: configuration before key before network before the rest.

    What is told first is what stands in the way of the others. None where nothing failed.
    """
    rank = {EXIT_CONFIG: 0, EXIT_AUTH: 1, EXIT_NETWORK: 2}
    fails = [check for check in checks if check.status == FAIL]
    return min(fails, key=lambda check: rank.get(check.exit, 3), default=None)


# -------------------------------------------------------------------- this machine


def stores(places: Sequence[str], kept: str) -> Check:
    """Whether what is private is open to nobody else, and whether more can be kept.

    places  folders and files that only their owner may read, those that exist; the first is the
            folder that everything is written below
    kept    where keys are kept, in words
    """
    if sys.platform == "win32":
        return Check("stores", OK, kept)
    for place in places:
        try:
            facts = os.lstat(place)
        except OSError:
            continue
        if facts.st_mode & 0o077 and not stat.S_ISLNK(facts.st_mode):
            mode = "700" if stat.S_ISDIR(facts.st_mode) else "600"
            return Check(
                "stores",
                FAIL,
                f"{place}: others may look into it",
                f"chmod {mode} '{place}'",
                "open_to_others",
                EXIT_CONFIG,
            )
    return _full(places[0]) or Check("stores", OK, kept)


def _full(folder: str) -> Check | None:
    """Why nothing can be written below a folder, made or not. Nothing is tried."""
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        hint = "make it writable, or name a folder of yours: NEXCTL_CONFIG_DIR=FOLDER"
        return Check("stores", WARN, f"{folder}: nothing can be written there", hint)
    disk = os.statvfs(folder)
    if disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < LEAST_ROOM:
        return Check("stores", WARN, f"{folder}: that disk is full", "make room on it")
    return None


def rotations(state_folder: str, now: int) -> Check:
    """Whether a key's rotation was begun and not finished. `now` in seconds since 1970."""
    found = list(unfinished(Journal(state_folder, KIND), now))
    late = [due for due in found if due.overdue]
    if late:
        names = ", ".join(sorted(due.name for due in late))
        first = late[0]
        act = (
            f"nexctl keys rotate --finish {first.key_id}"
            if first.step == "waiting"
            else f"nexctl keys rotate {first.key_id}"
        )
        return Check("rotations", WARN, f"overdue: {names}", act)
    if found:
        names = ", ".join(f"{due.name} due {due.due_at}" for due in found)
        return Check("rotations", OK, f"under way: {names}")
    return Check("rotations", OK, "none unfinished")


def own_clock(now: int, latest: str | None) -> Check:
    """This machine's clock without another one to hold it against.

    latest  the day of the newest price book here: the clock cannot be before it
    """
    today = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    if latest is not None and today < latest[:10]:
        return Check(
            "clock",
            WARN,
            f"this machine says {today}, before the price book of {latest[:10]} was made",
            "set the clock: expiry, budgets and prices go by it",
        )
    return Check("clock", OK, f"{today}, not compared")


# -------------------------------------------------------------------- the gateway


def clock(now: int, server_time: str) -> Check:
    """This machine's clock beside the gateway's. `now` in seconds since 1970."""
    try:
        off = now - int(datetime.fromisoformat(server_time).timestamp())
    except ValueError:
        return skipped("clock", "the gateway's time cannot be read")
    if abs(off) > CLOCK_SECONDS:
        way = "ahead of" if off > 0 else "behind"
        return Check(
            "clock",
            WARN,
            f"{abs(off)} s {way} the gateway's",
            "set this machine's clock (NTP): expiry and webhook signatures go by it",
        )
    return Check("clock", OK, f"within {CLOCK_SECONDS} s of the gateway's")


def certificate(found: Certificate, now: int) -> Check:
    """A certificate that is trusted, and how long it still holds."""
    days = (found.ends_at - now) // DAY
    ends = datetime.fromtimestamp(found.ends_at, UTC).strftime("%Y-%m-%d")
    said = f"{found.protocol}, certificate valid until {ends}"
    if days < CERTIFICATE_DAYS:
        return Check(
            "tls", WARN, f"{said}: {max(0, days)} days", "its operator has to renew the certificate"
        )
    return Check("tls", OK, said)


def key(secret: Secret, facts: Me, now: int, *, name: str = "key") -> Check:
    """A key that the gateway takes: what it may do, how long it lives, where it came from."""
    said = f"{_role(facts)}, from {secret.source}"
    ends = facts.key.expires_at
    left = _seconds_left(facts.key, now)
    if left is not None and left < KEY_DAYS * DAY:
        return Check(
            name,
            WARN,
            f"{said}; ends {ends}",
            f"nexctl keys rotate {facts.key.name or facts.key.id}",
        )
    return Check(name, OK, f"{said}; ends {ends}" if ends else said)


def _role(facts: Me) -> str:
    one = facts.key
    words = one.kind.replace("_", " ")
    role = f" ({one.role})" if one.role else ""
    named = f" named {one.name}" if one.name and one.name != one.role else ""
    of = f" of customer {facts.customer.name}" if facts.customer else ""
    return f"{words}{role}{named}{of}"


def _seconds_left(one: KeyFacts, now: int) -> int | None:
    if one.expires_at is None:
        return None
    try:
        return int(datetime.fromisoformat(one.expires_at).timestamp()) - now
    except ValueError:
        return None


def capabilities(facts: Me) -> Check:
    """What the gateway says that it offers this key."""
    if not facts.features:
        return Check("capabilities", OK, "the gateway names none; each command asks for its own")
    return Check("capabilities", OK, ", ".join(sorted(facts.features)))


def health(found: Health) -> Check:
    """What the gateway says of itself to its operator."""
    wrong = [
        f"{name}: {text}" for name, text in found.checks.items() if text not in ("ok", "none", "")
    ]
    said = "; ".join(wrong) or found.status
    if found.status == "failing":
        return Check(
            "health",
            FAIL,
            said,
            "nexctl gateway status, and nexctl admin providers list",
            "gateway_failing",
            EXIT_FAILURE,
        )
    if found.status != "ok":
        return Check("health", WARN, said, "nexctl gateway status")
    return Check("health", OK, said)


def fields(check: Check) -> dict[str, Any]:
    """A check as `-o json` shows it."""
    return check._asdict()
