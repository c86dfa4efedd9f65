"""Names for new rows: a prefix that says what it is, and 120 random bits or a digest's 160."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new(prefix: str, letters: int = 24) -> str:
    """Return `prefix_` and as many random letters (5 bits each, no look-alikes)."""
    return f"{prefix}_" + "".join(_LETTERS[byte & 31] for byte in os.urandom(letters))


def of(prefix: str, *parts: Any) -> str:
    """The name of a row that says these parts: where a hash keeps the name, it keeps them too."""
    import msgspec

    digest = hashlib.sha256(msgspec.json.encode(parts)).digest()
    return f"{prefix}_" + "".join(_LETTERS[byte & 31] for byte in digest)


def request() -> str:
    """A request id for a caller that named none: 48 bits of time (milliseconds), 64 random ones.

    Ids that follow each other are neighbours in the index, so a commit writes fewer pages.
    """
    return f"req_{time.time_ns() // 1_000_000:012x}{os.urandom(8).hex()}"
