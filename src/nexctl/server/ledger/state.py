"""What one process knows beside its connection: who it is, its keys, what it has already stored."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from nexctl.server.ledger.life import Life

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexctl.server.ledger.costs import Costing
    from nexctl.server.ledger.tiers import Tiering


class Sealer(Protocol):
    """Encrypts what must be read back, with a key that is not in the database."""

    def seal(self, plain: bytes) -> bytes:
        """Encrypt."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt; raises where it was made with another key."""
        ...

    def fingerprint(self, text: bytes) -> bytes:
        """A keyed hash to find equal texts by."""
        ...


class Shared:
    """One per opened ledger. `owner` is this process and a random epoch; `lease` is how long its
    heartbeat is good for, in microseconds. Whoever runs the gateway hands in the book's rules:
    `tiering` and `costing` for each debit, `papers` to be called with (transaction, what, subject)
    in the transaction that credits, refunds or charges a fee.
    """

    __slots__ = (
        "_late",
        "_made",
        "_making",
        "anchor_key",
        "beaten_at",
        "lease",
        "life",
        "owner",
        "papers",
        "plan_budgets",
        "process",
        "sealer",
        "snapshots",
    )

    def __init__(
        self, *, anchor_key: bytes | None, sealer: Sealer | None, lease: int, life: Life
    ) -> None:
        if anchor_key is not None and len(anchor_key) > 64:
            anchor_key = hashlib.sha256(anchor_key).digest()
        self.life = life
        # Budgets that come with a plan of the book in force, as arguments of `budgets.put`.
        self.plan_budgets: Callable[[str | None], list[dict[str, Any]]] | None = None
        self.anchor_key, self.sealer, self.lease = anchor_key, sealer, lease
        self.process = f"{_host()}:{os.getpid()}"
        self.owner = ""
        self.beaten_at: int | None = None  # by the steady clock
        self.snapshots: set[str] = set()
        self._late: dict[str, Callable[[], Any]] = {}
        self._made: dict[str, Any] = {}
        self._making = threading.RLock()
        self.papers: Callable[[Any, str, Any], None] | None = None
        self.fresh_owner()

    def late(self, name: str, make: Callable[[], Any]) -> None:
        """Have "tiering" or "costing" made when first needed: most commands charge nothing."""
        self._late[name] = make

    def _known(self, name: str) -> Any:
        if name in self._late:
            with self._making:
                make = self._late.get(name)
                if make is not None:
                    self._made[name] = make()
                    if self._late.get(name) is make:  # no other came meanwhile
                        del self._late[name]
        return self._made.get(name)

    @property
    def tiering(self) -> Tiering | None:
        """The billing tiers of the book in force, None without any."""
        found: Tiering | None = self._known("tiering")
        return found

    @tiering.setter
    def tiering(self, rules: Tiering | None) -> None:
        self._late.pop("tiering", None)
        self._made["tiering"] = rules

    @property
    def costing(self) -> Costing | None:
        """How a request's cost to the operator is found, None where nobody asks."""
        found: Costing | None = self._known("costing")
        return found

    def fresh_owner(self) -> None:
        """Become a new owner: a new random epoch, not in the database yet."""
        self.owner = os.urandom(12).hex()
        self.beaten_at = None

    def mac(self, wallet: str, seq: int, head: bytes) -> bytes:
        """Keyed proof of a chain's head; empty without a key."""
        if self.anchor_key is None:
            return b""
        return hashlib.blake2b(
            b"%s\n%d\n%s" % (wallet.encode(), seq, head), key=self.anchor_key, digest_size=32
        ).digest()

    def mac_1(self, wallet: str, seq: int, head: bytes) -> bytes:
        """The same proof as schema 1 made it."""
        if self.anchor_key is None:
            return b""
        return hmac.digest(self.anchor_key, b"%s\n%d\n%s" % (wallet.encode(), seq, head), "sha256")


def _host() -> str:
    """This machine's name."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()
