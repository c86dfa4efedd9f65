"""Sending what is due: events spread to who wants them, webhooks signed, e-mails written.

Work is leased in the ledger (`ledger.deliveries`), so any number of processes may do it at once.
A webhook goes to an address that was looked up once and checked, follows no redirect, and nothing
of its answer is kept but the status.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import httpcore
import msgspec

from nexctl._version import __version__
from nexctl.errors import NexctlError, UsageError
from nexctl.safety import signing
from nexctl.server.house import instant
from nexctl.server.ledger import alerts, deliveries, endpoints, events
from nexctl.server.ledger.deliveries import Delivery, Try
from nexctl.server.providers.addresses import Place, checked, place_of

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.events import Event
    from nexctl.server.ledger.port import Transaction

SECONDS = 10.0  # not money: seconds
THREADS = 8
MOST_ROUNDS = 50
ALERTS = ("budget.alert", "balance.low")
GONE = 410


class Done(NamedTuple):
    """What one pass did: events spread, deliveries that arrived, and those that did not."""

    spread: int
    delivered: int
    failed: int


class Outcome(NamedTuple):
    """What came of one try."""

    arrived: bool
    status: int | None
    error: str | None


def due(house: House, rounds: int = MOST_ROUNDS) -> Done:
    """Spread and send everything that is due now; what fails falls due again later."""
    spread = delivered = failed = 0
    if not house.read(deliveries.has_due):
        return Done(0, 0, 0)
    for _ in range(rounds):
        found = house.read(events.waiting)
        for event in found:
            spread += house.ledger.write(_spread, house, event)
        taken = house.ledger.write(deliveries.take)
        arrived = _together(house, taken)
        delivered += sum(arrived)
        failed += len(arrived) - sum(arrived)
        if not found and not taken:
            break
    return Done(spread, delivered, failed)


def _together(house: House, taken: list[Delivery]) -> list[bool]:
    """Send what was taken, some at a time: all of it within the lease, though some are slow."""
    if len(taken) < 2:
        return [send(house, delivery).arrived for delivery in taken]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        return [outcome.arrived for outcome in pool.map(lambda one: send(house, one), taken)]


def _spread(tx: Transaction, house: House, event: Event) -> int:
    """Make the deliveries of one event, in one process alone."""
    if not events.claim(tx, event.id):
        return 0
    targets = endpoints.listed(tx, None)
    mail = None
    if event.customer is not None:
        own, mail = _customers(tx, house, event)
        targets = [*targets, *own]
    for endpoint in targets:
        # What was before an endpoint was asked for is not for it.
        since = endpoint.created_at <= event.at
        if since and endpoint.state == "active" and events.fits(endpoint.kinds, event.kind):
            deliveries.add(tx, event.id, "webhook", endpoint.id)
    if mail is not None:
        deliveries.add(tx, event.id, "email", mail)
    return 1


def _customers(
    tx: Transaction, house: House, event: Event
) -> tuple[list[endpoints.Endpoint], str | None]:
    """The customer's own endpoints, and for an alert its e-mail address."""
    own = endpoints.listed(tx, event.customer)
    if event.kind not in ALERTS:
        return own, None
    wish = alerts.get(tx, str(event.customer))
    plan = house.plan_of(tx.value("SELECT plan FROM customers WHERE id=?", event.customer))
    offered = plan.features.get("spend_alerts", True) if plan is not None else True
    if not wish.webhooks or offered in (False, "email_only"):
        own = []
    return own, wish.email if offered is not False else None


def send(house: House, delivery: Delivery) -> Outcome:
    """Make one try of one delivery and write down what came of it."""
    started = time.monotonic_ns()
    event = house.read(events.get, delivery.event)
    gone = False
    if event is None:
        outcome = Outcome(False, None, "the event is gone")
    elif delivery.channel == "email":
        from nexctl.server.events import mail

        outcome = mail.send(house, delivery.target, event, delivery.id)
    else:
        outcome, gone = _webhook(house, delivery.target, event)
    took = (time.monotonic_ns() - started) // 1_000_000
    made = Try(house.now(), outcome.status, outcome.error, took)
    last = gone or event is None
    state = house.ledger.write(
        deliveries.ended, delivery.id, made, arrived=outcome.arrived, last=last
    )
    if gone:
        house.ledger.write(endpoints.put_state, delivery.target, "disabled")
    if state == "failed":
        house.alarm(f"{delivery.channel} delivery {delivery.id} is given up: {outcome.error}")
    return outcome


def body_of(event: Event) -> bytes:
    """What is sent and signed, byte for byte the same at every try."""
    return msgspec.json.encode(
        {
            "type": event.kind,
            "timestamp": instant(event.at),
            "customer_id": event.customer,
            "data": event.data,
        }
    )


def _webhook(house: House, target: str, event: Event) -> tuple[Outcome, bool]:
    endpoint = house.read(endpoints.get, target)
    if endpoint is None or endpoint.state != "active":
        return Outcome(False, None, "the endpoint is not active"), endpoint is None
    try:
        secret = house.read(endpoints.secret_of, target)
        place = checked_place(endpoint.url, allow_private=endpoint.allow_private)
    except NexctlError as error:
        return Outcome(False, None, error.code), False
    body = body_of(event)
    headers = signing.headers(secret, event.id, house.now() // 1_000_000, body)
    outcome = post(place, headers, body, allow_private=endpoint.allow_private)
    return outcome, outcome.status == GONE


def checked_place(url: str, *, allow_private: bool) -> Place:
    """An endpoint's address taken apart. UsageError where it may not be called."""
    try:
        return place_of(url, allow_private=allow_private, local=False)
    except UsageError as error:
        text = error.message.replace("the provider's address", "the endpoint's address")
        raise UsageError(text, hint=error.hint, code="bad_address") from None


def post(place: Place, headers: dict[str, str], body: bytes, *, allow_private: bool) -> Outcome:
    """POST once. Only 2xx is an arrival; a redirect is none, and the answer's body is not read."""
    host = place.host if place.port in (80, 443) else f"{place.host}:{place.port}"
    sent = {
        "host": host,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": f"nexctl/{__version__}",
        **headers,
    }
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
    try:
        with httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=_Checked(allow_private), max_connections=1
        ) as pool:
            request = httpcore.Request(
                "POST",
                httpcore.URL(
                    scheme=place.scheme, host=place.host, port=place.port, target=place.base or "/"
                ),
                headers=list(sent.items()),
                content=body,
                extensions={"timeout": timeout},
            )
            response = pool.handle_request(request)
            response.close()
    except _FAULTS as error:
        return Outcome(False, None, type(error).__name__)
    status = response.status
    return Outcome(200 <= status < 300, status, None if 200 <= status < 300 else "status")


_FAULTS: tuple[type[Exception], ...] = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
    TimeoutError,
    OSError,
)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Checked(httpcore.NetworkBackend):
    """Looks a name up once, checks every address, connects to one that was checked."""

    def __init__(self, allow_private: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # not money: seconds
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to what a host resolves to, if all of that may be called."""
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = checked(
                list(dict.fromkeys(str(row[4][0]) for row in rows)), self._allow_private
            )
        except OSError as error:
            raise httpcore.ConnectError(type(error).__name__) from None
        fault: Exception = httpcore.ConnectError("no address")
        for address in found[:4]:
            try:
                return self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # not money: seconds
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Never over a file."""
        raise httpcore.ConnectError("not over a file")


__all__ = ["ALERTS", "Done", "Outcome", "body_of", "checked_place", "due", "post", "send"]
