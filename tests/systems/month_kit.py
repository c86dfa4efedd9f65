"""A month of one system's traffic on a gateway in this process, and what it must have cost.

`Sold` has the numbers of a system's page (or of its operator) as this test reads them; `due` makes
a charge of them with fractions and one rounding, without the price engine. `Month` does one thing
after another at a gateway with a clock of its own, and holds every new usage record against that.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from nexctl.money import parse_units
from nexctl.safety import signing
from nexctl.server import upkeep
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import sandbox
from nexctl.wire.base import encode
from tests.server.server_kit import Calendar, Got, Rig

HOUR, DAY = 3600, 86_400
MOST = 35 * DAY
NANO = 9
Rates = Mapping[str, str]
LETTERS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi"
WORDS = LETTERS.split()


@dataclass(frozen=True)
class Sold:
    """What a system sells, as its page says it. `rates` are for `per` of a meter; money is text.

    `tiers` are (gross above which it holds, percent, its name), lowest first; `amounts` what can be
    paid in, `credits` how much of the unit one unit of money brings; `tax` the percent on what is
    bought by whom the operator taxes; `claims` the tasks that earn credits.
    """

    name: str
    unit: str
    rates: Mapping[str, Rates]
    scale: int = 9
    per: int = 1_000_000
    plan: str | None = None
    zone: str = "UTC"
    book: str | None = None
    beside: bool = False
    batch: str = "1"
    semantic: str | None = None
    tiers: tuple[tuple[str, str, str], ...] = ()
    agreed: str | None = None
    embeds: str | None = None
    costly: str | None = None
    amounts: tuple[str, ...] = ()
    credits: str = "1"
    loyalty: tuple[str, str] | None = None
    fees: Mapping[str, str] = field(default_factory=dict)
    fee_tax: str = "0"
    included: Mapping[str, str] = field(default_factory=dict)
    tax: str = "0"
    claims: tuple[str, ...] = ()
    bonus: str | None = None
    prepare: Callable[[Rig], None] | None = None

    @property
    def chats(self) -> list[str]:
        """Models that converse."""
        return [name for name, rates in self.rates.items() if "output" in rates]

    def has(self, *meters: str) -> list[str]:
        """Models that are sold by one of these meters."""
        return [name for name, rates in self.rates.items() if set(meters) & set(rates)]

    def exact(self, row: Mapping[str, Any]) -> Fraction:
        """A usage record's charge before any billing tier, in the unit, not rounded."""
        rates = self.rates[row["model_charged"]]
        cached, into = row["cached_input_tokens"], row["input_tokens"]
        semantic = row["semantic_cache_hit"]
        counted = {
            "input": into if self.beside else into - cached,
            "cached_input": cached,
            "output": row["output_tokens"],
        }
        if "cached_input" not in rates or semantic:
            counted["input"] += counted.pop("cached_input")
        total = (
            sum(
                (Fraction(rates[meter]) * count for meter, count in counted.items() if count),
                Fraction(0),
            )
            / self.per
        )
        for meter, name in (("image", "images"), ("video", "videos"), ("gpu_second", "gpu_seconds"),
                            ("second", "seconds"), ("request", "requests")):  # fmt: skip
            if meter in rates:
                total += Fraction(rates[meter]) * row[name]
        if semantic:
            total *= Fraction(self.semantic or "1")
        if row["batch_id"]:
            total *= Fraction(self.batch)
        return total

    def units(self, amount: Fraction) -> int:
        """An exact amount in the ledger's unit: rounded once, half to even, as `round` does."""
        return round(amount * 10**self.scale)

    def paid(self, money: str) -> int:
        """What a payment brings, in the ledger's unit."""
        return self.units(Fraction(money) * Fraction(self.credits))


@dataclass
class Told:
    """What an answer said of its request: charge and the counts it showed."""

    charge: str
    into: int | None = None
    output: int | None = None


@dataclass
class Person:
    """One customer: its keys, what it ordered, and how its month stands by the page's rules."""

    id: str
    key: str
    taxed: bool = False
    sequence: int = 0
    charged: int = 0
    lifetime: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, Fraction] = field(default_factory=dict)
    credited: list[str] = field(default_factory=list)
    disputed: list[str] = field(default_factory=list)
    agreed: str | None = None
    gross: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cut: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    earned: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    entries: Counter[str] = field(default_factory=Counter)
    batches: set[str] = field(default_factory=set)


class Month:
    """One gateway that sells a system's tokens, its customers, and its clock."""

    def __init__(self, folder: Path, sold: Sold, place: str | None = None) -> None:
        self.sold, self.folder = sold, folder
        self.rig = Rig(
            folder,
            book=sold.book or sold.name,
            plan=sold.plan,
            semantic_cache=True,
            place=place,
        )
        self.told: dict[str, Told] = {}
        self.promos: dict[str, str] = {}
        self.back: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.count = 0
        self.calendar = Calendar(self.rig)
        # The 24th of the month after this one: what comes crosses the end of a month.
        month = month_in(sold.zone, self.rig.house.now())[2]
        self.wait(month // 1_000_000 + 23 * DAY + HOUR - self.calendar.now)
        self.start = self.rig.house.now()
        self._terms()
        self.people = [Person(self.rig.made.customer, self.rig.management)]
        for name in ("ann", "ben"):
            fields = {"plan": sold.plan} if sold.plan else {}
            made = self.operate("POST", "/customers", {"name": name, **fields}).body
            self.people.append(Person(made["id"], made["secret"]))
        profile = {"name": "Ben Pte", "country": "SG", "kind": "business"}
        self.people[2].taxed = True
        assert self.ask(2, "PUT", "/v1/billing-profile", profile).status == 200
        for who in range(len(self.people)):
            self.seen(who)
            if sold.amounts:
                self.pay(self.order(who, len(sold.amounts) - 1))
            for place in range(len(sold.claims)):
                self.claim(who, place, 0)

    def _terms(self) -> None:
        sold = self.sold
        if sold.prepare is not None:
            sold.prepare(self.rig)
        taxes = [
            {"on": on, "percent": percent, "name": "GST", "country": "SG"}
            for on, percent in (("usage_credits", sold.tax), ("subscription_fee", sold.fee_tax))
            if percent != "0"
        ]
        terms: dict[str, Any] = {"tax": taxes, "plan_fees": dict(sold.fees)}
        if sold.loyalty:
            least, percent = sold.loyalty
            terms["loyalty"] = [{"id": "gold", "at_least": least, "bonus_percent": percent}]
        assert self.operate("PUT", "/terms", terms).status == 200

    # ------------------------------------------------------------ calls

    def operate(self, method: str, path: str, body: Any = None) -> Got:
        return self.rig.ask(method, f"/admin/v1{path}", body, key=self.rig.operator)

    def ask(self, who: int, method: str, path: str, body: Any = None) -> Got:
        return self.rig.ask(method, path, body, key=self.people[who].key)

    def wait(self, seconds: int) -> None:
        """Time passes; what falls due is done, as a serving gateway would."""
        self.calendar.passed += seconds
        upkeep.once(self.rig.house)

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

    # ------------------------------------------------------------ traffic

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
        import json

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
        self.people[who].batches.add(name)

    # ------------------------------------------------------------ money in

    def order(self, who: int, a: int, **more: Any) -> str:
        """An order for one of the amounts."""
        amount = self.sold.amounts[a % len(self.sold.amounts)]
        got = self.ask(who, "POST", "/v1/wallet/top-ups", {"amount": amount, **more})
        assert got.status == 200, got
        person, made = self.people[who], got.body
        tax = Fraction(0)
        if person.taxed:
            tax = Fraction(round(Fraction(amount) * Fraction(self.sold.tax)), 100)
        person.orders[made["id"]] = Fraction(amount)
        assert parse_units(made["total"], NANO) == (Fraction(amount) + tax) * 10**9
        assert parse_units(made["credits"], self.sold.scale) == self.sold.paid(amount)
        return str(made["id"])

    def deliver(self, order: str, kind: str, amount: str | None = None) -> Got:
        """The payment provider's signed event."""
        import msgspec

        from nexctl.wire import payments

        path, headers, body = sandbox.signed_event(self.rig.house, order, kind)
        if amount is not None:
            event = msgspec.json.decode(body, type=payments.PaymentEvent)
            event = msgspec.structs.replace(
                event, data=msgspec.structs.replace(event.data, amount=amount)
            )
            body = encode(event)
            secret = self.rig.house.read(sandbox.secret)
            headers = signing.headers(secret, event.id, self.rig.house.now() // 1_000_000, body)
        return self.rig.raw("POST", path, body, headers=headers)

    def pay(self, order: str) -> None:
        got = self.deliver(order, "payment.succeeded")
        assert got.status == 200, got
        person = next(one for one in self.people if order in one.orders)
        if got.body["credited"]:
            assert order not in person.credited
            person.credited.append(order)
            brought = self.sold.paid(str(person.orders[order]))
            person.entries["topup"] += brought
            self.bonus(person, order, brought)
            person.lifetime += brought

    def bonus(self, person: Person, order: str, brought: int) -> None:
        """A code's bonus, else the level's that the top-ups before have reached."""
        made = self.rig.ask("GET", f"/v1/wallet/top-ups/{order}", key=person.key).body
        percent = Fraction(0)
        if order in self.promos:
            percent = Fraction(self.promos[order])
        elif self.sold.loyalty:
            least, share = self.sold.loyalty
            if person.lifetime >= parse_units(least, self.sold.scale):
                percent = Fraction(share)
        assert parse_units(made["bonus"], self.sold.scale) == round(brought * percent / 100)

    def topup(self, who: int, a: int, b: int) -> None:
        """Bought and paid, sometimes told twice, sometimes never paid."""
        if not self.sold.amounts:
            return self.claim(who, a, b)
        order = self.order(who, a)
        if b % 5:
            self.pay(order)
        if b % 7 == 0:
            self.pay(order)
        return None

    def promo(self, who: int, a: int, b: int) -> None:
        """A top-up with a promotional code."""
        if not self.sold.amounts:
            return self.code(who, a, b)
        terms = {"kind": "promo", "percent": str(1 + b % 20)}
        code = self.operate("POST", "/codes", terms).body["data"][0]["code"]
        order = self.order(who, a, promo_code=code)
        self.promos[order] = terms["percent"]
        self.pay(order)
        return None

    def refund(self, who: int, a: int, b: int) -> None:
        """A part of an order goes back, as much as the rules allow."""
        person = self.people[who]
        if person.credited:
            order = person.credited[a % len(person.credited)]
            share = person.orders[order] * (1 + b % 40) / 40
            cents = max(1, int(share * 100))
            amount = f"{cents // 100}.{cents % 100:02d}"
            got = self.operate("POST", f"/payments/{order}/refund", {"amount": amount})
            assert got.status == 200 or got.code == "not_refundable", got
            self.done["refunded" if got.status == 200 else got.code] += 1
            if got.status == 200:
                # A refund lowers the lifetime by the credits that it stands for, rounded up.
                before = self.back[order]
                self.back[order] += cents
                lost = [self.credits_of(order, part) for part in (before, self.back[order])]
                person.lifetime -= lost[1] - lost[0]

    def credits_of(self, order: str, cents: int) -> int:
        """What of an order's credits so many hundredths of its total stand for."""
        person = next(one for one in self.people if order in one.orders)
        amount = person.orders[order]
        tax = round(amount * Fraction(self.sold.tax)) if person.taxed else 0
        return math.ceil(self.sold.paid(str(amount)) * cents / (amount * 100 + tax))

    def dispute(self, who: int, a: int, b: int) -> None:
        """A bank takes a payment back and, told otherwise, gives it again."""
        person = self.people[who]
        open_ = [one for one in person.credited if one not in person.disputed]
        if not open_:
            return
        order = open_[a % len(open_)]
        person.disputed.append(order)
        cents = max(1, int(person.orders[order] * (1 + b % 9) * 10))
        amount = f"{cents // 100}.{cents % 100:02d}"
        for kind in ("payment.disputed", "payment.dispute_won"):
            assert self.deliver(order, kind, amount).status in (200, 422)
        self.done["disputed"] += 1

    def code(self, who: int, a: int, b: int) -> None:
        """Credits by a code, some of which expire."""
        terms: dict[str, Any] = {"amount": str(1 + b)}
        if a % 2:
            from nexctl.server.house import instant

            ends = self.rig.house.now() + (1 + a % 9) * DAY * 1_000_000
            terms["credits_expire_at"] = instant(ends // 1_000_000 * 1_000_000)
        got = self.operate("POST", "/codes", terms)
        assert got.status == 200, got
        code = got.body["data"][0]["code"]
        assert self.ask(who, "POST", "/v1/wallet/redeem", {"code": code}).status == 200
        self.people[who].entries["grant"] += parse_units(terms["amount"], self.sold.scale)

    def claim(self, who: int, a: int, b: int) -> None:
        """Credits for a task, once a period."""
        if not self.sold.claims:
            return self.code(who, a, b)
        task = self.sold.claims[a % len(self.sold.claims)]
        got = self.ask(who, "POST", f"/v1/wallet/grants/{task}/claim")
        assert got.status == 200 or got.code == "code_used", got
        if got.status == 200:
            amount = parse_units(got.body["amount"], self.sold.scale)
            self.people[who].entries["grant"] += amount
        return None

    def adjust(self, who: int, a: int, b: int) -> None:
        """The operator gives, or takes."""
        amount = str(a % 40 - 9) if a % 40 != 9 else "1"
        body = {"amount": amount, "note": "as agreed"}
        path = f"/customers/{self.people[who].id}/wallet/adjustments"
        if self.operate("POST", path, body).status == 200:
            self.people[who].entries["adjustment"] += parse_units(amount, self.sold.scale)

    def automatic(self, who: int, a: int, b: int) -> None:
        """An automatic top-up is agreed, and done when the wallet is low."""
        if not self.sold.amounts:
            return self.claim(who, a, b)
        wallet = self.ask(who, "GET", "/v1/wallet").body
        balance = parse_units(wallet["balance"], self.sold.scale)
        below = str(balance // 10**self.sold.scale + 1 + b)
        body = {"below": below, "amount": self.sold.amounts[0], "monthly_budget": "100"}
        got = self.ask(who, "PUT", "/v1/wallet/auto-top-up", body)
        self.done["automatic" if got.status == 200 else got.code] += 1
        if got.status == 200:
            self.wait(HOUR)
            self.ask(who, "DELETE", "/v1/wallet/auto-top-up")
            self.bought(who)
        return None

    def bought(self, who: int) -> None:
        """Take automatic orders into what was ordered: each for the amount that was agreed."""
        person = self.people[who]
        for order in self.ask(who, "GET", "/v1/wallet/top-ups?limit=1000").body["data"]:
            if order["id"] not in person.orders:
                assert order["state"] == "credited", order
                person.orders[order["id"]] = Fraction(self.sold.amounts[0])
                person.credited.append(order["id"])
                person.lifetime += self.sold.paid(self.sold.amounts[0])
                person.entries["topup"] += self.sold.paid(self.sold.amounts[0])

    def subscribe(self, who: int, a: int, b: int) -> None:
        """Another plan, its fee paid from the wallet."""
        if not self.sold.fees:
            return self.adjust(who, a, b)
        plan = list(self.sold.fees)[a % len(self.sold.fees)]
        got = self.ask(who, "PUT", "/v1/subscription", {"plan": plan})
        self.done["subscribed" if got.status == 200 else got.code] += 1
        return None

    def agree(self, who: int, a: int, b: int) -> None:
        """The operator agrees a discount, where the book leaves one to him."""
        if self.sold.agreed is None:
            return self.topup(who, a, b)
        percent = str(a % 20)
        path = f"/customers/{self.people[who].id}/policy"
        got = self.operate("PUT", path, {"discount_percent": percent})
        assert got.status == 200, got
        self.people[who].agreed = percent
        return None

    def rest(self, who: int, a: int, b: int) -> None:
        """Days go by, until the month is over: records are not kept for ever."""
        if self.rig.house.now() - self.start < MOST * 1_000_000:
            self.wait((1 + a % 5) * DAY + b * HOUR)

    def step(self, what: str, who: int, a: int, b: int) -> None:
        """One thing happens; then every new usage record is looked at."""
        getattr(self, what)(who, a, b)
        self.rig.settled()
        self.wait(7)
        for one in range(len(self.people)):
            self.seen(one)

    # ------------------------------------------------------------ what it must have cost

    def seen(self, who: int) -> None:
        """Hold each new record against the page's own arithmetic, and against its answer."""
        person, sold = self.people[who], self.sold
        path = f"/v1/usage?limit=1000&after_sequence={person.sequence}&wallet={person.id}"
        got = self.ask(who, "GET", path)
        assert got.status == 200, got
        for row in got.body["data"]:
            person.sequence = row["sequence"]
            person.rows.append(row)
            row["model_charged"] = self.charged(row)
            exact = sold.exact(row)
            charge = sold.units(exact)
            month = month_in(sold.zone, instant_of(row["created_at"]))[0]
            row["percent"] = person.agreed
            if sold.tiers or sold.agreed:
                charge = self.tiered(person, month, exact, row)
            said = parse_units(row["charge"], sold.scale)
            assert said == charge, (row, charge)
            assert row["currency"] == sold.unit
            person.charged += charge
            told = self.told.pop(row["request_id"], None)
            if told is not None:
                assert told.charge == row["charge"], row
                into = row["input_tokens"]
                into += row["cached_input_tokens"] if sold.beside else 0
                assert told.into in (None, into), (row, told)
                assert told.output in (None, row["output_tokens"]), (row, told)

    def charged(self, row: Mapping[str, Any]) -> str:
        """The model whose row of the page prices it."""
        return str(row["model_served"])

    def tiered(self, person: Person, month: str, exact: Fraction, row: Mapping[str, Any]) -> int:
        """The charge at the tier that the month has reached; what a crossing credits is kept."""
        sold = self.sold
        gross, before = sold.units(exact), person.gross[month]
        if sold.agreed:
            percent = Fraction(person.agreed or 0)
            name = None if person.agreed is None else sold.agreed
        else:
            name, percent = self.tier_of(before)
        assert row["tier"] == name, row
        charge = sold.units(exact * (1 - percent / 100))
        person.gross[month] = after = before + gross
        person.cut[month] += gross - charge
        for above, share, _ in sold.tiers:
            line = parse_units(above, sold.scale)
            if line > 0 and before <= line < after:
                target = round(after * Fraction(share) / 100)
                due = max(0, target - person.cut[month] - person.earned[month])
                person.earned[month] += due
                person.entries["tier_credit"] += due
                self.done[f"crossed {above}"] += 1
        return charge

    def tier_of(self, gross: int) -> tuple[str | None, Fraction]:
        found = ("", Fraction(0))
        for above, percent, name in self.sold.tiers:
            line = parse_units(above, self.sold.scale)
            if gross > line or line == 0:
                found = (name, Fraction(percent))
        return found


REFUSED = frozenset(
    (
        *("insufficient_balance", "org_wallet_empty", "insufficient_credits", "wallet_frozen"),
        *("upstream_error", "upstream_refused", "allowance_exceeded", "budget_exceeded"),
        *("rate_limited", "unsupported_capability"),
    )
)


def instant_of(text: str) -> int:
    """Microseconds of a record's time."""
    from nexctl.server.house import micros

    return int(micros(text) or 0)
