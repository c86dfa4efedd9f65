"""Forecasts from a real gateway's records, its clock moved on day by day."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from server_kit import Calendar, Rig

from nexctl.account import calibrating
from nexctl.account import runway as workflow
from nexctl.estimate.sources import find
from nexctl.gateways.drivers import open_gateway
from nexctl.gateways.port import Gateway
from nexctl.money import parse_units
from nexctl.pricing import books
from nexctl.safety.http import Key
from nexctl.usage.runway import DAY
from nexctl.usage.whatif import WhatIf

DAYS = 20


def gateway_of(rig: Rig, key: str | None = None) -> Gateway:
    secret = Key(key or rig.management, rig.transport.origin)
    return open_gateway("nexctl", rig.transport, secret, "home")


@pytest.fixture
def used(make: Callable[..., Rig]) -> Callable[[str], tuple[Rig, Calendar]]:
    """A gateway with one request on each of 20 days, noon UTC."""

    def lived(plan: str) -> tuple[Rig, Calendar]:
        rig = make(plan=plan)
        calendar = Calendar(rig)
        # Included credits may expire on the way; these do not.
        made = rig.ask("POST", "/admin/v1/codes", {"amount": "5", "count": 1}, key=rig.operator)
        code = made.body["data"][0]["code"]
        assert rig.ask("POST", "/v1/wallet/redeem", {"code": code}).status == 200
        for day in range(DAYS):
            got = rig.chat(request_id=f"day-{day}", max_tokens=20)
            assert got.status == 200, got
            calendar.passed += DAY
        rig.settled()
        return rig, calendar

    return lived


def test_the_burn_of_a_day_is_what_the_gateway_charged(
    used: Callable[[str], tuple[Rig, Calendar]],
) -> None:
    rig, calendar = used("business")
    said: list[str] = []
    found, source = workflow.forecast(gateway_of(rig), calendar.now, say=said.append)
    charges = {row["charge"] for row in rig.usage()}
    data = found.data()
    assert (source, said) == ("usage", [])
    # The first day may not have been whole.
    assert data["history"]["days"] == DAYS - 1
    assert {data["burn"]["median"], data["burn"]["p90"]} <= charges
    assert data["balance"] == rig.wallet()["balance"]
    assert sum(parse_units(row["available"]) for row in data["credits"]) == parse_units(
        data["available"]
    )


def test_a_plan_that_keeps_seven_days_of_records_is_read_from_the_wallets_book(
    used: Callable[[str], tuple[Rig, Calendar]],
) -> None:
    rig, calendar = used("developer")
    found, source = workflow.forecast(gateway_of(rig), calendar.now)
    assert source == "ledger"
    assert found.data()["history"]["days"] == DAYS - 1
    assert parse_units(found.data()["burn"]["median"]) > 0


def test_what_a_gateway_charged_is_what_if_on_its_own_book(
    used: Callable[[str], tuple[Rig, Calendar]],
) -> None:
    rig, _ = used("business")
    replay = WhatIf(("nextoken",))
    for row in gateway_of(rig).usage.list():
        replay.add(row)
    compared = replay.answer().data()["books"][0]["compared"]
    assert (compared["rows"], compared["difference"]) == (DAYS, "0")


def test_prompts_that_were_sent_are_joined_by_the_id_they_were_sent_with(
    used: Callable[[str], tuple[Rig, Calendar]], tmp_path: Path
) -> None:
    rig, _ = used("business")
    lines = [
        {
            "model": "nex-pro",
            "request_id": f"day-{day}",
            "messages": [{"role": "user", "content": "Hello there"}],
        }
        for day in range(DAYS + 2)
    ]
    file = tmp_path / "sent.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = calibrating.calibrate(
        find((str(file),)).files,
        lambda: gateway_of(rig).usage.list(),
        book=books.load("nextoken"),
    )
    assert (result.joined, result.unbilled) == (DAYS, 2)
    # Echo bills what is counted: there is nothing to correct, and the output is known.
    assert result.learned.ratios[0].why == "it would not make the held-out error smaller"
    assert result.learned.outputs[0].samples == DAYS
