"""DeepToken (https://www.deeptoken.app/pricing), as its customers meet it."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from nexctl.server.inference.rulebook import FRESH_SECONDS
from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop, said

MILLION = 10**6


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    made = open_shop("deeptoken", "--payments", "sandbox")
    made.buy("--pack", "builder")
    made.serve()
    return made


@pytest.mark.parametrize(
    ("asked", "row", "into", "cached", "out"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini", "0.40", "0.10", "1.60"),
        ("claude-sonnet-4-5", "claude-sonnet-class", "3.00", "0.30", "15.00"),
    ],
)
def test_the_grids_rows_are_charged_and_the_price_used_is_recorded(
    shop: Shop, key: str, asked: str, row: str, into: str, cached: str, out: str
) -> None:
    before = shop.balance()
    answer = shop.sdk(key).chat.completions.create(
        model=asked,
        messages=said("Tell me again what you told me before, please"),
        max_completion_tokens=30,
        metadata={"echo.usage": "input=20,output=10,cached=8"},
    )
    wanted = (12 * Decimal(into) + 8 * Decimal(cached) + 10 * Decimal(out)) / MILLION
    assert Decimal(answer.model_extra["nex"]["charge"]) == wanted
    assert before - shop.balance() == wanted
    record = shop.record(answer.model_extra["nex"]["request_id"])
    rates = [record[f"rate_{name}"] for name in ("input", "cached_input", "output")]
    assert [Decimal(rate) for rate in rates] == [Decimal(into), Decimal(cached), Decimal(out)]
    assert shop.data("prices", "show", row, "--on", "deeptoken")["status"] == "example"
    shop.verified()


def test_rows_without_a_number_are_shown_and_never_charged(shop: Shop) -> None:
    media = shop.data("prices", "show", "image-video-models", "--on", "deeptoken")["rates"]
    assert {media[meter]["state"] for meter in ("image", "video", "gpu_second")} == {"varies"}
    assert media["input"]["words"] == "request based"
    assert (media["cached_input"]["state"], media["cached_input"]["words"]) == (
        *("not_applicable", "N/A"),
    )
    reasoning = shop.data("prices", "show", "deepseek-reasoning-class", "--on", "deeptoken")
    assert reasoning["rates"]["output"]["words"] == "model based"
    quote = shop("estimate", "-", "-m", "deepseek-r1", "--on", "deeptoken", stdin="hello")
    assert (quote.exit, "no price for input" in quote.err) == (2, True), quote.err
    done = shop.chat({"model": "deepseek-r1", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "unpriced")
    done = shop.chat({"model": "claude-sonnet-9", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "model_not_found")
    assert shop.wallet()["held"] == "0"


def test_packs_and_custom_amounts_from_10_to_5000(shop: Shop) -> None:
    packs = {row["id"]: row["amount"] for row in shop.data("wallet", "packs")["packs"]}
    assert list(packs) == ["starter", "builder", "scale", "growth", "business", "commit"]
    assert [packs[name] for name in list(packs)[:4]] == ["10", "50", "200", "1000"]
    assert shop.data("wallet", "topup", "10")["amount"] == "10"
    assert shop.data("wallet", "topup", "5000")["state"] == "opened"
    assert shop.refused("wallet", "topup", "9.99") == (2, "topup_below_minimum")
    above = shop("wallet", "topup", "5000.01", "-o", "json")
    assert (above.exit, above.data["state"]) == (8, "under_review")


def test_auto_recharge_takes_a_threshold_and_a_refill_amount(shop: Shop) -> None:
    before = shop.balance()
    terms = ("--below", str(before + 5), "--amount", "20", "--monthly-budget", "60")
    made = shop.data("wallet", "auto-topup", "set", *terms, "--yes")
    assert (made["enabled"], made["amount"]) == (True, "20")
    assert shop.balance() == before + 20
    assert shop("wallet", "auto-topup", "off").exit == 0
    assert shop.refused(
        "wallet", "auto-topup", "set", "--below", "5", "--amount", "5", "--yes"
    ) == (*(2, "topup_below_minimum"),)


@pytest.mark.parametrize("window", ["5h", "1d", "7d"])
def test_a_keys_rolling_windows_are_hard_caps(shop: Shop, window: str) -> None:
    name = f"ci-{window}"
    secret = shop.key(name)
    shop.data("budgets", "set", f"0.000001/{window}", "--key", name)
    done = shop.chat({"model": "gpt-4.1-mini", "messages": said("hello")}, NEXCTL_API_KEY=secret)
    error = shop.error(done)
    assert done.exit == 5
    assert error["code"] in ("budget_exceeded", "budget_limit_exceeded")
    assert error["layer"] == "key"


def test_a_soft_budget_lets_pass(shop: Shop) -> None:
    secret = shop.key("soft")
    shop.data("budgets", "set", "0.000001/1d", "--key", "soft", "--soft", "--alert-at", "50")
    request = {"model": "gpt-4.1-mini", "messages": said("hello")}
    assert shop.chat(request, NEXCTL_API_KEY=secret).exit == 0


def test_nothing_is_gated_and_no_plan_is_chosen(shop: Shop) -> None:
    assert shop("gateway", "init", "other", "--book", "deeptoken", "--plan", "pro").exit == 2
    for command in (
        ("keys", "create", "--name", "b", "--budget", "5/month"),
        ("keys", "create", "--name", "l", "--label", "team=x"),
        ("wallet", "create", "research"),
        ("routes", "set", "a", "gpt-4.1-mini", "--for-model", "claude-sonnet-4-5"),
    ):
        done = shop(*command)
        assert done.exit == 0, done
    assert shop("routes", "remove", "a", "--yes").exit == 0
    assert shop.wallet()["tier"] is None, "no discount was agreed"


def test_a_commit_contract_is_recorded_opens_larger_orders_and_is_shown(open_shop: Open) -> None:
    """Commit: amount, term, service level and capacity are what the operator agreed."""
    shop = open_shop("deeptoken", "--payments", "manual")
    customer = shop.data("admin", "customers", "list")[0]["id"]
    assert shop.data("subscription", "contract")["state"] == "none"
    assert shop.refused("wallet", "topup", "6000", "--pack", "commit") == (2, "invalid_request")
    assert shop.refused("wallet", "topup", "20", "--method", "invoice") == (
        *(2, "payment_method_unavailable"),
    )
    terms = (
        *("--amount", "60000", "--from", "2020-01-01", "--to", "2099-12-31"),
        *("--sla", "99.9%", "--capacity", "two dedicated GPUs"),
    )
    high = shop("wallet", "topup", "6000", "--method", "manual", "-o", "json").data
    asked = shop("admin", "payments", "approve", high["id"])
    assert (asked.exit, "Let the customer pay $6,000" in asked.err) == (10, True), asked.err
    looked = shop.data("admin", "payments", "approve", high["id"], "--yes")
    assert (looked["state"], shop.balance()) == ("opened", 0)
    planned = shop("admin", "customers", "contract", customer, *terms, "--dry-run")
    assert planned.exit == 0
    assert shop.data("subscription", "contract")["state"] == "none", "a dry run agrees on nothing"
    made = shop.data("admin", "customers", "contract", customer, *terms)
    assert (made["state"], made["remaining"], made["sla"]) == ("in_force", "60000", "99.9%")
    order = shop.data("wallet", "topup", "6000", "--pack", "commit", "--method", "invoice")
    assert order["state"] == "created"
    shop.data("wallet", "submit", order["id"], "--transaction", "PO 4711")
    shop.data("admin", "payments", "approve", order["id"], "--yes")
    assert shop.balance() == 6000
    shown = shop.data("subscription", "contract")
    assert (shown["paid"], shown["remaining"], shown["capacity"]) == (
        *("6000", "54000", "two dedicated GPUs"),
    )
    text = shop("subscription", "contract").out
    assert "54,000" in text
    assert "two dedicated GPUs" in text
    above = shop("wallet", "topup", "54000.01", "--pack", "commit", "-o", "json")
    assert (above.exit, above.data["state"]) == (8, "under_review"), "more than is agreed"
    trail = [row["action"] for row in shop.data("audit-log", "list")]
    assert "customers.set_contract" in trail
    shop.data("admin", "customers", "contract", customer, "--end", "--yes")
    assert shop.data("subscription", "contract")["state"] == "none"
    assert shop.refused("wallet", "topup", "6000", "--pack", "commit") == (2, "invalid_request")
    bad = ("--amount", "5", "--from", "2026-12-31", "--to", "2026-01-01")
    assert shop.refused("admin", "customers", "contract", customer, *bad) == (2, "invalid_request")
    shop.verified()


def test_images_and_videos_are_charged_at_the_operators_rates(open_shop: Open) -> None:
    """By the image and request, and by the GPU second, through the SDK and a plain request."""
    shop = open_shop("deeptoken", "--payments", "sandbox")
    shop.buy("10")
    key = shop.key("studio")
    refused = shop.post(key, "/v1/images/generations", {"model": "picture-1", "prompt": "a cat"})
    assert (refused[0], refused[1]["error"]["code"]) == (404, "model_not_found")
    base = shop.data("admin", "prices", "list")[0]["hash"]
    draft = shop.home / "studio.toml"
    draft.write_text(
        f'base = "{base}"\n'
        '[[models]]\nid = "picture-1"\nkind = "image"\nprovider = "echo"\n'
        '[models.rates]\nimage = "0.04"\nrequest = "0.001"\n'
        '[[models]]\nid = "film-1"\nkind = "video"\nprovider = "echo"\n'
        '[models.rates]\nvideo = "0.10"\ngpu_second = "0.002"\n'
    )
    shown = shop.data("admin", "prices", "diff", draft)
    more = ("--accept", shown["accept"]) if shown["needs_accept"] else ()
    shop.data("admin", "prices", "apply", draft, "--yes", *more)
    before = shop.balance()
    made = shop.sdk(key).images.generate(model="picture-1", prompt="a cat", n=3)
    assert len(made.data) == 3
    assert made.model_extra["quantities"] == {"requests": 1, "images": 3}
    assert Decimal(made.model_extra["nex"]["charge"]) == Decimal("0.121")
    status, film = shop.post(
        key, "/v1/videos", {"model": "film-1", "prompt": "a cat", "seconds": 6}
    )
    assert (status, film["status"]) == (200, "completed")
    assert Decimal(film["nex"]["charge"]) == Decimal("0.112")
    assert before - shop.balance() == Decimal("0.233")
    # OpenAI's own library sends a form, a body of parts, where it has no file too.
    again = shop.sdk(key).videos.create(model="film-1", prompt="a cat", seconds="4")
    assert again.status == "completed"
    assert Decimal(again.model_extra["nex"]["charge"]) == Decimal("0.108")
    pictures, films, _ = shop.data("usage", "list")
    assert (pictures["images"], pictures["input_tokens"]) == (3, 0)
    assert (films["videos"], films["gpu_seconds"]) == (1, 6)
    # The grid's own row has no number, so it is not charged for and makes nothing.
    row = {"model": "image-video-models", "prompt": "a cat"}
    assert shop.post(key, "/v1/images/generations", row)[1]["error"]["code"] == "unpriced"
    assert shop.wallet()["held"] == "0"
    shop.verified()


def test_a_failing_provider_is_passed_over_and_the_debit_is_the_served_row(
    open_shop: Open,
) -> None:
    """Several providers a model: tried by priority and health; the hold covers the dearest row."""
    shop = open_shop("deeptoken", "--payments", "sandbox")
    shop.buy("10")
    sdk = shop.sdk(shop.key("routes"))
    bad = ("--kind", "echo", "--option", "fail=500", "--priority", "1")
    shop.data("admin", "providers", "add", "bad", *bad)
    tries = []
    for number in range(5):
        answer = sdk.chat.completions.create(
            model="gpt-4.1-mini", messages=said(f"Number {number}"), max_completion_tokens=20
        )
        record = shop.record(answer.model_extra["nex"]["request_id"])
        assert record["provider"] == "echo"
        tries.append(len(record["tries"]))
    assert tries == [1, 1, 1, 0, 0], "after three failures its circuit is open"
    shop.data("admin", "providers", "remove", "bad", "--yes")
    shop.data("admin", "routes", "set", "best", "gpt-4.1-mini", "claude-sonnet-4")
    time.sleep(FRESH_SECONDS + 0.2)
    held = []
    for model in ("best", "claude-sonnet-4", "gpt-4.1-mini"):
        stream = sdk.chat.completions.create(
            model=model,
            messages=said("Word after word after word"),
            max_completion_tokens=500,
            stream=True,
            stream_options={"include_usage": True},
            metadata={"echo.pause": "1"},
        )
        next(iter(stream))
        held.append(Decimal(shop.wallet()["held"]))
        *_, last = stream
        if model == "best":
            assert last.model == "gpt-4.1-mini"
            into, out = last.usage.prompt_tokens, last.usage.completion_tokens
            wanted = into * Decimal("0.40") + out * Decimal("1.60")
            assert Decimal(last.model_extra["nex"]["charge"]) == wanted / MILLION
    assert held[0] >= held[1] > held[2] > 0
    shop.verified()
