"""Refusals that no other scenario meets: through the installed program, else by a request."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from nexctl.wire.refusals import REFUSALS
from tests import places
from tests.e2e.conftest import PROGRAM, Ran
from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    return open_shop("nextoken", "--plan", "business", "--payments", "sandbox")


def request(**more: Any) -> dict[str, Any]:
    return {"model": "nex-pro", "messages": [{"role": "user", "content": "hello"}], **more}


def told(option: str) -> dict[str, Any]:
    """A request that its provider fails in a stated way."""
    return request(metadata={"echo.fail": option})


def suspended(shop: Shop) -> Ran:
    made = shop.data("admin", "customers", "create", "stopped", "--plan", "pro")
    shop.data("admin", "customers", "suspend", made["id"], "--yes")
    return shop.chat(request(), NEXCTL_API_KEY=made["secret"])


def refund_of_too_much(shop: Shop) -> Ran:
    order = shop.buy("20")
    refund = ("admin", "payments", "refund", order["id"], "--yes", "-o", "json")
    assert shop(*refund).exit == 0
    return shop(*refund, "--amount", "1")


def unreachable(shop: Shop) -> Ran:
    shop.data("admin", "providers", "add", "gone", "--url", "http://127.0.0.1:9/v1")
    shop.data("admin", "customers", "create", "elsewhere")
    added = ("--serves", "gpt-4o=gpt-4o", "--priority", "1")
    shop.data("admin", "providers", "set", "gone", *added)
    shop.data("admin", "providers", "set", "echo", "--disable")
    try:
        return shop.chat(request(model="gpt-4o"), "--timeout", "6")
    finally:
        shop.data("admin", "providers", "set", "echo", "--enable")
        shop.data("admin", "providers", "remove", "gone", "--yes")


MET: dict[str, Callable[[Shop], Ran]] = {
    "customer_suspended": suspended,
    "invalid_request": lambda shop: shop.chat(request(temperature="hot")),
    "code_not_found": lambda shop: shop("wallet", "redeem", "-o", "json", stdin="NOPE-NOPE"),
    "not_refundable": refund_of_too_much,
    "upstream_error": lambda shop: shop.chat(told("500"), "--timeout", "6"),
    "upstream_refused": lambda shop: shop.chat(told("refused"), "--timeout", "6"),
    "upstream_timeout": lambda shop: shop.chat(told("timeout"), "--timeout", "6"),
    "upstream_unavailable": unreachable,
}


@pytest.mark.parametrize("code", MET)
def test_a_refusal_through_the_program(shop: Shop, code: str) -> None:
    before = shop.balance()
    done = MET[code](shop)
    error = shop.error(done)
    assert (error["code"], done.exit) == (code, REFUSALS[code].exit), done
    assert error["exit"] == done.exit
    assert done.out == ""
    assert error["message"]
    assert error["hint"]
    assert shop.balance() == before
    assert shop.wallet()["held"] == "0"


def without_disk(shop: Shop) -> Ran:
    (shop.home / "request.json").write_text(json.dumps(request()))
    return Ran(
        subprocess.run(
            ["sh", "-c", f"ulimit -f 0; exec '{PROGRAM}' chat request.json -o json --timeout 20"],
            cwd=shop.home,
            env={**os.environ, "HOME": str(shop.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
    )


def test_a_ledger_that_cannot_be_written_is_7(shop: Shop) -> None:
    """No file may grow, as on a full disk, or the server is away: nothing is billed meanwhile."""
    shop.wallet()
    before = shop.balance()
    if places.moved():
        with places.shut(shop.place):
            done = shop.chat(request(), "--timeout", "20")
    else:
        done = without_disk(shop)
    assert (done.exit, shop.error(done)["code"]) == (7, "ledger_unavailable"), done
    assert shop.balance() == before
    assert shop.chat(request()).exit == 0
    shop.verified()


ASKED: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "host_not_allowed": ("GET", "/v1/models", {"host": "evil.example"}, b""),
    "payload_too_large": (
        *("POST", "/v1/tokenize", {"content-type": "application/json"}),
        b'{"model": "nex-pro", "input": "' + b"x" * (40 << 20) + b'"}',
    ),
    "unsupported_media_type": (
        *("POST", "/v1/chat/completions", {"content-type": "text/plain"}),
        b"hello",
    ),
    "unsupported_parameter": (
        *("POST", "/v1/chat/completions", {"content-type": "application/json"}),
        json.dumps(request(prediction={})).encode(),
    ),
    "method_not_allowed": ("DELETE", "/v1/wallet", {}, b""),
}


@pytest.mark.parametrize("code", ASKED)
def test_a_refusal_of_a_request(shop: Shop, code: str) -> None:
    import httpx

    key = {"authorization": f"Bearer {shop.key(code)}"}
    method, path, headers, body = ASKED[code]
    got = httpx.request(
        method, shop.serve() + path, headers={**key, **headers}, content=body or None, timeout=30
    )
    refusal = REFUSALS[code]
    assert (got.status_code, got.json()["error"]["code"]) == (refusal.status, code)
    assert got.json()["error"]["type"] == refusal.type
    assert got.headers["x-request-id"]
    assert got.headers["x-gateway-error-category"] == refusal.type


def test_one_call_too_many_is_refused_and_the_next_is_not(open_shop: Open) -> None:
    """Calls that are open fill the gateway; what is refused holds nothing and may come again."""
    import socket
    import urllib.parse

    import httpx

    shop = open_shop("nextoken", "--plan", "business", "--payments", "sandbox")
    shop.give("5")
    key = shop.key("busy")
    url = shop.serve("--max-calls", "2")
    before = shop.balance()
    address = urllib.parse.urlsplit(url)
    open_calls = []
    for _ in range(2):
        one = socket.create_connection((address.hostname, address.port), timeout=20)
        one.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer "
            + key.encode()
            + b"\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
        )
        open_calls.append(one)
    environ = {
        "NEXCTL_BASE_URL": url,
        "NEXCTL_DRIVER": "nexctl",
        "NEXCTL_API_KEY": key,
        "NEXCTL_PROFILE": "",
    }

    def refused() -> bool:
        return httpx.get(f"{url}/v1/models", headers={"authorization": "x"}).status_code == 503

    _until(refused)
    done = shop.chat(request(), "--timeout", "3", **environ)
    assert (done.exit, shop.error(done)["code"]) == (7, "overloaded"), done
    got = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")
    assert got.json()["error"]["type"] == "platform"
    assert httpx.get(f"{url}/health").status_code == 200, "whether it lives is always told"
    for one in open_calls:
        one.close()
    _until(lambda: not refused())
    assert shop.chat(request(), **environ).exit == 0
    assert shop.balance() < before
    shop.verified()


def _until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most a while."""
    import time

    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
