"""Which providers serve a model, in which order, and one try after the other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from nexctl.server.providers.port import Fault, Provider
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.providers import Provider as Row

T = TypeVar("T")

FRESH_SECONDS = 1.0  # not money: seconds
RESTING_SECONDS = 5.0  # not money: seconds
FAULTS_TO_REST = 3


class Line(NamedTuple):
    """One provider for one model: what it calls the model."""

    provider: Provider
    model: str


class Switchboard:
    """The providers of one gateway, made from the ledger's rows and kept while those stay."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rows: list[Row] = []
        self._made: dict[str, tuple[Row, Provider]] = {}
        self._read_at = -FRESH_SECONDS
        self._faults: dict[str, tuple[int, float]] = {}  # not money: seconds

    def forget(self) -> None:
        """Read the rows again with the next request, stored keys too."""
        self._read_at = -FRESH_SECONDS
        self._made.clear()

    def lines(self, model: str) -> list[Line]:
        """The providers of a model by priority; those that keep failing come last."""
        now = time.monotonic()
        if now - self._read_at > FRESH_SECONDS:
            from nexctl.server.ledger import providers

            self._rows = [row for row in self._house.read(providers.listed) if row.enabled]
            self._read_at = now
        found: list[Line] = []
        resting: list[Line] = []
        for row in self._rows:
            if row.models is not None and model not in row.models:
                continue
            line = Line(self._provider(row), (row.models or {}).get(model, model))
            count, since = self._faults.get(row.id, (0, 0.0))  # not money: seconds
            rests = count >= FAULTS_TO_REST and now - since < RESTING_SECONDS
            (resting if rests else found).append(line)
        return found + resting

    async def first(
        self, lines: list[Line], attempt: Callable[[Line], Awaitable[T]], *, fallback: bool
    ) -> tuple[Line, T]:
        """Try one line after the other until one answers; Refuse with the last fault's code."""
        fault = Fault("upstream_unavailable", "no provider serves it")
        for line in lines if fallback else lines[:1]:
            try:
                found = await attempt(line)
            except Fault as error:
                fault = error
                self._failed(line.provider.id, error)
                if not error.elsewhere:
                    break
            else:
                self._faults.pop(line.provider.id, None)
                return line, found
        raise Refuse(fault.code)

    def _failed(self, provider: str, fault: Fault) -> None:
        if fault.elsewhere:
            count = self._faults.get(provider, (0, 0.0))[0]  # not money: seconds
            self._faults[provider] = (count + 1, time.monotonic())
        self._house.alarm(f"provider {provider}: {fault.code}: {fault.why}")

    def _provider(self, row: Row) -> Provider:
        made = self._made.get(row.id)
        if made is None or made[0] != row:
            made = self._made[row.id] = (row, self._new(row))
        return made[1]

    def _new(self, row: Row) -> Provider:
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
            self._key(row),
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
        for _, provider in self._made.values():
            await provider.close()
        self._made.clear()
