"""Addresses and networks in one spelling, for lists of where a key may be used from."""

from __future__ import annotations

from typing import Any


def network_of(text: str) -> Any:
    """A network, or an address as one: of IPv4 where it is IPv4's form in IPv6, as addresses are.

    ValueError where it is none, or good on one link alone.
    """
    import ipaddress

    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network):
        if found.network_address.scope_id:
            raise ValueError("an address with a zone")
        mapped = found.network_address.ipv4_mapped
        if mapped is not None and found.prefixlen >= 96:
            return ipaddress.ip_network((mapped, found.prefixlen - 96))
    return found
