"""Which providers serve a model, in which order, and one try after the other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from nexctl.server.providers.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from nexctl.server.providers.port import Fault, Provider
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.providers import Provider as Row

T = TypeVar("T")

FRESH_SECONDS = 1.0  # not money: seconds
MOST_OWN = 200


class Line(Struct, frozen=True):
    """One provider for one model: what it calls the model, and the circuit in between."""

    provider: Provider
    model: str
    breaker: Breaker


class Try(NamedTuple):
    """One failed try: where, as which model, and the contract's code of what happened."""

    provider: str
    model: str
    code: str


class Switchboard:
    """The providers of one gateway, made from the ledger's rows and kept while those stay."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rows: list[Row] = []
        self._made: dict[str, tuple[Row, Provider]] = {}
        self._read_at = -FRESH_SECONDS
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._own: dict[tuple[str, bytes], tuple[Row, Provider]] = {}

    def forget(self) -> None:
        """Read the rows again with the next request, stored keys too."""
        self._read_at = -FRESH_SECONDS
        self._made.clear()

    def lines(self, model: str) -> list[Line]:
        """The providers of a model by priority; those whose circuit is open come last."""
        found: list[Line] = []
        resting: list[Line] = []
        for row in self.rows():
            if row.models is not None and model not in row.models:
                continue
            theirs = (row.models or {}).get(model, model)
            line = Line(self._provider(row), theirs, self.breaker(row.id, theirs))
            (found if line.breaker.offers() else resting).append(line)
        return found + resting

    def owned(self, model: str, keys: Mapping[str, bytes]) -> list[Row]:
        """The providers of a model for which a customer has a key of its own."""
        return [
            row
            for row in self.rows()
            if row.id in keys and (row.models is None or model in row.models)
        ]

    def own_lines(self, model: str, keys: Mapping[str, bytes]) -> list[Line]:
        """The lines of a model that carry the customer's own keys, and no other."""
        found = []
        for row in self.owned(model, keys):
            theirs = (row.models or {}).get(model, model)
            mark = (row.id, keys[row.id])
            made = self._own.get(mark)
            if made is None or made[0] != row:
                if len(self._own) >= MOST_OWN:
                    self._own.clear()
                made = self._own[mark] = (row, self._new(row, self._unsealed(keys[row.id])))
            found.append(Line(made[1], theirs, self.breaker(f"{row.id} own key", theirs)))
        return found

    def _unsealed(self, key: bytes) -> str:
        sealer = self._house.ledger.shared.sealer
        if sealer is None:
            raise Refuse("internal_error")
        return sealer.unseal(key).decode()

    def rows(self) -> list[Row]:
        """The providers in use, read from the ledger at most once a second."""
        now = time.monotonic()
        if now - self._read_at > FRESH_SECONDS:
            from nexctl.server.ledger import providers

            self._rows = [row for row in self._house.read(providers.listed) if row.enabled]
            self._read_at = now
        return self._rows

    def breaker(self, provider: str, model: str) -> Breaker:
        """The circuit of one provider's model."""
        found = self._breakers.get((provider, model))
        if found is None:
            found = self._breakers[provider, model] = Breaker()
        return found

    def health(self, provider: str) -> str | None:
        """How a provider does in this process: its worst circuit and the last minute's faults."""
        rows = [(m, b) for (p, m), b in self._breakers.items() if p == provider]
        if not rows:
            return None
        worst = min(rows, key=lambda row: (OPEN, HALF_OPEN, CLOSED).index(row[1].state))
        counts = [row[1].counts for row in rows]
        requests, faults = sum(c[0] for c in counts), sum(c[1] for c in counts)
        where = "" if worst[1].state == CLOSED else f" ({worst[0]})"
        return f"{worst[1].state}{where}, {faults} of {requests} failed in the last minute"

    async def first(
        self,
        lines: list[Line],
        attempt: Callable[[Line], Awaitable[T]],
        *,
        fallback: bool,
        failed: Callable[[Line, Fault], None] | None = None,
    ) -> tuple[Line, T]:
        """Try one line after the other until one answers; Refuse with the last fault's code."""
        fault = Fault("upstream_unavailable", "no provider serves it")
        for line in lines if fallback else lines[:1]:
            breaker = line.breaker
            if not breaker.is_closed:
                breaker.begin()
            try:
                found = await attempt(line)
            except Fault as error:
                fault = error
                self._failed(line, error)
                if failed is not None:
                    failed(line, error)
                if not error.elsewhere:
                    break
            except BaseException:
                breaker.end()
                raise
            else:
                breaker.succeeded()
                return line, found
        raise Refuse(fault.code)

    def _failed(self, line: Line, fault: Fault) -> None:
        if fault.elsewhere:
            line.breaker.failed()
        else:
            line.breaker.end()
        self._house.alarm(f"provider {line.provider.id}: {fault.code}: {fault.why}")

    def _provider(self, row: Row) -> Provider:
        made = self._made.get(row.id)
        if made is None or made[0] != row:
            made = self._made[row.id] = (row, self._new(row))
        return made[1]

    def _new(self, row: Row, own: str | None = None) -> Provider:
        """A provider with the operator's key, or with `own` instead."""
        if row.kind == "echo":
            from nexctl.server.providers.echo import Echo

            return Echo(row.id, row.options)
        from nexctl.server.providers.addresses import place_of
        from nexctl.server.providers.openai import OpenAI

        # What could be added may be called: the address was checked when it was typed, and each
        # address that its name resolves to is checked again when it is connected to.
        place = place_of(row.base_url or "", allow_private=row.allow_private, local=True)
        return OpenAI(
            row.id,
            place,
            self._key(row) if own is None else own,
            seconds=row.timeout_seconds,
            allow_private=row.allow_private,
        )

    def _key(self, row: Row) -> str | None:
        if row.key_env:
            key = self._house.options.environ.get(row.key_env)
            if not key:
                self._house.alarm(f"provider {row.id}: the variable {row.key_env} is not set")
            return key
        if not row.has_key:
            return None
        from nexctl.server.ledger import providers

        stored = self._house.read(providers.key_of, row.id)
        return stored.decode() if stored is not None else None

    async def close(self) -> None:
        """Let go of every provider's connections."""
        for _, provider in (*self._made.values(), *self._own.values()):
            await provider.close()
        self._made.clear()
        self._own.clear()
