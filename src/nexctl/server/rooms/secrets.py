"""New secrets: random, spelled by their kind, kept as a hash. They are answered once."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from nexctl.server.ledger import ids

SPELLINGS = {
    "key": "nxt_sk",
    "sub_key": "nxt_sub",
    "management_key": "nxt_mk",
    "operator": "nxt_op",
}
SHOWN = 5


class NewSecret(NamedTuple):
    """A secret with what is kept of it."""

    value: str
    hash: bytes
    prefix: str


def new(kind: str) -> NewSecret:
    """A secret with 200 random bits."""
    value = ids.new(SPELLINGS[kind], 40)
    return NewSecret(value, hash_of(value), value[: len(SPELLINGS[kind]) + 1 + SHOWN])


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()
