"""What requests cost the operator: profiles, costs beside usage, margins. No customer sees any."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from operator_kit import CREDIT, base, costed, costs, operate, put, sheet
from server_kit import Rig

from nexctl.server.ledger import verify


def test_a_cost_is_kept_beside_each_usage_record_and_follows_again(kept: Rig) -> None:
    rig = kept
    assert rig.chat().status == 200
    assert costs(rig, toml=sheet(input="2", output="8")).body["source"] == "own"
    assert rig.chat().status == 200
    assert costs(rig, toml=sheet(input="4", output="8")).status == 200
    assert rig.chat().status == 200
    first, second, third = costed(rig)
    assert (first["cost"], first["why"]) == (None, "no_profile")
    for row, price in ((second, 2), (third, 4)):
        used = row["input_tokens"] * price + row["output_tokens"] * 8
        assert Decimal(row["cost"]) == Decimal(used) / 1_000_000
        assert (row["cost_currency"], row["why"]) == ("USD", "profile")
    proof = verify.verify(rig.house.ledger)
    assert proof.clean, proof.violations
    assert proof.proved["costs"] > 3


def test_a_changed_cost_is_found_by_verify(rig: Rig) -> None:
    costs(rig, toml=sheet(input="2", output="8"))
    rig.chat()

    def tamper(tx: Any) -> None:
        tx.run("DROP TRIGGER usage_costs_no_update")
        tx.run("UPDATE usage_costs SET cost=cost+1")

    rig.house.ledger.write(tamper)
    found = {row.check for row in verify.verify(rig.house.ledger).violations}
    assert "costs" in found


def test_what_the_provider_did_not_do_costs_nothing_and_that_is_known(
    make: Callable[..., Rig],
) -> None:
    rig = make(semantic_cache=True)
    costs(rig, toml=sheet(input="2", output="8"))
    body = {"messages": [{"role": "user", "content": "What is the tallest mountain of Peru?"}]}
    assert not rig.chat(**body).body["nex"]["semantic_cache_hit"]
    assert rig.chat(**body).body["nex"]["semantic_cache_hit"]
    sent, hit = costed(rig)
    assert Decimal(sent["cost"]) > 0
    assert (hit["cost"], hit["why"]) == ("0", "not_sent")


def test_no_customer_is_told_a_cost(rig: Rig) -> None:
    costs(rig, toml=sheet(input="2", output="8"))
    done = rig.chat()
    seen = [done.body, rig.ask("GET", "/v1/usage").body, rig.ask("GET", "/v1/wallet/ledger").body]
    seen.append(rig.ask("GET", f"/v1/usage/{done.body['nex']['request_id']}").body)
    seen.append(rig.ask("GET", "/v1/audit-log").body)
    text = json.dumps(seen)
    assert costed(rig)[0]["cost"] not in ("0", None)
    assert "cost" not in text.replace("estimate-cost", "")
    assert rig.ask("GET", "/admin/v1/usage").status == 403
    assert rig.ask("GET", "/admin/v1/margin").status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"book": "openai", "toml": "x"},
        {"book": "nothing"},
        {"toml": "format = 1"},
        {"toml": "not toml ["},
        {"book": "nexrelay"},
        {"book": "tokenok"},
    ],
)
def test_a_profile_is_one_book_in_a_currency_with_models(rig: Rig, body: dict[str, str]) -> None:
    got = operate(rig, "PUT", "/providers/echo/costs", body)
    assert (got.status, got.code) == (400, "invalid_request")
    assert operate(rig, "GET", "/providers/echo/costs").status == 404


def test_margin_is_not_added_up_over_an_unknown_cost(rig: Rig) -> None:
    rig.chat()
    costs(rig, toml=sheet(input="0.1", output="0.1"))
    rig.chat()
    got = operate(rig, "GET", "/margin?by=provider").body
    (row,) = got["data"]
    assert (row["group"], row["requests"], row["unknown_costs"]) == ("echo", 2, 1)
    assert row["margin"] is row["cost"] is row["markup_percent"] is None
    assert Decimal(row["known_cost"]) > 0
    assert any("not known" in note for note in got["notes"])


def test_markup_is_on_cost_and_margin_on_price(rig: Rig) -> None:
    costs(rig, toml=sheet(input="0.1", output="0.1"))
    rig.chat()
    total = operate(rig, "GET", "/margin").body["total"]
    charge, cost = Decimal(total["revenue"]), Decimal(total["cost"])
    assert Decimal(total["margin"]) == charge - cost
    assert abs(Decimal(total["markup_percent"]) - (charge - cost) / cost * 100) < Decimal("0.00001")
    assert abs(Decimal(total["margin_percent"]) - (charge - cost) / charge * 100) < Decimal("1e-5")


def opening(rig: Rig, **body: Any) -> dict[str, Any]:
    got = operate(rig, "POST", "/margin", body)
    assert got.status == 200, got
    return dict(got.body)


def only_nex_pro(rig: Rig) -> None:
    operate(rig, "PATCH", "/providers/echo", {"models": {"nex-pro": "nex-pro"}})


def test_before_opening_each_row_has_its_cost_or_fails(rig: Rig) -> None:
    only_nex_pro(rig)
    found = opening(rig)
    assert not found["passed"]
    assert {row["state"] for row in found["rows"]} == {"unknown_cost"}
    costs(rig, toml=sheet(input="0.01", output="0.01"))
    found = opening(rig)
    assert found["passed"], found
    lanes = {row["lane"] for row in found["rows"]}
    assert {"sync", "batch"} < lanes
    assert any("tier" in lane for lane in lanes)


def test_a_batch_discount_below_cost_is_found_though_the_list_price_is_above(rig: Rig) -> None:
    only_nex_pro(rig)
    price = Decimal(next(r["price"] for r in opening(rig)["rows"] if r["meter"] == "input"))
    costs(rig, toml=sheet(input=str(price * 9 / 10), output="0.01", cached_input="0.001"))
    found = opening(rig)
    states = {(row["lane"], row["meter"]): row["state"] for row in found["rows"]}
    assert states["sync", "input"] == "ok"
    assert states["batch", "input"] == "below_cost"
    assert not found["passed"]


def test_credits_without_a_value_have_no_margin(make: Callable[..., Rig]) -> None:
    rig = make(book="tokenok", plan=None)
    costs(rig)
    rows = [{"id": "gpt-4o", "rates": {"input": "300", "output": "1200"}}]
    found = opening(rig, models=rows)
    assert {row["state"] for row in found["rows"]} == {"unknown_rate"}
    assert opening(rig, models=rows, credit=CREDIT)["passed"]
    assert opening(rig, models=rows, credit={**CREDIT, "per": "120"})["passed"]
    found = opening(rig, models=rows, credit={**CREDIT, "per": "120.1"})
    assert found["below_cost"] > 0


def test_two_providers_the_dearest_decides_the_draft(make: Callable[..., Rig]) -> None:
    rig = make(book="tokenok", plan=None)
    costs(rig)
    operate(rig, "POST", "/providers", {"id": "dear", "kind": "echo"})
    dear = sheet(input="3", output="9").replace("nex-pro", "gpt-4o")
    draft = {"markup": "10", "models": ["gpt-4o"], "credit": CREDIT}
    got = operate(rig, "POST", "/prices/draft", draft).body
    assert got["models"] == []
    assert "no cost profile" in got["unknown"][0]["why"]
    costs(rig, "dear", toml=dear)
    got = operate(rig, "POST", "/prices/draft", draft).body
    # 3 a million at dear, 10 a million at echo (openai): plus 10 %, in credits of a cent.
    assert got["models"][0]["rates"] == {"input": "330", "output": "1100"}
    assert got["rounded"] == 0
    assert base(rig) == got["base"]
    assert put(rig, {"gpt-4o": got["models"][0]["rates"]}, credit=CREDIT).status == 200
    assert opening(rig)["passed"]


@pytest.mark.parametrize(
    ("taken", "lost", "price"),
    [
        # A price of tokens alone: each request is given away.
        ({"request": "0.5"}, "request", "0"),
        # Written parts without a price are charged as plain input.
        ({"cache_write": "0.125"}, "cache_write", "0.1"),
        ({"reasoning": "0.5"}, "reasoning", "0.4"),
    ],
)
def test_before_opening_what_costs_and_has_no_price_of_its_own_is_a_row(
    rig: Rig, taken: dict[str, str], lost: str, price: str
) -> None:
    only_nex_pro(rig)
    costs(rig, toml=sheet(input="0.01", output="0.01", **taken))
    found = opening(rig)
    rows = {row["meter"]: row for row in found["rows"] if row["lane"] == "sync"}
    assert (rows[lost]["price"], rows[lost]["cost"]) == (price, taken[lost])
    assert rows[lost]["state"] == "below_cost"
    assert {rows[meter]["state"] for meter in ("input", "output")} == {"ok"}
    assert not found["passed"]


def test_a_requests_fee_that_nobody_knows_is_unknown_not_nothing(rig: Rig) -> None:
    only_nex_pro(rig)
    text = sheet(input="0.01", output="0.01", request="unpublished")
    costs(rig, toml=text)
    found = opening(rig)
    states = {row["meter"]: row["state"] for row in found["rows"] if row["lane"] == "sync"}
    assert states == {"input": "ok", "output": "ok", "request": "unknown_cost"}
    assert not found["passed"]


def test_a_draft_holds_what_only_one_of_two_providers_takes_apart(make: Callable[..., Rig]) -> None:
    """The other one counts it as plain tokens, or not at all: the dearer of the two decides."""
    rig = make()
    only_nex_pro(rig)
    costs(rig, toml=sheet(input="1", output="4", cached_input="0.1", request="0.01"))
    models = {"nex-pro": "nex-pro"}
    operate(rig, "POST", "/providers", {"id": "other", "kind": "echo", "models": models})
    costs(rig, "other", toml=sheet(input="0.9", output="4", cache_write="1.125"))
    draft = operate(rig, "POST", "/prices/draft", {"markup": "10", "models": ["nex-pro"]}).body
    assert draft["models"][0]["rates"] == {
        "input": "1.1",
        "cached_input": "0.99",
        "cache_write": "1.2375",
        "output": "4.4",
        "request": "0.011",
    }
    put(rig, {"nex-pro": draft["models"][0]["rates"]})
    lost = [row for row in opening(rig)["rows"] if row["lane"] == "sync" and row["state"] != "ok"]
    assert lost == []


def test_what_was_given_back_of_charges_is_said_beside_the_margin(kept: Rig) -> None:
    rig = kept
    costs(rig, toml=sheet(input="0.01", output="0.01"))
    request = rig.chat().body["nex"]["request_id"]
    assert operate(rig, "GET", "/margin").body["notes"] == []
    path = f"/customers/{rig.made.customer}/wallet/adjustments"
    given = {"amount": "0.0000005", "note": "late", "request_id": request}
    assert operate(rig, "POST", path, given).status == 200
    for query, told in (
        ("", True),
        (f"?customer={rig.made.customer}", True),
        ("?customer=cus_other", False),
        ("?from=2999-01-01T00:00:00Z", False),
        ("?to=2020-01-01T00:00:00Z", False),
    ):
        notes = operate(rig, "GET", f"/margin{query}").body["notes"]
        assert [note.rpartition(": ")[2] for note in notes] == ["0.0000005 USD"] * told, query


def test_before_opening_the_highest_agreed_discount_is_a_way_of_selling(
    make: Callable[..., Rig],
) -> None:
    rig = make(book="deeptoken", plan=None)
    costs(rig)
    operate(rig, "PATCH", "/providers/echo", {"models": {"gpt-4.1-mini": "gpt-4.1-mini"}})
    cheap = sheet(input="0.30", cached_input="0.07", output="1.20")
    costs(rig, toml=cheap.replace("nex-pro", "gpt-4.1-mini"))
    assert opening(rig)["passed"]
    rig.customer("other")
    for row in operate(rig, "GET", "/customers").body["data"]:
        percent = "9.5" if row["name"] == "other" else "25.000001"
        path = f"/customers/{row['id']}/policy"
        assert operate(rig, "PUT", path, {"discount_percent": percent}).status == 200
    found = opening(rig)
    states = {(row["lane"], row["meter"]): row["state"] for row in found["rows"]}
    # 0.40 and 1.60 less a quarter are 0.30 and 1.20: a millionth of a per cent more is a loss.
    assert states["agreed 25.000001 %", "input"] == "below_cost"
    assert states["agreed 25.000001 %", "output"] == "below_cost"
    assert states["agreed 25.000001 %", "cached_input"] == "ok"
    assert states["sync", "input"] == "ok"
    assert not found["passed"]
