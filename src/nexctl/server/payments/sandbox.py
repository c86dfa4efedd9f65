"""The sandbox: a payment provider with play money, whose events are signed like a real one's.

It is there only where it was chosen when the gateway was made, never beside a real provider, and
only where nobody but this machine reaches the gateway. Its credits are marked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from nexctl.money import NANO, text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import orders, settings
from nexctl.server.refusing import Refuse
from nexctl.wire.base import encode
from nexctl.wire.payments import PaymentEvent, PaymentFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House
    from nexctl.server.ledger.incoming import Event
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction

PROVIDER = "sandbox"
WEBHOOK = f"/webhooks/payments/{PROVIDER}"
SECRET = "sandbox_webhook_secret"  # noqa: S105 - the setting's name
_HTML = b"text/html; charset=utf-8"
_POLICY = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)


def offered(house: House) -> bool:
    """Whether play money may be paid here."""
    return house.facts.get("payments") == PROVIDER and house.options.loopback


def make_secret(tx: Transaction, value: str) -> None:
    """Keep the webhook secret, sealed."""
    sealer = tx.shared.sealer
    if sealer is None:
        raise Refuse("internal_error")
    sealed = sealer.seal(value.encode())
    settings.put(tx, SECRET, base64.b64encode(sealed).decode())


def secret(tx: Transaction) -> str:
    """The webhook secret."""
    sealed, sealer = settings.get(tx, SECRET), tx.shared.sealer
    if sealed is None or sealer is None:
        raise Refuse("not_offered")
    return sealer.unseal(base64.b64decode(sealed)).decode()


def checkout_url(tx: Transaction, house: House, order: str) -> str | None:
    """Where an order is paid in a browser; None where nothing is served."""
    base = house.options.base_url
    return f"{base}/sandbox/checkout/{_token(secret(tx), order)}" if base else None


def signed_event(
    house: House, order: str, kind: str = "payment.succeeded"
) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of the event that pays an order (or another kind of event)."""
    from nexctl.safety import signing

    found = house.read(orders.get, order)
    if found is None:
        raise Refuse("not_found", "there is no such order")
    if found.provider != PROVIDER:
        raise Refuse("state_conflict", "this order is not paid with play money")
    event = PaymentEvent(
        id="evt_" + os.urandom(12).hex(),
        type=kind,  # type: ignore[arg-type]
        data=PaymentFacts(
            order_id=order,
            payment_id=found.payment_id or f"pay_{order}",
            amount=text_of(found.total),
            currency=found.currency,
        ),
        created_at=instant(house.now()),
    )
    body = encode(event)
    now = house.now() // 1_000_000
    return WEBHOOK, signing.headers(house.read(secret), event.id, now, body), body


def check_payable(house: House, order: str) -> None:
    """Refuse an order whose state takes no payment: play money would be gone for nothing."""
    found = house.read(orders.get, order)
    if found is None or found.credited_at is not None or "paid" in orders.NEXT[found.state]:
        return
    said = found.state.replace("_", " ")
    details = {"state": found.state}
    raise Refuse("state_conflict", f"the order is {said}: it cannot be paid", details=details)


class Sandbox:
    """See `providers.PaymentProvider`."""

    id = PROVIDER
    pays_itself = True

    def offered(self, house: House) -> bool:
        """Only where it was chosen, and on this machine."""
        return offered(house)

    def is_ready(self, house: House) -> bool:
        """Play money needs nothing."""
        return True

    def step(self, currency: str) -> int:
        """Play money has no cents."""
        return 1

    def open_checkout(self, house: House, order: Order) -> str | None:
        """The page of this gateway where the order is paid; None where nothing is served."""
        return house.read(checkout_url, house, order.id)

    def event(self, house: House, headers: Mapping[str, str], raw: bytes) -> Event | None:
        """Standard Webhooks' signature, then our own event."""
        from nexctl.safety import signing
        from nexctl.server import bodies
        from nexctl.server.ledger.incoming import Event
        from nexctl.server.shapes import units_of

        try:
            signing.verify(house.read(secret), headers, raw, now=house.now() // 1_000_000)
        except signing.SignatureError:
            raise Refuse("invalid_signature") from None
        plain = bodies.plain(raw)
        if isinstance(plain, dict):
            # Senders may add fields; only ours are read.
            known = ("id", "type", "data", "created_at")
            plain = {name: plain[name] for name in known if name in plain}
        said = bodies.typed(plain, "payments.PaymentEvent")
        return Event(
            PROVIDER,
            said.id,
            said.type,
            said.data.order_id,
            said.data.payment_id,
            units_of(said.data.amount, NANO),
            said.data.currency,
        )

    def refund(self, house: House, call: str, order: Order, amount: int) -> str:
        """Play money goes back by itself."""
        return f"play_{call}"

    def pay(self, house: House, order: Order) -> tuple[dict[str, str], bytes] | None:
        """The signed event, as if the buyer had paid."""
        _, headers, body = signed_event(house, order.id)
        return headers, body


async def page(call: Call) -> Answer:
    """The checkout page of an order."""
    return _page(call, _ordered(call))


async def pay(call: Call) -> Answer:
    """Pay an order with play money: its signed event is delivered here and now."""
    from nexctl.server.payments.webhooks import accept

    found = _ordered(call)
    if found.state not in ("created", "opened", "credited"):
        raise Refuse("state_conflict", f"the order is {found.state}")
    _, headers, body = signed_event(call.house, found.id)
    await accept(call.house, PROVIDER, headers, body)
    return _page(call, _ordered(call))


def _ordered(call: Call) -> Order:
    if not offered(call.house):
        raise Refuse("not_offered")
    order, _, _ = call.id.partition(".")
    wanted = _token(call.house.read(secret), order).encode()
    if not hmac.compare_digest(wanted, call.id.encode("utf-8", "replace")):
        raise Refuse("not_found")
    found = call.house.read(orders.get, order)
    if found is None:
        raise Refuse("not_found")
    return found


def _token(key: str, order: str) -> str:
    proof = hmac.new(key.encode(), b"checkout:" + order.encode(), hashlib.sha256).hexdigest()
    return f"{order}.{proof[:40]}"


def _page(call: Call, order: Order) -> Answer:
    paid = order.state == "credited"
    state = "paid: the credits are in the wallet" if paid else order.state.replace("_", " ")
    form = '<form method="post"><button autofocus>Pay with play money</button></form>'
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox checkout</title>'
        "<style>body{font:1rem/1.5 sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}"
        "button{font:inherit;padding:.5rem 1rem}dt{font-weight:bold}</style>"
        "<h1>Sandbox checkout</h1><p>Play money: nothing is charged anywhere.</p>"
        f"<dl><dt>Order</dt><dd>{order.id}</dd>"
        f"<dt>To pay</dt><dd>{text_of(order.total, places=2)} {order.currency}</dd>"
        f"<dt>State</dt><dd>{state}</dd></dl>"
        f"{'' if order.state not in ('created', 'opened') else form}</html>"
    )
    return Answer(text.encode(), headers=_POLICY, media=_HTML)
