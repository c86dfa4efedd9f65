"""Sealing of secrets that must be read back, with a master key that is not in the database.

The standard library has no cipher, and a base install shall need none: the key stream is
HMAC-SHA256 in counter mode under a random nonce, and a second key authenticates nonce and text
(encrypt, then MAC; both keys derived from the master key). That seals short secrets. Pieces of
files take their key stream from SHAKE-256 over a key of its own and the nonce, which is fast enough
for them, and their tag covers the place where they belong, so that none can stand in for another.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from nexctl.errors import NexctlError

KEY_BYTES = 32
NONCE_BYTES = 16
TAG_BYTES = 32
MOST_BYTES = 64 * 1024
MOST_PIECE = 64 * 1024 * 1024
VERSION, PIECE_VERSION = b"\x01", b"\x02"


class SealBroken(NexctlError):
    """What was sealed does not open: another key sealed it, or it was changed (exit 1)."""

    code = "seal_broken"


class MasterKey:
    """Seals and unseals. Never shown."""

    __slots__ = ("_cipher", "_mac", "_piece_cipher", "_piece_mac")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._cipher = hmac.digest(key, b"nexctl seal cipher 1", "sha256")
        self._mac = hmac.digest(key, b"nexctl seal mac 1", "sha256")
        self._piece_cipher = hmac.digest(key, b"nexctl seal piece cipher 1", "sha256")
        self._piece_mac = hmac.digest(key, b"nexctl seal piece mac 1", "sha256")

    def __repr__(self) -> str:
        return "<MasterKey>"

    def seal(self, plain: bytes) -> bytes:
        """Version, nonce, text, tag."""
        if len(plain) > MOST_BYTES:
            raise ValueError("too long to seal")
        nonce = os.urandom(NONCE_BYTES)
        head = VERSION + nonce + self._stream(nonce, plain)
        return head + hmac.digest(self._mac, head, "sha256")

    def unseal(self, sealed: bytes) -> bytes:
        """The text. SealBroken where the tag does not fit."""
        head, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        if not hmac.compare_digest(hmac.digest(self._mac, head, "sha256"), tag) or (
            head[:1] != VERSION
        ):
            raise SealBroken(
                "a stored secret cannot be opened",
                hint="it was sealed with another master key: restore that key, or set it anew",
            )
        nonce = head[1 : 1 + NONCE_BYTES]
        return self._stream(nonce, head[1 + NONCE_BYTES :])

    def _stream(self, nonce: bytes, text: bytes) -> bytes:
        blocks = -(-len(text) // hashlib.sha256().digest_size)
        stream = b"".join(
            hmac.digest(self._cipher, nonce + number.to_bytes(4, "big"), "sha256")
            for number in range(blocks)
        )
        return bytes(a ^ b for a, b in zip(text, stream, strict=False))

    def seal_piece(self, plain: bytes, place: str) -> bytes:
        """Seal a piece of a file. `place` says where it belongs and is needed to open it."""
        if len(plain) > MOST_PIECE:
            raise ValueError("too long for one piece")
        nonce = os.urandom(NONCE_BYTES)
        head = PIECE_VERSION + nonce + self._crossed(nonce, plain)
        return head + self._piece_tag(head, place)

    def unseal_piece(self, sealed: bytes, place: str) -> bytes:
        """The piece that was sealed for this place. SealBroken where it was not."""
        head, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        if not hmac.compare_digest(self._piece_tag(head, place), tag) or (
            head[:1] != PIECE_VERSION
        ):
            raise SealBroken(
                "a stored file cannot be opened",
                hint="it was sealed with another master key: restore that key",
            )
        return self._crossed(head[1 : 1 + NONCE_BYTES], head[1 + NONCE_BYTES :])

    def _piece_tag(self, head: bytes, place: str) -> bytes:
        name = place.encode()
        return hmac.digest(self._piece_mac, b"%d:%s" % (len(name), name) + head, "sha256")

    def _crossed(self, nonce: bytes, text: bytes) -> bytes:
        size = len(text)
        stream = hashlib.shake_256(self._piece_cipher + nonce).digest(size)
        crossed = int.from_bytes(text, "little") ^ int.from_bytes(stream, "little")
        return crossed.to_bytes(size, "little")
