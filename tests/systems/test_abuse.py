"""What somebody might try against a served gateway, from many sides at once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    made = open_shop("nextoken", "--plan", "business", "--payments", "sandbox")
    made.give("50")
    made.serve()
    return made


def call(shop: Shop, key: str, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.request(method, shop.url + path, headers=headers, json=body, timeout=30)


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_a_sub_key_cannot_widen_itself(shop: Shop) -> None:
    """Not by its own key, not by its parent's, and not by a parent that is narrowed later."""
    parent = shop.key("parent", "--model", "nex-pro", "--model", "gpt-4o", "--rpm", "50")
    sub = shop.key("sub", "--parent", "parent", "--model", "nex-pro", "--budget", "1/month")
    ids = {row["name"]: row["id"] for row in shop.data("keys", "list")}
    wider: dict[str, Any] = {"models": None, "rpm": 1000, "budget": {"amount": "100"}}
    for key in (sub, parent):
        for field, value in wider.items():
            got = call(shop, key, "PATCH", f"/v1/keys/{ids['sub']}", {field: value})
            assert (got.status_code, code_of(got)) == (403, "not_permitted"), (field, got.text)
        assert code_of(call(shop, key, "POST", "/v1/keys", {"name": "third"})) == "not_permitted"
        got = call(shop, key, "POST", f"/v1/keys/{ids['sub']}/rotate", {})
        assert code_of(got) == "not_permitted"
        budget = {"scope": "key", "scope_id": ids["sub"], "amount": "100"}
        assert code_of(call(shop, key, "PUT", "/v1/budgets", budget)) == "not_permitted"
    # Whoever may change it cannot take it beyond its parent either.
    for more in (("--model", "o1"), ("--rpm", "51")):
        assert shop.refused("keys", "update", "sub", *more) == (2, "wider_than_parent")
    # What a management key could widen is not its own.
    manager = shop.data("admin", "customers", "create", "boss")
    got = call(shop, manager["secret"], "PATCH", f"/v1/keys/{manager['key_id']}", {"rpm": 1000})
    assert (got.status_code, code_of(got)) == (403, "not_permitted")

    def asks(model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
        return call(shop, sub, "POST", "/v1/chat/completions", body)

    assert asks("nex-pro").status_code == 200
    assert code_of(asks("gpt-4o")) == "model_not_allowed"
    shop.data("keys", "update", "parent", "--model", "gpt-4o")
    assert code_of(asks("nex-pro")) == "model_not_allowed", "it lies inside its parent at each call"
    shop.verified()


def test_one_hash_pays_one_of_many_orders_that_claim_it_at_once(open_shop: Open) -> None:
    shop = open_shop("nexrelay", "--payments", "manual")
    shop.serve()
    manager = shop.data("admin", "customers", "create", "payer")["secret"]
    wanted = {"amount": "9", "method": "usdt"}
    orders = [
        call(shop, manager, "POST", "/v1/wallet/top-ups", wanted).json()["id"] for _ in range(6)
    ]
    digits = "AbCd" * 16
    spelled = (digits, digits.lower(), "0x" + digits, f" {digits.upper()} ")

    def submit(place: int) -> int:
        body = {"transaction": spelled[place % len(spelled)]}
        path = f"/v1/wallet/top-ups/{orders[place]}"
        return call(shop, manager, "POST", path, body).status_code

    with ThreadPoolExecutor(len(orders)) as pool:
        answers = sorted(pool.map(submit, range(len(orders))))
    assert answers == [200, *[409] * (len(orders) - 1)]
    states = [row["state"] for row in shop.data("admin", "payments", "list")]
    assert sorted(states) == ["created"] * (len(orders) - 1) + ["submitted"]
    shop.verified()


class Hook:
    """An endpoint that keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                hook.got.append(json.loads(raw))
                self.send_response(200)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def test_a_storm_over_a_threshold_is_one_alert(shop: Shop) -> None:
    """Many requests at once, and a budget set again and again, tell each threshold once."""
    hook = Hook()
    added = ("--event", "budget.alert", "--allow-private", "--yes")
    shop.data("admin", "webhooks", "endpoints", "add", hook.url, *added)
    key = shop.key("storm")
    terms = ("--key", "storm", "--soft", "--alert-at", "50", "--alert-at", "100")
    shop.data("budgets", "set", "0.000002/month", *terms)

    def ask(number: int) -> int:
        body = {"model": "nex-pro", "messages": [{"role": "user", "content": f"Storm {number}"}]}
        answer = call(shop, key, "POST", "/v1/chat/completions", {**body, "max_tokens": 5})
        return answer.status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(48))) == {200}
    for amount in ("0.000003", "0.000002") * 3:
        shop.data("budgets", "set", f"{amount}/month", *terms)
        assert ask(100) == 200
    shop("admin", "webhooks", "deliver")
    told = [(row["data"]["amount"], row["data"]["percent"]) for row in hook.got]
    hook.server.shutdown()
    assert len(told) == len(set(told)), "each threshold of each amount once"
    assert ("0.000002", 50) in told
    assert ("0.000002", 100) in told
    shop.verified()
