"""NexRelay (https://gpt-55-token-relay.vercel.app/pricing), as its customers meet it."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any

import pytest

from nexctl.server.inference.rulebook import FRESH_SECONDS
from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop, said

MILLION = 10**6


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    """After a recharge of 99."""
    made = open_shop("nexrelay", "--payments", "sandbox")
    made.buy("99")
    return made


def budgets(shop: Shop) -> dict[str, Decimal]:
    return {row["name"]: Decimal(row["amount"]) for row in shop.data("budgets", "list")}


def test_a_customers_way_from_nothing_to_the_business_card(open_shop: Open) -> None:
    """402 before the first recharge; then each card's numbers, the highest recharge deciding."""
    import openai

    fresh = open_shop("nexrelay", "--payments", "sandbox")
    create = fresh.sdk(fresh.key("sdk")).chat.completions.create

    with pytest.raises(openai.APIStatusError) as refused:
        create(model="gpt-5.4", messages=said("hello"))
    assert (refused.value.status_code, refused.value.code) == (402, "insufficient_balance")
    assert fresh.chat({"model": "gpt-5.4", "messages": said("hello")}).exit == 5
    assert fresh.data("usage", "list") == fresh.data("wallet", "ledger") == []

    order = fresh.buy("9")
    assert (order["credits"], order["bonus"], order["total"]) == ("9000000", "0", "9")
    assert fresh.balance() == 9 * MILLION
    assert fresh.data("subscription", "show")["plan"] == "starter"
    assert budgets(fresh) == {
        "allowance_input": 3 * MILLION,
        "allowance_output": 600_000,
        "allowance_cached_input": 6 * MILLION,
        "monthly_cap": 10 * MILLION,
        "high_cost": 1_200_000,  # $1.2
    }
    # The server that was there before the recharge knows the plan: its route begins with gpt-5.2.
    answer = create(model="auto", messages=said("hello"))
    assert answer.model == "gpt-5.2"
    row = fresh.record(answer.model_extra["nex"]["request_id"])
    assert (row["model_requested"], row["model_served"]) == ("auto", "gpt-5.2")

    fresh.buy("29")
    assert fresh.data("subscription", "show")["plan"] == "pro"
    assert budgets(fresh)["monthly_cap"] == 62 * MILLION
    fresh.buy("9")
    assert fresh.data("subscription", "show")["plan"] == "pro"
    assert create(model="auto", messages=said("hello")).model == "gpt-5.3"

    fresh.buy("99")
    assert budgets(fresh) == {
        "allowance_input": 85 * MILLION,
        "allowance_output": 18 * MILLION,
        "allowance_cached_input": 200 * MILLION,
        "monthly_cap": 303 * MILLION,
        "high_cost": 35 * MILLION,
    }
    assert create(model="auto", messages=said("hello")).model == "gpt-5.4"
    fresh.verified()


def test_a_plan_is_not_chosen_and_only_the_cards_are_recharged(shop: Shop) -> None:
    for command in (
        ("gateway", "init", "other", "--book", "nexrelay", "--plan", "pro"),
        ("wallet", "topup", "10"),
        ("wallet", "topup", "8.99"),
        ("wallet", "topup", "9", "--method", "paypal"),
    ):
        assert shop(*command).exit == 2, command


@pytest.fixture(scope="module")
def starter(open_shop: Open) -> Shop:
    made = open_shop("nexrelay", "--payments", "sandbox")
    made.buy("9")
    return made


def test_the_starter_card_is_32k_of_context_and_1k_of_output(starter: Shop) -> None:
    request = {"model": "gpt-5.2", "messages": said("hello"), "max_tokens": 1001}
    done = starter.chat(request)
    assert (done.exit, starter.error(done)["code"]) == (2, "max_output_exceeded")
    done = starter.chat({"model": "gpt-5.2", "messages": said("word " * 32_000)})
    assert (done.exit, starter.error(done)["code"]) == (2, "context_length_exceeded")


def test_an_allowance_that_is_used_up_names_its_meter_and_its_reset(starter: Shop) -> None:
    request = {
        "model": "gpt-5.2",
        "messages": said("hello"),
        "n": 120,
        "max_tokens": 1000,
        "metadata": {"echo.usage": "input=10,output=120000,cached=0"},
    }
    spent = 0
    while (done := starter.chat(request)).exit == 0:  # 600K output tokens are five of these
        spent += 120_000
        assert spent <= 600_000
    error = starter.error(done)
    assert (done.exit, error["code"]) == (5, "allowance_exceeded")
    assert spent >= 480_000
    assert "output" in done.err
    assert error["resets_at"].endswith("-01T00:00:00Z")
    assert error["resets_at"] in error["hint"]
    starter.verified()


def test_two_at_once_are_the_starters_concurrency(open_shop: Open) -> None:
    import openai

    small = open_shop("nexrelay", "--payments", "sandbox")
    small.buy("9")
    client = small.sdk(small.key("sdk"))
    small.data("admin", "providers", "set", "echo", "--option", "stall=2")
    statuses: list[int] = []

    def ask() -> None:
        try:
            client.chat.completions.create(model="gpt-5.2", messages=said("hello"))
            statuses.append(200)
        except openai.APIStatusError as refused:
            statuses.append(refused.status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200, 200, 429]
    small.verified()


def test_the_pages_deduction_example_is_125_000_credits(shop: Shop, key: str) -> None:
    """100,000 input, 20,000 output and 50,000 cached read tokens: $0.1250.

    The provider's usage is OpenAI-shaped, cached inside input; here it stands beside it. The page's
    20,000 output tokens are more than any plan's maximum, so three answers are asked for.
    """
    before = shop.balance()
    answer = shop.sdk(key).chat.completions.create(
        model="gpt-5.4",
        messages=said("word " * 150_000),
        n=3,
        max_tokens=8000,
        metadata={"echo.usage": "input=150000,output=20000,cached=50000"},
    )
    assert answer.model_extra["nex"]["charge"] == "125000"
    assert answer.model_extra["nex"]["currency"] == "credits"
    row = shop.record(answer.model_extra["nex"]["request_id"])
    counted = (row["input_tokens"], row["output_tokens"], row["cached_input_tokens"])
    assert counted == (100_000, 20_000, 50_000)
    assert before - shop.balance() == 125_000
    shop.verified()


def test_an_id_is_billed_once_and_a_failure_not_at_all(shop: Shop) -> None:
    request = {"model": "gpt-5.4", "messages": said("once"), "request_id": "only-once"}
    assert shop.chat(request).exit == 0
    balance = shop.balance()
    done = shop.chat(request)
    assert (done.exit, shop.error(done)["code"]) == (1, "already_billed")
    failing = {"model": "gpt-5.4", "messages": said("no"), "metadata": {"echo.fail": "500"}}
    done = shop.chat(failing, "--timeout", "1")
    assert done.exit == 7
    assert shop.balance() == balance
    assert shop.wallet()["held"] == "0"


def test_chat_responses_and_messages_are_served(shop: Shop, key: str) -> None:
    client = shop.sdk(key)
    chat = client.chat.completions.create(model="gpt-5.2", messages=said("Say it"), max_tokens=20)
    response = client.responses.create(model="gpt-5.2", input="Say it", max_output_tokens=20)
    body = {"model": "gpt-5.2", "max_tokens": 20, "messages": said("Say it")}
    status, message = shop.post(key, "/v1/messages", body)
    assert status == 200
    charges = {
        chat.model_extra["nex"]["charge"],
        response.model_extra["nex"]["charge"],
        message["nex"]["charge"],
    }
    assert len(charges) == 1
    assert {model.id for model in client.models.list()} == {f"gpt-5.{n}" for n in (2, 3, 4, 5)}


def test_usdt_is_an_exact_amount_a_hash_and_an_approval(open_shop: Open) -> None:
    manual = open_shop("nexrelay")
    first, second = (manual.data("wallet", "topup", "29") for _ in range(2))
    assert (first["method"], first["state"]) == ("usdt", "created")
    assert first["pay_to"]["amount"] != second["pay_to"]["amount"]
    assert Decimal(first["pay_to"]["amount"]) >= 29
    tx = "ab" * 32
    submitted = manual.data("wallet", "submit", first["id"], "--transaction", tx)
    assert submitted["state"] == "submitted"
    assert manual.balance() == 0
    assert manual("wallet", "submit", second["id"], "--transaction", tx).exit != 0, "used already"
    # The operator compares the exact amount with what came, before it is credited.
    asked = manual("admin", "payments", "approve", first["id"])
    assert asked.exit == 10
    for told in (f"${first['pay_to']['amount']} over TRC20", tx, "Credit $29"):
        assert told in asked.err, told
    rows = manual("admin", "payments", "list", "-o", "tsv").out.splitlines()[1:]
    exact = [second["pay_to"]["amount"], first["pay_to"]["amount"]]
    assert [row.split("\t")[-2:] for row in rows] == [[amount, "TRC20"] for amount in exact]
    manual.data("admin", "payments", "approve", first["id"], "--yes")
    assert manual.balance() == 29 * MILLION
    assert manual.data("subscription", "show")["plan"] == "pro"
    assert "fee" not in manual("subscription", "show").out, "a recharge is no fee"
    assert manual.data("admin", "terms", "show")["unset"] == []
    manual.verified()


def test_the_high_cost_budget_is_money_for_the_dear_model(open_shop: Open) -> None:
    """Starter: $1.2 a month for gpt-5.5. Then it is skipped, and refused where it is asked for."""
    import openai

    shop = open_shop("nexrelay", "--payments", "sandbox")
    shop.buy("9")
    for model in ("gpt-5.2", "gpt-5.3", "gpt-5.4"):
        shop.data("admin", "models", "set", model, "--disable", "--yes")
    sdk = shop.sdk(shop.key("dear"))
    prompt = "word " * 29_000  # counted near 29,000; a provider may report four times that
    usage = {"echo.usage": "input=110000,output=900"}

    def ask(model: str) -> Any:
        return sdk.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": prompt}],
            max_completion_tokens=1000,
            metadata=usage,
        )

    assert ask("auto").model == "gpt-5.5", "the only one of the route that is served"
    refused: openai.PermissionDeniedError | None = None
    for _ in range(15):
        try:
            ask("gpt-5.5")
        except openai.PermissionDeniedError as error:
            refused = error
            break
    assert refused is not None
    assert refused.code == "budget_exceeded"
    assert "high_cost" in refused.message
    (budget,) = (row for row in shop.data("budgets", "list") if row["name"] == "high_cost")
    assert Decimal(budget["amount"]) == Decimal("1.2") * MILLION
    assert budget["models"] == ["gpt-5.5"]
    assert Decimal(budget["spent"]) > Decimal("1.0") * MILLION
    # Another model is served, and the default route goes to it.
    shop.data("admin", "models", "set", "gpt-5.2", "--enable", "--yes")
    time.sleep(FRESH_SECONDS + 0.2)
    assert sdk.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hello"}]
    ).model == "gpt-5.2"  # fmt: skip
    done = shop.chat({"model": "gpt-5.5", "messages": [{"role": "user", "content": prompt}]})
    assert (done.exit, shop.error(done)["code"]) == (5, "budget_exceeded")
    shop.verified()
