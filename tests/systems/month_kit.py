"""A month of one system's traffic on a gateway in this process, and what it must have cost.

`Month` does one thing after another at a gateway with a clock of its own, and holds every new usage
record against the page's own arithmetic (`month_sold`), without the price engine.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from nexctl.money import parse_units, text_of
from nexctl.safety import signing
from nexctl.server import upkeep
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import sandbox
from nexctl.wire.base import encode
from tests.server.server_kit import Calendar, Got, Rig
from tests.systems.month_sold import Sold
from tests.systems.month_traffic import Traffic

HOUR, DAY = 3600, 86_400
MOST = 35 * DAY
NANO = 9


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


class Month(Traffic):
    """One gateway that sells a system's tokens, its customers, and its clock."""

    def __init__(self, folder: Path, sold: Sold, place: str | None = None) -> None:
        super().__init__()
        self.sold, self.folder = sold, folder
        self.rig = Rig(
            folder,
            book=sold.book or sold.name,
            plan=sold.plan,
            semantic_cache=True,
            place=place,
        )
        self.promos: dict[str, str] = {}
        self.back: Counter[str] = Counter()
        self.corrected: Counter[str] = Counter()
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

    def correct(self, who: int, a: int, b: int) -> None:
        """The operator gives back some of what a request was charged: at most that, in all."""
        person, scale = self.people[who], self.sold.scale
        if not person.rows:
            return self.adjust(who, a, b)
        row = person.rows[a % len(person.rows)]
        units = parse_units(row["charge"], scale) * (1 + b % 3) // 3
        body = {"amount": text_of(units, scale), "note": "ours", "request_id": row["request_id"]}
        got = self.operate("POST", f"/customers/{person.id}/wallet/adjustments", body)
        self.done["corrected" if got.status == 200 else got.code] += 1
        given = self.corrected[row["request_id"]] + units
        fits = units > 0 and given <= parse_units(row["charge"], scale)
        assert fits or got.status != 200, (row, got)
        if got.status == 200:
            assert got.body["reverses"] == row["sequence"]
            self.corrected[row["request_id"]] = given
            person.entries["reversal"] += units
        return None

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


def instant_of(text: str) -> int:
    """Microseconds of a record's time."""
    from nexctl.server.house import micros

    return int(micros(text) or 0)
