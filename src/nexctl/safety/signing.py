"""Standard Webhooks: signing what leaves, verifying what comes in.

The signature is HMAC-SHA256 over `id.timestamp.body`, base64, as `v1,...`; a header may carry
several, separated by blanks, while secrets are rotated. The window in time is not optional.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping

from nexctl.errors import EXIT_AUTH, NexctlError, UsageError

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SMALLEST_KEY, LARGEST_KEY = 24, 64
MOST_SIGNATURES = 32

_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)
# No dot: it separates the parts of what is signed, so one would let them shift.
_EVENT_ID = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)


class SignatureError(NexctlError):
    """An event is not what it says (exit 4). The text never tells which part nearly fitted."""

    code = "invalid_signature"
    exit = EXIT_AUTH


def new_secret() -> str:
    """A fresh secret in its written form, with 256 random bits."""
    return PREFIX + _base64(os.urandom(32))


def key_of(secret: str) -> bytes:
    """The key bytes of a secret as written: base64 after `whsec_` (which may be missing).

    UsageError for one that is no base64, or shorter than 24 or longer than 64 bytes.
    """
    text = secret.removeprefix(PREFIX)
    try:
        key = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not SMALLEST_KEY <= len(key) <= LARGEST_KEY:
        raise UsageError(
            "the webhook secret is not one",
            hint=f"it is {PREFIX} and the base64 of {SMALLEST_KEY} to {LARGEST_KEY} bytes",
            code="bad_webhook_secret",
        )
    return key


def sign(secrets: str | Iterable[str], event_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of an event: one `v1,...` for each secret, the newest first."""
    if not _EVENT_ID.fullmatch(event_id):
        raise UsageError(
            "an event's id is printable ASCII without a dot",
            hint="take the id that the webhook-id header carries",
            code="bad_event_id",
        )
    written = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not written:
        raise UsageError("no webhook secret to sign with", code="bad_webhook_secret")
    return " ".join(
        "v1," + _base64(_digest(key_of(secret), event_id, str(timestamp), body))
        for secret in written
    )


def headers(
    secrets: str | Iterable[str], event_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers that go with `body`, byte for byte as it is sent."""
    return {
        ID: event_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secrets, event_id, timestamp, body),
    }


def verify(
    secrets: str | Iterable[str],
    received: Mapping[str, str] | Iterable[tuple[str, str]],
    body: bytes,
    *,
    now: int,
    tolerance: int = TOLERANCE_SECONDS,
) -> str:
    """Return the event's id where one signature fits one secret and the time is near `now`.

    `received` are the headers as they came: a mapping, or pairs, in which a repeated header is
    refused. `now` is the wall clock in seconds. `body` is what came, before any parsing.
    Raises SignatureError otherwise. Whether the id was seen before is the caller's to ask.
    """
    if not 0 < tolerance <= 86_400:
        raise ValueError("the window must be between a second and a day")
    event_id, sent_at, offered = _three(received)
    if not _DIGITS.fullmatch(sent_at) or not _EVENT_ID.fullmatch(event_id):
        raise SignatureError("the webhook's headers are malformed")
    if abs(int(sent_at) - now) > tolerance:
        raise SignatureError(
            "the webhook is too old or from the future", hint="check the clocks on both sides"
        )
    tokens = offered.split(" ")
    if len(tokens) > MOST_SIGNATURES:
        raise SignatureError("the webhook carries too many signatures")
    candidates = [token[3:] for token in tokens if token.startswith("v1,")]
    written = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    fits = False
    for secret in written:
        wanted = _base64(_digest(key_of(secret), event_id, sent_at, body)).encode()
        for candidate in candidates:
            # Not short-circuited: the time does not tell which secret or signature fitted.
            fits |= hmac.compare_digest(wanted, candidate.encode("utf-8", "replace"))
    if not fits:
        raise SignatureError("no signature of the webhook fits", hint="check the webhook secret")
    return event_id


def _three(received: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[str, str, str]:
    pairs = received.items() if isinstance(received, Mapping) else received
    found: dict[str, str] = {}
    for name, value in pairs:
        lowered = name.lower()
        if lowered in (ID, TIMESTAMP, SIGNATURE):
            if lowered in found:
                raise SignatureError(f"the webhook has two {lowered} headers")
            found[lowered] = value
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not found.get(name)]
    if missing:
        raise SignatureError(f"the webhook lacks {', '.join(missing)}")
    return found[ID], found[TIMESTAMP], found[SIGNATURE]


def _digest(key: bytes, event_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode("ascii")
