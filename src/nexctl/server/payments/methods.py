"""Ways to pay: those of the book that this gateway has set up, and for which orders each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.money import text_of
from nexctl.server.payments import providers, sandbox
from nexctl.server.payments.figures import number
from nexctl.server.refusing import Refuse
from nexctl.wire import topups as wire

if TYPE_CHECKING:
    from nexctl.server.house import House

MANUAL = "manual"


def methods_of(house: House) -> list[wire.Method]:
    """The book's ways to pay with what this gateway has set up; play money stands alone."""
    provider = providers.of_house(house)
    play = provider is not None and provider.id == sandbox.PROVIDER
    found: list[wire.Method] = []
    if play:
        found.append(
            wire.Method(id=sandbox.PROVIDER, enabled=True, title="play money, for trying out")
        )
    rows = house.book.data.get("topup", {}).get("methods", ())
    by_hand = house.facts.get("payments", MANUAL) != sandbox.PROVIDER
    online = provider is not None and not play
    ready = online and provider is not None and provider.is_ready(house)
    for row in rows:
        offered, manual = bool(row.get("offered")), bool(row.get("manual"))
        enabled = offered and (by_hand if manual else ready)
        reason = None
        if not enabled:
            reason = "not set up on this gateway" if offered else str(row.get("words", ""))
        found.append(
            wire.Method(
                id=row["id"],
                enabled=enabled,
                manual=manual,
                title=row.get("words"),
                reason=reason,
                networks=list(row.get("networks", ())),
            )
        )
    if ready and not any(method.enabled and not method.manual for method in found):
        found.append(wire.Method(id="card", enabled=True, title="the provider's payment page"))
    if by_hand and not online and not any(method.enabled for method in found):
        title = "transfer, credited when the operator has seen it"
        found.append(wire.Method(id=MANUAL, enabled=True, manual=True, title=title))
    return found


def method_named(house: House, name: str | None) -> wire.Method:
    """A way to pay that may be used here, the first such where none is named."""
    found = methods_of(house)
    if name is None:
        provider = providers.of_house(house)
        if provider is not None and not provider.is_ready(house):
            # Nobody who named no way to pay is to end at a transfer by hand.
            raise Refuse(
                "payment_method_unavailable", "the payment provider is not set up here now"
            )
        chosen = next((method for method in found if method.enabled), None)
    else:
        chosen = next((method for method in found if method.id == name), None)
    if chosen is None or not chosen.enabled:
        reason = chosen.reason if chosen is not None else None
        raise Refuse("payment_method_unavailable", reason or None, param="method")
    return chosen


def may_pay(
    house: House, table: dict[str, Any], method: wire.Method, units: int, agreed: int | None
) -> None:
    """Refuse a method that is for larger orders alone, where no contract says otherwise."""
    pack = row_of(house, method.id).get("from_pack")
    if pack is None or (agreed is not None and units <= agreed):
        return
    least = next((number(row["amount"]) for row in table["packs"] if row["id"] == pack), None)
    if least is None or units < least:
        shown = f" (from {text_of(least)})" if least is not None else ""
        raise Refuse(
            "payment_method_unavailable",
            f"{method.id} is for the pack {pack}{shown}",
            param="method",
        )


def row_of(house: House, method: str) -> dict[str, Any]:
    """What the book says of a way to pay, {} where it has none of that id."""
    rows = house.book.data.get("topup", {}).get("methods", ())
    return next((row for row in rows if row["id"] == method), {})
