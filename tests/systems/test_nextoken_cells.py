"""NexToken (https://nextoken.biz/pricing.html), as a customer and its operator meet it."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop

MILLION = 10**6
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    """The Business plan, with money, served."""
    made = open_shop("nextoken", "--plan", "business", "--payments", "sandbox")
    made.give("1000")
    made.serve()
    return made


@pytest.fixture(scope="module")
def key(shop: Shop) -> str:
    return shop.key("sdk")


def price(input: int, output: int, rate_in: str, rate_out: str) -> Decimal:
    return (input * Decimal(rate_in) + output * Decimal(rate_out)) / MILLION


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def nex(answer: Any) -> dict[str, Any]:
    """The gateway's own words in an answer of the SDK."""
    return dict(answer.model_extra["nex"])


@pytest.mark.parametrize(
    ("model", "rate_in", "rate_out"),
    [("nex-pro", "0.10", "0.40"), ("gpt-4o", "2.60", "10.40"), ("o3-mini", "1.13", "4.40")],
)
def test_a_row_of_the_page_is_what_the_sdks_caller_pays(
    shop: Shop, key: str, model: str, rate_in: str, rate_out: str
) -> None:
    before = shop.balance()
    answer = shop.sdk(key).chat.completions.create(
        model=model, messages=said(f"One two three, {model}"), max_completion_tokens=50
    )
    used = answer.usage
    wanted = price(used.prompt_tokens, used.completion_tokens, rate_in, rate_out)
    assert Decimal(nex(answer)["charge"]) == wanted
    assert before - shop.balance() == wanted
    row = shop.record(nex(answer)["request_id"])
    assert (row["model_served"], Decimal(row["charge"])) == (model, wanted)
    assert (Decimal(row["rate_input"]), Decimal(row["rate_output"])) == (
        *(Decimal(rate_in), Decimal(rate_out)),
    )
    shop.verified()


def test_both_names_of_an_alias_stand_in_the_record(shop: Shop, key: str) -> None:
    for alias in ("nex-smart", "nex-coder"):
        answer = shop.sdk(key).chat.completions.create(model=alias, messages=said(f"By {alias}"))
        assert answer.model == "nex-pro"
        row = shop.record(nex(answer)["request_id"])
        assert (row["model_requested"], row["model_served"]) == (alias, "nex-pro")
        used = answer.usage
        assert Decimal(row["charge"]) == price(
            used.prompt_tokens, used.completion_tokens, "0.10", "0.40"
        )


def test_nex_auto_tells_its_target_and_charges_its_own_row(shop: Shop, key: str) -> None:
    import openai

    create = shop.sdk(key).chat.completions.create
    plain = create(model="nex-auto", messages=said("Hello from afar"))
    hard = create(
        model="nex-auto",
        messages=said("Prove step by step that 17 + 25 is at least 40, and explain why."),
    )
    tools = create(model="nex-auto", messages=said("Prove it step by step"), tools=[WEATHER])
    long = create(model="nex-auto", messages=said("word " * 33_000), max_tokens=10)
    targets = [nex(one)["smart_router"]["target_model"] for one in (plain, hard, tools, long)]
    assert targets == ["nex-pro", "nex-reasoning", "nex-pro", "nex-reasoning"]
    for one in (plain, hard, tools, long):
        assert set(nex(one)["smart_router"]) == {"target_model", "reason", "score"}
        used = one.usage
        assert Decimal(nex(one)["charge"]) == price(
            used.prompt_tokens, used.completion_tokens, "0.30", "1.20"
        )
    with pytest.raises(openai.BadRequestError) as refused:
        create(model="nex-auto", messages=said("word " * 33_000), tools=[WEATHER], max_tokens=10)
    assert refused.value.code in ("unsupported_capability", "context_length_exceeded")
    shop.verified()


def test_nex_embed_zh_counts_input_alone_and_has_1024_dimensions(shop: Shop, key: str) -> None:
    import openai

    client = shop.sdk(key)
    answer = client.embeddings.create(model="nex-embed-zh", input="你好，世界")
    assert len(answer.data[0].embedding) == 1024
    charge = Decimal(answer.usage.prompt_tokens) * Decimal("0.01") / MILLION
    assert Decimal(nex(answer)["charge"]) == charge
    row = shop.record(nex(answer)["request_id"])
    assert (row["output_tokens"], Decimal(row["charge"])) == (0, charge)
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="nex-embed-zh", input="word " * 600)
    assert refused.value.code == "context_length_exceeded"
    shown = shop.data("prices", "show", "nex-embed-zh", "--on", "nextoken")["rates"]["output"]
    assert (shown["state"], shown["price"]) == ("not_applicable", None)


def test_nex_pro_is_counted_by_its_declared_tokenizer_and_others_with_a_band(shop: Shop) -> None:
    counted = shop.data("tokenize", "-", "-m", "nex-pro", stdin="你好, world")["files"][0]
    assert (counted["tokenizer"], counted["method"]) == ("qwen2.5", "vendor-declared")
    for model in ("nex-auto", "nex-reasoning"):
        asked = ("estimate", "-", "--on", "nextoken", "-m", model)
        count = shop.data(*asked, stdin="hello world")["estimates"][0]["count"]
        assert (count["method"], count["tokenizer"]) == ("estimated", "o200k_base")
        assert Decimal(count["error"]["low_percent"]) < 0 < Decimal(count["error"]["high_percent"])


@pytest.mark.parametrize(
    ("model", "rate_in", "rate_out", "share"),
    [
        ("gpt-4o", "2.60", "10.40", "0.50"),
        ("claude-sonnet-4", "3.00", "15.00", "0.10"),
        ("deepseek-v3", "0.27", "1.10", "0.10"),
        ("gemini-2.5-flash", "0.075", "0.30", "0.25"),
    ],
)
def test_cached_input_is_part_of_the_input_and_passed_through(
    shop: Shop, key: str, model: str, rate_in: str, rate_out: str, share: str
) -> None:
    answer = shop.sdk(key).chat.completions.create(
        model=model,
        messages=said("Tell me again what you told me before, please"),
        max_completion_tokens=30,
        metadata={"echo.usage": "input=20,output=10,cached=8"},
    )
    wanted = price(12, 10, rate_in, rate_out) + price(8, 0, rate_in, "0") * Decimal(share)
    assert Decimal(nex(answer)["charge"]) == wanted
    assert nex(answer)["cached_input_tokens"] == 8
    row = shop.record(nex(answer)["request_id"])
    assert (row["input_tokens"], row["cached_input_tokens"]) == (20, 8)
    shop.verified()


def test_tokenize_estimate_and_items_are_the_documented_endpoints(shop: Shop, key: str) -> None:
    body = {"model": "nex-pro", "messages": said("How many tokens are these?"), "max_tokens": 20}
    status, counted = shop.post(key, "/v1/tokenize", body)
    assert status == 200, counted
    status, quote = shop.post(key, "/v1/estimate-cost", body)
    assert status == 200, quote
    answer = shop.sdk(key).chat.completions.create(**body)
    assert str(answer.usage.prompt_tokens) in json.dumps(counted)
    assert Decimal(nex(answer)["charge"]) <= Decimal(quote["charge"]["high"])
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    items = [{"custom_id": name, **line} for name in ("a", "b")]
    status, batch = shop.post(key, "/v1/batches", {"items": items})
    assert status in (200, 201, 202), batch
    until = time.monotonic() + 30
    done = shop.sdk(key).batches.retrieve(batch["id"])
    while done.status not in ("completed", "failed") and time.monotonic() < until:
        time.sleep(0.1)
        done = shop.sdk(key).batches.retrieve(batch["id"])
    assert (done.status, done.request_counts.completed) == ("completed", 2)
    rows = [r for r in shop.data("usage", "list") if r["batch_id"] == batch["id"]]
    assert [row["multiplier"] for row in rows] == ["0.7", "0.7"]


def test_labels_come_from_metadata_over_those_of_the_key(shop: Shop) -> None:
    labelled = shop.key("labelled", "--label", "team=search", "--label", "env=test")
    answer = shop.sdk(labelled).chat.completions.create(
        model="nex-pro", messages=said("Whose cost is it?"), metadata={"team": "ads"}
    )
    assert shop.record(nex(answer)["request_id"])["labels"] == {"team": "ads", "env": "test"}
    with_label = shop.data("usage", "list", "--label", "team=ads")
    assert [row["request_id"] for row in with_label] == [nex(answer)["request_id"]]


@pytest.fixture(scope="module")
def developer(open_shop: Open) -> Shop:
    made = open_shop("nextoken", "--plan", "developer", "--payments", "sandbox")
    for name in ("first", "second", "third"):
        (made.home / f"{name}.key").write_text(made.key(name))
    return made


LOCKED = {
    "sub-keys": (("keys", "create", "--name", "sub", "--parent", "first"), "Pro"),
    "per-key budgets": (("keys", "create", "--name", "b", "--budget", "5/month"), "Pro"),
    "auto top-up": (
        ("wallet", "auto-topup", "set", "--below", "5", "--amount", "10", "--yes"),
        "Pro",
    ),
    "custom routing rules": (
        ("routes", "set", "a", "nex-pro", "--for-model", "gpt-4o"),
        "Business",
    ),
    "multi-wallet": (("wallet", "create", "research"), "Business"),
    "cost labels": (("keys", "update", "first", "--label", "team=x"), "Business"),
    "spend alerts by webhook": (("alerts", "set", "--webhooks"), "Pro"),
}


@pytest.mark.parametrize("feature", LOCKED)
def test_a_locked_feature_is_refused_with_the_plan_that_has_it(
    developer: Shop, feature: str
) -> None:
    command, plan = LOCKED[feature]
    done = developer(*command, "-o", "json")
    error = developer.error(done)
    assert (done.exit, error["code"]) == (4, "plan_limit"), done
    assert plan in error["message"]


def test_the_developer_plans_numbers_are_those_of_the_page(developer: Shop) -> None:
    granted = [row for row in developer.data("wallet", "ledger") if row["kind"] == "grant"]
    assert [row["amount"] for row in granted] == ["5"]  # $5 one-time
    assert developer.refused("keys", "create", "--name", "fourth") == (4, "plan_limit")  # 3 keys
    request = {"model": "o1", "messages": said("word " * 128_500), "max_completion_tokens": 10}
    done = developer.chat(request)  # up to 128k, though o1 itself takes 200k
    assert (done.exit, developer.error(done)["code"]) == (2, "context_length_exceeded")


def test_the_developer_plan_ends_at_20_requests_a_minute(developer: Shop) -> None:
    import openai

    client = developer.sdk((developer.home / "third.key").read_text())
    served = 0

    def go_on() -> None:
        nonlocal served
        while served < 45:  # the edge of a minute may fall inside
            client.chat.completions.create(
                model="nex-pro", messages=said(f"Number {served}"), max_tokens=1
            )
            served += 1

    with pytest.raises(openai.RateLimitError) as refused:
        go_on()
    assert refused.value.code == "rate_limited"
    assert served >= 18
    assert int(refused.value.response.headers["retry-after"]) >= 1
    developer.verified()


def test_the_plans_are_printed_with_all_that_the_page_promises(shop: Shop) -> None:
    """The page's feature table: analytics, SLA, support, response time, purchase orders."""
    plans = {one["plan"]: one for one in shop.data("prices", "show", "--plans")["plans"]}
    assert list(plans) == ["developer", "pro", "business", "enterprise"]
    assert [one["service"]["sla"] for one in plans.values()] == ["none", "none", "99.9%", "99.99%"]
    assert [one["service"]["response_time"] for one in plans.values()] == [
        *("Best effort", "<48h", "<8h", "<2h"),
    ]
    assert plans["pro"]["service"]["support"] == "Priority email"
    assert plans["enterprise"]["service"]["support"] == "unpublished"
    assert [one["features"]["po_invoicing"] for one in plans.values()] == [False] * 3 + [True]
    assert [one["features"]["analytics"] for one in plans.values()] == [
        *("basic", "standard", "advanced", "advanced"),
    ]
    assert {one["source"]["tag"] for one in plans.values()} == {"page"}
    text = shop("prices", "show", "--plans", "-o", "table")
    assert text.exit == 0
    for word in ("99.99%", "Dedicated Slack", "po invoicing", "analytics export", "<48h"):
        assert word in text.out, word
    none = shop("prices", "show", "--plans", "--on", "deeptoken", "-o", "json")
    assert (none.exit, shop.error(none)["code"]) == (2, "no_plans")
    assert shop("prices", "show").exit == 2


def test_the_analytics_summary_is_a_file_on_the_plan_that_exports(shop: Shop, key: str) -> None:
    """The records can be exported on every plan; the summary as a file is Enterprise's."""
    shop.sdk(key).chat.completions.create(model="nex-pro", messages=said("Counted once"))
    file = shop.home / "analytics.csv"
    exit_code, code = shop.refused("usage", "summary", "--by", "model", "--write", file)
    assert (exit_code, code) == (4, "plan_limit")
    assert not file.exists()
    refused = shop("usage", "summary", "--write", file, "-o", "json")
    assert "Enterprise does" in shop.error(refused)["message"]
    assert shop("usage", "export", shop.home / "raw.csv", "-q").exit == 0
    customer = shop.data("admin", "customers", "list")[0]["id"]
    shop.data("admin", "subscriptions", "set", customer, "enterprise", "--yes")
    shown = shop.data("usage", "summary", "--by", "model", "--write", file)
    assert file.stat().st_mode & 0o777 == 0o600
    header, *lines = [line.split(",") for line in file.read_text().splitlines()]
    assert header[:2] == ["model", "requests"]
    assert {line[0]: Decimal(line[header.index("charge")]) for line in lines} == {
        one["group"]["model"]: Decimal(one["charge"]) for one in shown["groups"]
    }
    again = shop("usage", "summary", "--write", file, "-o", "json")
    assert (again.exit, shop.error(again)["code"]) == (2, "file_exists")
    shop.data("admin", "subscriptions", "set", customer, "business", "--yes")


def test_records_older_than_the_plan_keeps_are_refused_with_the_reason(open_shop: Open) -> None:
    """Developer keeps seven days: the same commands a week later, on a machine of that date."""
    shop = open_shop("nextoken", "--plan", "developer")
    done = shop.chat({"model": "nex-pro", "messages": said("Remember me")})
    request = done.data["nex"]["request_id"]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert len(shop.data("usage", "list", **shop.later(6))) == 1
    after = shop.later(8)
    for command in (("list",), ("summary",), ("show", request), ("list", "--from", today)):
        told = shop("usage", *command, "-o", "json", **after)
        assert (told.exit, shop.error(told)["code"]) == (4, "plan_limit"), command
        assert "7 days" in shop.error(told)["message"]
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 2 * 86_400))
    assert shop.data("usage", "list", "--from", tomorrow, **after) == []
    customer = shop.data("admin", "customers", "list")[0]["id"]
    shop.data("admin", "subscriptions", "set", customer, "pro", "--yes", **after)
    assert len(shop.data("usage", "list", **after)) == 1, "kept all along: Pro reads 30 days"


def test_a_months_tier_is_settled_when_its_threshold_is_crossed(open_shop: Open) -> None:
    """Over $500 of gross charges is Pro, 1 %: once credited for what was, then cut at each."""
    shop = open_shop("nextoken", "--plan", "business", "--payments", "sandbox")
    shop.give("600")
    sdk = shop.sdk(shop.key("heavy"))

    def spend(number: int) -> Decimal:
        answer = sdk.chat.completions.create(
            model="claude-opus-4",
            messages=said(f"A long answer, number {number}"),
            max_completion_tokens=180_000,
            metadata={"echo.usage": "input=20,output=180000"},
        )
        return Decimal(nex(answer)["charge"])

    whole = (20 * Decimal("15.00") + 180_000 * Decimal("75.00")) / MILLION
    gross = Decimal(0)
    while gross + whole <= 500:
        assert spend(int(gross)) == whole
        gross += whole
    assert shop.data("statement")["tier"] == "developer"
    before = shop.balance()
    crossing = spend(-1)
    gross += whole
    # What the month had been charged before is credited once; this one is cut already.
    assert shop.balance() == before - whole + gross / 100
    entries = [row for row in shop.data("wallet", "ledger") if row["kind"] == "tier_credit"]
    assert [Decimal(row["amount"]) for row in entries] == [gross / 100 - (whole - crossing)]
    assert spend(-2) == whole * 99 / 100
    month = shop.data("statement")
    assert month["tier"] == "pro"
    assert Decimal(month["tier_saved"]) == (gross + whole) / 100
    assert len([r for r in shop.data("wallet", "ledger") if r["kind"] == "tier_credit"]) == 1
    shop.verified()


def test_cached_input_the_batch_price_and_one_rounding_stack(open_shop: Open) -> None:
    """gpt-4o: 10 input of which 4 cached at 0.50, 3 output; all of it at 0.70 in a batch."""
    shop = open_shop("nextoken", "--plan", "business")
    body = {
        "model": "gpt-4o",
        "messages": said("Say it again, please"),
        "max_tokens": 10,
        "metadata": {"echo.usage": "input=10,cached=4,output=3"},
    }
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (shop.home / "in.jsonl").write_text(json.dumps(line) + "\n")
    before = shop.balance()
    done = shop.data("batch", "run", "in.jsonl", "--yes")
    sync = (6 * Decimal("2.60") + 4 * Decimal("1.30") + 3 * Decimal("10.40")) / MILLION
    assert Decimal(done["charge"]) == sync * Decimal("0.70")
    assert before - shop.balance() == sync * Decimal("0.70")
    (row,) = shop.data("usage", "list")
    assert Decimal(row["rate_cached_input"]) * 2 == Decimal(row["rate_input"])
    assert Decimal(row["multiplier"]) == Decimal("0.70")
    shop.verified()
