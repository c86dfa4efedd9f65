"""From a checked price book to its literal form: rates resolved, periods and tiers in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from nexctl.pricing.exact import ratio_of, text_of_ratio, times
from nexctl.pricing.shape import near, scaled

Report = Callable[[tuple["str | int", ...], str], None]
Resolver = Callable[[str, str, "str | None"], "tuple[str, str] | None"]
Rate = tuple[str, "str | None", int, str, "str | None"]

TOKEN_METERS = ("input", "cached_input", "cache_write", "output", "reasoning")


def rule(book: dict[str, Any], name: str, default: Any) -> Any:
    """Return the value of a rule of a checked book, else `default`."""
    row = book.get("rules", {}).get(name)
    return row["value"] if row else default


def check(book: dict[str, Any], report: Report) -> None:
    """Report what no single value shows: doubles, gaps, reversed dates, names of nothing."""
    head = book["book"]
    _interval(head, ("book",), report)
    _names(book, report)
    for index, model in enumerate(book.get("models", ())):
        _model_shape(model, ("models", index), report)
    _billing_tiers(book.get("billing_tiers", {}).get("tiers", ()), report)
    _doubles(book.get("plans", ()), "id", ("plans",), report)
    topup = book.get("topup", {})
    _doubles(topup.get("packs", ()), "id", ("topup", "packs"), report)
    default = topup.get("default_pack")
    if default not in (None, "unpublished", *(pack["id"] for pack in topup.get("packs", ()))):
        report(("topup", "default_pack"), f"default_pack: there is no pack {default!r}")
    _doubles(book.get("budgets", ()), "name", ("budgets",), report)
    if head["scale"] < head.get("rounding", {}).get("places", 0):
        report(("book", "rounding", "places"), "places: more decimals than the book's scale")


def _interval(row: dict[str, Any], path: Any, report: Report) -> None:
    start, end = row.get("valid_from"), row.get("valid_to")
    if start and end and start >= end:
        report((*path, "valid_to"), f"valid_to {end} is not after valid_from {start}")


def _doubles(rows: Any, key: str, path: Any, report: Report) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        if row[key] in seen:
            report((*path, index, key), f"{key} {row[key]!r} stands twice")
        seen.add(row[key])


def _names(book: dict[str, Any], report: Report) -> None:
    """Ids, aliases, match lists and prefixes are one namespace: each name means one model."""
    owner: dict[str, str] = {}
    for index, model in enumerate(book.get("models", ())):
        for key in ("id", "aliases", "match", "prefixes"):
            names = model.get(key, ())
            for name in (names,) if key == "id" else names:
                spot = f"{name}*" if key == "prefixes" else name
                if spot in owner and not (key == "prefixes" and owner[spot] == model["id"]):
                    path = ("models", index, key)
                    report(path, f"{key}: {name!r} already names model {owner[spot]!r}")
                owner[spot] = model["id"]
    default = book["book"].get("default_model")
    if default is not None and default not in owner:
        report(("book", "default_model"), f"there is no model {default!r}{near(default, owner)}")


def _model_shape(model: dict[str, Any], path: Any, report: Report) -> None:
    schemes = [key for key in ("rates", "periods", "relative", "ratios") if key in model]
    if len(schemes) != 1:
        told = " and ".join(schemes) if schemes else "none"
        report(
            path,
            f"model {model['id']!r}: one of rates, periods, relative, ratios is wanted, not {told}",
        )
        return
    periods = model.get("periods", ())
    for index, period in enumerate(periods):
        here = (*path, "periods", index)
        _interval(period, here, report)
        _tiers(period, here, report)
        for number, pair in enumerate(period.get("hours", ())):
            if len(pair) != 2 or pair[0] == pair[1]:
                report((*here, "hours", number), "hours: pairs of different times are wanted")
    if "rates" in model:
        _tiers(model, path, report)
    plain = [period for period in periods if "hours" not in period]
    if periods and not plain:
        report((*path, "periods"), "one period without hours is wanted, for all other hours")
    _overlaps(plain, (*path, "periods"), report)


def _overlaps(periods: list[dict[str, Any]], path: Any, report: Report) -> None:
    rows = sorted(periods, key=lambda row: row.get("valid_from") or "")
    for before, after in itertools.pairwise(rows):
        end, start = before.get("valid_to"), after.get("valid_from")
        if end is None or start is None or end > start:
            report(path, f"two periods overlap: one ends {end or 'never'}, one starts {start}")
        elif end < start:
            report(path, f"no period covers {end} to {start}")


def _tiers(row: dict[str, Any], path: Any, report: Report) -> None:
    before = -1
    for index, tier in enumerate(row.get("context_tiers", ())):
        here = (*path, "context_tiers", index)
        bounds = [key for key in ("above", "from") if key in tier]
        if len(bounds) != 1:
            report(here, "context tier: one of above (>) and from (>=) is wanted")
            continue
        first = tier[bounds[0]] + (bounds[0] == "above")
        if first <= before:
            report(here, f"context tier: {bounds[0]} {tier[bounds[0]]} overlaps the one before")
        before = first
        for meter in row.get("rates", {}):
            if meter not in ("said", "notes") and meter not in tier["rates"]:
                report(here, f"context tier: {meter!r} is missing, an unknown tier is no price")
        for meter in row.get("batch", {}):
            if meter not in ("said", "notes") and meter not in tier.get("batch", {}):
                report(here, f"context tier: batch {meter!r} is missing")


def _billing_tiers(tiers: Any, report: Report) -> None:
    _doubles(tiers, "id", ("billing_tiers", "tiers"), report)
    for index, tier in enumerate(tiers):
        here = ("billing_tiers", "tiers", index)
        wanted = tiers[index - 1].get("up_to") if index else "0"
        if wanted is None:
            report(here, "billing tier: the one before has no end")
        elif scaled(tier["above"]) != scaled(wanted):
            words = "overlaps" if scaled(tier["above"]) < scaled(wanted) else "leaves a gap after"
            report((*here, "above"), f"billing tier: above {tier['above']} {words} {wanted}")
        if "up_to" in tier and scaled(tier["up_to"]) <= scaled(tier["above"]):
            report((*here, "up_to"), f"billing tier: up_to {tier['up_to']} is not over its start")


def book(checked: dict[str, Any], resolve: Resolver, report: Report) -> dict[str, Any]:
    """Return the literal of a checked book, its models' rates resolved."""
    models = tuple(
        _Rates(checked, model, ("models", index), resolve, report).model()
        for index, model in enumerate(checked.get("models", ()))
    )
    return {**checked, "models": models}


class _Rates:
    """Resolves one model's rates: units, `= output`, cached multiplier, relative and ratio."""

    def __init__(
        self, book: dict[str, Any], model: dict[str, Any], path: Any, resolve: Resolver, report: Any
    ) -> None:
        self.book, self.source, self.path = book, model, path
        self.resolve, self.report = resolve, report
        self.per = book.get("defaults", {}).get("per", 1_000_000)
        self.derived: dict[str, Any] = {}

    def model(self) -> dict[str, Any]:
        model = self.source
        if "relative" in model:
            periods: tuple[dict[str, Any], ...] = (self._relative(model["relative"]),)
        elif "ratios" in model:
            periods = (self._ratios(model["ratios"]),)
        else:
            rows = model.get("periods") or (model,)
            order = sorted(rows, key=lambda row: row.get("valid_from") or "")
            periods = tuple(self._period(row) for row in order)
        plain = ("rates", "batch", "batch_from", "context_tiers", "variants", "periods", "ratios")
        kept = {key: value for key, value in model.items() if key not in plain}
        spoken = {**self.derived, **model.get("rates", {}).get("said", {})}
        if spoken:
            kept["rates_said"] = spoken
        kept["periods"] = periods
        return kept

    def _period(self, row: dict[str, Any]) -> dict[str, Any]:
        base = self._table(row["rates"])
        batch = self._table(row["batch"], fill=False) if "batch" in row else None
        tiers = []
        for tier in row.get("context_tiers", ()):
            rates = self._table(tier["rates"])
            reduced = self._table(tier["batch"], fill=False) if "batch" in tier else None
            bound = tier.get("above", tier.get("from"))
            tiers.append((bound, "from" in tier, rates, reduced, self._variants(tier)))
        period: dict[str, Any] = {"rates": base}
        for key, value in (
            ("from", row.get("valid_from")),
            ("to", row.get("valid_to")),
            ("hours", row.get("hours")),
            ("days", row.get("days")),
            ("batch", batch),
            ("batch_from", row.get("batch_from")),
            ("tiers", tuple(tiers)),
            ("variants", self._variants(row)),
        ):
            if value:
                period[key] = value
        return period

    def _variants(self, row: dict[str, Any]) -> dict[str, dict[str, Rate]]:
        return {
            name: self._table(rates, fill=False)
            for name, rates in row.get("variants", {}).items()
            if name not in ("said", "notes")
        }

    def _table(self, rates: dict[str, Any], *, fill: bool = True) -> dict[str, Rate]:
        kept: dict[str, Rate] = {}
        for meter, value in rates.items():
            if meter not in ("said", "notes"):
                kept[meter] = self._rate(meter, value)
        for meter, rate in kept.items():
            if rate[4] == "= output":
                output = kept.get("output")
                if output is None or output[4] == "= output":
                    self.report(self.path, f"model {self.source['id']!r}: no output rate to copy")
                else:
                    kept[meter] = (*output[:4], "the output rate")
        if fill:
            for meter, state in self.book.get("defaults", {}).get("rates", {}).items():
                if meter not in ("said", "notes"):
                    kept.setdefault(meter, self._rate(meter, state))
            self._cached(kept)
        return kept

    def _rate(self, meter: str, value: Any) -> Rate:
        tokens = meter in TOKEN_METERS
        unit, per = ("token", self.per) if tokens else (meter, 1)
        words = None
        if isinstance(value, dict):
            unit, per = value.get("unit", unit), value.get("per", per)
            words = value.get("words")
            value = value.get("price") or value.get("state", "unpublished")
        if value == "= output":
            return ("unpublished", None, per, unit, value)
        if value[0].isdigit():
            return ("number", value, per, unit, words)
        return (value, None, per, unit, words)

    def _cached(self, rates: dict[str, Rate]) -> None:
        """Where a row prints no cached rate, the book's multiplier of its provider makes one."""
        multipliers = self.book.get("multipliers", {})
        by_provider = multipliers.get("cached_by_provider", {})
        share = by_provider.get(self.source.get("provider"), multipliers.get("cached"))
        plain = rates.get("input")
        missing = "cached_input" not in rates or rates["cached_input"][0] == "unpublished"
        if share and share[0].isdigit() and plain and plain[1] and missing:
            price = times(plain[1], share)
            rates["cached_input"] = ("number", price, plain[2], plain[3], f"input x {share}")
            spoken = by_provider.get("said") or multipliers.get("said", {})
            self.derived["cached_input"] = spoken.get("*", ("reading", None, None))

    def _relative(self, row: dict[str, Any]) -> dict[str, Any]:
        """Input + output rates from the published credits of 2,000 + 2,000 tokens.

        Only that sum is published. Its split is a rule of the book: the ratio of the vendor's list
        prices, scaled to the sum, or unknown.
        """
        if rule(self.book, "published_sum", "credits_column") == "credits_column":
            amount = row["credits"]
        else:
            amount = times(row["rate"], self._default_credits())
        both = times(amount, "1/2000", str(self.per))
        split = row.get("split")
        ratio = (split["input"], split["output"]) if split else self._list_prices()
        if ratio is None or (rule(self.book, "split", "unknown") == "unknown" and not split):
            rates = self._table({"input": "unpublished", "output": "unpublished"})
            return {"rates": rates, "sum": (both, self.per)}
        (left, left_per), (right, right_per) = ratio_of(ratio[0]), ratio_of(ratio[1])
        into, out = left * right_per, right * left_per
        rates = self._table({})
        said = self.book.get("rules", {}).get("split", {}).get("said", {})
        for meter, share in (("input", into), ("output", out)):
            self.derived[meter] = said.get("*", ("reading", None, None))
            price = times(both, text_of_ratio(share, into + out))
            rates[meter] = ("number", price, self.per, "token", f"split {ratio[0]} : {ratio[1]}")
        return {"rates": rates, "sum": (both, self.per)}

    def _default_credits(self) -> str:
        name = self.book["book"].get("default_model")
        for model in self.book["models"]:
            if model["id"] == name and "relative" in model:
                return str(model["relative"]["credits"])
        self.report(self.path, "relative rates need a default model with published credits")
        return "0"

    def _list_prices(self) -> tuple[str, str] | None:
        reference = self.source.get("reference")
        if reference is None:
            return None
        found = self.resolve(reference["book"], reference["model"], self.book["book"]["retrieved"])
        if found is None:
            self.report(
                (*self.path, "reference"),
                f"reference: {reference['book']}/{reference['model']} has no list price",
            )
        return found

    def _ratios(self, row: dict[str, Any]) -> dict[str, Any]:
        """Credits = model ratio x completion ratio x tokens; the pricer brings the group."""
        rates = self._table({})
        for meter, parts in (
            ("input", (row["model"],)),
            ("output", (row["model"], row.get("completion"))),
            ("cached_input", (row["model"], row.get("cached"))),
        ):
            if None not in parts:
                price = times(*[part for part in parts if part is not None])
                rates[meter] = ("number", price, 1, "token", "ratio product")
        return {"rates": rates, "grouped": True}
