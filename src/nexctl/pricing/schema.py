"""What a price book may say: every table and key, the words of its rules, their allowed values."""

from __future__ import annotations

from typing import Any

from nexctl.pricing.shape import (
    Checker,
    Report,
    date,
    either,
    factor,
    fits_64_bits,
    flag,
    ident,
    many,
    mapping,
    money,
    table,
    text,
    whole,
    word,
)
from nexctl.records import METERS

STATES = ("unpublished", "varies", "not_applicable", "unsupported")
UNITS = ("token", "request", "image", "second", "video", "gpu_second")

# A rule is one sentence of a page, or our reading of its silence; changing it is one edit.
RULES: dict[str, Checker] = {
    "input_includes_cached": flag,
    "input_includes_cache_write": flag,
    "output_includes_reasoning": flag,
    "markup_included": word("yes", "no", "unknown"),
    "tier_basis": word("whole_month", "marginal"),
    "tier_effect": word("percent_of_charge", "points_of_markup", "percent_of_markup"),
    "tier_scope": either(word("all"), ident),
    "tier_measure": word("gross_before_cut"),
    "tier_above_last": word("last_published", "refuse"),
    "month_zone": ident,
    "plan_source": word("subscription", "spend_tier", "highest_recharge", "none"),
    "stacking_order": many(word("cached", "semantic", "batch", "billing_tier"), least=1),
    "semantic_with_cached": word("either", "both"),
    "semantic_never": many(word("batch", "embedding")),
    "batch_with_cached": flag,
    "batch_without_price": word("normal_rate", "refuse"),
    "published_sum": word("credits_column", "rate_times_default"),
    "split": word("vendor_list_ratio", "unknown"),
    "auto_route_price": word("own_row", "target_row"),
    "loyalty_with_promo": word("replaced", "added"),
    "included_credits_expire": word("month_end", "never"),
    "allowance_window": word("month", "lifetime"),
    "allowance_hard": flag,
    "context_check": word("input_plus_requested_output", "input"),
    "thousand": whole(1000, 1024),
    "million": whole(1000**2, 1024**2),
    "explicit_model": word("tried_first", "routed"),
    "record_names": word("requested_and_served"),
    "hold_price": word("dearest_eligible"),
    "debit_price": word("served_row"),
    "raw_records": word("every_plan", "gated"),
    "class_match": word("explicit_list"),
    "other_models": word("unknown"),
    "tax_on_usage": word("none", "same_as_fee"),
    "plan_ends": word("never", "month_end"),
}

_state = word(*STATES)
_amount = either(word(*STATES, "custom"), money)
_count = either(_state, word("unlimited", "custom"), whole())
_free = mapping(fits_64_bits)


def _rate(value: Any, path: Any, report: Report) -> Any:
    if type(value) is dict:
        return _RATE(value, path, report)
    if type(value) is str and (value in STATES or value == "= output"):
        return value
    if type(value) is str and value[:1].isalpha():
        report(path, f"{path[-1]}: {value!r} is neither a price nor one of {', '.join(STATES)}")
        return value
    return money(value, path, report)


_RATE = table(
    {
        "price": money,
        "per": whole(1),
        "unit": word(*UNITS),
        "state": _state,
        "words": text,
    }
)
_meter = word(*METERS)
_rates = mapping(_rate, key=_meter)
_tier = table(
    {
        "above": whole(),
        "from": whole(),
        "rates": _rates,
        "batch": _rates,
        "variants": mapping(_rates),
    },
    need=("rates",),
)
_clock = (f"{hour:02d}:{minute}" for hour in range(24) for minute in ("00", "30"))
_hours = many(word(*_clock, "24:00"))
_PERIOD: dict[str, Checker] = {
    "rates": _rates,
    "batch": _rates,
    "batch_from": date,
    "context_tiers": many(_tier),
    "variants": mapping(_rates),
}
_period = table(
    {
        **_PERIOD,
        "valid_from": date,
        "valid_to": date,
        "hours": many(_hours),
        "days": many(word("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
    },
    need=("rates",),
)
_error = table({"low_percent": ident, "high_percent": ident, "tokens": whole()})
_model = table(
    {
        **_PERIOD,
        "id": ident,
        "title": text,
        "aliases": many(ident),
        "prefixes": many(ident),
        "match": many(ident),
        "kind": word("chat", "embedding", "class", "image", "video", "audio", "rerank", "other"),
        "provider": text,
        "context": whole(1),
        "max_output": whole(1),
        "max_input": whole(1),
        "dimensions": whole(1),
        "capabilities": many(word("stream", "tools", "vision", "embeddings")),
        "tags": many(ident),
        "tokenizer": table(
            {
                "name": ident,
                "method": word("exact", "vendor-declared", "reconstructed", "estimated"),
                "error": either(_state, _error),
                "source": text,
            },
            need=("method",),
        ),
        "status": word("example", "deprecated", "preview"),
        "markup": table({"stated": factor("0", "10")}),
        "reference": table({"book": ident, "model": ident}, need=("book", "model")),
        "periods": many(_period, least=1),
        "relative": table(
            {
                "rate": money,
                "credits": money,
                "per_hundred": whole(),
                "split": table({"input": money, "output": money}, need=("input", "output")),
            },
            need=("rate", "credits", "per_hundred"),
        ),
        "ratios": table({"model": money, "completion": money, "cached": money}, need=("model",)),
        "unit_words": text,
        "best_for": text,
        "router": table({"targets": many(ident), "metadata": ident}),
    },
    need=("id",),
)

BUDGET = table(
    {
        "name": ident,
        "scope": word("key", "parent_key", "project", "member", "org", "customer"),
        "window": word("month", "5h", "1d", "7d", "lifetime"),
        "unit": ident,
        "meters": many(_meter),
        "models": many(ident),
        "amount": either(_state, money),
        "hard": flag,
        "alert_at": many(factor()),
    },
    need=("name", "scope", "window", "unit", "amount", "hard"),
)
_plan = table(
    {
        "id": ident,
        "title": text,
        "text": text,
        "fee": _amount,
        "recharge": _amount,
        "credits": table(
            {"amount": _amount, "every": word("once", "month", "recharge"), "unit": ident},
            need=("amount", "every"),
        ),
        "limits": mapping(_count),
        "features": _free,
        "service": _free,
        "budgets": many(BUDGET),
        "route": many(ident),
    },
    need=("id",),
)
_pack = table(
    {
        "id": ident,
        "title": text,
        "text": text,
        "amount": _amount,
        "or_more": flag,
        "credit": _amount,
    },
    need=("id", "amount"),
)
_method = table(
    {
        "id": ident,
        "offered": flag,
        "manual": flag,
        "networks": many(ident),
        "words": text,
        "from_pack": ident,
        "due_days": whole(1, 365),
    },
    need=("id", "offered"),
)

BOOK = table(
    {
        "format": whole(1, 1),
        "book": table(
            {
                "id": ident,
                "title": text,
                "kind": word("gateway", "upstream"),
                "unit": ident,
                "unit_kind": word("currency", "credit"),
                "scale": whole(0, 12),
                "valid_from": date,
                "valid_to": date,
                "retrieved": date,
                "source": text,
                "default_model": ident,
                "estimate_notes": many(text),
                "api": text,
                "rounding": table(
                    {
                        "places": whole(0, 12),
                        "mode": word("half_even", "half_up", "up", "down"),
                        "per": word("request", "component"),
                    }
                ),
                "credit": table(
                    {
                        "state": word("unpublished", "operator"),
                        "amount": money,
                        "currency": ident,
                        "per": money,
                    }
                ),
            },
            need=("id", "title", "unit", "scale", "retrieved"),
        ),
        "addresses": mapping(text),
        "defaults": table({"per": whole(1), "rates": mapping(word(*STATES), key=_meter)}),
        "rules": mapping(
            table({"value": fits_64_bits, "other": many(fits_64_bits)}, need=("value",))
        ),
        "conflicts": many(
            table(
                {"about": text, "says": many(text, least=2), "taken": text}, need=("about", "says")
            )
        ),
        "multipliers": table(
            {
                "batch": either(_state, factor()),
                "semantic": either(_state, factor()),
                "cached": either(_state, factor("0", "10")),
                "cached_by_provider": mapping(factor("0", "10")),
            }
        ),
        "groups": mapping(factor("0", "1000")),
        "models": many(_model),
        "semantic_cache": table(
            {
                "offered": flag,
                "same": many(ident),
                "threshold": either(_state, factor()),
                "retention_hours": whole(1, 24 * 365),
                "never": many(ident),
            }
        ),
        "billing_tiers": table(
            {
                "window": word("month"),
                "tiers": many(
                    table(
                        {
                            "id": ident,
                            "title": text,
                            "above": money,
                            "up_to": money,
                            "percent": either(_state, word("negotiated"), factor("0", "100")),
                            "saving": text,
                            "unlocks": text,
                        },
                        need=("id", "above", "percent"),
                    ),
                    least=1,
                ),
            }
        ),
        "loyalty": table(
            {
                "basis": word("lifetime_topup"),
                "levels": many(
                    table(
                        {
                            "id": ident,
                            "title": text,
                            "at_least": _amount,
                            "bonus_percent": either(_state, factor("0", "100")),
                        },
                        need=("id", "at_least", "bonus_percent"),
                    )
                ),
                "example": table({"level": ident, "topup": money, "balance": money}),
            }
        ),
        "topup": table(
            {
                "currency": ident,
                "minimum": _amount,
                "maximum": _amount,
                "above_maximum": word("under_review", "refused"),
                "exact": many(money),
                "default_pack": either(_state, ident),
                "burn": word("fifo"),
                "credited": text,
                "preview": many(ident),
                "packs": many(_pack),
                "methods": many(_method),
            }
        ),
        "auto_topup": table({"offered": flag, "from_plan": ident, "fields": many(ident)}),
        "plans": many(_plan),
        "budgets": many(BUDGET),
        "high_cost": table({"models": many(ident), "default_route": text, "explicit": text}),
        "routes": table({"when": text, "fallback": text}),
        "tax": table(
            {
                "seller": text,
                "seller_id": text,
                "seller_tax_status": text,
                "rates": many(
                    table(
                        {
                            "on": ident,
                            "country": ident,
                            "name": ident,
                            "percent": factor("0", "100"),
                            "kind": word("business", "consumer"),
                            "wording": text,
                        },
                        need=("on", "percent"),
                    )
                ),
                "invoice": text,
                "snapshot": text,
            }
        ),
        "refusals": mapping(
            table(
                {"status": whole(400, 599), "code": ident, "names": text}, need=("status", "code")
            )
        ),
        "grants": many(
            table(
                {
                    "id": ident,
                    "title": text,
                    "amount": _amount,
                    "every": word("once", "day", "week", "month"),
                    "expires": text,
                    "lasts": word("day_end", "7d", "month"),
                    "claim": flag,
                },
                need=("id", "amount", "every"),
            )
        ),
        "byok": table({"offered": flag, "charge": money}, need=("offered",)),
        "keys": _free,
        "limits": mapping(_count),
        "surface": table({"endpoints": many(text)}),
        "terms": _free,
        "operator": _free,
        "organisations": _free,
        "routing": _free,
        "events": _free,
        "billing": _free,
        "printed": table({"rows": many(mapping(fits_64_bits))}),
    },
    need=("format", "book"),
)
