"""Dated versions of the prices: never an edit, seen by every process, refused when doubtful."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operator_kit import CREDIT, base, costs, operate, put
from server_kit import Rig

from nexctl.cli.gateway_ledger import repricer
from nexctl.pricing.exact import plain
from nexctl.server import bootstrap
from nexctl.server.ledger import verify


def charge(rig: Rig) -> Decimal:
    got = rig.chat()
    assert got.status == 200, got
    return Decimal(got.body["nex"]["charge"])


def test_requests_after_it_are_charged_by_it_and_older_debits_follow_again(kept: Rig) -> None:
    rig = kept
    before = charge(rig)
    first = base(rig)
    made = put(rig, {"nex-pro": {"input": "1000", "output": "1000"}})
    assert (made.status, made.body["applied"]) == (200, True)
    tokens = rig.chat().body
    after = Decimal(tokens["nex"]["charge"])
    assert after == Decimal(tokens["usage"]["total_tokens"]) * 1000 / 1_000_000 > before
    rows = operate(rig, "GET", "/prices").body["data"]
    assert [(row["hash"] == first, row["state"]) for row in rows] == [
        (True, "past"),
        (False, "in_force"),
    ]
    proof = verify.verify(rig.house.ledger, reprice=repricer(rig.house.ledger))
    assert proof.clean, proof.violations
    assert proof.proved["recompute"] == 2


def test_another_process_charges_by_it_from_its_next_request_on(kept: Rig) -> None:
    rig = kept
    other = bootstrap.gateway(rig.place, rig.secrets, None)
    from nexctl.cli.bridge import EmbeddedTransport

    twin = Rig.__new__(Rig)
    twin.place, twin.secrets, twin.made, twin.options = rig.place, rig.secrets, rig.made, None
    twin.app, twin.transport = other, EmbeddedTransport(other)
    twin.management, twin.operator = rig.management, rig.operator
    try:
        cheap = charge(twin)
        put(rig, {"nex-pro": {"input": "1000", "output": "1000"}})
        assert charge(twin) > 100 * cheap
        assert twin.ask("GET", "/v1/prices?model=nex-pro").body["data"][0]["rates"]["input"][
            "price"
        ] == ("1000")
    finally:
        twin.close()


def test_a_later_version_waits_for_its_instant(rig: Rig) -> None:
    before = charge(rig)
    soon = rig.house.now() + 3600 * 10**6
    from nexctl.server.house import instant

    at = str(instant(soon))
    made = put(rig, {"nex-pro": {"input": "1000", "output": "1000"}}, at=at)
    assert made.body["in_force_from"] == at
    assert charge(rig) == before
    states = [row["state"] for row in operate(rig, "GET", "/prices").body["data"]]
    assert states == ["in_force", "coming"]
    rows = rig.house.ledger.read(lambda tx: tx.all("SELECT 1 FROM price_books"))
    assert len(rows) == 2
    from nexctl.server.ledger import books

    schedule = rig.house.read(books.schedule)
    assert books.chosen(schedule, soon - 1) == base(rig)
    assert books.chosen(schedule, soon) == made.body["hash"]
    past = operate(
        rig,
        "POST",
        "/prices",
        {
            "base": made.body["hash"],
            "models": [{"id": "nex-pro", "rates": {"input": "999"}}],
            "at": "2026-01-01T00:00:00Z",
        },
    )
    assert past.code == "invalid_request"


@pytest.mark.parametrize(("price", "refused"), [("0", True), ("1000", True)])
def test_a_doubtful_change_needs_its_hash(rig: Rig, price: str, refused: bool) -> None:
    body: dict[str, Any] = {
        "base": base(rig),
        "models": [{"id": "nex-pro", "rates": {"input": price}}],
    }
    got = operate(rig, "POST", "/prices", body)
    assert (got.status, got.code) == (409, "price_not_accepted")
    assert operate(rig, "POST", "/prices", {**body, "accept": "0" * 16}).code == got.code
    assert len(operate(rig, "GET", "/prices").body["data"]) == 1
    accept = got.details["accept"]
    assert operate(rig, "POST", "/prices", {**body, "accept": accept}).status == 200


def test_a_draft_of_older_prices_is_refused(rig: Rig) -> None:
    old = base(rig)
    put(rig, {"nex-pro": {"input": "1000", "output": "1000"}})
    body = {"base": old, "models": [{"id": "nex-pro", "rates": {"input": "1001"}}]}
    assert operate(rig, "POST", "/prices", body).code == "state_conflict"


def test_what_was_in_force_can_come_again_on_the_same_day(rig: Rig) -> None:
    """An operator who takes a price back: it is a version of its own, and no edit of the first."""
    made = []
    for price in ("1000", "1100", "1000", "1100"):
        got = put(rig, {"nex-pro": {"input": price, "output": price}})
        assert got.status == 200, got
        made.append(got.body["hash"])
    assert len(set(made)) == 4
    assert base(rig) == made[-1]


def test_versions_of_one_day_have_names_of_their_own(rig: Rig) -> None:
    """A record names the version that charged it, and who audits finds that one by its name."""
    said = []
    for price in ("1000", "1100", "1200"):
        name = put(rig, {"nex-pro": {"input": price, "output": price}}).body["price_book"]
        said.append(rig.chat().body["nex"]["price_book"])
        assert name == said[-1] == rig.ask("GET", "/v1/prices").body["price_book"]
    kept = [row["price_book"] for row in operate(rig, "GET", "/prices").body["data"]]
    assert kept[1:] == said == sorted(set(said))
    midnight = put(rig, {"nex-pro": {"input": "9"}}, at="2090-01-01T00:00:00Z").body
    assert midnight["price_book"] == "nextoken@2090-01-01"
    second = {"base": midnight["hash"], "models": [{"id": "nex-pro", "rates": {"input": "10"}}]}
    again = operate(rig, "POST", "/prices", {**second, "at": "2090-01-01T00:00:00Z"})
    assert again.body["price_book"] == "nextoken@2090-01-01T00:00:01Z"


def test_a_version_that_waits_stops_no_other(rig: Rig) -> None:
    """Each draft follows the version that charges at its time; what comes later stays as it is."""
    costs(rig)
    first, second, third = (f"20{n}-01-01T00:00:00Z" for n in (90, 91, 92))

    def drafted(at: str | None) -> str:
        body: dict[str, Any] = {"markup": "15", "models": ["nex-pro"]}
        return str(operate(rig, "POST", "/prices/draft", {**body, "at": at}).body["base"])

    def change(price: str, on: str, at: str | None) -> Any:
        rates = {"input": price, "output": price}
        body = {"base": on, "models": [{"id": "nex-pro", "rates": rates}], "at": at}
        accept = operate(rig, "POST", "/prices", {**body, "preview": True}).body.get("accept")
        return operate(rig, "POST", "/prices", {**body, "accept": accept})

    now = base(rig)
    waits = change("1000", now, second).body
    assert waits["until"] is None
    assert (drafted(None), drafted(first), drafted(second)) == (now, now, waits["hash"])
    # An urgent change, one between, one after, and a correction of what waits itself.
    urgent = change("900", now, None).body
    assert urgent["until"] == second
    assert change("950", now, first).code == "state_conflict"
    assert change("950", urgent["hash"], first).body["until"] == second
    assert change("1200", urgent["hash"], third).code == "state_conflict"
    assert change("1200", waits["hash"], third).status == 200
    assert change("1050", waits["hash"], second).body["until"] == third
    from nexctl.server.house import micros
    from nexctl.server.kept_books import stored_book
    from nexctl.server.ledger import books

    charged = []
    for at in (None, first, second, third):
        kept = rig.house.read(lambda tx, at=at: books.in_force(tx, micros(at)))
        charged.append(stored_book(kept.body).models["nex-pro"].rates["input"][1])
    assert charged == ["900", "950", "1050", "1200"]
    assert operate(rig, "POST", "/prices/draft", {"markup": "1", "at": "2020-01-01T00:00:00Z"}).code


def test_what_changes_is_in_the_audit_log(rig: Rig) -> None:
    put(rig, {"nex-pro": {"input": "1000", "output": "1000"}}, note="dearer")
    rows = operate(rig, "GET", "/audit-log").body["data"]
    row = [one for one in rows if one["action"] == "editions.apply"][-1]
    assert row["after"]["note"] == "dearer"
    assert {one["meter"] for one in row["after"]["changes"]} >= {"input", "output"}


@pytest.mark.parametrize(
    "model",
    [
        {"id": "x", "rates": {}},
        {"id": "x", "rates": {"input": "-1"}},
        {"id": "x", "rates": {"input": "1e9"}},
        {"id": "x", "rates": {"input": "9" * 13}},
        {"id": "x", "rates": {"sunshine": "1"}},
        {"id": "x", "rates": {"input": "1"}, "aliases": ["nex-pro"]},
        {"id": "x", "rates": {"input": "1"}, "context": 0},
    ],
)
def test_what_is_no_price_is_refused(rig: Rig, model: dict[str, Any]) -> None:
    got = operate(rig, "POST", "/prices", {"base": base(rig), "models": [model]})
    assert (got.status, got.code) == (400, "invalid_request")


def test_a_tier_still_cuts_after_a_change_of_prices(rig: Rig) -> None:
    tiering = rig.house.ledger.shared.tiering
    assert tiering is not None
    snapshot = rig.house.meters.priced(rig.house.book.find("nex-pro")).snapshot
    put(rig, {"nex-pro": {"input": "1000", "output": "1000"}})
    rig.chat()
    now = rig.house.ledger.shared.tiering
    assert now is not None
    assert now is not tiering
    from nexctl.records import Usage

    found = now.priced(snapshot, Usage(input=1_000_000), "business", None)
    assert found is not None, "a hold of the version before is settled at its own prices"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cost=st.integers(1, 10**9),
    markup=st.integers(0, 400_000_000),
    places=st.integers(0, 12),
)
def test_a_drafted_price_is_cost_and_markup_exactly_or_the_next_above(
    cost: int, markup: int, places: int
) -> None:
    from nexctl.pricing.book import Book
    from nexctl.server.costs.drafting import Drafter
    from nexctl.server.costs.margins import Source
    from nexctl.server.ledger.providers import Provider

    rates = {"input": ("number", plain(cost, 6), 1_000_000, "token", None)}
    head = {"id": "c", "title": "C", "unit": "USD", "scale": 9, "retrieved": "2026-11-20"}
    book = Book({"book": head, "models": [{"id": "m", "periods": ({"rates": rates},)}]})
    provider = Provider("p", "echo", None, None, None, 1, True, False, None, {}, None, 0, False)
    drafter = Drafter(book, [Source(provider, book)], plain(markup, 6), places, "2026-11-26")
    made, unknown = drafter.draft(["m"])
    assert unknown == []
    wanted = Decimal(cost).scaleb(-6) * (1 + Decimal(markup).scaleb(-8))
    got = Decimal(made[0].rates["input"])
    assert wanted <= got < wanted + Decimal(1).scaleb(-places)
    assert (drafter.rounded == 0) == (got == wanted)


def test_an_empty_book_is_filled_and_charges_in_credits(make: Callable[..., Rig]) -> None:
    rig = make(book="tokenok", plan=None)
    assert rig.chat(model="gpt-4o").code == "unpriced"
    costs(rig)
    ask = {"markup": "15", "models": ["gpt-4o"], "credit": CREDIT}
    draft = operate(rig, "POST", "/prices/draft", ask).body
    assert draft["models"][0]["rates"]["input"] == "287.5"
    body = {"base": draft["base"], "models": draft["models"], "credit": CREDIT}
    assert operate(rig, "POST", "/prices", body).status == 200
    order = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "20"}).body
    assert order["credits"] == "2000"
    from test_gateway_money_in import deliver

    assert deliver(rig, order["id"]).body["credited"]
    got = rig.chat(model="gpt-4o").body
    used = got["usage"]
    wanted = Decimal(used["prompt_tokens"]) * Decimal("287.5") / 10**6
    wanted += Decimal(used["completion_tokens"]) * Decimal("1150") / 10**6
    assert Decimal(got["nex"]["charge"]) == wanted
    assert got["nex"]["currency"] == "CREDITS"
    month = str(operate(rig, "GET", "/usage").body["data"][0]["created_at"])[:7]
    statement = rig.ask("GET", f"/v1/statements?month={month}").body
    assert Decimal(statement["closing"]) == 2000 - wanted
    assert operate(rig, "GET", f"/reconcile?month={month}").body["clean"]
