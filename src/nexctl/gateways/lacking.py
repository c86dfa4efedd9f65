"""What a gateway does not offer is said, never made up."""

from __future__ import annotations

from typing import NoReturn

from nexctl.errors import NexctlError

OFFERS = "'nexctl doctor' lists what it offers"


class Lacking(NexctlError):
    """The gateway has no such capability (exit 1)."""

    code = "not_offered"

    def __init__(self, gateway: str, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{gateway} does not offer {what}", hint=hint or OFFERS)
        self.details = {"gateway": gateway, "capability": what}


class Absent:
    """Stands where a gateway lacks a whole noun: any use of it is `Lacking`."""

    __slots__ = ("_gateway", "_what")

    def __init__(self, gateway: str, what: str) -> None:
        self._gateway = gateway
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Lacking(self._gateway, self._what)
