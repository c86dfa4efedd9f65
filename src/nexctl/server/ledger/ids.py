"""Names for new rows: a prefix that says what it is, and 120 random bits."""

from __future__ import annotations

import os

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new(prefix: str, letters: int = 24) -> str:
    """Return `prefix_` and as many random letters (5 bits each, no look-alikes)."""
    return f"{prefix}_" + "".join(_LETTERS[byte & 31] for byte in os.urandom(letters))
