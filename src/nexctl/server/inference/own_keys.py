"""Requests with the customer's own provider key: to that provider alone, never with another key.

Where the book offers it, a stored key is used for every model that its provider serves. The charge
is the book's own (nothing, or what it says); the provider's fee by the reference book stands beside
it, or null where it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.ledger import provider_keys
from nexctl.server.refusing import Refuse
from nexctl.wire.chat import OwnKey

if TYPE_CHECKING:
    from nexctl.records import Usage
    from nexctl.server.calls import Call
    from nexctl.server.inference.chat import Job


def of(call: Call) -> dict[str, bytes]:
    """The caller's stored keys by provider, still sealed; none where the book offers none."""
    if not call.house.book.data["byok"].get("offered"):
        return {}
    return call.house.read(provider_keys.sealed, call.customer.id)


def refuse_in_batch(call: Call, model: str) -> None:
    """Refuse a batch's line that would go out with the operator's key though there is an own one.

    A batch holds its money at once and runs later, when the key may be gone.
    """
    _refuse(call, model, "a batch does not use your own provider key; send it alone")


def refuse_beside_chat(call: Call, model: str) -> None:
    """Refuse embeddings, images or a video that would go out with the operator's key instead.

    No book prices these on an own key.
    """
    _refuse(
        call, model, "only chat uses your own provider key; remove it to use the gateway's for this"
    )


def _refuse(call: Call, model: str, why: str) -> None:
    if "byok" not in call.house.book.data:
        return
    keys = of(call)
    if keys and call.house.switchboard.owned(model, keys):
        raise Refuse("not_offered", why)


def told(job: Job, provider: str, usage: Usage) -> OwnKey:
    """Whose key was used and what its provider charges for it."""
    from nexctl.money import text_of

    pricer = job.priced.pricer
    fee = pricer.provider_fee(usage)
    if fee is None or pricer.provider is None:
        return OwnKey(provider=provider)
    book = pricer.provider.book
    return OwnKey(
        provider=provider,
        fee=text_of(fee.units, book.scale),
        currency=fee.currency,
        price_book=book.version,
    )
