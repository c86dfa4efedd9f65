"""The requests of a month: every shape, meter and failure that a gateway meets."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.server.server_kit import Got, Rig
from tests.systems.month_sold import Sold

LETTERS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi"
WORDS = LETTERS.split()
REFUSED = frozenset(
    (
        *("insufficient_balance", "org_wallet_empty", "insufficient_credits", "wallet_frozen"),
        *("upstream_error", "upstream_refused", "allowance_exceeded", "budget_exceeded"),
        *("rate_limited", "unsupported_capability"),
    )
)


@dataclass
class Told:
    """What an answer said of its request: charge and the counts it showed."""

    charge: str
    into: int | None = None
    output: int | None = None


class Traffic:
    """What callers send. `told` is what the answers said, by request id; `done` counts the rest."""

    sold: Sold
    rig: Rig

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.done: Counter[str] = Counter()
        self.count = 0

    def ask(self, who: int, method: str, path: str, body: Any = None) -> Got:
        """A call of one of the customers."""
        raise NotImplementedError

    def text(self, words: int) -> str:
        """A question like no other before."""
        self.count += 1
        said = " ".join(WORDS[(self.count * 7 + place * 3) % 16] for place in range(5 + words))
        return f"Question {self.count}: {said}?"

    def note(self, got: Got, into: str = "prompt_tokens", out: str = "completion_tokens") -> None:
        """Remember what an answer said."""
        if got.status != 200:
            code = got.code
            assert code in REFUSED, got
            self.done[code] += 1
            return
        usage = got.body.get("usage") or {}
        nex = got.body["nex"]
        assert nex["currency"] == self.sold.unit
        self.told[nex["request_id"]] = Told(nex["charge"], usage.get(into), usage.get(out))

    def chat(self, who: int, a: int, b: int) -> None:
        """A chat request as a whole or in pieces, with cached input and reasoning in it."""
        model = self.sold.chats[a % len(self.sold.chats)]
        most = 1 + b % 40
        shown = {"output": most, "cached": (a // 7) % 9, "reasoning": most // 3}
        hints = {"echo.usage": ",".join(f"{name}={n}" for name, n in shown.items())}
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": self.text(b % 50)}],
            "max_tokens": most,
            "metadata": hints,
        }
        if a % 3 == 0:
            self.streamed(who, body)
        else:
            self.note(self.ask(who, "POST", "/v1/chat/completions", body))

    def streamed(self, who: int, body: dict[str, Any]) -> None:
        got = self.ask(who, "POST", "/v1/chat/completions", {**body, "stream": True})
        if got.status != 200:
            return self.note(got)
        lines = [one for one in got.body.split(b"\n\n") if one.startswith(b"data: {")]
        last = [json.loads(one[6:]) for one in lines]
        for one in last:
            if one.get("nex"):
                self.note(Got(200, {}, one))
        return None

    def shapes(self, who: int, a: int, b: int) -> None:
        """The same in the shapes of responses and of messages."""
        model = self.sold.chats[a % len(self.sold.chats)]
        text, most = self.text(b % 20), 1 + b % 60
        if a % 2:
            body = {"model": model, "input": text, "max_output_tokens": most}
            got = self.ask(who, "POST", "/v1/responses", body)
        else:
            said = [{"role": "user", "content": text}]
            body = {"model": model, "messages": said, "max_tokens": most}
            got = self.ask(who, "POST", "/v1/messages", body)
        self.note(got, "input_tokens", "output_tokens")

    def tools(self, who: int, a: int, b: int) -> None:
        """Tool schemas are input."""
        tool = {"type": "function", "function": {"name": f"look_{b}", "parameters": {}}}
        body = {
            "model": self.sold.chats[a % len(self.sold.chats)],
            "messages": [{"role": "user", "content": self.text(b % 9)}],
            "tools": [tool],
            "max_tokens": 1 + b,
        }
        self.note(self.ask(who, "POST", "/v1/chat/completions", body))

    def fail(self, who: int, a: int, b: int) -> None:
        """Upstream fails before, or in the middle; what came is billed, nothing else."""
        hints = [
            {"echo.fail": "500"},
            {"echo.fail": "refused"},
            {"echo.break": str(b % 4)},
            {"echo.usage": "omit"},
            {"echo.usage": f"output={10**7}"},
        ][a % 5]
        body = {
            "model": self.sold.chats[b % len(self.sold.chats)],
            "messages": [{"role": "user", "content": self.text(b)}],
            "max_tokens": 1 + b,
            "metadata": hints,
        }
        if a % 5 == 2:
            self.streamed(who, body)
        else:
            self.note(self.ask(who, "POST", "/v1/chat/completions", body))

    def again(self, who: int, a: int, b: int) -> None:
        """One id is served once."""
        body = {
            "model": self.sold.chats[a % len(self.sold.chats)],
            "messages": [{"role": "user", "content": self.text(b % 9)}],
            "request_id": f"own-{self.count}",
            "max_tokens": 5,
        }
        first = self.ask(who, "POST", "/v1/chat/completions", body)
        self.note(first)
        second = self.ask(who, "POST", "/v1/chat/completions", body)
        assert (first.status == 200) == (second.status == 409), second

    def near(self, who: int, a: int, b: int) -> None:
        """A question, and nearly the same again: where there is a semantic cache it answers."""
        model = self.sold.chats[a % len(self.sold.chats)]
        text = self.text(b % 20)
        for asked in (text, text.lower().replace("?", "")):
            said = [{"role": "user", "content": asked}]
            body = {"model": model, "messages": said, "max_tokens": 60}
            got = self.ask(who, "POST", "/v1/chat/completions", body)
            self.note(got)
            if got.status == 200:
                self.done["hit"] += got.body["nex"]["semantic_cache_hit"]

    def spend(self, who: int, a: int, b: int) -> None:
        """Hundreds of dollars at once, so that thresholds are crossed."""
        if self.sold.costly is None:
            return self.chat(who, a, b)
        for _ in range(1 + a % 6):
            body = {
                "model": self.sold.costly,
                "messages": [{"role": "user", "content": self.text(3)}],
                "n": 100,
                "max_tokens": 100_000,
                "metadata": {"echo.usage": f"output={(1 + b) * 123_457}"},
            }
            self.note(self.ask(who, "POST", "/v1/chat/completions", body))
        return None

    def embed(self, who: int, a: int, b: int) -> None:
        """Vectors, by input alone."""
        if self.sold.embeds is None:
            return self.shapes(who, a, b)
        body = {"model": self.sold.embeds, "input": [self.text(b % 20), "你好"][: 1 + a % 2]}
        return self.note(self.ask(who, "POST", "/v1/embeddings", body))

    def media(self, who: int, a: int, b: int) -> None:
        """Pictures and films where they are sold."""
        models = self.sold.has("image", "gpu_second")
        if not models:
            return self.tools(who, a, b)
        model = models[a % len(models)]
        if "gpu_second" in self.sold.rates[model]:
            seconds = ("4", "8", "12")[b % 3]
            body = {"model": model, "prompt": self.text(1), "seconds": seconds}
            return self.note(self.ask(who, "POST", "/v1/videos", body))
        body = {"model": model, "prompt": self.text(1), "n": 1 + b % 3}
        return self.note(self.ask(who, "POST", "/v1/images/generations", body))

    def batch(self, who: int, a: int, b: int) -> None:
        """Some lines, one of which may fail, worked to the end."""
        items = []
        for number in range(1 + b % 4):
            line: dict[str, Any] = {
                "model": self.sold.chats[a % len(self.sold.chats)],
                "messages": [{"role": "user", "content": self.text(number)}],
                "max_tokens": 1 + b,
            }
            if number == 2:
                line["metadata"] = {"echo.fail": "refused"}
            if number == 1:
                line["metadata"] = {"echo.usage": f"output={1 + b // 2},cached=3"}
            items.append({"custom_id": str(number), "method": "POST",
                          "url": "/v1/chat/completions", "body": line})  # fmt: skip
        got = self.ask(who, "POST", "/v1/batches", {"items": items})
        if got.status != 200:
            assert got.code in REFUSED, got
            return
        name = got.body["id"]
        for _ in range(60):
            got = self.ask(who, "GET", f"/v1/batches/{name}?wait=1")
            if got.body["status"] in ("completed", "failed", "cancelled", "expired"):
                break
        assert got.body["status"] in ("completed", "failed"), got
