"""The transport over the network: one origin, a real deadline, nothing followed, nothing kept.

It stands on httpcore, which httpx stands on too: httpx's client keeps cookies, and its time-outs
bound each read, so that a server which drips one byte a second passes them for ever. Here every
socket read asks how much of the call's total time is left.
Import this module only when a call really goes out: it costs three times an interpreter's start.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpcore

from nexctl.errors import ConfigError
from nexctl.safety import redaction
from nexctl.safety.http import (
    CONNECT_SECONDS,
    LONGEST_STREAM_SECONDS,
    Call,
    NetworkError,
    Reply,
    late,
    too_large,
)

LOOPBACK_NAME = "localhost"


class HttpTransport:
    """Carries calls to the origin of `base_url`; its path, if any, goes before every target.

    ConfigError for an address that no key may be sent to: https anywhere, http to loopback only,
    no user, query or fragment. Proxies of the environment are used, never for loopback. May be
    shared by threads.
    """

    def __init__(self, base_url: str, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        parts, host, port = _checked(base_url)
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"{parts.scheme}://{shown}:{port}"
        written = shown if shown.isascii() else shown.encode("idna").decode("ascii")
        # Brackets belong to what is written, not to what is connected to.
        self._address = (parts.scheme, written.strip("[]"), port)
        self._host = written if parts.port is None else f"{written}:{port}"
        self._base = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        self._connect_seconds = connect_seconds
        self._clock = _Clock()
        self._pool = _pool(parts.scheme, host, self._clock)
        for name in ("httpcore.connection", "httpcore.http11", "httpcore.proxy"):
            _redact_log(name)

    def __repr__(self) -> str:
        return f"<HttpTransport to {self.origin}>"

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def send(self, call: Call, deadline: float) -> Reply:
        """Make one try; see `http.Transport`."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise late(self.origin, sent=False)
        self._clock.until = deadline
        with self._translated(sent_at_all=False):
            response = self._pool.handle_request(self._request(call, left))
        headers = {
            name.decode("ascii").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        coding = headers.get("content-encoding", "identity").lower()
        if coding not in ("", "identity"):
            response.close()
            raise NetworkError(
                f"{self.origin} answered compressed ({coding[:20]}), which was not asked for",
                code="bad_coding",
                hint="check that the address is a gateway's",
            )
        idle = left if call.stream and response.status < 400 else None
        pieces = self._pieces(response, call.limit, deadline, idle)
        return Reply(response.status, headers, pieces, response.close)

    def _request(self, call: Call, left: float) -> httpcore.Request:
        scheme, host, port = self._address
        headers = {"host": self._host, **call.headers}
        if call.size or call.method not in ("GET", "HEAD"):
            headers["content-length"] = str(call.size)
        return httpcore.Request(
            call.method,
            httpcore.URL(scheme=scheme, host=host, port=port, target=self._base + call.target),
            headers=list(headers.items()),
            content=call.upload.pieces() if call.upload is not None else call.body or None,
            extensions={
                "timeout": {
                    "connect": min(left, self._connect_seconds),
                    "read": left,
                    "write": left,
                    "pool": left,
                }
            },
        )

    def _pieces(
        self, response: httpcore.Response, limit: int, deadline: float, idle: float | None
    ) -> Iterator[bytes]:
        size = 0
        end = time.monotonic() + LONGEST_STREAM_SECONDS
        raw = iter(response.iter_stream())
        while True:
            # For each piece anew: the pool is shared, and another thread may read this one.
            self._clock.until = deadline if idle is None else min(end, time.monotonic() + idle)
            with self._translated(sent_at_all=True):
                piece = next(raw, None)
            if piece is None:
                return
            size += len(piece)
            if size > limit:
                response.close()
                raise too_large(limit)
            yield piece

    @contextlib.contextmanager
    def _translated(self, *, sent_at_all: bool) -> Iterator[None]:
        """Errors of the library as ours. They are not chained: they hold the request's headers."""
        try:
            yield
        except (httpcore.ConnectTimeout, httpcore.PoolTimeout):
            raise late(self.origin, sent=False) from None
        except httpcore.TimeoutException:
            raise late(self.origin, sent=True) from None
        except (httpcore.ConnectError, httpcore.ProxyError) as error:
            raise _unreachable(self.origin, str(error)) from None
        except (httpcore.NetworkError, OSError) as error:
            reason = redaction.redact(str(error) or type(error).__name__)
            raise NetworkError(
                f"the connection to {self.origin} was lost: {reason}",
                hint="try again later",
                code="connection_lost",
            ) from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            broken = sent_at_all or "without sending" in str(error)
            raise NetworkError(
                f"{self.origin} broke off its answer"
                if broken
                else f"{self.origin} does not answer as a gateway does",
                hint="try again later" if broken else "check the address of the profile",
                code="connection_lost" if broken else "bad_answer",
            ) from None


class _Clock(threading.local):
    """When the call of this thread must be over (time.monotonic())."""

    until: float = 0.0

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """The seconds that a socket may still take; `late` is raised where none are left."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise late("deadline")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A socket whose every read and write ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens sockets that know the deadline."""

    def __init__(self, clock: _Clock) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        opened = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(opened, self._clock)


class Certificate(NamedTuple):
    """The certificate that an origin showed, already found good. `ends_at`: seconds since 1970."""

    protocol: str
    ends_at: int


def certificate_of(base_url: str, seconds: float) -> Certificate | None:  # not money: seconds
    """Shake hands with an https origin, send nothing, and tell what it showed.

    None for http and where the environment's proxy stands between. NetworkError as for a call.
    """
    import socket
    import ssl

    parts, host, port = _checked(base_url)
    if parts.scheme != "https" or (not is_loopback(host) and _proxy("https", host)):
        return None
    origin = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        with (
            socket.create_connection((host, port), seconds) as plain,
            _trusting().wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert() or {}
            return Certificate(
                (secure.version() or "TLS").replace("TLSv", "TLS "),
                int(ssl.cert_time_to_seconds(str(shown["notAfter"]))),
            )
    except TimeoutError:
        raise late(origin, sent=False) from None
    except ssl.SSLError as error:
        raise _unreachable(origin, f"TLS: {error}") from None
    except OSError as error:
        raise _unreachable(origin, str(error)) from None


def _pool(scheme: str, host: str, clock: _Clock) -> httpcore.ConnectionPool:
    """Connections for one origin, through the environment's proxy where it names one."""
    context = _trusting() if scheme == "https" else _no_tls()
    proxy = None if is_loopback(host) else _proxy(scheme, host)
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=_Backend(clock))
    parts = urlsplit(proxy)
    user = (parts.username or "", parts.password or "")
    return httpcore.HTTPProxy(
        proxy_url=httpcore.URL(
            scheme=parts.scheme or "http",
            host=parts.hostname or "",
            port=parts.port,
            target="/",
        ),
        proxy_auth=user if any(user) else None,
        ssl_context=context,
        network_backend=_Backend(clock),
    )


def _trusting() -> Any:
    """TLS 1.2 and later, certificates checked against certifi's list or SSL_CERT_FILE / _DIR."""
    import os
    import ssl

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    except OSError as error:
        raise ConfigError(
            f"the certificates to trust cannot be read: {error.strerror or error}",
            hint="SSL_CERT_FILE names a PEM file, SSL_CERT_DIR a folder of them",
            code="certificates",
        ) from None


def _no_tls() -> Any:
    """A context for http, where loading certificates would be lost time; it trusts nobody."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(scheme: str, host: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    found = getproxies()
    address = found.get(scheme) or found.get("all")
    if not address or proxy_bypass(host):
        return None
    address = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not usable:
        raise ConfigError(
            "the proxy of the environment is no address of an http or https proxy",
            hint="set HTTPS_PROXY to an http proxy, or NO_PROXY for this host",
            code="proxy",
        )
    return address


def _checked(base_url: str) -> tuple[Any, str, int]:
    """The parts of an address, its host and port; ConfigError where no key may go there."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _bad_address("it is not an address") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise _bad_address("it must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise _bad_address("it must not hold a user name or password")
    if parts.query or parts.fragment:
        raise _bad_address("it must not hold a query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise _bad_address("http goes to this machine only")
    return parts, host, port


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its spelling; nothing is looked up."""
    if host == LOOPBACK_NAME:
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bad_address(why: str) -> ConfigError:
    return ConfigError(f"the gateway's address cannot be used: {why}", hint="use https")


def _reason(why: str) -> str:
    """A system's words for a failed connection, without its error number."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", redaction.redact(why)) or "no connection"
    if text in ("Name or service not known", "nodename nor servname provided, or not known"):
        return "there is no such host name"
    if text == "Temporary failure in name resolution":
        return "host names cannot be looked up now"
    return text[:1].lower() + text[1:]


def _unreachable(origin: str, why: str) -> NetworkError:
    if "WRONG_VERSION_NUMBER" in why or "RECORD_LAYER_FAILURE" in why:
        return NetworkError(
            f"{origin}: what answers there does not speak TLS",
            hint="check the port; a gateway on this machine may be at http://",
            code="tls",
            sent=False,
        )
    if "CERTIFICATE_VERIFY_FAILED" in why or "SSL" in why or "TLS" in why:
        return NetworkError(
            f"{origin}: its certificate or TLS cannot be trusted: {redaction.redact(why)}",
            hint="check the address; SSL_CERT_FILE names further certificates to trust",
            code="tls",
            sent=False,
        )
    return NetworkError(
        f"{origin} cannot be reached: {_reason(why)}",
        hint=(
            "check the address, and that the gateway runs"
            if "refused" in why
            else "check the address and the network"
        ),
        code="connect_failed",
        sent=False,
    )


def _redact_log(name: str) -> None:
    import logging

    logger = logging.getLogger(name)
    if not any(isinstance(found, redaction.LogFilter) for found in logger.filters):
        logger.addFilter(redaction.LogFilter())
