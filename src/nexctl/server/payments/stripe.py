"""Stripe: hosted checkout, signed webhooks, refunds, by its documented API.

The secret key and the webhook secret are read from the gateway's environment each time, never kept.
An event is Stripe's word about money, so it counts only with a fresh signature over its raw bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec

from nexctl.money import NANO
from nexctl.server.ledger.incoming import Event
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House
    from nexctl.server.ledger.orders import Order

PROVIDER = "stripe"
API = "https://api.stripe.com"
# The version whose shapes are read here; sent with each call, so that they stay these.
VERSION = "2024-06-20"
KEY_ENV, SECRET_ENV = "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"
WINDOW = 300  # seconds, either way; Stripe's own libraries use it for the past
SECONDS = 20.0  # not money: seconds
MOST_SIGNATURES = 16
_PAIR = re.compile(r"(t|v[0-9]+)=([0-9a-f]{1,128})", re.ASCII)
# Currencies without a minor unit, and those with three digits, by Stripe's list.
_WHOLE = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)
_THREE = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))


class Stripe:
    """See `providers.PaymentProvider`."""

    id = PROVIDER
    pays_itself = False

    def offered(self, house: House) -> bool:
        """Where it was chosen when the gateway was made."""
        return house.facts.get("payments") == PROVIDER

    def is_ready(self, house: House) -> bool:
        """Where the key is set: else an order could be made that nobody can pay."""
        name = _facts(house).get("key_env") or KEY_ENV
        return bool(house.options.environ.get(name, "").strip())

    def step(self, currency: str) -> int:
        """A cent, or what the currency has instead."""
        return step(currency)

    def open_checkout(self, house: House, order: Order) -> str | None:
        """A Checkout Session for the order's total; asked again it is the same one."""
        back = house.options.base_url or str(_facts(house).get("return_url") or "")
        form: dict[str, Any] = {
            "mode": "payment",
            "client_reference_id": order.id,
            "success_url": f"{back or 'https://example.com'}/health?paid={order.id}",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": order.currency.lower(),
            "line_items[0][price_data][unit_amount]": str(minor(order.total, order.currency)),
            "line_items[0][price_data][product_data][name]": f"{house.book.title} credits",
            "metadata[order_id]": order.id,
            "payment_intent_data[metadata][order_id]": order.id,
        }
        said = self._post(house, "/v1/checkout/sessions", form, f"checkout-{order.id}")
        url = said.get("url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise Refuse("upstream_error", "the payment provider gave no page to pay at")
        return url

    def event(self, house: House, headers: Mapping[str, str], raw: bytes) -> Event | None:
        """Read an event: payments, refunds and disputes of our orders, everything else None."""
        secret = _secret(house, _facts(house).get("secret_env") or SECRET_ENV)
        verify(secret, headers.get("stripe-signature", ""), raw, house.now() // 1_000_000)
        try:
            said = msgspec.json.decode(raw)
            return read_event(said)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise Refuse("invalid_request", "the event is not one of Stripe's") from None

    def refund(self, house: House, call: str, order: Order, amount: int) -> str:
        """POST /v1/refunds for the order's payment; once a call."""
        form = {
            "payment_intent": str(order.payment_id),
            "amount": str(minor(amount, order.currency)),
            "metadata[order_id]": order.id,
        }
        return str(self._post(house, "/v1/refunds", form, f"refund-{call}").get("id", ""))

    def pay(self, house: House, order: Order) -> tuple[dict[str, str], bytes] | None:
        """No payment method is kept here: the buyer opens the checkout."""
        return None

    def _post(self, house: House, path: str, form: Mapping[str, Any], once: str) -> dict[str, Any]:
        from nexctl.safety.http import Call, Client, Key, NetworkError
        from nexctl.safety.network import HttpTransport

        base = str(_facts(house).get("url") or API)
        root = urlsplit(base).path.rstrip("/")
        key = _secret(house, _facts(house).get("key_env") or KEY_ENV)
        transport = HttpTransport(base)
        client = Client(transport, Key(key, transport.origin), seconds=SECONDS)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "idempotency-key": once,
            "stripe-version": VERSION,
        }
        body = urlencode(form).encode()
        try:
            reply = client.send(Call("POST", root + path, headers, body, repeatable=True))
            answer = reply.read()
        except NetworkError:
            raise Refuse(
                "upstream_unavailable", "the payment provider is not reachable; nothing is charged"
            ) from None
        finally:
            client.close()
        if reply.status >= 400:
            house.alarm(f"stripe answered {reply.status} to {path}")
            code = "upstream_unavailable" if reply.status >= 500 else "upstream_refused"
            raise Refuse(code, "the payment provider refused; nothing is charged")
        try:
            said = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            said = None
        if not isinstance(said, dict):
            raise Refuse("upstream_error", "the payment provider's answer is not one")
        return said


def verify(secret: str, header: str, raw: bytes, now: int) -> None:
    """Check a Stripe-Signature header (`t=...,v1=...`) over the raw bytes.

    Refused `invalid_signature`: no such header, none of its v1 signatures fits, or its time lies
    more than WINDOW seconds from `now`, either way. Other schemes (v0) never count.
    """
    times, signatures = [], []
    for part in header.split(",")[: MOST_SIGNATURES + 1]:
        found = _PAIR.fullmatch(part.strip())
        if found is not None and found[1] == "t":
            times.append(found[2])
        elif found is not None and found[1] == "v1":
            signatures.append(found[2])
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12 or not signatures:
        raise Refuse("invalid_signature")
    wanted = hmac.new(secret.encode(), times[0].encode() + b"." + raw, hashlib.sha256).hexdigest()
    # Every one is compared, so that how long it takes says nothing.
    fits = [hmac.compare_digest(wanted, one) for one in signatures]
    if not any(fits) or abs(now - int(times[0])) > WINDOW:
        raise Refuse("invalid_signature")


def read_event(said: Any) -> Event | None:
    """What an event means, None where it is not about money of ours. KeyError and the like where
    it is malformed.
    """
    kind, found = said["type"], said["data"]["object"]
    name = str(said["id"])
    if kind in ("checkout.session.completed", "checkout.session.async_payment_succeeded"):
        if found["payment_status"] != "paid":
            return None  # paid later, which the asynchronous event will say
        return _event(name, "payment.succeeded", _order_of(found), found, found["amount_total"])
    if kind == "checkout.session.async_payment_failed":
        return _event(name, "payment.failed", _order_of(found), found, found["amount_total"])
    if kind == "charge.refunded":
        kept = _order_of(found)
        return _event(name, "payment.refunded_to", kept, found, found["amount_refunded"])
    if kind.startswith("charge.dispute."):
        return _dispute(kind.removeprefix("charge.dispute."), found)
    return None


def _dispute(what: str, found: Any) -> Event | None:
    """A dispute that took money, or one whose money is back; each is told by two events, so its
    own name makes it one. An inquiry (`warning_...`) takes nothing.
    """
    status = str(found["status"])
    if what in ("created", "funds_withdrawn") and not status.startswith("warning_"):
        kind = "payment.disputed"
    elif what == "funds_reinstated" or (what == "closed" and status == "won"):
        kind = "payment.dispute_won"
    else:
        return None
    name = f"{found['id']}:{kind}"
    return _event(name, kind, _order_of(found), found, found["amount"])


def _order_of(found: Any) -> str:
    order = found.get("client_reference_id") or (found.get("metadata") or {}).get("order_id")
    return str(order or "")


def _event(name: str, kind: str, order: str, found: Any, amount: Any) -> Event:
    currency = str(found["currency"]).upper()
    payment = found["payment_intent"]
    if type(amount) is not int or not 0 <= amount < 10**12 or not isinstance(payment, str):
        raise ValueError("no amount")
    return Event(PROVIDER, name, kind, order, payment, amount * step(currency), currency)


def step(currency: str) -> int:
    """10**-9 in the smallest amount of a currency that Stripe counts."""
    places = 0 if currency in _WHOLE else 3 if currency in _THREE else 2
    return int(10 ** (NANO - places))


def minor(units: int, currency: str) -> int:
    """An amount in Stripe's smallest unit; Refused where it is none."""
    whole, rest = divmod(units, step(currency))
    if rest:
        raise Refuse("payment_method_unavailable", f"{currency} has no such small amounts")
    return whole


def _facts(house: House) -> dict[str, Any]:
    found: dict[str, Any] = house.facts.get("stripe") or {}
    return found


def _secret(house: House, name: str) -> str:
    found = house.options.environ.get(name, "").strip()
    if not found:
        house.alarm(f"payments: {name} is not set where the gateway runs")
        raise Refuse("payment_method_unavailable", "the payment provider is not set up here")
    return found
