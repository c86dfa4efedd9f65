"""What must agree when a month has been lived through, each by the tool that a person would ask."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from nexctl.cli.gateway_ledger import repricer
from nexctl.cli.usage_source import GatewaySource, one_wallet, query_of
from nexctl.estimate.ask import Ask as Wish
from nexctl.estimate.ask import Cached
from nexctl.estimate.lanes import Demand, Lane
from nexctl.gateways.drivers import open_gateway
from nexctl.money import parse_units
from nexctl.pricing import engine
from nexctl.pricing.served import read as served
from nexctl.records import Usage
from nexctl.safety.http import Key
from nexctl.server.ledger import verify
from nexctl.server.ledger.months import month_in
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.export.run import Ask, to_file
from nexctl.usage.export.window import Filters, Window
from tests.systems.month_kit import NANO, Month, Person, instant_of

KINDS = ("jsonl", "csv")


def violations(month: Month) -> list[tuple[str, str]]:
    """`gateway verify`: check and place of what does not hold."""
    ledger = month.rig.house.ledger
    found = verify.verify(ledger, reprice=repricer(ledger))
    assert found.proved["recompute"] == sum(len(person.rows) for person in month.people)
    return [(row.check, row.place) for row in found.violations]


def findings(month: Month, of: str | None = None) -> list[tuple[str, str]]:
    """`admin reconcile`: rule and subject of what does not agree."""
    got = month.operate("GET", f"/reconcile{'' if of is None else f'?month={of}'}")
    assert got.status == 200, got
    return [(row["rule"], row["subject"]) for row in got.body["findings"]]


def months(month: Month) -> list[str]:
    """The months that were touched, in the book's zone."""
    found, at = [], month.start
    while at < month.rig.house.now():
        name, _, at = month_in(month.sold.zone, at)
        found.append(name)
    return found


def exported(month: Month, person: Person, kind: str) -> tuple[Path, dict[str, Any]]:
    """`usage export --totals FILE`: the file and its manifest."""
    key = Key(person.key, month.rig.transport.origin)
    gateway = open_gateway("nexctl", month.rig.transport, key, "month")
    query = one_wallet(query_of(gateway, Window(None, None), Filters()), person.id)
    target = month.folder / f"{person.id}.{kind}"
    wanted = Ask(month.sold.name, person.id, Window(None, None), Filters(), kind=kind, totals=True)
    return target, to_file(wanted, GatewaySource(gateway, query), str(target))


def audited(month: Month, file: Path) -> Report:
    """`usage audit FILE`, by the prices that the gateway serves."""
    folder = month.folder / "prices"
    folder.mkdir(exist_ok=True)
    got = month.ask(0, "GET", "/v1/prices?book=true").body
    book = served(got["book"], got["hash"])
    (folder / f"{book.id}.json").write_text(json.dumps(book.data))
    return audit(Task(str(file), file.name, Shelf(folder=f"{folder}/")))


def quoted(month: Month, row: dict[str, Any]) -> int:
    """What `estimate` says of the same counts: by its lane where it can say it, else its engine."""
    book = month.rig.house.book
    model = book.find(row["model_charged"])
    cached, into = row["cached_input_tokens"], row["input_tokens"]
    into += cached if month.sold.beside else 0
    agreed = month.sold.agreed is not None and row["tier"] is not None
    media = row["images"] or row["videos"] or row["seconds"] or row["gpu_seconds"]
    plain = not (agreed or media or row["semantic_cache_hit"] or (row["batch_id"] and cached))
    if plain:
        wish = Wish(
            (book.id,),
            output_tokens=row["output_tokens"],
            cached=Cached(cached, None) if cached else None,
            batch=bool(row["batch_id"]),
            tier=row["tier"],
        )
        lane = Lane(wish, book, model, None)
        lane.add(Demand(into, None, 1))
        found = lane.cached_charge if cached else lane.batch_charge if row["batch_id"] else None
        units = (found or lane.charge).expected
        assert units is not None
        return units
    usage = Usage(
        input=row["input_tokens"],
        cached_input=cached,
        output=row["output_tokens"],
        request=row["requests"],
        image=row["images"],
        video=row["videos"],
        second=row["seconds"],
        gpu_second=row["gpu_seconds"],
    )
    pricer = engine.pricer(
        book,
        model,
        batch=bool(row["batch_id"]),
        semantic_hit=row["semantic_cache_hit"],
        tier=row["tier"],
        negotiated=str(row["percent"]) if agreed else None,
    )
    return pricer.charge(usage).units


def entries_of(month: Month, who: int) -> list[dict[str, Any]]:
    """A customer's whole book."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = month.ask(who, "GET", f"/v1/wallet/ledger?limit=1000{cursor}").body
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def check_person(month: Month, who: int) -> None:
    """Debits, quotes, statement, export and audit of one customer, to the last unit."""
    person, sold, scale = month.people[who], month.sold, month.sold.scale
    rows = person.rows
    charges = [parse_units(row["charge"], scale) for row in rows]
    assert sum(charges) == person.charged
    for row, charge in zip(rows, charges, strict=True):
        assert quoted(month, row) == charge, row
    made: Counter[str] = Counter()

    given: set[str] = set()
    for entry in entries_of(month, who):
        made[entry["kind"]] += parse_units(entry["amount"], scale)
        if (entry["description"] or "").startswith("included in the plan "):
            plan = entry["description"].rpartition(" ")[2]
            assert entry["amount"] == sold.included[plan]
            period = month_in(sold.zone, instant_of(entry["created_at"]))[0]
            assert period not in given
            given.add(period)
            made["grant"] -= parse_units(entry["amount"], scale)
            made["included"] += parse_units(entry["amount"], scale)

    for kind in ("topup", "adjustment", "tier_credit", "grant", "reversal"):
        assert made[kind] == person.entries[kind], (kind, made, person.entries)
    wallet = month.ask(who, "GET", "/v1/wallet").body
    debt = parse_units(wallet["debt"], scale)
    closing = 0
    debits = 0
    for name in months(month):
        said = month.ask(who, "GET", f"/v1/statements?month={name}").body
        figures = {
            key: parse_units(said[key], scale)
            for key in ("opening", "credits", "debits", "expired", "closing")
        }
        assert name == months(month)[0] or figures["opening"] == closing
        closing = figures["closing"]
        parts = figures["opening"] + figures["credits"] - figures["debits"] - figures["expired"]
        assert parts == closing, said
        debits -= sum(
            parse_units(row["amount"], scale) for row in said["sums"] if row["kind"] == "usage"
        )
    assert closing == parse_units(wallet["balance"], scale) == sum(made.values())
    if not debt and "dispute" not in made:
        assert debits == person.charged == -made["usage"]
    for kind in KINDS:
        file, manifest = exported(month, person, kind)
        assert manifest["rows"] == len(rows)
        sums = {unit: parse_units(text, scale) for unit, text in manifest["sums"].items()}
        assert sums == ({sold.unit: person.charged} if rows else {})
        totals = sum(parse_units(row["charge"], scale) for row in manifest["totals"])
        assert totals == person.charged
        if manifest["balance"] is not None:
            assert manifest["balance"]["matches"], manifest["balance"]
        report = audited(month, file)
        assert report.findings == (), report.findings[:3]
        assert report.clean
        assert report.rows == len(rows)
        assert report.matched == len(rows), report.says


def check_papers(month: Month, who: int) -> None:
    """Each credited order has one invoice of its figures, each refund its credit notes."""
    person, sold = month.people[who], month.sold
    papers = month.ask(who, "GET", "/v1/invoices?limit=1000").body["data"]
    orders = month.ask(who, "GET", "/v1/wallet/top-ups?limit=1000").body["data"]
    numbered: Counter[str] = Counter()
    for order in orders:
        mine = [p for p in papers if p["subject"] == order["id"] and p["kind"] == "invoice"]
        credited = order["state"] in ("credited", "refunded")
        assert len(mine) == int(credited), order
        for paper in mine:
            assert (paper["total"], paper["tax"]) == (order["total"], order["tax"])
            assert paper["currency"] == order["currency"]
            numbered[paper["number"]] += 1
        if order["id"] in person.orders:
            amount = person.orders[order["id"]]
            due = round(amount * Fraction(sold.tax)) if person.taxed else 0
            assert parse_units(order["tax"], NANO) == due * 10**7
            assert parse_units(order["total"], NANO) == (amount + Fraction(due, 100)) * 10**9
    assert set(numbered.values()) <= {1}


def check_holds(month: Month) -> None:
    """No request was debited more than was held for it, and nothing is held now."""
    rows = month.rig.house.read(
        lambda tx: tx.all(
            "SELECT h.amount, u.charge, u.record FROM usage_records u JOIN holds h ON h.id=u.hold"
        )
    )
    assert len(rows) == sum(len(person.rows) for person in month.people)
    for held, charge, record in rows:
        assert held >= msgspec.json.decode(record).get("gross", charge) >= charge
    for who in range(len(month.people)):
        assert month.ask(who, "GET", "/v1/wallet").body["held"] == "0"


def check_numbers(month: Month) -> None:
    """The series of papers has every number once."""
    papers = month.operate("GET", "/invoices?limit=1000").body["data"]
    numbers = sorted(int(paper["number"].rpartition("-")[2]) for paper in papers)
    assert numbers == list(range(1, len(numbers) + 1))


def agree(month: Month) -> None:
    """Everything, at the end."""
    assert violations(month) == []
    assert findings(month) == []
    for name in months(month):
        assert findings(month, name) == []
    check_holds(month)
    check_numbers(month)
    for who in range(len(month.people)):
        check_person(month, who)
        check_papers(month, who)
