"""Addresses that the gateway may call: looked up once, checked, and then connected to as checked.

A name that resolves to a private address would let a provider's or a customer's address reach what
only this machine reaches; so every address that a name resolves to must be public, unless the
operator has allowed private ones. A loopback address that is spelled out is taken where only this
machine reaches the gateway.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from nexctl.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where clouds answer with credentials; never, whatever is allowed.
_NEVER = frozenset(("169.254.169.254", "fd00:ec2::254", "100.100.100.200"))


class Place(NamedTuple):
    """An address taken apart. `base` is its path without a trailing slash."""

    scheme: str
    host: str
    port: int
    base: str


def place_of(url: str, *, allow_private: bool, local: bool) -> Place:
    """Read a provider's base address. UsageError where it may not be called.

    https anywhere; http to loopback (where `local`, or with `allow_private`) and, with
    `allow_private`, to private hosts. No user, query or fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _wrong("is not an address") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or not url.isascii():
        raise _wrong("must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise _wrong("must not hold a user name or password")
    if parts.query or parts.fragment:
        raise _wrong("must not hold a query or fragment")
    spelled = is_loopback(host)
    if parts.scheme == "http" and not (allow_private or (spelled and local)):
        raise _wrong("must be https")
    literal = _parsed(host)
    if literal is not None and not may_call(literal, allow_private or (spelled and local)):
        raise _wrong("is private; allow it with --allow-private if that is meant")
    return Place(parts.scheme, host, port, parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its spelling."""
    address = _parsed(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def may_call(address: Address, allow_private: bool) -> bool:
    """Whether the gateway may connect to an address."""
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is not None:
        return may_call(mapped, allow_private)
    if str(address) in _NEVER or address.is_unspecified or address.is_multicast:
        return False
    if address.is_link_local:
        return False
    return allow_private or address.is_global


def checked(found: list[str], allow_private: bool) -> list[str]:
    """The addresses a name resolved to, all of which must be callable. OSError where one is not."""
    addresses = [_parsed(text) for text in found]
    if not addresses or not all(a is not None and may_call(a, allow_private) for a in addresses):
        raise OSError("the name resolves to an address that may not be called")
    return found


def _parsed(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _wrong(why: str) -> UsageError:
    return UsageError(
        f"the provider's address {why}",
        hint="write it like https://api.example.com/v1",
        code="bad_address",
    )
