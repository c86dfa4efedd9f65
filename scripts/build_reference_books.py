#!/usr/bin/env python3
"""Make the vendors' reference price books (TOML) from the pinned genai-prices package (MIT).

Strict: an unknown price key, request context, date rule or name rule stops the generator. A price
of zero is never taken as free, a rate that nexctl has no meter for makes the meter it would hide
in `unsupported`. Dates become validity intervals, batch prices stand only from the day on which
they were verified.

Usage: build_reference_books.py [--check]   then build_books.py compiles what this wrote.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "src" / "nexctl" / "pricing" / "books"
VERSION = "0.2.3"
RETRIEVED = "2026-11-20"

# Book id -> (provider in the data set, title, what its API's usage report counts inside what).
BOOKS: dict[str, tuple[str, str, dict[str, bool], str]] = {
    "openai": ("openai", "OpenAI list prices", {}, "https://openai.com/api/pricing/"),
    "anthropic": (
        "anthropic",
        "Anthropic list prices",
        {"input_includes_cached": False, "input_includes_cache_write": False},
        "https://www.anthropic.com/pricing#api",
    ),
    "google": (
        "google",
        "Google Gemini list prices",
        {"output_includes_reasoning": False},
        "https://ai.google.dev/gemini-api/docs/pricing",
    ),
    "deepseek": (
        "deepseek",
        "DeepSeek list prices",
        {},
        "https://api-docs.deepseek.com/quick_start/pricing",
    ),
    "mistral": ("mistral", "Mistral list prices", {}, "https://mistral.ai/pricing/api"),
    "moonshotai": (
        "moonshotai",
        "Moonshot AI list prices",
        {},
        "https://platform.kimi.ai/docs/pricing/chat.md",
    ),
    "minimax": (
        "minimax",
        "MiniMax list prices",
        {},
        "https://platform.minimax.io/docs/pricing/overview",
    ),
    "zai": ("zai", "Z.ai list prices", {}, "https://docs.z.ai/guides/overview/pricing"),
    "groq": ("groq", "Groq list prices", {}, "https://console.groq.com/docs/models"),
}
SEMANTICS = {
    "input_includes_cached": True,
    "input_includes_cache_write": True,
    "output_includes_reasoning": True,
}
DEFAULTS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-pro",
    "deepseek": "deepseek-v3.2",
    "mistral": "mistral-large",
}

METER = {
    "input_mtok": ("input", 1_000_000),
    "cache_read_mtok": ("cached_input", 1_000_000),
    "cache_write_mtok": ("cache_write", 1_000_000),
    "output_mtok": ("output", 1_000_000),
    "output_reasoning_mtok": ("reasoning", 1_000_000),
    "requests_kcount": ("request", 1000),
    "audio_hours": ("second", 3600),
    "input_audio_hours": ("second", 3600),
}
ONE_HOUR = "cache_write_1h_mtok"
# Rates of things that nexctl does not meter. A token kind hides inside input or output, so that
# meter cannot be priced for certain; the others are fees of their own.
HIDDEN_IN = {
    "input_audio_mtok": "input",
    "input_image_mtok": "input",
    "input_video_mtok": "input",
    "cache_audio_read_mtok": "cached_input",
    "cache_image_read_mtok": "cached_input",
    "output_audio_mtok": "output",
    "output_image_mtok": "output",
    "output_video_mtok": "output",
}
FEES = {
    "web_searches_kcount",
    "storage_searches_kcount",
    "social_searches_kcount",
    "code_executions_kcount",
    "input_mchars",
    "input_document_kpages",
    "input_annotated_document_kpages",
}
CARRIED = {("processing", "batch")}
LEFT_OUT = {
    ("service_tier", "default"),
    ("service_tier", "flex"),
    ("service_tier", "priority"),
    ("service_tier", "fast"),
    ("speed", "fast"),
}
SPOKEN = re.compile(r"audio|realtime|transcri|live|whisper|voxtral")
# The data set cannot say that a daily window begins on a day or holds on some weekdays only; its
# comments do, and these are those comments.
WINDOWS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "deepseek-chat": (None, ()),
    "deepseek-reasoner": (None, ()),
    "deepseek-flash": (None, ("mon", "tue", "wed", "thu", "fri")),
    "deepseek-v4-flash": ("2026-08-17", ("mon", "tue", "wed", "thu", "fri")),
    "deepseek-v4-pro": ("2026-08-17", ("mon", "tue", "wed", "thu", "fri")),
}
WEEKENDS = (
    "Peak hours hold on weekdays; Chinese public holidays are off-peak too and are not known here, "
    "so on those days the peak price is an upper bound."
)


class StrictError(Exception):
    """The data set says something that this generator was not written for."""


def price_text(value: Decimal) -> str:
    """A price as plain decimal text without needless zeros."""
    if not value.is_finite() or value < 0:
        raise StrictError(f"not a price: {value}")
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rates_of(prices: dict[str, Any], start: int, model: str) -> tuple[dict[str, Any], Any]:
    """({meter: rate}, one-hour cache write or None) of a price set in the tier above `start`."""
    rates: dict[str, Any] = {}
    hidden: dict[str, list[str]] = {}
    one_hour = None
    for key, value in prices.items():
        if value is None:
            continue
        amount = tier_price(value, start)
        if key == ONE_HOUR:
            one_hour = rate_of(amount, 1_000_000)
        elif key in METER:
            meter, per = METER[key]
            rate = rate_of(amount, per)
            if rates.get(meter, rate) != rate:
                raise StrictError(f"{model}: two rates for {meter}")
            rates[meter] = rate
        elif key in HIDDEN_IN:
            kind = key.split("_")[-2] if key.startswith("cache") is False else key.split("_")[1]
            hidden.setdefault(HIDDEN_IN[key], []).append(f"{kind} {price_text(amount)}")
        elif key not in FEES:
            raise StrictError(f"{model}: unknown price key {key}")
    hide(rates, hidden, model)
    if "embed" in model:
        rates["output"] = "not_applicable"
    return rates, one_hour


def hide(rates: dict[str, Any], hidden: dict[str, list[str]], model: str) -> None:
    """Mark meters that mix kinds of tokens at different prices as unsupported."""
    spoken = SPOKEN.search(model) is not None and "second" not in rates
    mixed = "output" in hidden or spoken or "image" in model
    for meter in ("input", "cached_input", "output"):
        others = hidden.get(meter, [])
        if meter not in rates or not (others or spoken) or not mixed:
            continue
        told = f"text {rates[meter]}" if isinstance(rates[meter], str) else "text"
        words = ", ".join([told, *others]) if others else f"{told}; other kinds not in the data"
        rates[meter] = {"state": "unsupported", "words": f"per 1M tokens: {words}"}


def tier_price(value: Any, start: int) -> Decimal:
    """The price in the context tier that begins above `start` tokens (0: the base)."""
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return Decimal(value)
    price = value.base
    for tier in tiers:
        if tier.start <= start:
            price = tier.price
    return Decimal(price)


def rate_of(amount: Decimal, per: int) -> Any:
    """A rate as the book writes it; a zero is a placeholder in such data, not a gift."""
    if amount == 0:
        return {"state": "unpublished", "words": "listed as 0, not taken as free"}
    text = price_text(amount)
    return text if per in (1, 1_000_000) else {"price": text, "per": per}


def starts_of(*sets: dict[str, Any]) -> list[int]:
    """Where context tiers begin, over all price keys of some sets."""
    found = set()
    for prices in sets:
        for value in prices.values():
            found |= {tier.start for tier in getattr(value, "tiers", ())}
    return sorted(found)


def period_of(standard: dict[str, Any], batch: dict[str, Any] | None, model: str) -> dict[str, Any]:
    """One period: rates, batch rates, context tiers, the one-hour variant."""
    priced = {key for key in standard if standard[key] is not None}
    reduced = None
    if batch is not None:
        reduced = {k: v for k, v in batch.items() if k in priced and v is not None}
    rates, one_hour = rates_of(standard, 0, model)
    period: dict[str, Any] = {"rates": rates}
    if reduced is not None:
        period["batch"] = only_new(reduced, standard, 0, model)
    add_variants(period, one_hour, reduced, standard, 0, model)
    tiers = []
    for start in starts_of(standard, reduced or {}):
        higher, one_hour = rates_of(standard, start, model)
        row: dict[str, Any] = {"above": start, "rates": higher}
        if reduced is not None:
            row["batch"] = only_new(reduced, standard, start, model)
        add_variants(row, one_hour, reduced, standard, start, model)
        tiers.append(row)
    if tiers:
        period["context_tiers"] = tiers
    return period


def add_variants(
    row: dict[str, Any], one_hour: Any, batch: Any, standard: Any, start: int, model: str
) -> None:
    """A cache entry that lives one hour costs more to write: a variant of the same meter."""
    if one_hour is None:
        return
    row["variants"] = {"cache_1h": {"cache_write": one_hour}}
    if batch is not None and ONE_HOUR in batch:
        reduced = rates_of({**standard, **batch}, start, model)[1]
        row["variants"]["cache_1h_batch"] = {"cache_write": reduced}


def only_new(
    batch: dict[str, Any], standard: dict[str, Any], start: int, model: str
) -> dict[str, Any]:
    """Batch rates of every priced meter, so that each tier and meter is stated."""
    rates, _one_hour = rates_of({**standard, **batch}, start, model)
    return {meter: rate for meter, rate in rates.items() if meter != "request"}


def as_dict(prices: Any) -> dict[str, Any]:
    """Price keys of the data set's ModelPrice."""
    return {key: value for key, value in vars(prices).items() if not key.startswith("_")}


def periods_of(model: Any) -> list[dict[str, Any]]:
    """The model's dated periods and daily windows, oldest first."""
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    rows = model.prices if isinstance(model.prices, list) else [None]
    dated: list[tuple[datetime.date | None, dict[str, Any]]] = []
    windows: list[tuple[Any, dict[str, Any]]] = []
    cuts: set[datetime.date | None] = {None}
    for row in rows:
        rule = getattr(row, "constraint", None)
        prices = as_dict(row.prices if row is not None else model.prices)
        if rule is None:
            dated.append((None, prices))
        elif type(rule) is StartDateConstraint:
            dated.append((rule.start_date, prices))
            cuts.add(rule.start_date)
        elif type(rule) is TimeOfDateConstraint:
            windows.append((rule, prices))
        else:
            raise StrictError(f"{model.id}: unknown date rule {rule!r}")
    variants = batch_variants(model)
    cuts |= {start for start, _prices in variants}
    ordered = sorted(cuts, key=lambda cut: cut or datetime.date.min)
    periods: list[dict[str, Any]] = []
    for index, cut in enumerate(ordered):
        standard = next(
            (
                prices
                for start, prices in reversed(dated)
                if start is None or (cut is not None and start <= cut)
            ),
            None,
        )
        if standard is None:
            # No unconditional price: the first dated one opens the list, nothing stands before it.
            continue
        batch = batch_at(variants, cut)
        period = period_of(standard, batch, model.id)
        period["valid_from"] = cut
        period["valid_to"] = ordered[index + 1] if index + 1 < len(ordered) else None
        periods.append(period)
    return [*merged(periods), *hour_rows(model.id, windows)]


def batch_variants(model: Any) -> list[tuple[Any, dict[str, Any]]]:
    """(first day or None, batch prices) in the data set's order; other contexts are left out."""
    from genai_prices.types import StartDateConstraint

    found = []
    for variant in model.price_variants or ():
        context = set(variant.when.items())
        if context <= LEFT_OUT:
            continue
        if context != CARRIED:
            raise StrictError(f"{model.id}: unknown request context {variant.when}")
        rule = variant.constraint
        if rule is not None and type(rule) is not StartDateConstraint:
            raise StrictError(f"{model.id}: unknown date rule for batch {rule!r}")
        found.append((rule.start_date if rule else None, as_dict(variant.prices)))
    return found


def batch_at(variants: list[tuple[Any, dict[str, Any]]], cut: Any) -> dict[str, Any] | None:
    """Batch prices in force at a cut: the first that states a key wins, as the data set says."""
    prices: dict[str, Any] = {}
    active = False
    for start, given in variants:
        if start is None or (cut is not None and start <= cut):
            active = True
            for key, value in given.items():
                if value is not None:
                    prices.setdefault(key, value)
    return prices if active else None


def merged(periods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbours that differ in nothing, or only in that batch prices begin."""
    kept: list[dict[str, Any]] = []
    for period in periods:
        before = kept[-1] if kept else None
        if before is not None and plain(before) == plain(period):
            if before.get("batch") == period.get("batch"):
                before["valid_to"] = period["valid_to"]
                continue
            if "batch" not in before and "batch_from" not in before:
                joined = {**period, "valid_from": before["valid_from"]}
                joined["batch_from"] = period["valid_from"]
                kept[-1] = joined
                continue
        kept.append(period)
    return kept


def plain(period: dict[str, Any]) -> Any:
    """What a period charges outside batches."""
    rows = [period, *period.get("context_tiers", ())]
    return [
        (row.get("above"), row["rates"], row.get("variants", {}).get("cache_1h")) for row in rows
    ]


def hour_rows(model: str, windows: list[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Daily windows at another price, from the day and on the weekdays that comments state."""
    if not windows:
        return []
    if model not in WINDOWS:
        raise StrictError(f"{model}: a daily window that nobody has read the comments of")
    start, days = WINDOWS[model]
    rows: list[dict[str, Any]] = []
    for rule, prices in windows:
        ends = []
        for moment in (rule.start_time, rule.end_time):
            if moment.utcoffset() != datetime.timedelta(0):
                raise StrictError(f"{model}: a daily window that is not in UTC")
            ends.append(moment.strftime("%H:%M"))
        row = period_of(prices, None, model)
        same = [one for one in rows if plain(one) == plain(row)]
        if same:
            same[0]["hours"].append(ends)
            continue
        row["hours"] = [ends]
        row["valid_from"] = datetime.date.fromisoformat(start) if start else None
        row["days"] = list(days)
        rows.append(row)
    return rows


def names_of(model: Any, provider: Any) -> tuple[list[str], list[str]]:
    """(exact names, prefixes of dated snapshots) that the data set itself resolves to `model`."""
    names: list[str] = []
    prefixes: list[str] = []

    def walk(clause: Any) -> None:
        kind = type(clause).__name__
        if kind == "ClauseEquals":
            names.append(clause.equals)
        elif kind == "ClauseStartsWith":
            prefixes.append(clause.starts_with)
        elif kind in ("ClauseOr", "ClauseAnd"):
            for one in clause.or_ if kind == "ClauseOr" else clause.and_:
                walk(one)
        elif kind not in ("ClauseContains", "ClauseEndsWith", "ClauseRegex"):
            raise StrictError(f"{model.id}: unknown name rule {kind}")

    walk(model.match)
    usable = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")

    def means_it(name: str) -> bool:
        found = provider.find_model(name)
        return usable.fullmatch(name) is not None and found is not None and found.id == model.id

    other = provider.find_model(model.id)
    if other is not None and other.id != model.id:
        raise StrictError(f"{model.id}: the data set finds {other.id} under this name")
    exact = [name for name in dict.fromkeys(names) if name != model.id and means_it(name)]
    dated = [
        prefix
        for prefix in dict.fromkeys(prefixes)
        if means_it(prefix + "-20250101") or means_it(prefix) or means_it(prefix + "0101")
    ]
    exact += [prefix for prefix in dated if prefix not in (*exact, model.id) and means_it(prefix)]
    return exact, dated


def kind_of(model: str, rates: dict[str, Any]) -> str:
    """What sort of model it is, by its name and its meters."""
    if "embed" in model:
        return "embedding"
    if SPOKEN.search(model) or "tts" in model or "orpheus" in model or "second" in rates:
        return "audio"
    if "image" in model or "banana" in model:
        return "image"
    return "other" if re.search(r"ocr|moderation", model, re.I) else "chat"


def value(item: Any) -> str:
    """A TOML value."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, datetime.date)):
        return str(item)
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(one) for one in item) + "]"
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{key} = {value(one)}" for key, one in item.items()) + " }"
    text = str(item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def book_text(name: str, digest: str) -> str:
    """The whole TOML text of one reference book."""
    from genai_prices.data import providers

    pid, title, semantics, source = BOOKS[name]
    provider = next(one for one in providers if one.id == pid)
    rules = {**SEMANTICS, **semantics}
    shared = f"genai-prices {VERSION}, MIT, Copyright (c) Pydantic Services Inc."
    lines = [
        f"# Made by scripts/build_reference_books.py from {shared}",
        f"# SHA-256 of its data: {digest}",
        "format = 1",
        "",
        "[book]",
        f"id = {value(name)}",
        f"title = {value(title)}",
        'kind = "upstream"',
        'unit = "USD"',
        'unit_kind = "currency"',
        "scale = 9",
        f"retrieved = {RETRIEVED}",
        f"source = {value(source)}",
        *([f"default_model = {value(DEFAULTS[name])}"] if name in DEFAULTS else []),
        f"said = {value('data@genai_prices: version ' + VERSION)}",
        "notes = [",
        '  "Flex, priority and fast service tiers, tools and searches are not carried.",',
        '  "Batch prices stand only from the day on which they were verified.",',
        "]",
        "",
        "[addresses]",
        'genai_prices = "https://github.com/pydantic/genai-prices"',
        "",
        "[rules]",
        *(
            f"{rule} = {{ value = {value(setting)}, said = "
            f"{value('docs: what the usage report of the API counts')} }}"
            for rule, setting in rules.items()
        ),
        'batch_without_price = { value = "refuse", said = "ours: unknown is not the normal rate" }',
        "",
        "[defaults]",
        "per = 1000000",
        'rates = { request = "not_applicable" }',
    ]
    taken: dict[str, str] = {}
    for model in provider.models:
        periods = periods_of(model)
        exact, prefixes = names_of(model, provider)
        lines += ["", "[[models]]", f"id = {value(model.id)}"]
        exact = [one for one in exact if taken.setdefault(one.lower(), model.id) == model.id]
        for key, item in (
            ("aliases", exact),
            ("prefixes", prefixes),
            ("kind", kind_of(model.id.lower(), periods[0]["rates"])),
            ("provider", name),
            ("context", model.context_window),
            ("status", "deprecated" if model.deprecated else None),
            ("notes", [WEEKENDS] if WINDOWS.get(model.id, (None, ()))[1] else None),
        ):
            if item:
                lines.append(f"{key} = {value(item)}")
        lines += period_lines(periods, rules)
    return "\n".join(lines) + "\n"


def period_lines(periods: list[dict[str, Any]], rules: dict[str, bool]) -> list[str]:
    """TOML of a model's periods: inline where there is one that is always in force."""
    lines: list[str] = []
    single = len(periods) == 1 and not periods[0].get("valid_from")
    for period in periods:
        if not single:
            lines += ["", "[[models.periods]]"]
        for rates in (period["rates"], *(row["rates"] for row in period.get("context_tiers", ()))):
            if not rates:
                rates["input"] = {"state": "unpublished", "words": "no price in the data"}
            if not rules["output_includes_reasoning"] and "output" in rates:
                rates.setdefault("reasoning", "= output")
        for key in ("valid_from", "valid_to", "hours", "days", "rates", "batch", "batch_from"):
            if period.get(key):
                lines.append(f"{key} = {value(period[key])}")
        if period.get("variants"):
            lines.append(f"variants = {value(period['variants'])}")
        if period.get("context_tiers"):
            rows = ",\n".join("  " + value(row) for row in period["context_tiers"])
            lines.append(f"context_tiers = [\n{rows},\n]")
    return lines


def main(arguments: list[str]) -> int:
    """Write or check the reference books; return the exit code."""
    try:
        import genai_prices
        from genai_prices import data
    except ImportError:
        print(f"skipped: needs genai-prices=={VERSION}", file=sys.stderr)
        return 77
    from importlib.metadata import version

    if version("genai-prices") != VERSION:
        print(f"genai-prices {version('genai-prices')} is installed, {VERSION} is wanted")
        return 1
    del genai_prices
    digest = hashlib.sha256(Path(data.__file__).read_bytes()).hexdigest()
    changed = []
    for name in BOOKS:
        path = OUT / f"{name}.toml"
        text = book_text(name, digest)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            changed.append(path)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    if "--check" in arguments and changed:
        for path in changed:
            print(f"{path.relative_to(ROOT)} is not what {Path(__file__).name} would write")
        return 1
    print(f"{len(BOOKS)} books, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
