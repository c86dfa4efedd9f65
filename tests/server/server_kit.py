"""A gateway made for one test, and a caller that speaks to it in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nexctl.cli.bridge import EmbeddedTransport
from nexctl.pricing import books
from nexctl.safety.http import Call
from nexctl.server import bootstrap
from nexctl.server.app import Gateway
from nexctl.server.house import House, Options
from tests import places

DAY, NANO = 86_400, 10**9
BODY = {"model": "nex-pro", "messages": [{"role": "user", "content": "Hello there"}]}


class Kept(dict[str, str]):
    """Secrets in memory."""

    def set(self, name: str, value: str) -> None:
        self[name] = value


class Got(NamedTuple):
    """An answer: its status, headers and decoded body."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def details(self) -> dict[str, Any]:
        return dict(self.body["error"]["details"])


class Rig:
    """One gateway with its keys."""

    def __init__(
        self,
        folder: Path,
        *,
        book: str = "nextoken",
        plan: str | None = "business",
        payments: Any = "sandbox",
        options: Options | None = None,
        semantic_cache: bool = False,
        place: str | None = None,
    ) -> None:
        self.place = place or places.fresh() or str(folder / "gateway" / "ledger.sqlite")
        self.secrets = Kept()
        self.made = bootstrap.create(
            self.place,
            self.secrets,
            book=books.load(book),
            plan=plan,
            payments=payments,
            semantic_cache=semantic_cache,
        )
        self.options = options
        self.app: Gateway = bootstrap.gateway(self.place, self.secrets, options)
        self.transport = EmbeddedTransport(self.app)
        self.management, self.operator = self.made.management_key, self.made.operator_key

    @property
    def house(self) -> House:
        return self.app.house

    def close(self) -> None:
        self.transport.close()

    def again(self) -> None:
        """Close the gateway and open it anew, as another command would."""
        self.close()
        self.app = bootstrap.gateway(self.place, self.secrets, self.options)
        self.transport = EmbeddedTransport(self.app)

    def raw(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Got:
        sent = {"content-type": "application/json"} if body else {}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        sent.update(headers or {})
        reply = self.transport.send(Call(method, target, sent, body), time.monotonic() + 60)
        raw = reply.read()
        is_json = reply.headers["content-type"].startswith("application/json")
        return Got(reply.status, dict(reply.headers), json.loads(raw) if is_json else raw)

    def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Got:
        raw = b"" if body is None else json.dumps(body).encode()
        return self.raw(method, target, raw, key=key or self.management, headers=headers)

    def chat(self, key: str | None = None, **fields: Any) -> Got:
        return self.ask("POST", "/v1/chat/completions", {**BODY, **fields}, key=key)

    def events(self, key: str | None = None, **fields: Any) -> Iterator[Any]:
        """The events of a streamed chat as they come; closing it leaves the gateway alone."""
        body = json.dumps({**BODY, "stream": True, **fields}).encode()
        sent = {
            "content-type": "application/json",
            "authorization": f"Bearer {key or self.management}",
        }
        call = Call("POST", "/v1/chat/completions", sent, body, stream=True, seconds=20)
        with self.transport.send(call, time.monotonic() + 20) as reply:
            assert reply.status == 200, reply.read()
            rest = b""
            for piece in reply.pieces():
                *whole, rest = (rest + piece).split(b"\n\n")
                for event in whole:
                    data = event.removeprefix(b"data: ")
                    yield "DONE" if data == b"[DONE]" else json.loads(data)

    def key(self, name: str = "k", **fields: Any) -> str:
        """A new key's secret."""
        got = self.ask("POST", "/v1/keys", {"name": name, **fields})
        assert got.status == 200, got
        return str(got.body["secret"])

    def key_id(self, name: str) -> str:
        return str(self.ask("GET", f"/v1/keys?name={name}").body["data"][0]["id"])

    def wallet(self, key: str | None = None) -> dict[str, Any]:
        return dict(self.ask("GET", "/v1/wallet", key=key).body)

    def usage(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "/v1/usage?limit=1000").body["data"])

    def customer(self, name: str, **fields: Any) -> str:
        """Another customer's management key."""
        got = self.ask("POST", "/admin/v1/customers", {"name": name, **fields}, key=self.operator)
        assert got.status == 200, got
        return str(got.body["secret"])

    def role(self, role: str) -> str:
        """An operator's key of a role."""
        from nexctl.server.ledger import operators
        from nexctl.server.rooms import secrets

        secret = secrets.new("operator")
        self.house.ledger.write(
            operators.create, role, role, hash=secret.hash, prefix=secret.prefix
        )
        return secret.value

    def settled(self) -> None:
        """Wait until no hold is open."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.wallet()["held"] == "0" and not self.app.pending():
                return
            time.sleep(0.01)
        raise AssertionError("a hold is left")


class Calendar:
    """Moves a gateway's clock on; its wall and its monotonic clock agree, so it is no jump."""

    def __init__(self, rig: Rig) -> None:
        self.passed = 0
        clock = rig.house.ledger.clock
        begun = time.time_ns() // (DAY * NANO) * DAY * NANO + 12 * 3600 * NANO
        self._begun = begun
        clock._wall = lambda: self._begun + self.passed * NANO
        clock._steady = lambda: self.passed * NANO
        clock._floor = 0
        clock.rebase()

    @property
    def now(self) -> int:
        return self._begun // NANO + self.passed
