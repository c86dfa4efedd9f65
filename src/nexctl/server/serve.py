"""`nexctl gateway serve`: the application on a socket, with uvicorn.

Loopback by default. Another address needs TLS or a proxy that is named, and the host names that are
served; play money is never served beyond this machine.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import ConfigError, NexctlError, UsageError
from nexctl.server import bootstrap, connections
from nexctl.server.house import LOOPBACK, House, Options
from nexctl.settings.profiles import is_loopback

if TYPE_CHECKING:
    from nexctl.server.bootstrap import Secrets

PORT = 8787
BACKLOG = 1024
# Open calls, streams included: each keeps some memory and a place in the ledger's queue.
MOST_CALLS = 2000
# A keep-alive connection may be idle longer than the clients' own limits, so that it is they who
# close it; what is slow inside a request has deadlines of its own.
IDLE_SECONDS = 75
GRACE_SECONDS = 30
GC_THRESHOLDS = (20_000, 20, 50)
# What a paid call loads late: where no file can be opened any more, its hold would stay behind.
LATE = (
    "costs.recording",
    "inference.rulebook",
    "inference.semantic",
    "inference.streaming",
    "ledger.together",
    "providers.echo",
    "providers.openai",
)


class Terms(NamedTuple):
    """Where and how to serve. `tls_cert` and `tls_key` are PEM files, `behind_proxy` CIDRs."""

    host: str = "127.0.0.1"
    port: int = PORT
    tls_cert: str | None = None
    tls_key: str | None = None
    behind_proxy: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    most_calls: int = MOST_CALLS


class PortTaken(NexctlError):
    """Somebody else listens there (exit 1)."""

    code = "port_taken"


def options_of(terms: Terms, environ: Mapping[str, str] = os.environ) -> Options:
    """How the gateway is to run by these terms. UsageError where they would expose it."""
    local = is_loopback(terms.host)
    for network in terms.behind_proxy:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise UsageError(
                f"--behind-proxy: {network!r} is not an address or a network",
                hint="write the proxy's address, such as 10.0.0.5 or 10.0.0.0/24",
            ) from None
    if not local and not terms.tls_cert and not terms.behind_proxy:
        raise UsageError(
            f"serving on {terms.host} would send keys over the network unprotected",
            hint="give --tls-cert, or --behind-proxy CIDR where a proxy speaks TLS",
            code="unprotected",
        )
    if not local and not terms.allowed_hosts:
        raise UsageError(
            f"serving on {terms.host} needs the names that callers use",
            hint="name them: --allowed-host gateway.example.com",
            code="unprotected",
        )
    scheme = "https" if terms.tls_cert or terms.behind_proxy else "http"
    shown = f"[{terms.host}]" if ":" in terms.host else terms.host
    base = f"{scheme}://{shown}:{terms.port}"
    if terms.behind_proxy and terms.allowed_hosts:
        base = f"https://{terms.allowed_hosts[0]}"
    elif not local:
        base = f"{scheme}://{terms.allowed_hosts[0]}:{terms.port}"
    return Options(
        served=True,
        hosts=frozenset(name.lower() for name in terms.allowed_hosts)
        | (LOOPBACK if local else set()),
        base_url=base,
        loopback=local and not terms.behind_proxy,
        proxies=terms.behind_proxy,
        environ=environ,
        most_calls=terms.most_calls,
    )


def serve(
    place: str,
    secrets: Secrets,
    terms: Terms,
    *,
    ready: Callable[[str], object] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Serve until a signal ends it. `ready(url)` is called when calls are answered.

    UsageError for terms that would expose keys, PortTaken, ConfigError where there is no gateway
    or play money would be served beyond this machine.
    """
    options = options_of(terms, environ)
    listening = _listen(terms)
    port = listening.getsockname()[1]
    if port != terms.port and options.base_url:
        options = options._replace(base_url=options.base_url.replace(f":{terms.port}", f":{port}"))

    def open_house() -> House:
        house = bootstrap.open_house(place, secrets, options)
        if house.facts.get("payments") == "sandbox" and not options.loopback:
            house.ledger.close()
            raise ConfigError(
                "this gateway takes play money, so only this machine may reach it",
                hint="make another gateway with --payments manual to serve others",
            )
        return house

    try:
        _run(open_house, listening, terms, lambda: ready(str(options.base_url)) if ready else None)
    finally:
        listening.close()


def how(terms: Terms) -> dict[str, Any]:
    """What uvicorn is told. Forwarded addresses are ours to believe or not, never its."""
    config: dict[str, Any] = {
        "lifespan": "on",
        "http": connections.protocol(),
        "ws": "none",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "backlog": BACKLOG,
    }
    if terms.tls_cert:
        config["ssl_certfile"] = terms.tls_cert
        config["ssl_keyfile"] = terms.tls_key
    return config


def _listen(terms: Terms) -> socket.socket:
    family = socket.AF_INET6 if ":" in terms.host else socket.AF_INET
    host = "127.0.0.1" if terms.host == "localhost" else terms.host
    try:
        return socket.create_server((host, terms.port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]  # what follows says it again
        raise PortTaken(
            f"{terms.host}:{terms.port} cannot be listened on: {why}",
            hint="choose another --port, or end what listens there",
        ) from None


def _run(
    open_house: Callable[[], House],
    listening: socket.socket,
    terms: Terms,
    ready: Callable[[], object],
) -> None:
    import gc
    from importlib import import_module

    import uvicorn

    from nexctl.server.app import Gateway
    from nexctl.server.upkeep import Upkeep

    app = Gateway(open_house)
    # Opened before the server is, so that what is wrong is told as an error, not as a log.
    house = app.house
    upkeep = Upkeep(house)
    for name in LATE:
        import_module(f"nexctl.server.{name}")

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                upkeep.start()
                # What is there now stays; requests make short-lived objects by the thousand.
                gc.freeze()
                gc.set_threshold(*GC_THRESHOLDS)
                ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await upkeep.stop()
            await super().shutdown(sockets)

    server = Server(uvicorn.Config(app, **how(terms)))

    def alone() -> bool:
        """Requests that have come but not begun are tasks too, so nobody is alone among many."""
        return len(server.server_state.tasks) <= 1 and house.crew.is_idle

    house.ledger.alone(alone)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        app.close()
