"""What can be spent now, and which limit binds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.money import parse_units

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.wallet import Layer, Wallet

JSON_LAYER = ("layer", "id", "remaining", "resets_at")


class Summary(NamedTuple):
    """A wallet with its binding layer. `notes` say where its own figures do not fit together."""

    wallet: Wallet
    binding: Layer | None
    notes: tuple[str, ...]


def summary(gateway: Gateway) -> Summary:
    """The wallet. The binding layer is the gateway's word, else the layer that has least left."""
    found = gateway.wallet.show()
    least = binding_of(found.layers)
    binding = found.binding or least
    notes = []
    left = _units(least.remaining) if least is not None else None
    if least is not None and left is not None:
        spendable, bound = _units(found.spendable), _units(binding.remaining) if binding else None
        if spendable is not None and spendable > max(left, 0):
            notes.append(f"{gateway.name} says {found.spendable}, but {least.layer} leaves less")
        if binding is not None and bound is not None and bound > left:
            notes.append(f"{gateway.name} names {binding.layer}, but {least.layer} leaves less")
    balance, held = _units(found.balance), _units(found.held)
    if balance is not None and held is not None and not 0 <= held <= balance:
        notes.append("what is held is not inside the balance")
    return Summary(found, binding, tuple(notes))


def binding_of(layers: list[Layer]) -> Layer | None:
    """The hard layer of money that leaves least; the first of equals; None where there is none."""
    known = [
        (left, layer)
        for layer in layers
        if layer.hard and layer.unit == "money" and (left := _units(layer.remaining)) is not None
    ]
    return min(known, key=lambda pair: pair[0])[1] if known else None


def public(found: Summary) -> dict[str, Any]:
    """The fields of `wallet show -o json`."""
    from nexctl.wire.base import plain

    wallet: dict[str, Any] = plain(found.wallet)
    binding = plain(found.binding) if found.binding is not None else None
    return {
        "currency": wallet["currency"],
        "balance": wallet["balance"],
        "held": wallet["held"],
        "spendable": wallet["spendable"],
        "binding": {name: binding.get(name) for name in JSON_LAYER} if binding else None,
        "layers": wallet["layers"],
        "tier": wallet.get("tier"),
        "lifetime": wallet.get("lifetime"),
        "notes": list(found.notes),
    }


def _units(text: str) -> int | None:
    """An amount from a gateway; None for what is none, which is never taken for 0."""
    try:
        return parse_units(text, 12)
    except UsageError:
        return None
