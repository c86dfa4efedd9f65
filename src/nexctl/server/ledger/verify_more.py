"""Proofs about what is not the book: shared budgets, organisations, deliveries, the audit log."""

from __future__ import annotations

import datetime
import hashlib
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from nexctl.money import parse_units
from nexctl.records import Usage
from nexctl.server.ledger import audit_log, budgets
from nexctl.server.ledger.port import Transaction

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Report(Protocol):
    """Where a check says what it looked at and whether it holds."""

    def looked(self, check: str, count: int = 1) -> None:
        """Count what was looked at."""

    def check(self, check: str, holds: bool, place: str, text: str) -> None:
        """Count one thing, and name it where it does not hold."""

    def readable(self, check: str, place: str) -> AbstractContextManager[None]:
        """Name what cannot be read."""
        ...


def is_joined(tx: Transaction, customer: str) -> bool:
    """Whether a key's budget may count requests of another account: an organisation's."""
    return tx.one("SELECT 1 FROM members WHERE customer_id=? LIMIT 1", customer) is not None


def shared_budgets(tx: Transaction, report: Report, customer: str) -> None:
    """Budgets whose requests lie in several books, on one snapshot: added up from the holds."""
    for found in tx.all("SELECT id FROM budgets WHERE customer_id=?", customer):
        with report.readable("budgets", f"budget {found[0]}"):
            _shared(tx, report, found[0])


def _shared(tx: Transaction, report: Report, name: str) -> None:
    budget = budgets.by_id(tx, name)
    if budget is None:
        return
    made: dict[int, list[int]] = {}
    for state, layers, model, charge, record in tx.all(
        "SELECT h.state, h.layers, h.model, u.charge, u.record FROM holds h "
        "LEFT JOIN usage_records u ON u.wallet=h.wallet AND u.seq=h.seq "
        "WHERE h.state IN ('reserved', 'dispatched', 'unknown', 'settled') "
        "AND h.layers LIKE ?",
        f'%"{budget.id}"%',
    ):
        for part in budgets.parts_of(layers):
            if part.budget != budget.id:
                continue
            sums = made.setdefault(part.start, [0, 0])
            if state == "settled" and not budgets.meets(budget, model):
                continue  # held for it, as others might have answered: charged as another
            if state == "settled":
                usage = Usage(request=0)._replace(**msgspec.json.decode(record)["usage"])
                sums[0] += budgets.counted(budget, charge, usage)
            else:
                sums[1] += part.amount
    for start, opening, spent, held in tx.all(
        "SELECT start, opening, spent, held FROM buckets WHERE budget=?", budget.id
    ):
        said, real = [spent - opening, held], made.pop(start, [0, 0])
        report.check(
            "budgets",
            said == real,
            f"budget {budget.id} from {start}",
            f"spent and held are {said}, its requests make {real}",
        )
    for start in made:
        place = f"budget {budget.id} from {start}"
        report.check("budgets", False, place, "its requests are counted nowhere")


def organisations(tx: Transaction, report: Report) -> None:
    """Each active organisation has an account, a wallet and an owner; projects have wallets."""
    for org, state, account, wallet in tx.all(
        "SELECT o.id, o.state, c.id, w.id FROM orgs o LEFT JOIN customers c ON c.id=o.id "
        "LEFT JOIN wallets w ON w.id=o.id"
    ):
        report.check("orgs", account is not None and wallet is not None, org, "it has no account")
        owners = tx.value(
            "SELECT count(*) FROM members WHERE org_id=? AND role='owner' AND state='active'", org
        )
        report.check("orgs", state != "active" or owners > 0, org, "it has no owner")
    for project, org, owner in tx.all(
        "SELECT p.id, p.org_id, w.customer_id FROM projects p LEFT JOIN wallets w ON w.id=p.wallet"
    ):
        report.check("orgs", org == owner, project, "its wallet is not the organisation's")


def deliveries(tx: Transaction, report: Report) -> None:
    """Each delivery has its event, and a webhook its endpoint: the operator's or the customer's."""
    for name, channel, event, whose, endpoint, owner in tx.all(
        "SELECT d.id, d.channel, e.id, e.customer_id, w.id, w.customer_id FROM deliveries d "
        "LEFT JOIN events e ON e.id=d.event_id LEFT JOIN webhook_endpoints w ON w.id=d.target"
    ):
        report.check("deliveries", event is not None, name, "its event is gone")
        there = channel == "email" or (endpoint is not None and owner in (None, whose))
        report.check("deliveries", there, name, "it goes to nobody who may know")


def audit(tx: Transaction, report: Report, chain: str) -> None:
    """One chain of the audit log."""
    looked, faults = audit_log.faults(tx, chain)
    report.looked("audit", looked)
    for text in faults:
        report.check("audit", False, chain, text)


def kept_prices(tx: Transaction, report: Report) -> None:
    """Price books and cost books are what their hashes say; each cost profile has its book."""
    for table in ("price_books", "cost_books"):
        for hash_, body in tx.all(f"SELECT hash, body FROM {table}"):  # noqa: S608 - our own name
            same = hashlib.sha256(body.encode()).hexdigest() == hash_
            report.check("prices", same, hash_, "the book is not what its hash says")
    report.looked("costs", 0)
    for provider, book in tx.all(
        "SELECT p.provider, b.hash FROM cost_profiles p LEFT JOIN cost_books b ON b.hash=p.book"
    ):
        report.check("costs", book is not None, provider, "its cost book is gone")


def costs(
    tx: Transaction, report: Report, after: tuple[str, int], page: int
) -> tuple[str, int] | None:
    """One page of costs: the last one's place, None at the end."""
    costing = tx.shared.costing
    rows = tx.all(
        "SELECT c.wallet, c.seq, c.cost, c.why, c.model, c.usage, c.at, c.book, u.seq "
        "FROM usage_costs c LEFT JOIN usage_records u ON u.wallet=c.wallet AND u.seq=c.seq "
        "WHERE c.wallet>? OR (c.wallet=? AND c.seq>?) ORDER BY c.wallet, c.seq LIMIT ?",
        *(after[0], after[0], after[1], page),
    )
    for wallet, seq, cost, why, model, usage, at, book, record in rows:
        place = f"{wallet} {seq}"
        report.check("costs", record is not None, place, "a cost without a usage record")
        if book is None or cost is None or costing is None:
            continue
        body = tx.value("SELECT body FROM cost_books WHERE hash=?", book)
        again = None if body is None else costing.again(body, model, msgspec.json.decode(usage), at)
        report.check("costs", again == cost, place, f"{why}: {cost} is kept, {again} follows")
    return (rows[-1][0], rows[-1][1]) if len(rows) == page else None


def made_codes(tx: Transaction, report: Report) -> None:
    """Each code is what the audit log says was made, and each that it says is there.

    What was made before there was an audit log, by a program that kept none, is not told.
    """
    said: dict[str, Any] = {}
    whole = True
    for (text,) in tx.all("SELECT after FROM audit_log WHERE action='codes.create'"):
        with report.readable("codes", "the audit log"):
            after = msgspec.json.decode(text or "{}")
            whole = whole and "too_long" not in after
            for made in after.get("data") or [after]:
                if "id" in made:
                    said[made["id"]] = made
    (begun,) = tx.one("SELECT min(at) FROM audit_log") or (None,)
    scales: dict[str, int] = dict(tx.all("SELECT DISTINCT currency, scale FROM wallets"))
    for code, amount, currency, created, *rest in tx.all(
        "SELECT id, amount, currency, created_at, kind, percent, uses, expires_at, "
        "credits_expire_at FROM codes"
    ):
        made = said.pop(code, None)
        untold = not whole or begun is None or created < begun
        report.check("codes", made is not None or untold, code, "nobody made it")
        if made is None:
            continue
        with report.readable("codes", code):
            kind, percent, uses, *ends = rest
            told = [made["currency"], made["kind"], made["percent"], made["uses"]]
            told += [_micros(made[name]) for name in ("expires_at", "credits_expire_at")]
            same = told == [currency, kind, percent, uses, *ends]
            if percent is None and currency in scales:
                same = same and parse_units(made["amount"], scales[currency]) == amount
            report.check("codes", same, code, f"it was made as {made['amount']} {told}")
    for code in said:
        report.check("codes", False, code, "the audit log has it, and it is gone")


def _micros(text: str | None) -> int | None:
    if text is None:
        return None
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // datetime.timedelta(microseconds=1)
