"""Which driver speaks to which kind of gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import ConfigError
from nexctl.safety import http

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway

# What a profile may name -> the module that speaks it.
DRIVERS = {"nexctl": "nexctl", "embedded": "nexctl", "openai": "openai"}
# Those whose gateways know no operator.
UNOPERATED = frozenset(("openai",))


def open_gateway(
    driver: str | None, transport: http.Transport, key: http.Key | None, name: str, **more: Any
) -> Gateway:
    """The gateway behind a transport; `name` is what messages call it.

    `more` are the settings of `safety.http.Client` (seconds, debug, on_retry, ...). ConfigError
    (exit 78) for a driver that there is not.
    """
    if driver not in DRIVERS:
        raise ConfigError(
            f"there is no driver {driver!r}" if driver else "the profile names no driver",
            hint=f"drivers are {', '.join(sorted(DRIVERS))}",
            code="unknown_driver",
        )
    from importlib import import_module

    from nexctl.gateways.client import connect

    module = import_module(f"nexctl.gateways.{DRIVERS[driver]}")
    made: Gateway = module.made(connect(transport, key, name, **more), driver)
    return made


def network(base_url: str) -> http.Transport:
    """The transport to an address. ConfigError where no key may be sent there."""
    from nexctl.gateways.client import root_of
    from nexctl.safety.network import HttpTransport

    return HttpTransport(root_of(base_url))
