"""Rules that people set: the operator's routes and models, a customer's own routing rules.

They are read from the ledger at most once a second by each process, and at once after a change
that this process made.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.server.ledger import settings

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction

FRESH_SECONDS = 1.0  # not money: seconds
ROUTES, MODELS = "routes", "models"
MOST_KEPT = 10_000


class Route(NamedTuple):
    """An operator's route: a name that requests use, and the models tried for it in order."""

    name: str
    models: tuple[str, ...]
    fallback: bool


class Rule(NamedTuple):
    """One rule of a customer: where `when` holds, the models of `use` in order."""

    name: str
    when: dict[str, Any]
    use: tuple[str, ...]


class Own(NamedTuple):
    """What a customer has set: rules in order, and whether answers may be kept and used again."""

    rules: tuple[Rule, ...] = ()
    semantic_cache: bool = True


_NOTHING = Own()


class Operated(NamedTuple):
    """What the operator has set: routes by name, names beside the book's, models not served."""

    routes: dict[str, Route]
    aliases: dict[str, str]
    off: frozenset[str]


def setting_of(customer: str) -> str:
    """The name under which a customer's rules are kept."""
    return f"routing:{customer}"


def operated(routes: Any, models: Any) -> Operated:
    """The operator's rules from their kept form."""
    kept = {
        name: Route(name, tuple(row["models"]), bool(row["fallback"]))
        for name, row in (routes or {}).items()
    }
    rows: dict[str, Any] = models or {}
    aliases = {
        alias.lower(): name for name, row in rows.items() for alias in row.get("aliases", ())
    }
    off = frozenset(name for name, row in rows.items() if not row.get("enabled", True))
    return Operated(kept, aliases, off)


def own(kept: Any) -> Own:
    """A customer's rules from their kept form."""
    if kept is None:
        return _NOTHING
    rules = tuple(Rule(r["name"], r["when"], tuple(r["use"])) for r in kept.get("rules", ()))
    return Own(rules, bool(kept.get("semantic_cache", True)))


class Rulebook:
    """The rules of one gateway as this process knows them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._operated = Operated({}, {}, frozenset())
        self._read_at = -FRESH_SECONDS
        self._own: dict[str, tuple[float, Own]] = {}  # not money: seconds

    def forget(self) -> None:
        """Read everything again with the next request."""
        self._read_at = -FRESH_SECONDS
        self._own.clear()

    @property
    def known(self) -> Operated:
        """The operator's rules as they were last read: safe inside a transaction."""
        return self._operated

    @property
    def operated(self) -> Operated:
        """The operator's rules. Not for who is in a transaction: it may have to read them."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._house.read(self.see)
        return self._operated

    def see(self, tx: Transaction) -> Operated:
        """The operator's rules, read now: for who is in a transaction already."""
        self._operated = operated(settings.get(tx, ROUTES), settings.get(tx, MODELS))
        self._read_at = time.monotonic()
        return self._operated

    def own(self, customer: str) -> Own:
        """A customer's rules."""
        now = time.monotonic()
        found = self._own.get(customer)
        if found is None or now - found[0] > FRESH_SECONDS:
            if len(self._own) >= MOST_KEPT:
                self._own.clear()
            kept = self._house.read(settings.get, setting_of(customer))
            found = self._own[customer] = (now, own(kept))
        return found[1]
