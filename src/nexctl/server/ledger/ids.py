"""Names for new rows: a prefix that says what it is, and 120 random bits."""

from __future__ import annotations

import os
import time

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new(prefix: str, letters: int = 24) -> str:
    """Return `prefix_` and as many random letters (5 bits each, no look-alikes)."""
    return f"{prefix}_" + "".join(_LETTERS[byte & 31] for byte in os.urandom(letters))


def request() -> str:
    """A request id for a caller that named none: 48 bits of time (milliseconds), 64 random ones.

    Ids that follow each other are neighbours in the index, so a commit writes fewer pages.
    """
    return f"req_{time.time_ns() // 1_000_000:012x}{os.urandom(8).hex()}"
