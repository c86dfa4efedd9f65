"""Rows of the ledger as the contract's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nexctl.money import parse_units, text_of
from nexctl.server.house import instant, micros
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.errors import Layer
    from nexctl.server.ledger.types import UsageRow
    from nexctl.wire import usage as wire_usage
    from nexctl.wire import wallet as wire_wallet

# What the ledger's 64 bits hold, with room for a sum.
MOST_UNITS = 2**62


def units_of(text: str, scale: int, *, zero: bool = False) -> int:
    """An amount from a body in the ledger's units; refused where it is none or does not fit."""
    units = parse_units(text, scale)
    if units < 0 or (units == 0 and not zero):
        raise Refuse("invalid_request", "the amount must be more than 0", param="amount")
    if units > MOST_UNITS:
        raise Refuse("invalid_request", "the amount is too large", param="amount")
    return units


def future(house: House, text: str | None, param: str) -> int | None:
    """An instant from a body in microseconds; refused where it has passed."""
    at = micros(text)
    if at is not None and at <= house.now():
        raise Refuse("invalid_request", "that has passed", param=param)
    return at


def amount_in(house: House, layer: Layer, units: int) -> str:
    """A layer's figure: money as decimal text, tokens as a whole number."""
    return str(units) if layer.unit == "tokens" else text_of(units, house.scale)


def layer_of(house: House, layer: Layer) -> wire_wallet.Layer:
    """One layer of what can be spent."""
    from nexctl.wire.wallet import Layer as Shown

    return Shown(
        layer=layer.layer,
        id=layer.id,
        name=layer.name,
        remaining=amount_in(house, layer, layer.remaining),
        amount=amount_in(house, layer, layer.amount),
        spent=amount_in(house, layer, layer.spent),
        held=amount_in(house, layer, layer.held),
        window=layer.span,
        resets_at=instant(layer.resets_at),
        unit=layer.unit,
        hard=layer.hard,
    )


def layer_details(house: House, layer: Layer) -> dict[str, Any]:
    """A refusal's layer: which one, what is left of it, when it resets."""
    found = {
        "layer": layer.layer,
        "id": layer.id,
        "name": layer.name,
        "remaining": amount_in(house, layer, layer.remaining),
        "amount": amount_in(house, layer, layer.amount),
        "window": layer.span,
        "resets_at": instant(layer.resets_at),
        "currency": house.unit if layer.unit != "tokens" else "tokens",
        "meter": ",".join(layer.meters) if layer.meters else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def usage_record(house: House, row: UsageRow, snapshot: dict[str, Any]) -> wire_usage.UsageRecord:
    """A usage record in the fields of `usage export`; rates come from its price snapshot."""
    from nexctl.server.inference.metering import per_million, rates_of
    from nexctl.wire.usage import UsageRecord

    record, used = row.record, row.record.get("usage", {})
    rates = rates_of(snapshot, used)
    # What is sold by the picture or the second has its factors too.
    first: dict[str, Any] = (
        rates.get("output") or rates.get("input") or next(iter(rates.values()), {})
    )
    return UsageRecord(
        created_at=str(instant(row.created_at)),
        request_id=row.request_id,
        gateway=house.title,
        customer_id=row.customer,
        org_id=record.get("org_id"),
        project=record.get("project"),
        member_id=record.get("member_id"),
        key_id=row.key,
        key_name=record.get("key_name"),
        parent_key_id=record.get("parent_key_id"),
        labels=record.get("labels", {}),
        endpoint=record.get("endpoint", ""),
        model_requested=record.get("model_requested", row.model),
        model_served=row.model,
        provider=record.get("provider"),
        status=row.status,
        requests=used.get("request", 0),
        input_tokens=used.get("input", 0),
        cached_input_tokens=used.get("cached_input", 0),
        cache_write_tokens=used.get("cache_write", 0),
        output_tokens=used.get("output", 0),
        reasoning_tokens=used.get("reasoning", 0),
        images=used.get("image", 0),
        videos=used.get("video", 0),
        seconds=used.get("second", 0),
        gpu_seconds=used.get("gpu_second", 0),
        semantic_cache_hit=bool(snapshot.get("semantic_hit")),
        batch_id=record.get("batch_id"),
        rate_input=per_million(rates.get("input")),
        rate_cached_input=per_million(rates.get("cached_input")),
        rate_output=per_million(rates.get("output")),
        rates=rates,
        multiplier=first.get("factor"),
        tier=snapshot.get("tier"),
        charge=text_of(row.charge, snapshot["scale"]),
        currency=snapshot["unit"],
        credits=text_of(row.charge, snapshot["scale"]) if house.book.is_credit else None,
        balance_delta=text_of(row.amount, snapshot["scale"]),
        balance_after=text_of(row.balance, snapshot["scale"]),
        sequence=row.seq,
        price_book=snapshot["price_book"],
        latency_ms=record.get("latency_ms"),
        ttft_ms=record.get("ttft_ms"),
    )


def usage_details(house: House, row: UsageRow) -> dict[str, Any]:
    """The figures of a request that was billed already, for a refusal."""
    return {
        "request_id": row.request_id,
        "charge": house.money(row.charge),
        "currency": house.unit,
        "status": row.status,
        "model_served": row.model,
        "sequence": row.seq,
        "created_at": instant(row.created_at),
    }


def page_of(rows: Sequence[Any], limit: int, cursor: str) -> tuple[Sequence[Any], str | None]:
    """At most `limit` of rows that were read with one to spare, and the cursor behind them."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], str(getattr(rows[limit - 1], cursor))


def sequence_of(cursor: str | None) -> int:
    """A cursor that is a place in the book."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Refuse("invalid_request", "there is no such cursor", param="cursor")
    return int(cursor)
