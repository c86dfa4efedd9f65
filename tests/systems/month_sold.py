"""What a system sells, as this test reads it from the system's page, and its own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.server.server_kit import Rig

Rates = Mapping[str, str]


@dataclass(frozen=True)
class Sold:
    """What a system sells, as its page says it. `rates` are for `per` of a meter; money is text.

    `tiers` are (gross above which it holds, percent, its name), lowest first; `amounts` what can be
    paid in, `credits` how much of the unit one unit of money brings; `tax` the percent on what is
    bought by whom the operator taxes; `claims` the tasks that earn credits.
    """

    name: str
    unit: str
    rates: Mapping[str, Rates]
    scale: int = 9
    per: int = 1_000_000
    plan: str | None = None
    zone: str = "UTC"
    book: str | None = None
    beside: bool = False
    batch: str = "1"
    semantic: str | None = None
    tiers: tuple[tuple[str, str, str], ...] = ()
    agreed: str | None = None
    embeds: str | None = None
    costly: str | None = None
    amounts: tuple[str, ...] = ()
    credits: str = "1"
    loyalty: tuple[str, str] | None = None
    fees: Mapping[str, str] = field(default_factory=dict)
    fee_tax: str = "0"
    included: Mapping[str, str] = field(default_factory=dict)
    tax: str = "0"
    claims: tuple[str, ...] = ()
    bonus: str | None = None
    prepare: Callable[[Rig], None] | None = None

    @property
    def chats(self) -> list[str]:
        """Models that converse."""
        return [name for name, rates in self.rates.items() if "output" in rates]

    def has(self, *meters: str) -> list[str]:
        """Models that are sold by one of these meters."""
        return [name for name, rates in self.rates.items() if set(meters) & set(rates)]

    def exact(self, row: Mapping[str, Any]) -> Fraction:
        """A usage record's charge before any billing tier, in the unit, not rounded."""
        rates = self.rates[row["model_charged"]]
        cached, into = row["cached_input_tokens"], row["input_tokens"]
        semantic = row["semantic_cache_hit"]
        counted = {
            "input": into if self.beside else into - cached,
            "cached_input": cached,
            "output": row["output_tokens"],
        }
        if "cached_input" not in rates or semantic:
            counted["input"] += counted.pop("cached_input")
        total = (
            sum(
                (Fraction(rates[meter]) * count for meter, count in counted.items() if count),
                Fraction(0),
            )
            / self.per
        )
        for meter, name in (("image", "images"), ("video", "videos"), ("gpu_second", "gpu_seconds"),
                            ("second", "seconds"), ("request", "requests")):  # fmt: skip
            if meter in rates:
                total += Fraction(rates[meter]) * row[name]
        if semantic:
            total *= Fraction(self.semantic or "1")
        if row["batch_id"]:
            total *= Fraction(self.batch)
        return total

    def units(self, amount: Fraction) -> int:
        """An exact amount in the ledger's unit: rounded once, half to even, as `round` does."""
        return round(amount * 10**self.scale)

    def paid(self, money: str) -> int:
        """What a payment brings, in the ledger's unit."""
        return self.units(Fraction(money) * Fraction(self.credits))
