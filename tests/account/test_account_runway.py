"""What a forecast takes from a gateway: usage records, else the wallet's book; credits, limits."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from nexctl.account import runway as workflow
from nexctl.errors import NexctlError
from nexctl.usage import runway
from nexctl.wire.me import KeyFacts
from nexctl.wire.usage import UsageRecord
from nexctl.wire.wallet import Grant, Layer, LedgerEntry, Lot, Wallet

NOW = runway.seconds_of("2026-11-23T00:00:00Z")


def record(day: int, charge: str = "1") -> UsageRecord:
    return UsageRecord(
        created_at=runway.instant_of(NOW - day * runway.DAY + 60),
        request_id=f"r{day}",
        gateway="g",
        customer_id="c",
        endpoint="e",
        model_requested="m",
        status="ok",
        charge=charge,
        currency="USD",
    )


class Fake:
    """A gateway that keeps usage records for so many days."""

    name = "g"

    def __init__(self, kind: str = "management_key", keeps: int = 365, **wallet: Any) -> None:
        self.kind, self.keeps = kind, keeps
        self.owned = {
            "balance": "100", "held": "0", "spendable": "100", "currency": "USD", **wallet
        }  # fmt: skip
        self.usage = SimpleNamespace(list=self.listed)
        self.wallet = SimpleNamespace(
            show=lambda: Wallet(**self.owned), ledger=self.ledger, grants=self.grants
        )

    def me(self) -> Any:
        return SimpleNamespace(key=KeyFacts(id="k", kind=self.kind, prefix="nxt"))

    def listed(self, query: Any) -> Iterator[UsageRecord]:
        oldest = NOW - self.keeps * runway.DAY
        if runway.seconds_of(query.from_) < oldest:
            raise NexctlError(
                "kept for less", code="plan_limit", details={"oldest": runway.instant_of(oldest)}
            )
        return (record(day) for day in range(min(self.keeps, 40), -1, -1))

    def ledger(self, query: Any) -> Iterator[LedgerEntry]:
        assert query.kind == "usage"
        for day in range(40, -1, -1):
            at = runway.instant_of(NOW - day * runway.DAY + 60)
            yield LedgerEntry(day, at, "usage", "-2", "USD", "0")

    def grants(self) -> Iterator[Grant]:
        end = runway.instant_of(NOW + 5 * runway.DAY)
        yield Grant("g1", "code", "30", "30", "USD", "active", "2026-01-01T00:00:00Z", end)
        yield Grant("g2", "code", "9", "0", "USD", "expired", "2026-01-01T00:00:00Z", end)


def test_usage_records_are_the_history_where_they_are_kept() -> None:
    found, source = workflow.forecast(Fake(), NOW)  # type: ignore[arg-type]
    assert source == "usage"
    assert (len(found.past.burns), found.data()["burn"]["median"]) == (28, "1")


def test_a_short_retention_gives_way_to_the_wallets_book() -> None:
    found, source = workflow.forecast(Fake(keeps=7), NOW)  # type: ignore[arg-type]
    assert source == "ledger"
    assert found.data()["burn"]["median"] == "2"


def test_a_key_that_may_not_see_the_book_takes_what_is_kept_and_says_so() -> None:
    said: list[str] = []
    found, source = workflow.forecast(
        Fake("key", keeps=7),  # type: ignore[arg-type]
        NOW,
        say=said.append,
    )
    assert (source, found.past.enough) == ("usage", False)
    assert said == [
        "this key sees its own usage only: other keys may burn the same wallet",
        "g keeps usage records since 2026-11-16 only",
    ]


def test_another_refusal_is_not_swallowed() -> None:
    fake = Fake()

    def refused(query: Any) -> Any:
        raise NexctlError("no", code="ip_not_allowed")

    fake.usage.list = refused
    with pytest.raises(NexctlError, match="no"):
        workflow.forecast(fake, NOW)  # type: ignore[arg-type]


def test_where_no_lots_are_listed_the_grants_expire_and_the_rest_does_not() -> None:
    data = workflow.forecast(Fake(), NOW)[0].data()  # type: ignore[arg-type]
    assert [(c["kind"], c["available"], c["expires_at"]) for c in data["credits"]] == [
        ("code", "30", "2026-11-28T00:00:00Z"),
        ("paid", "70", None),
    ]


def test_lots_burn_in_the_gateways_order_and_hard_limits_of_money_are_forecast() -> None:
    lots = [
        Lot("1", "paid", "60", "60", "2026-01-01T00:00:00Z"),
        Lot("2", "bonus", "40", "40", "2026-01-01T00:00:00Z", "2026-11-28T00:00:00Z"),
    ]
    layers = [
        Layer("wallet", "100"),
        Layer("key", "3", name="ci", amount="90", resets_at="2026-12-01T00:00:00Z"),
        Layer("customer", "1", unit="tokens"),
        Layer("org", "1", hard=False),
    ]
    found, _ = workflow.forecast(Fake(lots=lots, layers=layers), NOW)  # type: ignore[arg-type]
    data = found.data()
    # The bonus is behind what was paid: all of it expires after five days of burning 1.
    assert data["credits"][1]["expires_unused"]["median"] == "40"
    assert data["days_left"]["median"] == 60
    assert [(stop["limit"], stop["days"]) for stop in data["stops"]] == [("key ci", 3)]
